//! `openshift_docker_insecure_registries`: which registries may be used without TLS verification, and over plain HTTP
//! if needed. `TlsPolicy::Insecure` describes what this means for requests.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};

/// One element of the list: a host with an optional port, or a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InsecureRegistry {
    /// `host[:port]`. The comparison ignores case.
    Host(String),
    /// A network in CIDR notation (RFC 4632). It matches only registries that are written as an IPv4 address, because
    /// names are not resolved and image names cannot contain IPv6 addresses.
    Network {
        /// Any address of the network.
        address: IpAddr,
        /// The number of leading bits that are compared.
        prefix: u8,
    },
}

/// Parses one element; `None` if it is neither `host[:port]` nor a network.
pub fn parse(text: &str) -> Option<InsecureRegistry> {
    let text = text.trim();
    match text.split_once('/') {
        Some((address, prefix)) => {
            let address: IpAddr = address.parse().ok()?;
            let prefix: u8 = prefix.parse().ok()?;
            let widest = if address.is_ipv4() { 32 } else { 128 };
            (prefix <= widest).then_some(InsecureRegistry::Network { address, prefix })
        }
        None => {
            let bad = text.is_empty() || text.contains(|c: char| c.is_whitespace() || c == '@');
            (!bad).then(|| InsecureRegistry::Host(text.to_ascii_lowercase()))
        }
    }
}

impl InsecureRegistry {
    /// Whether the element matches the registry `host[:port]`.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Host(entry) => *entry == host.to_ascii_lowercase(),
            Self::Network { address: IpAddr::V4(address), prefix } => {
                ip_of(host).is_some_and(|ip| leading_bits(ip, *prefix) == leading_bits(*address, *prefix))
            }
            // Such a network is valid in the variable, so it is accepted although no registry can match it.
            Self::Network { address: IpAddr::V6(_), .. } => false,
        }
    }
}

/// The address of `1.2.3.4:5000` or `1.2.3.4`. Registries cannot be written as an IPv6 address.
fn ip_of(host: &str) -> Option<Ipv4Addr> {
    let socket = host.parse().ok().map(|socket: SocketAddrV4| *socket.ip());
    socket.or_else(|| host.parse().ok())
}

fn leading_bits(ip: Ipv4Addr, prefix: u8) -> u32 {
    // A shift by 32 bits, for the prefix 0, would overflow. All addresses are equal then.
    u32::from(ip).checked_shr(32 - u32::from(prefix.min(32))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_networks_match() {
        for (element, host, expected) in [
            ("registry:5000", "registry:5000", true),
            ("Registry:5000", "registry:5000", true),
            ("registry", "registry:5000", false),
            ("172.30.0.0/16", "172.30.1.1:5000", true),
            ("172.30.0.0/16", "172.31.1.1:5000", false),
            ("172.30.0.0/16", "registry:5000", false),
            ("0.0.0.0/0", "10.1.2.3", true),
            ("172.30.1.1/32", "172.30.1.1", true),
            ("172.30.1.1/32", "172.30.1.2", false),
            ("fd00::/8", "10.1.2.3", false),
        ] {
            assert_eq!(parse(element).unwrap().matches(host), expected, "{element} {host}");
        }
    }

    #[test]
    fn other_texts_are_rejected() {
        for text in ["", "https://registry", "172.30.0.0/33", "a b", "registry/path"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
