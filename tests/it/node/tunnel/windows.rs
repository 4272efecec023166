//! More nodes than are observed at the same time.

use std::fmt::Write as _;

use crate::support::process::ClosedPort;
use crate::support::registry::{Auth, Registry, Transport};
use crate::support::site::{PASSWORD, Site, USER, recap};

#[test]
fn a_node_that_is_down_is_reported_once_in_every_window() {
    let registry = Registry::start(Auth::Basic, Transport::Http, &[(USER, PASSWORD)]);
    let site = Site::with(registry, 1);
    let mut inventory = site.inventory();
    let closed = ClosedPort::new();
    let address = format!("ansible_host=127.0.0.1 ansible_port={}", closed.number());
    (2..=1002).for_each(|at| writeln!(inventory, "n{at} {address}").unwrap());
    let file = site.oregano.write("many", inventory).display().to_string();
    let run = ["plan", "--only", "nodes", "--from", "every-node", "-i", &file, "--forks", "64", "-v"];
    let run = site.oregano.run(&run).expect(4);
    // One report for all nodes, in which each of them is counted once.
    assert_eq!(run.stderr.matches("could not reach `").count(), 1, "{}", run.stderr);
    assert!(run.stderr.contains("  the same on 1000 more nodes: n3, n4, "), "{}", run.stderr);
    assert_eq!(run.stdout.matches("unreachable=1").count(), 1001, "{}", run.stdout);
    // A refused credential closes the gate, so the second window is not observed. Its node is known to be down.
    let wrong = site.oregano.write("wrong.yml", "oreg_auth_password: wrong").display().to_string();
    let wrong = format!("@{wrong}");
    let run = ["apply", "--only", "nodes", "--from", "every-node", "-i", &file, "--forks", "64", "-v", "-e", &wrong];
    let run = site.oregano.run(&run).expect(2);
    assert!(run.stdout.contains(&recap("n1002", [0, 0, 1, 0, 0])), "{}", run.stdout);
    assert!(run.stderr.contains("  the same on 1000 more nodes: n3, n4, "), "{}", run.stderr);
}
