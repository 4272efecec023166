//! Proxies: which requests use one, and how a proxy that fails is named.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::registry::tests::prelude::*;
use crate::registry::tests::verdict::hint::{secure, texts};

pub fn proxied(host: &str, https: &str, no_proxy: &str) -> Registry {
    let url = || Some(Secret::new(https));
    // The variables always have exceptions, and a registry's own proxy has none.
    let origin = if no_proxy.is_empty() { ProxyOrigin::Registry } else { ProxyOrigin::Variables };
    let settings = ProxySettings { http: url(), https: url(), no_proxy: no_proxy.to_owned(), origin };
    Registry { proxy: Proxy::Set(Arc::new(settings)), ..registry(host, "right") }
}

#[tokio::test]
async fn a_proxy_that_fails_is_named() {
    let refusing = Double::start(|_: &Received| reply(407, &[], "")).await;
    let forbidding = Double::start(|_: &Received| reply(403, &[], "")).await;
    let cases = [
        ("127.0.0.1:1".to_owned(), "connection refused", "check `proxy`, or set `proxy` to `none` if"),
        (
            refusing.host.clone(),
            "proxy authorization required",
            "the proxy rejected its login: check user and password in",
        ),
        (forbidding.host.clone(), "it does not connect to `registry.invalid`", "check `proxy`"),
        ("proxy.invalid:x".to_owned(), "the proxy URL is not usable: invalid port number", "check `proxy`: `http://"),
    ];
    for (proxy, reason, hint) in cases {
        let url = Secret::new(format!("http://eve:hunter2@{proxy}"));
        let settings = ProxySettings { https: Some(url), origin: ProxyOrigin::Registry, ..ProxySettings::default() };
        let proxied = Registry { proxy: Proxy::Set(settings.into()), ..registry("registry.invalid", "right") };
        let fact = inspect(&proxied).await;
        assert_eq!(fact.verdict, Verdict::Proxy, "{fact:?}");
        let cause = fact.cause.unwrap();
        let named = reason.starts_with("the proxy URL") || cause.contains(&format!("proxy `http://{proxy}`: "));
        assert!(named && cause.contains(reason) && !cause.contains("hunter2"), "{cause}");
        assert!(fact.hint.unwrap().starts_with(hint));
    }
}

#[tokio::test]
async fn an_invalid_proxy_url_affects_only_requests_that_would_use_it() {
    for (no_proxy, verdict) in [("127.0.0.1", Verdict::Proved), ("127.0.0.2", Verdict::Proxy)] {
        let double = Double::start(basic_registry).await;
        let wanted = proxied(&double.host, "http://eve:hunter2@proxy.invalid:x", no_proxy);
        let fact = inspect(&wanted).await;
        assert_eq!(fact.verdict, verdict, "{no_proxy}: {fact:?}");
        assert_eq!(
            double.request_lines().is_empty(),
            verdict == Verdict::Proxy,
            "{no_proxy}: contacted without the proxy"
        );
    }
}

#[tokio::test]
async fn a_proxy_that_does_not_respond_is_named() {
    let server = RawServer::silent().await;
    let proxy = &server.host;
    let wanted = proxied("registry.invalid", &format!("http://eve:hunter2@{proxy}"), "");
    let fact = inspect_within(&wanted, Duration::from_millis(300)).await;
    assert_eq!(fact.verdict, Verdict::Timeout, "{fact:?}");
    assert!(texts(&fact).0.contains(&format!(" through proxy `http://{proxy}`: no complete response")), "{fact:?}");
    assert!(texts(&fact).1.starts_with("check the proxy, and whether it reaches `registry.invalid`"), "{fact:?}");
}

#[tokio::test]
async fn the_setting_that_names_a_proxy_is_named() {
    let wants_login = Double::start(|_: &Received| reply(407, &[], "")).await;
    let cases = [
        (
            "",
            ".svc",
            Declaration::Entry,
            "the proxy requires a login: add it to `openshift_https_proxy`, or add `registry.invalid` to",
        ),
        ("", "", Declaration::Entry, "the proxy requires a login: add it to `proxy`, or set `proxy` to `none` if"),
        ("", "", Declaration::Default, "the proxy requires a login: add it to `proxy` of `oregano_oreg_auth`, or"),
        ("eve:hunter2@", ".svc", Declaration::Entry, "the proxy rejected its login: check user and password in"),
    ];
    for (user, no_proxy, declaration, expected) in cases {
        let wanted = proxied("registry.invalid", &format!("http://{user}{}", wants_login.host), no_proxy);
        let fact = inspect(&Registry { declaration, tls: TlsPolicy::Verify, ..wanted }).await;
        assert_eq!(fact.verdict, Verdict::Proxy, "{fact:?}");
        assert!(texts(&fact).1.starts_with(expected), "{fact:?}");
    }
}

#[tokio::test]
async fn no_certificate_is_inspected_through_a_tunnel_or_proxy() {
    let through = Registry { tls: TlsPolicy::Verify, ..proxied("registry.invalid", "http://127.0.0.1:1", "") };
    let way = clients().client_for(&through, "registry.invalid").ok().unwrap();
    assert!(way.addresses(&"https://registry.invalid/".parse().unwrap()).await.is_empty());
    let way = clients().client_for(&secure("127.0.0.1:7", None), "127.0.0.1:7").ok().unwrap();
    for (url, address) in [("https://127.0.0.1:7/", "127.0.0.1:7"), ("https://[::1]/", "[::1]:443")] {
        assert_eq!(way.addresses(&url.parse().unwrap()).await, [address.parse().unwrap()]);
    }
}

#[tokio::test]
async fn a_proxy_of_the_inventory_is_used_with_its_login() {
    let double = Double::start(basic_registry).await;
    let proxy = connect_proxy(double.host.clone());
    let through = |login: &str, no_proxy: &str| {
        inspect_owned(proxied("registry.invalid:5000", &format!("http://{login}@{proxy}"), no_proxy))
    };
    // TLS is tried first, with CONNECT. Plain HTTP is tried next, as a request with an absolute URL.
    assert_eq!(through("eve:p%40ss", "").await.verdict, Verdict::Proved);
    assert!(double.requests().iter().all(|received| received.host == "registry.invalid:5000"));

    let fact = through("eve:hunter2", "").await;
    assert_eq!(fact.verdict, Verdict::Proxy, "{fact:?}");
    assert!(fact.cause.unwrap().ends_with(&format!("proxy `http://{proxy}`: proxy authorization required")));
    assert!(fact.hint.unwrap().contains("set `proxy` to `none` if `registry.invalid:5000` needs none"));

    let fact = through("eve:hunter2", "registry.invalid:5000").await;
    assert_eq!(fact.verdict, Verdict::Dns, "contacted directly: {fact:?}");
}

#[tokio::test]
async fn a_login_that_a_proxy_repeats_is_redacted() {
    let double = Double::start(|received: &Received| {
        reply(407, &[("content-type", "text/plain")], &format!("{received:?} eve:hunter2 ZXZlOmh1bnRlcjI="))
    });
    let double = double.await;
    // The proxy is the double itself; TLS to it is plain HTTP, so the request has the absolute form.
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
