//! `oregano_pull_secrets` against a real API server: secrets are created, merged, marked and deleted, and kubectl reads
//! them.

use serde_json::{Value, json};

use crate::support::kubernetes::{Kubernetes, User};
use crate::support::site::{DOCKER, PASSWORD, Site, USER, auth};

/// A site with the namespaces `NAME-a` and `NAME-b`, which no other test uses.
fn site(kubernetes: &Kubernetes, user: User, name: &str, secrets: &str) -> Site {
    for suffix in ["a", "b"] {
        kubernetes.namespace(&format!("{name}-{suffix}"));
    }
    let mut site = Site::new(1);
    site.cluster(kubernetes, user).set_literal("oregano_pull_secrets", secrets);
    site
}

#[test]
fn declared_secrets_are_created_rotated_and_deleted() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let declared = "[{'name':'team','namespaces':['rotated-a','rotated-b']},\
                    {'name':'legacy','namespaces':'rotated-a','type':'dockercfg'}]";
    let mut site = site(kubernetes, User::Admin, "rotated", declared);
    site.set("oregano_owner", "production");

    let plan = site.run(&["plan"]).expect(3);
    assert!(plan.stdout.contains("secret rotated-b/team: would be created (+"), "{}", plan.stdout);
    assert_eq!(kubernetes.secret("rotated-b", "team"), None, "plan wrote a secret");

    site.run(&["apply"]).expect(0);
    let entry = json!({"username": USER, "password": PASSWORD, "auth": auth()});
    for namespace in ["rotated-a", "rotated-b"] {
        let secret = kubernetes.secret(namespace, "team").unwrap();
        assert_eq!(secret["metadata"]["labels"], json!({"oregano/managed": "true"}));
        assert_eq!(secret["metadata"]["annotations"], json!({"oregano/owner": "production"}));
        assert_eq!(kubernetes.secret_json(namespace, "team").unwrap(), json!({"auths": {site.key(): entry}}));
    }
    let template = "jsonpath={.type} {.data.\\.dockercfg}";
    let shown = kubernetes.kubectl(&["get", "secret", "legacy", "-n", "rotated-a", "-o", template]).stdout;
    let shown = String::from_utf8(shown).unwrap();
    let (type_, data) = shown.split_once(' ').unwrap();
    assert_eq!(type_, "kubernetes.io/dockercfg");
    let data = openssl::base64::decode_block(data).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&data).unwrap(), json!({site.key(): entry}));

    let before = kubernetes.secret("rotated-a", "team").unwrap();
    site.run(&["apply"]).expect(0);
    site.run(&["plan"]).expect(0);
    assert_eq!(kubernetes.secret("rotated-a", "team").unwrap(), before, "an unchanged run wrote a secret");

    site.set_literal(
        "oregano_pull_secrets",
        "[{'name':'team','namespaces':['rotated-a','rotated-b'],'state':'absent'}]",
    );
    let plan = site.run(&["plan"]).expect(3);
    assert!(plan.stdout.contains("secret rotated-a/team: would be deleted"), "{}", plan.stdout);
    let run = site.run(&["apply"]).expect(0);
    assert!(run.stdout.contains("secret rotated-b/team : deleted"), "{}", run.stdout);
    assert_eq!((kubernetes.secret("rotated-a", "team"), kubernetes.secret("rotated-b", "team")), (None, None));
    assert!(kubernetes.secret("rotated-a", "legacy").is_some(), "a secret that is not declared was deleted");
    site.run(&["plan"]).expect(0);
}

#[test]
fn a_secret_that_something_else_created_is_changed_only_with_adopt() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let mut site = site(kubernetes, User::Admin, "adopted", "[{'name':'team','namespaces':['adopted-a']}]");
    let foreign = json!({"auths": {"foreign.example.com": {"auth": "Zm9v"}}});
    kubernetes.create_secret("adopted-a", "team", &foreign.to_string());
    // `kubectl apply` keeps a copy of the data in an annotation.
    let annotation = "kubectl.kubernetes.io/last-applied-configuration={}";
    assert!(
        kubernetes
            .kubectl(&["annotate", "secret", "team", "-n", "adopted-a", annotation, "note=kept"])
            .status
            .success()
    );
    let uid = kubernetes.secret("adopted-a", "team").unwrap()["metadata"]["uid"].clone();

    let run = site.run(&["apply"]).expect(2);
    assert!(run.stderr.contains("secret `adopted-a/team` exists already, and was not created from an inventory"));
    assert!(run.stderr.contains("`adopt: true`"), "{}", run.stderr);
    assert_eq!((kubernetes.secret("openshift", "imagestreamsecret"), site.file(1, DOCKER)), (None, None));

    site.set_literal("oregano_pull_secrets", "[{'name':'team','namespaces':['adopted-a'],'adopt':True}]");
    site.run(&["apply"]).expect(0);
    let secret = kubernetes.secret("adopted-a", "team").unwrap();
    assert_eq!(secret["metadata"]["uid"], uid, "the secret was created again");
    assert_eq!(secret["metadata"]["annotations"], json!({"note": "kept"}));
    let content = kubernetes.secret_json("adopted-a", "team").unwrap();
    assert_eq!(content["auths"]["foreign.example.com"], foreign["auths"]["foreign.example.com"]);
    assert_eq!(content["auths"][site.key()]["password"], PASSWORD);

    // Another inventory does not change it.
    site.set("oregano_owner", "other")
        .set_literal("oregano_pull_secrets", "[{'name':'team','namespaces':['adopted-a']}]");
    let run = site.run(&["apply"]).expect(2);
    assert!(run.stderr.contains("belongs to an inventory without `oregano_owner`"), "{}", run.stderr);
}

