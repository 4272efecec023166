//! What a broken connection means: name resolution, TCP, proxy, TLS, or bytes that are not HTTP. Reads the
//! error chain of the HTTP client, whose own text holds the URL with its query and is never shown.

use std::error::Error;
use std::io;

use super::proxy::Via;
use crate::failure::{self, TlsFault, openssl_reason, tls_fault};

const RESET: &str = "connection reset";
const BROKEN_PIPE: &str = "broken pipe";

/// Why a connection broke, told apart as far as there are different things to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Breakage {
    Dns(String),
    Proxy(ProxyFault),
    /// With what OpenSSL says.
    Tls(TlsFault, String),
    Timeout(String),
    Refused(String),
    NotHttp(String),
    /// No connection through a tunnel, and the node does not say why.
    Tunnel(String),
}

/// Why there is no connection through a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ProxyFault {
    /// It answers CONNECT with neither 200 nor 407.
    NoConnect,
    /// It answers 407.
    LoginRequired,
    /// The far end of a tunnel refuses: sshd of the node, or the proxy there.
    FarEnd,
    /// Anything else, in the words of the HTTP client.
    Other(String),
}

/// Reads an error of a request that went `via` something.
pub(super) fn read(error: &reqwest::Error, via: &Via) -> Breakage {
    let chain = chain(error);
    let reason = chain.last().cloned().unwrap_or_else(|| "no reason given".to_owned());
    if let Some(said) = reason.strip_prefix("SOCKS error: ") {
        return if *via == Via::Tunnel {
            refused_there(said)
        } else {
            Breakage::Proxy(ProxyFault::Other(said.to_owned()))
        };
    }
    let proxied = matches!(via, Via::Proxy { .. });
    let tls = tls_fault(&chain).or_else(|| hung_up(&chain).filter(|_| !proxied));
    match tls {
        // TLS 1.3 tells of it only after the handshake.
        Some(fault @ TlsFault::ClientCertificate) => Breakage::Tls(fault, handshake_reason(&chain)),
        Some(fault) if error.is_connect() && !tunnel(&chain) => Breakage::Tls(fault, handshake_reason(&chain)),
        _ if error.is_connect() && proxied => {
            Breakage::Proxy(proxy_fault(reason.strip_prefix("tunnel error: ").unwrap_or(&reason)))
        }
        _ if error.is_dns() => Breakage::Dns(reason),
        _ if error.is_timeout() => Breakage::Timeout(reason),
        _ if error.is_connect() => Breakage::Refused(reason),
        _ => Breakage::NotHttp(reason),
    }
}

/// Whether a connection failed because the port answers, but not in TLS. A port that hangs up without a word
/// does not say that: docker-registry (Go's net/http), hyper and Python's http.server were all seen to answer a
/// ClientHello with a 400 in plain HTTP before they close.
pub(super) fn speaks_no_tls(error: &reqwest::Error) -> bool {
    matches!(read(error, &Via::Nothing), Breakage::Tls(TlsFault::NotTls, _))
}

/// Whether a proxy refuses to connect, as many do to other ports than 443.
pub(super) fn may_not_connect(error: &reqwest::Error, via: &Via) -> bool {
    matches!(read(error, via), Breakage::Proxy(ProxyFault::NoConnect))
}

/// What the HTTP client makes of the proxy's answers to its CONNECT.
fn proxy_fault(reason: &str) -> ProxyFault {
    match reason {
        "unsuccessful" => ProxyFault::NoConnect,
        "proxy authorization required" => ProxyFault::LoginRequired,
        other => ProxyFault::Other(other.to_owned()),
    }
}

/// Whether names or dates of the server's certificate are what is wrong.
pub(super) fn is_of_certificate(error: &reqwest::Error, via: &Via) -> bool {
    use TlsFault::{Expired, NotYetValid, WrongAddress, WrongName};
    matches!(read(error, via), Breakage::Tls(Expired | NotYetValid | WrongAddress | WrongName, _))
}

/// The innermost cause of a client that could not be built.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    chain(error).pop().unwrap_or_else(|| error.to_string())
}

/// What the other end of a tunnel says in the reply of its SOCKS5 listener (RFC 1928, section 6).
fn refused_there(said: &str) -> Breakage {
    match said {
        "connection refused" => Breakage::Refused(said.to_owned()),
        "network unreachable" => Breakage::Refused("no route to host".to_owned()),
        "host unreachable" => Breakage::Dns("the name does not resolve there".to_owned()),
        "ttl expired" => Breakage::Timeout("connection timed out".to_owned()),
        "connection not allowed" => Breakage::Proxy(ProxyFault::FarEnd),
        other => Breakage::Tunnel(other.to_owned()),
    }
}

/// A proxy that hangs up says nothing of the port behind it.
fn tunnel(chain: &[String]) -> bool {
    chain.iter().any(|text| text.starts_with("tunnel error"))
}

/// The same of a handshake, with what the verification said: `certificate verify failed (CA signature too weak)`.
fn handshake_reason(chain: &[String]) -> String {
    let reason = openssl_reason(chain.last().map_or("", String::as_str));
    let verified = chain.iter().find_map(|text| Some(text.strip_suffix(')')?.rsplit_once(": (")?.1));
    verified.map_or(reason.clone(), |result| format!("{reason} ({result})"))
}

/// A connection that was there and was cut off, when nothing but TLS had been spoken over it.
fn hung_up(chain: &[String]) -> Option<TlsFault> {
    let connected = !chain.iter().any(|text| text == "tcp connect error");
    let cut = chain.last().is_some_and(|reason| reason == RESET || reason == BROKEN_PIPE);
    (connected && cut).then_some(TlsFault::HungUp)
}

/// The causes below the HTTP client's own text.
fn chain(error: &reqwest::Error) -> Vec<String> {
    let text = |error: &(dyn Error + 'static)| match error.downcast_ref::<io::Error>() {
        Some(io) => plain_io(io),
        None => error.to_string(),
    };
    failure::chain(error).skip(1).map(text).collect()
}

/// `connection refused`, without the `(os error 111)`.
fn plain_io(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => RESET.to_owned(),
        io::ErrorKind::BrokenPipe => BROKEN_PIPE.to_owned(),
        io::ErrorKind::HostUnreachable => "no route to host".to_owned(),
        io::ErrorKind::NetworkUnreachable => "network unreachable".to_owned(),
        io::ErrorKind::TimedOut => "connection timed out".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_verification_said_is_kept() {
        let failed = "error:0A000086:SSL routines:f:certificate verify failed:a.c:2124:";
        let chain = [format!("{failed} (CA signature digest algorithm too weak)"), failed.to_owned()];
        let expected = "certificate verify failed (CA signature digest algorithm too weak)";
        assert_eq!(handshake_reason(&chain), expected);
        assert_eq!(handshake_reason(&chain[1..]), "certificate verify failed");
    }
}
