//! The auth-file edge: files with credentials on this machine. Finds the file behind links, reads it, and replaces it
//! whole, so that a crash at any point leaves the old file or the new one. Knows nothing of what stands in it.

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

use crate::facts::FileState;
use crate::failure::{Failure, without_errno};
use crate::secret::SecretBytes;

pub use lock::{Held, hold};

/// A secret holds 1 MiB at most; what is larger than this in bytes is no auth file.
const LARGEST: u64 = 16 << 20;

/// As many as the kernel follows (`ELOOP` in path_resolution(7)).
const MOST_LINKS: usize = 40;

/// The file behind `path`, as it is now, for whoever only reads it.
pub fn read(path: &Path) -> FileState {
    state(target(path).and_then(|target| look(&target)))
}

/// The file behind `path`, as it is now, for whoever replaces it: that of another user is none.
pub fn observe(path: &Path) -> FileState {
    state(target(path).and_then(|target| own(&target)))
}

fn state(found: Result<Option<(SecretBytes, Metadata)>, Failure>) -> FileState {
    match found {
        Ok(None) => FileState::Absent,
        Ok(Some((content, metadata))) => FileState::Present { content, mode: metadata.permissions().mode() & 0o7777 },
        Err(failure) => FileState::Unusable(failure),
    }
}

/// Where `path` leads: its own links are followed, also to a file that is not there. The kernel's `protected_symlinks`
/// does not see that: whoever can plant a link must not choose where a password goes.
fn target(path: &Path) -> Result<PathBuf, Failure> {
    let mut at = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&at) {
            // An absolute one takes the place of the whole.
            Ok(next) => {
                let owner = fs::symlink_metadata(&at).map(|link| link.uid());
                if owner.is_ok_and(|owner| owner != 0 && owner != geteuid().as_raw()) {
                    return Err(unusable(&at, "is a link of another user").hint("name the file that it leads to"));
                }
                at = folder(&at).join(next);
            }
            // It is no link, or not there.
            Err(_) => return Ok(at),
        }
    }
    Err(unusable(path, "leads through too many links"))
}

/// Content and metadata; `None` where nothing is.
fn look(target: &Path) -> Result<Option<(SecretBytes, Metadata)>, Failure> {
    let metadata = match fs::symlink_metadata(target) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(closed(target)),
        Err(error) => return Err(unusable(target, "cannot be looked at").cause(without_errno(&error))),
    };
    match () {
        () if metadata.is_dir() => return Err(unusable(target, "is a directory")),
        // Opening a pipe would wait for its other end.
        () if !metadata.is_file() => return Err(unusable(target, "is not a regular file")),
        () if metadata.len() > LARGEST => return Err(unusable(target, "is too large for a file with credentials")),
        () => {}
    }
    let mut content = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    let read = File::open(target).and_then(|file| file.take(LARGEST).read_to_end(&mut content));
    read.map_err(|error| unusable(target, "cannot be read").cause(without_errno(&error)))?;
    Ok(Some((SecretBytes::new(content), metadata)))
}

/// As `look`, unless a password of this user must not stand in it.
fn own(target: &Path) -> Result<Option<(SecretBytes, Metadata)>, Failure> {
    let found = look(target)?;
    match &found {
        Some((_, metadata)) if !may_hold(metadata, &fs::metadata(folder(target)), geteuid()) => {
            Err(unusable(target, "belongs to another user").hint("run as that user, or name another file"))
        }
        _ => Ok(found),
    }
}

/// Whether a password of `user` may stand in this file. Root may write for another user, who then owns the password, but
/// only where nobody else can have put the file: in a folder of that user, or of root alone.
fn may_hold(file: &Metadata, folder: &io::Result<Metadata>, user: Uid) -> bool {
    let safe = |folder: &Metadata| {
        let closed = |bits: u32| folder.mode() & bits == 0;
        (folder.uid() == file.uid() && closed(0o002)) || (folder.uid() == 0 && closed(0o022))
    };
    file.uid() == user.as_raw() || (user.is_root() && folder.as_ref().is_ok_and(safe))
}

/// The folder that a file lies in.
fn folder(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The folder on the way to a file that this user may not enter.
fn closed(target: &Path) -> Failure {
    // What lies in it cannot even be looked at.
    let closed = target.ancestors().skip(1).find(|above| fs::symlink_metadata(above).is_ok());
    let closed = closed.unwrap_or_else(|| folder(target)).display();
    Failure::new(format!("`{}` can be neither read nor written: this user may not enter `{closed}`", target.display()))
        .hint(format!("`chmod u+x {closed}` if it is yours, or name another file with `--to FILE`"))
}

fn name(file: &Path) -> &OsStr {
    file.file_name().unwrap_or_default()
}

fn unusable(path: &Path, fault: &str) -> Failure {
    Failure::new(format!("`{}` {fault}", path.display())).hint("name another file with `--to FILE`")
}
