//! The texts that an inventory is read from, and places in these texts. It does not depend on file formats, and reads
//! no file.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// One text of an inventory: a file, the output of a script, or an argument of `-e`.
#[derive(Debug)]
pub struct Source {
    /// The path as the user wrote it, or a name such as `-e`.
    pub name: String,
    text: zeroize::Zeroizing<String>,
    /// Computed when the place of a problem is first needed. Thousands of problems may have places in one text.
    lines: OnceLock<Lines>,
    origin: Origin,
}

/// Where the lines of a text are. With it, the cost of a place does not depend on the size of the text.
#[derive(Debug)]
struct Lines {
    /// The first byte of each line.
    starts: Vec<usize>,
    /// For each line: whether it is below a line that opens a YAML block scalar (`key: |`).
    in_block: Vec<bool>,
    /// The number of characters before byte 0, [`STEP`], 2 * [`STEP`] …
    characters: Vec<usize>,
}

/// The distance of the bytes whose characters are counted in advance.
const STEP: usize = 1024;

impl Lines {
    fn of(text: &str) -> Self {
        let after = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let starts: Vec<usize> = std::iter::once(0).chain(after).collect();
        let mut count = 0;
        let characters = text.as_bytes().chunks(STEP).map(|chunk| {
            let before = count;
            count += chunk.iter().filter(|byte| is_start(**byte)).count();
            before
        });
        let characters = characters.collect();
        Self { in_block: in_blocks(text), starts, characters }
    }

    /// The number of characters that start before byte `at`.
    fn characters_before(&self, text: &str, at: usize) -> usize {
        let step = at / STEP;
        // Behind the last byte, a text whose length is a multiple of the step has no count of its own.
        let step = step.min(self.characters.len().saturating_sub(1));
        let before = self.characters.get(step).copied().unwrap_or_default();
        before + text.as_bytes()[step * STEP..at].iter().filter(|byte| is_start(**byte)).count()
    }
}

/// Whether a byte of UTF-8 is the first one of a character.
fn is_start(byte: u8) -> bool {
    byte & 0b1100_0000 != 0b1000_0000
}

/// For each line, whether it belongs to a block scalar: the nearest line above it with a smaller indentation opens one
/// or belongs to one.
fn in_blocks(text: &str) -> Vec<bool> {
    // The lines that may be above a later one, each with its indentation, which increases, and whether what is below it
    // belongs to a block.
    let mut open: Vec<(usize, bool)> = Vec::new();
    let lines = text.split('\n').map(|line| {
        let depth = line.len() - line.trim_start_matches(' ').len();
        let above = open.partition_point(|(indentation, _)| *indentation < depth);
        let inside = above.checked_sub(1).is_some_and(|parent| open[parent].1);
        if !line.trim().is_empty() {
            open.truncate(above);
            open.push((depth, inside || opens_block(line)));
        }
        inside
    });
    lines.collect()
}

fn opens_block(line: &str) -> bool {
    // A comment, or an indicator such as in `|2-`, may follow the `|`.
    let end = line.split(" #").next().unwrap_or_default().trim_end();
    end.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-')).ends_with(['|', '>'])
}

/// Where a source comes from. All fields are `None` if the text is not from an inventory source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The permission bits of the file (`0o644`); `None` for arguments and the output of scripts.
    pub mode: Option<u32>,
    /// What Ansible calls `inventory_file`: the absolute path of a file or script, or the list of hosts of `-i`.
    pub file: Option<String>,
    /// What Ansible calls `inventory_dir`: the absolute path of the folder it is in.
    pub folder: Option<String>,
}

impl Source {
    /// Creates a source. The text may contain passwords and is overwritten with zeros on drop.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Self::with_origin(name, text, Origin::default())
    }

    /// Like [`Source::new`], with a known origin.
    pub fn with_origin(name: impl Into<String>, text: impl Into<String>, origin: Origin) -> Arc<Self> {
        let text = zeroize::Zeroizing::new(text.into());
        Arc::new(Self { name: name.into(), text, lines: OnceLock::new(), origin })
    }

    /// Where it comes from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The permission bits of the file; `None` if the source is not a file.
    pub fn mode(&self) -> Option<u32> {
        self.origin.mode
    }

    fn lines(&self) -> &Lines {
        self.lines.get_or_init(|| Lines::of(&self.text))
    }

    /// The index of the line that contains byte `at`, counted from 0.
    fn line_at(&self, at: usize) -> usize {
        self.lines().starts.partition_point(|start| *start <= at).saturating_sub(1)
    }

    /// The bytes of the line that contains byte `at`, without its line end.
    pub fn line(&self, at: usize) -> Range<usize> {
        let line = self.line_at(at);
        let starts = &self.lines().starts;
        let end = starts.get(line + 1).map_or(self.text.len(), |next| next - 1);
        starts.get(line).copied().unwrap_or_default()..end
    }

    /// Whether the line that contains byte `at` is part of a YAML block scalar (`key: |`).
    pub fn is_in_block(&self, at: usize) -> bool {
        self.lines().in_block.get(self.line_at(at)).copied().unwrap_or_default()
    }

    /// The complete text. It may contain passwords, so messages show it only through `Problem::render`, which masks
    /// them.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A byte range of one source. `start == end` is a point.
#[derive(Clone)]
pub struct Span {
    /// The source that contains the bytes.
    pub source: Arc<Source>,
    /// The first byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

impl Span {
    /// Bytes `start..end` of `source`.
    pub fn new(source: &Arc<Source>, start: usize, end: usize) -> Self {
        Self { source: Arc::clone(source), start, end }
    }

    /// Line and column, both counted from 1; the column counts characters, not bytes.
    pub fn line_column(&self) -> (usize, usize) {
        let text = self.source.text();
        let mut start = self.start.min(text.len());
        // A span counts bytes, so it may start inside a character.
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let lines = self.source.lines();
        let before = lines.characters_before(text, self.source.line(start).start);
        (self.source.line_at(start) + 1, lines.characters_before(text, start) - before + 1)
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (line, column) = self.line_column();
        write!(f, "{}:{line}:{column}", self.source.name)
    }
}

impl std::fmt::Debug for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_text() {
        let long = "ä".repeat(3 * STEP);
        let text = format!("a\n{long}\nb: |\n  x\n\n    y\nz\n  - >- # comment\n    last ü");
        let source = Source::new("hosts", text.as_str());
        for at in 0..=text.len() {
            let start = (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap();
            let before = &text[..start];
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
            assert_eq!(Span::new(&source, at, at).line_column(), (line, column), "{at}");
        }
        let blocks: Vec<bool> = text
            .match_indices('\n')
            .map(|(at, _)| source.is_in_block(at))
            .chain([source.is_in_block(text.len())])
            .collect();
        assert_eq!(blocks, [false, false, false, true, false, true, false, false, true]);
    }
}
