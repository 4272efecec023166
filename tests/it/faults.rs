//! Bad input and faults on real servers: each says what is wrong, changes no more than it must, and leaves
//! nothing broken.

use std::time::{Duration, Instant};

use super::support::certificate::Signer;
use super::support::kubernetes::{Kubernetes, User};
use super::support::oregano::Oregano;
use super::support::process::{eventually, free_port};
use super::support::registry::{Auth, Registry, Transport};
use super::support::site::{DOCKER, KUBELET, PASSWORD, Site, USER, auth, recap};
use super::support::sshd::{Options, Sshd};

// ── inventory ────────────────────────────────────────────────────────────────────────────────────

#[test]
fn an_inventory_that_cannot_be_parsed_is_named_with_its_place() {
    let oregano = Oregano::new();
    let file = oregano.write("hosts", "[nodes]\nnode1 oreg_auth_password='hunter2\n[masters:nonsense]\n");
    let run = oregano.run(&["apply", "-i", file.to_str().unwrap()]).expect(1);
    assert!(run.stderr.contains("hosts:2:") && run.stderr.contains("hosts:3:"), "{}", run.stderr);
    assert!(run.stderr.contains('^') && !run.stderr.contains("hunter2"), "{}", run.stderr);
    let missing = oregano.run(&["apply", "-i", "nowhere"]).expect(1);
    assert!(missing.stderr.contains("`nowhere`"), "{}", missing.stderr);
}

#[test]
fn an_undefined_variable_is_named_with_its_place_and_nothing_is_contacted() {
    let mut site = Site::new(1);
    site.set("oreg_auth_password", "{{ vault_password }}");
    let run = site.run(&["apply", "--only", "nodes"]).expect(1);
    assert!(run.stderr.contains("`vault_password`") && run.stderr.contains('^'), "{}", run.stderr);
    assert_eq!(site.nodes[0].connections(), 0);
    assert_eq!(site.registry.requests(), []);
}

#[test]
fn a_command_line_nobody_understands_ends_with_64() {
    let oregano = Oregano::new();
    for words in [&["aply"][..], &["apply", "--forks", "0"], &["apply", "--only", "masters"], &[]] {
        oregano.run(words).expect(64);
    }
    oregano.run(&["--help"]).expect(0);
    oregano.run(&["--version"]).expect(0);
}

// ── registries ───────────────────────────────────────────────────────────────────────────────────

/// One wrong password on this registry is one failed login, and nothing is written.
fn one_failed_login(registry: Registry) {
    let mut site = Site::with(registry, 2);
    site.set("oreg_auth_password", "wrong");
    // A second image of the same login is not tried again.
    site.set_literal(
        "openshift_additional_registry_credentials",
        &format!(
            "[{{'host':'{}/openshift3','user':'{USER}','password':'wrong','test_image':'ose-pod:v3.11'}}]",
            site.key()
        ),
    );
    let run = site.run(&["apply", "--only", "nodes"]).expect(2);
    assert_eq!(site.registry.failed_logins(), 1, "{}", site.registry.log());
    assert_eq!(run.stdout.matches(" : refused").count(), 2, "{}", run.stdout);
    assert!(run.stderr.contains(&format!("refused the credentials of user `{USER}`")), "{}", run.stderr);
    assert!(run.stderr.contains("`oreg_auth_password` in "), "{}", run.stderr);
    assert!(run.stdout.contains(&recap("node2", [1, 0, 0, 0, 2])), "{}", run.stdout);
    for node in [1, 2] {
        assert_eq!((site.file(node, DOCKER), site.file(node, KUBELET)), (None, None));
    }
}

#[test]
fn a_wrong_password_is_one_failed_login_on_a_basic_registry() {
    one_failed_login(Registry::start(Auth::Basic, Transport::Http, &[(USER, PASSWORD)]));
}

