//! Servers that speak TLS with self-signed certificates.

use std::io::{Read as _, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::extension::SubjectAlternativeName;
use openssl::x509::{X509, X509NameBuilder};

use crate::registry::tests::prelude::*;

/// A registry that requires a login, with a self-signed certificate for `IP:address` or `DNS:name` that expires `days` from
/// now; returns the certificate in PEM, too.
pub fn tls_server(subject: &str, days: i32) -> (String, String) {
    tls_server_with_head(subject, days, "401 Unauthorized\r\nwww-authenticate: Basic".to_owned())
}

/// The same with another status line and headers.
pub fn tls_server_with_head(subject: &str, days: i32, head: String) -> (String, String) {
    let (certificate, key) = self_signed(subject, days);
    let pem = String::from_utf8(certificate.to_pem().unwrap()).unwrap();
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    acceptor.set_certificate(&certificate).unwrap();
    acceptor.set_private_key(&key).unwrap();
    let acceptor = acceptor.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that rejects the certificate ends the handshake with an error, which is what many tests expect.
            let Ok(mut stream) = acceptor.accept(stream.unwrap()) else { continue };
            let _ = stream.read(&mut [0; 4096]);
            let _ = write!(stream, "HTTP/1.1 {head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = stream.shutdown();
        }
    });
    (host, pem)
}

/// A certificate for `IP:address` or `DNS:name` that expires `days` from now.
pub fn self_signed(subject: &str, days: i32) -> (X509, PKey<Private>) {
    let key = PKey::ec_gen("prime256v1").unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "a registry").unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    // The number 2 means version 3 (RFC 5280, section 4.1.2.1), which extensions require.
    builder.set_version(2).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(&key).unwrap();
    // The certificate starts in the past, so that one that has expired was valid before.
    builder.set_not_before(&day(-30)).unwrap();
    builder.set_not_after(&day(days)).unwrap();
    let mut names = SubjectAlternativeName::new();
    match subject.split_once(':').unwrap() {
        ("IP", address) => names.ip(address),
        (_, name) => names.dns(name),
    };
    let names = names.build(&builder.x509v3_context(None, None)).unwrap();
    builder.append_extension(names).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    (builder.build(), key)
}

/// The time `offset` days from now.
fn day(offset: i32) -> Asn1Time {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    Asn1Time::from_unix(i64::try_from(now).unwrap() + i64::from(offset) * 86_400).unwrap()
}
