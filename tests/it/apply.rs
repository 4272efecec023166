//! `oregano apply` on real servers: verify, write the secret, write the nodes; then no changes; then a rotation.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::certificate::Signer;
use crate::support::kubernetes::{Kubernetes, User};
use crate::support::process::program;
use crate::support::registry::{Auth, Registry, Transport};
use crate::support::site::{DOCKER, KUBELET, PASSWORD, Site, USER, auth, recap};

/// The `auths` of a file of a node.
fn auths(site: &Site, node: usize, path: &str) -> Value {
    let text = site.file(node, path).unwrap_or_else(|| panic!("node{node} has no {path}"));
    serde_json::from_str::<Value>(&text).unwrap()["auths"].clone()
}

#[test]
fn a_complete_run_on_real_servers() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let other = Registry::start(Auth::Basic, Transport::Tls(Signer::Authority), &[("openshift", "token12345")]);
    other.push("mongodb/mongodb", "latest", "openshift", "token12345");
    let mut site = Site::new(2);
    site.cluster(kubernetes, User::Writer);
    // As in the documentation: no user, a different image, and no verified TLS.
    site.set_literal(
        "openshift_additional_registry_credentials",
        &format!(
            "[{{'host':'{}','password':'token12345','tls_verify':'False','test_image':'mongodb/mongodb'}}]",
            other.host()
        ),
    );
    site.nodes[1].write(DOCKER, br#"{"auths":{"foreign.example.com":{"auth":"Zm9v","email":"a@b"}},"x":1}"#, 0o644);

    let plan = site.run(&["plan"]).expect(3);
    assert!(plan.stdout.contains("secret openshift/imagestreamsecret: would be created"), "{}", plan.stdout);
    assert!(plan.stdout.contains("mode 0644 -> 0600"), "{}", plan.stdout);
    assert_eq!(kubernetes.secret("openshift", "imagestreamsecret"), None, "plan wrote a secret");
    assert_eq!(site.file(1, DOCKER), None, "plan wrote a file");
    assert_eq!(site.nodes[0].mode("/root/.docker"), None, "plan made a directory");

    let run = site.run(&["apply"]).expect(0);
    assert!(run.stdout.contains(&recap("node1", [3, 2, 0, 0, 0])), "{}", run.stdout);
    assert!(run.stdout.contains(&recap("node2", [3, 2, 0, 0, 0])), "{}", run.stdout);

    let secret = kubernetes.secret("openshift", "imagestreamsecret").unwrap();
    assert_eq!(secret["type"], "kubernetes.io/dockerconfigjson");
    let entry = |user: &str, password: &str, auth: &str| json!({"username": user, "password": password, "auth": auth});
    assert_eq!(
        kubernetes.secret_json("openshift", "imagestreamsecret").unwrap(),
        json!({"auths": {
            site.key(): entry(USER, PASSWORD, &auth()),
            other.host(): entry("openshift", "token12345", "b3BlbnNoaWZ0OnRva2VuMTIzNDU="),
        }})
    );
    for (node, path) in [(1, KUBELET), (1, DOCKER), (2, KUBELET), (2, DOCKER)] {
        let auths = auths(&site, node, path);
        assert_eq!(auths[site.key()], json!({"auth": auth()}), "node{node} {path}");
        assert_eq!(auths[other.host()], json!({"auth": "b3BlbnNoaWZ0OnRva2VuMTIzNDU="}), "node{node} {path}");
        assert_eq!(site.nodes[node - 1].mode(path), Some(0o600), "node{node} {path}");
        assert_eq!(site.nodes[node - 1].owner(path).as_deref(), Some("root:root"));
    }
    assert_eq!(site.nodes[0].mode("/root/.docker"), Some(0o700));
    let merged: Value = serde_json::from_str(&site.file(2, DOCKER).unwrap()).unwrap();
    assert_eq!(merged["x"], 1);
    assert_eq!(merged["auths"]["foreign.example.com"], json!({"auth": "Zm9v", "email": "a@b"}));
    // One connection and one channel for each of the two runs.
    assert_eq!((site.nodes[0].connections(), site.nodes[0].sessions()), (2, 2));

    let version = |secret: &Value| secret["metadata"]["resourceVersion"].clone();
    let inode = |site: &Site| site.nodes[1].sh(&format!("stat -c '%i %Y %Z' {DOCKER} /root/.docker")).stdout;
    let before = inode(&site);
    let again = site.run(&["apply"]).expect(0);
    assert!(again.stdout.contains(&recap("node2", [3, 0, 0, 0, 0])), "{}", again.stdout);
    assert_eq!(inode(&site), before, "an unchanged run touched a file or a directory");
    assert_eq!(version(&kubernetes.secret("openshift", "imagestreamsecret").unwrap()), version(&secret));
    site.run(&["plan"]).expect(0);
}

