//! Which credential each consumer uses for an image, and why it does not use another one: the lookup rules of the
//! kubelet, of containers/image (CRI-O, podman, skopeo, buildah) and of docker's command line. These modules contain
//! only rules: callers pass in the content of files, and no result contains a password.

mod consumer_content;
mod containers;
mod docker;
mod docker_variable;
mod explanation;
mod file_system;
mod importer;
mod kubelet;
mod registries_conf;
mod search_paths;
mod similar_entries;
mod unused_reason;

use std::fmt;

use serde::Serialize;

pub use containers::{containers, containers_with_helpers};
pub use docker::docker;
pub use docker_variable::variable_user;
pub use explanation::{
    ConsumerLookup, ExplainedHost, Explanation, FileResult, HostError, LookupRequest, SearchedFile, look_up,
};
pub use file_system::{CredentialFile, FileSystem, PathState};
pub use importer::{ImportLookup, broken_import_secrets, importer, importer_at_token_server, token_server_key};
pub use kubelet::kubelet;
pub use registries_conf::{GlobalHelpers, PullRoute, PullSource, RegistriesConf};
pub use search_paths::{Account, CRIO_FILES, GlobalAuthFile, RegistriesPaths, RunsAs, SearchPath, global_auth_file};
pub use unused_reason::UnusedReason;

use crate::secret::SecretBytes;

/// The environment variable whose entries docker prefers to its file.
pub const DOCKER_AUTH_CONFIG: &str = "DOCKER_AUTH_CONFIG";

/// A program that searches for credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Consumer {
    /// The kubelet, which passes the credentials that it finds to CRI-O.
    #[serde(rename = "kubelet")]
    Kubelet,
    /// CRI-O, if the kubelet passed no credential.
    #[serde(rename = "cri-o")]
    CriO,
    /// podman, skopeo and buildah.
    #[serde(rename = "podman")]
    Podman,
    /// docker's command line.
    #[serde(rename = "docker")]
    Docker,
}

/// A secret that a pod names in `imagePullSecrets`.
#[derive(Debug, Clone)]
pub struct PodSecret {
    /// Its name.
    pub name: String,
    /// Its content; `None` if the secret does not exist.
    pub content: Option<SecretContent>,
}

/// The content of a secret.
#[derive(Debug, Clone)]
pub struct SecretContent {
    /// Its `type`.
    pub type_: String,
    /// `.dockerconfigjson`.
    pub config: Option<SecretBytes>,
    /// `.dockercfg`.
    pub legacy: Option<SecretBytes>,
}

/// The result of a consumer's lookup for an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
pub struct LookupResult {
    /// The credentials in the order in which they are tried. containers/image and docker have at most one, preceded by
    /// the helpers that they run first.
    pub credentials: Vec<Candidate>,
    /// The error that ends the lookup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The file at which the search ends here, because only root can read it, as which the consumer runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden: Option<String>,
    /// Entries that appear to be for the image, but are not used.
    pub unused: Vec<UnusedEntry>,
}

/// A credential that is used.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Candidate {
    /// What has it.
    #[serde(flatten)]
    pub source: EntrySource,
    /// The key of the entry, or of `credHelpers`, as written; `None` for `credsStore`.
    pub key: Option<String>,
    /// What it consists of.
    #[serde(flatten)]
    pub kind: CredentialKind,
}

/// What has an entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EntrySource {
    /// The path of a file.
    File(String),
    /// The name of a secret.
    Secret(String),
    /// The name of an environment variable.
    Variable(&'static str),
}

/// What a credential consists of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum CredentialKind {
    /// A user and a password.
    Login {
        /// The user.
        user: String,
    },
    /// An OAuth2 refresh token, which takes precedence over the password.
    IdentityToken {
        /// The user.
        user: String,
    },
    /// Neither user nor password: the consumer sends an empty credential, which the registry rejects.
    Empty,
    /// The output of `docker-credential-HELPER`.
    Helper {
        /// The helper's suffix.
        helper: String,
    },
    /// The output of a helper that `credential-helpers` of registries.conf configures for all registries.
    GlobalHelper {
        /// The helper's suffix.
        helper: String,
    },
}

/// An entry that is not used.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct UnusedEntry {
    /// What has it.
    #[serde(flatten)]
    pub source: EntrySource,
    /// Its key; `None` for all entries of the file or secret.
    pub key: Option<String>,
    /// Its user, if the entry can be decoded.
    pub user: Option<String>,
    /// Why it is not used.
    #[serde(flatten)]
    pub reason: UnusedReason,
}

impl fmt::Display for EntrySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(path),
            Self::Secret(name) => write!(f, "secret {name}"),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

impl EntrySource {
    /// The path or the name.
    pub fn name(&self) -> &str {
        match self {
            Self::File(name) | Self::Secret(name) => name,
            Self::Variable(name) => name,
        }
    }
}
