//! `--from first-node` and `--from every-node`: registries that only nodes can reach, through real sshd, and nodes whose
//! result differs.

mod crowd;
mod permits;
mod proxies;
mod windows;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use oregano::desired::{Connection, Escalation, HostKeyChecking, Proxy};
use oregano::node::{Abort, HostKeys, Identities, Limits, OpenFailure, Tunnel};
use oregano::secret::Secret;

use crate::support::certificate::Signer;
use crate::support::network::{Network, SocketState};
use crate::support::oregano::Finished;
use crate::support::process::eventually;
use crate::support::registry::{Auth, Registry, Transport};
use crate::support::site::{PASSWORD, Site, USER, recap};
use crate::support::sshd::{Listen, Options, ROOT, Sshd};

/// A name that only nodes can resolve; the registry's certificate contains it.
const NAME: &str = "registry.internal";

/// A registry in a separate network, and a user of it.
struct Inside {
    site: Site,
    network: Network,
}

impl Inside {
    /// Nodes in the registry's network that know its name.
    fn new(nodes: usize) -> Self {
        let network = Network::new();
        let transport = Transport::Tls(Signer::Authority);
        let registry = Registry::start_inside(&network, Auth::Basic, transport, &[(USER, PASSWORD)]);
        let mut site = Site::with(registry, 0);
        site.unset("openshift_docker_insecure_registries");
        let ca = site.registry.ca_file().to_owned();
        site.oregano.env("SSL_CERT_FILE", ca);
        let mut inside = Self { site, network };
        let image = format!("{}/openshift3/ose-${{component}}:${{version}}", inside.host());
        inside.site.set("oreg_url", &image);
        (0..nodes).for_each(|_| inside.add_node(Options::default(), "127.0.0.1 registry.internal"));
        inside
    }

    /// The registry as the nodes call it.
    fn host(&self) -> String {
        format!("{NAME}:{}", self.site.registry.port())
    }

    /// A node in the registry's network, with this line in its /etc/hosts.
    fn add_node(&mut self, options: Options, hosts: &str) {
        let node = Sshd::start_with(&Options { network: self.network.prefix(), ..options });
        know(&node, hosts);
        self.site.add_node(node);
    }

    fn row(&self, from: &str, verdict: &str) -> String {
        format!("registry {}/openshift3/ose-pod:v3.11 ({USER}) from {from} : {verdict}\n", self.host())
    }
}

/// Adds a line to the /etc/hosts of a node.
fn know(node: &Sshd, line: &str) {
    let script = format!("cp /etc/hosts /run/hosts; echo '{line}' >>/run/hosts; mount --bind /run/hosts /etc/hosts");
    assert!(node.sh(&script).status.success());
}

/// The lines of the recap about registries.
fn rows(run: &Finished) -> String {
    let rows = run.stdout.lines().filter(|line| line.starts_with("registry ") && line.contains(" : "));
    rows.map(|line| format!("{line}\n")).collect()
}

fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
}

#[test]
fn a_registry_that_only_the_node_can_reach() {
    let mut inside = Inside::new(1);
    let here = inside.site.run(&["validate"]).expect(2);
    assert_has(&here.stdout, &[" : dns\n"]);
    let there = inside.site.run(&["validate", "--from", "first-node"]).expect(0);
    assert_eq!(rows(&there), inside.row("node1", "proved"));
    assert_has(&there.stderr, &["1 of 1 credentials proved from `node1`"]);
    // The certificate is checked here, for the name that only the node knows.
    inside.site.oregano.env("SSL_CERT_FILE", "/dev/null");
    let untrusted = inside.site.run(&["validate", "--from", "first-node"]).expect(2);
    assert_eq!(rows(&untrusted), inside.row("node1", "tls"));
    assert_eq!(inside.site.nodes[0].sessions(), 0, "a command ran on the node");
    assert_eq!(inside.site.nodes[0].connections(), 2);
}

#[test]
fn a_wrong_password_is_one_failed_login_from_however_many_nodes() {
    let mut inside = Inside::new(3);
    inside.site.set("oreg_auth_password", "wrong");
    let run = inside.site.run(&["validate", "--from", "every-node"]).expect(2);
    assert_eq!(rows(&run), inside.row("node1", "refused"));
    assert_eq!(inside.site.registry.failed_logins(), 1);
    assert!(!run.stderr.contains("socks5h"), "{}", run.stderr);
}

