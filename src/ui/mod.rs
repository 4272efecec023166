//! The only module that prints. It knows events, and nothing of how they came about. Results go to stdout,
//! progress and errors to stderr.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is what this module is for")]

mod bars;
mod explanation;
mod findings;
mod json;
mod list;
mod text;
mod vantage;

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

use crate::event::Event;
use crate::failure::Failure;
use crate::inventory::Problem;

pub use explanation::explanation;
pub use findings::findings;
pub use list::{graph, host, list, text as schema};

/// How a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people: lines, and bars where stderr is a terminal.
    Text,
    /// One JSON object a line, on stdout.
    Json,
}

/// How much of a run is shown as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What changes and what fails.
    Changes,
    /// What is right already, too (`-v`).
    Everything,
}

/// Starts the printing of events. It ends when every sender is gone; join it before the process ends.
pub fn start(format: Format, detail: Detail) -> (Sender<Event>, JoinHandle<()>) {
    let (sender, events) = mpsc::channel();
    let printer = std::thread::spawn(move || match format {
        Format::Json => events.iter().for_each(|event| json::print(&event)),
        Format::Text => {
            let mut screen = text::Screen::new(detail, bars::Bars::new(std::io::stderr().is_terminal()));
            events.iter().for_each(|event| screen.show(&event));
        }
    });
    (sender, printer)
}

/// Prints what was noticed while the options were made, for a command which has no run.
pub fn warnings(warnings: &[String]) {
    warnings.iter().for_each(|message| text::warning(message));
}

/// Prints problems that end a command which has no run: `inventory --list`.
pub fn problems(problems: &[Problem]) {
    for problem in problems {
        text::problem(problem);
    }
}

/// Prints the faults that end a command which has no run, as text or as JSON.
pub fn faults(faults: &[Failure], format: Format) {
    for fault in faults {
        match format {
            Format::Json => json::print(&Event::Error(fault.clone())),
            Format::Text => text::fault(fault),
        }
    }
}

/// Says that a signal ended a command which has no run.
pub fn interrupted(format: Format) {
    match format {
        Format::Json => json::print(&Event::Interrupted),
        Format::Text => text::interrupted(),
    }
}

/// Whether something that belongs on stdout could not be written there, because a disk is full for instance.
static LOST: AtomicBool = AtomicBool::new(false);

/// Whether all of stdout was written; ask it after the last line.
pub fn is_complete() -> bool {
    let complete = !LOST.load(Ordering::Relaxed);
    if !complete {
        error_line("error: the output could not be written to the end");
    }
    complete
}

/// One line on stdout. A reader that went away (`| head`) is no fault of the run.
fn line(text: &str) {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{}", visible(text)).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => LOST.store(true, Ordering::Relaxed),
        Ok(()) | Err(_) => {}
    }
}

/// One line on stderr.
fn error_line(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", visible(text));
}

/// The text without what would steer a terminal: a server or a node may have chosen a part of it.
fn visible(text: &str) -> String {
    // Among them what makes text run the other way.
    let steers =
        |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if steers(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_terminal_is_not_steered() {
        assert_eq!(super::visible("a\u{202e}b"), "a\u{fffd}b");
        assert_eq!(super::visible("a\u{1b}[31mb\r\nc\u{9b}"), "a\u{fffd}[31mb\u{fffd}\nc\u{fffd}");
    }
}
