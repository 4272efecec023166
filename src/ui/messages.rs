//! Prints the results, warnings and failures of commands without events, such as `inventory` and `explain`. Colors only
//! repeat what the words say.

use std::path::Path;

use super::line::{Line, Tone};
use super::{Detail, Format, Style, json, line, print, text};
use crate::desired::BackupName;
use crate::event::Event;
use crate::failure::Failure;
use crate::inventory::Problem;

/// Prints warnings; nothing with `-q`.
pub fn warnings(warnings: &[String], style: Style) {
    if style.detail > Detail::Quiet {
        warnings.iter().for_each(|message| put(&text::warning_line(message), style));
    }
}

/// Prints the names of hosts as `ansible --list-hosts` does.
pub fn hosts(hosts: &[String]) {
    line(&format!("  hosts ({}):", hosts.len()));
    hosts.iter().for_each(|host| line(&format!("    {host}")));
}

/// Prints the names of backups, one on each line. That there are none in the folder is not a result.
pub fn backups(names: &[BackupName], folder: &Path, style: Style) {
    names.iter().for_each(|name| line(name.as_str()));
    if names.is_empty() && style.detail > Detail::Quiet {
        put(&Line::message(Tone::Plain, format!("there are no backups in `{}`", folder.display())), style);
    }
}

/// Prints that `--syntax-check` found no problem; nothing with `-q`.
pub fn valid(style: Style) {
    if style.detail > Detail::Quiet {
        line("the inventory is valid; nothing was contacted");
    }
}

/// Prints problems that end a command, such as `inventory --list`: each with its line and a caret.
pub fn problems(problems: &[Problem], style: Style) {
    problems.iter().for_each(|problem| put(&text::failure_line(&Failure::from(problem)), style));
}

/// Prints the failures that end a command, as text or as JSON.
pub fn failures(failures: &[Failure], style: Style) {
    for failure in failures {
        match style.format {
            Format::Json => json::print(&Event::Error(failure.clone())),
            Format::Text => put(&text::failure_line(failure), style),
        }
    }
}

/// Prints that a signal ended a command that changes nothing.
pub fn interrupted(style: Style) {
    match style.format {
        Format::Json => json::print(&Event::Interrupted),
        Format::Text => put(&Line::message(Tone::Plain, "interrupted: nothing was changed"), style),
    }
}

/// Prints one line.
pub(super) fn put(line: &Line, style: Style) {
    print(line, super::ColoredStreams::new(style.color));
}
