//! sudo on real nodes: with and without a password, and every reason for which it refuses.

use crate::support::site::{DOCKER, Site, auth, recap};
use crate::support::sshd::{ASKED, PLAIN, REQUIRETTY, SUDOER, Shell};
use crate::support::sshd::{Options, Sshd};

/// A site whose node is reached as `user`, with `become` to root.
fn site(user: &str) -> Site {
    let mut site = Site::new(1);
    site.set("ansible_user", user).set_literal("ansible_become", "True");
    site
}

#[test]
fn sudo_without_a_password() {
    let site = site(SUDOER);
    site.run(&["apply", "--only", "nodes"]).expect(0);
    assert!(site.file(1, DOCKER).unwrap().contains(&auth()));
    assert_eq!(site.nodes[0].owner(DOCKER).as_deref(), Some("root:root"));
}

#[test]
fn sudo_with_its_password() {
    let mut site = site(ASKED);
    let password = site.nodes[0].password().to_owned();
    site.set("ansible_become_password", &password);
    site.run(&["apply", "--only", "nodes"]).expect(0);
    assert!(site.file(1, DOCKER).unwrap().contains(&auth()));
}

#[test]
fn a_password_that_sudo_does_not_ask_for_is_not_sent() {
    let mut site = site(SUDOER);
    // If it were sent, the script would read it instead of its order.
    site.set("ansible_become_password", "write 0");
    site.run(&["apply", "--only", "nodes"]).expect(0);
    assert!(site.file(1, DOCKER).unwrap().contains(&auth()));
}

#[test]
fn sudo_that_requires_a_password_fails_that_node_with_a_hint() {
    let site = site(ASKED);
    let run = site.run(&["apply", "--only", "nodes"]).expect(2);
    assert!(run.stderr.contains("ansible_become_password"), "{}", run.stderr);
    assert!(run.stdout.contains(&recap("node1", [0, 0, 0, 1, 0])), "{}", run.stdout);
}

#[test]
fn a_wrong_sudo_password_is_sent_once() {
    let mut site = site(ASKED);
    site.set("ansible_become_password", "n0t-this-one");
    let run = site.run(&["apply", "--only", "nodes"]).expect(2);
    assert!(run.stderr.contains("sudo"), "{}", run.stderr);
    assert!(!run.stderr.contains("n0t-this-one"), "{}", run.stderr);
    let refused = site.nodes[0].log();
    assert_eq!(refused.matches("Accepted publickey").count(), 1, "{refused}");
    assert_eq!(site.file(1, DOCKER), None);
}

#[test]
fn sudo_that_requires_a_terminal_fails_that_node_with_a_hint() {
    let site = site(REQUIRETTY);
    let run = site.run(&["apply", "--only", "nodes"]).expect(2);
    assert!(run.stderr.contains("requiretty"), "{}", run.stderr);
}

#[test]
fn a_user_without_sudo_rights_and_one_without_become() {
    let mut site = site(PLAIN);
    let run = site.run(&["apply", "--only", "nodes"]).expect(2);
    assert!(run.stderr.contains("sudo"), "{}", run.stderr);
    site.set_literal("ansible_become", "False");
    let run = site.run(&["apply", "--only", "nodes"]).expect(2);
    assert!(run.stderr.contains(DOCKER) && run.stderr.contains("ermission denied"), "{}", run.stderr);
}

#[test]
fn a_node_that_has_only_busybox() {
    let mut site = Site::new(0);
    site.add_node(Sshd::start_with(&Options { shell: Shell::Busybox, ..Options::default() }));
    site.nodes[0].write(DOCKER, b"{\"auths\":{\"a\":{}}}", 0o644);
    let run = site.run(&["apply", "--only", "nodes"]).expect(0);
    assert!(run.stdout.contains(&recap("node1", [3, 2, 0, 0, 0])), "{}", run.stdout);
    assert!(site.file(1, DOCKER).unwrap().contains(&auth()));
    assert_eq!(site.nodes[0].mode(DOCKER), Some(0o600));
    let run = site.run(&["apply", "--only", "nodes"]).expect(0);
    assert!(run.stdout.contains(&recap("node1", [3, 0, 0, 0, 0])), "{}", run.stdout);
}

#[test]
fn become_in_ansible_cfg_applies_to_hosts_that_do_not_set_it() {
    let mut site = Site::new(1);
    site.set("ansible_user", SUDOER);
    site.oregano
        .write("ansible.cfg", "[privilege_escalation]\nbecome = True\nbecome_method = sudo\nbecome_user = root\n");
    site.run(&["apply", "--only", "nodes"]).expect(0);
    assert_eq!(site.nodes[0].owner(DOCKER).as_deref(), Some("root:root"));
    site.oregano.write("ansible.cfg", "[privilege_escalation]\nbecome = True\nbecome_method = su\n");
    let connections = site.nodes[0].connections();
    let run = site.run(&["plan", "--only", "nodes"]).expect(1);
    assert!(
        run.stderr.contains("the value of `become_method` in `") && run.stderr.contains("ansible.cfg`"),
        "{}",
        run.stderr
    );
    assert_eq!(site.nodes[0].connections(), connections);
    // The setting does not matter to a host that sets the variable, and to a run that contacts no node.
    site.run(&["validate"]).expect(0);
    site.set_literal("ansible_become", "False");
    site.run(&["plan", "--only", "nodes"]).expect(2);
}

#[test]
fn remote_port_in_ansible_cfg_applies_to_hosts_that_do_not_set_it() {
    let site = Site::new(1);
    site.oregano.write("ansible.cfg", "[defaults]\nremote_port = 1\n");
    let port = format!("ansible_port={}", site.nodes[0].port());
    let inventory = site.oregano.write("other", site.inventory().replace(&port, ""));
    // Nothing listens on this port.
    let run = site.oregano.run(&["plan", "--only", "nodes", "-i", inventory.to_str().unwrap()]).expect(4);
    assert!(run.stderr.contains("connection refused"), "{}", run.stderr);
}
