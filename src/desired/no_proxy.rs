//! `no_proxy` matching: which hosts are reached without a proxy. It does not read the environment.

use std::collections::BTreeMap;

use hyper_util::client::proxy::matcher::Matcher;

/// A parsed `no_proxy` list of hosts, domains and networks. An entry may apply to only one port.
#[derive(Default)]
pub struct NoProxy {
    any_port: Option<Matcher>,
    by_port: BTreeMap<u16, Matcher>,
}

impl NoProxy {
    /// Parses a list as curl parses NO_PROXY: entries are separated by commas or white space, a domain includes its
    /// subdomains (with or without a leading dot), `*` matches every host, and networks have a prefix length. Loopback
    /// addresses match only if they are listed. As in Go's `golang.org/x/net/http/httpproxy`, an entry may have a port,
    /// and `*.example.com` means `.example.com`.
    pub fn parse(list: &str) -> Self {
        let mut any_port = Vec::new();
        let mut by_port: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
        for entry in list.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty()) {
            let (host, port) = split_port(entry);
            // The matcher of hyper-util has no wildcards, except for a single `*`.
            let host = if host.starts_with("*.") { &host[1..] } else { host };
            match port {
                Some(port) => by_port.entry(port).or_default().push(host),
                None => any_port.push(host),
            }
        }
        // The address of this proxy is never used. The matcher of hyper-util returns a proxy only if one is configured.
        let matcher = |hosts: &[&str]| Matcher::builder().all("http://proxy").no(hosts.join(",")).build();
        Self {
            // A list without entries matches no host, so no matcher is needed for it.
            any_port: (!any_port.is_empty()).then(|| matcher(&any_port)),
            by_port: by_port.into_iter().map(|(port, hosts)| (port, matcher(&hosts))).collect(),
        }
    }

    /// Whether `host:port` is reached without a proxy. An IPv6 address is in brackets.
    pub fn matches(&self, authority: &str) -> bool {
        // The matcher needs a complete URI, but compares only its host, so the scheme does not matter.
        let Ok(uri) = format!("https://{authority}/").parse() else { return false };
        let for_port = split_port(authority).1.and_then(|port| self.by_port.get(&port));
        // The matchers use one proxy for every URL. If a matcher returns no proxy for this URL, the list matches.
        self.any_port.iter().chain(for_port).any(|matcher| matcher.intercept(&uri).is_none())
    }
}

/// Splits `host:port` or `[address]:port`. If there is no port, as in a bare IPv6 address, the complete text is the
/// host.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    let (host, port) = match entry.rsplit_once(':') {
        // More than one colon without brackets is an IPv6 address without a port.
        Some((host, port)) if host.starts_with('[') || !host.contains(':') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    };
    (host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_domains_networks_and_ports_match() {
        let cases = [
            ("", "r.example.com:443", false),
            ("example.com", "r.example.com:443", true),
            ("example.com", "example.com:443", true),
            (".example.com", "r.example.com:443", true),
            (".example.com", "example.com:443", true),
            ("*.example.com", "r.example.com:443", true),
            ("example.com", "notexample.com:443", false),
            ("EXAMPLE.com", "r.Example.COM:443", true),
            ("r.example.com:5000", "r.example.com:5000", true),
            ("r.example.com:5000", "r.example.com:443", false),
            ("r.example.com:443", "r.example.com:443", true),
            (".example.com:5000", "r.example.com:5000", true),
            ("10.0.0.7", "10.0.0.7:443", true),
            ("10.0.0.7:5000", "10.0.0.7:443", false),
            ("10.0.0.0/8", "10.1.2.3:5000", true),
            ("10.0.0.0/8", "11.1.2.3:443", false),
            ("fd00::/8", "[fd00::7]:443", true),
            ("::1", "[::1]:5000", true),
            ("[::1]", "[::1]:5000", true),
            ("[::1]:5000", "[::1]:5000", true),
            ("[::1]:5000", "[::1]:443", false),
            ("*", "r.example.com:443", true),
            ("a.com, b.com c.com", "c.com:443", true),
            ("", "127.0.0.1:443", false),
            ("localhost", "localhost:5000", true),
        ];
        for (list, authority, direct) in cases {
            assert_eq!(NoProxy::parse(list).matches(authority), direct, "{list:?} and {authority}");
        }
    }
}
