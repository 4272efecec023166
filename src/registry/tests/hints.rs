//! What a reader is told to do, and what causes name: the setting, folder, proxy and certificate that were in use.

use std::fs;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use super::broken::raw_server;
use super::double::{Double, Seen, UNAUTHORIZED, ask_basic, basic_registry, reply, welcome};
use super::tls::tls_server;
use super::ways::proxied;
use super::{PATIENCE, clients, inspect, inspect_with, inspect_within, registry};
use crate::desired::{Authority, Declaration, ImageChoice, Registry, TestLogin, TlsPolicy};
use crate::facts::{RegistryFact, Verdict};
use crate::registry::client::Clients;
use crate::registry::proxy::Proxies;
use crate::registry::resolver::Resolver;
use crate::registry::trust::Connectors;

fn secure(host: &str, ca: Option<&str>) -> Registry {
    let ca = ca.map(|pem| Arc::new(Authority { file: "ca.pem".to_owned(), pem: pem.to_owned() }));
    Registry { tls: TlsPolicy::Verify, ca, ..registry(host, "right") }
}

/// `oregano login` without a test image.
fn login(host: &str, password: &str) -> Registry {
    Registry {
        test_login: TestLogin::LoginOnly,
        declaration: Declaration::CommandLine,
        image: host.to_owned(),
        origin: "standard input".to_owned(),
        ..registry(host, password)
    }
}

fn said(fact: &RegistryFact) -> (&str, &str) {
    (fact.cause.as_deref().unwrap_or_default(), fact.hint.as_deref().unwrap_or_default())
}

/// A server that takes connections and says nothing.
pub fn silent_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || listener.incoming().flatten().collect::<Vec<_>>());
    host
}

#[tokio::test]
async fn a_login_is_not_proved_by_a_web_page() {
    const API: (&str, &str) = ("docker-distribution-api-version", "registry/2.0");
    const HTML: (&str, &str) = ("content-type", "text/html");
    type Page = (&'static [(&'static str, &'static str)], &'static str);
    let cases: [(Page, Verdict); 6] = [
        ((&[HTML], "<html>"), Verdict::RegistryError),
        ((&[], "OK"), Verdict::RegistryError),
        ((&[API, HTML], "<html>"), Verdict::NotProved),
        ((&[], ""), Verdict::NotProved),
        ((&[HTML], "{}"), Verdict::NotProved),
        ((&[], "true"), Verdict::NotProved),
    ];
    for ((headers, body), open) in cases {
        // Open to anybody, and behind a password.
        let double = Double::start(move |_: &Seen| reply(200, headers, body)).await;
        assert_eq!(inspect(&login(&double.host, "right")).await.verdict, open, "{headers:?} {body:?}");
        let guarded = Double::start(move |seen: &Seen| match seen.is_alice() {
            true => reply(200, headers, body),
            false => ask_basic(),
        });
        let expected = if open == Verdict::NotProved { Verdict::Proved } else { open };
        let fact = inspect(&login(&guarded.await.host, "right")).await;
        assert_eq!(fact.verdict, expected, "{headers:?} {body:?}: {fact:?}");
    }
}

#[tokio::test]
async fn a_login_is_not_proved_where_a_redirect_led() {
    for (target, verdict) in [("/login", Verdict::RegistryError), ("/v2", Verdict::NotProved)] {
        let double = Double::start(move |seen: &Seen| match seen.path.as_str() {
            "/v2/" => reply(302, &[("location", target)], ""),
            _ => welcome(),
        });
        let fact = inspect(&login(&double.await.host, "right")).await;
        assert_eq!(fact.verdict, verdict, "{target}: {fact:?}");
    }
}

#[tokio::test]
async fn a_refused_login_is_to_be_mended_where_it_was_given() {
    let double = Double::start(|_: &Seen| ask_basic()).await;
    let fact = inspect(&login(&double.host, "wrong")).await;
    assert!(said(&fact).1.starts_with("check user and password, nothing was saved: "), "{fact:?}");
}

#[tokio::test]
async fn a_default_image_is_called_one() {
    let double = Double::start(|seen: &Seen| match seen.path.as_str() {
        "/v2/" if seen.is_alice() => welcome(),
        _ if seen.is_alice() => reply(404, &[], ""),
        _ => ask_basic(),
    });
    let double = double.await;
    for (image_choice, told) in [(ImageChoice::Given, false), (ImageChoice::Default, true)] {
        let fact = inspect(&Registry { image_choice, ..registry(&double.host, "right") }).await;
        assert_eq!(fact.verdict, Verdict::NotFound);
        assert_eq!(said(&fact).1.contains("none is set: this is the default"), told, "{fact:?}");
    }
}

#[tokio::test]
async fn the_folder_that_counts_is_named() {
    let (host, _) = tls_server("IP:127.0.0.1", 2);
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".config/containers/certs.d").join(&host);
    for made in [false, true] {
        if made {
            fs::create_dir_all(&folder).unwrap();
        }
        let connectors = Arc::new(Connectors::new(Some(home.path())));
        let clients = Arc::new(Clients::over(connectors, Resolver::system(), Proxies::None));
        let (fact, _) = inspect_with(&clients, &secure(&host, None), PATIENCE).await;
        let named = if made { folder.display().to_string() } else { format!("/etc/containers/certs.d/{host}") };
        assert!(said(&fact).1.contains(&format!(" put it into {named}/ca.crt; ")), "{fact:?}");
        assert!(said(&fact).1.len() < 300, "{fact:?}");
    }
}