#[test]
fn a_new_password_reaches_the_secret_and_every_node() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let old = format!(
        r#"{{"auths":{{"REG":{{"auth":"{0}","email":"me@example.com","identitytoken":"stale"}},"https://REG":{{"auth":"{0}"}}}}}}"#,
        "b2xkOm9sZA=="
    );
    let mut site = Site::new(1);
    site.cluster(kubernetes, User::Writer);
    let old = old.replace("REG", site.key());
    site.nodes[0].write(KUBELET, old.as_bytes(), 0o600);
    kubernetes.create_secret("openshift", "imagestreamsecret", &old);

    let run = site.run(&["apply"]).expect(0);
    assert!(run.stdout.contains("without identitytoken"), "{}", run.stdout);
    assert!(run.stdout.contains(&format!("~https://{0} read as {0}", site.key())), "{}", run.stdout);
    let entry = json!({"auth": auth(), "email": "me@example.com"});
    assert_eq!(auths(&site, 1, KUBELET)[site.key()], entry);
    assert_eq!(auths(&site, 1, KUBELET)[format!("https://{}", site.key())], json!({"auth": auth()}));
    let secret = kubernetes.secret_json("openshift", "imagestreamsecret").unwrap();
    assert_eq!(secret["auths"][site.key()]["password"], PASSWORD);
    assert_eq!(secret["auths"][site.key()]["email"], "me@example.com");
}

#[test]
fn secrets_of_openshift_ansible_are_brought_up_to_date() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let mut site = Site::new(1);
    site.cluster(kubernetes, User::Writer);
    // `printf HOST | md5sum`, as openshift-ansible names them.
    let digest = openssl::hash::hash(openssl::hash::MessageDigest::md5(), site.key().as_bytes()).unwrap();
    let name = format!("o-a-{}", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    kubernetes.create_secret("openshift", &name, r#"{"auths":{}}"#);
    let run = site.run(&["apply"]).expect(0);
    assert!(run.stdout.contains(&format!("secret openshift/{name} : updated")), "{}", run.stdout);
    let secret = kubernetes.secret_json("openshift", &name).unwrap();
    assert_eq!(secret["auths"][site.key()]["password"], PASSWORD);
    let again = site.run(&["apply", "-v"]).expect(0);
    assert!(again.stdout.contains(&format!("secret openshift/{name} : unchanged")), "{}", again.stdout);
}

#[test]
fn only_nodes_needs_no_kubeconfig_and_only_cluster_no_node() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let mut site = Site::new(1);
    // Without a kubeconfig on this machine, that of the first master is used, and this one has none.
    let master = site.run(&["apply"]).expect(2);
    let fault = "kubeconfig `/etc/origin/master/admin.kubeconfig` on `node1` cannot be read";
    assert!(master.stderr.contains(fault) && master.stderr.contains("--only nodes"), "{}", master.stderr);
    assert_eq!(site.file(1, DOCKER), None, "a node was changed");

    let (requests, connections) = (site.registry.requests(), site.nodes[0].connections());
    let without = site.without_masters().run(&["apply"]).expect(1);
    assert!(without.stderr.contains("--only nodes"), "{}", without.stderr);
    assert_eq!(site.registry.requests(), requests, "something was contacted");
    assert_eq!(site.nodes[0].connections(), connections);

    site.run(&["apply", "--only", "nodes"]).expect(0);
    assert_eq!(auths(&site, 1, DOCKER)[site.key()], json!({"auth": auth()}));
    assert_eq!(kubernetes.secret("openshift", "imagestreamsecret"), None);

    let connections = site.nodes[0].connections();
    site.cluster(kubernetes, User::Writer);
    let run = site.run(&["apply", "--only", "cluster"]).expect(0);
    assert!(run.stdout.contains("secret openshift/imagestreamsecret : created"), "{}", run.stdout);
    assert!(run.stderr.contains("1 secret written and read back"), "{}", run.stderr);
    assert_eq!(site.nodes[0].connections(), connections);
}

