//! Links of service accounts against a real API server: kubectl reads every result, and other clients write the same lists.

use serde_json::{Value, json};

use crate::support::kubernetes::{Kubernetes, User};
use crate::support::process::eventually;
use crate::support::site::{DOCKER, Site};

/// A site whose inventory declares these pull secrets. The namespaces exist, each with these service accounts.
fn site(kubernetes: &Kubernetes, secrets: &str, namespaces: &[&str], accounts: &[&str]) -> Site {
    for namespace in namespaces {
        kubernetes.namespace(namespace);
        for account in accounts {
            create_account(kubernetes, namespace, account);
        }
    }
    let mut site = Site::new(1);
    site.cluster(kubernetes, User::Admin).set_literal("oregano_pull_secrets", secrets);
    site
}

/// Creates a service account with the lists that OpenShift's controller gives it.
fn create_account(kubernetes: &Kubernetes, namespace: &str, name: &str) {
    let reference = json!([{"name": format!("{name}-dockercfg-x7k2p")}]);
    let annotations = json!({"openshift.io/internal-registry-pull-secret-ref": format!("{name}-dockercfg-x7k2p")});
    kubernetes.create(
        &format!("/api/v1/namespaces/{namespace}/serviceaccounts"),
        &json!({
            "metadata": {"name": name, "annotations": annotations},
            "imagePullSecrets": reference,
            "secrets": reference,
            "automountServiceAccountToken": false,
        }),
    );
}

