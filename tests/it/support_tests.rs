//! Each server of the support does what its documentation says: a test of the product is only as good as the server that
//! it uses.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output, Stdio};

use serde_json::json;

use crate::support::certificate::Signer;
use crate::support::http::{self, basic};
use crate::support::kubernetes::{Kubernetes, User};
use crate::support::oregano::Oregano;
use crate::support::process::{eventually, program};
use crate::support::registry::{Auth, Registry, Transport};
use crate::support::sshd::{ASKED, Listen, Options, PLAIN, REQUIRETTY, ROOT, SUDOER, Shell, Sshd};

// ── nodes ────────────────────────────────────────────────────────────────────────────────────────

/// OpenSSH's client, without the configuration of this machine.
fn ssh(node: &Sshd, user: &str, address: &str, script: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let known_hosts = folder.path().join("known_hosts");
    fs::write(&known_hosts, node.known_hosts_line(address) + "\n").unwrap();
    Command::new("ssh")
        .args(["-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-p", &node.port().to_string()])
        .arg("-o")
        .arg(format!("UserKnownHostsFile={}", known_hosts.display()))
        .arg("-i")
        .arg(node.key_file())
        .args([&format!("{user}@{address}"), script])
        .env_remove("SSH_AUTH_SOCK")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap().trim_end()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap().trim_end()
}

#[test]
fn a_node_has_files_of_its_own() {
    let (one, other) = (Sshd::start(), Sshd::start());
    let path = "/root/.docker/config.json";
    one.write(path, b"{}", 0o640);
    one.write("/var/lib/origin/.docker/config.json", b"{\"auths\":{}}", 0o600);

    assert_eq!(stdout(&ssh(&one, ROOT, "127.0.0.1", "cat .docker/config.json")), "{}");
    assert_eq!(one.read(path).as_deref(), Some(&b"{}"[..]));
    assert_eq!(one.mode(path), Some(0o640));
    assert_eq!(one.mode("/root/.docker"), Some(0o700));
    assert_eq!(one.owner(path).as_deref(), Some("root:root"));
    assert_eq!(other.read(path), None);
    assert_eq!(other.mode(path), None);
    assert!(!fs::exists("/var/lib/origin/.docker").unwrap_or(false), "a test wrote to the machine itself");
}

#[test]
fn a_node_logs_connections_and_sessions() {
    let node = Sshd::start();
    assert_eq!((node.connections(), node.sessions()), (0, 0));
    assert!(ssh(&node, ROOT, "127.0.0.1", "true").status.success());
    assert!(ssh(&node, PLAIN, "127.0.0.1", "true").status.success());
    eventually("two sessions", || (node.connections(), node.sessions()) == (2, 2));
}

#[test]
fn a_node_has_every_kind_of_sudo() {
    let node = Sshd::start();
    let sudo = |user, script| ssh(&node, user, "127.0.0.1", script);

    assert_eq!(stdout(&sudo(SUDOER, "sudo -n id -u")), "0");
    assert_eq!(stderr(&sudo(ASKED, "sudo -n id -u")), "sudo: a password is required");
    let script = format!("echo '{}' | sudo -S -p '<nonce>' id -u", node.password());
    let asked = sudo(ASKED, &script);
    assert_eq!((stdout(&asked), stderr(&asked)), ("0", "<nonce>"));
    assert!(stderr(&sudo(REQUIRETTY, "sudo -n id -u")).contains("you must have a tty"));
    assert!(!sudo(PLAIN, "sudo -n id -u").status.success());
    assert_eq!(stdout(&sudo(PLAIN, "id -un")), PLAIN);
}

