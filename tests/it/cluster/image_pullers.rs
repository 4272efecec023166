//! `oregano_image_pullers` against a real API server: kubectl asks it who may pull images. The cluster role is that of the
//! API server of OpenShift.

use serde_json::{Value, json};

use super::create_image_puller_role;
use crate::support::kubernetes::{Kubernetes, User};
use crate::support::process::eventually;
use crate::support::site::Site;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const NAME: &str = "oregano-image-pullers";

/// A site whose inventory declares these image pullers of the namespace, which no other test uses.
fn site(kubernetes: &Kubernetes, user: User, namespace: &str, pullers: &str) -> Site {
    kubernetes.namespace(namespace);
    let mut site = Site::new(1);
    site.cluster(kubernetes, user).set_literal("oregano_image_pullers", pullers);
    site
}

/// Creates a role binding of `system:image-puller`.
fn bind(kubernetes: &Kubernetes, namespace: &str, metadata: &Value, subjects: &Value) {
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:image-puller"});
    let binding = json!({"metadata": metadata, "roleRef": role, "subjects": subjects});
    kubernetes.create(&format!("{RBAC}/namespaces/{namespace}/rolebindings"), &binding);
}

fn account(namespace: &str, name: &str) -> Value {
    json!({"kind": "ServiceAccount", "name": name, "namespace": namespace})
}

fn group(project: &str) -> Value {
    let name = format!("system:serviceaccounts:{project}");
    json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": name})
}

/// The role binding of oregano.
fn binding(kubernetes: &Kubernetes, namespace: &str) -> Option<Value> {
    let response = kubernetes.api("GET", &format!("{RBAC}/namespaces/{namespace}/rolebindings/{NAME}"), None);
    (response.status == 200).then(|| serde_json::from_slice(&response.body).unwrap())
}

/// Whether a service account may pull the images of `project-b`, according to the API server.
fn may_pull(kubernetes: &Kubernetes, project: &str, name: &str) -> bool {
    let (user, of_project) = (
        format!("--as=system:serviceaccount:{project}:{name}"),
        format!("--as-group=system:serviceaccounts:{project}"),
    );
    let question = ["auth", "can-i", "get", "imagestreams", "--subresource=layers"];
    let run = kubernetes.kubectl(&[&question[..], &["-n", "project-b", &user, &of_project]].concat());
    match String::from_utf8_lossy(&run.stdout).trim() {
        "yes" => true,
        "no" => false,
        _ => panic!("{}", String::from_utf8_lossy(&run.stderr)),
    }
}

