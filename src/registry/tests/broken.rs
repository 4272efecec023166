//! Servers that fail: repeats, redirects, garbage, silence, TLS and proxies.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::double::{
    Double, MANIFEST, Seen, ask_basic, basic_registry, bearer_registry, manifest, reply, token, welcome,
};
use super::tls::tls_server;
use super::ways::{connect_proxy, proxied};
use super::{inspect, inspect_double, registry};
use crate::desired::{Declaration, Proxy, ProxyOrigin, ProxySettings, Registry, TlsPolicy};
use crate::facts::Verdict;
use crate::secret::Secret;

/// A server for one raw answer to each connection, whatever is asked.
pub fn raw_server(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer);
            let _ = stream.write_all(answer);
        }
    });
    host
}

#[tokio::test]
async fn a_redirect_to_another_origin_takes_no_credential_along() {
    let store = Double::start(|_: &Seen| manifest()).await;
    let strict = Double::start(|_: &Seen| ask_basic()).await;
    for (target, verdict) in [(&store, Verdict::Proved), (&strict, Verdict::RegistryError)] {
        let location = format!("http://{}/blob?sig=abc", target.host);
        let double = Double::start(move |seen: &Seen| match (seen.path.as_str(), &seen.authorization) {
            (MANIFEST, Some(_)) => reply(307, &[("location", &location)], ""),
            _ => basic_registry(seen),
        });
        let fact = inspect_double(&double.await).await;
        assert_eq!(fact.verdict, verdict);
        assert!(!fact.cause.unwrap_or_default().contains("sig"));
        assert_eq!((target.asked(), target.logins()), (vec!["HEAD /blob".to_owned()], 0));
    }
}

#[tokio::test]
async fn who_never_saw_the_password_does_not_refuse_it() {
    for status in [400, 401, 403] {
        let store = Double::start(move |_: &Seen| reply(status, &[], "")).await;
        let location = format!("http://{}/blob", store.host);
        let double = Double::start(move |seen: &Seen| match (seen.path.as_str(), &seen.authorization) {
            (MANIFEST, Some(_)) => reply(307, &[("location", &location)], ""),
            (MANIFEST, None) => ask_basic(),
            _ => welcome(),
        });
        assert_eq!(inspect_double(&double.await).await.verdict, Verdict::RegistryError, "{status}");
        assert_eq!(store.logins(), 0);
    }
}

#[tokio::test]
async fn a_redirect_within_the_origin_keeps_it() {
    let double = Double::start(|seen: &Seen| match seen.path.as_str() {
        MANIFEST if seen.is_alice() => reply(302, &[("location", "moved")], ""),
        "/v2/team/app/manifests/moved" if seen.is_alice() => manifest(),
        _ => basic_registry(seen),
    });
    assert_eq!(inspect_double(&double.await).await.verdict, Verdict::Proved);
}

#[tokio::test]
async fn redirects_come_to_an_end() {
    let double = Double::start(|seen: &Seen| reply(302, &[("location", &seen.path)], "")).await;
    let fact = inspect_double(&double).await;
    assert_eq!(fact.verdict, Verdict::RegistryError);
    assert!(fact.cause.unwrap().ends_with("more than 5 redirects"));
    assert_eq!(double.asked().len(), 6);
}

#[tokio::test]
async fn a_login_wanted_elsewhere_is_not_answered() {
    let other = Double::start(basic_registry).await;
    let location = format!("http://{}/v2/", other.host);
    let double = Double::start(move |_: &Seen| reply(301, &[("location", &location)], "")).await;
    assert_eq!(inspect_double(&double).await.verdict, Verdict::RegistryError);
    assert_eq!((double.logins(), other.logins()), (0, 0));
}

