//! The objects that a cluster must contain. Types only.

use std::sync::Arc;

use crate::dockerconfig::Credential;

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
