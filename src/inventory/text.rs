//! A text that was extracted from a source, with the place of each of its bytes in the source. The places are correct
//! even if quotes or backslashes were removed. It parses nothing.

use std::sync::Arc;

use super::source::{Source, Span};

/// A text, and the source byte of each of its bytes.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    /// The source of the text.
    pub source: &'a Arc<Source>,
    /// The text itself.
    pub text: &'a str,
    mapping: Mapping<'a>,
}

/// The start of a range of bytes that are contiguous both in a text and in its source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct MappedRange {
    /// The first byte of the range in the text.
    pub text: usize,
    /// The same byte in the source.
    pub source: usize,
}

/// Where the bytes of a [`Text`] are in its source.
#[derive(Clone, Copy)]
enum Mapping<'a> {
    /// The text is a slice of the source that starts here.
    At(usize),
    /// The text starts at byte `skip` of a text that consists of ranges of the source.
    Ranges { ranges: &'a [MappedRange], skip: usize },
    /// Somewhere in this range of the source; the exact bytes are not known.
    Within(usize, usize),
}

impl<'a> Text<'a> {
    /// Bytes `start..end` of the source, as they are.
    pub fn slice(source: &'a Arc<Source>, start: usize, end: usize) -> Self {
        Self { source, text: source.text().get(start..end).unwrap_or_default(), mapping: Mapping::At(start) }
    }

    /// A text that consists of `ranges`, in ascending order. The last range is empty and marks the end.
    pub fn mapped(source: &'a Arc<Source>, text: &'a str, ranges: &'a [MappedRange]) -> Self {
        Self { source, text, mapping: Mapping::Ranges { ranges, skip: 0 } }
    }

    /// A text that is written at `span`. Its bytes have exact places if the source has the same text there, with or
    /// without quotes around it.
    pub fn at(span: &'a Span, text: &'a str) -> Self {
        let written = span.source.text().get(span.start..span.end).unwrap_or_default();
        let mapping = if written == text {
            Mapping::At(span.start)
        } else if written.len() == text.len() + 2 && written.get(1..=text.len()) == Some(text) {
            Mapping::At(span.start + 1)
        } else {
            Mapping::Within(span.start, span.end)
        };
        Self { source: &span.source, text, mapping }
    }

    /// Bytes `start..end` of this text.
    pub fn part(&self, start: usize, end: usize) -> Self {
        let mapping = match self.mapping {
            Mapping::At(base) => Mapping::At(base + start),
            Mapping::Ranges { ranges, skip } => Mapping::Ranges { ranges, skip: skip + start },
            within @ Mapping::Within(..) => within,
        };
        Self { source: self.source, text: self.text.get(start..end).unwrap_or_default(), mapping }
    }

    /// The text without white space at its ends.
    pub fn trim(&self) -> Self {
        let start = self.text.len() - self.text.trim_start_matches(is_space).len();
        let end = self.text.trim_end_matches(is_space).len();
        // If the text is only white space, `end` is 0 and `start` is the end of the text.
        self.part(start, end.max(start))
    }

    /// The span of bytes `start..end` of this text.
    pub fn span(&self, start: usize, end: usize) -> Span {
        // The exact bytes are not known, so the span is the complete value.
        if let Mapping::Within(first, last) = self.mapping {
            return Span::new(self.source, first, last);
        }
        let first = self.place(start);
        // The byte after the text may be in another range, so the end is found from the last byte.
        let last = if end > start { self.place(end - 1) + 1 } else { first };
        Span::new(self.source, first, last)
    }

    /// The byte in the source of byte `at` of this text.
    pub fn place(&self, at: usize) -> usize {
        match self.mapping {
            Mapping::At(base) => base + at,
            Mapping::Within(first, _) => first,
            Mapping::Ranges { ranges, skip } => {
                let at = at + skip;
                let range =
                    ranges.partition_point(|range| range.text <= at).checked_sub(1).and_then(|at| ranges.get(at));
                range.map_or(0, |range| range.source + (at - range.text))
            }
        }
    }

    /// The span of the complete text.
    pub fn whole(&self) -> Span {
        self.span(0, self.text.len())
    }
}

/// Whether Python's `str.strip` removes the character.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}
