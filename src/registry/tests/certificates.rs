//! Registries that use TLS with self-signed certificates.

use std::time::{SystemTime, UNIX_EPOCH};

use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::SubjectAlternativeName;
use openssl::x509::{X509, X509NameBuilder};

use crate::registry::tests::prelude::*;

/// A registry over TLS that knows the password of `alice`, with a self-signed certificate for `IP:address` or `DNS:name`
/// that expires `days` from now; returns the certificate in PEM, too.
pub async fn secure_registry(subject: &str, days: i32) -> (Double, String) {
    secure_registry_with(subject, days, basic_registry).await
}

/// The same with another script.
pub async fn secure_registry_with(
    subject: &str,
    days: i32,
    script: impl Fn(&Received) -> Response<Body> + Clone + Send + Sync + 'static,
) -> (Double, String) {
    let (certificate, key) = self_signed(subject, days);
    let (certificate, key) = (certificate.to_pem().unwrap(), key.private_key_to_pem_pkcs8().unwrap());
    let double = Double::secure(&certificate, &key, script).await;
    (double, String::from_utf8(certificate).unwrap())
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
