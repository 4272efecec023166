//! The ways to a registry: trust, names, proxies, tunnels; and what is said where one is blocked.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::double::{Double, basic_registry};
use super::tls::{tls_server, tls_server_saying};
use super::{PATIENCE, inspect, inspect_with, registry};
use crate::desired::{Authority, Proxy, ProxyOrigin, ProxySettings, Registry, TlsPolicy};
use crate::facts::{RegistryFact, ReportedBy, ServerAddress, Verdict};
use crate::registry::client::Clients;
use crate::registry::proxy::Proxies;
use crate::registry::resolver::Resolver;
use crate::registry::trust::Connectors;
use crate::secret::Secret;

pub fn proxied(host: &str, https: &str, no_proxy: &str) -> Registry {
    let url = || Some(Secret::new(https));
    // The variables always make exceptions, and a registry's own proxy has none.
    let origin = if no_proxy.is_empty() { ProxyOrigin::Registry } else { ProxyOrigin::Variables };
    let settings = ProxySettings { http: url(), https: url(), no_proxy: no_proxy.to_owned(), origin };
    Registry { proxy: Proxy::Set(Arc::new(settings)), ..registry(host, "right") }
}

#[tokio::test]
async fn a_resolver_that_does_not_answer() {
    let silent = || {
        let resolver = Resolver::with(|_| {
            std::thread::sleep(Duration::from_secs(3600));
            Ok(Vec::new())
        });
        Clients::over(Arc::new(Connectors::new(None)), resolver, Proxies::None)
    };
    let patience = Duration::from_millis(300);
    let ask = async |registry: &Registry| inspect_with(&Arc::new(silent()), registry, patience).await.0;
    let fact = ask(&registry("registry.invalid", "right")).await;
    assert_eq!(fact.verdict, Verdict::Dns);
    let cause = "GET https://registry.invalid/v2/: no answer from the resolver in time (tried 2 times)";
    assert_eq!(fact.cause.unwrap(), cause);
    assert!(fact.hint.unwrap().starts_with("check the name `registry.invalid`, and the resolver here"));

    let fact = ask(&proxied("registry.invalid", "http://eve:hunter2@proxy.invalid:3128", "")).await;
    assert_eq!(fact.verdict, Verdict::Proxy);
    let cause = fact.cause.unwrap();
    assert!(cause.contains("proxy `http://proxy.invalid:3128`: no answer from the resolver"), "{cause}");

    // What has an address already is as silent as ever.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let fact = ask(&registry(&listener.local_addr().unwrap().to_string(), "right")).await;
    assert_eq!(fact.verdict, Verdict::Timeout);
}

// ── proxies ──────────────────────────────────────────────────────────────────────────────────────

/// Bytes from each side to the other until one ends.
fn relay(one: TcpStream, other: TcpStream) {
    let (mut one_in, mut other_out) = (one.try_clone().unwrap(), other.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut one_in, &mut other_out);
        let _ = other_out.shutdown(std::net::Shutdown::Write);
    });
    let (mut other_in, mut one_out) = (other, one);
    let _ = std::io::copy(&mut other_in, &mut one_out);
    let _ = one_out.shutdown(std::net::Shutdown::Write);
}

/// An HTTP proxy that lets `eve:p@ss` in, and connects to `target` whatever is asked for.
pub fn connect_proxy(target: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, target) = (client.unwrap(), target.clone());
            std::thread::spawn(move || {
                let mut head = String::new();
                let mut reader = BufReader::new(client.try_clone().unwrap());
                while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap_or(0) > 0 {}
                let welcome = head.to_ascii_lowercase().contains("proxy-authorization: basic zxzlonbac3m=");
                match (welcome, head.strip_prefix("CONNECT ")) {
                    (true, Some(_)) => {
                        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
                        relay(client, TcpStream::connect(target).unwrap());
                    }
                    (true, None) => {
                        let mut server = TcpStream::connect(target).unwrap();
                        server.write_all(head.as_bytes()).unwrap();
                        relay(client, server);
                    }
                    (false, _) => {
                        let said = head.lines().find(|line| line.to_ascii_lowercase().starts_with("proxy-auth"));
                        let body = said.unwrap_or("who are you?");
                        let length = body.len();
                        let head = "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-type: text/plain\r\n";
                        let _ = write!(client, "{head}content-length: {length}\r\n\r\n{body}");
                    }
                }
            });
        }
    });
    host
}

