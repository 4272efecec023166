//! The objects that a cluster must contain. Types only.

use std::sync::Arc;

use crate::dockerconfig::Credential;

/// An object of the cluster that must exist.
#[derive(Debug, Clone)]
pub enum Object {
    /// A pull secret.
    PullSecret(PullSecret),
}

/// A secret of type `kubernetes.io/dockerconfigjson`.
#[derive(Debug, Clone)]
pub struct PullSecret {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The entries that it must contain.
    pub credentials: Arc<[Credential]>,
}
