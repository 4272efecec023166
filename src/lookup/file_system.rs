//! The files of one machine, as a lookup accesses them. It does no I/O: the engine reads the files.

use super::{EntrySource, UnusedEntry, UnusedReason};
use crate::dockerconfig::Format;
use crate::secret::SecretBytes;

/// A file that a consumer searches.
#[derive(Debug, Clone)]
pub struct CredentialFile {
    /// Its path.
    pub path: String,
    /// How the consumer reads it.
    pub format: Format,
    /// What exists at the path.
    pub state: PathState,
}

/// What exists at a path.
#[derive(Debug, Clone)]
pub enum PathState {
    /// A file with this content.
    Content(SecretBytes),
    /// Nothing.
    Absent,
    /// A file that cannot be read. The reason is a predicate, which follows the path: `is a directory`.
    Unreadable(String),
    /// A file that the user who looked may not read, with the reason. Root may read it.
    Forbidden(String),
}

/// Access to the files of one machine.
#[derive(Clone, Copy)]
pub struct FileSystem<'a> {
    /// What exists at a path.
    pub state: &'a dyn Fn(&str) -> PathState,
    /// The paths of the files in a directory, sorted.
    pub list: &'a dyn Fn(&str) -> Vec<String>,
}

impl CredentialFile {
    /// The file as the source of entries.
    pub(super) fn source(&self) -> EntrySource {
        EntrySource::File(self.path.clone())
    }

    /// The finding that no entry of the file is used.
    pub(super) fn unused(&self, reason: UnusedReason) -> UnusedEntry {
        UnusedEntry { source: self.source(), key: None, user: None, reason }
    }
}
