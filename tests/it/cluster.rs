//! API servers and secrets that cannot be used: each message says what is wrong, and no node is written.

mod admission;
mod controllers;
mod credentials;
mod image_pullers;
mod imports;
mod permissions;
mod prune;
mod pull_secrets;
mod reach;
mod restart;
mod service_accounts;

use serde_json::{Value, json};

use crate::support::kubernetes::{Kubernetes, User};
use crate::support::process::eventually;
use crate::support::site::{DOCKER, Site, recap};

/// Creates the role that every OpenShift has, if another test has not created it on the same server.
fn create_image_puller_role(kubernetes: &Kubernetes) {
    let rules =
        json!([{"apiGroups": ["", "image.openshift.io"], "resources": ["imagestreams/layers"], "verbs": ["get"]}]);
    let role = json!({"metadata": {"name": "system:image-puller"}, "rules": rules});
    let response = kubernetes.api("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", Some(&role));
    assert!([201, 409].contains(&response.status), "{}", String::from_utf8_lossy(&response.body));
}

#[test]
fn no_node_is_written_if_the_api_server_does_not_run() {
    let kubernetes = Kubernetes::private();
    let mut site = Site::new(1);
    site.cluster(&kubernetes, User::Admin);
    kubernetes.stop();
    let run = site.run(&["apply"]).expect(2);
    assert!(run.stdout.contains("secret openshift/imagestreamsecret : failed"), "{}", run.stdout);
    assert!(run.stdout.contains(&recap("node1", [1, 0, 0, 0, 2])), "{}", run.stdout);
    assert_eq!(site.file(1, DOCKER), None);
}

#[test]
fn no_node_is_written_if_the_api_server_stops_during_the_run() {
    let kubernetes = Kubernetes::private();
    // The observation of a silent node lasts until its port is closed. Until then the API server has been observed.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut site = Site::new(2);
    site.cluster(&kubernetes, User::Admin);
    site.host(2, &format!("ansible_port={}", silent.local_addr().unwrap().port()));
    let run = site.start(&["apply", "--timeout", "120", "-v"]);
    eventually("the registry is asked", || run.stdout().contains("proved"));
    // The last request, because there is no secret.
    eventually("the API server is looked at", || kubernetes.has_answered("GET", "/api/v1/namespaces/openshift"));
    kubernetes.stop();
    drop(silent);
    let run = run.wait().expect(2);
    assert!(run.stdout.contains("secret openshift/imagestreamsecret : failed"), "{}", run.stdout);
    assert!(run.stdout.contains(&recap("node1", [1, 0, 0, 0, 2])), "{}", run.stdout);
    assert_eq!(site.file(1, DOCKER), None);
}

#[test]
fn a_secret_that_another_client_creates_during_the_run_is_planned_again_and_reported_as_updated() {
    let kubernetes = Kubernetes::private();
    // The observation of a silent node lasts until its port is closed. Until then the API server has been observed.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut site = Site::new(1);
    site.cluster(&kubernetes, User::Writer);
    site.host(1, &format!("ansible_port={}", silent.local_addr().unwrap().port()));
    let run = site.start(&["apply", "--timeout", "120", "--output", "json"]);
    // The last request of the observation, because there is no secret.
    eventually("the cluster is observed", || kubernetes.has_answered("GET", "/api/v1/namespaces/openshift"));
    let foreign = json!({"auths": {"foreign.example.com": {"auth": "Zm9v"}}});
    kubernetes.create_secret("openshift", "imagestreamsecret", &foreign.to_string());
    drop(silent);
    let events = run.wait().expect(4).events();
    let rows: Vec<&Value> = events.iter().filter(|event| event["event"] == "object").collect();
    let [row] = rows.as_slice() else { panic!("one row for each object: {rows:?}") };
    // The first plan was to create it.
    assert_eq!((&row["outcome"], &row["changes"][0]["kind"]), (&"updated".into(), &"added".into()));
    let secret = kubernetes.secret_json("openshift", "imagestreamsecret").unwrap();
    assert_eq!(secret["auths"]["foreign.example.com"], foreign["auths"]["foreign.example.com"]);
    assert!(secret["auths"][site.key()].is_object(), "{secret}");
}

#[test]
fn a_user_without_rights_sees_what_is_missing() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let mut site = Site::new(1);
    site.cluster(kubernetes, User::Reader);
    let run = site.run(&["apply"]).expect(2);
    assert!(run.stderr.contains("secrets") && run.stderr.contains("hint:"), "{}", run.stderr);
    assert_eq!(site.file(1, DOCKER), None);
}

#[test]
fn a_secret_of_another_type_is_not_touched() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let mut site = Site::new(1);
    site.cluster(kubernetes, User::Writer);
    let opaque = serde_json::json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "imagestreamsecret"}, "type": "Opaque",
        "data": {".dockerconfigjson": "e30="},
    });
    kubernetes.create("/api/v1/namespaces/openshift/secrets", &opaque);
    let run = site.run(&["apply"]).expect(2);
    assert!(run.stderr.contains("`Opaque`") && run.stderr.contains("oc delete secret"), "{}", run.stderr);
    assert_eq!(site.file(1, DOCKER), None);
    assert_eq!(kubernetes.secret("openshift", "imagestreamsecret").unwrap()["type"], "Opaque");
}
