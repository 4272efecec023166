//! Colors of the text output: the ones that Ansible uses. It decides which streams get them. Prints nothing.

use std::fmt::Write as _;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

use super::line::{Line, Stream, Tone};
use super::visible;

/// `--color`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Color {
    /// On terminals, unless the environment decides: `NO_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE`, `TERM=dumb`.
    #[default]
    Auto,
    /// Always, for example for a pager.
    Always,
    /// Never.
    Never,
}

/// Which streams get colors.
#[derive(Debug, Clone, Copy)]
pub(super) struct ColoredStreams {
    results: bool,
    messages: bool,
}

impl ColoredStreams {
    pub(super) fn new(color: Color) -> Self {
        match color {
            Color::Always => Self { results: true, messages: true },
            Color::Never => Self { results: false, messages: false },
            Color::Auto => Self {
                results: AutoStream::choice(&std::io::stdout()) != ColorChoice::Never,
                messages: AutoStream::choice(&std::io::stderr()) != ColorChoice::Never,
            },
        }
    }

    /// The text of a line as its stream shows it. Only this function adds control characters.
    pub(super) fn paint(self, line: &Line) -> String {
        let colored = match line.stream {
            Stream::Results => self.results,
            Stream::Messages => self.messages,
        };
        line.parts.iter().fold(String::new(), |mut painted, (tone, text)| {
            let text = visible(text);
            let _ = match style(*tone).filter(|_| colored && !text.is_empty()) {
                Some(style) => write!(painted, "{style}{text}{style:#}"),
                None => write!(painted, "{text}"),
            };
            painted
        })
    }
}

/// The default colors of Ansible (`COLOR_OK` and the related settings).
fn style(tone: Tone) -> Option<Style> {
    let color = match tone {
        Tone::Plain => return None,
        Tone::Trace => AnsiColor::Blue,
        Tone::Good => AnsiColor::Green,
        Tone::Changed => AnsiColor::Yellow,
        Tone::Skipped => AnsiColor::Cyan,
        Tone::Warning => AnsiColor::BrightMagenta,
        Tone::Failed => AnsiColor::Red,
        Tone::Unreachable => AnsiColor::BrightRed,
    };
    Some(color.on_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_color_decides_about_escape_sequences() {
        let line = Line::result(Tone::Good, "n1\u{1b}[31m").then(Tone::Plain, " : ").then(Tone::Failed, "failed=1");
        assert_eq!(ColoredStreams::new(Color::Never).paint(&line), "n1\u{fffd}[31m : failed=1");
        let painted = ColoredStreams::new(Color::Always).paint(&line);
        assert_eq!(painted, "\u{1b}[32mn1\u{fffd}[31m\u{1b}[0m : \u{1b}[31mfailed=1\u{1b}[0m");
    }
}
