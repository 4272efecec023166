//! What was observed of a cluster: its namespaces and objects, and what the metadata of an object says about who keeps
//! it. Types only.

use std::collections::HashMap;

use super::Observed;
use crate::failure::Failure;
use crate::secret::SecretBytes;

/// The label of objects that this program created or took over. Its value is `true`.
pub const MANAGED_LABEL: &str = "oregano/managed";
/// The annotation with the value of `oregano_owner`.
pub const OWNER_ANNOTATION: &str = "oregano/owner";
/// The annotation in which `kubectl apply` keeps a copy of the object, with its data.
pub const LAST_APPLIED_ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// For each label selector, the namespaces that it selects, or why they are not known.
pub type Selections = HashMap<String, Result<Vec<NamespaceFact>, Failure>>;

/// What was observed of a cluster. It contains only what the declarations of the inventory need.
#[derive(Debug, Default)]
pub struct ClusterFact {
    /// The namespaces of the selectors.
    pub selections: Selections,
    /// The declared secrets.
    pub secrets: HashMap<ObjectName, Observed<SecretFact>>,
}

/// A namespace that a selector selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceFact {
    /// Its name.
    pub name: String,
    /// Whether objects can be created in it.
    pub phase: NamespacePhase,
}

/// The `status.phase` of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamespacePhase {
    /// It can be used.
    Active,
    /// It is being deleted, and the API server refuses new objects in it.
    Terminating,
}

/// The name of an object in a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ObjectName {
    /// The object `name` in `namespace`.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl std::fmt::Display for ObjectName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}/{}`", self.namespace, self.name)
    }
}

/// A secret that was observed.
#[derive(Debug, Clone)]
pub struct SecretFact {
    /// Its `metadata.resourceVersion`. The API server changes it with every write, and refuses a write with an outdated
    /// version.
    pub version: String,
    /// Its `type`.
    pub type_: String,
    /// Whether the API server rejects all changes of its data (`immutable`).
    pub immutable: bool,
    /// The bytes under the data key of its type (`.dockerconfigjson` or `.dockercfg`), if there are any.
    pub content: Option<SecretBytes>,
    /// What its metadata says about who keeps it.
    pub marks: Marks,
}

/// What the metadata of an object says about who keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Marks {
    /// Whether this program created it or took it over.
    pub managed: Managed,
    /// The annotation `oregano/owner`.
    pub owner: Option<String>,
    /// The program that keeps the object and may undo a change, such as `Argo CD` or `Deployment app`.
    pub keeper: Option<String>,
    /// Whether the object has [`LAST_APPLIED_ANNOTATION`], which repeats the credentials.
    pub last_applied: LastApplied,
}

/// Whether an object has [`LAST_APPLIED_ANNOTATION`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LastApplied {
    /// It has the annotation.
    Present,
    /// It does not have it.
    #[default]
    Absent,
}

/// The label `oregano/managed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Managed {
    /// It is `true`.
    Yes,
    /// It is missing or has another value.
    #[default]
    No,
}