#[test]
fn a_limit_restricts_the_nodes_only() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let mut site = Site::new(2);
    site.cluster(kubernetes, User::Writer);
    let run = site.run(&["apply", "--limit", "node2"]).expect(0);
    assert!(!run.stdout.contains("node1 :") && run.stdout.contains(&recap("node2", [3, 2, 0, 0, 0])), "{}", run.stdout);
    assert_eq!(site.nodes[0].connections(), 0);
    assert!(kubernetes.secret("openshift", "imagestreamsecret").is_some());
}

#[test]
fn paths_that_are_one_file_are_written_once() {
    let site = Site::new(1);
    let script =
        "mkdir -p /var/lib/origin /root/real && ln -s /root/real /var/lib/origin/.docker && ln -s real /root/.docker";
    assert!(site.nodes[0].sh(script).status.success());
    let run = site.run(&["apply", "--only", "nodes"]).expect(0);
    assert!(run.stdout.contains(&recap("node1", [2, 1, 0, 0, 0])), "{}", run.stdout);
    assert!(run.stdout.contains(&format!("(also {DOCKER})")), "{}", run.stdout);
    assert_eq!(auths(&site, 1, "/root/real/config.json")[site.key()], json!({"auth": auth()}));
    let links = site.nodes[0].sh("readlink /root/.docker /var/lib/origin/.docker").stdout;
    assert_eq!(String::from_utf8(links).unwrap(), "real\n/root/real\n");
}

#[test]
fn a_registry_without_a_challenge_proves_nothing_and_says_so() {
    let open = Registry::start(Auth::Anonymous, Transport::Http, &[]);
    let site = Site::with(open, 1);
    let run = site.run(&["apply", "--only", "nodes"]).expect(0);
    assert!(run.stderr.contains("without requiring a credential"), "{}", run.stderr);
    assert!(run.stdout.contains(" : not-proved"), "{}", run.stdout);
}

#[test]
fn a_password_comes_through_templates_from_an_encrypted_file() {
    let mut site = Site::new(1);
    site.set("oreg_auth_password", "{{ vault.registry | default('none') }}");
    let vault_password = site.oregano.write("vault_password", "correct horse\n");
    let plain = site.oregano.write("plain.yml", format!("vault: {{registry: {PASSWORD}}}\n"));
    let folder = site.oregano.home().join("group_vars/all");
    std::fs::create_dir_all(&folder).unwrap();
    let mut ansible_vault = Command::new(program("ansible-vault"));
    ansible_vault.args(["encrypt", "--vault-password-file"]).arg(&vault_password).arg("--output");
    crate::support::process::run(
        ansible_vault.arg(folder.join("vault.yml")).arg(plain).env("HOME", site.oregano.home()),
    );
    let refused = site.run(&["apply", "--only", "nodes"]).expect(1);
    assert!(refused.stderr.contains("no vault password was given"), "{}", refused.stderr);
    site.oregano.write("ansible.cfg", "[defaults]\nvault_password_file = vault_password\nforks = 5\n");
    let applied = site.run(&["apply", "--only", "nodes"]).expect(0);
    assert!(applied.stdout.contains(": proved"), "{}", applied.stdout);
    assert!(site.file(1, DOCKER).unwrap().contains(&auth()));
}

