//! Parts of URLs, and whether two of them name the same server.

use reqwest::Url;

use crate::facts::ServerAddress;

/// `host[:port]`; the port only where the URL writes it.
pub fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    // The parser drops the default port of the scheme, so the text matches the name that users write.
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The host without brackets, and the port, even if the scheme implies it; `None` for a URL without a host.
pub fn address(url: &Url) -> Option<ServerAddress> {
    // The URL has brackets around an IPv6 address, but facts and the tunnel compare addresses without them.
    let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
    Some(ServerAddress { host, port: url.port_or_known_default()? })
}

/// Whether `url` is on the server `named` `host[:port]`; without a port, `named` has the default port of `scheme`.
pub fn is_on_server(url: &Url, named: &str, scheme: &str) -> bool {
    // Only parsed hosts are comparable, whatever their case and default port are. A text comparison would accept
    // `sso.example.com@evil.net`.
    let named = Url::parse(&format!("{scheme}://{named}/"));
    named.is_ok_and(|named| {
        named.host_str() == url.host_str() && named.port_or_known_default() == url.port_or_known_default()
    })
}

/// The URL without `user:password@`, which the HTTP client would otherwise send as a credential.
pub fn without_user(mut url: Url) -> Url {
    // This fails only for URLs that cannot contain a user.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}