#[test]
fn a_wrong_password_is_one_failed_login_on_a_token_registry() {
    one_failed_login(Registry::start(Auth::Token(Transport::Http), Transport::Http, &[(USER, PASSWORD)]));
}

#[test]
fn a_plan_with_a_failed_check_still_shows_everything() {
    let mut site = Site::new(1);
    site.set("oreg_auth_password", "wrong");
    let run = site.run(&["plan", "--only", "nodes"]).expect(2);
    assert!(run.stderr.contains("refused"), "{}", run.stderr);
    assert!(run.stdout.contains(&format!("node1:{DOCKER}: would be created (+{})", site.key())), "{}", run.stdout);
    assert!(run.stderr.contains("`apply` would change nothing until"), "{}", run.stderr);
    let check = site.run(&["apply", "--check", "--only", "nodes"]).expect(2);
    assert_eq!(check.stdout, run.stdout);
}

#[test]
fn what_may_be_a_password_in_the_wrong_place_is_not_repeated() {
    let mut site = Site::new(1);
    site.set("oreg_auth_user", "acme:hunter2").set("oreg_url", "https://acme:hunter2@127.0.0.1/x");
    site.host(1, "ansible_connection=hunter2 docker_auth_credentials_path=hunter2");
    for format in ["text", "json"] {
        let run = site.run(&["apply", "--only", "nodes", "--output", format]).expect(1);
        assert!(run.stderr.contains("oreg_auth_user") || run.stdout.contains("oreg_auth_user"));
        assert!(!run.stderr.contains("hunter2") && !run.stdout.contains("hunter2"), "{}\n{}", run.stdout, run.stderr);
    }
}

#[test]
fn every_credential_is_tried_also_after_a_refusal() {
    let other = Registry::start(Auth::Basic, Transport::Http, &[("bob", "builder")]);
    other.push("a/b", "1", "bob", "builder");
    let mut site = Site::new(1);
    site.set("oreg_auth_password", "wrong");
    site.set_literal(
        "openshift_additional_registry_credentials",
        &format!(
            "[{{'host':'{0}','user':'bob','password':'builder','test_image':'a/b:1','tls_verify':False}},{{'host':'{0}/a','user':'bob','password':'builder','test_image':'none:1','tls_verify':False}}]",
            other.host()
        ),
    );
    let run = site.run(&["validate"]).expect(2);
    for verdict in ["refused", "proved", "not-found"] {
        assert_eq!(run.stdout.matches(&format!(" : {verdict}")).count(), 1, "{verdict}\n{}", run.stdout);
    }
}

