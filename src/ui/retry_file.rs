//! The file of `--retry-file`: the names of the nodes that are not done, for `--limit @FILE`. It has one name on each
//! line, like the retry files of Ansible. Prints nothing.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use super::conclusion::incomplete_hosts;
use crate::event::Recap;
use crate::failure::{Failure, without_errno};

/// The open file, which keeps its content until the recap is known.
#[derive(Debug)]
pub struct RetryFile {
    path: PathBuf,
    file: File,
}

impl RetryFile {
    /// Opens the file before the run, so that a path that cannot be written is reported before anything is changed.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let failure = |error: io::Error| {
            let message = format!("`{}` cannot be written", path.display());
            Failure::new(message).cause(without_errno(&error)).hint("name another file with `--retry-file`")
        };
        Ok(Self { path: path.to_owned(), file: file.map_err(failure)? })
    }

    /// The path as the user gave it.
    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Replaces the content with the names of the nodes that are not done; with an empty text if all are done.
    pub(super) fn write(&mut self, recap: &Recap) -> io::Result<()> {
        // Without nodes, the run did not begin, and the names of the run before are still those to try again.
        if recap.hosts.is_empty() {
            return Ok(());
        }
        let names: String = incomplete_hosts(recap).into_iter().map(|(host, _)| format!("{host}\n")).collect();
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(names.as_bytes())
    }
}
