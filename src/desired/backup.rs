//! The backups of the global pull secret: their names, which say of which cluster they are. It reads no file.

use std::fmt;
use std::path::PathBuf;

/// A backup that is put back (`restore`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Its name.
    pub name: BackupName,
    /// Its file.
    pub path: PathBuf,
}

/// The file name of a backup, such as `20261129T080000.123456Z_prod-x7k2p.json`: the time, which sorts as the time does,
/// and the cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BackupName(String);

impl BackupName {
    /// The name of a backup of this cluster. `time` has only characters that a file name can have, and no `_`.
    pub fn new(time: &str, cluster: &str) -> Self {
        Self(format!("{time}_{}.json", safe(cluster)))
    }

    /// The name, if this is the file name of a backup.
    pub fn parse(name: &str) -> Option<Self> {
        let (time, _) = name.strip_suffix(".json")?.split_once('_')?;
        time.starts_with(|c: char| c.is_ascii_digit()).then(|| Self(name.to_owned()))
    }

    /// The name of the file.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The cluster in the name.
    pub fn cluster(&self) -> &str {
        let name = self.0.strip_suffix(".json").unwrap_or(&self.0);
        name.split_once('_').map_or("", |(_, cluster)| cluster)
    }

    /// Whether it is a backup of this cluster.
    pub fn is_of(&self, cluster: &str) -> bool {
        self.cluster() == safe(cluster)
    }
}

impl fmt::Display for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// With characters that a file name can have.
fn safe(cluster: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || ".-".contains(c) { c } else { '-' };
    cluster.chars().map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_of_which_cluster_it_is() {
        let name = BackupName::new("20260101T000000.5Z", "prod-x7k2p");
        assert_eq!(name.as_str(), "20260101T000000.5Z_prod-x7k2p.json");
        assert_eq!(BackupName::parse(name.as_str()), Some(name.clone()));
        assert_eq!((name.cluster(), name.is_of("prod-x7k2p"), name.is_of("x7k2p")), ("prod-x7k2p", true, false));
        let by_address = BackupName::new("2026", "https://api.example.com:6443");
        assert_eq!(by_address.as_str(), "2026_https---api.example.com-6443.json");
        assert!(by_address.is_of("https://api.example.com:6443"));
        for other in ["config.json", ".new-2026_x.json", "2026_x.json~", "2026-x.json"] {
            assert_eq!(BackupName::parse(other), None, "{other}");
        }
    }
}