#[test]
fn image_pullers_are_granted_and_revoked() {
    let kubernetes = Kubernetes::private();
    let declared = "[{'namespace':'project-b','service_account':'project-a/default'},\
                    {'namespace':'project-b','service_accounts_of':'project-c'},\
                    {'namespace':'project-b','service_account':'project-d/app'}]";
    let mut site = site(&kubernetes, User::Admin, "project-b", declared);
    site.set("oregano_owner", "production");

    let run = site.run(&["apply"]).expect(2);
    assert!(run.stderr.contains("the cluster has no ClusterRole `system:image-puller`"), "{}", run.stderr);
    assert_eq!(binding(&kubernetes, "project-b"), None);

    create_image_puller_role(&kubernetes);
    bind(&kubernetes, "project-b", &json!({"name": "system:image-puller"}), &json!([account("project-d", "app")]));
    let plan = site.run(&["plan"]).expect(3);
    let line = "role binding project-b/oregano-image-pullers: would be created \
                (+system:serviceaccount:project-a:default, +system:serviceaccounts:project-c)";
    assert!(plan.stdout.contains(line), "{}", plan.stdout);
    assert_eq!(binding(&kubernetes, "project-b"), None, "plan wrote a role binding");

    site.run(&["apply"]).expect(0);
    let created = binding(&kubernetes, "project-b").unwrap();
    assert_eq!(created["metadata"]["labels"], json!({"oregano/managed": "true"}));
    assert_eq!(created["metadata"]["annotations"], json!({"oregano/owner": "production"}));
    assert_eq!(created["subjects"], json!([account("project-a", "default"), group("project-c")]));
    eventually("the authorizer knows the role binding", || may_pull(&kubernetes, "project-a", "default"));
    assert!(may_pull(&kubernetes, "project-c", "anyone") && may_pull(&kubernetes, "project-d", "app"));
    assert!(!may_pull(&kubernetes, "project-a", "other"));

    site.run(&["apply"]).expect(0);
    site.run(&["plan"]).expect(0);
    assert_eq!(binding(&kubernetes, "project-b").unwrap(), created, "an unchanged run wrote the role binding");

    let absent = "[{'namespace':'project-b','service_account':'project-a/default','state':'absent'},\
                  {'namespace':'project-b','service_accounts_of':'project-c','state':'absent'},\
                  {'namespace':'project-b','service_account':'project-d/app','state':'absent'}]";
    site.set_literal("oregano_image_pullers", absent);
    let run = site.run(&["apply"]).expect(0);
    assert!(run.stdout.contains("role binding project-b/oregano-image-pullers : deleted"), "{}", run.stdout);
    let note = "`system:serviceaccount:project-d:app` may still pull images: role binding `system:image-puller`";
    assert!(run.stderr.contains(note), "{}", run.stderr);
    assert_eq!(binding(&kubernetes, "project-b"), None);
    eventually("the authorizer forgets the role binding", || !may_pull(&kubernetes, "project-a", "default"));
    assert!(may_pull(&kubernetes, "project-d", "app"));
    site.run(&["plan"]).expect(0);
}

#[test]
fn many_namespaces_cost_one_list_and_a_missing_one_stops_the_run() {
    let kubernetes = Kubernetes::private();
    let entry = |name: &str| format!("{{'namespace':'{name}','service_accounts_of':'project-a'}}");
    let names: Vec<String> = (0..10).map(|number| format!("many-{number}")).collect();
    let mut entries: Vec<String> = names.iter().map(|name| entry(name)).collect();
    entries.push(entry("missing"));
    let mut site = site(&kubernetes, User::Admin, "project-b", &format!("[{}]", entries.join(",")));
    create_image_puller_role(&kubernetes);
    names.iter().for_each(|name| kubernetes.namespace(name));
    let run = site.run(&["apply"]).expect(2);
    assert!(run.stderr.contains("namespace `missing` does not exist"), "{}", run.stderr);
    let count = |name: &str| {
        let shown = kubernetes.kubectl(&["get", "rolebinding", NAME, "-n", name, "--ignore-not-found", "-o", "name"]);
        usize::from(!shown.stdout.is_empty())
    };
    assert_eq!(names.iter().map(|name| count(name)).sum::<usize>(), 0);

    entries.pop();
    site.set_literal("oregano_image_pullers", &format!("[{}]", entries.join(",")));
    // The server calls a list of one name a GET.
    let lists = || ["LIST", "GET"].map(|verb| kubernetes.count(verb, &format!("{RBAC}/rolebindings?"), 200));
    let before = lists();
    site.run(&["apply"]).expect(0);
    assert_eq!(names.iter().map(|name| count(name)).sum::<usize>(), 10);
    // All role bindings once, and those of oregano before and after the writes.
    assert_eq!(lists(), [before[0] + 1, before[1] + 2]);
    let of_one = format!("{RBAC}/namespaces/many-3/rolebindings?");
    assert_eq!(kubernetes.count("LIST", &of_one, 200), 0, "a namespace was listed");
}