#[test]
fn nodes_with_different_results_are_listed() {
    let mut inside = Inside::new(2);
    let port = inside.site.registry.port();
    inside.add_node(Options::default(), "127.0.0.1 another.internal");
    let apart = Network::new();
    // Neither can reach the registry: one gets connection refused, and the other has no route to the address.
    for hosts in ["127.0.0.1 registry.internal", "10.99.0.1 registry.internal"] {
        let node = Sshd::start_with(&Options { network: apart.prefix(), ..Options::default() });
        know(&node, hosts);
        inside.site.add_node(node);
    }
    let run = inside.site.run(&["validate", "--from", "every-node", "-T", "10"]).expect(2);
    let refused = "connection-refused";
    let shown = [("node1", "proved"), ("node3", "dns"), ("node4", refused), ("node5", refused)];
    let shown: String = shown.iter().map(|(node, verdict)| inside.row(node, verdict)).collect();
    assert_eq!(rows(&run), shown, "\n{}", run.stderr);
    let summary = format!(
        "3 of 5 nodes see registry `{NAME}:{port}` differently: node3 (dns), node4 (connection-refused), \
         node5 (connection-refused)\n1 of 1 credentials proved from `node1`; not all nodes see the same\n"
    );
    assert_has(
        &run.stderr,
        &[
            &format!("error: the name of registry `{NAME}:{port}` does not resolve on `node3`\n"),
            "/etc/hosts of `node3`",
            &format!("error: registry `{NAME}:{port}` does not accept connections from `node4`\n"),
            "no route",
            &summary,
        ],
    );
    let all = inside.site.run(&["validate", "--from", "every-node", "-T", "10", "-v"]).expect(2);
    assert_has(&all.stdout, &[&inside.row("node2", "proved")]);

    // JSON has all rows, and a different result closes the gate.
    let run = inside.site.run(&["apply", "--only", "nodes", "--from", "every-node", "--output", "json"]).expect(2);
    let events = run.events();
    let end = events.last().unwrap();
    let from: Vec<_> = end["registries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["from"].as_str().unwrap(), row["verdict"].as_str().unwrap()))
        .collect();
    let expected = [("node1", "proved"), ("node2", "proved"), ("node3", "dns"), ("node4", refused), ("node5", refused)];
    assert_eq!(from, expected);
    assert!(end["hosts"].as_object().unwrap().values().all(|counts| counts["changed"] == 0), "{end}");
    inside.site.run(&["apply", "--only", "nodes", "--from", "every-node", "--limit", "node1:node2"]).expect(0);
}

#[test]
fn equal_results_of_all_nodes_are_one_line() {
    let inside = Inside::new(3);
    let run = inside.site.run(&["validate", "--from", "every-node"]).expect(0);
    assert_eq!(rows(&run), inside.row("node1", "proved"));
    assert_has(&run.stderr, &["1 of 1 credentials proved; all 3 nodes see the same\n"]);
}

#[test]
fn a_node_that_is_down_is_skipped_and_reported() {
    let mut inside = Inside::new(2);
    inside.site.nodes[0].stop();
    let run = inside.site.run(&["validate", "--from", "first-node"]).expect(4);
    assert_has(&run.stdout, &[&inside.row("node2", "proved"), "node1 : ok=0 changed=0 unreachable=1 "]);
    assert_has(&run.stderr, &["error: could not reach `node1`"]);
    let every = inside.site.run(&["validate", "--from", "every-node"]).expect(4);
    assert_has(&every.stdout, &[&inside.row("node2", "proved"), "node1 : ok=0 changed=0 unreachable=1 "]);
    // A registry that fails takes precedence over a node that is down.
    inside.site.set("oreg_auth_password", "wrong");
    inside.site.run(&["validate", "--from", "every-node"]).expect(2);

    inside.site.nodes[1].stop();
    let none = inside.site.run(&["validate", "--from", "every-node"]).expect(4);
    let address = format!("127.0.0.1:{}", inside.site.nodes[0].port());
    let down = format!(
        "error: could not reach `node1` ({address})\n  caused by: {address}: connection refused: nothing listens on this \
         port\n  the same on 1 more node: node2\nhint: check that sshd is running on the node, and that \
         `ansible_port` is its port\n"
    );
    let report = none.stderr.split_once("error: ").map(|(_, report)| format!("error: {report}"));
    assert_eq!(report, Some(down + "no credential could be proved\n"), "{}", none.stderr);
    assert_eq!(none.stdout, format!("{}\n{}\n", recap("node1", [0, 0, 1, 0, 0]), recap("node2", [0, 0, 1, 0, 0])));
    let none = inside.site.run(&["validate", "--from", "first-node"]).expect(4);
    assert_has(&none.stderr, &["no credential could be proved"]);
    assert!(!none.stdout.contains("registry "), "{}", none.stdout);
    let closed = inside.site.run(&["plan", "--only", "nodes", "--from", "first-node"]).expect(4);
    assert_has(&closed.stderr, &["`apply` would change nothing"]);
    assert_eq!(closed.stdout.matches("unreachable=1").count(), 2, "{}", closed.stdout);
}

#[test]
fn silent_nodes_delay_the_next_one_by_one_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("ansible_port={}", silent.local_addr().unwrap().port());
    let mut inside = Inside::new(3);
    inside.site.host(1, &port).host(3, &port);
    let start = Instant::now();
    let run = inside.site.start(&["validate", "--from", "first-node", "-T", "4"]);
    eventually("the registry is asked", || !inside.site.registry.requests().is_empty());
    assert!(start.elapsed() < Duration::from_secs(7), "it took {:?}", start.elapsed());
    let run = run.wait().expect(4);
    assert_has(&run.stdout, &[&inside.row("node2", "proved"), &recap("node1", [0, 0, 1, 0, 0])]);
    assert_has(&run.stderr, &["error: could not reach `node1`", "SSH handshake: not finished within 4 s"]);
}

