//! Nodes that fail: each message says what is wrong, the other nodes are written, and no file is left incomplete.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::process::eventually;
use crate::support::site::{DOCKER, KUBELET, Site, auth, recap};
use crate::support::sshd::{Options, Sshd};

#[test]
fn an_unknown_host_key_is_unreachable_with_a_command_as_the_hint() {
    let site = Site::new(1);
    std::fs::remove_file(site.oregano.home().join(".ssh/known_hosts")).unwrap();
    let run = site.run(&["apply", "--only", "nodes"]).expect(4);
    assert!(run.stderr.contains(&format!("ssh-keyscan -p {} 127.0.0.1", site.nodes[0].port())), "{}", run.stderr);
    assert!(run.stderr.contains("SHA256:"), "{}", run.stderr);
    assert!(run.stdout.contains(&recap("node1", [0, 0, 1, 0, 0])), "{}", run.stdout);
}

#[test]
fn no_host_key_is_required_where_ansible_requires_none() {
    let site = Site::new(1);
    let known = site.oregano.home().join(".ssh/known_hosts");
    std::fs::remove_file(&known).unwrap();
    site.oregano.write("ansible.cfg", "[defaults]\nhost_key_checking = False\n");
    let run = site.run(&["apply", "--only", "nodes"]).expect(0);
    assert!(run.stderr.contains("host key checking is off for 1 of 1 nodes"), "{}", run.stderr);
    assert!(!known.exists(), "nothing is learned by it");
    // If known_hosts has a different key, this is an attack or a mistake, whatever the setting is.
    let other = Site::new(1);
    let wrong = other.nodes[0].known_hosts_line("127.0.0.1");
    site.oregano.trust(&wrong.replace(&other.nodes[0].port().to_string(), &site.nodes[0].port().to_string()));
    let run = site.run(&["apply", "--only", "nodes"]).expect(4);
    assert!(run.stderr.contains("has changed"), "{}", run.stderr);
}

#[test]
fn a_changed_host_key_is_distinguished_from_an_unknown_one() {
    let site = Site::new(2);
    let wrong = site.nodes[1].known_hosts_line("127.0.0.1");
    let wrong = wrong.replace(&site.nodes[1].port().to_string(), &site.nodes[0].port().to_string());
    std::fs::remove_file(site.oregano.home().join(".ssh/known_hosts")).unwrap();
    site.oregano.trust(&wrong);
    let run = site.run(&["apply", "--only", "nodes", "--limit", "node1"]).expect(4);
    assert!(run.stderr.contains("known_hosts:1") && !run.stderr.contains("ssh-keyscan"), "{}", run.stderr);
}

#[test]
fn a_node_that_is_down_does_not_stop_the_others() {
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
    // sshd responds before it writes this to its log.
    let failed = || site.nodes[0].log().matches("Failed password").count();
    eventually("the failed login is logged", || failed() > 0);
    let password = site.nodes[0].password().to_owned();
    site.set("ansible_password", &password);
    site.run(&["apply", "--only", "nodes"]).expect(0);
    assert_eq!(site.nodes[0].log().matches("Failed password").count(), 1, "{}", site.nodes[0].log());
}