#[test]
fn retired_registries_are_reported_and_removed_with_prune() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let mut site = Site::new(2);
    site.cluster(kubernetes, User::Writer);
    site.run(&["apply"]).expect(0);
    let entry = |password: &str| json!({"auth": STANDARD.encode(format!("old:{password}"))});
    let more = json!({
        "https://old.example.com/v1/": entry("Canary-one"), "OLD.example.com": entry("Canary-two"),
        "other.example.com": entry("Canary-three"),
    });
    let add = |text: &str| {
        let mut file: Value = serde_json::from_str(text).unwrap();
        file["auths"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        file.to_string()
    };
    site.nodes[0].write(DOCKER, add(&site.file(1, DOCKER).unwrap()).as_bytes(), 0o600);
    site.set_literal("oregano_retired_registries", "['old.example.com']");
    let refused = site.run(&["apply", "--prune"]).expect(1);
    assert!(refused.stderr.contains("`--prune` needs `oregano_owner`"), "{}", refused.stderr);
    let refused = site.run(&["apply", "--prune", "--limit", "node1"]).expect(64);
    assert!(refused.stderr.contains("--prune cannot be combined with --limit"), "{}", refused.stderr);
    site.run(&["plan", "--prune", "--limit", "node1", "--only", "nodes"]).expect(3);
    site.set("oregano_owner", "production");

    // Without --prune nothing is pending, as for `kubectl apply` and its --prune.
    for command in ["plan", "apply"] {
        let run = site.run(&[command]).expect(0);
        let warning = "warning: `https://old.example.com/v1/` is retired, but is still in 1 file of the nodes: `apply --prune` removes it";
        assert!(run.stderr.contains(warning), "{}", run.stderr);
        assert!(!run.stdout.contains("other.example.com"), "{}", run.stdout);
    }
    let verbose = site.run(&["plan", "-v"]).expect(0);
    let left = format!("node1:{DOCKER}: also holds `other.example.com`, not in the inventory; left alone\n");
    assert!(verbose.stdout.contains(&left), "{}", verbose.stdout);

    let plan = site.run(&["plan", "--prune", "-D"]).expect(3);
    let removed = format!(
        "node1:{DOCKER}: would be updated (-https://old.example.com/v1/ read as old.example.com, -OLD.example.com read as old.example.com)\n  \
         - https://old.example.com/v1/: user old, fingerprint "
    );
    assert!(plan.stdout.contains(&removed), "{}", plan.stdout);
    assert!(!plan.stderr.contains("is retired"), "{}", plan.stderr);
    let json = site.run(&["plan", "--prune", "--diff", "--output", "json"]).expect(3);
    let events = json.events();
    let file = events.iter().find(|event| event["event"] == "file" && event["outcome"] == "updated").unwrap();
    assert_eq!(file["undeclared"], json!(["other.example.com"]));
    let entries = file["diff"]["entries"].as_array().unwrap();
    assert_eq!((entries.len(), &entries[0]["before"]["user"], &entries[0]["after"]), (2, &json!("old"), &Value::Null));
    assert_ne!(entries[0]["before"]["fingerprint"], entries[1]["before"]["fingerprint"]);
    // Another run has other fingerprints.
    let again = site.run(&["plan", "--prune", "--diff", "--output", "json"]).expect(3);
    assert!(!again.stdout.contains(entries[0]["before"]["fingerprint"].as_str().unwrap()), "{}", again.stdout);

    let run = site.run(&["apply", "--prune", "--diff"]).expect(0);
    assert!(run.stdout.contains("  - OLD.example.com: user old, fingerprint "), "{}", run.stdout);
    for text in [&plan.stdout, &json.stdout, &run.stdout, &run.stderr] {
        assert!(!text.contains("Canary"), "{text}");
    }
    let kept = json!({site.key(): {"auth": auth()}, "other.example.com": more["other.example.com"]});
    assert_eq!(auths(&site, 1, DOCKER), kept);
    site.run(&["plan", "--prune"]).expect(0);
}
