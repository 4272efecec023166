//! A text that was taken out of a source, with the way back: any part of it knows the bytes it came
//! from, also where quotes or backslashes were removed on the way. Parses nothing.

use std::sync::Arc;

use super::model::{Source, Span};

/// A text with the place of each of its bytes.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    /// The source it was taken from.
    pub source: &'a Arc<Source>,
    /// The text itself.
    pub text: &'a str,
    origin: Origin<'a>,
}

/// Where the bytes of a [`Text`] stand in its source.
#[derive(Clone, Copy)]
enum Origin<'a> {
    /// The text is a slice of the source that starts here.
    At(usize),
    /// The place of each byte, and as last element the end of the text.
    Each(&'a [usize]),
    /// Somewhere in this range: the way back is lost.
    Within(usize, usize),
}

impl<'a> Text<'a> {
    /// Bytes `start..end` of the source, as they are.
    pub fn slice(source: &'a Arc<Source>, start: usize, end: usize) -> Self {
        Self { source, text: source.text().get(start..end).unwrap_or_default(), origin: Origin::At(start) }
    }

    /// A text whose byte `i` stands at `places[i]`; `places` holds one more element, the end.
    pub fn mapped(source: &'a Arc<Source>, text: &'a str, places: &'a [usize]) -> Self {
        Self { source, text, origin: Origin::Each(places) }
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
            Origin::Each(places) => Origin::Each(places.get(start..=end).unwrap_or_default()),
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
        let (start, end) = match self.origin {
            Origin::At(base) => (base + start, base + end),
            Origin::Each(places) => {
                let first = places.get(start).or(places.last()).copied().unwrap_or_default();
                let last = if end > start { places.get(end - 1).map_or(first, |at| at + 1) } else { first };
                (first, last.max(first))
            }
            Origin::Within(first, last) => (first, last),
        };
        Span::new(self.source, start, end)
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
