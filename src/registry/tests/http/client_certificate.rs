//! A registry that requires a client certificate. With TLS 1.3 it rejects the connection only after the handshake, while
//! the request is about to be sent.

use std::thread;

use openssl::ssl::{SslAcceptor, SslMethod, SslVerifyMode};

use crate::registry::tests::prelude::*;
use crate::registry::tests::self_signed;

/// How often a registry is tried. About one connection of a hundred ends before its reason was read.
const ATTEMPTS: u32 = 200;

/// The address of a server that closes every connection after the handshake, because there is no client certificate.
fn mutual(connections: u32) -> String {
    let (certificate, key) = self_signed("IP:127.0.0.1", 2);
    let mut acceptor = SslAcceptor::mozilla_modern_v5(SslMethod::tls_server()).unwrap();
    acceptor.set_certificate(&certificate).unwrap();
    acceptor.set_private_key(&key).unwrap();
    acceptor.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    let acceptor = acceptor.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming().take(usize::try_from(connections).unwrap()) {
            // Dropping the connection resets it if the request is there already.
            assert!(acceptor.accept(stream.unwrap()).is_err());
        }
    });
    host
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_client_certificate_is_the_reason_whenever_the_server_says_so() {
    // Every attempt may be repeated.
    let host = mutual(3 * ATTEMPTS);
    let clients = clients();
    for _ in 0..ATTEMPTS {
        let fact = inspect_with(&clients, &registry(&host, "right"), TIMEOUT).await.0;
        assert_eq!(fact.verdict, Verdict::Tls, "{fact:?}");
        assert!(fact.cause.unwrap().contains(": the registry requires a client certificate that it trusts"));
    }
}
