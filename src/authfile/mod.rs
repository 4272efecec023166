//! The auth-file edge: files with credentials on this machine. It follows links, reads the file, and replaces it
//! atomically, so that a crash at any point leaves the old file or the new one. It does not interpret the content.

mod backup;
mod fault;
mod lock;
mod replace;

#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, geteuid};

use crate::facts::{FileAccess, FileFault, FileState};
use crate::failure::{Failure, without_errno};
use crate::secret::SecretBytes;

pub use backup::{BackupFile, Backups};
use fault::Unusable;
pub use lock::{Held, hold};

/// The maximum size of an auth file in bytes. A Kubernetes secret has at most 1 MiB, so a larger file is not an auth
/// file.
const LARGEST: u64 = 16 << 20;

/// The maximum number of links that are followed, the same as in the kernel (`ELOOP` in path_resolution(7)).
const MOST_LINKS: usize = 40;

/// The current state of the file that `path` leads to, for a caller that only reads it.
pub fn read(path: &Path) -> FileState {
    state(path, look)
}

/// The current state of the file that `path` leads to, for a caller that replaces it: a file of another user is unusable.
pub fn observe(path: &Path) -> FileState {
    state(path, own)
}

/// Content and metadata of a file; `None` if it does not exist.
type Found = Result<Option<(SecretBytes, Metadata)>, FileFault>;

fn state(path: &Path, look: impl Fn(&Path) -> Found) -> FileState {
    let found = target(path).and_then(|target| look(&target).map_err(|fault| fault_of_target(path, &target, fault)));
    match found {
        Ok(None) => FileState::Absent,
        Ok(Some((content, metadata))) => FileState::Present { content, mode: metadata.permissions().mode() & 0o7777 },
        Err(fault) => FileState::Unusable(fault),
    }
}

/// The fault of `path` if the file that it leads to has `fault`.
fn fault_of_target(path: &Path, target: &Path, fault: FileFault) -> FileFault {
    if path == target {
        return fault;
    }
    let message = format!("leads to `{}`, which {}", target.display(), fault.failure.message);
    FileFault { failure: Box::new(Failure { message, ..*fault.failure }), access: fault.access }
}

/// Follows the links of `path`, also to a file that does not exist. The kernel's `protected_symlinks` does not apply here,
/// so links of other users are refused: a user who can create a link must not choose where a password is written.
fn target(path: &Path) -> Result<PathBuf, FileFault> {
    let mut at = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&at) {
            // `join` with an absolute path returns that path.
            Ok(next) => {
                let owner = fs::symlink_metadata(&at).map(|link| link.uid());
                if owner.is_ok_and(|owner| owner != 0 && owner != geteuid().as_raw()) {
                    return Err(fault_of_target(path, &at, Unusable::ForeignLink.fault()));
                }
                at = folder(&at).join(next);
            }
            // It is not a link, or it does not exist.
            Err(_) => return Ok(at),
        }
    }
    Err(Unusable::TooManyLinks.fault())
}

fn look(target: &Path) -> Found {
    let metadata = match fs::symlink_metadata(target) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(closed(target)),
        Err(error) => return Err(Unusable::Unexamined(without_errno(&error)).fault()),
    };
    match () {
        () if metadata.is_dir() => return Err(Unusable::Directory.fault()),
        // Opening a named pipe would block until another process opens its other end.
        () if !metadata.is_file() => return Err(Unusable::Special.fault()),
        () if metadata.len() > LARGEST => return Err(Unusable::TooLarge.fault()),
        () => {}
    }
    let mut content = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    // The limit is applied again, because the file may grow after its size was checked.
    let read = File::open(target).and_then(|file| file.take(LARGEST).read_to_end(&mut content));
    read.map_err(|error| {
        let access = if error.kind() == io::ErrorKind::PermissionDenied { denied() } else { FileAccess::Granted };
        Unusable::Unread(access, without_errno(&error)).fault()
    })?;
    Ok(Some((SecretBytes::new(content), metadata)))
}

/// Like `look`, but returns an error if a password of this user must not be written to the file.
fn own(target: &Path) -> Found {
    let found = look(target)?;
    match &found {
        // A user who owns the file could read the password, even if the mode is 0600.
        Some((_, metadata)) if !may_hold(metadata, &fs::metadata(folder(target)), geteuid()) => {
            Err(Unusable::OtherUser.fault())
        }
        _ => Ok(found),
    }
}

/// Whether a password of `user` may be written to this file. Root may write for another user, who then owns the password,
/// but only where no third user can have created the file: in a folder of that user, or in one that only root can write.
fn may_hold(file: &Metadata, folder: &io::Result<Metadata>, user: Uid) -> bool {
    let safe = |folder: &Metadata| {
        let closed = |bits: u32| folder.mode() & bits == 0;
        // The sticky bit of a folder such as `/tmp` does not help, because it does not prevent other users from
        // creating the file first.
        (folder.uid() == file.uid() && closed(0o002)) || (folder.uid() == 0 && closed(0o022))
    };
    file.uid() == user.as_raw() || (user.is_root() && folder.as_ref().is_ok_and(safe))
}

/// The folder of a file.
fn folder(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Who may read a file if the permissions deny it to this user.
fn denied() -> FileAccess {
    // A denial that applies even to root is not caused by the permission bits.
    if geteuid().is_root() { FileAccess::Granted } else { FileAccess::OnlyRoot }
}

/// The fault if this user may not enter a folder of the path.
fn closed(target: &Path) -> FileFault {
    // Nothing below a folder can be examined without permission to enter it.
    let closed = target.ancestors().skip(1).find(|above| fs::symlink_metadata(above).is_ok());
    Unusable::Closed(denied(), closed.unwrap_or_else(|| folder(target)).to_owned()).fault()
}

fn name(file: &Path) -> &OsStr {
    file.file_name().unwrap_or_default()
}
