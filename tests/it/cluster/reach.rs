//! How the API server is reached: `oregano_kubeconfig`, and the first master over SSH, with a real sshd and a real API
//! server. kubectl reads what was written.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::kubernetes::{Kubernetes, User};
use crate::support::process::eventually;
use crate::support::site::{DOCKER, Site};
use crate::support::sshd::{Options, PLAIN, SUDOER, Sshd};

const ADMIN: &str = "/etc/origin/master/admin.kubeconfig";
/// What a hint recommends if the master cannot be used.
const OTHER: &str = "pass `--kubeconfig FILE`";

/// The kubeconfig of openshift-ansible, which contains everything.
fn kubeconfig(kubernetes: &Kubernetes) -> Value {
    let mut config: Value = serde_json::from_slice(&fs::read(kubernetes.kubeconfig(User::Admin)).unwrap()).unwrap();
    let cluster = &mut config["clusters"][0]["cluster"];
    let ca = fs::read(cluster["certificate-authority"].as_str().unwrap()).unwrap();
    use base64::Engine as _;
    let ca = base64::engine::general_purpose::STANDARD.encode(ca);
    *cluster = json!({"server": kubernetes.url(), "certificate-authority-data": ca});
    config
}

/// A site whose master has this kubeconfig below /root, which is separate for each node.
fn through_master(site: &mut Site, config: &Value) {
    site.nodes[0].write("/root/admin.kubeconfig", config.to_string().as_bytes(), 0o600);
    site.set("oregano_master_kubeconfig", "/root/admin.kubeconfig");
}

/// The files of the user that contain a text.
fn files_with(site: &Site, text: &str) -> String {
    let found = Command::new("grep").args(["-rlF", text]).arg(site.oregano.home()).output().unwrap();
    String::from_utf8(found.stdout).unwrap()
}

fn read_by_kubectl(kubernetes: &Kubernetes) -> String {
    let read = ["get", "secret", "imagestreamsecret", "-n", "openshift", "-o", "jsonpath={.data.\\.dockerconfigjson}"];
    String::from_utf8(kubernetes.kubectl(&read).stdout).unwrap()
}

#[test]
fn the_inventory_names_the_kubeconfig() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let mut site = Site::new(1);
    site.set("oregano_kubeconfig", &kubernetes.kubeconfig(User::Writer).display().to_string());
    site.run(&["apply", "--only", "cluster"]).expect(0);
    assert!(!read_by_kubectl(kubernetes).is_empty());
    site.set("oregano_kubeconfig", "gone/config");
    let run = site.run(&["plan"]).expect(1);
    assert!(run.stderr.contains("kubeconfig `gone/config` does not exist"), "{}", run.stderr);
    assert!(run.stderr.contains("hosts:") && run.stderr.contains("correct `oregano_kubeconfig`"), "{}", run.stderr);
    // The option takes precedence.
    site.cluster(kubernetes, User::Writer);
    site.run(&["plan", "--only", "cluster"]).expect(0);
}

#[test]
fn the_api_server_is_reached_through_the_first_master() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let mut site = Site::new(1);
    through_master(&mut site, &kubeconfig(kubernetes));
    site.run(&["plan"]).expect(3);
    let run = site.run(&["apply", "-vvv"]).expect(0);
    assert!(!read_by_kubectl(kubernetes).is_empty());
    assert!(site.file(1, DOCKER).is_some());
    let shown = format!("{}{}", run.stdout, run.stderr);
    assert!(!shown.contains(&User::Admin.token()), "{shown}");
    assert_eq!(files_with(&site, &User::Admin.token()), "", "the token is on this machine");
    let run = site.run(&["plan", "--only", "cluster", "-e", "ansible_host_key_checking=false"]).expect(0);
    assert!(run.stderr.contains("host key checking is off for master `node1`"), "{}", run.stderr);
    let run = site.run(&["plan"]).expect(0);
    assert!(!run.stderr.contains("host key checking"), "{}", run.stderr);
    // The other command that has an inventory and uses the cluster.
    let account = json!({"metadata": {"name": "through-master"}});
    let path = "/api/v1/namespaces/openshift/serviceaccounts";
    kubernetes.api("POST", path, Some(&account));
    let words = ["explain", "quay.io/app", "-n", "openshift", "--service-account", "through-master"];
    site.run(&words).expect(0);
}

