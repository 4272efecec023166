//! `oregano explain` on this machine, on real nodes, and with the secrets of a real API server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::poison::traces;
use crate::support::kubernetes::{Kubernetes, User};
use crate::support::oregano::{Finished, Oregano};
use crate::support::process::{ClosedPort, eventually, program};
use crate::support::site::{DOCKER, KUBELET};
use crate::support::sshd::{PLAIN, ROOT, Sshd};

const PASSWORD: &str = "Canary-Expl4in'<&>\"x";
const IMAGE: &str = "quay.io/team/app:v1";

/// A `config.json` with these keys and users, all of them with [`PASSWORD`].
pub fn config(entries: &[(&str, &str)]) -> String {
    json!({"auths": legacy(entries)}).to_string()
}

/// The entries themselves.
fn legacy(entries: &[(&str, &str)]) -> Value {
    let entry = |user: &str| json!({"auth": STANDARD.encode(format!("{user}:{PASSWORD}"))});
    entries.iter().map(|(key, user)| ((*key).to_owned(), entry(user))).collect::<serde_json::Map<_, _>>().into()
}

/// Nodes called node1, node2 …, and an inventory of them without any credential.
pub fn fleet(oregano: &Oregano, nodes: &[&Sshd]) -> String {
    let key = nodes[0].key_file().display().to_string();
    let mut text = format!("[all:vars]\nansible_host=127.0.0.1\nansible_user={ROOT}\n");
    text += &format!("ansible_ssh_private_key_file={key}\n[nodes]\n");
    for (at, node) in nodes.iter().enumerate() {
        oregano.trust(&node.known_hosts_line("127.0.0.1"));
        text += &format!("node{} ansible_port={}\n", at + 1, node.port());
    }
    oregano.write("hosts", text).display().to_string()
}

/// No password of the files may show, in whatever is printed.
fn shows_no_password(run: Finished) -> Finished {
    let secrets = ["me", "acme+robot", "acme+old", "pod", "root"].map(|user| (user, PASSWORD));
    let printed = format!("{}{}", run.stdout, run.stderr);
    assert_eq!(traces(&printed, &secrets), Vec::<String>::new(), "{printed}");
    run
}

#[test]
fn nodes_with_equal_results_are_shown_together() {
    let oregano = Oregano::new();
    let nodes = [Sshd::start(), Sshd::start(), Sshd::start()];
    for node in &nodes[..2] {
        let entries = [("quay.io", "acme+old"), ("quay.io/team", "acme+robot")];
        node.write("/var/lib/kubelet/config.json", config(&entries).as_bytes(), 0o600);
        node.write("/run/containers/0/auth.json", config(&[("quay.io/team", "me")]).as_bytes(), 0o600);
        node.write(DOCKER, config(&[("quay.io:443", "root")]).as_bytes(), 0o600);
    }
    nodes[2].write(KUBELET, config(&[("quay.io", "acme+old")]).as_bytes(), 0o600);
    let inventory = fleet(&oregano, &nodes.each_ref());
    let run = shows_no_password(oregano.run(&["explain", IMAGE, "-i", &inventory, "-v"]).expect(0));
    let expected = "\
quay.io/team/app:v1 on 2 nodes: node1, node2
  kubelet: quay.io/team of /var/lib/kubelet/config.json (acme+robot), then quay.io (acme+old)
    `quay.io:443` of /root/.docker/config.json (root) is not used: `/var/lib/kubelet/config.json` comes first, and the search ends there
  cri-o: quay.io/team of /var/lib/kubelet/config.json (acme+robot)
    `quay.io` of /var/lib/kubelet/config.json (acme+old) is not used: `quay.io/team` of the same file has a higher priority
    note: no configuration of CRI-O was found: `global_auth_file` is assumed to be OpenShift's `/var/lib/kubelet/config.json`
  podman: quay.io/team of /run/containers/0/auth.json (me)
    `quay.io:443` of /root/.docker/config.json (root) is not used: `/run/containers/0/auth.json` comes first, and the search ends there
  docker: none
    `quay.io:443` of /root/.docker/config.json (root) is not used: its port differs from that of the image (no port and port 443 are different)
    no match: /root/.docker/config.json
quay.io/team/app:v1 on node3
  kubelet: quay.io of /var/lib/origin/.docker/config.json (acme+old)
  cri-o: none
    missing: /var/lib/kubelet/config.json
    note: no configuration of CRI-O was found: `global_auth_file` is assumed to be OpenShift's `/var/lib/kubelet/config.json`
  podman: none
    missing: /run/containers/0/auth.json, /root/.config/containers/auth.json, /root/.docker/config.json, /root/.dockercfg
  docker: none
    missing: /root/.docker/config.json
";
    assert_eq!(run.stdout, expected);
    for node in &nodes {
        assert_eq!(node.connections(), 1, "one look at a node is one connection");
    }

    let one = oregano.run(&["explain", IMAGE, "-i", &inventory, "--limit", "node3", "--file", DOCKER]).expect(0);
    let note = format!("    note: `{DOCKER}` does not exist\n");
    assert_eq!(one.stdout, format!("quay.io/team/app:v1 on node3\n  kubelet, cri-o, podman, docker: none\n{note}"));
}

