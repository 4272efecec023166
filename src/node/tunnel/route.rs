//! The way from the node to a registry: direct, or through an HTTP proxy that the node would use, with the
//! CONNECT of RFC 9110 (9.3.6).

use hyper_util::client::proxy::matcher::Matcher;
use zeroize::Zeroizing;

use super::socks::Target;
use crate::desired::{Exceptions, Proxy};
use crate::secret::Secret;

/// No proxy has more to say in its header.
const LONGEST_ANSWER: usize = 16 * 1024;

/// Where a channel is opened to, and what is asked there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    Direct,
    /// The proxy, and the value of `Proxy-Authorization`.
    Proxy(Target, Option<Secret>),
    /// The proxy is none that can be asked: it wants TLS, or is no HTTP proxy.
    Impossible,
}

/// What a proxy has answered so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Unfinished,
    /// The way is open; the header takes up so many bytes.
    Open(usize),
    Refused,
}

impl Route {
    /// The way that the node takes to `target`. A client that wants a tunnel does not say what it will speak, so
    /// port 80 counts as HTTP and all others as HTTPS. The environment of this machine means nothing there.
    pub(super) fn of(proxy: &Proxy, target: &Target) -> Self {
        let Proxy::Set(settings) = proxy else { return Self::Direct };
        if Exceptions::read(&settings.no_proxy).covers(&target.authority()) {
            return Self::Direct;
        }
        let exposed = |proxy: &Option<Secret>| proxy.as_ref().map(|url| url.expose().to_owned()).unwrap_or_default();
        let (http, https) = (exposed(&settings.http), exposed(&settings.https));
        let rules = Matcher::builder().http(http).https(https).build();
        let scheme = if target.port == 80 { "http" } else { "https" };
        let Ok(url) = format!("{scheme}://{}/", target.authority()).parse() else { return Self::Direct };
        let Some(intercept) = rules.intercept(&url) else { return Self::Direct };
        let uri = intercept.uri();
        let host = uri.host().filter(|_| uri.scheme_str() == Some("http"));
        let Some(proxy) = host.and_then(|host| Target::new(host, uri.port_u16().unwrap_or(80))) else {
            return Self::Impossible;
        };
        let login = intercept.basic_auth().and_then(|login| login.to_str().ok()).map(Secret::new);
        Self::Proxy(proxy, login)
    }
}

/// What a proxy is asked for a way to `target`.
pub(super) fn question(target: &Target, login: Option<&Secret>) -> Zeroizing<Vec<u8>> {
    let authority = target.authority();
    let login = login.map(|login| Zeroizing::new(format!("Proxy-Authorization: {}\r\n", login.expose())));
    let login = login.as_ref().map_or("", |login| login.as_str());
    Zeroizing::new(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{login}\r\n").into_bytes())
}

/// Reads the answer to [`question`].
pub(super) fn answer(bytes: &[u8]) -> Answer {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return if bytes.len() < LONGEST_ANSWER { Answer::Unfinished } else { Answer::Refused };
    };
    let good = bytes.starts_with(b"HTTP/1.") && bytes.get(8..10) == Some(b" 2");
    if good { Answer::Open(end + 4) } else { Answer::Refused }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::ProxySettings;
    use std::sync::Arc;

    fn route(http: &str, https: &str, no_proxy: &str, host: &str, port: u16) -> Route {
        let secret = |text: &str| (!text.is_empty()).then(|| Secret::new(text));
        let settings = ProxySettings { http: secret(http), https: secret(https), no_proxy: no_proxy.to_owned() };
        Route::of(&Proxy::Set(Arc::new(settings)), &Target::new(host, port).unwrap())
    }

    #[test]
    fn the_proxy_that_a_node_uses() {
        let (plain, secure) = ("http://plain:3128", "http://eve:p%40ss@secure:3129");
        let proxy = |host: &str, port, login: Option<&str>| {
            Route::Proxy(Target::new(host, port).unwrap(), login.map(Secret::new))
        };
        // base64 of `eve:p@ss`.
        let login = Some("Basic ZXZlOnBAc3M=");
        let none = ".example.com,10.0.0.0/8,registry,*.example.org:5000";
        for (host, port, expected) in [
            ("quay.io", 443, proxy("secure", 3129, login)),
            ("quay.io", 5000, proxy("secure", 3129, login)),
            ("quay.io", 80, proxy("plain", 3128, None)),
            ("registry.example.com", 443, Route::Direct),
            ("10.1.2.3", 5000, Route::Direct),
            ("11.1.2.3", 5000, proxy("secure", 3129, login)),
            ("registry", 5000, Route::Direct),
            ("r.example.org", 5000, Route::Direct),
            ("r.example.org", 443, proxy("secure", 3129, login)),
            ("::1", 443, proxy("secure", 3129, login)),
        ] {
            assert_eq!(route(plain, secure, none, host, port), expected, "{host}:{port}");
        }
        assert_eq!(route(plain, "", "", "quay.io", 443), Route::Direct);
        assert_eq!(route("", "https://proxy:3128", "", "quay.io", 443), Route::Impossible);
        assert_eq!(route("", "socks5://proxy:1080", "", "quay.io", 443), Route::Impossible);
        assert_eq!(Route::of(&Proxy::Environment, &Target::new("quay.io", 443).unwrap()), Route::Direct);
    }

    #[test]
    fn what_is_asked_and_answered() {
        let target = Target::new("::1", 443).unwrap();
        let text = String::from_utf8(question(&target, Some(&Secret::new("Basic eA=="))).to_vec()).unwrap();
        assert_eq!(text, "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\nProxy-Authorization: Basic eA==\r\n\r\n");
        assert_eq!(answer(b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\nhello"), Answer::Open(27));
        assert_eq!(answer(b"HTTP/1.1 200 OK\r\nVia: x\r\n"), Answer::Unfinished);
        for refused in [&b"HTTP/1.1 407 Who?\r\n\r\n"[..], b"SSH-2.0-x\r\n\r\n", &[b'x'; LONGEST_ANSWER]] {
            assert_eq!(answer(refused), Answer::Refused);
        }
    }
}
