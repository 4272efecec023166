//! `config.json`, the content of a `kubernetes.io/dockerconfigjson` secret, and `.dockercfg`: what their keys mean to the
//! programs that read them, and a lossless merge. Everything that is not declared is kept unchanged: unknown keys, other
//! registries, `email`, `credHelpers`, the order of keys, and the spelling of numbers. It does no I/O.

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
    /// The user name. It contains no colon.
    pub user: String,
    /// The password or token.
    pub password: Secret,
    /// An OAuth2 refresh token, which docker and containers/image use instead of the password. The kubelet ignores it.
    pub identity_token: Option<Secret>,
    /// `email`, which only OpenShift Cluster Manager reads.
    pub email: Option<String>,
}

/// The programs that read the merged content. It determines the members of a declared entry. `email` and `identitytoken` are
/// always written if the credential has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// The kubelet, CRI-O, docker or podman, on a node or on this machine: `auth`, and `username`/`password` if the entry
    /// already has them.
    Node,
    /// The same programs, for a legacy `.dockercfg`: the map of entries without `auths`.
    Legacy,
    /// Clients of the API server: `username`, `password` and `auth`, as `oc create secret docker-registry` writes them.
    PullSecret,
}

/// How a file is parsed, which depends only on its name.
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
    /// The new content; `None` if nothing changes.
    pub content: Option<SecretBytes>,
    /// The changed keys, without values.
    pub changes: Vec<KeyChange>,
    /// Settings that are kept although they make a program ignore declared entries.
    pub shadows: Vec<Shadow>,
}

/// One changed key of `auths`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct KeyChange {
    /// The key in `auths`.
    pub key: String,
    /// Whether the key was there before.
    pub kind: ChangeKind,
    /// The declared registry, if this key is another spelling of it (`https://host`, `host/v1/`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_as: Option<String>,
    /// Tokens that were removed from the entry because they take precedence over the new password.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<&'static str>,
}

/// Whether a key was added or updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// The key did not exist.
    Added,
    /// The key existed with another credential.
    Updated,
}

/// A setting that makes docker and containers/image use a helper program instead of the entry.
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
                "`credHelpers` makes docker and podman use `docker-credential-{}` for `{host}` instead of the new entry",
                helper.escape_debug()
            ),
            Self::CredsStore { helper } => write!(
                f,
                "`credsStore` makes docker use `docker-credential-{}` for every registry instead of the new entries",
                helper.escape_debug()
            ),
        }
    }
}

/// Why a content cannot be merged into. The text contains names of members, but never values.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParseError {
    /// The content is not JSON.
    #[error("not valid JSON at line {line}, column {column}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// The value is JSON, but not an object.
    #[error("{0} is not a JSON object")]
    NotAnObject(String),
    /// A member exists twice. Programs do not agree which one is used: Go merges the objects, others use the last one.
    #[error("{0} has a member twice")]
    Twice(String),
}

/// The name of an entry in messages.
fn entry_name(key: &str) -> String {
    format!("the entry `{}` of `auths`", mask(key))
}
