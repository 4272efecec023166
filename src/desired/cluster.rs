//! What a cluster must have: types only.

use std::sync::Arc;

use crate::dockerconfig::Credential;

/// A secret of type `kubernetes.io/dockerconfigjson`.
#[derive(Debug, Clone)]
pub struct PullSecret {
    /// The namespace it lives in.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The entries it must have.
    pub credentials: Arc<[Credential]>,
}
