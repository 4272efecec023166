//! The texts that an inventory is read from, and places in these texts. It does not depend on file formats, and reads
//! no file.

use std::sync::{Arc, OnceLock};

/// One text of an inventory: a file, the output of a script, or an argument of `-e`.
#[derive(Debug)]
pub struct Source {
    /// The path as the user wrote it, or a name such as `-e`.
    pub name: String,
    text: zeroize::Zeroizing<String>,
    /// The position of the first byte of each line, computed when a line number is first needed.
    lines: OnceLock<Vec<usize>>,
    origin: Origin,
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

    /// The index of the line that contains byte `at`, counted from 0, and the first byte of that line.
    fn line(&self, at: usize) -> (usize, usize) {
        let starts = self.lines.get_or_init(|| {
            let after = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
            std::iter::once(0).chain(after).collect()
        });
        let line = starts.partition_point(|start| *start <= at).saturating_sub(1);
        (line, starts.get(line).copied().unwrap_or_default())
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
        let (line, begin) = self.source.line(start);
        (line + 1, text[begin..start].chars().count() + 1)
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
