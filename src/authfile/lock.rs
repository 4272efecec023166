//! Allows only one writer at a time. The lock is on the folder: it leaves no file, ends with its process, and works
//! before the file exists. Every user who can read a folder can lock it, so the wait for a folder that others can read
//! is limited, and the run then continues without the lock. docker and podman use no lock, so a file is compared again
//! immediately before it is replaced.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::unistd::geteuid;

use super::fault::Unwritten;
use super::replace::{self, Destination};
use super::{folder, target};
use crate::facts::FileState;
use crate::failure::{Failure, without_errno};
use crate::secret::SecretBytes;

/// How long to wait before the lock is tried again.
const PAUSE: Duration = Duration::from_millis(20);

/// An auth file that no other `oregano` writes while this value exists.
#[derive(Debug)]
pub struct Held {
    destination: Destination,
    /// Why the folder could not be locked.
    unlocked: Option<String>,
}

/// Locks the file that `path` leads to. Waits for at most `patience`, and no longer once `stopped` returns true. A missing
/// folder is created with mode 0700.
///
/// # Errors
/// If the folder cannot be created or opened, or another process has the lock for too long.
pub fn hold(path: &Path, patience: Duration, stopped: impl Fn() -> bool) -> Result<Held, Failure> {
    let target = target(path).map_err(|fault| fault.failure(&path.display().to_string()))?;
    let place = folder(&target);
    let unwritten = |reason: Unwritten| reason.failure(&target, place);
    // A recursive builder does not fail if the folder exists, and then does not change its mode.
    let created = DirBuilder::new().recursive(true).mode(0o700).create(place);
    created.map_err(|error| unwritten(Unwritten::Uncreated(without_errno(&error))))?;
    let lock = File::open(place).map_err(|error| unwritten(Unwritten::Unopened(without_errno(&error))))?;
    let start = Instant::now();
    let unlocked = loop {
        match lock.try_lock() {
            Ok(()) => break None,
            // Some file systems, such as NFS, cannot lock a folder.
            Err(TryLockError::Error(error)) => break Some(without_errno(&error)),
            Err(TryLockError::WouldBlock) if stopped() => {
                return Err(unwritten(Unwritten::Interrupted));
            }
            Err(TryLockError::WouldBlock) if start.elapsed() > patience && open_to_others(&lock) => {
                break Some("another process keeps it locked, which other users may do".to_owned());
            }
            Err(TryLockError::WouldBlock) if start.elapsed() > patience => {
                return Err(unwritten(Unwritten::Locked));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
        }
    };
    // The owner is read under the lock, so that a change between now and the rename is noticed.
    let owner = replace::owner(&target);
    let held = Held { destination: Destination { target, folder: lock, owner }, unlocked };
    held.sweep();
    Ok(held)
}

/// Whether other users can read the folder, and so lock it.
fn open_to_others(folder: &File) -> bool {
    folder.metadata().is_ok_and(|folder| folder.uid() != geteuid().as_raw() || folder.mode() & 0o044 != 0)
}

impl Held {
    /// A warning if the folder is not locked: the file system cannot lock it, or another process keeps the lock.
    pub fn unlocked(&self) -> Option<String> {
        let why = self.unlocked.as_ref()?;
        Some(format!("its folder cannot be locked ({why}): what another program writes at the same moment may be lost"))
    }

    /// The current state of the file.
    pub fn observe(&self) -> FileState {
        super::observe(&self.destination.target)
    }

    /// Replaces the file with `new`, if it still is what was `observed`. The permission bits of its owner are kept, all
    /// others are removed; a new file gets 0600.
    ///
    /// # Errors
    /// If the file has changed, or cannot be replaced; it then stays unchanged.
    pub fn replace(&self, observed: &FileState, new: &SecretBytes) -> Result<(), Failure> {
        replace::replace(&self.destination, observed, new)
    }

    /// Removes the temporary files of a run that was killed. Because of the lock, no running process uses them.
    fn sweep(&self) {
        if self.unlocked.is_some() {
            return;
        }
        let prefix = replace::prefix(&self.destination.target);
        let files = fs::read_dir(folder(&self.destination.target)).into_iter().flatten().flatten();
        for file in files.filter(|file| file.file_name().as_encoded_bytes().starts_with(prefix.as_encoded_bytes())) {
            // A file that cannot be removed does no harm.
            let _ = fs::remove_file(file.path());
        }
    }
}