#[tokio::test]
async fn what_is_not_http() {
    let fact = inspect(&registry(&raw_server(b"220 mail ready\r\n"), "right")).await;
    assert_eq!(fact.verdict, Verdict::RegistryError, "{fact:?}");
    let fact = inspect(&registry(&raw_server(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"), "right")).await;
    assert_eq!(fact.verdict, Verdict::RegistryError, "{fact:?}");
}

#[tokio::test]
async fn a_long_hostile_text_becomes_one_short_clean_line() {
    let double = Double::start(|seen: &Seen| match (seen.path.as_str(), &seen.authorization) {
        ("/token", Some(value)) => {
            let text = format!("\x1b[2J{value} right\r\n opensesame {}", "x".repeat(200_000));
            reply(401, &[("content-type", "text/plain")], &text)
        }
        _ => bearer_registry(seen),
    });
    let cause = inspect(&registry(&double.await.host, "wrong-password")).await.cause.unwrap();
    assert!(cause.chars().count() <= 300 && cause.contains("[redacted]"), "{cause}");
    assert!(!cause.chars().any(char::is_control) && !cause.contains("wrong-password"), "{cause}");
}

#[tokio::test]
async fn a_token_in_an_error_is_redacted() {
    let double = Double::start(|seen: &Seen| match (seen.path.as_str(), &seen.authorization) {
        ("/token", _) => token(),
        (MANIFEST, Some(_)) if seen.method == "HEAD" => reply(405, &[], ""),
        (MANIFEST, Some(value)) => reply(403, &[("content-type", "text/plain")], value),
        _ => bearer_registry(seen),
    });
    let cause = inspect_double(&double.await).await.cause.unwrap();
    assert!(cause.ends_with("403 Forbidden: Bearer [redacted]"), "{cause}");
}

#[tokio::test]
async fn nobody_there() {
    let fact = inspect(&registry("127.0.0.1:1", "right")).await;
    assert_eq!(fact.verdict, Verdict::ConnectionRefused);
    assert_eq!(fact.cause.unwrap(), "GET https://127.0.0.1:1/v2/: connection refused");
    // A label of 64 characters fails in the resolver library: no question leaves this machine.
    let fact = inspect(&registry(&format!("{}.example.com", "x".repeat(64)), "right")).await;
    assert_eq!(fact.verdict, Verdict::Dns, "{fact:?}");
}

#[tokio::test]
async fn a_proxy_that_fails_is_named() {
    let refusing = raw_server(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n");
    let forbidding = raw_server(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
    let cases = [
        ("127.0.0.1:1".to_owned(), "connection refused", "check `proxy`, or set `proxy` to `none` if"),
        (refusing, "proxy authorization required", "the proxy does not take its login: check user and password in"),
        (forbidding, "it does not connect to `registry.invalid`", "check `proxy`"),
        (
            "proxy.invalid:x".to_owned(),
            "the URL of the proxy cannot be used: invalid port number",
            "check `proxy`: `http://",
        ),
    ];
    for (proxy, reason, hint) in cases {
        let url = Secret::new(format!("http://eve:hunter2@{proxy}"));
        let settings = ProxySettings { https: Some(url), origin: ProxyOrigin::Registry, ..ProxySettings::default() };
        let proxied = Registry { proxy: Proxy::Set(settings.into()), ..registry("registry.invalid", "right") };
        let fact = inspect(&proxied).await;
        assert_eq!(fact.verdict, Verdict::Proxy, "{fact:?}");
        let cause = fact.cause.unwrap();
        let named = reason.starts_with("the URL") || cause.contains(&format!("proxy `http://{proxy}`: "));
        assert!(named && cause.contains(reason) && !cause.contains("hunter2"), "{cause}");
        assert!(fact.hint.unwrap().starts_with(hint));
    }
}

#[tokio::test]
async fn a_proxy_that_cannot_be_used_fails_only_what_would_use_it() {
    for (no_proxy, verdict) in [("127.0.0.1", Verdict::Proved), ("127.0.0.2", Verdict::Proxy)] {
        let double = Double::start(basic_registry).await;
        let asked = proxied(&double.host, "http://eve:hunter2@proxy.invalid:x", no_proxy);
        let fact = inspect(&asked).await;
        assert_eq!(fact.verdict, verdict, "{no_proxy}: {fact:?}");
        assert_eq!(double.asked().is_empty(), verdict == Verdict::Proxy, "{no_proxy}: asked without the proxy");
    }
}

#[tokio::test]
async fn secure_means_never_http_on_loopback_either() {
    let double = Double::start(basic_registry).await;
    let mut secure = registry(&double.host, "right");
    secure.tls = TlsPolicy::Verify;
    let fact = inspect(&secure).await;
    assert_eq!(fact.verdict, Verdict::Tls);
    assert!(fact.cause.unwrap().ends_with("the port does not speak TLS, but plain HTTP"));
    let hint = fact.hint.unwrap();
    assert!(hint.starts_with("is the port right? where plain HTTP is meant: if the network may be trusted"), "{hint}");
    assert!(hint.contains("set `tls_verify: False` for"), "{hint}");
    assert!(double.asked().is_empty());
}

#[tokio::test]
async fn a_port_without_tls_is_first_of_all_the_wrong_port() {
    let ssh = raw_server(b"SSH-2.0-OpenSSH_9.2\r\n");
    let is_registry = format!("is `{ssh}` a registry, and is the port right?");
    for (tls, verdict, cause, hint) in [
        (TlsPolicy::Verify, Verdict::Tls, ": the port speaks neither TLS nor HTTP", "is the port right?"),
        (TlsPolicy::Insecure, Verdict::RegistryError, "is not HTTP: invalid HTTP version parsed", &is_registry),
    ] {
        let fact = inspect(&Registry { tls, ..registry(&ssh, "right") }).await;
        assert_eq!((fact.verdict, fact.hint.as_deref()), (verdict, Some(hint)), "{fact:?}");
        assert!(fact.cause.as_deref().unwrap().ends_with(cause), "{fact:?}");
    }
    // What is behind a proxy cannot be looked at.
    let proxy = format!("http://eve:p%40ss@{}", connect_proxy(ssh));
    let fact = inspect(&Registry { tls: TlsPolicy::Verify, ..proxied("registry.invalid", &proxy, "") }).await;
    assert!(fact.hint.as_deref().unwrap().starts_with("is the port right? where plain HTTP is meant: if"), "{fact:?}");
}

/// How a port ends a connection that it has read from, without a word.
#[derive(Clone, Copy, Debug)]
enum End {
    Eof,
    Reset,
}

/// Takes connections and ends each; counts them.
fn rude_server(end: End) -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let count = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            counter.fetch_add(1, Ordering::SeqCst);
            // What stays unread when a socket is closed makes a reset of it.
            let _ = match end {
                End::Eof => stream.read(&mut [0; 65536]),
                End::Reset => stream.read(&mut [0; 1]),
            };
        }
    });
    (host, count)
}

#[tokio::test]
async fn a_port_that_hangs_up_is_never_spoken_to_in_plain_http() {
    for tls in [TlsPolicy::Verify, TlsPolicy::Insecure] {
        for end in [End::Eof, End::Reset] {
            let (host, count) = rude_server(end);
            let fact = inspect(&Registry { tls, ..registry(&host, "right") }).await;
            assert_eq!(fact.verdict, Verdict::Tls, "{end:?} {fact:?}");
            assert!(fact.cause.unwrap().ends_with(": hung up during the TLS handshake"), "{end:?}");
            assert_eq!(count.load(Ordering::SeqCst), 1, "{tls:?} {end:?}");
        }
    }
}

#[tokio::test]
async fn certificates_that_are_not_trusted_say_why() {
    for (days, reason) in [(1, "the certificate is self-signed"), (-1, "self-signed")] {
        let (host, _) = tls_server("IP:127.0.0.1", days);
        let mut secure = registry(&host, "right");
        secure.tls = TlsPolicy::Verify;
        let fact = inspect(&secure).await;
        assert_eq!(fact.verdict, Verdict::Tls, "{fact:?}");
        assert!(fact.cause.unwrap().contains(reason));
        assert!(fact.hint.unwrap().contains(&format!("put it into /etc/containers/certs.d/{host}/ca.crt; or, if")));
        secure.declaration = Declaration::Default;
        let hint = inspect(&secure).await.hint.unwrap();
        assert!(hint.starts_with("name the CA's certificate in `ca_file`"), "{hint}");
        assert!(hint.ends_with(&format!("list `{host}` in `openshift_docker_insecure_registries`")), "{hint}");
        // The same certificate is good enough where TLS is not verified.
        let trusting = inspect(&registry(&host, "right")).await;
        assert_eq!(trusting.verdict, Verdict::Refused, "{trusting:?}");
    }
}