/// A field of a service account, as kubectl prints it.
fn shown(kubernetes: &Kubernetes, namespace: &str, account: &str, path: &str) -> String {
    let output = kubernetes.kubectl(&["get", "serviceaccount", account, "-n", namespace, "-o", path]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

const PULL: &str = "jsonpath={.imagePullSecrets[*].name}";
const MOUNT: &str = "jsonpath={.secrets[*].name}";

#[test]
fn declared_secrets_are_linked_and_removed_secrets_are_unlinked() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let declared = "[{'name':'team','namespaces':['linked-a','linked-b'],\
                    'service_accounts':['default',{'name':'builder','for':['pull','mount']}]}]";
    let mut site = site(kubernetes, declared, &["linked-a", "linked-b"], &["default", "builder", "other"]);
    let plan = site.run(&["plan"]).expect(3);
    assert!(
        plan.stdout.contains("service account linked-b/builder: would be updated (+team for pull, +team for mount)"),
        "{}",
        plan.stdout
    );
    site.run(&["apply"]).expect(0);
    for namespace in ["linked-a", "linked-b"] {
        assert_eq!(shown(kubernetes, namespace, "default", PULL), "default-dockercfg-x7k2p team");
        assert_eq!(shown(kubernetes, namespace, "default", MOUNT), "default-dockercfg-x7k2p");
        assert_eq!(shown(kubernetes, namespace, "builder", PULL), "builder-dockercfg-x7k2p team");
        assert_eq!(shown(kubernetes, namespace, "builder", MOUNT), "builder-dockercfg-x7k2p team");
        assert_eq!(shown(kubernetes, namespace, "other", PULL), "other-dockercfg-x7k2p");
        let annotation = "jsonpath={.metadata.annotations.openshift\\.io/internal-registry-pull-secret-ref} \
                          {.automountServiceAccountToken}";
        assert_eq!(shown(kubernetes, namespace, "default", annotation), "default-dockercfg-x7k2p false");
    }
    let version = |account: &str| shown(kubernetes, "linked-a", account, "jsonpath={.metadata.resourceVersion}");
    let before = (version("default"), version("builder"), version("other"));
    site.run(&["apply"]).expect(0);
    assert_eq!((version("default"), version("builder"), version("other")), before, "an unchanged run wrote");
    site.run(&["plan"]).expect(0);

    // Someone links it by hand to one more account, which must not name a secret that is gone.
    let link = r#"[{"op":"add","path":"/imagePullSecrets/-","value":{"name":"team"}}]"#;
    let linked = kubernetes.kubectl(&["patch", "serviceaccount", "other", "-n", "linked-a", "--type=json", "-p", link]);
    assert!(linked.status.success(), "{}", String::from_utf8_lossy(&linked.stderr));
    site.set_literal("oregano_pull_secrets", "[{'name':'team','namespaces':['linked-a'],'state':'absent'}]");
    let run = site.run(&["apply"]).expect(0);
    assert!(run.stdout.contains("service account linked-a/other: updated (-team for pull)"), "{}", run.stdout);
    for account in ["default", "builder", "other"] {
        assert_eq!(shown(kubernetes, "linked-a", account, PULL), format!("{account}-dockercfg-x7k2p"));
        assert_eq!(shown(kubernetes, "linked-a", account, MOUNT), format!("{account}-dockercfg-x7k2p"));
    }
    assert_eq!(kubernetes.secret("linked-a", "team"), None);
    assert_eq!(shown(kubernetes, "linked-b", "default", PULL), "default-dockercfg-x7k2p team");
    site.run(&["plan"]).expect(0);
}

#[test]
fn all_service_accounts_of_many_namespaces_are_linked() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let names: Vec<String> = (0..12).map(|number| format!("crowd-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let declared = format!("[{{'name':'team','namespaces':{names:?},'service_accounts':'*'}}]");
    let site = site(kubernetes, &declared, &names, &["default", "builder"]);
    let lists = || kubernetes.count("LIST", "/api/v1/serviceaccounts", 200);
    let before = lists();
    site.run(&["apply"]).expect(0);
    // Twelve namespaces are read by lists, so no secret and no service account of them was read alone.
    assert!(lists() > before);
    assert!(!kubernetes.has_answered("GET", "/api/v1/namespaces/crowd-3/secrets/team"));
    for namespace in &names {
        for account in ["default", "builder"] {
            assert_eq!(shown(kubernetes, namespace, account, PULL), format!("{account}-dockercfg-x7k2p team"));
        }
        assert!(kubernetes.secret(namespace, "team").is_some());
    }
    site.run(&["plan"]).expect(0);
}

#[test]
fn a_service_account_that_appears_during_the_run_is_linked() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let declared = "[{'name':'team','namespaces':['appears-a'],'service_accounts':['app']}]";
    let site = site(kubernetes, declared, &["appears-a"], &[]);
    let plan = site.run(&["plan"]).expect(3);
    assert!(plan.stderr.contains("it does not exist yet: `apply` waits for it (`oregano_wait`)"), "{}", plan.stderr);
    let run = site.start(&["apply"]);
    eventually("the secret is written before the account", || kubernetes.secret("appears-a", "team").is_some());
    create_account(kubernetes, "appears-a", "app");
    let run = run.wait().expect(0);
    assert!(run.stdout.contains("service account appears-a/app: updated (+team for pull)"), "{}", run.stdout);
    assert_eq!(shown(kubernetes, "appears-a", "app", PULL), "app-dockercfg-x7k2p team");
}

#[test]
fn a_service_account_that_never_appears_ends_the_run_before_the_nodes() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let declared = "[{'name':'team','namespaces':['never-a'],'service_accounts':['app']}]";
    let mut site = site(kubernetes, declared, &["never-a"], &[]);
    site.set("oregano_wait", "1");
    let run = site.run(&["apply"]).expect(2);
    assert!(run.stderr.contains("service account `never-a/app` does not exist after 1s"), "{}", run.stderr);
    assert!(run.stderr.contains("`oregano_wait`"), "{}", run.stderr);
    assert_eq!(site.file(1, DOCKER), None);
}

#[test]
fn eight_runs_on_one_service_account_lose_no_entry() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let sites: Vec<Site> = (0..8)
        .map(|number| {
            let declared =
                format!("[{{'name':'team-{number}','namespaces':['eight-a'],'service_accounts':['default']}}]");
            let namespaces: &[&str] = if number == 0 { &["eight-a"] } else { &[] };
            let mut site = site(kubernetes, &declared, namespaces, &["default"]);
            // All of them would write imagestreamsecret, which is not what this test is about.
            site.set("oregano_platform", "kubernetes");
            site
        })
        .collect();
    let runs: Vec<_> = sites.iter().map(|site| site.start(&["apply", "--only", "cluster"])).collect();
    for run in runs {
        run.wait().expect(0);
    }
    let names = shown(kubernetes, "eight-a", "default", PULL);
    let mut names: Vec<&str> = names.split(' ').collect();
    names.sort_unstable();
    let mut expected: Vec<String> = (0..8).map(|number| format!("team-{number}")).collect();
    expected.insert(0, "default-dockercfg-x7k2p".to_owned());
    assert_eq!(names, expected);
}

