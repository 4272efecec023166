//! Causes and hints where there is no response.

use crate::registry::tests::http::proxy::proxied;
use crate::registry::tests::prelude::*;

#[tokio::test]
async fn a_response_that_is_not_http() {
    for bytes in [&b"220 mail ready\r\n"[..], b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"] {
        let server = RawServer::sending(bytes).await;
        let fact = inspect(&registry(&server.host, "right")).await;
        assert_eq!(fact.verdict, Verdict::RegistryError, "{fact:?}");
    }
}

#[tokio::test]
async fn no_server_and_no_such_name() {
    let fact = inspect(&registry("127.0.0.1:1", "right")).await;
    assert_eq!(fact.verdict, Verdict::ConnectionRefused);
    assert_eq!(fact.cause.unwrap(), "GET https://127.0.0.1:1/v2/: connection refused");
    // The resolver library rejects a label of 64 characters, so no DNS query leaves this machine.
    let fact = inspect(&registry(&format!("{}.example.com", "x".repeat(64)), "right")).await;
    assert_eq!(fact.verdict, Verdict::Dns, "{fact:?}");
}

#[tokio::test]
async fn a_port_without_tls_is_probably_the_wrong_port() {
    let server = RawServer::sending(b"SSH-2.0-OpenSSH_9.2\r\n").await;
    let ssh = server.host.clone();
    let is_registry = format!("is `{ssh}` a registry, and is the port right?");
    for (tls, verdict, cause, hint) in [
        (TlsPolicy::Verify, Verdict::Tls, ": the port uses neither TLS nor HTTP", "is the port right?"),
        (
            TlsPolicy::Insecure,
            Verdict::RegistryError,
            "is incomplete or not HTTP: invalid HTTP version parsed",
            &is_registry,
        ),
    ] {
        let fact = inspect(&Registry { tls, ..registry(&ssh, "right") }).await;
        assert_eq!((fact.verdict, fact.hint.as_deref()), (verdict, Some(hint)), "{fact:?}");
        assert!(fact.cause.as_deref().unwrap().ends_with(cause), "{fact:?}");
    }
    // A server that is reached through a proxy cannot be inspected.
    let proxy = format!("http://eve:p%40ss@{}", connect_proxy(ssh));
    let fact = inspect(&Registry { tls: TlsPolicy::Verify, ..proxied("registry.invalid", &proxy, "") }).await;
    assert!(
        fact.hint.as_deref().unwrap().starts_with("is the port right? for a registry with plain HTTP: if"),
        "{fact:?}"
    );
}

#[tokio::test]
async fn an_untrusted_certificate_is_explained() {
    for (days, reason) in [(1, "the certificate is self-signed"), (-1, "self-signed")] {
        let (double, _) = secure_registry("IP:127.0.0.1", days).await;
        let host = double.host.clone();
        let mut secure = registry(&host, "right");
        secure.tls = TlsPolicy::Verify;
        let fact = inspect(&secure).await;
        assert_eq!(fact.verdict, Verdict::Tls, "{fact:?}");
        assert!(fact.cause.unwrap().contains(reason));
        assert!(fact.hint.unwrap().contains(&format!("put it into /etc/containers/certs.d/{host}/ca.crt; or, if")));
        secure.declaration = Declaration::Default;
        let hint = inspect(&secure).await.hint.unwrap();
        assert!(hint.starts_with("name the certificate of the CA in `ca_file`"), "{hint}");
        assert!(hint.ends_with(&format!("add `{host}` to `openshift_docker_insecure_registries`")), "{hint}");
        // The same certificate is accepted if TLS is not verified.
        let trusting = inspect(&registry(&host, "right")).await;
        assert_eq!(trusting.verdict, Verdict::Proved, "{trusting:?}");
    }
}
