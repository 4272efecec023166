//! Namespaces that appear, that are deleted, and that have a quota, with the controllers of a real cluster.

use serde_json::{Value, json};

use crate::support::controllers::Controllers;
use crate::support::kubernetes::{Kubernetes, User};
use crate::support::process::eventually;
use crate::support::site::{DOCKER, Site};

/// A site whose inventory declares these pull secrets.
fn site(cluster: &Controllers, secrets: &str) -> Site {
    let mut site = Site::new(1);
    site.cluster(&cluster.kubernetes, User::Admin).set_literal("oregano_pull_secrets", secrets);
    // Other tests would write imagestreamsecret at the same time.
    site.set("oregano_platform", "kubernetes");
    site
}

fn linked(kubernetes: &Kubernetes, namespace: &str) -> Value {
    let account = kubernetes.get(&format!("/api/v1/namespaces/{namespace}/serviceaccounts/default"));
    account["imagePullSecrets"].clone()
}

#[test]
fn the_service_account_of_a_new_namespace_is_awaited() {
    let cluster = Controllers::exclusive();
    let kubernetes = &cluster.kubernetes;
    let site = site(&cluster, "[{'name':'team','namespaces':['born'],'service_accounts':['default']}]");
    let paused = cluster.pause();
    kubernetes.namespace("born");
    let plan = site.run(&["plan", "--only", "cluster"]).expect(3);
    assert!(plan.stderr.contains("it does not exist yet: `apply` waits for it (`oregano_wait`)"), "{}", plan.stderr);
    let run = site.start(&["apply", "--only", "cluster"]);
    eventually("the secret is written before the account", || kubernetes.secret("born", "team").is_some());
    drop(paused);
    let run = run.wait().expect(0);
    assert!(run.stdout.contains("service account born/default: updated (+team for pull)"), "{}", run.stdout);
    assert_eq!(linked(kubernetes, "born"), json!([{"name": "team"}]));
}

#[test]
fn a_namespace_that_is_being_deleted_stops_the_run_if_it_is_named_and_is_skipped_if_it_is_selected() {
    let cluster = Controllers::shared();
    let kubernetes = &cluster.kubernetes;
    for name in ["going-a", "going-b"] {
        cluster.namespace(name);
        assert!(kubernetes.kubectl(&["label", "namespace", name, "phase=going"]).status.success());
    }
    kubernetes.create_secret("going-b", "team", r#"{"auths":{}}"#);
    // The secret, and thus its namespace, stays until somebody else removes this finalizer.
    kubernetes
        .patch("/api/v1/namespaces/going-b/secrets/team", &json!({"metadata": {"finalizers": ["example.com/hold"]}}));
    cluster.delete_namespace("going-b");
    let mut site = site(
        &cluster,
        "[{'name':'team','namespaces':{'labels':'phase=going'},'service_accounts':['default'],'adopt':True}]",
    );
    let run = site.run(&["apply", "--only", "cluster"]).expect(0);
    let note = "namespace `going-b` is being deleted, so nothing is changed in it";
    assert!(run.stderr.contains(note), "{}", run.stderr);
    assert_eq!(kubernetes.secret_json("going-b", "team").unwrap(), json!({"auths": {}}));
    assert_eq!(linked(kubernetes, "going-a"), json!([{"name": "team"}]));

    eventually("the content is being deleted", || {
        kubernetes.secret("going-b", "team").unwrap()["metadata"]["deletionTimestamp"].is_string()
    });
    site.set_literal(
        "oregano_pull_secrets",
        "[{'name':'other','namespaces':['going-a']},{'name':'team','namespaces':['going-b'],'adopt':True}]",
    );
    let run = site.run(&["apply"]).expect(2);
    assert!(run.stderr.contains("secret `going-b/team` is being deleted"), "{}", run.stderr);
    assert_eq!((kubernetes.secret("going-a", "other"), site.file(1, DOCKER)), (None, None));
    assert_eq!(kubernetes.secret_json("going-b", "team").unwrap(), json!({"auths": {}}));
}

#[test]
fn a_namespace_that_is_deleted_during_the_run_stops_it_before_the_first_write() {
    let cluster = Controllers::shared();
    let kubernetes = &cluster.kubernetes;
    cluster.namespace("during-a");
    cluster.namespace("during-b");
    let mut site = site(&cluster, "[{'name':'team','namespaces':['during-a','during-b']}]");
    // The observation of a silent node lasts until its port is closed. Until then the API server has been observed.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    site.host(1, &format!("ansible_port={}", silent.local_addr().unwrap().port()));
    let run = site.start(&["apply", "--timeout", "120"]);
    eventually("the cluster is observed", || {
        ["during-a", "during-b"]
            .iter()
            .all(|name| kubernetes.has_answered("GET", &format!("/api/v1/namespaces/{name}")))
    });
    cluster.delete_namespace("during-b");
    cluster.await_deletion("during-b");
    drop(silent);
    let run = run.wait().expect(2);
    assert!(run.stderr.contains("namespace `during-b` does not exist"), "{}", run.stderr);
    assert_eq!(kubernetes.secret("during-a", "team"), None);
}

#[test]
fn a_quota_is_reported_before_the_first_write() {
    let cluster = Controllers::shared();
    let kubernetes = &cluster.kubernetes;
    cluster.namespace("quota-a");
    cluster.namespace("quota-b");
    let quotas = "/api/v1/namespaces/quota-b/resourcequotas";
    let limit = |secrets: &str| {
        let spec = json!({"hard": {"secrets": secrets}});
        match kubernetes.api("GET", &format!("{quotas}/no-secrets"), None).status {
            404 => kubernetes.create(quotas, &json!({"metadata": {"name": "no-secrets"}, "spec": spec})),
            _ => kubernetes.patch(&format!("{quotas}/no-secrets"), &json!({"spec": spec})),
        }
        eventually("the quota is in effect", || {
            kubernetes.get(&format!("{quotas}/no-secrets"))["status"]["hard"]["secrets"] == secrets
        });
    };
    limit("0");
    let site = site(&cluster, "[{'name':'team','namespaces':['quota-a','quota-b']}]");
    let run = site.run(&["apply"]).expect(2);
    assert!(run.stderr.contains("secret `quota-b/team` cannot be created"), "{}", run.stderr);
    assert!(run.stderr.contains("exceeded quota: no-secrets"), "{}", run.stderr);
    assert!(run.stderr.contains("raise the quota of namespace `quota-b` for secrets"), "{}", run.stderr);
    assert_eq!((kubernetes.secret("quota-a", "team"), site.file(1, DOCKER)), (None, None));
    limit("1");
    site.run(&["apply", "--only", "cluster"]).expect(0);
    assert!(kubernetes.secret("quota-a", "team").is_some() && kubernetes.secret("quota-b", "team").is_some());
}
