//! The server side of SOCKS5 (RFC 1928) with a login (RFC 1929), limited to what a tunnel needs: only CONNECT, and only
//! with the login. It processes bytes and returns what to do next; it uses no socket.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::facts::ServerAddress;

const VERSION: u8 = 5;
/// The version of the login negotiation (RFC 1929, section 2).
const LOGIN_VERSION: u8 = 1;
const LOGIN_METHOD: u8 = 2;
const CONNECT: u8 = 1;

/// The reply to a request (RFC 1928, section 6). `registry/http/connection_error.rs` maps each to a cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    Granted = 0,
    /// The node could not connect, for an unknown reason.
    Failed = 1,
    /// sshd of the node forbids it, or the HTTP proxy of the node failed or refused.
    NotAllowed = 2,
    /// The node has no route.
    NoRoute = 3,
    /// The name does not resolve on the node.
    NoName = 4,
    Refused = 5,
    TimedOut = 6,
    NoSuchCommand = 7,
    NoSuchAddress = 8,
}

impl Reply {
    /// The bytes of the reply; its address has no meaning for CONNECT.
    pub(super) fn bytes(self) -> [u8; 10] {
        // The address must be present even though it is not used: here the IPv4 address 0.0.0.0 with port 0.
        [VERSION, self as u8, 0, 1, 0, 0, 0, 0, 0, 0]
    }
}

/// The server to which a client wants to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SocksTarget {
    /// A name of letters, digits, `.`, `-` and `_`, or an IP address without brackets: safe in a shell command.
    pub(super) host: String,
    pub(super) port: u16,
}

impl SocksTarget {
    /// `host:port` as in a URL.
    pub(super) fn authority(&self) -> String {
        let Self { host, port } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// The same for facts.
    pub(super) fn address(&self) -> ServerAddress {
        ServerAddress { host: self.host.clone(), port: self.port }
    }

    /// `None` if the host contains other characters than a name or an address.
    pub(super) fn new(host: &str, port: u16) -> Option<Self> {
        // Some clients send an IPv6 address as a name with brackets, as it is in the URL.
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        // The host becomes an argument of a shell command on the node: it must not look like an option or contain a
        // quote.
        let name = !host.is_empty() && !host.starts_with('-') && host.chars().all(plain);
        (name || host.parse::<IpAddr>().is_ok()).then(|| Self { host: host.to_owned(), port })
    }
}

/// A negotiation that has not ended.
#[derive(Debug, Default)]
pub(super) struct Negotiation(NegotiationPhase);

#[derive(Debug, Default)]
enum NegotiationPhase {
    #[default]
    Methods,
    Login,
    /// With the number of the account that logged in.
    Request(usize),
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Wait for more bytes.
    Read,
    /// Send this, and continue.
    Send(&'static [u8]),
    /// The account with this number requests a connection.
    Connect(usize, SocksTarget),
    /// Send this, and close the connection.
    Refuse(Vec<u8>),
}

impl Negotiation {
    /// Removes one message from the front of `input` if it is complete. `account` finds the account with a user name and
    /// password.
    pub(super) fn next(&mut self, input: &mut Vec<u8>, account: impl Fn(&[u8], &[u8]) -> Option<usize>) -> Next {
        let (next, taken) = match self.0 {
            NegotiationPhase::Methods => self.methods(input),
            NegotiationPhase::Login => self.login(input, account),
            NegotiationPhase::Request(account) => request(input, account),
        }
        .unwrap_or((Next::Read, 0));
        input.drain(..taken);
        next
    }

    fn methods(&mut self, input: &[u8]) -> Option<(Next, usize)> {
        let version = *input.first()?;
        if version != VERSION {
            // The client uses another protocol and would not understand a reply.
            return Some((Next::Refuse(Vec::new()), 1));
        }
        let end = 2 + usize::from(*input.get(1)?);
        let offered = input.get(2..end)?;
        // Every program on this machine can connect to the listener, so the login is required.
        if !offered.contains(&LOGIN_METHOD) {
            return Some((Next::Refuse(vec![VERSION, 0xff]), end));
        }
        self.0 = NegotiationPhase::Login;
        Some((Next::Send(&[VERSION, LOGIN_METHOD]), end))
    }

