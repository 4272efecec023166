//! Clients: certificates, name resolution, and tunnels.

use std::time::Instant;

use super::proxy::proxied;
use crate::registry::tests::prelude::*;

#[tokio::test]
async fn a_resolver_that_does_not_respond() {
    let silent = || {
        let resolver = NameResolver::with(|_| {
            std::thread::sleep(Duration::from_secs(3600));
            Ok(Vec::new())
        });
        Clients::over(Arc::new(Connectors::new(None)), resolver, ProxySource::None)
    };
    let timeout = Duration::from_millis(300);
    let inspect_silent = async |registry: &Registry| inspect_with(&Arc::new(silent()), registry, timeout).await.0;
    let fact = inspect_silent(&registry("registry.invalid", "right")).await;
    assert_eq!(fact.verdict, Verdict::Dns);
    let cause = "GET https://registry.invalid/v2/: the resolver did not respond in time (tried 2 times)";
    assert_eq!(fact.cause.unwrap(), cause);
    assert!(fact.hint.unwrap().starts_with("check the name `registry.invalid`, and the resolver of this machine"));

    let fact = inspect_silent(&proxied("registry.invalid", "http://eve:hunter2@proxy.invalid:3128", "")).await;
    assert_eq!(fact.verdict, Verdict::Proxy);
    let cause = fact.cause.unwrap();
    assert!(cause.contains("proxy `http://proxy.invalid:3128`: the resolver did not respond"), "{cause}");

    // A server whose name was resolved, and which accepts connections without a response.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let fact = inspect_silent(&registry(&listener.local_addr().unwrap().to_string(), "right")).await;
    assert_eq!(fact.verdict, Verdict::Timeout);
}

// ── tunnels ──────────────────────────────────────────────────────────────────────────────────────

async fn inspect_through(clients: &Clients, socks: &Secret, registry: &Registry) -> RegistryFact {
    inspect_with(&Arc::new(clients.through(socks)), registry, TIMEOUT).await.0
}

#[tokio::test]
async fn errors_that_the_far_end_of_a_tunnel_reports() {
    let cases = [
        (1, Verdict::RegistryError, "no connection through the node: general server failure", "log of its sshd"),
        (2, Verdict::Proxy, "sshd of the node or its proxy failed or refused the connection", "settings of the node"),
        (3, Verdict::ConnectionRefused, "no route to host", "check host, port and firewall"),
        (4, Verdict::Dns, "the name does not resolve there", "the resolver of the node"),
        (5, Verdict::ConnectionRefused, "connection refused", "check host, port and firewall"),
        (6, Verdict::Timeout, "connection timed out", "between the node and"),
        (7, Verdict::RegistryError, "no connection through the node: command not supported", "log of its sshd"),
    ];
    let clients = Clients::with_proxies(ProxySource::None);
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
        let text = fact.hint.unwrap();
        assert!(text.contains(hint), "{text}");
    }
    let gone = Secret::new("socks5h://tunnel:secret-of-ours@127.0.0.1:1");
    let fact = inspect_through(&clients, &gone, &registry("registry.invalid", "right")).await;
    assert_eq!(fact.verdict, Verdict::RegistryError, "{fact:?}");
    assert!(!fact.cause.unwrap().contains("127.0.0.1"));
}

#[tokio::test]
async fn a_tunnel_ignores_the_proxy_of_a_registry() {
    let double = Double::start(basic_registry).await;
    let (clients, socks) = (Clients::with_proxies(ProxySource::None), socks_listener(0, double.host.clone()));
    let registry = proxied("registry.invalid:5000", "http://127.0.0.1:1", "");
    assert_eq!(inspect_through(&clients, &socks, &registry).await.verdict, Verdict::Proved);
    assert!(double.requests().iter().all(|received| received.host == "registry.invalid:5000"));
}

#[tokio::test]
async fn a_certificate_is_verified_at_this_end_of_a_tunnel() {
    let (double, _) = secure_registry("DNS:registry.example.com", 2).await;
    let clients = Clients::with_proxies(ProxySource::None);
    let socks = socks_listener(0, double.host.clone());
    let registry = Registry { tls: TlsPolicy::Verify, ..registry("registry.example.com", "right") };
    let fact = inspect_through(&clients, &socks, &registry).await;
    assert_eq!(fact.verdict, Verdict::Tls, "{fact:?}");
    assert!(fact.cause.unwrap().ends_with("the certificate is self-signed"));
}

#[test]
fn a_thousand_tunnels_read_the_ca_bundle_once() {
    let clients = Clients::with_proxies(ProxySource::None);
    let registry = Registry { tls: TlsPolicy::Verify, ..registry("registry.example.com", "right") };
    assert!(clients.client_for(&registry, &registry.host).is_ok());
    let begin = Instant::now();
    for port in 1..=1000 {
        let socks = Secret::new(format!("socks5h://tunnel:x@127.0.0.1:{port}"));
        assert!(clients.through(&socks).client_for(&registry, &registry.host).is_ok());
    }
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

// ── trust ────────────────────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn a_ca_file_is_trusted_in_addition_to_the_machine() {
    let (double, pem) = secure_registry("IP:127.0.0.1", 2).await;
    let (_other, other) = secure_registry("IP:127.0.0.1", 2).await;
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cases: [(Option<&str>, Verdict, &str); 5] = [
        (Some(&pem), Verdict::Proved, ""),
        (Some(&other), Verdict::Tls, "the certificate is self-signed"),
        (None, Verdict::Tls, "the certificate is self-signed"),
        (Some("not a certificate"), Verdict::Tls, "`ca.pem`: it contains no certificate in PEM"),
        (Some(junk), Verdict::Tls, "`ca.pem`: "),
    ];
    for (pem, verdict, reason) in cases {
        let ca = pem.map(|pem| Arc::new(Authority { file: "ca.pem".to_owned(), pem: pem.to_owned() }));
        let fact = inspect(&Registry { tls: TlsPolicy::Verify, ca, ..registry(&double.host, "right") }).await;
        assert_eq!(fact.verdict, verdict, "{fact:?}");
        assert!(fact.cause.as_deref().unwrap_or_default().contains(reason), "{fact:?}");
    }
}
