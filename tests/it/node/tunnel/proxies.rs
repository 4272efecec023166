//! Proxies that nodes use: which requests go through them, and what is reported about a proxy that does not work.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use oregano::desired::{Proxy, ProxySettings};
use oregano::secret::Secret;

use super::{ECHO, Inside, NAME, assert_has, connect, rows, tunnel};
use crate::support::network::Guest;
use crate::support::process::{ClosedPort, free_port};
use crate::support::sshd::Options;

/// An HTTP proxy that requires a login. Only the proxy can resolve the name of the registry.
const PROXY: &str = "
import socket, sys, threading
server = socket.create_server(('127.0.0.1', 0))
print(server.getsockname()[1], flush=True)
def copy(source, sink):
    while part := source.recv(65536):
        sink.sendall(part)
    sink.shutdown(socket.SHUT_WR)
def serve(client):
    head = b''
    while b'\\r\\n\\r\\n' not in head:
        head += client.recv(4096)
    if b'Proxy-Authorization: Basic ZXZlOnBAc3M=\\r\\n' not in head:
        client.sendall(b'HTTP/1.1 407 Proxy Authentication Required\\r\\n\\r\\n')
        return client.close()
    port = int(head.split()[1].rsplit(b':')[1])
    target = socket.create_connection(('127.0.0.1', port))
    client.sendall(b'HTTP/1.1 200 Connection established\\r\\nVia: test\\r\\n\\r\\n')
    threading.Thread(target=copy, args=(target, client), daemon=True).start()
    copy(client, target)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
";

#[test]
fn the_nodes_own_proxy() {
    let inside = Inside::new(1);
    let proxy = inside.network.python(PROXY);
    let echo = inside.network.python(ECHO);
    let port = echo.line.parse().unwrap();
    let tunnel = tunnel(&inside);
    let through = |login: &str, no_proxy: &str| {
        let https = Some(Secret::new(format!("http://{login}127.0.0.1:{}", proxy.line)));
        let settings = ProxySettings { http: None, https, no_proxy: no_proxy.to_owned(), ..ProxySettings::default() };
        tunnel.socks(&Proxy::Set(Arc::new(settings))).unwrap()
    };
    let good = through("eve:p%40ss@", "");
    // No node can resolve this name.
    let mut stream = connect(&good, "only-the-proxy.internal", port).unwrap();
    stream.write_all(b"hello").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    assert_eq!(received, b"hello");
    assert_eq!(connect(&through("eve:wrong@", ""), NAME, port).err(), Some(2));
    assert!(connect(&through("eve:wrong@", ".internal"), NAME, port).is_ok(), "no_proxy was not heeded");
    let closed = ClosedPort::new();
    let https = Some(Secret::new(format!("http://127.0.0.1:{}", closed.number())));
    let settings = ProxySettings { http: None, https, ..ProxySettings::default() };
    assert_eq!(connect(&tunnel.socks(&Proxy::Set(Arc::new(settings))).unwrap(), NAME, port).err(), Some(2));
    assert_eq!(tunnel.failure(), None);
}

#[test]
fn the_proxy_of_the_inventory() {
    let mut inside = Inside::new(0);
    inside.add_node(Options::default(), "127.0.0.1 proxy.internal");
    let proxy = inside.network.python(PROXY);
    let without = inside.site.run(&["validate", "--from", "first-node"]).expect(2);
    assert_eq!(rows(&without), inside.row("node1", "dns"));
    inside.site.set("openshift_https_proxy", &format!("http://eve:p%40ss@proxy.internal:{}", proxy.line));
    let with = inside.site.run(&["validate", "--from", "first-node"]).expect(0);
    assert_eq!(rows(&with), inside.row("node1", "proved"));
    inside.site.set("openshift_https_proxy", &format!("http://eve:hunter2@proxy.internal:{}", proxy.line));
    let wrong = inside.site.run(&["validate", "--from", "first-node"]).expect(2);
    assert_eq!(rows(&wrong), inside.row("node1", "proxy"));
    assert!(!wrong.stderr.contains("hunter2"), "{}", wrong.stderr);
}

