//! The roles of docs/permissions.md on a real API server: with exactly their rules each feature works, and without any one
//! of the verbs it does not, and the message names the verb.

use serde_json::{Value, json};

use super::create_image_puller_role;
use crate::support::documents::roles;
use crate::support::kubernetes::{Kubernetes, User};
use crate::support::process::eventually;
use crate::support::site::Site;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// One verb of a rule.
struct Permission {
    group: String,
    resource: String,
    verb: String,
}

/// A cluster in which the reader has only the rules of some roles.
struct Cluster<'a> {
    kubernetes: &'a Kubernetes,
    namespace: &'a str,
    roles: Vec<Value>,
}

impl<'a> Cluster<'a> {
    fn new(kubernetes: &'a Kubernetes, namespace: &'a str, names: &[&str]) -> Self {
        kubernetes.namespace(namespace);
        let all = roles();
        let roles: Vec<Value> = names.iter().map(|name| all[*name].clone()).collect();
        let cluster = Self { kubernetes, namespace, roles };
        for role in &cluster.roles {
            let name = role["metadata"]["name"].as_str().unwrap();
            let kind = role["kind"].as_str().unwrap();
            kubernetes.create(&cluster.path(role, "roles"), role);
            let binding = json!({
                "metadata": {"name": name},
                "subjects": [{"kind": "User", "name": "reader"}],
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
            });
            kubernetes.create(&cluster.path(role, "rolebindings"), &binding);
        }
        for permission in cluster.permissions() {
            cluster.await_permission(&permission, true);
        }
        cluster
    }

    /// The path of the roles or bindings for a Role or a ClusterRole.
    fn path(&self, role: &Value, plural: &str) -> String {
        if role["kind"] == "ClusterRole" {
            format!("{RBAC}/cluster{plural}")
        } else {
            format!("{RBAC}/namespaces/{}/{plural}", self.namespace)
        }
    }

    fn permissions(&self) -> Vec<Permission> {
        let rules = self.roles.iter().flat_map(|role| role["rules"].as_array().unwrap());
        let verbs = rules.flat_map(|rule| {
            let text = |value: &Value| value[0].as_str().unwrap().to_owned();
            let (group, resource) = (text(&rule["apiGroups"]), text(&rule["resources"]));
            let verbs = rule["verbs"].as_array().unwrap();
            verbs.iter().map(move |verb| Permission {
                group: group.clone(),
                resource: resource.clone(),
                verb: verb.as_str().unwrap().to_owned(),
            })
        });
        verbs.collect()
    }

    /// Waits until the server knows whether the reader has the permission.
    fn await_permission(&self, Permission { group, resource, verb }: &Permission, expected: bool) {
        let name = if verb == "bind" { "system:image-puller" } else { "" };
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "group": group, "resource": resource, "verb": verb, "namespace": self.namespace, "name": name,
            }},
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        eventually("the permission has changed", || {
            let response = self.kubernetes.api_as(User::Reader, "POST", path, Some(&review));
            let review: Value = serde_json::from_slice(&response.body).unwrap();
            review["status"]["allowed"] == expected
        });
    }

    /// Does `work` while the reader does not have one of the verbs.
    fn without(&self, missing: &Permission, work: impl FnOnce()) {
        let replace = |role: &Value| {
            let path = format!("{}/{}", self.path(role, "roles"), role["metadata"]["name"].as_str().unwrap());
            assert_eq!(self.kubernetes.api("PUT", &path, Some(role)).status, 200);
        };
        for role in &self.roles {
            let mut reduced = role.clone();
            for rule in reduced["rules"].as_array_mut().unwrap() {
                if rule["resources"][0] == *missing.resource {
                    rule["verbs"].as_array_mut().unwrap().retain(|verb| *verb != *missing.verb);
                }
            }
            // The server rejects a rule without verbs.
            reduced["rules"].as_array_mut().unwrap().retain(|rule| rule["verbs"] != json!([]));
            replace(&reduced);
        }
        self.await_permission(missing, false);
        work();
        self.roles.iter().for_each(replace);
        self.await_permission(missing, true);
    }
}

