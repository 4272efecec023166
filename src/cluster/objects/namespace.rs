//! Namespaces: whether one exists, which makes a missing object a fact or a failure, and which ones a selector selects.

use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;

use super::collection;
use super::list::PAGE;
use crate::cluster::client::ApiClient;
use crate::cluster::error::{Verb, is_missing_namespace, missing_namespace, terminating_namespace};
use crate::facts::{NamespaceFact, NamespacePhase, ObjectKind, ObjectName};
use crate::failure::Failure;

impl ApiClient {
    /// Fails if the server reports that the namespace does not exist, or is being deleted.
    pub(super) async fn check_namespace(&self, namespace: &str) -> Result<(), Failure> {
        match self.get_object::<Namespace>(ObjectKind::Namespace, "", namespace).await {
            Err(error) if error.status().is_some_and(is_missing_namespace) => Err(missing_namespace(namespace)),
            Ok(found) if phase(&found) == NamespacePhase::Terminating => Err(terminating_namespace(namespace)),
            // Many users may not read namespaces. Creating the object will fail if the namespace does not exist.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// See [`crate::cluster::Cluster::namespaces`].
    pub(in crate::cluster) async fn namespaces(&self, labels: &str) -> Result<Vec<NamespaceFact>, Failure> {
        let parameters = ListParams::default().labels(labels).limit(PAGE);
        let found = self.list_facts(&collection(ObjectKind::Namespace, ""), parameters, fact).await;
        found.map_err(|error| {
            let selection = ObjectName::new(ObjectKind::Namespace, "", labels);
            self.diagnosis().failure(Verb::List, &selection, &error)
        })
    }
}

fn fact(namespace: Namespace) -> Option<NamespaceFact> {
    let phase = phase(&namespace);
    Some(NamespaceFact { name: namespace.metadata.name?, phase })
}

fn phase(namespace: &Namespace) -> NamespacePhase {
    let phase = namespace.status.as_ref().and_then(|status| status.phase.as_deref());
    if phase == Some("Terminating") { NamespacePhase::Terminating } else { NamespacePhase::Active }
}
