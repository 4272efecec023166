//! How the node connects to a registry: directly, or through the HTTP proxy that the node would use, with CONNECT
//! (RFC 9110, section 9.3.6).

use hyper_util::client::proxy::matcher::Matcher;
use zeroize::Zeroizing;

use super::socks::SocksTarget;
use crate::desired::{NoProxy, Proxy};
use crate::secret::Secret;

/// The largest header of a proxy's response that is read, in bytes.
const HEADER_LIMIT: usize = 16 * 1024;

/// The server to which a channel is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NodeRoute {
    Direct,
    /// The proxy, and the value of `Proxy-Authorization`.
    Proxy(SocksTarget, Option<Secret>),
    /// The proxy is not supported, because its scheme is not `http`. With `scheme://host:port`.
    Unsupported(String),
}

/// A connection that an account requests, and its route.
pub(super) struct ForwardRequest {
    pub(super) account: usize,
    pub(super) target: SocksTarget,
    pub(super) route: NodeRoute,
}

/// The response of a proxy to a CONNECT request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ConnectResponse {
    Incomplete,
    /// The proxy has connected; the header has this length in bytes.
    Accepted(usize),
    /// With the status; `None` if the response is not HTTP.
    Refused(Option<u16>),
}

impl ForwardRequest {
    /// The server that the node itself connects to: the proxy if there is one.
    pub(super) fn first_hop(&self) -> &SocksTarget {
        match &self.route {
            NodeRoute::Proxy(proxy, _) => proxy,
            NodeRoute::Direct | NodeRoute::Unsupported(_) => &self.target,
        }
    }

    /// The same for messages, without login.
    pub(super) fn shown_address(&self) -> String {
        match &self.route {
            NodeRoute::Direct | NodeRoute::Proxy(..) => self.first_hop().authority(),
            NodeRoute::Unsupported(proxy) => proxy.clone(),
        }
    }
}

impl NodeRoute {
    /// The route from the node to `target`. A SOCKS request does not name the protocol, so port 80 counts as HTTP and
    /// all others as HTTPS. The environment of this machine does not apply to the node.
    pub(super) fn of(proxy: &Proxy, target: &SocksTarget) -> Self {
        let Proxy::Set(settings) = proxy else { return Self::Direct };
        if NoProxy::parse(&settings.no_proxy).matches(&target.authority()) {
            return Self::Direct;
        }
        // The matcher would ignore a URL that is not strictly valid, and the node would then connect directly without
        // notice.
        let (http, https) = (encoded(settings.http.as_ref()), encoded(settings.https.as_ref()));
        let rules = Matcher::builder().http(http).https(https).build();
        // A SOCKS request does not name the protocol, so the port has to decide.
        let scheme = if target.port == 80 { "http" } else { "https" };
        // The matcher selects the proxy by the scheme of a URL.
        let Ok(url) = format!("{scheme}://{}/", target.authority()).parse() else { return Self::Direct };
        let Some(intercept) = rules.intercept(&url) else { return Self::Direct };
        let uri = intercept.uri();
        let host = uri.host().filter(|_| uri.scheme_str() == Some("http"));
        let Some(proxy) = host.and_then(|host| SocksTarget::new(host, uri.port_u16().unwrap_or(80))) else {
            let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
            // The login must not be part of the text that is shown.
            let (_, address) = authority.rsplit_once('@').unwrap_or(("", &authority));
            return Self::Unsupported(format!("{}://{address}", uri.scheme_str().unwrap_or_default()));
        };
        let login = intercept.basic_auth().and_then(|login| login.to_str().ok()).map(Secret::new);
        Self::Proxy(proxy, login)
    }
}

/// The URL of a proxy with its login percent-encoded, because the matcher skips URLs that are not strictly valid.
fn encoded(url: Option<&Secret>) -> String {
    let url = url.map(Secret::expose).unwrap_or_default();
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    // The last `@` separates the login, because a password that is not encoded may contain others.
    let Some((login, address)) = rest.rsplit_once('@') else { return url.to_owned() };
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let encode = |text: &str| -> Zeroizing<String> {
        // `%` is kept, because the login may be encoded already.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
        let byte = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        Zeroizing::new(text.bytes().map(byte).collect())
    };
    format!("{scheme}://{}:{}@{address}", *encode(user), *encode(password))
}

/// The CONNECT request for `target`.
pub(super) fn connect_request(target: &SocksTarget, login: Option<&Secret>) -> Zeroizing<Vec<u8>> {
    let authority = target.authority();
    let login = login.map(|login| Zeroizing::new(format!("Proxy-Authorization: {}\r\n", login.expose())));
    let login = login.as_ref().map_or("", |login| login.as_str());
    Zeroizing::new(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{login}\r\n").into_bytes())
}

/// Reads the response to [`connect_request`].
pub(super) fn connect_response(bytes: &[u8]) -> ConnectResponse {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        // The limit is needed because a server that is not a proxy could send bytes without end.
        return if bytes.len() < HEADER_LIMIT { ConnectResponse::Incomplete } else { ConnectResponse::Refused(None) };
    };
    // Every 2xx status means that the proxy has connected (RFC 9110, section 9.3.6).
    match status(bytes) {
        Some(200..=299) => ConnectResponse::Accepted(end + 4),
        status => ConnectResponse::Refused(status),
    }
}

