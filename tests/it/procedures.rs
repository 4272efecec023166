//! The declarations of docs/procedures.md on a real API server: each of them is planned, applied, and then up to date.

use serde_json::{Value, json};

use crate::support::documents::{Procedure, procedures};
use crate::support::kubernetes::{Kubernetes, User};
use crate::support::site::{Site, auth};

/// The projects of the document, and the cluster role of OpenShift.
fn cluster() -> Kubernetes {
    let kubernetes = Kubernetes::private();
    for namespace in ["project-a", "project-b"] {
        kubernetes.namespace(namespace);
        assert!(kubernetes.kubectl(&["label", "namespace", namespace, "team=blue"]).status.success());
    }
    let rules = json!([{"apiGroups": ["image.openshift.io"], "resources": ["imagestreams/layers"], "verbs": ["get"]}]);
    let role = json!({"metadata": {"name": "system:image-puller"}, "rules": rules});
    kubernetes.create("/apis/rbac.authorization.k8s.io/v1/clusterroles", &role);
    kubernetes
}

/// Removes what a declaration has left, and creates the service accounts that a controller of OpenShift creates in each
/// project, and a secret that is no longer needed.
fn reset(kubernetes: &Kubernetes) {
    for namespace in ["project-a", "project-b", "openshift"] {
        for plural in ["secrets", "serviceaccounts"] {
            assert_eq!(kubernetes.api("DELETE", &format!("/api/v1/namespaces/{namespace}/{plural}"), None).status, 200);
        }
        let words = ["delete", "rolebinding", "oregano-image-pullers", "-n", namespace, "--ignore-not-found"];
        assert!(kubernetes.kubectl(&words).status.success());
        for account in ["default", "builder"] {
            let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
            kubernetes.create(&path, &json!({"metadata": {"name": account}, "imagePullSecrets": [{"name": "old"}]}));
        }
    }
    kubernetes.create_secret("project-a", "old", r#"{"auths":{}}"#);
}

#[test]
fn every_declaration_is_planned_applied_and_then_up_to_date() {
    // The global pull secret needs the machine config operator: tests/it/openshift runs that declaration.
    let procedures: Vec<Procedure> = procedures().into_iter().filter(|procedure| !procedure.is_global()).collect();
    assert!(procedures.len() >= 8, "{}", procedures.len());
    let kubernetes = cluster();
    let mut site = Site::new(1);
    site.cluster(&kubernetes, User::Admin);
    for Procedure { title, declared } in procedures {
        reset(&kubernetes);
        let file = site.oregano.write("config.json", json!({"auths": {site.key(): {"auth": auth()}}}).to_string());
        let declared = declared.replace("registry.example.com", site.key());
        let declared = declared.replace("/etc/oregano/config.json", &file.display().to_string());
        site.oregano.write("group_vars/all.yml", declared);
        let run = |words: &[&str], status: i32| site.run(&[words, &["--only", "cluster"]].concat()).expect(status);
        run(&["plan"], 3);
        let events = run(&["apply", "--output", "json"], 0).events();
        let changed = |event: &&Value| {
            event["event"] == "object"
                && ["created", "updated", "deleted"].contains(&event["outcome"].as_str().unwrap())
        };
        assert!(events.iter().filter(changed).count() > 1, "{title}: only imagestreamsecret changed");
        let events = run(&["apply", "--output", "json"], 0).events();
        assert_eq!(events.iter().filter(changed).count(), 0, "{title}: a second run changed something");
        run(&["plan"], 0);
    }
}