#[test]
fn files_that_the_kubeconfig_of_the_master_names_are_read_there_with_become() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let mut site = Site::new(1);
    let mut config = kubeconfig(kubernetes);
    let ca: Value = serde_json::from_slice(&fs::read(kubernetes.kubeconfig(User::Admin)).unwrap()).unwrap();
    let ca = fs::read(ca["clusters"][0]["cluster"]["certificate-authority"].as_str().unwrap()).unwrap();
    config["clusters"][0]["cluster"] = json!({"server": kubernetes.url(), "certificate-authority": "ca.crt"});
    config["users"][0]["user"] = json!({"tokenFile": "token"});
    through_master(&mut site, &config);
    site.nodes[0].write("/root/ca.crt", &ca, 0o600);
    site.nodes[0].write("/root/token", format!("{}\n", User::Admin.token()).as_bytes(), 0o600);
    site.set("ansible_user", SUDOER).set("ansible_become", "true");
    site.run(&["apply", "--only", "cluster"]).expect(0);
    assert!(!read_by_kubectl(kubernetes).is_empty());
    site.nodes[0].sh("rm /root/token");
    let run = site.run(&["plan", "--only", "cluster"]).expect(2);
    assert!(run.stderr.contains("`/root/token`: it does not exist"), "{}", run.stderr);
    // The user of this client certificate has no permissions, so the API server names it.
    config["users"][0]["user"] = json!({"client-certificate": "client.crt", "client-key": "client.key"});
    through_master(&mut site, &config);
    let (certificate, key) = kubernetes.client_certificate();
    site.nodes[0].write("/root/client.crt", certificate.as_bytes(), 0o600);
    site.nodes[0].write("/root/client.key", key.as_bytes(), 0o600);
    let run = site.run(&["plan", "--only", "cluster", "-vvv"]).expect(2);
    assert!(run.stderr.contains("User \"client\" cannot get resource"), "{}", run.stderr);
    let body = key.lines().nth(2).unwrap();
    assert!(!format!("{}{}", run.stdout, run.stderr).contains(body), "the key is in the output");
    assert_eq!(files_with(&site, body), "", "the key is on this machine");
}

#[test]
fn each_failure_of_the_way_through_the_master_names_it() {
    let kubernetes = Kubernetes::shared();
    let plan = |site: &Site, expected: &[&str]| {
        let run = site.run(&["plan", "--only", "cluster", "--timeout", "20"]).expect(2);
        for text in expected.iter().chain(&["hint: ", "to leave out the cluster, run with `--only nodes`", "node1"]) {
            assert!(run.stderr.contains(text), "{text}: {}", run.stderr);
        }
    };
    let mut site = Site::new(1);
    plan(&site, &[&format!("kubeconfig `{ADMIN}` on `node1` cannot be read"), "it does not exist", OTHER]);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut config = kubeconfig(kubernetes);
        change(&mut config);
        config
    };
    let exec =
        json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "p", "interactiveMode": "Never"}});
    through_master(&mut site, &with(&|config| config["users"][0]["user"] = exec.clone()));
    plan(&site, &["has the credential plugin `p`, which this machine does not run", OTHER]);
    let proxy =
        |config: &mut Value| config["clusters"][0]["cluster"]["proxy-url"] = "http://proxy.internal:3128".into();
    through_master(&mut site, &with(&proxy));
    plan(&site, &["has a `proxy-url`, which is not supported on a node", OTHER]);
    let server = |server: &str| with(&|config| config["clusters"][0]["cluster"]["server"] = server.into());
    through_master(&mut site, &server("https://no-such-name.invalid:8443"));
    plan(
        &site,
        &["API server `https://no-such-name.invalid:8443` cannot be reached", "its name does not resolve there"],
    );
    through_master(&mut site, &server("https://127.0.0.1:1"));
    plan(&site, &["through `node1`: connection refused", "check that the API server is running"]);
    through_master(&mut site, &kubeconfig(kubernetes));
    site.set("ansible_user", PLAIN).set("ansible_become", "true");
    plan(&site, &["sudo refused on `node1`", OTHER]);
    site.nodes[0].stop();
    plan(&site, &["could not reach `node1`", "reached through the first master", OTHER]);
}

