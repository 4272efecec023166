//! Backups of the global pull secret of a cluster, in a folder that only the user can read. It does not decide when one
//! is made.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::desired::{Backup, BackupName};
use crate::failure::{Failure, without_errno};
use crate::secret::SecretBytes;

/// How many backups of a cluster are kept.
const KEPT: usize = 5;

/// The folder of all backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backups(PathBuf);

/// A new backup. It can be written several times, and then has the last content.
#[derive(Debug, Clone)]
pub struct BackupFile {
    backups: Backups,
    name: BackupName,
    /// The backup that is being put back.
    restored: Option<BackupName>,
}

impl Backups {
    /// The folder `oregano/backups` in the state folder of the user: `XDG_STATE_HOME`, or else `~/.local/state` (XDG Base
    /// Directory Specification, which ignores a relative path). `None` if there is neither.
    pub fn of_user(state_home: Option<&Path>, home: Option<&Path>) -> Option<Self> {
        let state = state_home.filter(|path| path.is_absolute()).map(Path::to_owned);
        let state = state.or_else(|| Some(home?.join(".local/state")))?;
        Some(Self(state.join("oregano/backups")))
    }

    /// The path of the folder.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// A new backup with this name. `restored` is the backup that is being put back: it stays, also if it is old, because
    /// its content exists nowhere else before it is written.
    pub fn new_file(&self, name: BackupName, restored: Option<BackupName>) -> BackupFile {
        BackupFile { backups: self.clone(), name, restored }
    }

    /// The backup with this name.
    ///
    /// # Errors
    /// If there is none, or the folder cannot be read.
    pub fn find(&self, name: &str) -> Result<Backup, Failure> {
        let found = self.names()?.into_iter().find(|known| known.as_str() == name);
        let found = found.map(|name| Backup { path: self.0.join(name.as_str()), name });
        found.ok_or_else(|| {
            Failure::new(format!("there is no backup `{name}` in `{}`", self.0.display()))
                .hint("run `oregano restore` to list the backups")
        })
    }

    /// The names of all backups, the newest first.
    ///
    /// # Errors
    /// If the folder exists and cannot be read.
    pub fn names(&self) -> Result<Vec<BackupName>, Failure> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.unusable("read", &error)),
        };
        let name = |entry: io::Result<fs::DirEntry>| BackupName::parse(entry.ok()?.file_name().to_str()?);
        let mut names: Vec<BackupName> = entries.filter_map(name).collect();
        names.sort_by(|one, other| other.cmp(one));
        Ok(names)
    }

    fn unusable(&self, verb: &str, error: &io::Error) -> Failure {
        Failure::new(format!("the folder of backups `{}` cannot be {verb}", self.0.display()))
            .cause(without_errno(error))
            .hint("make it writable, or set XDG_STATE_HOME to another folder")
    }

    fn create(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        // It may have been created with another mode.
        fs::set_permissions(&self.0, Permissions::from_mode(0o700))
    }
}

impl BackupFile {
    /// Checks that a file can be created in the folder, which is created if it does not exist.
    ///
    /// # Errors
    /// If it cannot.
    pub fn check(&self) -> Result<(), Failure> {
        self.temporary().map(drop).map_err(|error| self.backups.unusable("written", &error))
    }

    /// Saves the content, and removes all but the newest backups of the cluster, apart from the one that is being put back.
    /// Returns the path.
    ///
    /// # Errors
    /// If it cannot be saved.
    pub fn save(&self, content: &SecretBytes) -> Result<PathBuf, Failure> {
        let path = self.write(content).map_err(|error| self.backups.unusable("written", &error))?;
        let names = self.backups.names()?;
        let of_cluster = names.into_iter().filter(|name| name.is_of(self.name.cluster()));
        // The new one is not the newest if the clock was set back.
        let needed = |name: &BackupName| *name == self.name || Some(name) == self.restored.as_ref();
        for old in of_cluster.skip(KEPT).filter(|name| !needed(name)) {
            // An old backup that stays does no harm to this run.
            let _ = fs::remove_file(self.backups.0.join(old.as_str()));
        }
        Ok(path)
    }

