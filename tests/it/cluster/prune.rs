//! `--prune` against a real API server: what the inventory has created and no longer declares is removed last, and nothing
//! else is.

use serde_json::{Value, json};

use super::create_image_puller_role;
use crate::support::kubernetes::{Kubernetes, User};
use crate::support::process::eventually;
use crate::support::site::{DOCKER, Site};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces";

/// The site, whose inventory has a name and declares `team` and one image puller in these namespaces; `apply` has created
/// both.
fn site(kubernetes: &Kubernetes, [first, second]: [&str; 2]) -> Site {
    for name in [first, second] {
        kubernetes.namespace(name);
    }
    create_image_puller_role(kubernetes);
    let account = json!({"metadata": {"name": "default"}, "imagePullSecrets": [{"name": "theirs"}]});
    kubernetes.create(&format!("/api/v1/namespaces/{first}/serviceaccounts"), &account);
    let mut site = Site::new(1);
    site.cluster(kubernetes, User::Admin).set("oregano_owner", "production");
    site.set_literal(
        "oregano_pull_secrets",
        &format!(
            "[{{'name':'team','namespaces':['{first}'],'service_accounts':'default'}},\
              {{'name':'kept','namespaces':['{first}','{second}']}}]"
        ),
    );
    let puller = format!("[{{'namespace':'{first}','service_account':'{second}/default'}}]");
    site.set_literal("oregano_image_pullers", &puller);
    site.run(&["apply"]).expect(0);
    assert_eq!(pull_secrets(kubernetes, first), ["theirs", "team"]);
    site
}

/// The names in `imagePullSecrets` of the service account `default`, as kubectl prints them.
fn pull_secrets(kubernetes: &Kubernetes, namespace: &str) -> Vec<String> {
    let template = "jsonpath={.imagePullSecrets[*].name}";
    let shown = kubernetes.kubectl(&["get", "serviceaccount", "default", "-n", namespace, "-o", template]);
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    String::from_utf8(shown.stdout).unwrap().split_whitespace().map(str::to_owned).collect()
}

fn bindings(kubernetes: &Kubernetes, namespace: &str) -> Vec<String> {
    let list = kubernetes.get(&format!("{RBAC}/{namespace}/rolebindings"));
    let names = list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap());
    names.filter(|name| *name != "writer").map(str::to_owned).collect()
}

#[test]
fn what_is_no_longer_declared_is_removed_last() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let mut site = site(kubernetes, ["removed-a", "removed-b"]);
    // A declared secret has an entry of a registry that is retired later.
    let content = kubernetes.secret_json("removed-b", "kept").unwrap();
    let mut content = content.as_object().unwrap().clone();
    content["auths"]["https://old.example.com/v1/"] = json!({"auth": "YTpi"});
    content["auths"]["other.example.com"] = json!({"auth": "YTpi"});
    let encoded = openssl::base64::encode_block(Value::from(content).to_string().as_bytes());
    let patch = json!({"data": {".dockerconfigjson": encoded}}).to_string();
    assert!(kubernetes.kubectl(&["patch", "secret", "kept", "-n", "removed-b", "-p", &patch]).status.success());
    site.set_literal("oregano_retired_registries", "['old.example.com']");
    // Objects of others, in the same namespaces.
    kubernetes.create_secret("removed-a", "theirs", "{}");
    for (name, owner) in [("of-another", "test"), ("same-label", "")] {
        kubernetes.create_secret("removed-a", name, "{}");
        let marks = ["label", "secret", name, "-n", "removed-a", "oregano/managed=true"];
        assert!(kubernetes.kubectl(&marks).status.success());
        let annotation = format!("oregano/owner={owner}");
        assert!(kubernetes.kubectl(&["annotate", "secret", name, "-n", "removed-a", &annotation]).status.success());
    }
    let declared = "[{'name':'kept','namespaces':['removed-a','removed-b']}]";
    site.set_literal("oregano_pull_secrets", declared).unset("oregano_image_pullers");

    // Without --prune they are reported, and nothing is pending.
    for command in ["plan", "apply"] {
        let run = site.run(&[command]).expect(0);
        let warning = "warning: secret removed-a/team: it is no longer declared, and stays: `apply --prune` deletes it";
        assert!(run.stderr.contains(warning), "{}", run.stderr);
        let retired =
            "`https://old.example.com/v1/` is retired, but is still in 1 pull secret: `apply --prune` removes it";
        assert!(run.stderr.contains(retired), "{}", run.stderr);
        assert!(!run.stderr.contains("of-another") && !run.stderr.contains("same-label"), "{}", run.stderr);
    }
    assert!(kubernetes.secret("removed-a", "team").is_some());

    let plan = site.run(&["plan", "--prune"]).expect(3);
    let lines = [
        "service account removed-a/default: would be updated (-team for pull)",
        "secret removed-a/team: would be deleted",
        "role binding removed-a/oregano-image-pullers: would be deleted",
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
    assert_eq!((kubernetes.secret("removed-a", "team"), bindings(kubernetes, "removed-a")), (None, vec![]));
    assert_eq!(pull_secrets(kubernetes, "removed-a"), ["theirs"]);
    for name in ["theirs", "of-another", "same-label", "kept"] {
        assert!(kubernetes.secret("removed-a", name).is_some(), "{name} is gone");
    }
    let kept = kubernetes.secret_json("removed-b", "kept").unwrap();
    assert_eq!(
        (kept["auths"].get("https://old.example.com/v1/"), &kept["auths"]["other.example.com"]["auth"]),
        (None, &json!("YTpi"))
    );
    let again = site.run(&["plan", "--prune"]).expect(0);
    assert!(!again.stderr.contains("no longer declared"), "{}", again.stderr);
}

