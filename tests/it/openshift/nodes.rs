//! What the platform decides about nodes and about the secrets that OpenShift 3.11 has by default.

use std::fs;

use crate::support::double::RawServer;
use crate::support::double::raw::Reaction;
use crate::support::kubernetes::{Kubernetes, User};
use crate::support::openshift::OpenShift;
use crate::support::process::eventually;
use crate::support::site::{DOCKER, Site, recap};

#[test]
fn the_nodes_of_openshift_4_are_skipped_with_a_warning() {
    let openshift = OpenShift::empty();
    let mut site = Site::new(2);
    site.cluster(&openshift.kubernetes, User::Admin);
    // The platform is what the API server says, or what the inventory says.
    for platform in [None, Some("openshift-4")] {
        match platform {
            None => site.unset("oregano_platform"),
            Some(platform) => site.set("oregano_platform", platform),
        };
        let declared = "[{'name': 'team', 'namespaces': ['openshift-config'], 'adopt': True}]";
        site.set_literal("oregano_pull_secrets", declared);
        let run = site.run(&["apply"]).expect(0);
        let warning =
            "the files of the nodes (2) are not changed: the machine config operator of OpenShift 4 owns them";
        assert!(run.stderr.contains(warning), "{}", run.stderr);
        assert!(run.stdout.contains(&recap("node1", [0, 0, 0, 0, 1])), "{}", run.stdout);
        assert_eq!(site.file(1, DOCKER), None);
        // Only OpenShift 3.11 has this one by default.
        assert_eq!(openshift.kubernetes.secret("openshift", "imagestreamsecret"), None);
        assert!(openshift.kubernetes.secret("openshift-config", "team").is_some());
    }
}

#[test]
fn plain_kubernetes_has_no_image_streams_and_no_global_pull_secret() {
    let kubernetes = Kubernetes::private();
    let mut site = Site::new(1);
    site.cluster(&kubernetes, User::Admin).unset("oregano_platform");
    site.run(&["apply"]).expect(0);
    assert_eq!(kubernetes.secret("openshift", "imagestreamsecret"), None);
    assert!(site.file(1, DOCKER).is_some(), "the nodes are written");
    site.set_literal("oregano_global_pull_secret", "{'mode': 'append'}");
    let run = site.run(&["apply"]).expect(1);
    assert!(run.stderr.contains("`oregano_global_pull_secret` does not fit the cluster"), "{}", run.stderr);
}

#[test]
fn nothing_is_written_if_the_api_server_does_not_show_what_it_is() {
    let kubernetes = Kubernetes::private();
    let mut site = Site::new(1);
    site.cluster(&kubernetes, User::Admin).unset("oregano_platform");
    // Without this role, users may not see which API groups there are.
    let binding = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/system:discovery";
    assert_eq!(kubernetes.api("DELETE", binding, None).status, 200);
    let denied = || kubernetes.api_as(User::Writer, "GET", "/apis/config.openshift.io", None).status == 403;
    eventually("discovery is denied", denied);
    site.cluster(&kubernetes, User::Writer);
    let run = site.run(&["apply"]).expect(1);
    assert!(run.stderr.contains("the platform of API server") && run.stderr.contains("set `oregano_platform`"));
    assert_eq!(site.file(1, DOCKER), None);
    site.set("oregano_platform", "openshift-3");
    site.run(&["apply"]).expect(0);
}

#[test]
fn an_api_server_that_responds_only_to_later_requests_is_not_taken_for_openshift_3() {
    let kubernetes = Kubernetes::private();
    let host = kubernetes.url().strip_prefix("https://").unwrap().to_owned();
    let front = RawServer::start(move |connection| match connection.number {
        0 => Reaction::Close,
        _ => Reaction::Relay(host.clone()),
    });
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let text = fs::read_to_string(kubernetes.kubeconfig(User::Admin)).unwrap();
    fs::write(&kubeconfig, text.replace(kubernetes.url(), &format!("https://{}", front.host))).unwrap();
    let mut site = Site::new(1);
    site.kubeconfig(kubeconfig).unset("oregano_platform");
    let run = site.run(&["apply"]).expect(2);
    assert!(run.stderr.contains(&front.host), "{}", run.stderr);
    assert_eq!(kubernetes.secret("openshift", "imagestreamsecret"), None);
    assert_eq!(site.file(1, DOCKER), None);
}