#[test]
fn no_permission_is_told_from_a_wrong_password() {
    let mut site = Site::new(1);
    let key = site.key().to_owned();
    site.set("oreg_url", &format!("{key}/somebody-else/image:1"));
    let run = site.run(&["validate"]).expect(2);
    assert!(run.stdout.contains(" : no-permission"), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(site.registry.failed_logins(), 0);
}

#[test]
fn a_secure_registry_never_hears_a_password_over_http() {
    let mut site = Site::new(1);
    site.unset("openshift_docker_insecure_registries");
    let run = site.run(&["validate"]).expect(2);
    assert!(run.stdout.contains(" : tls"), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(site.registry.requests(), [], "plain HTTP was spoken to a secure registry");
}

#[test]
fn a_realm_over_http_is_refused_before_the_password_is_sent() {
    let registry =
        Registry::start(Auth::Token(Transport::Http), Transport::Tls(Signer::Authority), &[(USER, PASSWORD)]);
    let authority = registry.ca_file().to_owned();
    let mut site = Site::with(registry, 1);
    site.unset("openshift_docker_insecure_registries");
    site.set("oreg_auth_password", "wrong");
    site.oregano.env("SSL_CERT_FILE", authority);
    let run = site.run(&["validate"]).expect(2);
    assert!(run.stdout.contains(" : tls") && run.stderr.contains("http://"), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(site.registry.failed_logins(), 0, "the password was sent");
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused_unless_tls_verify_is_off() {
    let registry = Registry::start(Auth::Basic, Transport::Tls(Signer::Authority), &[(USER, PASSWORD)]);
    let mut site = Site::with(registry, 1);
    site.run(&["validate"]).expect(0);
    site.unset("openshift_docker_insecure_registries");
    let run = site.run(&["validate"]).expect(2);
    assert!(run.stdout.contains(" : tls"), "{}\n{}", run.stdout, run.stderr);
    // Challenge, login, image, and the image once more as anybody: all of them with `tls_verify` off.
    eventually("the last request is logged", || site.registry.requests().len() >= 4);
    assert_eq!(site.registry.requests().len(), 4, "{:?}", site.registry.requests());
}

#[test]
fn nobody_at_home_and_no_such_name() {
    let mut site = Site::new(1);
    let port = free_port();
    site.set("oreg_url", &format!("127.0.0.1:{port}/a/b:1"));
    let run = site.run(&["validate"]).expect(2);
    assert!(run.stdout.contains(" : connection-refused"), "{}", run.stdout);
    site.set("oreg_url", "registry.invalid/a/b:1");
    let run = site.run(&["validate"]).expect(2);
    assert!(run.stdout.contains(" : dns"), "{}", run.stdout);
}

#[test]
fn a_registry_that_does_not_answer_is_a_timeout() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut site = Site::new(1);
    site.set("oreg_url", &format!("{}/a/b:1", silent.local_addr().unwrap()));
    let start = Instant::now();
    let run = site.run(&["validate", "--timeout", "1"]).expect(2);
    assert!(run.stdout.contains(" : timeout"), "{}", run.stdout);
    // Without the option it would take thirty seconds.
    assert!(start.elapsed() < Duration::from_secs(20), "it took {:?}", start.elapsed());
}

// ── nodes ────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn an_unknown_host_key_is_unreachable_with_the_command_that_helps() {
    let site = Site::new(1);
    std::fs::remove_file(site.oregano.home().join(".ssh/known_hosts")).unwrap();
    let run = site.run(&["apply", "--only", "nodes"]).expect(4);
    assert!(run.stderr.contains(&format!("ssh-keyscan -p {} 127.0.0.1", site.nodes[0].port())), "{}", run.stderr);
    assert!(run.stderr.contains("SHA256:"), "{}", run.stderr);
    assert!(run.stdout.contains(&recap("node1", [0, 0, 1, 0, 0])), "{}", run.stdout);
}

#[test]
fn a_host_key_is_not_asked_for_where_ansible_would_not() {
    let site = Site::new(1);
    let known = site.oregano.home().join(".ssh/known_hosts");
    std::fs::remove_file(&known).unwrap();
    site.oregano.write("ansible.cfg", "[defaults]\nhost_key_checking = False\n");
    let run = site.run(&["apply", "--only", "nodes"]).expect(0);
    assert!(run.stderr.contains("host key checking is off for 1 of 1 nodes"), "{}", run.stderr);
    assert!(!known.exists(), "nothing is learned by it");
    // A key that is known and another one is an attack or a mistake, whatever was set.
    let other = Site::new(1);
    let wrong = other.nodes[0].known_hosts_line("127.0.0.1");
    site.oregano.trust(&wrong.replace(&other.nodes[0].port().to_string(), &site.nodes[0].port().to_string()));
    let run = site.run(&["apply", "--only", "nodes"]).expect(4);
    assert!(run.stderr.contains("has changed"), "{}", run.stderr);
}

#[test]
fn a_changed_host_key_is_told_from_an_unknown_one() {
    let site = Site::new(2);
    let wrong = site.nodes[1].known_hosts_line("127.0.0.1");
    let wrong = wrong.replace(&site.nodes[1].port().to_string(), &site.nodes[0].port().to_string());
    std::fs::remove_file(site.oregano.home().join(".ssh/known_hosts")).unwrap();
    site.oregano.trust(&wrong);
    let run = site.run(&["apply", "--only", "nodes", "--limit", "node1"]).expect(4);
    assert!(run.stderr.contains("known_hosts:1") && !run.stderr.contains("ssh-keyscan"), "{}", run.stderr);
}

#[test]
fn a_node_that_is_down_does_not_keep_the_others() {
    let site = Site::new(3);
    site.nodes[1].stop();
    let run = site.run(&["apply", "--only", "nodes"]).expect(4);
    assert!(run.stdout.contains(&recap("node1", [3, 2, 0, 0, 0])), "{}", run.stdout);
    assert!(run.stdout.contains(&recap("node2", [0, 0, 1, 0, 0])), "{}", run.stdout);
    assert!(run.stdout.contains(&recap("node3", [3, 2, 0, 0, 0])), "{}", run.stdout);
    assert!(run.stderr.contains("`node2`"), "{}", run.stderr);
    assert!(site.file(3, DOCKER).unwrap().contains(&auth()));
}

#[test]
fn a_wrong_ssh_password_is_one_failed_login() {
    let mut site = Site::new(1);
    site.unset("ansible_ssh_private_key_file").set("ansible_password", "wrong");
    let run = site.run(&["apply", "--only", "nodes"]).expect(4);
    assert!(run.stderr.contains("could not log in"), "{}", run.stderr);
    // sshd answers before it writes this down.
    let failed = || site.nodes[0].log().matches("Failed password").count();
    eventually("the failed login is logged", || failed() > 0);
    let password = site.nodes[0].password().to_owned();
    site.set("ansible_password", &password);
    site.run(&["apply", "--only", "nodes"]).expect(0);
    assert_eq!(site.nodes[0].log().matches("Failed password").count(), 1, "{}", site.nodes[0].log());
}

#[test]
fn an_agent_that_does_not_answer_holds_nobody_up() {
    let mut site = Site::new(2);
    let socket = site.oregano.home().join("agent");
    // Connections wait in its queue for ever.
    let _agent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    site.oregano.env("SSH_AUTH_SOCK", &socket);
    let key = site.nodes[1].key_file();
    site.unset("ansible_ssh_private_key_file");
    site.host(2, &format!("ansible_ssh_private_key_file={}", key.display()));
    let start = Instant::now();
    let run = site.run(&["apply", "--only", "nodes", "--timeout", "10"]).expect(4);
    assert!(start.elapsed() < Duration::from_secs(20), "it took {:?}", start.elapsed());
    assert!(run.stderr.contains("the ssh-agent did not answer"), "{}", run.stderr);
    assert!(run.stdout.contains(&recap("node1", [0, 0, 1, 0, 0])), "{}", run.stdout);
    assert!(run.stdout.contains(&recap("node2", [3, 2, 0, 0, 0])), "{}", run.stdout);
    let run = site.start(&["apply", "--only", "nodes", "--timeout", "120"]);
    eventually("the other node is looked at", || site.nodes[1].sessions() == 2);
    run.end_at_once("INT");
}

#[test]
fn a_read_only_directory_fails_that_file_only() {
    let site = Site::new(1);
    site.nodes[0].set_readonly("/var/lib/origin/.docker");
    let run = site.run(&["apply", "--only", "nodes"]).expect(2);
    assert!(run.stderr.contains("ead-only file system"), "{}", run.stderr);
    assert!(run.stdout.contains(&recap("node1", [2, 1, 0, 1, 0])), "{}", run.stdout);
    assert!(site.file(1, DOCKER).unwrap().contains(&auth()));
}

#[test]
fn a_bind_mount_of_one_file_is_told_before_anything_is_written() {
    let site = Site::new(1);
    let node = &site.nodes[0];
    node.write(DOCKER, b"{}", 0o600);
    node.write(KUBELET, b"", 0o600);
    assert!(node.sh(&format!("mount --bind {DOCKER} {KUBELET}")).status.success());
    for command in ["plan", "apply"] {
        let run = site.run(&[command, "--only", "nodes"]).expect(2);
        assert!(run.stderr.contains("bind mount") && run.stderr.contains(DOCKER), "{}", run.stderr);
        assert!(run.stdout.contains(&recap("node1", [1, 0, 0, 1, 0])), "{}", run.stdout);
        assert_eq!(site.file(1, DOCKER).as_deref(), Some("{}"));
    }
    // The other half need not be managed.
    let node = &site.nodes[0];
    assert!(node.sh(&format!("umount {KUBELET}; cd /root; echo {{}} >x; mount --bind x {KUBELET}")).status.success());
    let run = site.run(&["apply", "--only", "nodes"]).expect(2);
    assert!(run.stderr.contains("bind mount"), "{}", run.stderr);
    assert!(run.stdout.contains(&recap("node1", [2, 1, 0, 1, 0])), "{}", run.stdout);
}

#[test]
fn a_node_that_drops_the_idle_waits_for_slow_ones_all_the_same() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut site = Site::new(1);
    // It drops who has not answered for six seconds, and asks every two.
    let config = "ClientAliveInterval 2\nClientAliveCountMax 2\n";
    site.add_node(Sshd::start_with(&Options { config, ..Options::default() }));
    site.host(1, &format!("ansible_port={}", silent.local_addr().unwrap().port()));
    let run = site.start(&["apply", "--only", "nodes", "--timeout", "120"]);
    eventually("the node is looked at", || site.nodes[1].sessions() == 1);
    std::thread::sleep(Duration::from_secs(9));
    drop(silent);
    let run = run.wait().expect(4);
    assert!(run.stdout.contains(&recap("node2", [3, 2, 0, 0, 0])), "{}\n{}", run.stdout, run.stderr);
}

#[test]
fn a_file_that_is_no_json_is_named_and_left_untouched() {
    let site = Site::new(2);
    site.nodes[0].write(DOCKER, b"{\"auths\": oops", 0o644);
    let run = site.run(&["apply", "--only", "nodes"]).expect(2);
    assert!(run.stderr.contains(&format!("node1: `{DOCKER}` cannot be merged")), "{}", run.stderr);
    assert!(run.stdout.contains(&recap("node1", [2, 1, 0, 1, 0])), "{}", run.stdout);
    assert!(run.stdout.contains(&recap("node2", [3, 2, 0, 0, 0])), "{}", run.stdout);
    assert_eq!(site.file(1, DOCKER).as_deref(), Some("{\"auths\": oops"));
    assert_eq!(site.nodes[0].mode(DOCKER), Some(0o644));
}

#[test]
fn a_killed_connection_leaves_the_old_file_or_the_new_one() {
    let site = Site::new(1);
    let node = &site.nodes[0];
    // More than the node's pipes hold: the script has all of it only once it has read to the end.
    let old = format!("{{\"auths\":{{}},\"filler\":\"{}\"}}", "x".repeat(500_000));
    // What it does when it is cut off: it looks, makes room, and knows all; it compares, renames, and tidies up.
    for (tool, knows_all) in
        [("head", false), ("mktemp", false), ("tail", true), ("cmp", true), ("mv", true), ("rm", true)]
    {
        node.write(KUBELET, old.as_bytes(), 0o600);
        node.write(DOCKER, old.as_bytes(), 0o600);
        node.hold(tool);
        let run = site.start(&["apply", "--only", "nodes"]);
        eventually("the script is in the middle", || node.holds(tool));
        node.kill_connections();
        let run = run.wait().expect(2);
        // Not that nothing was changed: nobody knows yet.
        let told = "nothing written and read back; 1 of 1 node may not have the credentials: keep the old ones valid\n";
        assert!(run.stderr.ends_with(told), "{tool}: {}", run.stderr);
        node.release(tool);
        // What the node had received is worked off or thrown away; then there is one whole file, and no other.
        eventually("the script ends", || !node.sh("pgrep -f '[o]regano'").status.success());
        let left = node.sh("ls -A /root/.docker /var/lib/origin/.docker | grep -v config.json$").stdout;
        assert_eq!(String::from_utf8(left).unwrap(), "/root/.docker:\n\n/var/lib/origin/.docker:\n", "{tool}");
        let now = site.file(1, KUBELET).unwrap();
        if knows_all {
            let now: serde_json::Value = serde_json::from_str(&now).expect("a whole file");
            assert_eq!(now["auths"][site.key()]["auth"], auth(), "{tool}");
            assert_eq!(now["filler"].as_str().map(str::len), Some(500_000), "{tool}");
        } else {
            assert!(now == old, "{tool}: {} bytes", now.len());
        }
        // It tells of each file, hears that nobody is there, and begins no other.
        assert!(site.file(1, DOCKER).unwrap() == old, "{tool}");
    }
}

// ── cluster ──────────────────────────────────────────────────────────────────────────────────────

#[test]
fn an_api_server_that_is_gone_keeps_the_nodes_unwritten() {
    let kubernetes = Kubernetes::private();
    let mut site = Site::new(1);
    site.cluster(&kubernetes, User::Admin);
    kubernetes.stop();
    let run = site.run(&["apply"]).expect(2);
    assert!(run.stdout.contains("secret openshift/imagestreamsecret : failed"), "{}", run.stdout);
    assert!(run.stdout.contains(&recap("node1", [1, 0, 0, 0, 2])), "{}", run.stdout);
    assert_eq!(site.file(1, DOCKER), None);
}

#[test]
fn an_api_server_that_goes_away_in_the_middle_keeps_the_nodes_unwritten() {
    let kubernetes = Kubernetes::private();
    // Looking at a silent node lasts until its port is closed; the API server has been looked at by then.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut site = Site::new(2);
    site.cluster(&kubernetes, User::Admin);
    site.host(2, &format!("ansible_port={}", silent.local_addr().unwrap().port()));
    let run = site.start(&["apply", "--timeout", "120", "-v"]);
    eventually("the registry is asked", || run.stdout().contains("proved"));
    // The last that is asked, since there is no secret.
    eventually("the API server is looked at", || kubernetes.has_answered("GET", "/api/v1/namespaces/openshift"));
    kubernetes.stop();
    drop(silent);
    let run = run.wait().expect(2);
    assert!(run.stdout.contains("secret openshift/imagestreamsecret : failed"), "{}", run.stdout);
    assert!(run.stdout.contains(&recap("node1", [1, 0, 0, 0, 2])), "{}", run.stdout);
    assert_eq!(site.file(1, DOCKER), None);
}

#[test]
fn somebody_without_rights_is_told_what_is_missing() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let mut site = Site::new(1);
    site.cluster(kubernetes, User::Reader);
    let run = site.run(&["apply"]).expect(2);
    assert!(run.stderr.contains("secrets") && run.stderr.contains("hint:"), "{}", run.stderr);
    assert_eq!(site.file(1, DOCKER), None);
}

#[test]
fn a_secret_of_another_type_is_not_touched() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let mut site = Site::new(1);
    site.cluster(kubernetes, User::Writer);
    let opaque = serde_json::json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "imagestreamsecret"}, "type": "Opaque",
        "data": {".dockerconfigjson": "e30="},
    });
    kubernetes.create("/api/v1/namespaces/openshift/secrets", &opaque);
    let run = site.run(&["apply"]).expect(2);
    assert!(run.stderr.contains("`Opaque`") && run.stderr.contains("oc delete secret"), "{}", run.stderr);
    assert_eq!(site.file(1, DOCKER), None);
    assert_eq!(kubernetes.secret("openshift", "imagestreamsecret").unwrap()["type"], "Opaque");
}
