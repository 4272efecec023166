//! `openshift_docker_insecure_registries`: which registries need no verified TLS.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};

/// One entry: a host with an optional port, or a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InsecureRegistry {
    /// `host[:port]`, compared as written, without regard to case.
    Host(String),
    /// A network in CIDR notation. It holds for registries that are written as an IPv4 address: names are not
    /// resolved to find out, and image names have no IPv6 addresses.
    Network {
        /// Any address of the network.
        address: IpAddr,
        /// How many leading bits count.
        prefix: u8,
    },
}

/// Reads one entry; `None` if it is neither `host[:port]` nor CIDR.
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
    /// Whether the entry holds for the registry `host[:port]`.
    pub fn holds_for(&self, host: &str) -> bool {
        match self {
            Self::Host(entry) => *entry == host.to_ascii_lowercase(),
            Self::Network { address: IpAddr::V4(address), prefix } => {
                ip_of(host).is_some_and(|ip| leading_bits(ip, *prefix) == leading_bits(*address, *prefix))
            }
            Self::Network { address: IpAddr::V6(_), .. } => false,
        }
    }
}

/// The address in `1.2.3.4:5000` or `1.2.3.4`: no registry is written as an IPv6 address.
fn ip_of(host: &str) -> Option<Ipv4Addr> {
    let socket = host.parse().ok().map(|socket: SocketAddrV4| *socket.ip());
    socket.or_else(|| host.parse().ok())
}

fn leading_bits(ip: Ipv4Addr, prefix: u8) -> u32 {
    u32::from(ip).checked_shr(32 - u32::from(prefix.min(32))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_networks() {
        for (entry, host, holds) in [
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
            assert_eq!(parse(entry).unwrap().holds_for(host), holds, "{entry} {host}");
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in ["", "https://registry", "172.30.0.0/33", "a b", "registry/path"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
