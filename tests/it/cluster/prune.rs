//! `--prune` against a real API server: what the inventory has created and no longer declares is removed last, and nothing
//! else is.

use serde_json::{Value, json};

use crate::support::kubernetes::{Kubernetes, User};
use crate::support::process::eventually;
use crate::support::site::{DOCKER, Site};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/project-a/rolebindings";

/// The site, whose inventory has a name and declares `team` and one image puller; `apply` has created both.
fn site(kubernetes: &Kubernetes) -> Site {
    for name in ["project-a", "project-b"] {
        kubernetes.namespace(name);
    }
    let role = json!({"metadata": {"name": "system:image-puller"}, "rules": []});
    kubernetes.create("/apis/rbac.authorization.k8s.io/v1/clusterroles", &role);
    let account = json!({"metadata": {"name": "default"}, "imagePullSecrets": [{"name": "foreign"}]});
    kubernetes.create("/api/v1/namespaces/project-a/serviceaccounts", &account);
    let mut site = Site::new(1);
    site.cluster(kubernetes, User::Admin).set("oregano_owner", "production");
    site.set_literal(
        "oregano_pull_secrets",
        "[{'name':'team','namespaces':['project-a'],'service_accounts':'default'},\
          {'name':'kept','namespaces':['project-a','project-b']}]",
    );
    site.set_literal("oregano_image_pullers", "[{'namespace':'project-a','service_account':'project-b/default'}]");
    site.run(&["apply"]).expect(0);
    assert_eq!(pull_secrets(kubernetes), ["foreign", "team"]);
    site
}

/// The names in `imagePullSecrets` of `project-a/default`, as kubectl prints them.
fn pull_secrets(kubernetes: &Kubernetes) -> Vec<String> {
    let template = "jsonpath={.imagePullSecrets[*].name}";
    let shown = kubernetes.kubectl(&["get", "serviceaccount", "default", "-n", "project-a", "-o", template]);
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    String::from_utf8(shown.stdout).unwrap().split_whitespace().map(str::to_owned).collect()
}

fn bindings(kubernetes: &Kubernetes) -> Vec<String> {
    let list: Value = serde_json::from_slice(&kubernetes.api("GET", RBAC, None).body).unwrap();
    let names = list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap());
    names.filter(|name| *name != "writer").map(str::to_owned).collect()
}

#[test]
fn what_is_no_longer_declared_is_removed_last() {
    let kubernetes = Kubernetes::private();
    let mut site = site(&kubernetes);
    // A declared secret has an entry of a registry that is retired later.
    let content = kubernetes.secret_json("project-b", "kept").unwrap();
    let mut content = content.as_object().unwrap().clone();
    content["auths"]["https://old.example.com/v1/"] = json!({"auth": "YTpi"});
    content["auths"]["other.example.com"] = json!({"auth": "YTpi"});
    let encoded = openssl::base64::encode_block(Value::from(content).to_string().as_bytes());
    let patch = json!({"data": {".dockerconfigjson": encoded}}).to_string();
    assert!(kubernetes.kubectl(&["patch", "secret", "kept", "-n", "project-b", "-p", &patch]).status.success());
    site.set_literal("oregano_retired_registries", "['old.example.com']");
    // Objects of others, in the same namespaces.
    kubernetes.create_secret("project-a", "foreign", "{}");
    for (name, owner) in [("of-another", "test"), ("same-label", "")] {
        kubernetes.create_secret("project-a", name, "{}");
        let marks = ["label", "secret", name, "-n", "project-a", "oregano/managed=true"];
        assert!(kubernetes.kubectl(&marks).status.success());
        let annotation = format!("oregano/owner={owner}");
        assert!(kubernetes.kubectl(&["annotate", "secret", name, "-n", "project-a", &annotation]).status.success());
    }
    let declared = "[{'name':'kept','namespaces':['project-a','project-b']}]";
    site.set_literal("oregano_pull_secrets", declared).unset("oregano_image_pullers");

    // Without --prune they are reported, and nothing is pending.
    for command in ["plan", "apply"] {
        let run = site.run(&[command]).expect(0);
        let warning = "warning: secret project-a/team: it is no longer declared, and stays: `apply --prune` deletes it";
        assert!(run.stderr.contains(warning), "{}", run.stderr);
        let retired =
            "`https://old.example.com/v1/` is retired, but is still in 1 pull secret: `apply --prune` removes it";
        assert!(run.stderr.contains(retired), "{}", run.stderr);
        assert!(!run.stderr.contains("of-another") && !run.stderr.contains("same-label"), "{}", run.stderr);
    }
    assert!(kubernetes.secret("project-a", "team").is_some());

    let plan = site.run(&["plan", "--prune"]).expect(3);
    let lines = [
        "service account project-a/default: would be updated (-team for pull)",
        "secret project-a/team: would be deleted",
        "role binding project-a/oregano-image-pullers: would be deleted",
    ];
    for line in lines {
        assert!(plan.stdout.contains(line), "{}", plan.stdout);
    }
    let run = site.run(&["apply", "--prune", "--output", "json"]).expect(0);
    let events = run.events();
    let at = |kind: &str, name: &str, outcome: &str| {
        let found = |event: &Value| event["kind"] == kind && event["name"] == name && event["outcome"] == outcome;
        events.iter().position(found).unwrap_or_else(|| panic!("{kind} {name} {outcome}: {}", run.stdout))
    };
    let file = events.iter().rposition(|event| event["event"] == "file").unwrap();
    let unlinked = at("ServiceAccount", "default", "updated");
    assert!(file < unlinked && unlinked < at("Secret", "team", "deleted"));
    at("RoleBinding", "oregano-image-pullers", "deleted");
    assert_eq!((kubernetes.secret("project-a", "team"), bindings(&kubernetes)), (None, vec![]));
    assert_eq!(pull_secrets(&kubernetes), ["foreign"]);
    for name in ["foreign", "of-another", "same-label", "kept"] {
        assert!(kubernetes.secret("project-a", name).is_some(), "{name} is gone");
    }
    let kept = kubernetes.secret_json("project-b", "kept").unwrap();
    assert_eq!(
        (kept["auths"].get("https://old.example.com/v1/"), &kept["auths"]["other.example.com"]["auth"]),
        (None, &json!("YTpi"))
    );
    let again = site.run(&["plan", "--prune"]).expect(0);
    assert!(!again.stderr.contains("no longer declared"), "{}", again.stderr);
}