#[test]
fn a_node_that_cannot_be_reached_is_reported_and_the_others_are_explained() {
    let oregano = Oregano::new();
    let node = Sshd::start();
    node.write(KUBELET, config(&[("quay.io", "acme+old")]).as_bytes(), 0o600);
    let inventory = fleet(&oregano, &[&node]);
    let text = std::fs::read_to_string(&inventory).unwrap();
    let closed = ClosedPort::new();
    oregano.write("hosts", format!("{text}gone ansible_port={}\n", closed.number()));
    let run = shows_no_password(oregano.run(&["explain", IMAGE, "-i", &inventory]).expect(4));
    assert!(run.stdout.starts_with("quay.io/team/app:v1 on node1\n"), "{}", run.stdout);
    assert!(run.stderr.contains("gone"), "{}", run.stderr);
    let run = shows_no_password(oregano.run(&["explain", IMAGE, "-i", &inventory, "--output", "json"]).expect(4));
    let events = run.events();
    let hosts: Vec<_> = events.iter().map(|event| (event["event"].as_str().unwrap(), event["host"].as_str())).collect();
    let lookup = ("lookup", Some("node1"));
    assert_eq!(hosts, [lookup, lookup, lookup, lookup, ("host", Some("gone"))]);
    assert_eq!(events[4]["outcome"], "unreachable");
}