    fn login(&mut self, input: &[u8], account: impl Fn(&[u8], &[u8]) -> Option<usize>) -> Option<(Next, usize)> {
        if *input.first()? != LOGIN_VERSION {
            return Some((Next::Refuse(Vec::new()), 1));
        }
        // The lengths come from the client, so every access is checked. A missing byte means that the message is
        // incomplete.
        let middle = 2 + usize::from(*input.get(1)?);
        let end = middle + 1 + usize::from(*input.get(middle)?);
        let password = input.get(middle + 1..end)?;
        match account(&input[2..middle], password) {
            Some(account) => {
                self.0 = NegotiationPhase::Request(account);
                Some((Next::Send(&[LOGIN_VERSION, 0]), end))
            }
            None => Some((Next::Refuse(vec![LOGIN_VERSION, 1]), end)),
        }
    }
}

fn request(input: &[u8], account: usize) -> Option<(Next, usize)> {
    let refuse = |reply: Reply, end| Some((Next::Refuse(reply.bytes().to_vec()), end));
    let [version, command, _, address_type, first, ..] = *input else { return None };
    if version != VERSION {
        return Some((Next::Refuse(Vec::new()), 1));
    }
    let (begin, end) = match address_type {
        1 => (4, 8),
        3 => (5, 5 + usize::from(first)),
        4 => (4, 20),
        // The length of an unknown type is unknown, too, so the rest of the input cannot be interpreted.
        _ => return refuse(Reply::NoSuchAddress, input.len()),
    };
    let (address, port) = (input.get(begin..end)?, input.get(end..end + 2)?);
    let host = match address_type {
        1 => <[u8; 4]>::try_from(address).map(|octets| Ipv4Addr::from(octets).to_string()).ok(),
        4 => <[u8; 16]>::try_from(address).map(|octets| Ipv6Addr::from(octets).to_string()).ok(),
        // A name is passed on unresolved, because only the node must resolve it.
        _ => std::str::from_utf8(address).map(str::to_owned).ok(),
    };
    let target = host.and_then(|host| SocksTarget::new(&host, u16::from_be_bytes([port[0], port[1]])));
    match target {
        // The length of the address must be known before the request can be refused.
        _ if command != CONNECT => refuse(Reply::NoSuchCommand, end + 2),
        Some(target) => Some((Next::Connect(account, target), end + 2)),
        None => refuse(Reply::NoSuchAddress, end + 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &[u8] = b"\x05\x02\x00\x02";
    const LOGIN: &[u8] = b"\x01\x04user\x06secret";

    fn account(user: &[u8], password: &[u8]) -> Option<usize> {
        (user == b"user" && password == b"secret").then_some(7)
    }

    fn logged_in() -> Negotiation {
        let mut negotiation = Negotiation::default();
        let mut input = [HELLO, LOGIN].concat();
        assert_eq!(negotiation.next(&mut input, account), Next::Send(&[5, 2]));
        assert_eq!(negotiation.next(&mut input, account), Next::Send(&[1, 0]));
        assert!(input.is_empty());
        negotiation
    }

    fn reply_to(request: &[u8]) -> Next {
        logged_in().next(&mut request.to_vec(), account)
    }

    #[test]
    fn every_address_type() {
        let target = |host: &str, port| Next::Connect(7, SocksTarget { host: host.to_owned(), port });
        for (request, expected) in [
            (&b"\x05\x01\x00\x03\x0bregistry.eu\x01\xbb"[..], target("registry.eu", 443)),
            (b"\x05\x01\x00\x01\x0a\x00\x00\x05\x13\x88", target("10.0.0.5", 5000)),
            (b"\x05\x01\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x50", target("::1", 80)),
            (b"\x05\x01\x00\x03\x05[::1]\x00\x50", target("::1", 80)),
        ] {
            assert_eq!(reply_to(request), expected);
        }
    }

    #[test]
    fn a_message_may_arrive_byte_by_byte() {
        let all = [HELLO, LOGIN, b"\x05\x01\x00\x03\x01r\x00\x50", b"GET"].concat();
        let (mut negotiation, mut input, mut sent) = (Negotiation::default(), Vec::new(), Vec::new());
        for (at, byte) in all.iter().enumerate() {
            input.push(*byte);
            match negotiation.next(&mut input, account) {
                Next::Read => {}
                Next::Send(bytes) => sent.extend_from_slice(bytes),
                Next::Connect(7, target) => {
                    assert_eq!((target.authority().as_str(), at), ("r:80", all.len() - 4));
                    assert_eq!(sent, [5, 2, 1, 0]);
                    return;
                }
                other => panic!("{other:?}"),
            }
        }
        panic!("it never connects");
    }

    #[test]
    fn no_client_connects_without_the_login() {
        let mut negotiation = Negotiation::default();
        assert_eq!(negotiation.next(&mut b"\x05\x01\x00".to_vec(), account), Next::Refuse(vec![5, 0xff]));
        for wrong in [&b"\x01\x04user\x06Secret"[..], b"\x01\x00\x00", b"\x01\x04user\x05secre"] {
            let mut negotiation = Negotiation::default();
            let mut input = [HELLO, wrong].concat();
            negotiation.next(&mut input, account);
            assert_eq!(negotiation.next(&mut input, account), Next::Refuse(vec![1, 1]), "{wrong:?}");
        }
        for stranger in [&b"GET / HTTP/1.1\r\n"[..], b"\x04\x01\x00\x50", b"\x16\x03\x01"] {
            assert_eq!(Negotiation::default().next(&mut stranger.to_vec(), account), Next::Refuse(Vec::new()));
        }
    }

    #[test]
    fn unsupported_requests() {
        let refused = |reply: Reply| Next::Refuse(reply.bytes().to_vec());
        for (request, reply) in [
            (&b"\x05\x02\x00\x01\x0a\x00\x00\x05\x13\x88"[..], Reply::NoSuchCommand),
            (b"\x05\x01\x00\x09\x0a\x00\x00\x05\x13\x88", Reply::NoSuchAddress),
            (b"\x05\x01\x00\x03\x05a;b c\x00\x50", Reply::NoSuchAddress),
            (b"\x05\x01\x00\x03\x04-n$x\x00\x50", Reply::NoSuchAddress),
            (b"\x05\x01\x00\x03\x02-n\x00\x50", Reply::NoSuchAddress),
            (b"\x05\x01\x00\x03\x00\x00\x50", Reply::NoSuchAddress),
            (b"\x05\x01\x00\x03\x02\xff\xfe\x00\x50", Reply::NoSuchAddress),
        ] {
            assert_eq!(reply_to(request), refused(reply), "{request:?}");
        }
    }
}
