//! Login to a node: key file, agent, default identity, password; and the messages when it fails.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::process::{Process, command, eventually, program, run};
use crate::support::site::{Site, recap};

/// A site whose inventory contains no key.
fn keyless() -> Site {
    let mut site = Site::new(1);
    site.unset("ansible_ssh_private_key_file");
    site
}

#[test]
fn login_with_a_key_of_the_agent() {
    let mut site = keyless();
    let socket = site.oregano.home().join("agent");
    let mut agent = command(&program("ssh-agent"));
    agent.arg("-D").arg("-a").arg(&socket);
    let _agent = Process::start(agent, &site.oregano.home().join("agent.log"));
    eventually("the agent listens", || socket.exists());
    site.oregano.env("SSH_AUTH_SOCK", &socket);
    let without = site.run(&["apply", "--only", "nodes"]).expect(4);
    assert!(without.stderr.contains("agent"), "{}", without.stderr);
    run(Command::new("ssh-add").arg("-q").arg(site.nodes[0].key_file()).env("SSH_AUTH_SOCK", &socket));
    site.run(&["apply", "--only", "nodes"]).expect(0);
}

#[test]
fn an_agent_that_does_not_respond_ends_in_a_timeout() {
    let mut site = keyless();
    let socket = site.oregano.home().join("agent");
    let _silent = UnixListener::bind(&socket).unwrap();
    site.oregano.env("SSH_AUTH_SOCK", &socket);
    let start = Instant::now();
    let run = site.run(&["apply", "--only", "nodes", "--timeout", "2"]).expect(4);
    assert!(start.elapsed() < Duration::from_secs(8), "it took {:?}", start.elapsed());
    assert!(run.stderr.contains("agent"), "{}", run.stderr);
    assert!(run.stdout.contains(&recap("node1", [0, 0, 1, 0, 0])), "{}", run.stdout);
}

#[test]
fn the_default_identity_and_the_options_of_the_command_line() {
    let mut site = keyless();
    site.unset("ansible_user");
    let key = fs::read(site.nodes[0].key_file()).unwrap();
    let file = site.oregano.write(".ssh/id_ed25519", &key);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    site.run(&["apply", "--only", "nodes", "-u", "root"]).expect(0);
    let elsewhere = site.oregano.write("key", &key);
    fs::remove_file(&file).unwrap();
    site.run(&["apply", "--only", "nodes", "-u", "root"]).expect(4);
    site.run(&["apply", "--only", "nodes", "-u", "root", "--private-key", elsewhere.to_str().unwrap()]).expect(0);
}

#[test]
fn a_locked_key_and_a_missing_one_are_named() {
    let mut site = keyless();
    let locked = site.oregano.home().join("locked");
    run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "hunter2", "-f"]).arg(&locked));
    site.set("ansible_ssh_private_key_file", locked.to_str().unwrap());
    let run = site.run(&["apply", "--only", "nodes"]).expect(4);
    assert!(run.stderr.contains("passphrase") && run.stderr.contains("ssh-add"), "{}", run.stderr);
    site.set("ansible_ssh_private_key_file", "/nowhere/key");
    let run = site.run(&["apply", "--only", "nodes"]).expect(4);
    assert!(run.stderr.contains("`/nowhere/key`"), "{}", run.stderr);
}

#[test]
fn hashed_names_in_known_hosts_are_found_and_revoked_keys_refused() {
    let site = Site::new(1);
    let file = site.oregano.home().join(".ssh/known_hosts");
    run(Command::new("ssh-keygen").args(["-H", "-f"]).arg(&file));
    assert!(fs::read_to_string(&file).unwrap().starts_with("|1|"));
    site.run(&["apply", "--only", "nodes"]).expect(0);
    site.oregano.trust(&format!("@revoked {}", site.nodes[0].known_hosts_line("127.0.0.1")));
    let run = site.run(&["apply", "--only", "nodes"]).expect(4);
    assert!(run.stderr.contains("revoked"), "{}", run.stderr);
}