#[test]
fn no_password_of_a_broken_file_or_of_a_key_is_shown() {
    let oregano = Oregano::new();
    let node = Sshd::start();
    let broken = format!(r#"{{"auths":{{"quay.io":{{"username":{{"{}":1}}}}}}}}"#, PASSWORD.replace('"', "\\\""));
    node.write("/var/lib/kubelet/config.json", broken.as_bytes(), 0o600);
    node.write(DOCKER, config(&[("https://me:hunter2hunter2@quay.io:443", "root")]).as_bytes(), 0o600);
    let inventory = fleet(&oregano, &[&node]);
    for output in ["text", "json"] {
        let run = oregano.run(&["explain", IMAGE, "-i", &inventory, "--output", output, "-vv"]).expect(0);
        let run = shows_no_password(run);
        assert!(!run.stdout.contains("hunter2"), "{}", run.stdout);
        assert!(run.stdout.contains("https://me:[redacted]@quay.io:443"), "{}", run.stdout);
        assert!(run.stdout.contains("a value of the wrong type: `username` of the entry `quay.io`"), "{}", run.stdout);
    }
    let control = Finished { status: 0, stdout: config(&[("quay.io", "me")]), stderr: String::new() };
    assert!(std::panic::catch_unwind(|| shows_no_password(control)).is_err(), "the search finds nothing");
}

#[test]
fn this_machine_is_observed_as_its_environment_says() {
    let mut oregano = Oregano::new();
    oregano.write(".docker/config.json", config(&[("quay.io", "root")]));
    let home = oregano.home().display().to_string();
    let podman = |oregano: &Oregano| -> Value {
        let run = shows_no_password(oregano.run(&["explain", IMAGE, "--output", "json"]).expect(0));
        run.events().into_iter().find(|event| event["consumer"] == "podman").unwrap()
    };
    let found = podman(&oregano);
    let docker = format!("{home}/.docker/config.json");
    let credential = json!({"file": docker, "key": "quay.io", "kind": "login", "user": "root"});
    assert_eq!(found["credentials"], json!([credential]));
    assert_eq!((&found["host"], &found["repository"]), (&Value::Null, &json!("quay.io/team/app")));

    oregano.write("run/containers/auth.json", config(&[("quay.io", "me")]));
    oregano.env("XDG_RUNTIME_DIR", oregano.home().join("run"));
    let found = podman(&oregano);
    assert_eq!(found["credentials"][0]["user"], "me");
    assert_eq!((&found["unused"][0]["file"], &found["unused"][0]["why"]), (&json!(docker), &json!("shadowed")));

    let file = oregano.write("mine.json", config(&[("quay.io/team", "pod")]));
    oregano.env("REGISTRY_AUTH_FILE", file);
    let found = podman(&oregano);
    assert_eq!(found["credentials"][0]["user"], "pod");
    let unused: Vec<_> =
        found["unused"].as_array().unwrap().iter().map(|entry| (&entry["user"], &entry["why"])).collect();
    let variable = json!("variable");
    assert_eq!(unused, [(&json!("me"), &variable), (&json!("root"), &variable)]);

    oregano.env("REGISTRY_AUTH_FILE", "/nowhere/auth.json").env("DOCKER_CONFIG", "/nowhere");
    let run = shows_no_password(oregano.run(&["explain", IMAGE]).expect(0));
    for (consumer, variable, file) in
        [("podman", "REGISTRY_AUTH_FILE", "/nowhere/auth.json"), ("docker", "DOCKER_CONFIG", "/nowhere/config.json")]
    {
        let (_, report) = run.stdout.split_once(&format!("  {consumer}: none\n")).unwrap();
        let shadowed = format!("`quay.io` of {docker} (root) is not used: `{variable}` selects another file");
        let note = format!("note: `{variable}` selects only `{file}`, which does not exist");
        assert!(report.contains(&shadowed) && report.contains(&note), "{consumer}: {}", run.stdout);
    }
    let found = podman(&oregano);
    assert_eq!(found["looked_at"], json!([{"file": "/nowhere/auth.json", "outcome": "missing"}]));
}

#[test]
fn files_that_cannot_be_read_are_reported_with_a_hint() {
    let oregano = Oregano::new();
    oregano.write("bad.json", "{");
    for (words, expected) in [
        (&[IMAGE, "--file", "typo.json"][..], "`typo.json` does not exist"),
        (&["https://me:hunter2@quay.io/app"], "leave `https://` out"),
        (&["docker://quay.io/app"], "leave `docker://` out"),
        (&[IMAGE, "-n", "default"], "run without `--namespace`"),
    ] {
        let run = oregano.run(&[&["explain"], words].concat()).expect(1);
        assert!(run.stderr.contains(expected) && run.stdout.is_empty(), "{words:?}: {}", run.stderr);
        assert!(!run.stderr.contains("hunter2") && !run.stderr.contains("--only"), "{words:?}: {}", run.stderr);
    }
    let run = oregano.run(&["explain", IMAGE, "--file", "bad.json"]).expect(0);
    assert!(run.stdout.contains("docker: none: docker cannot load"), "{}", run.stdout);
}

#[test]
fn files_that_only_root_may_read_are_unknown_to_other_users() {
    let folder = tempfile::tempdir().unwrap();
    let open = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(folder.path(), open(0o755)).unwrap();
    // The folder of the build may not be open to others.
    let binary = folder.path().join("oregano");
    std::fs::copy(env!("CARGO_BIN_EXE_oregano"), &binary).unwrap();
    let file = folder.path().join("config.json");
    std::fs::write(&file, config(&[("quay.io", "root")])).unwrap();
    let explain = |mode| {
        std::fs::set_permissions(&file, open(mode)).unwrap();
        let mut command = std::process::Command::new(program("setpriv"));
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&binary);
        command.args(["explain", IMAGE, "--file"]).arg(&file).env_clear().env("HOME", folder.path());
        let output = command.stdin(std::process::Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().replace(&file.display().to_string(), "FILE")
    };
    let used = "quay.io/team/app:v1 on this machine\n  kubelet, cri-o, podman, docker: quay.io of FILE (root)\n";
    assert_eq!(explain(0o644), used);
    let report = explain(0o600);
    let unknown = "  kubelet, cri-o: not known: only root can read `FILE` (run as root)\n";
    assert!(report.contains(unknown), "{report}");
    assert!(report.contains("  podman: fails: `FILE` cannot be read: Permission denied\n"), "{report}");
    assert!(!report.contains("(root)\n") && report.contains("docker: none: docker cannot load"), "{report}");
}

#[test]
fn files_that_only_root_may_read_on_a_node_are_unknown_to_its_login_user() {
    let (oregano, node) = (Oregano::new(), Sshd::start());
    node.write("/var/lib/kubelet/config.json", config(&[("quay.io", "acme+old")]).as_bytes(), 0o600);
    node.write(DOCKER, config(&[("quay.io", "root")]).as_bytes(), 0o600);
    let inventory = fleet(&oregano, &[&node]);
    let text = std::fs::read_to_string(&inventory).unwrap();
    oregano.write("hosts", text.replace(&format!("ansible_user={ROOT}"), &format!("ansible_user={PLAIN}")));
    let run = shows_no_password(oregano.run(&["explain", IMAGE, "-i", &inventory]).expect(2));
    let hint = "(log in as root, or set `ansible_become: true`)";
    let unknown = format!("not known: only root can read `/var/lib/kubelet/config.json` {hint}\n");
    assert!(run.stdout.contains(&format!("\n  kubelet: {unknown}")), "{}", run.stdout);
    for consumer in ["cri-o", "podman", "docker"] {
        let line =
            run.stdout.lines().find(|line| line.trim_start().starts_with(&format!("{consumer}:"))).or_else(|| {
                // Consumers with equal results share a line.
                run.stdout.lines().find(|line| line.contains(consumer) && line.contains(": not known"))
            });
        let line = line.unwrap_or_else(|| panic!("{consumer}: {}", run.stdout));
        assert!(line.contains(": not known: only root can read `/") && line.matches('/').count() <= 6, "{line}");
    }
    let run = shows_no_password(oregano.run(&["explain", IMAGE, "-i", &inventory, "--output", "json"]).expect(2));
    let kubelet = run.events().into_iter().find(|event| event["consumer"] == "kubelet").unwrap();
    assert_eq!((&kubelet["hidden"], &kubelet["unused"]), (&json!("/var/lib/kubelet/config.json"), &json!([])));
    // The reason is stated once, also where the files are managed.
    oregano.write(
        "hosts",
        std::fs::read_to_string(&inventory).unwrap()
            + "[all:vars]\noreg_url=quay.io/x/${component}\noreg_auth_user=a\noreg_auth_password=b12345\n",
    );
    let run = oregano.run(&["plan", "-i", &inventory, "--only", "nodes", "--from", "first-node", "-T", "2"]);
    assert!(
        run.stderr.contains(
            "`/root/.docker/config.json` cannot be read\n  caused by: Permission denied\nhint: log in as root"
        ),
        "{}",
        run.stderr
    );
}

#[test]
fn a_managed_file_that_no_consumer_reads_is_reported() {
    let (oregano, node) = (Oregano::new(), Sshd::start());
    let inventory = fleet(&oregano, &[&node]);
    let managed = "/etc/pull/config.json";
    node.write(managed, config(&[("quay.io", "acme+old")]).as_bytes(), 0o600);
    let text = std::fs::read_to_string(&inventory).unwrap();
    oregano.write("hosts", text.replace("[nodes]\n", "docker_auth_credentials_path=/etc/pull\n[nodes]\n"));
    let run = shows_no_password(oregano.run(&["explain", IMAGE, "-i", &inventory]).expect(0));
    let note = format!("\n  note: `apply` manages `{managed}`, but none of these consumers searches it by default\n");
    assert!(run.stdout.ends_with(&note), "{}", run.stdout);
    let run = oregano.run(&["explain", IMAGE, "-i", &inventory, "--output", "json"]).expect(0);
    assert_eq!(
        run.events().last().unwrap(),
        &json!({"version": 1, "event": "unread-file", "host": "node1", "path": managed})
    );
    // A consumer that reads it through a link reads it.
    assert!(
        node.sh("mkdir -p /root/.docker && ln -s /etc/pull/config.json /root/.docker/config.json").status.success()
    );
    let run = shows_no_password(oregano.run(&["explain", IMAGE, "-i", &inventory]).expect(0));
    assert!(run.stdout.contains("podman") && !run.stdout.contains("note: `apply`"), "{}", run.stdout);
}

#[test]
fn docker_prefers_the_entry_of_a_variable() {
    let mut oregano = Oregano::new();
    oregano.write(".docker/config.json", config(&[("quay.io", "root")]));
    oregano.env("DOCKER_AUTH_CONFIG", config(&[("quay.io", "me")]));
    let home = oregano.home().display().to_string();
    let run = shows_no_password(oregano.run(&["explain", IMAGE]).expect(0));
    let expected = format!(
        "\n  docker: quay.io of DOCKER_AUTH_CONFIG (me)\n    `quay.io` of {home}/.docker/config.json (root) is not used: \
         `DOCKER_AUTH_CONFIG` has a higher priority\n    note: docker reads `DOCKER_AUTH_CONFIG` since version 28.3\n"
    );
    assert!(run.stdout.ends_with(&expected), "{}", run.stdout);
    let run = shows_no_password(oregano.run(&["explain", IMAGE, "--output", "json"]).expect(0));
    let docker = run.events().into_iter().find(|event| event["consumer"] == "docker").unwrap();
    let credential = json!({"variable": "DOCKER_AUTH_CONFIG", "key": "quay.io", "kind": "login", "user": "me"});
    assert_eq!((&docker["credentials"], &docker["unused"][0]["why"]), (&json!([credential]), &json!("environment")));
    // A question about a named file is not about the environment.
    let file = format!("{home}/.docker/config.json");
    let run = oregano.run(&["explain", IMAGE, "--file", &file]).expect(0);
    assert!(!run.stdout.contains("DOCKER_AUTH_CONFIG"), "{}", run.stdout);
}

#[test]
fn a_pipe_is_not_waited_for() {
    let oregano = Oregano::new();
    let pipe = oregano.home().join("pipe");
    assert!(std::process::Command::new(program("mkfifo")).arg(&pipe).status().unwrap().success());
    let run = oregano.run(&["explain", IMAGE, "--file", "pipe"]).expect(0);
    assert!(run.stdout.contains("kubelet: none\n    pipe is not used: it is not a regular file\n"), "{}", run.stdout);
    assert!(run.stdout.contains("cri-o, podman: fails: `pipe` is not a regular file\n"), "{}", run.stdout);
}

#[test]
fn ctrl_c_while_a_node_is_silent_is_reported() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let oregano = Oregano::new();
    let port = silent.local_addr().unwrap().port();
    let inventory = oregano.write("hosts", format!("[nodes]\nnode1 ansible_host=127.0.0.1 ansible_port={port}\n"));
    let run = oregano.start(&["explain", IMAGE, "-i", inventory.to_str().unwrap(), "--output", "json"]);
    silent.set_nonblocking(true).unwrap();
    let connection = std::cell::RefCell::new(None);
    eventually("the node is looked at", || {
        connection.replace(silent.accept().ok());
        connection.borrow().is_some()
    });
    run.signal("INT");
    let run = run.wait().expect(130);
    let events = run.events();
    let names: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["host", "interrupted"]);
    assert_eq!(events[0]["outcome"], "skipped");
}

