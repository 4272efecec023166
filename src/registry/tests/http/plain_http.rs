//! Plain HTTP: only for insecure registries, and only if the port responds with it.

use super::proxy::proxied;
use crate::registry::tests::prelude::*;

#[tokio::test]
async fn a_secure_registry_never_uses_plain_http_even_on_loopback() {
    let double = Double::start(basic_registry).await;
    let mut secure = registry(&double.host, "right");
    secure.tls = TlsPolicy::Verify;
    let fact = inspect(&secure).await;
    assert_eq!(fact.verdict, Verdict::Tls);
    assert!(fact.cause.unwrap().ends_with("the port uses plain HTTP instead of TLS"));
    let hint = fact.hint.unwrap();
    assert!(hint.starts_with("is the port right? for a registry with plain HTTP: if you trust the network"), "{hint}");
    assert!(hint.contains("set `tls_verify: False` for"), "{hint}");
    assert!(double.request_lines().is_empty());
}

#[tokio::test]
async fn a_port_that_closes_the_connection_never_gets_plain_http() {
    for tls in [TlsPolicy::Verify, TlsPolicy::Insecure] {
        for (name, end) in [("end", (|| Reaction::Close) as fn() -> Reaction), ("reset", || Reaction::Reset)] {
            let server = RawServer::start(move |_| end()).await;
            let fact = inspect(&Registry { tls, ..registry(&server.host, "right") }).await;
            assert_eq!(fact.verdict, Verdict::Tls, "{name} {fact:?}");
            assert!(fact.cause.unwrap().ends_with(": the connection was closed during the TLS handshake"), "{name}");
            assert_eq!(server.connections(), 1, "{tls:?} {name}");
        }
    }
}

#[tokio::test]
async fn a_registry_behind_a_proxy_without_connect_gets_plain_http() {
    // The headers of `/v2/`, and the verdict if TLS is not required.
    let api: &[(&str, &str)] =
        &[("docker-distribution-api-version", "registry/2.0"), ("www-authenticate", "Basic realm=x")];
    for (headers, insecure) in [(api, Verdict::Proved), (&api[1..], Verdict::Proxy)] {
        let headers = headers.to_vec();
        let proxy = Double::start(move |received: &Received| match (received.method.as_str(), received.is_alice()) {
            ("CONNECT", _) => reply(403, &[], ""),
            (_, true) => basic_registry(received),
            _ => reply(401, &headers, UNAUTHORIZED),
        });
        let proxy = proxy.await;
        for (tls, verdict) in [(TlsPolicy::Insecure, insecure), (TlsPolicy::Verify, Verdict::Proxy)] {
            let wanted = proxied("registry.invalid:5000", &format!("http://{}", proxy.host), "");
            let before = proxy.logins();
            let fact = inspect(&Registry { tls, ..wanted }).await;
            assert_eq!(fact.verdict, verdict, "{tls:?} {fact:?}");
            assert_eq!(proxy.logins() > before, verdict == Verdict::Proved, "{tls:?}");
        }
    }
}