#[test]
fn an_sshd_that_forbids_forwarding_is_a_failure_of_the_node() {
    let mut inside = Inside::new(0);
    inside.add_node(Options { config: "AllowTcpForwarding no\n", ..Options::default() }, "127.0.0.1 registry.internal");
    let alone = inside.site.run(&["validate", "--from", "first-node"]).expect(2);
    assert_has(&alone.stderr, &["error: sshd of `node1` (127.0.0.1:", "forbids TCP forwarding", "AllowTcpForwarding"]);
    assert_has(&alone.stdout, &["node1 : ok=0 changed=0 unreachable=0 failed=1 "]);
    inside.add_node(Options::default(), "127.0.0.1 registry.internal");
    let run = inside.site.run(&["validate", "--from", "every-node"]).expect(2);
    assert_has(&run.stdout, &[&inside.row("node2", "proved"), "node1 : ok=0 changed=0 unreachable=0 failed=1 "]);
    // This failure is not about a registry, so the nodes are written; but it is reported.
    let run = inside.site.run(&["apply", "--only", "nodes", "--from", "first-node"]).expect(2);
    assert_has(&run.stdout, &[&recap("node1", [3, 2, 0, 1, 0]), &recap("node2", [3, 2, 0, 0, 0])]);
}

#[test]
fn a_silent_registry_times_out_and_ctrl_c_ends_at_once() {
    let mut inside = Inside::new(2);
    let silence = inside.network.silence();
    inside.site.set("oreg_url", &format!("{NAME}:{}/a/b:1", silence.line));
    let run = inside.site.run(&["validate", "--from", "every-node", "-T", "5"]).expect(2);
    assert_has(&run.stdout, &["from node1 : timeout\n"]);
    assert_has(&run.stderr, &["did not respond to `node1` in time", "between `node1` and"]);
    let before = inside.site.nodes[0].connections();
    let run = inside.site.start(&["validate", "--from", "every-node", "-T", "60"]);
    eventually("the node is connected to", || inside.site.nodes[0].connections() > before);
    let port = silence.line.parse().unwrap();
    eventually("the registry is connected to", || inside.network.connections(port, SocketState::Established) > 0);
    let start = Instant::now();
    run.signal("INT");
    run.wait().expect(130);
    assert!(start.elapsed() < Duration::from_secs(2), "it took {:?}", start.elapsed());
}