#[test]
fn the_secrets_of_a_service_account_come_first() {
    let (oregano, kubernetes) = (Oregano::new(), Kubernetes::shared());
    let namespace = "explain";
    kubernetes.namespace(namespace);
    kubernetes.create_secret(namespace, "pull", &config(&[("quay.io", "pod")]));
    let secrets = format!("/api/v1/namespaces/{namespace}/secrets");
    kubernetes.create(
        &secrets,
        &json!({"metadata": {"name": "opaque"}, "data": {".dockerconfigjson": STANDARD.encode(config(&[("quay.io", "me")]))}}),
    );
    let bytes = STANDARD.encode(legacy(&[("quay.io/team", "acme+robot")]).to_string());
    kubernetes.create(
        &secrets,
        &json!({"metadata": {"name": "older"}, "type": "kubernetes.io/dockercfg", "data": {".dockercfg": bytes}}),
    );
    let names = ["missing", "opaque", "pull", "older"].map(|name| json!({"name": name}));
    let account = json!({"metadata": {"name": "builder"}, "imagePullSecrets": names});
    kubernetes.create(&format!("/api/v1/namespaces/{namespace}/serviceaccounts"), &account);

    let file = oregano.write("config.json", config(&[("quay.io", "acme+old")])).display().to_string();
    let run = |user: User, account: &str| {
        let kubeconfig = kubernetes.kubeconfig(user).display().to_string();
        let words = ["explain", IMAGE, "--file", &file, "--kubeconfig", &kubeconfig, "-n", namespace];
        shows_no_password(oregano.run(&[words.as_slice(), &["--service-account", account]].concat()))
    };
    let found = run(User::Admin, "builder").expect(0);
    let expected = format!(
        "\
quay.io/team/app:v1 on this machine
  kubelet: quay.io/team of secret older (acme+robot), then quay.io of secret pull (pod), then quay.io of {file} (acme+old)
    secret missing is not used: it does not exist
    secret opaque is not used: the kubelet does not use secrets of type `Opaque`
  cri-o, podman, docker: quay.io of {file} (acme+old)
"
    );
    assert_eq!(found.stdout, expected);
    let none = run(User::Admin, "nobody").expect(1);
    assert!(none.stderr.contains("service account `explain/nobody` does not exist"), "{}", none.stderr);
    let refused = run(User::Writer, "builder").expect(1);
    assert!(
        refused.stderr.contains("cannot be read") && refused.stderr.contains("serviceaccounts"),
        "{}",
        refused.stderr
    );
}

#[test]
fn conflicting_options_are_rejected() {
    let oregano = Oregano::new();
    for words in [
        ["-u", "root", "", ""],
        ["--kubeconfig", "/none", "", ""],
        ["--service-account", "builder", "", ""],
        ["-i", "node1,", "--file", "config.json"],
        ["-n", "a/b", "", ""],
        ["-e", "x=1", "", ""],
        ["-J", "", "", ""],
        ["--vault-password-file", "/none", "", ""],
    ] {
        let words: Vec<&str> =
            ["explain", IMAGE].into_iter().chain(words.into_iter().filter(|word| !word.is_empty())).collect();
        oregano.run(&words).expect(64);
    }
    let run = oregano.run(&["explain", "quay.io/Team/app"]).expect(1);
    assert!(run.stderr.contains("the repository must be in lower case"), "{}", run.stderr);
}