#[test]
fn namespaces_are_selected_by_their_labels() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let selector = "[{'name':'team','namespaces':{'labels':'team=blue','except':['*-sandbox']}}]";
    let mut site = site(kubernetes, User::Admin, "blue", selector);
    kubernetes.namespace("blue-sandbox");
    for name in ["blue-a", "blue-b", "blue-sandbox"] {
        assert!(kubernetes.kubectl(&["label", "namespace", name, "team=blue"]).status.success());
    }
    // A label on a namespace of the platform has no effect.
    assert!(kubernetes.kubectl(&["label", "namespace", "default", "openshift", "team=blue"]).status.success());
    site.run(&["apply"]).expect(0);
    let exists = |namespace: &str| kubernetes.secret(namespace, "team").is_some();
    assert!(exists("blue-a") && exists("blue-b"));
    assert!(!exists("blue-sandbox") && !exists("default") && !exists("openshift"));

    // A user who may not list namespaces learns which permission is missing, and nothing is written.
    site.cluster(kubernetes, User::Writer);
    kubernetes.kubectl(&["delete", "secret", "imagestreamsecret", "-n", "openshift"]);
    let run = site.run(&["apply"]).expect(2);
    assert!(run.stderr.contains("the namespaces with the labels `team=blue` cannot be listed"), "{}", run.stderr);
    assert!(run.stderr.contains("grant the user `list` on namespaces"), "{}", run.stderr);
    assert_eq!(kubernetes.secret("openshift", "imagestreamsecret"), None);
}

#[test]
fn the_entries_of_a_file_are_verified_before_anything_is_written() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let mut site = site(kubernetes, User::Admin, "from-file", "[]");
    let wrong = "YWxpY2U6d3Jvbmc=";
    let file = |auth: &str| {
        json!({"auths": {site.key(): {"auth": auth, "email": "me@example.com"},
        "cloud.openshift.com": {"auth": "YTpi"}}})
    };
    let (bad, good) = (file(wrong).to_string(), file(&auth()).to_string());
    let path = site.oregano.write("pull-secret.json", bad);
    site.set_literal(
        "oregano_pull_secrets",
        &format!("[{{'name':'vendor','namespaces':['from-file-a'],'from_file':'{}'}}]", path.display()),
    );
    let run = site.run(&["apply"]).expect(2);
    assert!(run.stderr.contains("refused the credentials"), "{}", run.stderr);
    assert!(run.stderr.contains("`from_file` of pull secret `vendor`"), "{}", run.stderr);
    assert_eq!((kubernetes.secret("from-file-a", "vendor"), site.file(1, DOCKER)), (None, None));

    site.oregano.write("pull-secret.json", good);
    let run = site.run(&["apply"]).expect(0);
    assert!(run.stderr.contains("`cloud.openshift.com` is not the name of one registry"), "{}", run.stderr);
    let content = kubernetes.secret_json("from-file-a", "vendor").unwrap();
    assert_eq!(content["auths"][site.key()]["email"], "me@example.com");
    assert_eq!(content["auths"]["cloud.openshift.com"]["auth"], "YTpi");
}

