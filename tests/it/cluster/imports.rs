//! Proofs of image imports. The importer is one of the test, in front of a real API server; see `support::importer`.

use serde_json::json;

use crate::support::importer::Importer;
use crate::support::kubernetes::{Kubernetes, User};
use crate::support::registry::{Auth, Registry, Transport};
use crate::support::site::{DOCKER, PASSWORD, Site, USER, auth};

/// A site that declares a secret in the namespace, which no other test uses. Its registry has no token server, because the
/// importer chooses the credential as on OpenShift 4.
fn site(kubernetes: &Kubernetes, importer: &Importer, user: User, namespace: &str) -> Site {
    kubernetes.namespace(namespace);
    let mut site = Site::with(Registry::start(Auth::Basic, Transport::Http, &[(USER, PASSWORD)]), 1);
    let declared = format!("[{{'name':'team','namespaces':['{namespace}']}}]");
    site.kubeconfig(importer.kubeconfig(user)).set_literal("oregano_pull_secrets", &declared);
    site
}

#[test]
fn an_apply_proves_each_image_in_each_namespace() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let importer = Importer::start(kubernetes, &auth());
    let site = site(kubernetes, &importer, User::Admin, "import-proved");
    let image = format!("{}/openshift3/ose-pod:v3.11", site.key());
    site.run(&["plan"]).expect(3);
    for _ in 0..2 {
        let run = site.run(&["apply"]).expect(0);
        for namespace in ["openshift", "import-proved"] {
            assert!(run.stdout.contains(&format!("import {namespace}/{image}: proved")), "{}", run.stdout);
        }
    }
    let events = site.run(&["apply", "--output", "json"]).expect(0).events();
    let import = events.iter().find(|event| event["kind"] == "ImageStreamImport").unwrap();
    assert_eq!((&import["outcome"], &import["name"]), (&json!("proved"), &json!(image)));
}

#[test]
fn a_secret_that_hides_ours_from_imports_is_named_and_the_old_credential_must_stay() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let importer = Importer::start(kubernetes, &auth());
    let site = site(kubernetes, &importer, User::Admin, "import-hidden");
    let stale = json!({"auths": {site.key(): {"auth": "b2xkOm9sZA=="}}}).to_string();
    kubernetes.create_secret("import-hidden", "aaa", &stale);
    let plan = site.run(&["plan"]).expect(3);
    let hidden = format!("use entry `{}` of secret `aaa`: its name comes before `team`", site.key());
    assert!(plan.stderr.contains(&hidden), "{}", plan.stderr);
    let run = site.run(&["apply"]).expect(2);
    assert!(run.stdout.contains("secret import-hidden/team: created"), "{}", run.stdout);
    assert!(run.stderr.contains("cannot be imported in namespace `import-hidden`"), "{}", run.stderr);
    assert!(run.stderr.contains(&hidden), "{}", run.stderr);
    assert!(run.stderr.contains("keep the old credential valid"), "{}", run.stderr);
    assert!(run.stdout.contains("import openshift/"), "{}", run.stdout);
    // Nodes do not depend on image imports.
    assert!(site.file(1, DOCKER).is_some());

    assert!(kubernetes.kubectl(&["delete", "secret", "aaa", "-n", "import-hidden"]).status.success());
    site.run(&["apply"]).expect(0);
}

#[test]
fn a_broken_secret_of_someone_else_is_named() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let importer = Importer::start(kubernetes, &auth());
    let site = site(kubernetes, &importer, User::Admin, "import-broken");
    kubernetes.create_secret("import-broken", "zzz", r#"{"auths":[]}"#);
    let run = site.run(&["apply"]).expect(2);
    let broken = "no image can be imported in namespace `import-broken`, because of secret `zzz`";
    assert!(run.stderr.contains(broken), "{}", run.stderr);
}

#[test]
fn without_the_permission_to_import_nothing_is_known_and_the_verb_is_named() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let importer = Importer::start(kubernetes, &auth());
    let site = site(kubernetes, &importer, User::Writer, "import-denied");
    let run = site.run(&["apply"]).expect(0);
    assert!(run.stderr.contains("whether it works is not known"), "{}", run.stderr);
    assert!(run.stderr.contains("imagestreamimports"), "{}", run.stderr);
    // Nothing else is the purpose of this command.
    let run = site.run(&["validate", "--from", "cluster"]).expect(2);
    assert!(run.stderr.contains("imagestreamimports"), "{}", run.stderr);
}

