//! Who may pull images from the registry of an OpenShift cluster: a service account of one project that may pull the images
//! of another project. This file contains only types; `resolve` reads them from inventory variables.

/// The cluster role of OpenShift that permits to pull the images of a namespace.
pub const IMAGE_PULLER_ROLE: &str = "system:image-puller";

/// The API group of roles, role bindings, users and groups.
pub const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

/// A permission to pull the images of a project: the cluster role `system:image-puller` in its namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagePuller {
    /// The project with the images.
    pub namespace: String,
    /// Who may pull them.
    pub puller: Puller,
    /// Whether the permission must exist.
    pub state: ImagePullerState,
    /// `oregano_owner`, the name of the inventory in the annotation `oregano/owner` of role bindings.
    pub owner: Option<String>,
}

/// Who may pull images.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Puller {
    /// One service account.
    Account {
        /// Its project.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// All service accounts of this project: the group `system:serviceaccounts:<project>`.
    AccountsOf(String),
}

/// A subject of a role binding (`Subject` of the API group [`RBAC_GROUP`]), with the defaults that the API server sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// `ServiceAccount`, `User` or `Group`.
    pub kind: String,
    /// Empty for a service account.
    pub api_group: String,
    /// Empty for a user or a group.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// `state` of an image puller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImagePullerState {
    /// It may pull the images.
    Present,
    /// It may not.
    Absent,
}

impl Puller {
    /// The subject that names it in a role binding.
    pub fn subject(&self) -> Subject {
        match self {
            Self::Account { namespace, name } => Subject {
                kind: "ServiceAccount".to_owned(),
                api_group: String::new(),
                namespace: namespace.clone(),
                name: name.clone(),
            },
            Self::AccountsOf(project) => Subject {
                kind: "Group".to_owned(),
                api_group: RBAC_GROUP.to_owned(),
                namespace: String::new(),
                name: format!("system:serviceaccounts:{project}"),
            },
        }
    }
}

/// The name of the subject for the authorizer: for a service account, its user name.
impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, namespace, name, .. } = self;
        match kind.as_str() {
            "ServiceAccount" => write!(f, "system:serviceaccount:{namespace}:{name}"),
            _ => f.write_str(name),
        }
    }
}
