//! `config.json`, the content of a `kubernetes.io/dockerconfigjson` secret, and `.dockercfg`: what their keys mean to
//! a reader, and a merge that loses nothing. What is not ours is kept to the letter: unknown keys, other registries,
//! `email`, `credHelpers`, the order of keys, even the spelling of numbers.

pub mod address;
mod containers;
mod json;
mod keys;
mod layout;
mod merge;
mod read;

pub use containers::{Match, matching_keys};
pub use keys::{HUB, HUB_KEY, is_hub, kubelet_key, mask, mask_user, more_specific, registry_key};
pub use merge::{merge, written_for};
pub use read::{Auth, AuthFile, Entry, Login, read};

use crate::secret::{Secret, SecretBytes};

/// A credential under its key in `auths`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Credential {
    /// The key: a registry host with optional port and path.
    pub key: String,
    /// The user name; holds no colon.
    pub user: String,
    /// The password or token.
    pub password: Secret,
    /// An OAuth2 refresh token, which docker and containers/image prefer to the password; the kubelet ignores it.
    pub identity_token: Option<Secret>,
    /// `email`, which no puller reads and OpenShift Cluster Manager does.
    pub email: Option<String>,
}

/// Who will read the merged content; it decides which members an entry of ours has. In all of them `email` and
/// `identitytoken` are written where the credential has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// The kubelet, CRI-O, docker or podman, on a node or here: `auth`, and `username`/`password` where they stood
    /// before.
    Node,
    /// The same of a legacy `.dockercfg`, which is the bare map of entries without `auths`.
    Legacy,
    /// The API server's clients: `username`, `password` and `auth`, as `oc create secret docker-registry` writes them.
    PullSecret,
}

/// How a file is read, which depends on its name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `config.json` and `auth.json`: entries under `auths`.
    Config,
    /// `.dockercfg`: the entries themselves.
    Legacy,
}

/// The result of a merge.
#[derive(Debug)]
pub struct Merged {
    /// The new bytes; `None` if nothing had to change.
    pub content: Option<SecretBytes>,
    /// What changed, by key, without values.
    pub changes: Vec<KeyChange>,
    /// What is kept although it makes a reader ignore our entries.
    pub shadows: Vec<Shadow>,
}

/// One changed key of `auths`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct KeyChange {
    /// The key in `auths`.
    pub key: String,
    /// Whether the key was there before.
    pub kind: ChangeKind,
    /// The declared registry this key is another spelling of (`https://host`, `host/v1/`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_as: Option<String>,
    /// Tokens removed from the entry, because they would win over the new password.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<&'static str>,
}

/// Whether a key is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// The key was not there.
    Added,
    /// The key was there with another credential.
    Updated,
}

/// A setting of docker and containers/image that makes them ask a helper program instead of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shadow {
    /// `credHelpers` names a helper for the registry.
    CredHelper {
        /// The registry host.
        host: String,
        /// The helper's suffix.
        helper: String,
    },
    /// `credsStore` names a helper for every registry.
    CredsStore {
        /// The helper's suffix.
        helper: String,
    },
}

impl std::fmt::Display for Shadow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CredHelper { host, helper } => write!(
                f,
                "`credHelpers` sends docker and podman to `docker-credential-{}` for `{host}`; they will not use the new entry",
                helper.escape_debug()
            ),
            Self::CredsStore { helper } => write!(
                f,
                "`credsStore` sends docker to `docker-credential-{}` for every registry; it will not use the new entries",
                helper.escape_debug()
            ),
        }
    }
}

/// Why a content cannot be merged into. It names members, never values.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParseError {
    /// Not JSON at all.
    #[error("not valid JSON at line {line}, column {column}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// JSON, but another type than an object.
    #[error("{0} is not a JSON object")]
    NotAnObject(String),
    /// A member stands twice, and readers do not agree which one counts: Go merges the objects, others take the last.
    #[error("{0} has a member twice")]
    Twice(String),
}

/// An entry, for a message.
fn entry_name(key: &str) -> String {
    format!("the entry `{}` of `auths`", mask(key))
}
