//! The facts that were observed: plain values without behavior. A target that could not be observed is a separate fact,
//! and is never treated as "no change".

mod cluster;
mod platform;
mod pods;
mod registry;
mod rollout;

use crate::failure::Failure;
use crate::secret::SecretBytes;

pub use cluster::{
    AccountFact, BindingFact, ClusterFact, Deletion, EXCLUDE_SECRET_ANNOTATION, ImportFacts, ImportSecret, ImportUse,
    Importer, LAST_APPLIED_ANNOTATION, LastApplied, MANAGED_LABEL, Managed, Marks, MetadataFact, NamesByNamespace,
    NamespaceFact, NamespacePhase, OWNER_ANNOTATION, ObjectFact, ObjectKind, ObjectName, Objects, Revision,
    RoleReference, SecretFact, SecretReference, Selections,
};
pub use platform::{ApiPlatform, ControlPlane, InfrastructureFact};
pub use pods::{PodFact, PodsByNamespace};
pub use registry::{
    Evidence, FailedRequest, OtherServer, PathFact, RateLimit, RegistryFact, ReportedBy, ServerAddress, Verdict,
};
pub use rollout::{
    Availability, Condition, GlobalFact, NODE_PULL_SECRET, NodeSystem, PoolFact, PoolNodeFact, PoolUpdates, RolloutFact,
};

/// Everything that was observed before a plan is computed. Each list has the order of `Desired`.
#[derive(Debug, Default)]
pub struct Facts {
    /// One for each registry of `Desired`; `None` if the run was interrupted before there was a verdict.
    pub registries: Vec<Option<RegistryFact>>,
    /// The node from which `registries` were contacted; `None` for this machine.
    pub contacted_from: Option<String>,
    /// What other nodes observed of the same registries (`--from every-node`), in the order of the nodes.
    pub paths: Vec<PathFact>,
    /// The cluster.
    pub cluster: ClusterFact,
    /// One for each node of the window.
    pub nodes: Vec<NodeFact>,
}

/// The state of an object or a secret.
#[derive(Debug, Clone)]
pub enum Observed<T> {
    /// It exists.
    Present(T),
    /// It does not exist.
    Absent,
    /// It could not be observed, so its state is not known.
    Unknown(Failure),
}

impl<T> Observed<T> {
    /// The state, if the target exists and could be observed.
    pub fn present(&self) -> Option<&T> {
        match self {
            Self::Present(found) => Some(found),
            Self::Absent | Self::Unknown(_) => None,
        }
    }
}

/// A node that was observed, or the reason why it was not.
#[derive(Debug)]
pub enum NodeFact {
    /// The script ran. There is one fact for each distinct file; paths that lead to the same file share a fact.
    Observed(Vec<FileFact>),
    /// Something failed before the first line of the script.
    Unreachable(Failure),
    /// sudo refused, or the script did not finish.
    Failed(Failure),
    /// The run was interrupted, or a gate stopped it, before this node was observed.
    NotObserved,
}

/// A managed file that was observed. Paths that lead to one file (symbolic link, bind mount) are one fact.
#[derive(Debug)]
pub struct FileFact {
    /// The path as in the inventory.
    pub path: String,
    /// Other managed paths that lead to the same file.
    pub aliases: Vec<String>,
    /// The state of the file.
    pub state: FileState,
}

/// What exists at a managed path.
#[derive(Debug)]
pub enum FileState {
    /// A regular file.
    Present {
        /// All bytes of the file.
        content: SecretBytes,
        /// Permission bits, such as `0o644`.
        mode: u32,
    },
    /// There is no file; the directory may be missing, too.
    Absent,
    /// It cannot be managed: it is a directory or a device, or it cannot be read.
    Unusable(FileFault),
}

/// Why a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFault {
    /// The failure. Its message is a predicate, which follows the path: `is a directory`.
    pub failure: Box<Failure>,
    /// Whether another user could read it.
    pub access: FileAccess,
}

/// Whether the user who observed a file may read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileAccess {
    /// Permissions are not the reason for the fault.
    Granted,
    /// The permissions deny it to this user, but not to root.
    OnlyRoot,
}

impl FileFault {
    /// A fault without causes and hint, for which permissions are not the reason.
    pub fn new(fault: impl Into<String>) -> Self {
        Self::from(Failure::new(fault))
    }

    /// The failure of a file at `path`.
    pub fn failure(&self, path: &str) -> Failure {
        Failure { message: format!("`{path}` {}", self.failure.message), ..Failure::clone(&self.failure) }
    }

    /// The fault and its causes on one line, without the path.
    pub fn text(&self) -> String {
        let Failure { message, causes, .. } = &*self.failure;
        std::iter::once(message).chain(causes).map(String::as_str).collect::<Vec<_>>().join(": ")
    }
}

impl From<Failure> for FileFault {
    fn from(failure: Failure) -> Self {
        Self { failure: Box::new(failure), access: FileAccess::Granted }
    }
}
