//! The pull secret of all nodes of an OpenShift 4 cluster: `pull-secret` in the namespace `openshift-config`. `resolve` reads
//! its declaration from inventory variables.

use std::sync::Arc;

use super::backup::BackupName;
use crate::dockerconfig::{self, Credential, Reader};
use crate::go;
use crate::secret::{Secret, SecretBytes};

/// Its namespace.
pub const GLOBAL_NAMESPACE: &str = "openshift-config";
/// Its name.
pub const GLOBAL_NAME: &str = "pull-secret";
/// The members of an entry that are not secret.
const PUBLIC: [&str; 2] = ["username", "email"];

/// What the global pull secret must contain.
#[derive(Debug, Clone)]
pub struct GlobalPullSecret {
    /// Whether its other entries stay.
    pub mode: GlobalMode,
    /// `oregano_owner`.
    pub owner: Option<String>,
}

/// `mode` of the declaration.
#[derive(Debug, Clone)]
pub enum GlobalMode {
    /// These entries are merged into it, and all others stay.
    Append {
        /// The entries.
        credentials: Arc<[Credential]>,
    },
    /// It has this content and nothing else.
    Replace {
        /// A `config.json` with `auths`, as its source has it. The operator can process it.
        content: SecretBytes,
        /// Where it comes from.
        source: ContentSource,
    },
}

/// Where a new content comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContentSource {
    /// A file that the inventory names.
    File,
    /// This backup, which is put back.
    Backup(BackupName),
}

impl GlobalPullSecret {
    /// The backup that is put back.
    pub fn backup(&self) -> Option<&BackupName> {
        match &self.mode {
            GlobalMode::Replace { source: ContentSource::Backup(name), .. } => Some(name),
            GlobalMode::Replace { source: ContentSource::File, .. } | GlobalMode::Append { .. } => None,
        }
    }

    /// Every text of a new content that may be a secret, also in members that no registry is verified with.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        // The entries that are merged were made from credentials, which are known.
        let GlobalMode::Replace { content, .. } = &self.mode else { return Vec::new() };
        let entries = dockerconfig::entries(content.expose(), Reader::PullSecret);
        let members = entries.iter().flat_map(|entry| go::members(entry.text.expose().as_bytes()).unwrap_or_default());
        let hidden = members.filter(|(name, _)| !PUBLIC.iter().any(|public| go::same_member(name, public)));
        hidden.filter_map(|(_, value)| serde_json::from_str::<String>(value.get()).ok()).map(Secret::new).collect()
    }
}