/// A site whose nodes are addresses of one sshd, and a run with these arguments that sends requests from all of them at once.
fn validate_from(nodes: usize, words: &[&str], change: impl Fn(&mut Site)) -> Finished {
    let registry = Registry::start(Auth::Basic, Transport::Http, &[(USER, PASSWORD)]);
    let mut site = Site::with(registry, 0);
    let node = Sshd::start_with(&Options { listen: Listen::AllLoopback, ..Options::default() });
    let port = node.port();
    (2..=nodes).for_each(|at| site.oregano.trust(&node.known_hosts_line(&format!("127.0.0.{at}"))));
    site.add_node(node);
    change(&mut site);
    let mut inventory = site.inventory();
    (2..=nodes).for_each(|at| inventory += &format!("n{at} ansible_host=127.0.0.{at} ansible_port={port}\n"));
    let file = site.oregano.write("many", inventory);
    let (forks, file) = (nodes.to_string(), file.to_str().unwrap());
    let run = ["validate", "--from", "every-node", "--forks", &forks, "-i", file];
    site.oregano.run(&[&run, words].concat())
}

#[test]
fn from_one_hundred_nodes() {
    let run = validate_from(100, &[], |_| {}).expect(0);
    assert_has(&run.stderr, &["1 of 1 credentials proved; all 100 nodes see the same\n"]);
}

#[test]
fn all_nodes_wait_for_a_silent_registry_in_parallel() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let image = format!("127.0.0.1:{}/a/b:1", silent.local_addr().unwrap().port());
    let start = Instant::now();
    let run = validate_from(6, &["-T", "5", "-v"], |site| {
        site.set("oreg_url", &image);
    })
    .expect(2);
    // First one node, then all others in parallel.
    assert!(start.elapsed() < Duration::from_secs(20), "it took {:?}", start.elapsed());
    assert_eq!(run.stdout.matches(" : timeout\n").count(), 6, "{}", run.stdout);
}

/// A tunnel through the first node, without the rest of the program.
fn tunnel(inside: &Inside) -> Tunnel {
    let node = &inside.site.nodes[0];
    let connection = Connection {
        address: "127.0.0.1".to_owned(),
        port: node.port(),
        user: ROOT.to_owned(),
        password: None,
        private_key_file: Some(node.key_file()),
        host_key_checking: HostKeyChecking::Strict,
        escalation: Escalation::None,
    };
    let keys = Arc::new(HostKeys::load(&[inside.site.oregano.home().join(".ssh/known_hosts")]));
    let limits = Limits { timeout: Duration::from_secs(20), abort: Abort::new() };
    Tunnel::open("node1", &connection, &keys, &Identities::new(None, Vec::new()), &limits).unwrap()
}

/// Connects through a tunnel. The error is the code of SOCKS, or 255 if the tunnel closes the connection.
fn connect(socks: &Secret, host: &str, port: u16) -> Result<TcpStream, u8> {
    let (login, address) = socks.expose().strip_prefix("socks5h://").unwrap().split_once('@').unwrap();
    let (user, password) = login.split_once(':').unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut hello = vec![5, 1, 2, 1];
    for text in [user, password] {
        hello.push(text.len() as u8);
        hello.extend_from_slice(text.as_bytes());
    }
    hello.extend_from_slice(&[5, 1, 0, 3, host.len() as u8]);
    hello.extend_from_slice(host.as_bytes());
    hello.extend_from_slice(&port.to_be_bytes());
    stream.write_all(&hello).unwrap();
    let mut answer = [0; 14];
    if stream.read_exact(&mut answer[..4]).is_err() || answer[3] != 0 {
        return Err(255);
    }
    stream.read_exact(&mut answer[4..]).map_err(|_| 255)?;
    if answer[5] == 0 { Ok(stream) } else { Err(answer[5]) }
}

/// A server in the network that sends back everything that it received, once it has received all of it.
const ECHO: &str = "
import socket, threading
server = socket.create_server(('127.0.0.1', 0))
print(server.getsockname()[1], flush=True)
def serve(client):
    received = bytearray()
    while part := client.recv(65536):
        received += part
    client.sendall(received)
    client.close()
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
";