#[tokio::test]
async fn a_proxy_of_the_inventory_is_gone_through_with_its_login() {
    let double = Double::start(basic_registry).await;
    let proxy = connect_proxy(double.host.clone());
    let through = |login: &str, no_proxy: &str| {
        inspect_owned(proxied("registry.invalid:5000", &format!("http://{login}@{proxy}"), no_proxy))
    };
    // TLS is tried through CONNECT, and plain HTTP after it in absolute form.
    assert_eq!(through("eve:p%40ss", "").await.verdict, Verdict::Proved);
    assert!(double.all().iter().all(|seen| seen.host == "registry.invalid:5000"));

    let fact = through("eve:hunter2", "").await;
    assert_eq!(fact.verdict, Verdict::Proxy, "{fact:?}");
    assert!(fact.cause.unwrap().ends_with(&format!("proxy `http://{proxy}`: proxy authorization required")));
    assert!(fact.hint.unwrap().contains("set `proxy` to `none` if `registry.invalid:5000` needs none"));

    let fact = through("eve:hunter2", "registry.invalid:5000").await;
    assert_eq!(fact.verdict, Verdict::Dns, "asked directly: {fact:?}");
}

#[tokio::test]
async fn what_a_proxy_echoes_is_redacted() {
    let double = Double::start(|seen: &super::double::Seen| {
        super::double::reply(407, &[("content-type", "text/plain")], &format!("{seen:?} eve:hunter2 ZXZlOmh1bnRlcjI="))
    });
    let double = double.await;
    // The proxy is the double itself; TLS to it is plain HTTP, so the registry is asked in absolute form.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let target = double.host.clone();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut first = [0; 8];
            client.peek(&mut first).unwrap();
            if first.starts_with(b"CONNECT ") {
                let _ = client.read(&mut [0; 4096]);
                let _ = client.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
                let _ = client.read(&mut [0; 4096]);
                let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            } else {
                let target = TcpStream::connect(&target).unwrap();
                std::thread::spawn(move || relay(client, target));
            }
        }
    });
    let fact = inspect(&proxied("registry.invalid", &format!("http://eve:hunter2@{host}"), "")).await;
    assert_eq!(fact.verdict, Verdict::Proxy, "{fact:?}");
    let cause = fact.cause.unwrap();
    assert!(cause.contains("407") && cause.contains("[redacted]"), "{cause}");
    assert!(!cause.contains("hunter2") && !cause.contains("ZXZlOmh1bnRlcjI="), "{cause}");
}

async fn inspect_owned(registry: Registry) -> RegistryFact {
    inspect(&registry).await
}

// ── tunnels ──────────────────────────────────────────────────────────────────────────────────────

/// A SOCKS5 listener with a login, as a tunnel has one: it answers with `reply`, and on success connects to `target`.
fn socks_listener(reply: u8, target: String) -> Secret {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, target) = (client.unwrap(), target.clone());
            std::thread::spawn(move || -> std::io::Result<()> {
                let take = |client: &mut TcpStream, length: u8| -> std::io::Result<Vec<u8>> {
                    let mut bytes = vec![0; length.into()];
                    client.read_exact(&mut bytes).map(|()| bytes)
                };
                let methods = take(&mut client, 2)?[1];
                take(&mut client, methods)?;
                client.write_all(&[5, 2])?;
                let user = take(&mut client, 2)?[1];
                take(&mut client, user)?;
                let password = take(&mut client, 1)?[0];
                take(&mut client, password)?;
                client.write_all(&[1, 0])?;
                let request = take(&mut client, 5)?;
                assert_eq!(request[3], 3, "the name was not left to the other end");
                take(&mut client, request[4] + 2)?;
                client.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0])?;
                if reply == 0 {
                    relay(client, TcpStream::connect(target)?);
                }
                Ok(())
            });
        }
    });
    Secret::new(format!("socks5h://tunnel:secret-of-ours@{host}"))
}

async fn inspect_through(clients: &Clients, socks: &Secret, registry: &Registry) -> RegistryFact {
    inspect_with(&Arc::new(clients.through(socks)), registry, PATIENCE).await.0
}

#[tokio::test]
async fn what_the_other_end_of_a_tunnel_says() {
    let cases = [
        (1, Verdict::RegistryError, "no connection through the node: general server failure", "log of its sshd"),
        (2, Verdict::Proxy, "sshd or the proxy there failed or refused", "settings of the node"),
        (3, Verdict::ConnectionRefused, "no route to host", "the firewall before it"),
        (4, Verdict::Dns, "the name does not resolve there", "the resolver of the node"),
        (5, Verdict::ConnectionRefused, "connection refused", "the firewall before it"),
        (6, Verdict::Timeout, "connection timed out", "between there and"),
        (7, Verdict::RegistryError, "no connection through the node: command not supported", "log of its sshd"),
    ];
    let clients = Clients::with_proxies(Proxies::None);
    for (code, verdict, reason, hint) in cases {
        let socks = socks_listener(code, String::new());
        let fact = inspect_through(&clients, &socks, &registry("registry.invalid", "right")).await;
        assert_eq!(fact.verdict, verdict, "{code}: {fact:?}");
        assert_eq!(fact.cause.unwrap(), format!("GET https://registry.invalid/v2/: {reason}"));
        let failed = *fact.failed_request.unwrap();
        let address = ServerAddress { host: "registry.invalid".to_owned(), port: 443 };
        assert_eq!((failed.server.as_str(), failed.address), ("registry.invalid", address), "{code}");
        let by = if code == 2 { ReportedBy::FarEnd } else { ReportedBy::ThisEnd };
        assert_eq!((failed.request.as_str(), failed.reported_by), ("GET https://registry.invalid/v2/", by), "{code}");
        let said = fact.hint.unwrap();
        assert!(said.contains(hint), "{said}");
    }
    let gone = Secret::new("socks5h://tunnel:secret-of-ours@127.0.0.1:1");
    let fact = inspect_through(&clients, &gone, &registry("registry.invalid", "right")).await;
    assert_eq!(fact.verdict, Verdict::RegistryError, "{fact:?}");
    assert!(!fact.cause.unwrap().contains("127.0.0.1"));
}

