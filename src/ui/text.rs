//! Formats a run as text. Warnings, and the changes of few hosts, are shown as they happen; problems are collected, and
//! each is shown once at the end, followed by a recap like Ansible's and the result in one sentence. Prints nothing.

use crate::event::{Command, Event, Outcome, Recap, RegistryRow, StepRow, Trace};
use crate::facts::Verdict;
use crate::failure::Failure;
use crate::plan::Target;

use super::line::{Line, Tone};
use super::problems::Problems;
use super::quota::{self, quota};
use super::steps::{Collected, change_line, left_lines};
use super::vantage::{self, FirstResults};
use super::{Detail, Layout, conclusion, diff, recap};

/// Converts events to lines. The lines depend on the command, and on the events before.
pub(super) struct Screen {
    layout: Layout,
    command: Option<Command>,
    hosts: usize,
    first: FirstResults,
    problems: Problems,
    collected: Collected,
}

impl Screen {
    pub(super) fn new(layout: Layout) -> Self {
        let (first, problems, collected) = (FirstResults::default(), Problems::default(), Collected::default());
        Self { layout, command: None, hosts: 0, first, problems, collected }
    }

    /// The lines to print for an event.
    pub(super) fn show(&mut self, event: &Event) -> Vec<Line> {
        match event {
            Event::Started(started) => {
                (self.command, self.hosts) = (Some(started.command), started.hosts.len());
                Vec::new()
            }
            Event::Warning { message } => vec![warning_line(message)],
            Event::Error(failure) => vec![failure_line(failure)],
            Event::Registry(row) if self.first.is_new(row) || self.everything() => self.registry(row),
            Event::Pool(row) => vec![Line::message(Tone::Plain, format!("pool {}: {}", row.pool, row.message))],
            Event::Host(row) => {
                self.problems.add_host(row);
                Vec::new()
            }
            Event::Step(row) => self.step(row),
            Event::Trace(trace) => self.trace(trace).into_iter().collect(),
            Event::Recap(recap) => self.end(recap),
            // The last line of the run reports the interruption.
            Event::Registry(_) | Event::Progress(_) | Event::Interrupted => Vec::new(),
        }
    }

    fn everything(&self) -> bool {
        self.layout.detail >= Detail::Everything
    }

    fn trace(&self, Trace { subject, text, took }: &Trace) -> Option<Line> {
        let timing = match self.layout.detail {
            Detail::Timing => format!(" ({} ms)", took.as_millis()),
            _ => String::new(),
        };
        let shown = self.layout.detail >= Detail::Steps;
        shown.then(|| Line::message(Tone::Trace, format!("{subject}: {text}{timing}")))
    }

    fn registry(&mut self, row: &RegistryRow) -> Vec<Line> {
        let RegistryRow { host, user, image, verdict, from, .. } = row;
        let mut lines = Vec::new();
        match verdict {
            Verdict::Proved if self.shows_all() => {
                let from = from.as_ref().map(|node| format!(" from {node}")).unwrap_or_default();
                let what = if image == host { "the login" } else { image };
                let quota = row.rate_limit.filter(|_| self.everything()).map(quota);
                let quota = quota.map(|quota| format!(" ({quota})")).unwrap_or_default();
                let line = Line::result(Tone::Plain, format!("registry {host}: ")).then(Tone::Good, "proved");
                lines.push(line.then(Tone::Plain, format!("{from}: {what} as `{user}`{quota}")));
            }
            Verdict::Proved => {}
            // Some verdicts prove nothing but permit the run, for example if the test login is off.
            verdict if verdict.permits_run() => {
                let failure = row.failure.iter();
                lines.extend(failure.map(|failure| Line::message(Tone::Warning, failure_block("warning", failure))));
            }
            _ => self.problems.add_credential(row),
        }
        if let Some(few) = row.rate_limit.filter(quota::is_low) {
            let left = quota(few);
            lines.push(warning_line(&format!("registry `{host}` has few pulls left for user `{user}`: {left}")));
        }
        lines
    }

    fn step(&mut self, row: &StepRow) -> Vec<Line> {
        self.collected.add_notes(row, self.command);
        if row.failure.is_some() {
            let node = match &row.target {
                Target::File(file) if !self.command.is_some_and(Command::is_about_one_file) => {
                    format!("{}: ", file.host)
                }
                Target::File(_) | Target::Object(_) => String::new(),
            };
            self.problems.add_step(row, &node);
            return Vec::new();
        }
        let mut left = if self.everything() { left_lines(row, self.command) } else { Vec::new() };
        let mut lines = self.changes(row);
        lines.append(&mut left);
        lines
    }

    fn changes(&mut self, row: &StepRow) -> Vec<Line> {
        let few = self.everything() || self.hosts <= recap::MANY;
        match row.outcome {
            Outcome::Unchanged | Outcome::Skipped | Outcome::NotProved if !self.everything() => Vec::new(),
            // A difference was requested, so it is shown for every target.
            outcome if outcome.is_change() && row.diff.is_some() => {
                let lines = row.diff.iter().flat_map(diff::lines).map(|line| Line::result(Tone::Plain, line));
                std::iter::once(change_line(row, self.command)).chain(lines).collect()
            }
            // With progress bars, the lines of `apply` would repeat what the recap counts. The changes of a plan are
            // always printed, because they are its result.
            _ if few && (self.shows_all() || !self.layout.bars) => vec![change_line(row, self.command)],
            _ if few => Vec::new(),
            _ => self.collected.add_change(row, self.command).into_iter().collect(),
        }
    }

    fn shows_all(&self) -> bool {
        self.everything() || self.command != Some(Command::Apply)
    }

    /// The end of the output, which contains the result.
    fn end(&self, recap: &Recap) -> Vec<Line> {
        let width = self.layout.width;
        let mut lines = self.collected.lines(width);
        lines.extend(self.problems.blocks(width));
        lines.extend(recap::lines(recap, self.command, &self.problems, &self.layout));
        lines.extend(vantage::differences(recap).into_iter().map(|text| Line::message(Tone::Failed, text)));
        lines.extend(conclusion::conclusion(self.command, recap, self.layout.retry_file.as_deref()));
        lines
    }
}

/// A warning.
pub(super) fn warning_line(message: &str) -> Line {
    Line::message(Tone::Warning, format!("warning: {message}"))
}

/// A failure that ends the command.
pub(super) fn failure_line(failure: &Failure) -> Line {
    Line::message(Tone::Failed, failure_block("error", failure))
}

fn failure_block(label: &str, failure: &Failure) -> String {
    let message = match &failure.excerpt {
        Some(excerpt) => format!("{}\n{excerpt}", failure.message),
        None => failure.message.clone(),
    };
    block(label, &message, &failure.causes, failure.hint.as_deref())
}

pub(super) fn block(label: &str, message: &str, causes: &[String], hint: Option<&str>) -> String {
    let causes = causes.iter().map(|cause| format!("\n  caused by: {cause}"));
    let hint = hint.map(|hint| format!("\nhint: {hint}"));
    format!("{label}: {message}{}{}", causes.collect::<String>(), hint.unwrap_or_default())
}
