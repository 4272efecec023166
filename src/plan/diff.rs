//! What changes in a file or a secret, for `--diff`: the entries as they are and as they will be. A credential is shown
//! only by its user and a fingerprint, from which it cannot be found, because the fingerprint depends on a random number
//! of the run.

use indexmap::IndexMap;
use openssl::sha::Sha256;
use serde::Serialize;

use super::{ModeChange, format_mode};
use crate::dockerconfig::{EntryView, mask, mask_user};
use crate::secret::Secret;

/// The random number of a run. Without it, a short password could be found by trying all of them.
#[derive(Clone)]
pub struct Salt(Secret);

/// What changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// The entries that are added, updated or removed.
    pub entries: Vec<EntryDiff>,
    /// The permission bits of a file, if they change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<ModeDiff>,
}

/// A changed entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntryDiff {
    /// Its key.
    pub key: String,
    /// The credential that it has now; `None` if there is no entry.
    pub before: Option<CredentialView>,
    /// The credential that it will have; `None` if it is removed.
    pub after: Option<CredentialView>,
}

/// A credential, without any secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CredentialView {
    /// The user; `None` if none can be read.
    pub user: Option<String>,
    /// Equal for equal credentials of one run: the first 8 hexadecimal digits of a salted SHA-256.
    pub fingerprint: String,
}

/// The permission bits, such as `0644`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModeDiff {
    /// `None` if the file does not exist.
    pub before: Option<String>,
    /// The bits that it will have.
    pub after: String,
}

impl Salt {
    /// `random` must come from a generator for cryptography, and must be new for each run.
    pub fn new(random: Secret) -> Self {
        Self(random)
    }

    fn view(&self, entry: &EntryView) -> CredentialView {
        let mut hash = Sha256::new();
        // The lengths prevent that two credentials that are divided differently have the same fingerprint.
        for part in std::iter::once(&self.0).chain(&entry.credential) {
            hash.update(&part.expose().len().to_le_bytes());
            hash.update(part.expose().as_bytes());
        }
        let fingerprint = hash.finish()[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        CredentialView { user: entry.user.as_deref().map(mask_user), fingerprint }
    }
}

impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salt")
    }
}

/// Compares the entries of two contents.
pub(super) fn entries(before: Vec<EntryView>, after: Vec<EntryView>, salt: &Salt) -> Vec<EntryDiff> {
    let mut keys: IndexMap<String, (Option<EntryView>, Option<EntryView>)> = IndexMap::new();
    for entry in before {
        let key = entry.key.clone();
        keys.entry(key).or_default().0 = Some(entry);
    }
    for entry in after {
        let key = entry.key.clone();
        keys.entry(key).or_default().1 = Some(entry);
    }
    let changed = keys.into_iter().filter(|(_, (before, after))| before != after);
    let view = |entry: Option<EntryView>| entry.map(|entry| salt.view(&entry));
    changed
        .map(|(key, (before, after))| EntryDiff { key: mask(&key), before: view(before), after: view(after) })
        .collect()
}

impl From<&ModeChange> for ModeDiff {
    fn from(change: &ModeChange) -> Self {
        Self { before: Some(format_mode(change.from)), after: format_mode(change.to) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerconfig::{self, Reader};

    #[test]
    fn a_fingerprint_depends_on_the_credential_and_on_the_run() {
        let views = |text: &str| dockerconfig::entries(text.as_bytes(), Reader::Node);
        let before = views(r#"{"auths":{"a":{"auth":"YTpi"},"same":{"auth":"YTpi"},"gone":{"auth":"YTpi"}}}"#);
        let after = views(r#"{"auths":{"a":{"auth":"YTpj"},"same":{"auth":"YTpi"},"new":{"auth":"YTpj"}}}"#);
        let diff = |salt: &str| entries(before.clone(), after.clone(), &Salt::new(Secret::new(salt)));
        let found = diff("one");
        let keys: Vec<_> =
            found.iter().map(|entry| (entry.key.as_str(), entry.before.is_some(), entry.after.is_some())).collect();
        assert_eq!(keys, [("a", true, true), ("gone", true, false), ("new", false, true)]);
        assert_ne!(found[0].before, found[0].after);
        assert_eq!((&found[0].before, &found[0].after), (&found[1].before, &found[2].after), "equal credentials");
        assert_ne!(found, diff("two"));
        assert!(!format!("{:?}", Salt::new(Secret::new("one"))).contains("one"));
    }
}
