//! A line of the output: what it reports, and the stream that it belongs to. It decides no content, and prints nothing.

/// What a part of a line reports. It only selects a color, and the words of the line have the same meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Tone {
    /// Nothing in particular.
    Plain,
    /// A step of a connection.
    Trace,
    /// It is as the inventory declares it.
    Good,
    /// It was changed, or would be.
    Changed,
    /// It was not tried.
    Skipped,
    /// It needs attention, but stops nothing.
    Warning,
    /// It failed.
    Failed,
    /// It could not be reached.
    Unreachable,
}

/// Where a line is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// stdout.
    Results,
    /// stderr.
    Messages,
}

/// A line, or a block of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) stream: Stream,
    pub(super) parts: Vec<(Tone, String)>,
}

impl Line {
    /// A line of stdout.
    pub(super) fn result(tone: Tone, text: impl Into<String>) -> Self {
        Self { stream: Stream::Results, parts: vec![(tone, text.into())] }
    }

    /// A line of stderr.
    pub(super) fn message(tone: Tone, text: impl Into<String>) -> Self {
        Self { stream: Stream::Messages, parts: vec![(tone, text.into())] }
    }

    /// Appends text.
    #[must_use]
    pub(super) fn then(mut self, tone: Tone, text: impl Into<String>) -> Self {
        self.parts.push((tone, text.into()));
        self
    }

    /// The text without colors.
    #[cfg(test)]
    pub(super) fn text(&self) -> String {
        self.parts.iter().map(|(_, text)| text.as_str()).collect()
    }
}
