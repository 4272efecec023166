//! The objects that a cluster must contain, or must not contain. Which namespaces a selector selects is known only after
//! the cluster was observed, so `plan` expands a declaration to objects.

use std::sync::Arc;

use crate::dockerconfig::Credential;
use crate::inventory::patterns::glob_matches;

use super::global_pull_secret::GlobalPullSecret;
use super::image_puller::ImagePuller;

/// Namespaces that no selector selects: they belong to the platform, and a label there is easily set by mistake.
const PLATFORM_PREFIXES: [&str; 2] = ["openshift-", "kube-"];
const PLATFORM_NAMES: [&str; 2] = ["default", "openshift"];

/// A declaration about objects of the cluster.
#[derive(Debug, Clone)]
pub enum Object {
    /// A pull secret in one or more namespaces.
    PullSecret(PullSecret),
    /// Who may pull the images of a project from the registry of the cluster.
    ImagePuller(ImagePuller),
    /// The pull secret of all nodes of an OpenShift 4 cluster.
    GlobalPullSecret(GlobalPullSecret),
}

/// A pull secret, in each of its namespaces.
#[derive(Debug, Clone)]
pub struct PullSecret {
    /// Its name, which is the same in every namespace.
    pub name: String,
    /// Where it must, or must not, exist.
    pub namespaces: Namespaces,
    /// What it must contain, or that it must not exist.
    pub state: PullSecretState,
    /// Whether a secret of this name that something else created may be changed.
    pub ownership: Ownership,
    /// Which service accounts of each namespace use it. With [`PullSecretState::Absent`] it is the default, because the
    /// secret is then removed from all of them.
    pub service_accounts: ServiceAccounts,
}

/// The service accounts that use a pull secret, in each of its namespaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceAccounts {
    /// These, each of them once. The list may be empty.
    Named(Vec<LinkedAccount>),
    /// All that the namespace has, with these uses.
    All(Vec<LinkUse>),
}

impl Default for ServiceAccounts {
    fn default() -> Self {
        Self::Named(Vec::new())
    }
}

/// A service account that uses a pull secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedAccount {
    /// Its name.
    pub name: String,
    /// What for: at least one use, without repetitions, `Pull` before `Mount`.
    pub uses: Vec<LinkUse>,
}

/// What a service account uses a secret for: the values of `oc secrets link --for`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkUse {
    /// Its pods pull images with the secret: `imagePullSecrets` of the account.
    Pull,
    /// Its pods may mount the secret: `secrets` of the account. Builds push images with these secrets.
    Mount,
}

/// The namespaces of a declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namespaces {
    /// These namespaces, without repetitions.
    Named(Vec<String>),
    /// The namespaces that have certain labels when the cluster is observed.
    Selected(NamespaceSelector),
}

/// Selects namespaces by their labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceSelector {
    /// A label selector in the syntax of `kubectl get --selector`. The API server evaluates it.
    pub labels: String,
    /// Globs of names that are not selected, by the rules of Python's `fnmatch`.
    pub except: Vec<String>,
}

/// What a pull secret must contain.
#[derive(Debug, Clone)]
pub enum PullSecretState {
    /// It exists and contains these entries.
    Present {
        /// The entries.
        credentials: Arc<[Credential]>,
        /// How they are stored.
        format: PullSecretFormat,
    },
    /// If it exists, it contains these entries. It is not created, and there is no step if it cannot be observed: the
    /// secrets of openshift-ansible do not justify more permissions.
    IfPresent {
        /// The entries.
        credentials: Arc<[Credential]>,
    },
    /// It does not exist.
    Absent,
}

/// How a pull secret stores its entries (Kubernetes documentation, "Secrets", section "Docker config Secrets").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullSecretFormat {
    /// `kubernetes.io/dockerconfigjson`: a `config.json` with `auths`.
    DockerConfigJson,
    /// `kubernetes.io/dockercfg`: the entries without `auths`, for consumers that read nothing else.
    Dockercfg,
}

/// Who may change a secret that exists already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ownership {
    /// The secret is shared by convention, such as `imagestreamsecret`: entries are merged into it even if
    /// something else created it, and it is not marked.
    Shared,
    /// The secret belongs to the inventory that declares it. It is marked with the label `oregano/managed`, and with
    /// the annotation `oregano/owner` if the inventory has an owner.
    Declared {
        /// `oregano_owner`.
        owner: Option<String>,
        /// Whether an unmarked secret is taken over.
        adopt: Adopt,
    },
}

/// `adopt` of a declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adopt {
    /// A secret of the same name that something else created is a failure.
    No,
    /// It is merged and marked, or removed with `state: absent`.
    Yes,
}

impl LinkUse {
    /// Its name in inventories and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Mount => "mount",
        }
    }

    /// The field of a service account that has the secrets for this use.
    pub fn field(self) -> &'static str {
        match self {
            Self::Pull => "imagePullSecrets",
            Self::Mount => "secrets",
        }
    }
}

impl NamespaceSelector {
    /// Whether the namespace is selected, if it has the labels.
    pub fn admits(&self, namespace: &str) -> bool {
        let is_platform =
            PLATFORM_NAMES.contains(&namespace) || PLATFORM_PREFIXES.iter().any(|prefix| namespace.starts_with(prefix));
        !is_platform && !self.except.iter().any(|glob| glob_matches(glob, namespace))
    }
}

impl PullSecretFormat {
    /// The `type` of the secret.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::DockerConfigJson => "kubernetes.io/dockerconfigjson",
            Self::Dockercfg => "kubernetes.io/dockercfg",
        }
    }

    /// The key of the entries in `data`.
    pub fn data_key(self) -> &'static str {
        match self {
            Self::DockerConfigJson => ".dockerconfigjson",
            Self::Dockercfg => ".dockercfg",
        }
    }

    /// The format of a secret with this `type`; `None` if it is not a pull secret.
    pub fn of_type(name: &str) -> Option<Self> {
        [Self::DockerConfigJson, Self::Dockercfg].into_iter().find(|format| format.type_name() == name)
    }
}