#[test]
fn nothing_is_removed_if_something_else_failed() {
    let kubernetes = Kubernetes::private();
    let mut site = site(&kubernetes);
    site.set_literal("oregano_pull_secrets", "[{'name':'kept','namespaces':['project-a']}]");
    site.nodes[0].stop();
    let run = site.run(&["apply", "--prune"]).expect(4);
    assert!(run.stdout.contains("secret project-a/team : not written"), "{}", run.stdout);
    assert!(kubernetes.secret("project-a", "team").is_some());
    assert_eq!(pull_secrets(&kubernetes), ["foreign", "team"]);
    // The cluster alone can be cleaned up without the node.
    site.run(&["apply", "--prune", "--only", "cluster"]).expect(0);
    assert_eq!((kubernetes.secret("project-a", "team"), pull_secrets(&kubernetes)), (None, vec!["foreign".to_owned()]));
}

#[test]
fn a_missing_permission_is_a_warning_for_the_list_and_stops_the_run_for_the_removal() {
    let kubernetes = Kubernetes::private();
    let mut site = site(&kubernetes);
    site.set_literal("oregano_pull_secrets", "[{'name':'kept','namespaces':['project-a']}]");
    site.unset("oregano_image_pullers").cluster(&kubernetes, User::Writer);
    let run = site.run(&["plan", "--prune"]).expect(0);
    let warning =
        "there may be more objects that are no longer declared: the secrets of namespace `openshift` cannot be listed";
    assert!(run.stderr.contains(warning), "{}", run.stderr);
    assert!(run.stderr.contains("grant the user `list` on secrets"), "{}", run.stderr);

    // May find it, and not delete it.
    let rules = json!([
        {"apiGroups": [""], "resources": ["secrets", "serviceaccounts"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get", "patch"]},
    ]);
    let metadata = json!({"name": "finder", "namespace": "project-a"});
    let roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/project-a/roles";
    kubernetes.create(roles, &json!({"metadata": metadata, "rules": rules}));
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "finder"});
    let subjects = json!([{"kind": "User", "name": "writer"}]);
    kubernetes.create(RBAC, &json!({"metadata": metadata, "roleRef": role, "subjects": subjects}));
    let list = "/api/v1/namespaces/project-a/serviceaccounts";
    eventually("the writer may list", || kubernetes.api_as(User::Writer, "GET", list, None).status == 200);
    let stale = json!({"auths": {}}).to_string();
    site.nodes[0].write(DOCKER, stale.as_bytes(), 0o600);
    let run = site.run(&["apply", "--prune"]).expect(2);
    assert!(run.stderr.contains("secret `project-a/team` cannot be deleted"), "{}", run.stderr);
    assert_eq!((site.file(1, DOCKER), pull_secrets(&kubernetes).len()), (Some(stale), 2), "something was written");
}
