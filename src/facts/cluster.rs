//! What was observed of a cluster: its namespaces and objects, and what the metadata of an object says about who keeps
//! it. Types only.

use std::collections::HashMap;

use serde::Serialize;

use super::{GlobalFact, Observed, PodsByNamespace};
use crate::desired::{IMAGE_PULLER_ROLE, Subject};
use crate::failure::Failure;
use crate::secret::SecretBytes;

/// The label of objects that this program created or took over. Its value is `true`.
pub const MANAGED_LABEL: &str = "oregano/managed";
/// The annotation with the value of `oregano_owner`.
pub const OWNER_ANNOTATION: &str = "oregano/owner";
/// The annotation in which `kubectl apply` keeps a copy of the object, with its data.
pub const LAST_APPLIED_ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The annotation that keeps a secret from image imports, with the value `true`.
pub const EXCLUDE_SECRET_ANNOTATION: &str = "openshift.io/image.excludeSecret";

/// For each label selector, the namespaces that it selects, or why they are not known.
pub type Selections = HashMap<String, Result<Vec<NamespaceFact>, Failure>>;

/// What was observed of a cluster. It contains only what the declarations of the inventory need.
#[derive(Debug, Default)]
pub struct ClusterFact {
    /// The namespaces of the selectors.
    pub selections: Selections,
    /// The names of the service accounts of each namespace in which all of them matter, or why they are not known.
    pub accounts: NamesByNamespace,
    /// The names of the role bindings of each namespace with declared image pullers, or why they are not known.
    pub bindings: NamesByNamespace,
    /// The names of the objects of each kind with [`MANAGED_LABEL`] in each declared namespace, or why they are not known.
    pub managed: HashMap<ObjectKind, NamesByNamespace>,
    /// The objects that the declarations concern.
    pub objects: Objects,
    /// The pods of namespaces in which secrets are linked or removed.
    pub pods: PodsByNamespace,
    /// Image imports.
    pub imports: ImportFacts,
    /// Only if the global pull secret is declared.
    pub global: Option<GlobalFact>,
}

/// For each of several namespaces, the names of all of its objects of one kind, or why they are not known.
pub type NamesByNamespace = HashMap<String, Result<Vec<String>, Failure>>;

/// Objects, and what was observed of each.
pub type Objects = HashMap<ObjectName, Observed<ObjectFact>>;

/// An object that was observed.
#[derive(Debug, Clone)]
pub enum ObjectFact {
    /// A secret.
    Secret(SecretFact),
    /// A service account.
    ServiceAccount(AccountFact),
    /// A role binding.
    RoleBinding(BindingFact),
    /// A cluster role. Nothing but its existence matters.
    ClusterRole(Revision),
    /// An object of which only the metadata was observed.
    Metadata(MetadataFact),
}

/// Identifies one state of one object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Revision {
    /// Its `metadata.uid`, which a new object of the same name does not have.
    pub uid: String,
    /// Its `metadata.resourceVersion`. The API server changes it with every write, and refuses a write with an outdated
    /// version.
    pub version: String,
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

/// The kinds of objects that are read or written; serialized as the Kubernetes API spells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum ObjectKind {
    /// A secret of the core API group.
    Secret,
    /// A service account.
    ServiceAccount,
    /// An import of an image, which is named instead of the object: nothing is stored.
    ImageStreamImport,
    /// A role binding of the API group `rbac.authorization.k8s.io`.
    RoleBinding,
    /// A cluster role of the same API group. It is only read.
    ClusterRole,
    /// The namespaces that a selector selects. They are only read.
    Namespace,
    /// A pool of nodes of OpenShift 4. It is only read: its rollout is followed.
    MachineConfigPool,
}

/// The kind, namespace and name of an object, which identify it in its cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ObjectName {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its namespace; empty for an object that is in no namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its name; for namespaces, the label selector; `*` for all objects of the kind in the namespace.
    pub name: String,
}

impl ObjectKind {
    /// The kind as it appears in sentences: `secret`.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::ServiceAccount => "service account",
            Self::ImageStreamImport => "import",
            Self::RoleBinding => "role binding",
            Self::ClusterRole => "cluster role",
            Self::Namespace => "namespaces",
            Self::MachineConfigPool => "pool",
        }
    }
}

impl ObjectName {
    /// The object `name` in `namespace`.
    pub fn new(kind: ObjectKind, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind, namespace: namespace.into(), name: name.into() }
    }

    /// The secret `name` in `namespace`.
    pub fn secret(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self::new(ObjectKind::Secret, namespace, name)
    }
}

/// The object in messages: "secret `namespace/name`".
impl std::fmt::Display for ObjectName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, namespace, name } = self;
        match kind {
            ObjectKind::Namespace => write!(f, "the namespaces with the labels `{name}`"),
            _ if namespace.is_empty() => write!(f, "{} `{name}`", kind.noun()),
            _ if name == "*" => write!(f, "the {}s of namespace `{namespace}`", kind.noun()),
            _ => write!(f, "{} `{namespace}/{name}`", kind.noun()),
        }
    }
}

impl ObjectFact {
    /// The state of the object that was observed.
    pub fn revision(&self) -> &Revision {
        match self {
            Self::Secret(secret) => &secret.revision,
            Self::ServiceAccount(account) => &account.revision,
            Self::RoleBinding(binding) => &binding.revision,
            Self::ClusterRole(revision) => revision,
            Self::Metadata(metadata) => &metadata.revision,
        }
    }

    /// What its metadata says about who keeps it; `None` if that was not read.
    pub fn marks(&self) -> Option<&Marks> {
        match self {
            Self::Secret(secret) => Some(&secret.marks),
            Self::ServiceAccount(account) => Some(&account.marks),
            Self::RoleBinding(binding) => Some(&binding.marks),
            Self::ClusterRole(_) => None,
            Self::Metadata(metadata) => Some(&metadata.marks),
        }
    }
}