#[test]
fn the_subjects_of_another_writer_are_kept() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let mut site = site(
        kubernetes,
        User::Admin,
        "subjects-b",
        "[{'namespace':'subjects-b','service_account':'project-a/default'}]",
    );
    create_image_puller_role(kubernetes);
    let marked = json!({"name": NAME, "labels": {"oregano/managed": "true"}});
    bind(kubernetes, "subjects-b", &marked, &json!([account("project-e", "first")]));
    // The observation of a silent node lasts until its port is closed. Until then the API server has been observed.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    site.host(1, &format!("ansible_port={}", silent.local_addr().unwrap().port()));
    let run = site.start(&["apply", "--timeout", "120", "--output", "json"]);
    let list = format!("{RBAC}/namespaces/subjects-b/rolebindings");
    eventually("the role bindings are listed", || kubernetes.has_answered("LIST", &list));
    let second = json!([account("project-e", "first"), account("project-e", "second")]).to_string();
    let patch = format!("[{{\"op\":\"replace\",\"path\":\"/subjects\",\"value\":{second}}}]");
    let arguments = ["patch", "rolebinding", NAME, "-n", "subjects-b", "--type", "json", "-p", &patch];
    assert!(kubernetes.kubectl(&arguments).status.success());
    drop(silent);
    let events = run.wait().expect(4).events();
    let row = events.iter().find(|event| event["kind"] == "RoleBinding").unwrap();
    assert_eq!(row["outcome"], "updated");
    let change = json!([{"kind": "subject-added", "subject": "system:serviceaccount:project-a:default"}]);
    assert_eq!(row["changes"], change);
    let subjects =
        json!([account("project-e", "first"), account("project-e", "second"), account("project-a", "default")]);
    assert_eq!(binding(kubernetes, "subjects-b").unwrap()["subjects"], subjects);
    let patches = kubernetes.count("PATCH", &format!("{list}/{NAME}?&fieldManager"), 409);
    assert_eq!(patches, 1, "the first write was not a conflict");
}

#[test]
fn a_missing_permission_is_named_before_anything_is_written() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let site = site(
        kubernetes,
        User::Writer,
        "denied-pullers-b",
        "[{'namespace':'denied-pullers-b','service_account':'project-a/default'}]",
    );
    create_image_puller_role(kubernetes);
    let run = site.run(&["apply"]).expect(2);
    let message = "the role bindings of namespace `denied-pullers-b` cannot be listed";
    assert!(run.stderr.contains(message), "{}", run.stderr);
    let hint = "grant the user `list` on rolebindings.rbac.authorization.k8s.io in namespace `denied-pullers-b`";
    assert!(run.stderr.contains(hint), "{}", run.stderr);

    let group = "rbac.authorization.k8s.io";
    let role = |name: &str, rule: Value| {
        let metadata = json!({"name": name});
        let path = format!("{RBAC}/namespaces/denied-pullers-b");
        kubernetes.create(&format!("{path}/roles"), &json!({"metadata": metadata, "rules": [rule]}));
        let subjects = json!([{"kind": "User", "name": "writer"}]);
        let reference = json!({"apiGroup": group, "kind": "Role", "name": name});
        let binding = json!({"metadata": metadata, "subjects": subjects, "roleRef": reference});
        kubernetes.create(&format!("{path}/rolebindings"), &binding);
    };
    let verbs = ["get", "list", "create", "patch"];
    role("bindings", json!({"apiGroups": [group], "resources": ["rolebindings"], "verbs": verbs}));
    let list = format!("{RBAC}/namespaces/denied-pullers-b/rolebindings");
    eventually("the writer may list", || kubernetes.api_as(User::Writer, "GET", &list, None).status == 200);
    let run = site.run(&["apply"]).expect(2);
    let hint = "grant the user `bind` on the ClusterRole `system:image-puller`";
    assert!(run.stderr.contains(hint), "{}", run.stderr);
    assert_eq!(
        (kubernetes.secret("openshift", "imagestreamsecret"), binding(kubernetes, "denied-pullers-b")),
        (None, None)
    );

    let name = "system:image-puller";
    role(
        "bind",
        json!({"apiGroups": [group], "resources": ["clusterroles"], "resourceNames": [name], "verbs": ["bind"]}),
    );
    let question =
        ["auth", "can-i", "bind", "clusterroles/system:image-puller", "-n", "denied-pullers-b", "--as=writer"];
    eventually("the writer may bind", || kubernetes.kubectl(&question).status.success());
    site.run(&["apply"]).expect(0);
    assert_eq!(binding(kubernetes, "denied-pullers-b").unwrap()["subjects"], json!([account("project-a", "default")]));
}
