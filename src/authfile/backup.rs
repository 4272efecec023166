//! Backups of the global pull secret of a cluster, in a folder that only the user can read. It does not decide when one
//! is made.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

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
    /// The end of the names of all backups of the cluster.
    suffix: String,
    name: String,
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

    /// A backup of the cluster whose API server has this URL. `time` sorts as the time does, and has only characters that
    /// a file name can have.
    pub fn new_file(&self, time: &str, server: &str) -> BackupFile {
        let server = server.split_once("://").map_or(server, |(_, rest)| rest);
        let safe = |c: char| if c.is_ascii_alphanumeric() || ".-".contains(c) { c } else { '-' };
        let suffix = format!("_{}.json", server.chars().map(safe).collect::<String>());
        BackupFile { backups: self.clone(), name: format!("{time}{suffix}"), suffix }
    }

    /// The names of all backups, the newest first.
    ///
    /// # Errors
    /// If the folder exists and cannot be read.
    pub fn names(&self) -> Result<Vec<String>, Failure> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.unusable("read", &error)),
        };
        let name = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
        let mut names: Vec<String> = entries.filter_map(name).filter(|name| is_backup(name)).collect();
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
    /// Saves the content, and removes all but the newest backups of the cluster. Returns the path.
    ///
    /// # Errors
    /// If it cannot be saved.
    pub fn save(&self, content: &SecretBytes) -> Result<PathBuf, Failure> {
        let path = self.write(content).map_err(|error| self.backups.unusable("written", &error))?;
        let names = self.backups.names()?;
        let of_cluster = names.into_iter().filter(|name| name.ends_with(&self.suffix));
        for old in of_cluster.skip(KEPT) {
            // An old backup that stays does no harm to this run.
            let _ = fs::remove_file(self.backups.0.join(old));
        }
        Ok(path)
    }

    fn write(&self, content: &SecretBytes) -> io::Result<PathBuf> {
        self.backups.create()?;
        // The file is created with its mode, and gets its name when it is complete.
        let mut builder = tempfile::Builder::new();
        builder.prefix(".new-").permissions(Permissions::from_mode(0o600));
        let mut temporary = builder.tempfile_in(&self.backups.0)?;
        temporary.write_all(content.expose())?;
        temporary.as_file().sync_all()?;
        let path = self.backups.0.join(&self.name);
        temporary.persist(&path).map_err(|error| error.error)?;
        Ok(path)
    }
}

fn is_backup(name: &str) -> bool {
    !name.starts_with('.') && Path::new(name).extension().is_some_and(|extension| extension == "json")
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
        let save = |time: &str, server: &str, content: &str| {
            backups.new_file(time, server).save(&SecretBytes::new(content.as_bytes().to_vec())).unwrap()
        };
        let path = save("20260101T000000Z", "https://api.other.example.com:6443", "other");
        assert_eq!((mode(backups.folder()), mode(&path)), (0o700, 0o600));
        for second in 1..=7 {
            save(&format!("20260102T00000{second}Z"), "https://api.example.com:6443/", "{}");
        }
        // The last content of a run is kept.
        let path = save("20260102T000007Z", "https://api.example.com:6443/", "last");
        assert_eq!(fs::read_to_string(path).unwrap(), "last");
        let of = |second: u32| format!("20260102T00000{second}Z_api.example.com-6443-.json");
        let other = "20260101T000000Z_api.other.example.com-6443.json".to_owned();
        assert_eq!(backups.names(), Ok(vec![of(7), of(6), of(5), of(4), of(3), other]));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_a_failure() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join(".local"), "").unwrap();
        let backups = Backups::of_user(None, Some(home.path())).unwrap();
        let failure = backups.new_file("t", "s").save(&SecretBytes::new(Vec::new())).unwrap_err();
        assert!(failure.message.contains(".local/state/oregano/backups` cannot be written"), "{failure:?}");
    }
}
