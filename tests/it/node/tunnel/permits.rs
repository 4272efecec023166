//! Which connections an sshd permits: a node that permits only some destinations is used for those, and the run reports
//! which ones are forbidden.

use super::{Inside, NAME, assert_has, rows};
use crate::support::site::{PASSWORD, USER, recap};
use crate::support::sshd::{Options, Sshd};

impl Inside {
    /// Adds the registry to the inventory once more, as `localhost`, with more keys.
    fn twice(&mut self, password: &str, more: &str) {
        let entry = format!(
            "[{{'host': '{}', 'user': '{USER}', 'password': r'''{password}''', 'test_image': 'openshift3/ose-pod:v3.11'{more}}}]",
            self.second()
        );
        self.site.set_literal("openshift_additional_registry_credentials", &entry);
    }

    fn second(&self) -> String {
        format!("localhost:{}", self.site.registry.port())
    }

    fn second_row(&self, from: &str, verdict: &str) -> String {
        self.row(from, verdict).replace(NAME, "localhost")
    }

    /// Adds a node whose sshd connects only to these `host:port`.
    fn add_node_that_permits(&mut self, places: &str) {
        self.add_node(Options::default(), "127.0.0.1 registry.internal proxy.internal");
        permit(self.site.nodes.last().unwrap(), places);
    }
}

/// sshd reads its configuration again for each connection.
fn permit(node: &Sshd, places: &str) {
    assert!(node.sh(&format!("echo 'PermitOpen {places}' >>/run/node/sshd_config")).status.success());
}

#[test]
fn connections_that_sshd_forbids_have_a_separate_row() {
    let mut inside = Inside::new(0);
    inside.twice(PASSWORD, "");
    let (allowed, forbidden) = (inside.host(), inside.second());
    inside.add_node_that_permits(&allowed);
    let run = inside.site.run(&["validate", "--from", "first-node"]).expect(2);
    assert_eq!(rows(&run), inside.row("node1", "proved") + &inside.second_row("node1", "proxy"), "{}", run.stderr);
    assert_has(
        &run.stderr,
        &[
            &format!(
                "error: the connection from `node1` to registry `{forbidden}` was refused by sshd, or failed at a proxy\n"
            ),
            &format!(
                "caused by: GET https://{forbidden}/v2/: sshd of `node1` forbids forwarding to `{forbidden}` \
                 (administratively prohibited)\n"
            ),
            &format!("hint: add `{forbidden}` to `PermitOpen` in the sshd_config of `node1`"),
            &format!("1 of 2 credentials proved; not proved: `{forbidden}` from `node1`"),
        ],
    );
    assert!(!run.stdout.contains("failed=1"), "{}", run.stdout);
    let apply = inside.site.run(&["apply", "--only", "nodes", "--from", "first-node"]).expect(2);
    assert_has(&apply.stdout, &["node1 : ok=1 changed=0 unreachable=0 failed=0 "]);

    let keys = format!("sed -i 's/^/permitopen=\"{allowed}\" /' /run/node/authorized_keys");
    let script = format!("sed -i /PermitOpen/d /run/node/sshd_config; {keys}");
    assert!(inside.site.nodes[0].sh(&script).status.success());
    let by_key = inside.site.run(&["validate", "--from", "first-node"]).expect(2);
    assert_eq!((rows(&by_key), by_key.stderr), (rows(&run), run.stderr));
}

#[test]
fn the_node_that_forbids_a_registry_is_named() {
    let mut inside = Inside::new(1);
    inside.twice(PASSWORD, "");
    let allowed = inside.host();
    inside.add_node_that_permits(&allowed);
    let run = inside.site.run(&["validate", "--from", "every-node", "-v"]).expect(2);
    let seen = [
        inside.row("node1", "proved"),
        inside.second_row("node1", "proved"),
        inside.row("node2", "proved"),
        inside.second_row("node2", "proxy"),
    ];
    assert_eq!(rows(&run), seen.concat(), "{}", run.stderr);
    let differs = format!("1 of 2 nodes sees registry `{}` differently: node2 (proxy)\n", inside.second());
    assert_has(&run.stderr, &["sshd of `node2` forbids forwarding", &differs]);
}

#[test]
fn a_password_that_was_not_sent_because_of_sshd_is_tried_once_from_another_node() {
    let mut inside = Inside::new(0);
    inside.twice("wrong", "");
    let allowed = inside.host();
    inside.add_node_that_permits(&allowed);
    (0..2).for_each(|_| inside.add_node(Options::default(), "127.0.0.1 registry.internal"));
    let run = inside.site.run(&["validate", "--from", "every-node", "-v"]).expect(2);
    let kept_back = inside.row("node1", "proved") + &inside.second_row("node1", "proxy");
    let refused = |node: &str| inside.row(node, "proved") + &inside.second_row(node, "refused");
    assert_eq!(rows(&run), kept_back + &refused("node2") + &refused("node3"), "{}", run.stderr);
    assert_eq!(inside.site.registry.failed_logins(), 1);
}

#[test]
fn a_certificate_from_this_machine_is_not_compared_with_other_nodes() {
    let mut inside = Inside::new(0);
    inside.twice(PASSWORD, "");
    let allowed = inside.host();
    inside.add_node_that_permits(&allowed);
    inside.add_node(Options::default(), "127.0.0.1 registry.internal");
    inside.site.oregano.env("SSL_CERT_FILE", "/dev/null");
    let run = inside.site.run(&["validate", "--from", "every-node"]).expect(2);
    assert_has(&run.stdout, &[&inside.second_row("node1", "proxy"), &inside.second_row("node2", "tls")]);
    assert!(!run.stderr.contains("another node gets"), "{}", run.stderr);
}

#[test]
fn a_proxy_that_sshd_forbids() {
    let mut inside = Inside::new(0);
    inside.twice(PASSWORD, ", 'proxy': 'none'");
    inside.site.set("openshift_https_proxy", "http://eve:hunter2@proxy.internal:3128");
    let allowed = inside.second();
    inside.add_node_that_permits(&allowed);
    let run = inside.site.run(&["validate", "--from", "first-node"]).expect(2);
    assert_eq!(rows(&run), inside.row("node1", "proxy") + &inside.second_row("node1", "proved"), "{}", run.stderr);
    assert_has(
        &run.stderr,
        &["sshd of `node1` forbids forwarding to `proxy.internal:3128`", "add `proxy.internal:3128` to `PermitOpen`"],
    );
    assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
}

#[test]
fn an_sshd_that_permits_nothing_is_one_failure_of_the_node() {
    let mut inside = Inside::new(0);
    inside.twice(PASSWORD, ", 'proxy': 'http://proxy.internal:3128'");
    inside.add_node_that_permits("none");
    let alone = inside.site.run(&["validate", "--from", "first-node"]).expect(2);
    assert_eq!(alone.stdout, format!("{}\n", recap("node1", [0, 0, 0, 1, 0])));
    assert_eq!(alone.stderr.matches("error: sshd of `node1` (127.0.0.1:").count(), 1, "{}", alone.stderr);
    assert_eq!(alone.stderr.matches("error: ").count(), 1, "{}", alone.stderr);
}
