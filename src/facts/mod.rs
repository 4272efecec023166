//! What was observed: plain values, no behaviour. Not being able to look is a fact of its own and never
//! "no change".

mod registry;

use crate::failure::Failure;
use crate::secret::SecretBytes;

pub use registry::{
    Evidence, FailedRequest, OtherServer, PathFact, RateLimit, RegistryFact, ReportedBy, ServerAddress, Verdict,
};

/// Everything observed before a plan is made, each list in the order of `Desired`.
#[derive(Debug, Default)]
pub struct Facts {
    /// One for each registry of `Desired`; `None` where the run was interrupted before a verdict.
    pub registries: Vec<Option<RegistryFact>>,
    /// The node from which `registries` were contacted; `None` for this machine.
    pub contacted_from: Option<String>,
    /// What other nodes observed of the same registries (`--from every-node`), in the order of the nodes.
    pub paths: Vec<PathFact>,
    /// One for each object of `Desired`.
    pub objects: Vec<ObjectFact>,
    /// One for each node of the window that was observed.
    pub nodes: Vec<NodeFact>,
}

/// What was observed at one place.
#[derive(Debug, Clone)]
pub enum Observed<T> {
    /// It exists.
    Present(T),
    /// It does not exist.
    Absent,
    /// It could not be observed, so nothing is known of it.
    Unknown(Failure),
}

impl<T> Observed<T> {
    /// What exists there, if that is known.
    pub fn present(&self) -> Option<&T> {
        match self {
            Self::Present(found) => Some(found),
            Self::Absent | Self::Unknown(_) => None,
        }
    }
}

/// An object of the cluster as it was observed.
#[derive(Debug)]
pub enum ObjectFact {
    /// A pull secret.
    PullSecret(PullSecretFact),
}

/// A pull secret as it was observed.
#[derive(Debug)]
pub struct PullSecretFact {
    /// The secret.
    pub secret: Observed<SecretFact>,
    /// Existing `o-a-<md5(host)>` secrets of declared hosts: openshift-ansible created them, and nothing updates them.
    pub stale: Vec<StaleSecret>,
}

/// A secret that openshift-ansible made for one registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleSecret {
    /// `o-a-<md5(host)>`.
    pub name: String,
    /// The registry it was made for.
    pub host: String,
}

/// The type that a pull secret must have (`kubernetes.io/dockerconfigjson`; Kubernetes documentation, "Secrets").
pub const PULL_SECRET_TYPE: &str = "kubernetes.io/dockerconfigjson";

/// A secret as it was found.
#[derive(Debug, Clone)]
pub struct SecretFact {
    /// Its `metadata.resourceVersion`, which the API server changes with every write: a write is refused if the secret
    /// has another one by then.
    pub version: String,
    /// Its `type`.
    pub type_: String,
    /// Whether its data can be changed at all.
    pub immutable: bool,
    /// The bytes under `.dockerconfigjson`, if there are any.
    pub content: Option<SecretBytes>,
}

/// A node as it was found.
#[derive(Debug)]
pub enum NodeFact {
    /// The script ran: one for each file of the node that is a file of its own, and the paths that are the same file.
    Observed(Vec<FileFact>),
    /// Something failed before the script's first line.
    Unreachable(Failure),
    /// sudo refused, or the script did not come to its end.
    Failed(Failure),
    /// The run was interrupted, or stopped by a gate, before this node was looked at.
    NotObserved,
}

/// A managed file as it was found. Paths that are one file (symlink, bind mount) are one fact.
#[derive(Debug)]
pub struct FileFact {
    /// The path as the inventory gives it.
    pub path: String,
    /// Other managed paths that lead to this same file.
    pub aliases: Vec<String>,
    /// What is there.
    pub state: FileState,
}

/// What stands at a managed path.
#[derive(Debug)]
pub enum FileState {
    /// A regular file.
    Present {
        /// Every byte of it.
        content: SecretBytes,
        /// Permission bits, such as `0o644`.
        mode: u32,
    },
    /// Nothing; the directory may be missing as well.
    Absent,
    /// Something that cannot be managed: a directory, a device, a file that cannot be read.
    Unusable(Failure),
}