#[test]
fn a_write_that_the_server_would_deny_in_the_last_namespace_changes_nothing_in_the_first() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let declared = "[{'name':'team','namespaces':['denied-a','denied-b'],'service_accounts':['default']}]";
    let site = site(kubernetes, declared, &["denied-a", "denied-b"], &["default"]);
    let policy = "/apis/admissionregistration.k8s.io/v1";
    let rules = json!([{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"]}]);
    kubernetes.create(
        &format!("{policy}/validatingadmissionpolicies"),
        &json!({"metadata": {"name": "no-secrets"}, "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": rules},
            "validations": [{"expression": "object.metadata.namespace != 'denied-b'", "message": "no secrets here"}],
        }}),
    );
    kubernetes.create(
        &format!("{policy}/validatingadmissionpolicybindings"),
        &json!({"metadata": {"name": "no-secrets"}, "spec": {
            "policyName": "no-secrets",
            "validationActions": ["Deny"],
        }}),
    );
    let denied = || {
        let secret = json!({"metadata": {"name": "probe"}});
        let path = "/api/v1/namespaces/denied-b/secrets?dryRun=All";
        kubernetes.api("POST", path, Some(&secret)).status == 422
    };
    eventually("the policy is in effect", denied);
    let run = site.run(&["apply"]).expect(2);
    assert!(run.stderr.contains("secret `denied-b/team` cannot be created"), "{}", run.stderr);
    assert!(
        run.stderr.contains("no secrets here") && run.stderr.contains("ask who maintains this rule"),
        "{}",
        run.stderr
    );
    assert_eq!((kubernetes.secret("denied-a", "team"), site.file(1, DOCKER)), (None, None));
    assert_eq!(kubernetes.secret("openshift", "imagestreamsecret"), None);
    assert_eq!(shown(kubernetes, "denied-a", "default", PULL), "default-dockercfg-x7k2p");
}

#[test]
fn a_namespace_that_is_being_deleted_stops_the_run() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let declared = "[{'name':'team','namespaces':['ending-a','ending-b']}]";
    let site = site(kubernetes, declared, &["ending-a", "ending-b"], &[]);
    // Nothing finalizes it here, so it stays in this phase.
    let deleted = kubernetes.api("DELETE", "/api/v1/namespaces/ending-b", None);
    let phase: Value = serde_json::from_slice(&deleted.body).unwrap();
    assert_eq!(phase["status"]["phase"], "Terminating", "{phase}");
    let run = site.run(&["apply"]).expect(2);
    assert!(run.stderr.contains("namespace `ending-b` is being deleted"), "{}", run.stderr);
    assert_eq!((kubernetes.secret("ending-a", "team"), site.file(1, DOCKER)), (None, None));
}

#[test]
fn pods_that_keep_running_without_the_secret_are_listed_by_their_owners() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let declared = "[{'name':'team','namespaces':['pods-a'],'service_accounts':['default']}]";
    let mut site = site(kubernetes, declared, &["pods-a"], &["default"]);
    let owner =
        json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4f", "uid": "u", "controller": true}]);
    for name in ["web-5d4f-1", "web-5d4f-2"] {
        let labels = json!({"pod-template-hash": "5d4f"});
        let pod = json!({
            "metadata": {"name": name, "labels": labels, "ownerReferences": owner},
            "spec": {
                "serviceAccountName": "default",
                "imagePullSecrets": [{"name": "default-dockercfg-x7k2p"}],
                "containers": [{"name": "app", "image": "quay.io/acme/app"}],
            },
        });
        kubernetes.create("/api/v1/namespaces/pods-a/pods", &pod);
    }
    let note = "pods keep running without secret `team` until they are created again: Deployment web (2)";
    let plan = site.run(&["plan"]).expect(3);
    assert!(plan.stderr.contains(note), "{}", plan.stderr);
    let run = site.run(&["apply"]).expect(0);
    assert!(run.stderr.contains(note), "{}", run.stderr);

    // The writer may link nothing and list nothing here, but the pods are not the reason.
    site.cluster(kubernetes, User::Writer);
    let run = site.run(&["plan"]).expect(2);
    assert!(run.stderr.contains("`get` on serviceaccounts in namespace `pods-a`"), "{}", run.stderr);
}