/// A site of the reader whose inventory has these variables, and nothing that is declared by default.
fn site(kubernetes: &Kubernetes, platform: &str, variables: &[(&str, &str)]) -> Site {
    let mut site = Site::new(1);
    site.cluster(kubernetes, User::Reader).set("oregano_platform", platform);
    for (name, value) in variables {
        site.set_literal(name, value);
    }
    site
}

/// Checks that the declaration can be applied with the roles, and that each verb is necessary for it. `reset` changes the
/// cluster so that the declaration has something to do, with each verb in turn.
fn check(cluster: &Cluster<'_>, variables: &[(&str, &str)], reset: impl Fn(&str)) {
    check_on(cluster, "kubernetes", variables, reset);
}

/// The same on a cluster that the inventory calls this platform.
fn check_on(cluster: &Cluster<'_>, platform: &str, variables: &[(&str, &str)], reset: impl Fn(&str)) {
    let site = site(cluster.kubernetes, platform, variables);
    for missing in cluster.permissions() {
        reset(&missing.verb);
        cluster.without(&missing, || {
            let run = site.run(&["apply", "--only", "cluster"]).expect(2);
            let Permission { resource, verb, .. } = &missing;
            let resource = if resource == "clusterroles" { "the ClusterRole" } else { resource };
            assert!(run.stderr.contains(&format!("`{verb}` on {resource}")), "{verb} {resource}: {}", run.stderr);
        });
        site.run(&["apply", "--only", "cluster"]).expect(0);
    }
    site.run(&["plan", "--only", "cluster"]).expect(0);
}

fn create_account(kubernetes: &Kubernetes, namespace: &str, name: &str, secrets: &[&str]) {
    let secrets: Vec<Value> = secrets.iter().map(|name| json!({"name": name})).collect();
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
    let _ = kubernetes.api("DELETE", &format!("{path}/{name}"), None);
    kubernetes.create(&path, &json!({"metadata": {"name": name}, "imagePullSecrets": secrets}));
}

/// Removes a pull secret, or makes it differ from the declaration.
fn disturb_secret(kubernetes: &Kubernetes, namespace: &str, verb: &str) {
    if verb == "patch" {
        let patch = r#"{"stringData":{".dockerconfigjson":"{\"auths\":{}}"}}"#;
        kubernetes.kubectl(&["patch", "secret", "team", "-n", namespace, "-p", patch]);
    } else {
        kubernetes.kubectl(&["delete", "secret", "team", "-n", namespace, "--ignore-not-found"]);
    }
}

#[test]
fn the_role_for_pull_secrets_is_sufficient_and_minimal() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let cluster = Cluster::new(kubernetes, "role-secrets", &["pull-secrets"]);
    let declared = [("oregano_pull_secrets", "[{'name':'team','namespaces':['role-secrets']}]")];
    check(&cluster, &declared, |verb| disturb_secret(kubernetes, "role-secrets", verb));
}

#[test]
fn the_roles_for_service_accounts_are_sufficient_and_minimal() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    for (namespace, role, accounts) in
        [("role-named", "named-service-accounts", "['default']"), ("role-all", "all-service-accounts", "'*'")]
    {
        let cluster = Cluster::new(kubernetes, namespace, &[role]);
        let secrets = roles()["pull-secrets"].clone();
        kubernetes.create(&cluster.path(&secrets, "roles"), &secrets);
        let bound = kubernetes.kubectl(&[
            "create",
            "rolebinding",
            "secrets",
            "--role=pull-secrets",
            "--user=reader",
            "-n",
            namespace,
        ]);
        assert!(bound.status.success());
        let get = Permission { group: String::new(), resource: "secrets".to_owned(), verb: "create".to_owned() };
        cluster.await_permission(&get, true);
        let declared = format!("[{{'name':'team','namespaces':['{namespace}'],'service_accounts':{accounts}}}]");
        check(&cluster, &[("oregano_pull_secrets", &declared)], |_| {
            create_account(kubernetes, namespace, "default", &["other"]);
        });
    }
}

