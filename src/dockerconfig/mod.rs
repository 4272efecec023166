//! `config.json`, `.dockercfg`, and the content of a `kubernetes.io/dockerconfigjson` secret: how programs interpret
//! their keys, and a lossless merge. Everything that is not declared remains unchanged: unknown keys, other registries,
//! `email`, `credHelpers`, the order of keys, and the spelling of numbers. It does no I/O.

pub mod address;
mod containers;
mod convert;
mod entry_maps;
mod json;
mod keep;
mod keys;
mod layout;
mod merge;
mod password;
mod read;
mod remove;
mod view;

pub use containers::{Match, matching_keys};
pub use convert::convert;
pub use keep::keep;
pub use keys::{HUB, HUB_KEY, is_hub, kubelet_key, mask, mask_user, more_specific, registry_key};
pub use merge::{merge, written_for};
pub use password::{has_stray_line_end, password_fault, without_line_end};
pub use read::{Auth, AuthFile, Entry, Login, read};
pub use remove::{Removed, is_of, remove};
pub use view::{EntryView, entries};

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
    /// The `email`. Only OpenShift Cluster Manager reads it.
    pub email: Option<String>,
}

/// The programs that read the merged content. They determine which members a declared entry has. `email` and
/// `identitytoken` are always written if the credential has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// The kubelet, CRI-O, docker or podman, on a node or on this machine: `auth`, and `username`/`password` if the entry
    /// already has them.
    Node,
    /// The same programs, for a legacy `.dockercfg`: the map of entries without `auths`.
    Legacy,
    /// Clients of the API server: `username`, `password` and `auth`, as `oc create secret docker-registry` writes them.
    PullSecret,
    /// The same clients, for a secret of type `kubernetes.io/dockercfg`: the map of entries without `auths`.
    LegacyPullSecret,
}

impl Reader {
    /// Whether the entries are the content itself, without `auths`.
    pub fn is_legacy(self) -> bool {
        matches!(self, Self::Legacy | Self::LegacyPullSecret)
    }

    /// Whether the content is read by clients of the API server.
    pub fn is_secret(self) -> bool {
        matches!(self, Self::PullSecret | Self::LegacyPullSecret)
    }
}

/// The format that a file is parsed as. It depends only on the name of the file.
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
    /// Settings that remain in the content although they make a program ignore declared entries.
    pub shadows: Vec<Shadow>,
}

/// One changed key of `auths`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct KeyChange {
    /// The key in `auths`.
    pub key: String,
    /// Whether the key is new, has a new credential, or is removed.
    pub kind: ChangeKind,
    /// The declared registry, if this key is a different spelling of it (`https://host`, `host/v1/`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_as: Option<String>,
    /// Tokens that were removed from the entry because they take precedence over the new password.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<&'static str>,
}

/// Whether a key was added, updated or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// The key did not exist.
    Added,
    /// The key existed with another credential.
    Updated,
    /// The key existed and is removed.
    Removed,
}

/// A setting that makes docker or containers/image use something else instead of the entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shadow {
    /// `credHelpers` names a helper for the registry.
    CredHelper {
        /// The registry host.
        host: String,
        /// The suffix of the helper's program name.
        helper: String,
    },
    /// `credsStore` names a helper for every registry.
    CredsStore {
        /// The suffix of the helper's program name.
        helper: String,
    },
    /// Another key that containers/image treats as the same registry.
    Rival {
        /// The key.
        key: String,
        /// The user of its entry, if it can be read.
        user: Option<String>,
        /// The registry.
        registry: String,
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
            Self::Rival { key, user, registry } => {
                let user = user.as_ref().map(|user| format!(" of user `{}`", user.escape_debug())).unwrap_or_default();
                write!(
                    f,
                    "the entry `{}`{user} is kept: podman, skopeo and CRI-O may use it for `{registry}` instead of the new entry",
                    key.escape_debug()
                )
            }
        }
    }
}

/// Why nothing can be merged into a content. The text contains names of members, but never values.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParseError {
    /// The content is not JSON.
    #[error("not valid JSON at line {line}, column {column}")]
    Syntax {
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1.
        column: usize,
    },
    /// The value is JSON, but not an object.
    #[error("{0} is not a JSON object")]
    NotAnObject(String),
    /// A member occurs twice. Programs treat this differently: Go merges the objects, and other parsers use the last
    /// one.
    #[error("{object} has the member `{member}` twice")]
    Twice {
        /// The object.
        object: String,
        /// The name of the member.
        member: String,
    },
}

/// The name of an entry in messages.
fn entry_name(key: &str) -> String {
    format!("the entry `{}` of `auths`", mask(key))
}
