//! Ctrl-C: no new step, whole files, a recap, and 130.

use std::time::{Duration, Instant};

use super::support::process::eventually;
use super::support::site::{DOCKER, Site};

#[test]
fn ctrl_c_while_a_registry_is_silent_ends_at_once_with_130() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut site = Site::new(1);
    site.set("oreg_url", &format!("{}/a/b:1", silent.local_addr().unwrap()));
    let run = site.start(&["apply", "--only", "nodes"]);
    eventually("the node is looked at", || site.nodes[0].sessions() == 1);
    let start = Instant::now();
    run.signal("INT");
    let run = run.wait().expect(130);
    assert!(start.elapsed() < Duration::from_secs(5), "it took {:?}", start.elapsed());
    assert!(run.stdout.contains("node1 : ok="), "no recap: {}", run.stdout);
    assert!(run.stderr.contains("interrupted"), "{}", run.stderr);
    assert_eq!(site.file(1, DOCKER), None);
}

#[test]
fn ctrl_c_while_a_node_is_silent_ends_at_once_with_130() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut site = Site::new(2);
    site.host(2, &format!("ansible_port={}", silent.local_addr().unwrap().port()));
    let run = site.start(&["apply", "--only", "nodes", "--output", "json"]);
    eventually("the other node is looked at", || site.nodes[0].sessions() == 1);
    let start = Instant::now();
    run.signal("TERM");
    let run = run.wait().expect(130);
    assert!(start.elapsed() < Duration::from_secs(5), "it took {:?}", start.elapsed());
    let events = run.events();
    let recap = events.last().unwrap();
    assert_eq!((&recap["event"], &recap["status"]), (&"recap".into(), &130.into()));
    assert_eq!(recap["hosts"].as_object().unwrap().len(), 2);
    assert_eq!(site.file(1, DOCKER), None);
}