#[test]
fn the_role_for_the_removal_of_pull_secrets_is_sufficient_and_minimal() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let cluster = Cluster::new(kubernetes, "role-removal", &["removal-of-pull-secrets"]);
    let declared = "[{'name':'team','namespaces':['role-removal'],'state':'absent','adopt':True}]";
    check(&cluster, &[("oregano_pull_secrets", declared)], |_| {
        disturb_secret(kubernetes, "role-removal", "delete");
        kubernetes.create_secret("role-removal", "team", r#"{"auths":{}}"#);
        create_account(kubernetes, "role-removal", "default", &["team"]);
    });
}

#[test]
fn the_role_for_the_recreation_of_pull_secrets_is_sufficient_and_minimal() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let cluster = Cluster::new(kubernetes, "role-recreation", &["recreation-of-pull-secrets"]);
    let declared = "[{'name':'team','namespaces':['role-recreation'],'type':'dockercfg','adopt':True}]";
    let site = site(kubernetes, "kubernetes", &[("oregano_pull_secrets", declared)]);
    for missing in cluster.permissions() {
        disturb_secret(kubernetes, "role-recreation", "delete");
        kubernetes.create_secret("role-recreation", "team", r#"{"auths":{}}"#);
        let apply = ["apply", "--only", "cluster", "--recreate"];
        cluster.without(&missing, || {
            let run = site.run(&apply).expect(2);
            assert!(run.stderr.contains(&format!("`{}` on secrets", missing.verb)), "{}", run.stderr);
        });
        assert!(kubernetes.secret("role-recreation", "team").is_some(), "it was deleted without `{}`", missing.verb);
        site.run(&apply).expect(0);
    }
}

#[test]
fn the_role_for_namespaces_by_labels_is_sufficient_and_minimal() {
    let kubernetes = Kubernetes::private();
    let cluster = Cluster::new(&kubernetes, "project-a", &["namespaces-by-labels"]);
    assert!(kubernetes.kubectl(&["label", "namespace", "project-a", "team=blue"]).status.success());
    let secrets = roles()["pull-secrets"].clone();
    kubernetes.create(&cluster.path(&secrets, "roles"), &secrets);
    let words = ["create", "rolebinding", "secrets", "--role=pull-secrets", "--user=reader", "-n", "project-a"];
    assert!(kubernetes.kubectl(&words).status.success());
    let create = Permission { group: String::new(), resource: "secrets".to_owned(), verb: "create".to_owned() };
    cluster.await_permission(&create, true);
    let declared = [("oregano_pull_secrets", "[{'name':'team','namespaces':{'labels':'team=blue'}}]")];
    check(&cluster, &declared, |verb| disturb_secret(&kubernetes, "project-a", verb));
}

#[test]
fn the_role_for_image_pullers_is_sufficient_and_minimal() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    create_image_puller_role(kubernetes);
    let cluster = Cluster::new(kubernetes, "role-pullers", &["image-pullers"]);
    let declared = [("oregano_image_pullers", "[{'namespace':'role-pullers','service_account':'project-a/default'}]")];
    // Image pullers are refused where the inventory says that the cluster is no OpenShift.
    check_on(&cluster, "openshift-4", &declared, |verb| {
        let own = ["rolebinding", "oregano-image-pullers", "-n", "role-pullers"];
        if verb == "patch" {
            let words =
                [&["patch"], &own[..], &["--type=json", "-p", r#"[{"op":"remove","path":"/subjects"}]"#]].concat();
            kubernetes.kubectl(&words);
        } else {
            kubernetes.kubectl(&[&["delete"], &own[..], &["--ignore-not-found"]].concat());
        }
    });
}
