//! Who may pull images from the registry of an OpenShift cluster: a service account of one project that may pull the images
//! of another project. This file contains only types; `resolve` reads them from inventory variables.

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

/// `state` of an image puller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImagePullerState {
    /// It may pull the images.
    Present,
    /// It may not.
    Absent,
}