/// A server that responds to every request with its own argument.
const ANSWER: &str = "
import socket
server = socket.create_server(('127.0.0.1', 0))
print(server.getsockname()[1], flush=True)
while True:
    client = server.accept()[0]
    client.recv(4096)
    client.sendall(ANSWER)
    client.close()
";

fn answering(inside: &Inside, answer: &str) -> Guest {
    inside.network.python(&format!("ANSWER = b'{answer}'{ANSWER}"))
}

#[test]
fn a_proxy_that_does_not_work_is_named_with_the_reason() {
    let mut inside = Inside::new(0);
    inside.add_node(Options::default(), "127.0.0.1 proxy.internal");
    let proxy = inside.network.python(PROXY);
    let (busy, mail) = (answering(&inside, r"HTTP/1.1 503 Busy\r\n\r\n"), answering(&inside, r"220 mail\r\n\r\n"));
    let silence = inside.network.silence();
    let closed = free_port().to_string();
    // Packets to this address are dropped without a response, or are not sent.
    inside.network.sh("ip route add 10.99.0.0/16 dev lo; ip route add prohibit 10.98.0.0/16");
    let login = "eve:hunter2@";
    for (scheme, login, host, port, cause, hint) in [
        ("http", "", "proxy.internal", &proxy.line, "407: it requires a login", "add the login to `proxy` of the"),
        ("http", login, "proxy.internal", &proxy.line, "407: it rejected the login", "check user and password"),
        ("http", login, "proxy.internal", &busy.line, "503: it does not connect", "may `node1` use it for `registry"),
        (
            "http",
            login,
            "proxy.internal",
            &mail.line,
            "it closed the connection, or its response is not HTTP",
            "an HTTP proxy?",
        ),
        ("http", login, "proxy.internal", &closed, "connection refused", "the firewall of `node1`"),
        ("http", login, "nobody.internal", &closed, "its name does not resolve there", "/etc/hosts of `node1`"),
        ("http", login, "proxy.internal", &silence.line, "it did not respond", "raise `--timeout`"),
        ("http", login, "10.99.0.1", &closed, "no connection to it", "firewall between `node1` and `10.99.0.1:"),
        ("http", login, "10.98.0.1", &closed, "no route to host", "firewall between `node1` and `10.98.0.1:"),
        ("https", login, "proxy.internal", &closed, "a node can only use an HTTP proxy", "set an `http://` proxy"),
        ("socks5", login, "proxy.internal", &closed, "a node can only use an HTTP proxy", "set an `http://` proxy"),
    ] {
        inside.site.set("openshift_https_proxy", &format!("{scheme}://{login}{host}:{port}"));
        let run = inside.site.run(&["validate", "--from", "first-node", "-T", "6"]).expect(2);
        let verdict = if *port == silence.line || host == "10.99.0.1" { "timeout" } else { "proxy" };
        assert_eq!(rows(&run), inside.row("node1", verdict), "{}", run.stderr);
        let shown = if scheme == "http" { String::new() } else { format!("{scheme}://") };
        assert_has(&run.stderr, &[&format!("proxy `{shown}{host}:{port}`: {cause}"), hint]);
        assert!(!run.stderr.contains("hunter2") && !run.stderr.contains("eve:"), "{}", run.stderr);
    }
}

#[test]
fn the_node_whose_proxy_differs_is_named() {
    let mut inside = Inside::new(0);
    inside.add_node(Options::default(), "127.0.0.1 proxy.internal");
    inside.add_node(Options::default(), "127.0.0.1 another.internal");
    let proxy = inside.network.python(PROXY);
    inside.site.set("openshift_https_proxy", &format!("http://eve:p%40ss@proxy.internal:{}", proxy.line));
    let run = inside.site.run(&["validate", "--from", "every-node"]).expect(2);
    assert_eq!(rows(&run), inside.row("node1", "proved") + &inside.row("node2", "proxy"), "{}", run.stderr);
    let fault = format!("proxy `proxy.internal:{}`: its name does not resolve there", proxy.line);
    assert_has(&run.stderr, &[&fault, "differently: node2 (proxy)"]);
}