/// The status of an HTTP/1 response.
fn status(bytes: &[u8]) -> Option<u16> {
    // The minor version and the reason phrase are not checked: proxies respond with HTTP/1.0, too, and may omit the
    // phrase.
    let text = bytes.strip_prefix(b"HTTP/1.")?.get(1..5)?.strip_prefix(b" ")?;
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::ProxySettings;
    use std::sync::Arc;

    fn route(http: &str, https: &str, no_proxy: &str, host: &str, port: u16) -> NodeRoute {
        let secret = |text: &str| (!text.is_empty()).then(|| Secret::new(text));
        let settings = ProxySettings {
            http: secret(http),
            https: secret(https),
            no_proxy: no_proxy.to_owned(),
            ..ProxySettings::default()
        };
        NodeRoute::of(&Proxy::Set(Arc::new(settings)), &SocksTarget::new(host, port).unwrap())
    }

    #[test]
    fn a_login_that_is_not_percent_encoded() {
        use base64::Engine as _;
        for (written, meant) in
            [("eve:p%40ss", "eve:p@ss"), ("eve:ü^<:@x", "eve:ü^<:@x"), ("eve:100%", "eve:100%"), ("eve", "eve:")]
        {
            let login = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(meant));
            let expected = NodeRoute::Proxy(SocksTarget::new("secure", 3129).unwrap(), Some(Secret::new(login)));
            assert_eq!(route("", &format!("http://{written}@secure:3129"), "", "quay.io", 443), expected, "{written}");
        }
    }

    #[test]
    fn the_address_of_a_target_is_that_of_a_url() {
        for (host, port, expected) in
            [("quay.io", 443, "quay.io"), ("quay.io", 5000, "quay.io"), ("[fe80::80]", 80, "fe80::80")]
        {
            let address = SocksTarget::new(host, port).unwrap().address();
            assert_eq!((address.host.as_str(), address.port), (expected, port));
        }
    }

    #[test]
    fn the_proxy_that_a_node_uses() {
        let (plain, secure) = ("http://plain:3128", "http://eve:p%40ss@secure:3129");
        let proxy = |host: &str, port, login: Option<&str>| {
            NodeRoute::Proxy(SocksTarget::new(host, port).unwrap(), login.map(Secret::new))
        };
        // base64 of `eve:p@ss`.
        let login = Some("Basic ZXZlOnBAc3M=");
        let none = ".example.com,10.0.0.0/8,registry,*.example.org:5000";
        for (host, port, expected) in [
            ("quay.io", 443, proxy("secure", 3129, login)),
            ("quay.io", 5000, proxy("secure", 3129, login)),
            ("quay.io", 80, proxy("plain", 3128, None)),
            ("registry.example.com", 443, NodeRoute::Direct),
            ("10.1.2.3", 5000, NodeRoute::Direct),
            ("11.1.2.3", 5000, proxy("secure", 3129, login)),
            ("registry", 5000, NodeRoute::Direct),
            ("r.example.org", 5000, NodeRoute::Direct),
            ("r.example.org", 443, proxy("secure", 3129, login)),
            ("::1", 443, proxy("secure", 3129, login)),
        ] {
            assert_eq!(route(plain, secure, none, host, port), expected, "{host}:{port}");
        }
        assert_eq!(route(plain, "", "", "quay.io", 443), NodeRoute::Direct);
        for (proxy, shown) in [
            ("https://proxy:3128", "https://proxy:3128"),
            ("https://eve:p%40ss@proxy", "https://proxy"),
            ("socks5://eve:p%40ss@proxy:1080", "socks5://proxy:1080"),
        ] {
            assert_eq!(route("", proxy, "", "quay.io", 443), NodeRoute::Unsupported(shown.to_owned()));
        }
        assert_eq!(NodeRoute::of(&Proxy::Environment, &SocksTarget::new("quay.io", 443).unwrap()), NodeRoute::Direct);
    }

    #[test]
    fn connect_request_and_response() {
        let target = SocksTarget::new("::1", 443).unwrap();
        let text = String::from_utf8(connect_request(&target, Some(&Secret::new("Basic eA=="))).to_vec()).unwrap();
        assert_eq!(text, "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\nProxy-Authorization: Basic eA==\r\n\r\n");
        assert_eq!(connect_response(b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\nhello"), ConnectResponse::Accepted(27));
        assert_eq!(connect_response(b"HTTP/1.1 200 OK\r\nVia: x\r\n"), ConnectResponse::Incomplete);
        for (refused, status) in [
            (&b"HTTP/1.1 407 Who?\r\n\r\n"[..], Some(407)),
            (b"HTTP/1.0 503\r\n\r\n", Some(503)),
            (b"HTTP/1.1 +20 OK\r\n\r\n", Some(20)),
            (b"HTTP/1.1 2\r\n\r\n", None),
            (b"SSH-2.0-x\r\n\r\n", None),
            (&[b'x'; HEADER_LIMIT], None),
        ] {
            assert_eq!(connect_response(refused), ConnectResponse::Refused(status));
        }
    }
}
