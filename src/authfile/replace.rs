//! The atomic replacement of a file: a temporary file in the same folder, and one rename. Takes no lock.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use tempfile::{Builder, NamedTempFile};

use super::fault::Unwritten;
use super::{folder, look, name};
use crate::facts::FileState;
use crate::failure::{Failure, without_errno};
use crate::secret::SecretBytes;

/// The bits that a file with passwords may have: those of its owner.
const OWNER_BITS: u32 = 0o700;

/// The prefix of the names of temporary files.
pub(super) fn prefix(target: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    // The name of the target is a part of the prefix, so that a run never removes the temporary file of another target
    // in the same folder.
    prefix.push(name(target));
    prefix.push(".oregano-login.");
    prefix
}

/// User and group of a file.
pub(super) type Owner = (u32, u32);

/// The owner of `target`, if it exists.
pub(super) fn owner(target: &Path) -> Option<Owner> {
    fs::symlink_metadata(target).ok().map(|metadata| (metadata.uid(), metadata.gid()))
}

/// The file that is replaced.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) target: PathBuf,
    /// The folder of `target`.
    pub(super) folder: File,
    /// The owner of the file when it was locked, if it existed.
    pub(super) owner: Option<Owner>,
}

/// Replaces a file, if its content is still what was `observed` and its owner is still the same.
pub(super) fn replace(destination: &Destination, observed: &FileState, new: &SecretBytes) -> Result<(), Failure> {
    let target = destination.target.as_path();
    let unwritten = |reason: Unwritten| reason.failure(target, folder(target));
    let failed = |error: io::Error| unwritten(Unwritten::Failed(without_errno(&error)));
    let mut builder = Builder::new();
    let name = prefix(target);
    // The file is created with its mode, because a later change would leave a moment in which others could open it.
    builder.prefix(&name).rand_bytes(16).permissions(Permissions::from_mode(0o600));
    let mut temporary = builder.tempfile_in(folder(target)).map_err(failed)?;
    temporary.write_all(new.expose()).map_err(failed)?;
    let (content, mode) = match observed {
        FileState::Present { content, mode } => (Some(content), mode & OWNER_BITS),
        FileState::Absent | FileState::Unusable(_) => (None, 0o600),
    };
    temporary.as_file().set_permissions(Permissions::from_mode(mode)).map_err(failed)?;
    // Without this, a crash after the rename could leave an empty file under the final name.
    temporary.as_file().sync_all().map_err(failed)?;
    // This is checked as late as possible, because a program that takes no lock may have written during the fsync.
    let now = look(target).map_err(|fault| fault.failure(&target.display().to_string()))?;
    let now_owner = now.as_ref().map(|(_, metadata)| (metadata.uid(), metadata.gid()));
    if now.as_ref().map(|(now, _)| now) != content || now_owner != destination.owner {
        return Err(unwritten(Unwritten::Changed));
    }
    // The owner is changed only now, because a new owner could write to the temporary file.
    if let Some((user, group)) = destination.owner.filter(|_| geteuid().is_root()) {
        fchown(temporary.as_file(), Some(user), Some(group)).map_err(failed)?;
    }
    rename(temporary, target, observed).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => unwritten(Unwritten::Changed),
        _ => failed(error),
    })?;
    // The rename itself must survive a crash. It has succeeded already, so an error of this call is not reported.
    let _ = destination.folder.sync_all();
    Ok(())
}

/// If no file was observed, a file that exists now is not replaced.
fn rename(temporary: NamedTempFile, target: &Path, observed: &FileState) -> io::Result<()> {
    let renamed = match observed {
        FileState::Present { .. } => temporary.persist(target),
        // The check above and the rename are two steps, and another program could create the file between them. This
        // call fails instead of replacing it.
        FileState::Absent | FileState::Unusable(_) => temporary.persist_noclobber(target),
    };
    renamed.map(|_| ()).map_err(|error| error.error)
}
