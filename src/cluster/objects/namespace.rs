//! Namespaces: whether one exists, which makes a missing secret a fact or a failure, and which ones a selector selects.

use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;

use crate::cluster::client::ApiClient;
use crate::cluster::error::{Resource, Subject, Verb, is_missing_namespace, missing_namespace};
use crate::facts::{NamespaceFact, NamespacePhase};
use crate::failure::Failure;

/// The number of namespaces in one response. The server limits how long it keeps the rest of a list.
const PAGE: u32 = 500;

impl ApiClient {
    /// Fails if the server reports that the namespace does not exist.
    pub(super) async fn check_namespace(&self, namespace: &str) -> Result<(), Failure> {
        match self.get_object::<Namespace>(None, namespace).await {
            Err(error) if error.status().is_some_and(is_missing_namespace) => Err(missing_namespace(namespace)),
            // Many users may not read namespaces. Creating the secret will fail if the namespace does not exist.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// See [`crate::cluster::Cluster::namespaces`].
    pub(in crate::cluster) async fn namespaces(&self, labels: &str) -> Result<Vec<NamespaceFact>, Failure> {
        let mut parameters = ListParams::default().labels(labels).limit(PAGE);
        let subject = Subject { resource: Resource::Namespace, namespace: "", name: labels };
        let mut found = Vec::new();
        loop {
            let page = self.list_page::<Namespace>(None, &parameters).await;
            let page = page.map_err(|error| self.diagnosis().failure(Verb::List, subject, &error))?;
            found.extend(page.items.iter().filter_map(fact));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => parameters.continue_token = Some(token),
                None => return Ok(found),
            }
        }
    }
}

fn fact(namespace: &Namespace) -> Option<NamespaceFact> {
    let phase = namespace.status.as_ref().and_then(|status| status.phase.as_deref());
    let phase = if phase == Some("Terminating") { NamespacePhase::Terminating } else { NamespacePhase::Active };
    Some(NamespaceFact { name: namespace.metadata.name.clone()?, phase })
}