#[test]
fn no_other_process_may_use_a_tunnel() {
    let inside = Inside::new(1);
    let port = inside.site.registry.port();
    let tunnel = tunnel(&inside);
    let socks = tunnel.socks(&Proxy::Environment).unwrap();
    assert!(connect(&socks, NAME, port).is_ok());
    let other = socks.expose().replace("socks5h://", "socks5h://x");
    assert_eq!(connect(&Secret::new(other), NAME, port).err(), Some(255));
    let address = socks.expose().split('@').nth(1).unwrap();
    let again = tunnel.socks(&Proxy::Environment).unwrap();
    assert_eq!(again, socks);
    let (start, address) = (Instant::now(), address.to_owned());
    drop(tunnel);
    assert!(start.elapsed() < Duration::from_secs(1), "it took {:?}", start.elapsed());
    assert!(TcpStream::connect(address).is_err(), "it still listens");
}

#[test]
fn large_data_flows_in_both_directions_and_ends_are_forwarded() {
    let inside = Inside::new(1);
    let echo = inside.network.python(ECHO);
    let port = echo.line.parse().unwrap();
    let tunnel = tunnel(&inside);
    let socks = tunnel.socks(&Proxy::Environment).unwrap();
    let one = |seed: usize| {
        let mut stream = connect(&socks, "127.0.0.1", port).unwrap();
        let sent: Vec<u8> = (0..6_000_000usize).map(|at| (at * 31 + seed + at / 7919) as u8).collect();
        let mut writer = stream.try_clone().unwrap();
        let payload = sent.clone();
        let writing = std::thread::spawn(move || {
            writer.write_all(&payload).unwrap();
            writer.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut received = Vec::new();
        // A slow reader does not delay the others.
        std::thread::sleep(Duration::from_millis(300 * seed as u64));
        stream.read_to_end(&mut received).unwrap();
        writing.join().unwrap();
        assert!(received == sent, "{} bytes of {}", received.len(), sent.len());
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|seed| scope.spawn(move || one(seed))).collect();
        all.into_iter().for_each(|one| one.join().unwrap());
    });
    assert_eq!(tunnel.failure(), None);
}

#[test]
fn many_connections_at_once() {
    let inside = Inside::new(1);
    let port = inside.site.registry.port();
    let tunnel = tunnel(&inside);
    let socks = &tunnel.socks(&Proxy::Environment).unwrap();
    // More connections than the tunnel serves at the same time.
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..100).map(|_| scope.spawn(move || connect(socks, NAME, port).is_ok())).collect();
        assert_eq!(all.into_iter().filter_map(|one| one.join().ok()).filter(|good| *good).count(), 100);
    });
    assert_eq!(tunnel.failure(), None);
}

#[test]
fn a_hanging_connection_does_not_delay_others() {
    let inside = Inside::new(1);
    // Packets to these addresses are dropped without a response.
    inside.network.sh("ip route add 10.99.0.0/16 dev lo");
    let tunnel = tunnel(&inside);
    let socks = tunnel.socks(&Proxy::Environment).unwrap();
    std::thread::scope(|scope| {
        for last in 1..=3 {
            let socks = &socks;
            scope.spawn(move || connect(socks, &format!("10.99.0.{last}"), 443).is_err());
        }
        eventually("three connections hang", || inside.network.connections(443, SocketState::SynSent) == 3);
        let start = Instant::now();
        assert!(connect(&socks, NAME, inside.site.registry.port()).is_ok());
        assert!(start.elapsed() < Duration::from_secs(10), "it took {:?}", start.elapsed());
        let start = Instant::now();
        drop(tunnel);
        assert!(start.elapsed() < Duration::from_secs(1), "it took {:?}", start.elapsed());
    });
}

#[test]
fn a_tunnel_whose_node_is_gone_reports_it() {
    let inside = Inside::new(1);
    let tunnel = tunnel(&inside);
    let socks = tunnel.socks(&Proxy::Environment).unwrap();
    assert!(connect(&socks, NAME, inside.site.registry.port()).is_ok());
    inside.site.nodes[0].kill_connections();
    assert_eq!(connect(&socks, NAME, inside.site.registry.port()).err(), Some(255));
    assert!(matches!(tunnel.failure(), Some(OpenFailure::Unreachable(failure)) if failure.message.contains("`node1`")));
}
