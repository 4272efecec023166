//! A text that was taken out of a source, with the way back: any part of it knows the bytes it came
//! from, also where quotes or backslashes were removed on the way. Parses nothing.

use std::sync::Arc;

use super::source::{Source, Span};

/// A text with the place of each of its bytes.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    /// The source it was taken from.
    pub source: &'a Arc<Source>,
    /// The text itself.
    pub text: &'a str,
    origin: Origin<'a>,
}

/// Where a text goes on that was put together from parts of a source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Run {
    /// The first byte of the run in the text.
    pub text: usize,
    /// The same byte in the source.
    pub source: usize,
}

/// Where the bytes of a [`Text`] stand in its source.
#[derive(Clone, Copy)]
enum Origin<'a> {
    /// The text is a slice of the source that starts here.
    At(usize),
    /// The text is the tail, from byte `skip` on, of one that was put together from runs of the source.
    Runs { runs: &'a [Run], skip: usize },
    /// Somewhere in this range: the way back is lost.
    Within(usize, usize),
}

impl<'a> Text<'a> {
    /// Bytes `start..end` of the source, as they are.
    pub fn slice(source: &'a Arc<Source>, start: usize, end: usize) -> Self {
        Self { source, text: source.text().get(start..end).unwrap_or_default(), origin: Origin::At(start) }
    }

    /// A text that was put together from `runs` in ascending order, the last of which is empty and marks the end.
    pub fn mapped(source: &'a Arc<Source>, text: &'a str, runs: &'a [Run]) -> Self {
        Self { source, text, origin: Origin::Runs { runs, skip: 0 } }
    }

    /// A text that stands at `span`; byte for byte where the source shows the same text there, with or
    /// without quotes around it.
    pub fn at(span: &'a Span, text: &'a str) -> Self {
        let written = span.source.text().get(span.start..span.end).unwrap_or_default();
        let origin = if written == text {
            Origin::At(span.start)
        } else if written.len() == text.len() + 2 && written.get(1..=text.len()) == Some(text) {
            Origin::At(span.start + 1)
        } else {
            Origin::Within(span.start, span.end)
        };
        Self { source: &span.source, text, origin }
    }

    /// Bytes `start..end` of this text.
    pub fn part(&self, start: usize, end: usize) -> Self {
        let origin = match self.origin {
            Origin::At(base) => Origin::At(base + start),
            Origin::Runs { runs, skip } => Origin::Runs { runs, skip: skip + start },
            within @ Origin::Within(..) => within,
        };
        Self { source: self.source, text: self.text.get(start..end).unwrap_or_default(), origin }
    }

    /// The text without white space at its ends.
    pub fn trim(&self) -> Self {
        let start = self.text.len() - self.text.trim_start_matches(is_space).len();
        let end = self.text.trim_end_matches(is_space).len();
        self.part(start, end.max(start))
    }

    /// The place of bytes `start..end` of this text.
    pub fn span(&self, start: usize, end: usize) -> Span {
        if let Origin::Within(first, last) = self.origin {
            return Span::new(self.source, first, last);
        }
        let first = self.place(start);
        let last = if end > start { self.place(end - 1) + 1 } else { first };
        Span::new(self.source, first, last)
    }

    /// The byte of the source that byte `at` of this text came from.
    pub fn place(&self, at: usize) -> usize {
        match self.origin {
            Origin::At(base) => base + at,
            Origin::Within(first, _) => first,
            Origin::Runs { runs, skip } => {
                let at = at + skip;
                let run = runs.partition_point(|run| run.text <= at).checked_sub(1).and_then(|run| runs.get(run));
                run.map_or(0, |run| run.source + (at - run.text))
            }
        }
    }

    /// The place of the whole text.
    pub fn whole(&self) -> Span {
        self.span(0, self.text.len())
    }
}

/// White space as Python's `str.strip` understands it.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}