#[test]
fn a_secret_of_the_other_type_is_created_again_with_everything_else_that_it_has() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let site =
        site(kubernetes, User::Admin, "other-type", "[{'name':'team','namespaces':['other-type-a'],'adopt':true}]");
    let theirs = json!({"quay.io": {"auth": "eDp5", "x": 1}});
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockercfg",
        "metadata": {"name": "team", "labels": {"team": "blue"}, "annotations": {"example.com/note": "keep"}},
        "data": {".dockercfg": openssl::base64::encode_block(theirs.to_string().as_bytes()), "other": "b3RoZXI="},
    });
    kubernetes.create("/api/v1/namespaces/other-type-a/secrets", &secret);
    let before = kubernetes.secret("other-type-a", "team").unwrap();
    let run = site.run(&["apply"]).expect(2);
    assert!(run.stderr.contains("the type of a secret cannot be changed"), "{}", run.stderr);
    assert!(run.stderr.contains("`--recreate` deletes it and creates it again"), "{}", run.stderr);
    assert_eq!(site.file(1, DOCKER), None);
    let plan = site.run(&["plan", "--recreate"]).expect(3);
    assert!(plan.stdout.contains("secret other-type-a/team: would be deleted and created again (+"), "{}", plan.stdout);
    assert!(plan.stderr.contains("`KubeletEnsureSecretPulledImages`"), "{}", plan.stderr);
    assert_eq!(kubernetes.secret("other-type-a", "team").unwrap(), before);

    let run = site.run(&["apply", "--recreate"]).expect(0);
    assert!(run.stdout.contains("secret other-type-a/team: deleted and created again (+"), "{}", run.stdout);
    let now = kubernetes.secret("other-type-a", "team").unwrap();
    assert_ne!(now["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!(now["type"], "kubernetes.io/dockerconfigjson");
    assert_eq!(now["metadata"]["labels"], json!({"team": "blue", "oregano/managed": "true"}));
    assert_eq!(now["metadata"]["annotations"], json!({"example.com/note": "keep"}));
    assert_eq!((&now["data"]["other"], &now["data"][".dockercfg"]), (&json!("b3RoZXI="), &Value::Null));
    let entry = json!({"username": USER, "password": PASSWORD, "auth": auth()});
    let expected = json!({"auths": {"quay.io": {"auth": "eDp5", "x": 1}, site.key(): entry}});
    assert_eq!(kubernetes.secret_json("other-type-a", "team").unwrap(), expected);
    site.run(&["apply", "--recreate"]).expect(0);
    assert_eq!(kubernetes.secret("other-type-a", "team").unwrap(), now, "an unchanged run wrote the secret");
}

#[test]
fn an_immutable_secret_is_created_again_and_stays_immutable() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let site =
        site(kubernetes, User::Admin, "immutable", "[{'name':'team','namespaces':['immutable-a'],'adopt':true}]");
    let old = json!({"auths": {site.key(): {"auth": "b2xkOm9sZA=="}}}).to_string();
    kubernetes.create_secret("immutable-a", "team", &old);
    kubernetes.patch("/api/v1/namespaces/immutable-a/secrets/team", &json!({"immutable": true}));
    let run = site.run(&["apply"]).expect(2);
    assert!(run.stderr.contains("secret `immutable-a/team` is immutable"), "{}", run.stderr);
    // Nothing else is pending.
    let recreate = ["--recreate", "--only", "cluster", "-e", "oregano_platform=kubernetes"];
    let run = site.run(&[&["plan"][..], &recreate].concat()).expect(3);
    assert!(run.stderr.ends_with("`apply` would write 1 secret\n"), "{}", run.stderr);
    let run = site.run(&[&["apply"][..], &recreate].concat()).expect(0);
    assert!(run.stderr.ends_with("1 secret written and read back\n"), "{}", run.stderr);
    let now = kubernetes.secret("immutable-a", "team").unwrap();
    assert_eq!(now["immutable"], true);
    assert_eq!(kubernetes.secret_json("immutable-a", "team").unwrap()["auths"][site.key()]["auth"], auth());
    site.run(&["apply"]).expect(0);
    assert_eq!(kubernetes.secret("immutable-a", "team").unwrap(), now);
}

#[test]
fn a_secret_is_not_deleted_if_it_cannot_be_created_again() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let site = site(
        kubernetes,
        User::Writer,
        "kept",
        "[{'name':'team','namespaces':['kept-a'],'type':'dockercfg','adopt':true}]",
    );
    kubernetes.create_secret("kept-a", "team", r#"{"auths":{"quay.io":{"auth":"eDp5"}}}"#);
    let before = kubernetes.secret("kept-a", "team").unwrap();
    // This user may not delete secrets.
    let run = site.run(&["apply", "--recreate"]).expect(2);
    assert!(run.stderr.contains("grant the user `delete` on secrets in namespace `kept-a`"), "{}", run.stderr);
    let finalizers = json!({"metadata": {"finalizers": ["example.com/keep"]}});
    kubernetes.patch("/api/v1/namespaces/kept-a/secrets/team", &finalizers);
    let mut site = site;
    site.cluster(kubernetes, User::Admin);
    let run = site.run(&["apply", "--recreate"]).expect(2);
    assert!(run.stderr.contains("has finalizers, which keep it after its deletion"), "{}", run.stderr);
    assert_eq!(site.file(1, DOCKER), None);
    assert_eq!(kubernetes.secret("kept-a", "team").unwrap()["metadata"]["uid"], before["metadata"]["uid"]);
}