impl Observed<ObjectFact> {
    /// The state of a secret. An object of another kind is an internal error.
    pub fn secret(&self) -> Observed<&SecretFact> {
        self.of_kind(|fact| if let ObjectFact::Secret(secret) = fact { Some(secret) } else { None })
    }

    /// The state of a service account. An object of another kind is an internal error.
    pub fn account(&self) -> Observed<&AccountFact> {
        self.of_kind(|fact| if let ObjectFact::ServiceAccount(account) = fact { Some(account) } else { None })
    }

    /// The state of a role binding. An object of another kind is an internal error.
    pub fn binding(&self) -> Observed<&BindingFact> {
        self.of_kind(|fact| if let ObjectFact::RoleBinding(binding) = fact { Some(binding) } else { None })
    }

    fn of_kind<'a, T>(&'a self, select: impl Fn(&'a ObjectFact) -> Option<&'a T>) -> Observed<&'a T> {
        match self {
            Self::Present(fact) => match select(fact) {
                Some(found) => Observed::Present(found),
                None => Observed::Unknown(Failure::internal("an object of another kind was observed")),
            },
            Self::Absent => Observed::Absent,
            Self::Unknown(failure) => Observed::Unknown(failure.clone()),
        }
    }
}

/// A secret that was observed.
#[derive(Debug, Clone)]
pub struct SecretFact {
    /// The state that was observed.
    pub revision: Revision,
    /// Its `type`.
    pub type_: String,
    /// Whether the API server rejects all changes of its data (`immutable`).
    pub immutable: bool,
    /// The bytes under the data key of its type (`.dockerconfigjson` or `.dockercfg`), if there are any.
    pub content: Option<SecretBytes>,
    /// What its metadata says about who keeps it.
    pub marks: Marks,
}

/// A service account that was observed.
#[derive(Debug, Clone)]
pub struct AccountFact {
    /// The state that was observed.
    pub revision: Revision,
    /// What its metadata says about who keeps it.
    pub marks: Marks,
    /// The names in `imagePullSecrets`, in their order.
    pub image_pull_secrets: Vec<String>,
    /// The entries of `secrets`, in their order.
    pub secrets: Vec<SecretReference>,
}

/// An entry of the list `secrets` of a service account (`ObjectReference` of the core API).
#[derive(Debug, Clone, PartialEq)]
pub struct SecretReference {
    /// The name of the secret; it may be empty.
    pub name: String,
    /// The complete entry, which is written back as it is.
    pub object: serde_json::Value,
}

/// What was observed about image imports.
#[derive(Debug, Default)]
pub struct ImportFacts {
    /// Whether the cluster imports images.
    pub importer: Importer,
    /// For each namespace that gets a pull secret, those of its pull secrets that matter for the test images, or why they are
    /// not known. Empty without importer.
    pub secrets: HashMap<String, Result<Vec<ImportSecret>, Failure>>,
}

/// Whether an API server has the API group `image.openshift.io`.
#[derive(Debug, Default)]
pub enum Importer {
    /// It has.
    Present,
    /// It has not, or the run does not need to know it.
    #[default]
    Absent,
    /// The API server did not show it.
    Unknown(Failure),
}

/// A pull secret of a namespace.
#[derive(Debug, Clone)]
pub struct ImportSecret {
    /// Its name.
    pub name: String,
    /// Its content and its marks.
    pub fact: SecretFact,
    /// Whether image imports use it.
    pub import_use: ImportUse,
}

/// Whether image imports use a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportUse {
    /// They do.
    Used,
    /// [`EXCLUDE_SECRET_ANNOTATION`] is `true`.
    Excluded,
}

/// A role binding that was observed.
#[derive(Debug, Clone)]
pub struct BindingFact {
    /// The state that was observed.
    pub revision: Revision,
    /// What its metadata says about who keeps it.
    pub marks: Marks,
    /// The role that its subjects have. It cannot be changed.
    pub role: RoleReference,
    /// Who has the role, in the order of the list.
    pub subjects: Vec<Subject>,
}

/// The `roleRef` of a role binding. Its API group is always that of role bindings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleReference {
    /// `Role` or `ClusterRole`.
    pub kind: String,
    /// The name of the role.
    pub name: String,
}

impl RoleReference {
    /// Whether it is [`IMAGE_PULLER_ROLE`].
    pub fn is_image_puller(&self) -> bool {
        self.kind == "ClusterRole" && self.name == IMAGE_PULLER_ROLE
    }
}

/// The metadata of an object.
#[derive(Debug, Clone)]
pub struct MetadataFact {
    /// The state that was observed.
    pub revision: Revision,
    /// What it says about who keeps the object.
    pub marks: Marks,
}

/// What the metadata of an object says about who keeps it, and whether it stays.
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
    /// Whether it is being deleted.
    pub deletion: Deletion,
}

impl Observed<&AccountFact> {
    /// Whether the service account names the secret, or may name it, because it could not be observed.
    pub fn is_linked(&self, secret: &str) -> bool {
        match self {
            Self::Present(account) => {
                account.image_pull_secrets.iter().any(|name| name == secret)
                    || account.secrets.iter().any(|entry| entry.name == secret)
            }
            Self::Absent => false,
            Self::Unknown(_) => true,
        }
    }
}

/// Whether an object is being deleted. It exists until the last of its finalizers is removed, and its namespace may be
/// deleted together with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deletion {
    /// It is not.
    #[default]
    No,
    /// It has a `metadata.deletionTimestamp`.
    Requested,
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