    fn write(&self, content: &SecretBytes) -> io::Result<PathBuf> {
        let mut temporary = self.temporary()?;
        temporary.write_all(content.expose())?;
        temporary.as_file().sync_all()?;
        let path = self.backups.0.join(self.name.as_str());
        temporary.persist(&path).map_err(|error| error.error)?;
        Ok(path)
    }

    /// A new file with its mode, which gets its name when it is complete.
    fn temporary(&self) -> io::Result<NamedTempFile> {
        self.backups.create()?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".new-").permissions(Permissions::from_mode(0o600));
        builder.tempfile_in(&self.backups.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_state_folder_is_found_as_the_specification_says() {
        let of = |state: Option<&str>, home: Option<&str>| {
            let backups = Backups::of_user(state.map(Path::new), home.map(Path::new));
            backups.map(|backups| backups.folder().display().to_string())
        };
        assert_eq!(of(Some("/state"), Some("/home/u")).as_deref(), Some("/state/oregano/backups"));
        assert_eq!(of(None, Some("/home/u")).as_deref(), Some("/home/u/.local/state/oregano/backups"));
        assert_eq!(of(Some("state"), Some("/home/u")).as_deref(), Some("/home/u/.local/state/oregano/backups"));
        assert_eq!(of(Some("state"), None), None);
    }

    #[test]
    fn only_the_user_can_read_a_backup_and_the_newest_of_each_cluster_are_kept() {
        let home = tempfile::tempdir().unwrap();
        let backups = Backups::of_user(None, Some(home.path())).unwrap();
        assert_eq!(backups.names(), Ok(Vec::new()));
        assert_eq!(backups.new_file(BackupName::new("20260101T000000Z", "prod-x7k2p"), None).check(), Ok(()));
        assert_eq!(fs::read_dir(backups.folder()).unwrap().count(), 0, "a check leaves nothing");
        let save = |time: &str, cluster: &str, content: &str| {
            backups
                .new_file(BackupName::new(time, cluster), None)
                .save(&SecretBytes::new(content.as_bytes().to_vec()))
                .unwrap()
        };
        let path = save("20260101T000000Z", "stage-x7k2p", "other");
        assert_eq!((mode(backups.folder()), mode(&path)), (0o700, 0o600));
        for second in 1..=7 {
            save(&format!("20260102T00000{second}Z"), "prod-x7k2p", "{}");
        }
        // The last content of a run is kept.
        let path = save("20260102T000007Z", "prod-x7k2p", "last");
        assert_eq!(fs::read_to_string(path).unwrap(), "last");
        let of = |second: u32| BackupName::new(&format!("20260102T00000{second}Z"), "prod-x7k2p");
        let other = BackupName::new("20260101T000000Z", "stage-x7k2p");
        assert_eq!(backups.names(), Ok(vec![of(7), of(6), of(5), of(4), of(3), other.clone()]));
        // The oldest one is put back, twice.
        for second in 8..=9 {
            backups.new_file(of(second), Some(of(3))).save(&SecretBytes::new(Vec::new())).unwrap();
        }
        assert_eq!(backups.names(), Ok(vec![of(9), of(8), of(7), of(6), of(5), of(3), other]));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_a_failure() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join(".local"), "").unwrap();
        let backups = Backups::of_user(None, Some(home.path())).unwrap();
        let file = backups.new_file(BackupName::new("t", "s"), None);
        let failure = file.save(&SecretBytes::new(Vec::new())).unwrap_err();
        assert_eq!(file.check(), Err(failure.clone()));
        assert!(failure.message.contains(".local/state/oregano/backups` cannot be written"), "{failure:?}");
    }
}