#[tokio::test]
async fn a_ca_file_that_does_not_hold_the_certificate() {
    let ((host, _), (_, other)) = (tls_server("IP:127.0.0.1", 2), tls_server("IP:127.0.0.1", 2));
    let fact = inspect(&secure(&host, Some(&other))).await;
    assert_eq!(said(&fact).1, "`ca.pem` holds another certificate: it must hold this one");
}

#[tokio::test]
async fn names_and_dates_of_a_certificate_are_told() {
    let port = |host: &str| host.rsplit(':').next().unwrap().to_owned();
    let (host, pem) = tls_server("DNS:other.example.com", 2);
    let named = inspect(&secure(&format!("localhost:{}", port(&host)), Some(&pem))).await;
    let addressed = inspect(&secure(&host, Some(&pem))).await;
    let (host, pem) = tls_server("IP:127.0.0.1", -1);
    let ended = inspect(&secure(&host, Some(&pem))).await;
    for (fact, expected) in [
        (named, ": the certificate is for another host name: it is for `other.example.com`"),
        (addressed, ": the certificate is not for this IP address: it is for `other.example.com`"),
        (ended, ": the certificate has expired: it was valid until 2"),
    ] {
        assert_eq!(fact.verdict, Verdict::Tls, "{fact:?}");
        assert!(said(&fact).0.contains(expected), "{fact:?}");
    }
}

#[tokio::test]
async fn no_certificate_is_asked_for_through_a_tunnel_or_proxy() {
    let through = Registry { tls: TlsPolicy::Verify, ..proxied("registry.invalid", "http://127.0.0.1:1", "") };
    let way = clients().way(&through, "registry.invalid").ok().unwrap();
    assert!(way.addresses(&"https://registry.invalid/".parse().unwrap()).await.is_empty());
    let way = clients().way(&secure("127.0.0.1:7", None), "127.0.0.1:7").ok().unwrap();
    for (url, address) in [("https://127.0.0.1:7/", "127.0.0.1:7"), ("https://[::1]/", "[::1]:443")] {
        assert_eq!(way.addresses(&url.parse().unwrap()).await, [address.parse().unwrap()]);
    }
}

#[tokio::test]
async fn a_proxy_that_is_silent_is_named() {
    let proxy = silent_server();
    let asked = proxied("registry.invalid", &format!("http://eve:hunter2@{proxy}"), "");
    let fact = inspect_within(&asked, Duration::from_millis(300)).await;
    assert_eq!(fact.verdict, Verdict::Timeout, "{fact:?}");
    assert!(said(&fact).0.contains(&format!(" through proxy `http://{proxy}`: no complete answer")), "{fact:?}");
    assert!(said(&fact).1.starts_with("check the proxy, and whether it reaches `registry.invalid`"), "{fact:?}");
}

#[tokio::test]
async fn the_setting_that_made_a_proxy_count_is_named() {
    let wants_login = raw_server(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n");
    let cases = [
        (
            "",
            ".svc",
            Declaration::Entry,
            "give the proxy's login in `openshift_https_proxy`, or name `registry.invalid` in",
        ),
        ("", "", Declaration::Entry, "give the proxy's login in `proxy`, or set `proxy` to `none` if"),
        ("", "", Declaration::Default, "give the proxy's login in `proxy` of `oregano_oreg_auth`, or"),
        ("eve:hunter2@", ".svc", Declaration::Entry, "the proxy does not take its login: check user and password in"),
    ];
    for (user, no_proxy, declaration, expected) in cases {
        let asked = proxied("registry.invalid", &format!("http://{user}{wants_login}"), no_proxy);
        let fact = inspect(&Registry { declaration, tls: TlsPolicy::Verify, ..asked }).await;
        assert_eq!(fact.verdict, Verdict::Proxy, "{fact:?}");
        assert!(said(&fact).1.starts_with(expected), "{fact:?}");
    }
}

#[tokio::test]
async fn behind_a_proxy_without_connect_a_registry_is_asked_in_plain_http() {
    // What it says of `/v2/`, and what comes of it where TLS need not be.
    let api: &[(&str, &str)] =
        &[("docker-distribution-api-version", "registry/2.0"), ("www-authenticate", "Basic realm=x")];
    for (headers, insecure) in [(api, Verdict::Proved), (&api[1..], Verdict::Proxy)] {
        let headers = headers.to_vec();
        let proxy = Double::start(move |seen: &Seen| match (seen.method.as_str(), seen.is_alice()) {
            ("CONNECT", _) => reply(403, &[], ""),
            (_, true) => basic_registry(seen),
            _ => reply(401, &headers, UNAUTHORIZED),
        });
        let proxy = proxy.await;
        for (tls, verdict) in [(TlsPolicy::Insecure, insecure), (TlsPolicy::Verify, Verdict::Proxy)] {
            let asked = proxied("registry.invalid:5000", &format!("http://{}", proxy.host), "");
            let before = proxy.logins();
            let fact = inspect(&Registry { tls, ..asked }).await;
            assert_eq!(fact.verdict, verdict, "{tls:?} {fact:?}");
            assert_eq!(proxy.logins() > before, verdict == Verdict::Proved, "{tls:?}");
        }
    }
}
