//! Proofs of image imports. The importer is one of the test, in front of a real API server; see `support::importer`.

use serde_json::json;

use crate::support::importer::Importer;
use crate::support::kubernetes::{Kubernetes, User};
use crate::support::site::{DOCKER, Site, auth};

fn site(kubernetes: &Kubernetes, importer: &Importer, user: User) -> Site {
    if kubernetes.api("GET", "/api/v1/namespaces/project-a", None).status == 404 {
        kubernetes.namespace("project-a");
    }
    let mut site = Site::new(1);
    site.kubeconfig(importer.kubeconfig(user))
        .set_literal("oregano_pull_secrets", "[{'name':'team','namespaces':['project-a']}]");
    site
}

#[test]
fn an_apply_proves_each_image_in_each_namespace() {
    let kubernetes = Kubernetes::private();
    let importer = Importer::start(&kubernetes, &auth());
    let site = site(&kubernetes, &importer, User::Admin);
    let image = format!("{}/openshift3/ose-pod:v3.11", site.key());
    site.run(&["plan"]).expect(3);
    for _ in 0..2 {
        let run = site.run(&["apply"]).expect(0);
        for namespace in ["openshift", "project-a"] {
            assert!(run.stdout.contains(&format!("import {namespace}/{image}: proved")), "{}", run.stdout);
        }
    }
    let events = site.run(&["apply", "--output", "json"]).expect(0).events();
    let import = events.iter().find(|event| event["kind"] == "ImageStreamImport").unwrap();
    assert_eq!((&import["outcome"], &import["name"]), (&json!("proved"), &json!(image)));
}

#[test]
fn a_secret_that_hides_ours_from_imports_is_named_and_the_old_credential_must_stay() {
    let kubernetes = Kubernetes::private();
    let importer = Importer::start(&kubernetes, &auth());
    let site = site(&kubernetes, &importer, User::Admin);
    let stale = json!({"auths": {site.key(): {"auth": "b2xkOm9sZA=="}}}).to_string();
    kubernetes.create_secret("project-a", "aaa", &stale);
    let plan = site.run(&["plan"]).expect(3);
    let hidden = format!("use entry `{}` of secret `aaa`: its name comes before `team`", site.key());
    assert!(plan.stderr.contains(&hidden), "{}", plan.stderr);
    let run = site.run(&["apply"]).expect(2);
    assert!(run.stdout.contains("secret project-a/team: created"), "{}", run.stdout);
    assert!(run.stderr.contains("cannot be imported in namespace `project-a`"), "{}", run.stderr);
    assert!(run.stderr.contains(&hidden), "{}", run.stderr);
    assert!(run.stderr.contains("keep the old credential valid"), "{}", run.stderr);
    assert!(run.stdout.contains("import openshift/"), "{}", run.stdout);
    // Nodes do not depend on image imports.
    assert!(site.file(1, DOCKER).is_some());

    assert!(kubernetes.kubectl(&["delete", "secret", "aaa", "-n", "project-a"]).status.success());
    site.run(&["apply"]).expect(0);
}

#[test]
fn a_broken_secret_of_someone_else_is_named() {
    let kubernetes = Kubernetes::private();
    let importer = Importer::start(&kubernetes, &auth());
    let site = site(&kubernetes, &importer, User::Admin);
    kubernetes.create_secret("project-a", "zzz", r#"{"auths":[]}"#);
    let run = site.run(&["apply"]).expect(2);
    let broken = "no image can be imported in namespace `project-a`, because of secret `zzz`";
    assert!(run.stderr.contains(broken), "{}", run.stderr);
}

#[test]
fn without_the_permission_to_import_nothing_is_known_and_the_verb_is_named() {
    let kubernetes = Kubernetes::private();
    let importer = Importer::start(&kubernetes, &auth());
    let site = site(&kubernetes, &importer, User::Writer);
    let run = site.run(&["apply"]).expect(0);
    assert!(run.stderr.contains("whether it works is not known"), "{}", run.stderr);
    assert!(run.stderr.contains("imagestreamimports"), "{}", run.stderr);
}
