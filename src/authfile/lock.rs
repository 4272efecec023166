//! One writer at a time. The lock is on the folder: it leaves nothing behind, ends with its process, and is there
//! before the file is. Whoever can read a folder can take its lock, too: where others can, it is not waited for beyond
//! measure. docker and podman take no lock, so a file is compared again right before it is replaced.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::unistd::geteuid;

use super::replace::Owner;
use super::{folder, replace, target};
use crate::facts::FileState;
use crate::failure::{Failure, without_errno};
use crate::secret::SecretBytes;

/// How long to wait before the lock is tried again.
const PAUSE: Duration = Duration::from_millis(20);

/// An auth file that no other `oregano` writes while this is held.
#[derive(Debug)]
pub struct Held {
    pub(super) target: PathBuf,
    pub(super) folder: File,
    /// Whose the file is, if it is there.
    pub(super) owner: Option<Owner>,
    unlocked: Option<String>,
}

/// Takes the lock of the file behind `path`, waiting for at most `patience` and not once `stopped` says so. A folder
/// that is missing is made, for its owner alone.
///
/// # Errors
/// If the folder cannot be made or opened, or somebody else has the lock for too long.
pub fn hold(path: &Path, patience: Duration, stopped: impl Fn() -> bool) -> Result<Held, Failure> {
    let target = target(path)?;
    let place = folder(&target);
    let failed = |what: &str, error| {
        Failure::new(format!("folder `{}` cannot be {what}", place.display()))
            .cause(without_errno(&error))
            .hint("name another file with `--to FILE`")
    };
    DirBuilder::new().recursive(true).mode(0o700).create(place).map_err(|error| failed("made", error))?;
    let lock = File::open(place).map_err(|error| failed("opened", error))?;
    let start = Instant::now();
    let unlocked = loop {
        match lock.try_lock() {
            Ok(()) => break None,
            // NFS, for one, has no lock for a folder.
            Err(TryLockError::Error(error)) => break Some(without_errno(&error)),
            Err(TryLockError::WouldBlock) if stopped() => return Err(Failure::new("interrupted before the write")),
            Err(TryLockError::WouldBlock) if start.elapsed() > patience && open_to_others(&lock) => {
                break Some("another process keeps it locked, which other users may do".to_owned());
            }
            Err(TryLockError::WouldBlock) if start.elapsed() > patience => {
                return Err(Failure::new(format!("folder `{}` is locked by another process", place.display()))
                    .hint("run again once it has ended"));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
        }
    };
    let held = Held { folder: lock, owner: replace::owner(&target), unlocked, target };
    held.sweep();
    Ok(held)
}

/// Whether somebody else can read the folder, and so take its lock.
fn open_to_others(folder: &File) -> bool {
    folder.metadata().is_ok_and(|folder| folder.uid() != geteuid().as_raw() || folder.mode() & 0o044 != 0)
}

impl Held {
    /// Why there is no lock after all: the file system has none, or somebody keeps it.
    pub fn unlocked(&self) -> Option<String> {
        let why = self.unlocked.as_ref()?;
        Some(format!("its folder cannot be locked ({why}): what another program writes at the same moment may be lost"))
    }

    /// The file as it is now.
    pub fn observe(&self) -> FileState {
        super::observe(&self.target)
    }

    /// Puts `new` in the place of the file, if that still is what was `observed`. The permission bits of its owner stay,
    /// and nobody else has any; a new file gets 0600.
    ///
    /// # Errors
    /// If it is something else by now, or cannot be replaced; the file is then left as it is.
    pub fn replace(&self, observed: &FileState, new: &SecretBytes) -> Result<(), Failure> {
        replace::replace(self, observed, new)
    }

    /// Removes what a run that was killed has left: under the lock it can be nobody else's.
    fn sweep(&self) {
        if self.unlocked.is_some() {
            return;
        }
        let prefix = replace::prefix(&self.target);
        let files = fs::read_dir(folder(&self.target)).into_iter().flatten().flatten();
        for file in files.filter(|file| file.file_name().as_encoded_bytes().starts_with(prefix.as_encoded_bytes())) {
            // One that cannot be removed is in nobody's way.
            let _ = fs::remove_file(file.path());
        }
    }
}