#[test]
fn an_sshd_that_forbids_forwarding_is_named() {
    let kubernetes = Kubernetes::shared();
    let mut site = Site::new(0);
    site.add_node(Sshd::start_with(&Options { config: "AllowTcpForwarding no\n", ..Options::default() }));
    through_master(&mut site, &kubeconfig(kubernetes));
    let run = site.run(&["plan", "--only", "cluster"]).expect(2);
    assert!(run.stderr.contains("forbids TCP forwarding") && run.stderr.contains("`node1`"), "{}", run.stderr);
    assert!(run.stderr.contains("AllowTcpForwarding") && run.stderr.contains("--only nodes"), "{}", run.stderr);
}

#[test]
fn a_silent_master_ends_with_the_timeout_or_with_ctrl_c() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut site = Site::new(1);
    site.host(1, &format!("ansible_port={}", silent.local_addr().unwrap().port()));
    let start = Instant::now();
    let run = site.run(&["plan", "--only", "cluster", "--timeout", "1"]).expect(2);
    assert!(
        run.stderr.contains("could not reach `node1`") && start.elapsed() < Duration::from_secs(20),
        "{}",
        run.stderr
    );
    let run = site.start(&["plan", "--only", "cluster", "--timeout", "120", "-v"]);
    eventually("the registry is asked", || run.stdout().contains("proved"));
    run.end_at_once("INT");
}

#[test]
fn a_kubeconfig_of_the_user_for_another_server_is_warned_about() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let mut site = Site::new(1);
    site.oregano.env("KUBECONFIG", kubernetes.kubeconfig(User::Writer));
    // The address of the master is that of the server.
    let run = site.run(&["plan", "--only", "cluster"]).expect(3);
    assert!(!run.stderr.contains("none of the inventory's masters"), "{}", run.stderr);
    let mut config = kubeconfig(kubernetes);
    config["clusters"][0]["cluster"]["server"] = kubernetes.url().replace("127.0.0.1", "localhost").into();
    let other = site.oregano.write("other", config.to_string());
    site.oregano.env("KUBECONFIG", &other);
    let run = site.run(&["plan", "--only", "cluster"]).expect(3);
    assert!(run.stderr.contains("the server `localhost` of kubeconfig"), "{}", run.stderr);
    site.set("oregano_kubeconfig", &other.display().to_string());
    let run = site.run(&["plan", "--only", "cluster"]).expect(3);
    assert!(!run.stderr.contains("none of the inventory's masters"), "{}", run.stderr);
}

#[test]
fn a_master_whose_connection_breaks_during_the_run_is_named_and_a_second_run_completes_it() {
    let kubernetes = Kubernetes::shared();
    kubernetes.namespace("broken-connection");
    let mut site = Site::new(1);
    through_master(&mut site, &kubeconfig(kubernetes));
    site.set("oregano_platform", "kubernetes").set("oregano_wait", "5");
    let declared = "[{'name':'team','namespaces':['broken-connection'],'service_accounts':['late']}]";
    site.set_literal("oregano_pull_secrets", declared);
    let run = site.start(&["apply", "--timeout", "20"]);
    eventually("the secret is created", || kubernetes.secret("broken-connection", "team").is_some());
    site.nodes[0].kill_connections();
    let run = run.wait().expect(2);
    assert!(run.stdout.contains("secret broken-connection/team : "), "{}", run.stdout);
    assert!(run.stderr.contains("lost `node1`"), "{}", run.stderr);
    assert!(run.stderr.contains("while it forwarded connections"), "{}", run.stderr);
    assert!(run.stderr.contains(" is reached through this node"), "{}", run.stderr);
    assert_eq!(site.file(1, DOCKER), None);
    kubernetes.create("/api/v1/namespaces/broken-connection/serviceaccounts", &json!({"metadata": {"name": "late"}}));
    site.run(&["apply"]).expect(0);
    let account = kubernetes.get("/api/v1/namespaces/broken-connection/serviceaccounts/late");
    assert_eq!(account["imagePullSecrets"], json!([{"name": "team"}]));
}