#[test]
fn nothing_is_removed_if_something_else_failed() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let mut site = site(kubernetes, ["failing-a", "failing-b"]);
    site.set_literal("oregano_pull_secrets", "[{'name':'kept','namespaces':['failing-a']}]");
    site.nodes[0].stop();
    let run = site.run(&["apply", "--prune"]).expect(4);
    assert!(run.stdout.contains("secret failing-a/team : not written"), "{}", run.stdout);
    assert!(kubernetes.secret("failing-a", "team").is_some());
    assert_eq!(pull_secrets(kubernetes, "failing-a"), ["theirs", "team"]);
    // The cluster alone can be cleaned up without the node.
    site.run(&["apply", "--prune", "--only", "cluster"]).expect(0);
    assert_eq!(
        (kubernetes.secret("failing-a", "team"), pull_secrets(kubernetes, "failing-a")),
        (None, vec!["theirs".to_owned()])
    );
}

#[test]
fn a_missing_permission_is_a_warning_for_the_list_and_stops_the_run_for_the_removal() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let mut site = site(kubernetes, ["finder-a", "finder-b"]);
    site.set_literal("oregano_pull_secrets", "[{'name':'kept','namespaces':['finder-a']}]");
    site.unset("oregano_image_pullers").cluster(kubernetes, User::Writer);
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
    let metadata = json!({"name": "finder", "namespace": "finder-a"});
    let roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/finder-a/roles";
    kubernetes.create(roles, &json!({"metadata": metadata, "rules": rules}));
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "finder"});
    let subjects = json!([{"kind": "User", "name": "writer"}]);
    kubernetes.create(
        &format!("{RBAC}/finder-a/rolebindings"),
        &json!({"metadata": metadata, "roleRef": role, "subjects": subjects}),
    );
    let list = "/api/v1/namespaces/finder-a/serviceaccounts";
    eventually("the writer may list", || kubernetes.api_as(User::Writer, "GET", list, None).status == 200);
    let stale = json!({"auths": {}}).to_string();
    site.nodes[0].write(DOCKER, stale.as_bytes(), 0o600);
    let run = site.run(&["apply", "--prune"]).expect(2);
    assert!(run.stderr.contains("secret `finder-a/team` cannot be deleted"), "{}", run.stderr);
    assert_eq!(
        (site.file(1, DOCKER), pull_secrets(kubernetes, "finder-a").len()),
        (Some(stale), 2),
        "something was written"
    );
}