#[tokio::test]
async fn a_tunnel_leads_to_the_registry_whatever_proxy_it_names() {
    let double = Double::start(basic_registry).await;
    let (clients, socks) = (Clients::with_proxies(Proxies::None), socks_listener(0, double.host.clone()));
    let registry = proxied("registry.invalid:5000", "http://127.0.0.1:1", "");
    assert_eq!(inspect_through(&clients, &socks, &registry).await.verdict, Verdict::Proved);
    assert!(double.all().iter().all(|seen| seen.host == "registry.invalid:5000"));
}

#[tokio::test]
async fn a_certificate_is_checked_at_this_end_of_a_tunnel() {
    let (host, _) = tls_server("DNS:registry.example.com", 2);
    let clients = Clients::with_proxies(Proxies::None);
    let socks = socks_listener(0, host);
    let registry = Registry { tls: TlsPolicy::Verify, ..registry("registry.example.com", "right") };
    let fact = inspect_through(&clients, &socks, &registry).await;
    assert_eq!(fact.verdict, Verdict::Tls, "{fact:?}");
    assert!(fact.cause.unwrap().ends_with("the certificate is self-signed"));
}

#[test]
fn a_thousand_tunnels_read_the_ca_bundle_once() {
    let clients = Clients::with_proxies(Proxies::None);
    let registry = Registry { tls: TlsPolicy::Verify, ..registry("registry.example.com", "right") };
    assert!(clients.way(&registry, &registry.host).is_ok());
    let begin = Instant::now();
    for port in 1..=1000 {
        let socks = Secret::new(format!("socks5h://tunnel:x@127.0.0.1:{port}"));
        assert!(clients.through(&socks).way(&registry, &registry.host).is_ok());
    }
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

// ── trust ────────────────────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn a_redirect_to_plain_http_is_not_followed_where_tls_is_verified() {
    let double = Double::start(basic_registry).await;
    let (host, pem) =
        tls_server_saying("IP:127.0.0.1", 2, format!("307 Moved\r\nlocation: http://{}/v2/", double.host));
    let ca = Some(Arc::new(Authority { file: "ca.pem".to_owned(), pem }));
    let fact = inspect(&Registry { tls: TlsPolicy::Verify, ca, ..registry(&host, "right") }).await;
    assert_eq!(fact.verdict, Verdict::Tls, "{fact:?}");
    let cause = format!("GET https://{host}/v2/: redirects to `http://{}/v2/`, which is not HTTPS", double.host);
    assert_eq!(fact.cause.unwrap(), cause);
    assert!(double.asked().is_empty());
}

#[tokio::test]
async fn a_ca_file_is_trusted_besides_the_machines() {
    let (host, pem) = tls_server("IP:127.0.0.1", 2);
    let (_, other) = tls_server("IP:127.0.0.1", 2);
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    // Refused: TLS was good, and the password was not.
    let cases: [(Option<&str>, Verdict, &str); 5] = [
        (Some(&pem), Verdict::Refused, "401"),
        (Some(&other), Verdict::Tls, "the certificate is self-signed"),
        (None, Verdict::Tls, "the certificate is self-signed"),
        (Some("no certificate at all"), Verdict::Tls, "`ca.pem`: it holds no certificate in PEM"),
        (Some(junk), Verdict::Tls, "`ca.pem`: "),
    ];
    for (pem, verdict, reason) in cases {
        let ca = pem.map(|pem| Arc::new(Authority { file: "ca.pem".to_owned(), pem: pem.to_owned() }));
        let fact = inspect(&Registry { tls: TlsPolicy::Verify, ca, ..registry(&host, "right") }).await;
        assert_eq!(fact.verdict, verdict, "{fact:?}");
        assert!(fact.cause.as_ref().unwrap().contains(reason), "{fact:?}");
    }
}