#[test]
fn validate_proves_images_with_the_secrets_that_are_in_the_cluster() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let importer = Importer::start(kubernetes, &auth());
    let site = site(kubernetes, &importer, User::Admin, "import-validated");
    let image = format!("{}/openshift3/ose-pod:v3.11", site.key());
    let from_cluster = ["validate", "--from", "cluster"];
    let names = |image: &str| format!("`openshift/{image}`, `import-validated/{image}`");
    let run = site.run(&from_cluster).expect(2);
    assert!(run.stdout.contains(&format!("import import-validated/{image} : failed\n")), "{}", run.stdout);
    assert!(
        run.stderr.contains("secret `import-validated/team` is not as the inventory declares it"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("`oregano plan` shows what differs"), "{}", run.stderr);
    assert!(!run.stderr.contains("keep the old credential"), "{}", run.stderr);
    assert!(
        run.stderr.ends_with(&format!("\n0 of 2 image imports proved; not proved: {}\n", names(&image))),
        "{}",
        run.stderr
    );
    assert_eq!(kubernetes.secret("import-validated", "team"), None, "validate wrote a secret");
    assert_eq!(site.registry.requests().len(), 0, "this machine contacted the registry");

    site.run(&["apply"]).expect(0);
    let run = site.run(&from_cluster).expect(0);
    assert!(run.stderr.ends_with("2 of 2 image imports proved\n"), "{}", run.stderr);
    for namespace in ["openshift", "import-validated"] {
        assert!(run.stdout.contains(&format!("import {namespace}/{image} : proved\n")), "{}", run.stdout);
    }
    // The import works, but only because of another secret.
    assert!(kubernetes.kubectl(&["delete", "secret", "team", "-n", "import-validated"]).status.success());
    kubernetes.create_secret(
        "import-validated",
        "other",
        &json!({"auths": {site.key(): {"auth": auth()}}}).to_string(),
    );
    let run = site.run(&from_cluster).expect(2);
    assert!(run.stderr.contains("but it is not proved that this uses the declared credential"), "{}", run.stderr);
    assert!(
        run.stderr.contains("secret `import-validated/team` is not as the inventory declares it"),
        "{}",
        run.stderr
    );
    assert!(!run.stderr.contains("its name comes before"), "{}", run.stderr);
    site.run(&["apply"]).expect(0);
    let before = kubernetes.secret("import-validated", "team").unwrap();
    site.run(&from_cluster).expect(0);
    let stale = json!({"auths": {site.key(): {"auth": "b2xkOm9sZA=="}}}).to_string();
    kubernetes.create_secret("import-validated", "aaa", &stale);
    let run = site.run(&from_cluster).expect(2);
    assert!(run.stderr.contains("of secret `aaa`: its name comes before `team`"), "{}", run.stderr);
    assert!(run.stdout.contains(&format!("import openshift/{image} : proved\n")), "{}", run.stdout);
    assert_eq!(kubernetes.secret("import-validated", "team").unwrap(), before);
}

#[test]
fn validate_says_why_it_cannot_prove_imports() {
    let kubernetes = Kubernetes::private();
    let importer = Importer::start(&kubernetes, &auth());
    let mut site = site(&kubernetes, &importer, User::Admin, "project-a");
    let from_cluster = ["validate", "--from", "cluster"];
    site.unset("oregano_pull_secrets").set("oregano_platform", "openshift-4");
    let run = site.run(&from_cluster).expect(1);
    assert!(run.stderr.contains("there is no test image to import"), "{}", run.stderr);
    site.set_literal("oregano_pull_secrets", "[{'name':'team','namespaces':['project-a']}]");
    // The API server itself has no importer.
    site.cluster(&kubernetes, User::Admin);
    let run = site.run(&from_cluster).expect(1);
    assert!(run.stderr.contains("the cluster has no image importer"), "{}", run.stderr);
    kubernetes.stop();
    let run = site.run(&from_cluster).expect(1);
    assert!(run.stderr.contains("cannot be reached"), "{}", run.stderr);
    for command in ["plan", "apply"] {
        let run = site.run(&[command, "--from", "cluster"]).expect(64);
        assert!(run.stderr.contains("--from cluster is only for `oregano validate`"), "{}", run.stderr);
    }
}

#[test]
fn on_openshift_3_the_entry_of_a_token_server_on_another_host_must_be_declared() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let importer = Importer::start(kubernetes, &auth());
    // Its token server has another port, and an entry with another port is one of another server.
    let mut site = Site::new(1);
    site.kubeconfig(importer.kubeconfig(User::Admin));
    let server = site.registry.realm_host().to_owned();
    assert_ne!(server, site.key());
    let note = format!(
        "image imports of OpenShift 3.11 in namespace `openshift` do not use entry `{}`: for a registry with token \
         authentication they look for an entry of its token server, `{server}`; set `auth_server: {server}` in \
         `oregano_oreg_auth`",
        site.key()
    );
    let plan = site.run(&["plan"]).expect(3);
    assert!(plan.stderr.contains(&note), "{}", plan.stderr);
    site.set("oregano_platform", "openshift-4")
        .set_literal("oregano_pull_secrets", "[{'name':'imagestreamsecret','namespaces':['openshift']}]");
    let plan = site.run(&["plan"]).expect(3);
    assert!(!plan.stderr.contains("image imports"), "{}", plan.stderr);

    site.set("oregano_platform", "openshift-3").unset("oregano_pull_secrets");
    site.set_literal("oregano_oreg_auth", &format!("{{'auth_server':'{server}'}}"));
    let plan = site.run(&["plan"]).expect(3);
    assert!(plan.stdout.contains(&format!("+{server}")), "{}", plan.stdout);
    assert!(!plan.stderr.contains("image imports"), "{}", plan.stderr);
}
