//! Pods that were observed, as far as their pull secrets matter. Types only.

use std::collections::HashMap;

use crate::failure::Failure;

/// The pods of namespaces, or why they are not known.
pub type PodsByNamespace = HashMap<String, Result<Vec<PodFact>, Failure>>;

/// A pod that runs or is about to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodFact {
    /// What creates such pods, such as `Deployment web`; `pod NAME` for a pod that nothing created.
    pub owner: String,
    /// The service account that it runs as.
    pub account: String,
    /// The names in its `imagePullSecrets`. They cannot be changed.
    pub secrets: Vec<String>,
}
