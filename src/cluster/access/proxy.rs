//! The proxy to the API server when the kubeconfig sets none: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`
//! of the environment. It only computes a URL.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use kube::Config;

/// The URL of the proxy that the environment selects for the server of `config`.
pub(super) fn from_environment(config: &Config) -> Option<String> {
    // The kube crate compares NO_PROXY with the address of the proxy instead of the server, and stops reading the list
    // at an empty element.
    let proxy = Matcher::from_system().intercept(&config.cluster_url)?;
    Some(proxy_url(&proxy))
}

/// The URL in the form that the kube crate expects: the credentials are percent-encoded user information.
fn proxy_url(proxy: &Intercept) -> String {
    let credentials = match (proxy.basic_auth(), proxy.raw_auth()) {
        // The matcher keeps the login of an HTTP proxy only as the value of a header, from which it has to be decoded.
        (Some(header), _) => header
            .to_str()
            .ok()
            .and_then(|value| STANDARD.decode(value.strip_prefix("Basic ")?).ok())
            .map(|pair| format!("{}@", percent_encode(&pair))),
        (None, Some((user, password))) => Some(format!("{}@", percent_encode(format!("{user}:{password}").as_bytes()))),
        (None, None) => None,
    };
    // The kube crate only accepts `socks5`. With both spellings it lets the proxy resolve the name.
    let scheme = proxy.uri().scheme_str().map(|scheme| if scheme == "socks5h" { "socks5" } else { scheme });
    let host = proxy.uri().authority().map(|authority| authority.as_str()).unwrap_or_default();
    format!("{}://{}{host}", scheme.unwrap_or("http"), credentials.unwrap_or_default())
}

fn percent_encode(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|&byte| match byte {
            // A colon is kept, because the first one separates the user from the password.
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_keeps_its_credentials() {
        let cases = [
            ("http://proxy:3128", "http://proxy:3128"),
            ("proxy:3128", "http://proxy:3128"),
            ("http://us%40er:p%3Aw%2F@proxy:3128", "http://us%40er:p:w%2F@proxy:3128"),
            ("socks5h://proxy:1080", "socks5://proxy:1080"),
        ];
        for (given, expected) in cases {
            let matcher = Matcher::builder().all(given).no("other.example.com,").build();
            let proxy = matcher.intercept(&"https://api.example.com:6443".parse().unwrap()).unwrap();
            assert_eq!(proxy_url(&proxy), expected);
            assert!(matcher.intercept(&"https://api.other.example.com".parse().unwrap()).is_none());
        }
    }
}
