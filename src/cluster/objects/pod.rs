//! Pods: which of them run, what creates them, and their pull secrets. Only these facts of a list are kept.

use k8s_openapi::api::core::v1::Pod;
use kube::Resource;
use kube::api::ListParams;
use kube::core::Request;

use super::list::{ListScope, by_namespace};
use crate::cluster::client::ApiClient;
use crate::cluster::error::ApiError;
use crate::facts::{PodFact, PodsByNamespace};
use crate::failure::Failure;

/// The number of pods in one response. A pod is larger than other objects, and a response has a limit.
const PAGE: u32 = 250;

/// The label with the hash in the names of a Deployment's ReplicaSets.
const TEMPLATE_HASH: &str = "pod-template-hash";
/// The annotation with the DeploymentConfig of a ReplicationController's pod.
const DEPLOYMENT_CONFIG: &str = "openshift.io/deployment-config.name";

impl ApiClient {
    /// See [`crate::cluster::Cluster::pods`].
    pub(in crate::cluster) async fn pods(&self, namespaces: &[String], requests: usize) -> PodsByNamespace {
        let list = async |scope: ListScope<'_>| {
            let parameters = ListParams::default().limit(PAGE);
            let namespace = Some(scope.namespace()).filter(|namespace| !namespace.is_empty());
            let running = |pod: Pod| running(pod).filter(|(namespace, _)| scope.contains(namespace));
            self.list_facts(&Request::new(Pod::url_path(&(), namespace)), parameters, running).await
        };
        by_namespace(namespaces, requests, list, |namespace, error| self.unlisted(namespace, error)).await
    }

    /// Nothing depends on pods, so this is only shown as a note.
    fn unlisted(&self, namespace: &str, error: &ApiError) -> Failure {
        let failure = Failure::new(format!("the pods of namespace `{namespace}` cannot be listed"));
        let hint = failure.hint(format!("grant the user `list` on pods in namespace `{namespace}`"));
        match error.status() {
            Some(status) => hint.cause(self.diagnosis().response(status)),
            None => hint,
        }
    }
}

/// A pod that has not ended, and its namespace.
fn running(pod: Pod) -> Option<(String, PodFact)> {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    if matches!(phase, Some("Succeeded" | "Failed")) || pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let owner = owner(&pod);
    let spec = pod.spec?;
    let secrets = spec.image_pull_secrets.unwrap_or_default();
    let fact = PodFact {
        owner,
        account: spec.service_account_name.unwrap_or_else(|| "default".to_owned()),
        secrets: secrets.into_iter().map(|reference| reference.name).collect(),
    };
    Some((pod.metadata.namespace?, fact))
}

/// What must be restarted to create the pod again.
fn owner(pod: &Pod) -> String {
    let metadata = &pod.metadata;
    let owners = metadata.owner_references.iter().flatten();
    let Some(owner) = owners.into_iter().find(|owner| owner.controller == Some(true)) else {
        return format!("pod {}", metadata.name.as_deref().unwrap_or_default());
    };
    let hash = metadata.labels.as_ref().and_then(|labels| labels.get(TEMPLATE_HASH));
    let config = metadata.annotations.as_ref().and_then(|annotations| annotations.get(DEPLOYMENT_CONFIG));
    let deployment = hash.and_then(|hash| owner.name.strip_suffix(hash.as_str())?.strip_suffix('-'));
    match (owner.kind.as_str(), deployment, config) {
        ("ReplicaSet", Some(deployment), _) => format!("Deployment {deployment}"),
        ("ReplicationController", _, Some(config)) => format!("DeploymentConfig {config}"),
        (kind, _, _) => format!("{kind} {}", owner.name),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn fact(metadata: &Value, phase: &str) -> Option<PodFact> {
        let spec = json!({"containers": [], "serviceAccountName": "app", "imagePullSecrets": [{"name": "a"}]});
        let pod = json!({"metadata": metadata, "spec": spec, "status": {"phase": phase}});
        running(serde_json::from_value(pod).unwrap()).map(|(_, fact)| fact)
    }

    #[test]
    fn the_owner_is_what_an_administrator_restarts() {
        let owned = |kind: &str, name: &str| {
            let owner = json!({"apiVersion": "v1", "kind": kind, "name": name, "uid": "u", "controller": true});
            let labels = json!({"pod-template-hash": "5d4f"});
            let annotations = json!({"openshift.io/deployment-config.name": "shop"});
            json!({"namespace": "n", "name": "p", "ownerReferences": [owner], "labels": labels, "annotations": annotations})
        };
        for (metadata, expected) in [
            (owned("ReplicaSet", "web-5d4f"), "Deployment web"),
            (owned("ReplicaSet", "web"), "ReplicaSet web"),
            (owned("ReplicationController", "shop-3"), "DeploymentConfig shop"),
            (owned("StatefulSet", "db"), "StatefulSet db"),
            (json!({"namespace": "n", "name": "p"}), "pod p"),
        ] {
            assert_eq!(fact(&metadata, "Running").unwrap().owner, expected);
        }
    }

    #[test]
    fn only_pods_that_have_not_ended_count() {
        let metadata = json!({"namespace": "n", "name": "p"});
        let pod = fact(&metadata, "Pending").unwrap();
        assert_eq!((pod.account.as_str(), pod.secrets), ("app", vec!["a".to_owned()]));
        assert_eq!((fact(&metadata, "Succeeded"), fact(&metadata, "Failed")), (None, None));
        let deleted = json!({"namespace": "n", "name": "p", "deletionTimestamp": "2026-11-29T00:00:00Z"});
        assert_eq!(fact(&deleted, "Running"), None);
    }
}
