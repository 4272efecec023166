//! Who is reached without a proxy: the list that curl and Go call NO_PROXY.

use std::collections::BTreeMap;

use hyper_util::client::proxy::matcher::Matcher;

/// Hosts, domains and networks; those that name a port only there.
#[derive(Default)]
pub struct Exceptions {
    everywhere: Option<Matcher>,
    ports: BTreeMap<u16, Matcher>,
}

impl Exceptions {
    /// Reads a list as curl reads NO_PROXY: a domain covers its subdomains, with a leading dot or without, `*` is
    /// everybody, networks have a prefix length; loopback is no exception unless it is named. As in Go's
    /// `golang.org/x/net/http/httpproxy`, an entry may name a port, and `*.example.com` is `.example.com`.
    pub fn read(list: &str) -> Self {
        let mut everywhere = Vec::new();
        let mut ports: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
        for entry in list.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty()) {
            let (host, port) = split_port(entry);
            let host = if host.starts_with("*.") { &host[1..] } else { host };
            match port {
                Some(port) => ports.entry(port).or_default().push(host),
                None => everywhere.push(host),
            }
        }
        let matcher = |hosts: &[&str]| Matcher::builder().all("http://proxy").no(hosts.join(",")).build();
        Self {
            everywhere: (!everywhere.is_empty()).then(|| matcher(&everywhere)),
            ports: ports.into_iter().map(|(port, hosts)| (port, matcher(&hosts))).collect(),
        }
    }

    /// Whether `host:port` is one; an IPv6 address stands in brackets.
    pub fn covers(&self, authority: &str) -> bool {
        let Ok(uri) = format!("https://{authority}/").parse() else { return false };
        let at_port = split_port(authority).1.and_then(|port| self.ports.get(&port));
        self.everywhere.iter().chain(at_port).any(|direct| direct.intercept(&uri).is_none())
    }
}

/// `host:port`, `[address]:port` or neither; a bare IPv6 address has colons of its own.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    let (host, port) = match entry.rsplit_once(':') {
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
    fn who_is_reached_directly() {
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
            assert_eq!(Exceptions::read(list).covers(authority), direct, "{list:?} and {authority}");
        }
    }
}