#[test]
fn an_agent_that_does_not_respond_does_not_delay_other_nodes() {
    let mut site = Site::new(2);
    let socket = site.oregano.home().join("agent");
    // Connections stay in its queue and are never accepted.
    let _agent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    site.oregano.env("SSH_AUTH_SOCK", &socket);
    let key = site.nodes[1].key_file();
    site.unset("ansible_ssh_private_key_file");
    site.host(2, &format!("ansible_ssh_private_key_file={}", key.display()));
    let start = Instant::now();
    let run = site.run(&["apply", "--only", "nodes", "--timeout", "10"]).expect(4);
    assert!(start.elapsed() < Duration::from_secs(20), "it took {:?}", start.elapsed());
    assert!(run.stderr.contains("the SSH agent did not respond"), "{}", run.stderr);
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
fn a_bind_mount_of_one_file_is_reported_before_anything_is_written() {
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
    // The bind mount is refused also if its source is not a managed file.
    let node = &site.nodes[0];
    assert!(node.sh(&format!("umount {KUBELET}; cd /root; echo {{}} >x; mount --bind x {KUBELET}")).status.success());
    let run = site.run(&["apply", "--only", "nodes"]).expect(2);
    assert!(run.stderr.contains("bind mount"), "{}", run.stderr);
    assert!(run.stdout.contains(&recap("node1", [2, 1, 0, 1, 0])), "{}", run.stdout);
}

#[test]
fn a_node_that_drops_idle_connections_keeps_the_session_while_others_are_slow() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut site = Site::new(1);
    // sshd drops a client that sends nothing for six seconds. An idle client does not respond to requests; it sends its own.
    let config = "ClientAliveInterval 2\nClientAliveCountMax 2\nLogLevel DEBUG1\n";
    site.add_node(Sshd::start_with(&Options { config, ..Options::default() }));
    site.host(1, &format!("ansible_port={}", silent.local_addr().unwrap().port()));
    let run = site.start(&["apply", "--only", "nodes", "--timeout", "120"]);
    eventually("the node is observed", || site.nodes[1].sessions() == 1);
    eventually("the client has sent three keepalive packets", || {
        site.nodes[1].log().matches("rtype keepalive@").count() >= 3
    });
    drop(silent);
    let run = run.wait().expect(4);
    assert!(run.stdout.contains(&recap("node2", [3, 2, 0, 0, 0])), "{}\n{}", run.stdout, run.stderr);
}

#[test]
fn a_file_that_is_not_json_is_named_and_stays_unchanged() {
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
fn a_file_that_changes_during_the_run_is_planned_again_and_reported_as_written() {
    let site = Site::new(1);
    let node = &site.nodes[0];
    node.write(DOCKER, b"{}", 0o600);
    node.hold("mktemp");
    let run = site.start(&["apply", "--only", "nodes", "--output", "json"]);
    eventually("the script has received the new content", || node.holds("mktemp"));
    node.write(DOCKER, br#"{"auths":{"foreign.example.com":{"auth":"Zm9v"}}}"#, 0o644);
    node.release("mktemp");
    let events = run.wait().expect(0).events();
    let rows: Vec<&Value> = events.iter().filter(|event| event["path"] == DOCKER).collect();
    let [row] = rows.as_slice() else { panic!("one row for each file: {rows:?}") };
    // The first plan had no change of the mode.
    let mode = json!({"kind": "mode", "from": "0644", "to": "0600"});
    assert_eq!((&row["outcome"], &row["changes"][1]), (&"updated".into(), &mode));
    let file: Value = serde_json::from_str(&site.file(1, DOCKER).unwrap()).unwrap();
    assert_eq!(file["auths"]["foreign.example.com"], json!({"auth": "Zm9v"}));
    assert_eq!((file["auths"][site.key()]["auth"].as_str(), node.mode(DOCKER)), (Some(auth().as_str()), Some(0o600)));
    assert_eq!(node.sessions(), 2, "only one further connection");
}

#[test]
fn a_killed_connection_leaves_the_old_file_or_the_new_one() {
    let site = Site::new(1);
    let node = &site.nodes[0];
    // More than the pipes of the node hold, so that the script has received it completely only at the end of its input.
    let old = format!("{{\"auths\":{{}},\"filler\":\"{}\"}}", "x".repeat(500_000));
    // What the script does when the connection ends: it reads, creates its folder, has received everything; it compares,
    // renames, and cleans up.
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
        // Before anything is sent, nothing can have changed. Later the run must not claim that, because it is not known.
        let result = if tool == "head" { "nothing was changed" } else { "no change was confirmed" };
        let report = format!(
            "{result}; of 1 node, 1 failed: keep the old credentials valid, fix the errors above, then run again with \
             `--limit node1`\n"
        );
        assert!(run.stderr.ends_with(&report), "{tool}: {}", run.stderr);
        node.release(tool);
        // The node finishes or discards what it had received; then there is one complete file, and no other.
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
        // The script reports each file. It notices that the connection has ended and starts no other file.
        assert!(site.file(1, DOCKER).unwrap() == old, "{tool}");
    }
}