#[test]
fn a_node_accepts_its_password_and_no_other() {
    let node = Sshd::start_with(&Options { password: Some("it's $HOME".to_owned()), ..Options::default() });
    assert_eq!(node.password(), "it's $HOME");
    for (password, accepted) in [("it's $HOME", true), ("wrong", false)] {
        let oregano = Oregano::new();
        let ask = oregano.write("ask", format!("#!/bin/sh\ncat <<'end'\n{password}\nend\n"));
        fs::set_permissions(&ask, fs::Permissions::from_mode(0o700)).unwrap();
        let output = Command::new("setsid")
            .args(["--wait", "ssh", "-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "PubkeyAuthentication=no"])
            .args(["-o", "UserKnownHostsFile=/dev/null", "-o", "NumberOfPasswordPrompts=1"])
            .args(["-p", &node.port().to_string(), &format!("{PLAIN}@127.0.0.1"), "true"])
            .env("SSH_ASKPASS", &ask)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.success(), accepted, "{password}: {}", stderr(&output));
    }
}

#[test]
fn a_node_listens_on_many_addresses() {
    let node = Sshd::start_with(&Options { listen: Listen::AllLoopback, ..Options::default() });
    for address in ["127.0.0.1", "127.0.0.99", "127.1.2.3"] {
        assert_eq!(stdout(&ssh(&node, ROOT, address, "echo here")), "here");
    }
}

#[test]
fn a_busybox_node_has_no_other_tools() {
    let node = Sshd::start_with(&Options { shell: Shell::Busybox, ..Options::default() });
    let here = |user, script| ssh(&node, user, "127.0.0.1", script);
    assert_eq!(stdout(&here(ROOT, "echo $PATH")), "/run/node/bin");
    assert!(stdout(&here(ROOT, "/bin/sh --help 2>&1 || true")).contains("BusyBox"));
    assert!(stdout(&here(ROOT, "dd --help 2>&1 || true")).contains("BusyBox"));
    assert!(!here(ROOT, "perl -v").status.success());
    assert_eq!(stdout(&here(SUDOER, "sudo -n sh -c 'echo $PATH; id -u'")), "/run/node/bin\n0");
}

#[test]
fn nodes_can_fail() {
    let node = Sshd::start();
    node.write("/root/.docker/config.json", b"{}", 0o600);
    node.set_readonly("/root/.docker");
    let refused = ssh(&node, ROOT, "127.0.0.1", "echo >/root/.docker/other");
    assert!(stderr(&refused).contains("Read-only file system"), "{}", stderr(&refused));

    std::thread::scope(|scope| {
        let script = "echo $$ >/root/id; sleep 300; echo over";
        let cut = scope.spawn(|| ssh(&node, ROOT, "127.0.0.1", script));
        eventually("the script runs", || node.read("/root/id").is_some_and(|id| id.ends_with(b"\n")));
        node.kill_connections();
        assert_eq!(cut.join().unwrap().status.code(), Some(255));
        assert!(node.sh("kill -0 $(cat /root/id)").status.success(), "the script ended with its connection");
        node.kill_everything();
        // A killed process exists until its parent has read its exit status.
        eventually("the script ends with its node", || !node.sh("kill -0 $(cat /root/id)").status.success());
    });
    assert_eq!(stdout(&ssh(&node, ROOT, "127.0.0.1", "echo again")), "again");

    node.stop();
    assert!(stderr(&ssh(&node, ROOT, "127.0.0.1", "true")).contains("Connection refused"));
}

// ── registries ───────────────────────────────────────────────────────────────────────────────────

const USERS: &[(&str, &str)] = &[("builder", "s3cr:et'\"#$x"), ("12345|robot", "other")];
/// Without it the registry looks for a manifest type that was not pushed.
const ACCEPT: (&str, &str) = ("Accept", "application/vnd.docker.distribution.manifest.v2+json");
const CA: Transport = Transport::Tls(Signer::Authority);
const SELF: Transport = Transport::Tls(Signer::Itself);

/// Inspects an image with skopeo; `trust` is a folder with a certificate to accept.
fn skopeo(registry: &Registry, image: &str, user: &str, password: &str, verify: bool) -> Output {
    let trust = tempfile::tempdir().unwrap();
    if verify {
        fs::copy(registry.ca_file(), trust.path().join("ca.crt")).unwrap();
    }
    Command::new(program("skopeo"))
        .args(["inspect", "--raw", "--creds", &format!("{user}:{password}"), "--cert-dir"])
        .arg(trust.path())
        .arg(format!("--tls-verify={verify}"))
        .arg(format!("docker://{}/{image}", registry.host()))
        .env("HOME", trust.path())
        .output()
        .unwrap()
}

#[test]
fn a_basic_registry_counts_wrong_passwords() {
    let registry = Registry::start(Auth::Basic, Transport::Http, USERS);
    let (user, password) = USERS[0];
    let digest = registry.push("openshift3/ose-pod", "v3.11", user, password);
    assert_eq!(registry.failed_logins(), 0);
    assert_eq!(registry.requests(), []);

    let url = format!("http://{}/v2/openshift3/ose-pod/manifests/v3.11", registry.host());
    let head = |authorization: Option<String>| {
        let headers: Vec<_> = authorization.iter().map(|value| ("Authorization", value.as_str())).collect();
        http::request("HEAD", &url, &[&headers[..], &[ACCEPT]].concat(), b"")
    };
    assert_eq!(head(None).headers["www-authenticate"], "Basic realm=\"registry\"");
    assert_eq!(registry.failed_logins(), 0, "an unauthenticated request is no failed login");
    assert_eq!(head(Some(basic(user, "wrong"))).status, 401);
    assert_eq!(registry.failed_logins(), 1);
    assert_eq!(head(Some(basic("nobody", password))).status, 401);
    assert_eq!(registry.failed_logins(), 2);
    assert_eq!(head(Some(basic(user, password))).headers["docker-content-digest"], digest);
    assert_eq!(head(Some(basic("12345|robot", "other"))).status, 200);
    assert_eq!(registry.failed_logins(), 2);

    assert!(skopeo(&registry, "openshift3/ose-pod:v3.11", user, password, false).status.success());
    eventually("skopeo's requests are logged", || {
        registry.requests().iter().any(|request| request.status == 200 && request.path.ends_with("/manifests/v3.11"))
    });
}

#[test]
fn a_token_registry_counts_wrong_passwords() {
    for realm in [Transport::Http, CA, SELF] {
        let registry = Registry::start(Auth::Token(realm), Transport::Http, USERS);
        let (user, password) = USERS[0];
        registry.push("builder/app", "v1", user, password);

        let url = format!("http://{}/v2/builder/app/manifests/v1", registry.host());
        let challenge = http::request("HEAD", &url, &[], b"").headers["www-authenticate"].clone();
        assert!(challenge.starts_with("Bearer realm=\"http"), "{challenge}");
        let realm = challenge.split('"').nth(1).unwrap();
        let ask = |scope: &str, headers: &[(&str, &str)]| {
            http::request("GET", &format!("{realm}?service=registry&scope=repository:{scope}:pull"), headers, b"")
        };
        assert_eq!(ask("builder/app", &[]).status, 401);
        assert_eq!(registry.failed_logins(), 0, "an unauthenticated request is no failed login");
        assert_eq!(ask("builder/app", &[("Authorization", &basic(user, "wrong"))]).status, 401);
        assert_eq!(registry.failed_logins(), 1);

        let answer = ask("builder/app", &[("Authorization", &basic(user, password))]);
        let token: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
        assert_eq!(http::request("HEAD", &url, &[ACCEPT, ("Authorization", &bearer)], b"").status, 200);

        // Logged in, no permission: a token without access.
        let answer = ask("other/app", &[("Authorization", &basic(user, password))]);
        let token: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
        let url = format!("http://{}/v2/other/app/manifests/v1", registry.host());
        let denied = http::request("HEAD", &url, &[("Authorization", &bearer)], b"");
        assert_eq!(denied.status, 401);
        assert!(denied.headers["www-authenticate"].contains("error=\"insufficient_scope\""));
        assert_eq!(registry.failed_logins(), 1);
    }
}

#[test]
fn a_registry_speaks_tls_that_needs_its_authority() {
    for transport in [CA, SELF] {
        let registry = Registry::start(Auth::Basic, transport, USERS);
        let (user, password) = USERS[0];
        registry.push("openshift3/ose-pod", "v3.11", user, password);
        let image = "openshift3/ose-pod:v3.11";
        let trusted = skopeo(&registry, image, user, password, true);
        assert!(trusted.status.success(), "{}", stderr(&trusted));

        let plain = format!("http://{}/v2/", registry.host());
        assert_eq!(http::request("GET", &plain, &[], b"").status, 400, "plain HTTP is not answered");
        registry.stop();
        assert!(http::try_request("GET", &plain, &[], b"").is_err());
    }
}

#[test]
fn an_anonymous_registry_requires_no_credentials() {
    let registry = Registry::start(Auth::Anonymous, Transport::Http, &[]);
    registry.push("openshift3/ose-pod", "v3.11", "", "");
    let url = format!("http://{}/v2/openshift3/ose-pod/manifests/v3.11", registry.host());
    assert_eq!(http::request("GET", &url, &[ACCEPT], b"").status, 200);
    assert!(registry.log().contains("/manifests/v3.11"));
}

#[test]
fn the_token_server_speaks_tls_that_needs_its_authority() {
    let registry = Registry::start(Auth::Token(SELF), SELF, USERS);
    assert!(fs::read_to_string(registry.realm_ca_file()).unwrap().contains("BEGIN CERTIFICATE"));
    assert_ne!(registry.realm_ca_file(), registry.ca_file());
    registry.push("builder/app", "v1", "builder", USERS[0].1);
}

// ── Kubernetes ───────────────────────────────────────────────────────────────────────────────────

#[test]
fn the_users_of_the_cluster_have_exactly_their_rights() {
    let cluster = Kubernetes::shared();
    cluster.namespace("rights");
    let secrets = "/api/v1/namespaces/rights/secrets";
    let secret = json!({"metadata": {"name": "one"}, "stringData": {"key": "value"}});
    let ask = |user, method, path: &str, body| cluster.api_as(user, method, path, body).status;

    assert_eq!(ask(User::Reader, "GET", &format!("{secrets}/one"), None), 403);
    assert_eq!(ask(User::Reader, "POST", secrets, Some(&secret)), 403);
    assert_eq!(ask(User::Writer, "POST", secrets, Some(&secret)), 201);
    assert_eq!(ask(User::Writer, "GET", &format!("{secrets}/one"), None), 200);
    assert_eq!(ask(User::Writer, "GET", secrets, None), 403);
    assert_eq!(ask(User::Writer, "DELETE", &format!("{secrets}/one"), None), 403);
    assert_eq!(ask(User::Writer, "GET", "/api/v1/namespaces/default/secrets/one", None), 403);
    assert_eq!(ask(User::Admin, "DELETE", &format!("{secrets}/one"), None), 200);
}

#[test]
fn kubectl_and_the_api_show_the_same_secret() {
    let (cluster, _openshift) = Kubernetes::shared_openshift();
    assert_eq!(cluster.secret_json("openshift", "imagestreamsecret"), None);
    cluster.create_secret("openshift", "imagestreamsecret", r#"{"auths":{"quay.io":{"auth":"YTpi"}}}"#);
    let content = cluster.secret_json("openshift", "imagestreamsecret").unwrap();
    assert_eq!(content, json!({"auths": {"quay.io": {"auth": "YTpi"}}}));

    let shown = cluster.kubectl(&["get", "secret", "imagestreamsecret", "-n", "openshift", "-o", "jsonpath={.type}"]);
    assert_eq!(stdout(&shown), "kubernetes.io/dockerconfigjson", "{}", stderr(&shown));
    let version = stdout(&cluster.kubectl(&["version"])).to_owned();
    assert!(version.contains("Server Version: v1."), "{version}");

    // kubectl keeps a cache in its home.
    let home = tempfile::tempdir().unwrap();
    let as_writer = Command::new(program("kubectl"))
        .arg("--kubeconfig")
        .arg(cluster.kubeconfig(User::Writer))
        .args(["get", "secret", "imagestreamsecret", "-n", "openshift", "-o", "name"])
        .env("HOME", home.path())
        .output()
        .unwrap();
    assert_eq!(stdout(&as_writer), "secret/imagestreamsecret", "{}", stderr(&as_writer));
}

#[test]
fn openshift_is_empty_for_every_test() {
    for _ in 0..2 {
        let (cluster, _openshift) = Kubernetes::shared_openshift();
        assert_eq!(cluster.secret("openshift", "left"), None);
        cluster.create_secret("openshift", "left", "{}");
    }
}

#[test]
fn a_private_cluster_can_be_killed() {
    let cluster = Kubernetes::private();
    assert_ne!(cluster.url(), Kubernetes::shared().url());
    cluster.stop();
    assert!(http::try_request("GET", &format!("{}/readyz", cluster.url()), &[], b"").is_err());
    assert_eq!(Kubernetes::shared().api("GET", "/readyz", None).status, 200);
}

// ── the binary ───────────────────────────────────────────────────────────────────────────────────

#[test]
fn the_binary_runs_in_the_home_of_its_user() {
    let oregano = Oregano::new();
    let finished = oregano.run(&["--version"]).expect(0);
    assert_eq!(finished.stdout, concat!("oregano ", env!("CARGO_PKG_VERSION"), "\n"));
    oregano.trust("[127.0.0.1]:22 ssh-ed25519 AAAA");
    assert!(oregano.home().join(".ssh/known_hosts").exists());
    assert_eq!(fs::read_dir(oregano.temporary()).unwrap().count(), 0);
}

#[test]
fn ansible_is_installed() {
    let version = Command::new(program("ansible-inventory")).arg("--version").output().unwrap();
    assert!(stdout(&version).starts_with("ansible-inventory [core 2.19."), "{}", stderr(&version));
}
