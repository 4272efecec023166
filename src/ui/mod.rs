//! The only module that prints. It formats events, and does not depend on the code that produces them. Results are
//! written to stdout, progress and errors to stderr.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is what this module is for")]

mod bars;
mod color;
mod conclusion;
mod diff;
mod explanation;
mod findings;
mod json;
mod line;
mod list;
mod messages;
mod names;
mod plural;
mod problems;
mod quota;
mod recap;
mod retry_file;
mod steps;
mod text;
mod vantage;

#[cfg(test)]
#[path = "tests.rs"]
mod layout_tests;

use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use self::bars::Bars;
use self::color::ColoredStreams;
use self::line::{Line, Stream, Tone};
use crate::event::{Command, Event, Outcome};

pub use color::Color;
pub use explanation::explanation;
pub use findings::findings;
pub use list::{graph, host, list, text as document};
pub use messages::{backups, failures, hosts, interrupted, problems, valid, warnings};
pub use retry_file::RetryFile;

/// The output format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// Text for people: lines, and progress bars if stderr is a terminal.
    #[default]
    Text,
    /// One JSON object per line, on stdout.
    Json,
}

/// How much the text output shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Nothing, if nothing was changed and nothing failed (`-q`); otherwise the same as [`Detail::Changes`].
    Quiet,
    /// What changes and what fails.
    #[default]
    Changes,
    /// Also what is already up to date (`-v`).
    Everything,
    /// Also the steps of connections (`-vv`).
    Steps,
    /// Also how long each step took (`-vvv`).
    Timing,
}

/// How the output of a run is arranged.
#[derive(Debug, Clone)]
struct Layout {
    detail: Detail,
    /// The number of columns, if stdout is a terminal.
    width: Option<usize>,
    /// Whether the user sees progress bars.
    bars: bool,
    /// `--retry-file`.
    retry_file: Option<String>,
}

/// How a command prints.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// The format.
    pub format: Format,
    /// How much text output shows.
    pub detail: Detail,
    /// Whether text output has colors.
    pub color: Color,
}

/// What is printed of a run, and how.
#[derive(Debug, Default)]
pub struct Output {
    /// How it is printed.
    pub style: Style,
    /// The file that gets the names of the nodes that are not done.
    pub retry_file: Option<RetryFile>,
}

/// Starts a thread that prints events. It ends when every sender is dropped; join it before the process ends.
pub fn start(output: Output) -> (Sender<Event>, JoinHandle<()>) {
    let (sender, events) = mpsc::channel();
    (sender, std::thread::spawn(move || print_events(output, &events)))
}

fn print_events(output: Output, events: &Receiver<Event>) {
    let Output { style: Style { format, detail, color }, mut retry_file } = output;
    let colors = ColoredStreams::new(color);
    let mut bars = if detail == Detail::Quiet { Bars::hidden() } else { Bars::on_stderr() };
    let width = console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
    let retry_name = retry_file.as_ref().map(RetryFile::name);
    let mut screen = text::Screen::new(Layout { detail, width, bars: bars.are_visible(), retry_file: retry_name });
    // The lines that are printed only if the run has news.
    let mut held = Vec::new();
    for event in events {
        if let (Event::Recap(recap), Some(file)) = (&event, &mut retry_file)
            && file.write(recap).is_err()
        {
            OUTPUT_LOST.store(true, Ordering::Relaxed);
        }
        if format == Format::Json {
            json::print(&event);
            continue;
        }
        match &event {
            Event::Progress(progress) => bars.update(progress),
            // Bars that an interruption left must not be drawn again below the recap.
            Event::Recap(_) => bars.clear(),
            _ => {}
        }
        let mut lines = screen.show(&event);
        if detail == Detail::Quiet {
            held.append(&mut lines);
            match &event {
                Event::Recap(recap) if conclusion::has_news(recap) => lines = std::mem::take(&mut held),
                Event::Recap(_) => held.clear(),
                _ => {}
            }
        }
        if !lines.is_empty() {
            bars.aside(|| lines.iter().for_each(|line| print(line, colors)));
        }
    }
    // Lines are left only if the run ended without a recap, because of a bug.
    held.iter().for_each(|line| print(line, colors));
}

fn print(line: &Line, colors: ColoredStreams) {
    let text = colors.paint(line);
    match line.stream {
        Stream::Results => write_result(&text),
        Stream::Messages => write_message(&text),
    }
}

/// An outcome in words, as this command means it.
fn outcome(outcome: Outcome, command: Option<Command>) -> (Tone, &'static str) {
    let planned = command == Some(Command::Plan);
    match outcome {
        Outcome::Created if planned => (Tone::Changed, "would be created"),
        Outcome::Updated if planned => (Tone::Changed, "would be updated"),
        Outcome::Recreated if planned => (Tone::Changed, "would be deleted and created again"),
        Outcome::Deleted if planned => (Tone::Changed, "would be deleted"),
        Outcome::Created => (Tone::Changed, "created"),
        Outcome::Updated => (Tone::Changed, "updated"),
        Outcome::Recreated => (Tone::Changed, "deleted and created again"),
        Outcome::Deleted => (Tone::Changed, "deleted"),
        Outcome::Unchanged => (Tone::Good, "unchanged"),
        Outcome::Proved => (Tone::Good, "proved"),
        Outcome::NotProved => (Tone::Skipped, "not proved"),
        Outcome::Failed => (Tone::Failed, "failed"),
        Outcome::Skipped => (Tone::Skipped, "not written"),
    }
}

/// Prints where this program panicked. The failure that follows describes what that means.
pub fn panicked(at: Option<&std::panic::Location<'_>>) {
    let place = at.map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    error_line(&format!("internal error at {place}"));
}

/// Whether a part of the output could not be written to stdout or to the retry file, for example because a disk is full.
static OUTPUT_LOST: AtomicBool = AtomicBool::new(false);

/// Whether the complete output was written. Call it after the last line was printed.
pub fn is_complete() -> bool {
    let complete = !OUTPUT_LOST.load(Ordering::Relaxed);
    if !complete {
        error_line("error: the output could not be written completely");
    }
    complete
}

/// Remembers that the output is not complete if it could not be written to stdout. A reader that closes the pipe early
/// (`| head`) is not a failure of the run.
pub fn record_output(written: std::io::Result<()>) {
    // The flush makes a write error visible here, where it can still change the exit status.
    match written.and_then(|()| std::io::stdout().flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => OUTPUT_LOST.store(true, Ordering::Relaxed),
        Ok(()) | Err(_) => {}
    }
}

/// Prints one line on stdout.
fn line(text: &str) {
    write_result(&visible(text));
}

/// Prints one line on stderr.
fn error_line(text: &str) {
    write_message(&visible(text));
}

/// Writes one line to stdout.
fn write_result(text: &str) {
    let written = writeln!(std::io::stdout().lock(), "{text}");
    record_output(written);
}

/// Writes one line to stderr.
fn write_message(text: &str) {
    // A closed stderr leaves no place to report the error, and it must not stop the run.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// The text with control characters made visible, because a server or a node may have chosen a part of it.
fn visible(text: &str) -> String {
    // The ranges are the characters that change the direction of text.
    let controls_terminal =
        |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if controls_terminal(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn text_cannot_control_the_terminal() {
        assert_eq!(super::visible("a\u{202e}b"), "a\u{fffd}b");
        assert_eq!(super::visible("a\u{1b}[31mb\r\nc\u{9b}"), "a\u{fffd}[31mb\u{fffd}\nc\u{fffd}");
    }
}
