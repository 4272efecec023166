//! Namespaces: only whether one exists, which makes a missing secret a fact or a failure.

use k8s_openapi::api::core::v1::Namespace;

use crate::cluster::client::ApiClient;
use crate::cluster::error::{is_missing_namespace, missing_namespace};
use crate::failure::Failure;

impl ApiClient {
    /// Fails if the server reports that the namespace does not exist.
    pub(super) async fn check_namespace(&self, namespace: &str) -> Result<(), Failure> {
        match self.get_object::<Namespace>(None, namespace).await {
            Err(error) if error.status().is_some_and(is_missing_namespace) => Err(missing_namespace(namespace)),
            // Many users may not read namespaces. Creating the secret will fail if the namespace does not exist.
            Ok(_) | Err(_) => Ok(()),
        }
    }
}
