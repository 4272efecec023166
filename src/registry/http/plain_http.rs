//! Determines where plain HTTP is permitted instead of TLS: only for insecure registries (`tls_verify: False`).
//! `client.rs` enforces the same rule a second time: the client of a secure registry cannot send plain HTTP.

use reqwest::Url;

use crate::desired::TlsPolicy;

/// Whether a URL may be contacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// HTTPS, or plain HTTP for an insecure registry.
    Allowed,
    /// Plain HTTP, although TLS must be verified.
    PlainHttp,
    /// Neither HTTPS nor HTTP.
    Unsupported,
}

/// Checks the scheme of a redirect target or a token server.
pub fn check(url: &Url, policy: TlsPolicy) -> Scheme {
    match (url.scheme(), policy) {
        ("https", _) | ("http", TlsPolicy::Insecure) => Scheme::Allowed,
        ("http", TlsPolicy::Verify) => Scheme::PlainHttp,
        _ => Scheme::Unsupported,
    }
}

/// The same host with HTTPS. A port that the URL names is kept, because a proxy that terminates TLS may use any port.
pub fn with_tls(http: Url) -> Url {
    let mut url = http;
    // This cannot fail: https and http are both special schemes with a host.
    let _ = url.set_scheme("https");
    url
}

/// The same host and port with plain HTTP.
pub fn same_port(https: Url) -> Url {
    let mut url = https;
    // The port is read before the scheme changes, because the default port depends on the scheme.
    let port = url.port_or_known_default();
    // Neither can fail: https and http are both special schemes with a host.
    let _ = url.set_scheme("http");
    let _ = url.set_port(port);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_uses_the_same_port() {
        for (https, http) in [("https://r/v2/", "http://r:443/v2/"), ("https://r:80/v2/", "http://r/v2/")] {
            assert_eq!(same_port(Url::parse(https).unwrap()).as_str(), http);
        }
    }

    #[test]
    fn tls_uses_the_port_that_is_named() {
        for (http, https) in [("http://r/t?a=b", "https://r/t?a=b"), ("http://r:5000/t", "https://r:5000/t")] {
            assert_eq!(with_tls(Url::parse(http).unwrap()).as_str(), https);
        }
    }

    #[test]
    fn only_an_insecure_registry_allows_plain_http() {
        for (url, secure, insecure) in [
            ("https://r/", Scheme::Allowed, Scheme::Allowed),
            ("http://r/", Scheme::PlainHttp, Scheme::Allowed),
            ("ftp://r/", Scheme::Unsupported, Scheme::Unsupported),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!((check(&url, TlsPolicy::Verify), check(&url, TlsPolicy::Insecure)), (secure, insecure), "{url}");
        }
    }
}
