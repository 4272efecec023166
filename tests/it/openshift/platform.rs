//! The platform of an API server, found through its API groups.

use oregano::facts::{ApiPlatform, ControlPlane};
use serde_json::json;

use super::rollout::with_cluster;
use crate::support::kubernetes::{Kubernetes, User};
use crate::support::openshift::OpenShift;
use crate::support::process::eventually;

#[test]
fn plain_kubernetes_has_no_group_of_openshift() {
    let platform = with_cluster(Kubernetes::shared(), User::Reader, async |cluster| cluster.platform().await.ok());
    assert_eq!(platform, Some(ApiPlatform::Kubernetes));
}

#[test]
fn openshift_4_has_the_group_of_cluster_versions() {
    let openshift = OpenShift::empty();
    let platform = with_cluster(&openshift.kubernetes, User::Reader, async |cluster| cluster.platform().await.ok());
    assert_eq!(platform, Some(ApiPlatform::OpenShift4));
}

#[test]
fn a_dead_aggregated_api_server_does_not_hide_the_platform() {
    let kubernetes = Kubernetes::private();
    let service = |group: &str| {
        json!({
            "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": format!("v1.{group}")},
            "spec": {
                "group": group, "version": "v1", "groupPriorityMinimum": 1000, "versionPriority": 15,
                "insecureSkipTLSVerify": true, "service": {"name": "missing", "namespace": "default"},
            },
        })
    };
    let services = "/apis/apiregistration.k8s.io/v1/apiservices";
    let platform = || with_cluster(&kubernetes, User::Reader, async |cluster| cluster.platform().await.ok());
    kubernetes.create(services, &service("metrics.example.com"));
    let path = "/apis/metrics.example.com/v1";
    eventually("the other API is down", || kubernetes.api("GET", path, None).status == 503);
    assert_eq!(platform(), Some(ApiPlatform::Kubernetes));
    // The API server knows a group whose own server does not run.
    kubernetes.create(services, &service("apps.openshift.io"));
    let path = "/apis/apps.openshift.io/v1";
    eventually("the API of OpenShift is down", || kubernetes.api("GET", path, None).status == 503);
    assert_eq!(platform(), Some(ApiPlatform::OpenShift3));
}

#[test]
fn a_hosted_control_plane_is_recognized() {
    let openshift = OpenShift::empty();
    let infrastructure =
        || with_cluster(&openshift.kubernetes, User::Admin, async |cluster| cluster.infrastructure().await).unwrap();
    assert_eq!(infrastructure().control_plane, ControlPlane::Nodes);
    openshift.set_infrastructure("External", "stage-q4w8z");
    assert_eq!(infrastructure().control_plane, ControlPlane::Hosted);
    assert_eq!(infrastructure().cluster, "stage-q4w8z");
    let denied =
        with_cluster(&openshift.kubernetes, User::Reader, async |cluster| cluster.infrastructure().await).unwrap_err();
    assert!(denied.hint.unwrap().contains("infrastructures.config.openshift.io"));
}
