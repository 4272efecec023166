//! Why a connection failed: name resolution, TCP, proxy, TLS, or bytes that are not HTTP. This file reads the texts of
//! the HTTP client, OpenSSL and the system, because these libraries offer no other distinction. The HTTP client's own
//! text is never shown: it contains the URL with its query.

use std::error::Error;
use std::io;

use openssl::error::ErrorStack;

use super::proxy::Hop;
use crate::failure::{self, TlsFault, TunnelFault, openssl_reason, tls_fault, tunnel_fault};

const RESET: &str = "connection reset";
const BROKEN_PIPE: &str = "broken pipe";

/// Why a connection failed. Two errors are different values if the user can do different things about them. The texts
/// are those of the library that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionError {
    Dns(String),
    Proxy(ProxyError),
    /// With OpenSSL's text.
    Tls(TlsFault, String),
    Timeout(String),
    Refused(String),
    NotHttp(String),
    /// There is no connection through a tunnel, and the node does not report the reason.
    Tunnel(String),
}

/// Why there is no connection through a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyError {
    /// The response to CONNECT is neither 200 nor 407.
    ConnectRefused,
    /// The response to CONNECT is 407.
    LoginRequired,
    /// The far end of a tunnel refused: sshd of the node, or the proxy there.
    FarEnd,
    /// Any other error, with the text of the HTTP client.
    Other(String),
}

/// How far a request got whose connection was lost without a reason. The reason may have been lost, too: with TLS 1.3 a
/// server rejects a client certificate only after the handshake, and then it closes the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostConnection {
    /// It was closed before any part of the request was sent.
    Unsent,
    /// It was reset, and a part of the request may have arrived.
    MaybeSent,
}

/// Whether the connection was lost after it was established.
pub fn lost_connection(error: &reqwest::Error) -> Option<LostConnection> {
    let chain = chain(error);
    if error.is_connect() || tls_fault(&chain) == Some(TlsFault::ClientCertificate) {
        return None;
    }
    match is_unsent(error) {
        true => Some(LostConnection::Unsent),
        false => is_cut(&chain).then_some(LostConnection::MaybeSent),
    }
}

/// Whether the HTTP client gave a request back, because the connection ended before it could be written. hyper reports
/// it as canceled, or as closed if it was not even queued.
fn is_unsent(error: &(dyn Error + 'static)) -> bool {
    failure::find::<hyper::Error>(error).is_some_and(|error| error.is_canceled() || error.is_closed())
}

/// The meaning of an error of a request that went through `hop`.
pub fn classify(error: &reqwest::Error, hop: &Hop) -> ConnectionError {
    let chain = chain(error);
    let reason = chain.last().cloned().unwrap_or_else(|| "no reason given".to_owned());
    // This is checked first, because such an error is also a connection error, but only its text has the reply of the
    // tunnel.
    if let Some(text) = reason.strip_prefix("SOCKS error: ") {
        return match hop {
            Hop::Tunnel => refused_by_tunnel(text),
            Hop::Direct | Hop::Proxy { .. } => ConnectionError::Proxy(ProxyError::Other(text.to_owned())),
        };
    }
    // The proxy may have closed the connection, which says nothing about TLS of the server.
    let proxied = matches!(hop, Hop::Proxy { .. });
    let tls = tls_fault(&chain).or_else(|| closed_in_handshake(&chain).filter(|_| !proxied));
    match tls {
        // With TLS 1.3 the server rejects a client certificate only after the handshake.
        Some(fault @ TlsFault::ClientCertificate) => ConnectionError::Tls(fault, handshake_reason(&chain)),
        Some(fault) if error.is_connect() && !proxy_failed(&chain) => {
            ConnectionError::Tls(fault, handshake_reason(&chain))
        }
        _ if error.is_connect() && proxied => {
            ConnectionError::Proxy(proxy_error(reason.strip_prefix("tunnel error: ").unwrap_or(&reason)))
        }
        // The order matters, because a failed name lookup and a timeout are also reported as connection errors.
        _ if error.is_dns() => ConnectionError::Dns(reason),
        _ if error.is_timeout() => ConnectionError::Timeout(reason),
        _ if error.is_connect() => ConnectionError::Refused(reason),
        // The HTTP client's text ("connection was not ready") does not tell a user what happened.
        _ if is_unsent(error) => ConnectionError::NotHttp("connection closed before the request was sent".to_owned()),
        _ => ConnectionError::NotHttp(reason),
    }
}

/// Whether a connection failed because the port responds, but not in TLS. A port that closes the connection without a
/// response does not count: docker-registry (Go's net/http), hyper and Python's http.server all respond to a
/// ClientHello with a 400 in plain HTTP before they close.
pub fn speaks_no_tls(error: &reqwest::Error) -> bool {
    matches!(classify(error, &Hop::Direct), ConnectionError::Tls(TlsFault::NotTls, _))
}

/// Whether a proxy refuses CONNECT, as many do for ports other than 443.
pub fn proxy_refuses_connect(error: &reqwest::Error, hop: &Hop) -> bool {
    matches!(classify(error, hop), ConnectionError::Proxy(ProxyError::ConnectRefused))
}

/// Whether the far end of a tunnel (the node or its proxy) reported the error.
pub fn is_from_far_end(error: &reqwest::Error, hop: &Hop) -> bool {
    *hop == Hop::Tunnel && matches!(classify(error, hop), ConnectionError::Proxy(ProxyError::FarEnd))
}

/// Whether the names or dates of the server's certificate are the problem.
pub fn is_certificate_name_or_date(error: &reqwest::Error, hop: &Hop) -> bool {
    use TlsFault::{Expired, NotYetValid, WrongAddress, WrongName};
    matches!(classify(error, hop), ConnectionError::Tls(Expired | NotYetValid | WrongAddress | WrongName, _))
}

/// The innermost cause of an error.
pub fn innermost(error: &reqwest::Error) -> String {
    chain(error).pop().unwrap_or_else(|| error.to_string())
}

/// The HTTP client's text for a failed CONNECT.
fn proxy_error(text: &str) -> ProxyError {
    match text {
        "unsuccessful" => ProxyError::ConnectRefused,
        "proxy authorization required" => ProxyError::LoginRequired,
        other => ProxyError::Other(other.to_owned()),
    }
}

/// The reply of a tunnel's SOCKS5 listener, in the wording of the HTTP client.
fn refused_by_tunnel(text: &str) -> ConnectionError {
    match tunnel_fault(text) {
        Some(TunnelFault::Refused) => ConnectionError::Refused(text.to_owned()),
        Some(TunnelFault::NoRoute) => ConnectionError::Refused("no route to host".to_owned()),
        Some(TunnelFault::NoName) => ConnectionError::Dns("the name does not resolve there".to_owned()),
        Some(TunnelFault::TimedOut) => ConnectionError::Timeout("connection timed out".to_owned()),
        // The tunnel records separately whether sshd or the proxy of the node refused.
        Some(TunnelFault::Forbidden) => ConnectionError::Proxy(ProxyError::FarEnd),
        None => ConnectionError::Tunnel(text.to_owned()),
    }
}

/// Whether the connection to a proxy failed, which says nothing about TLS of the server behind the proxy.
fn proxy_failed(chain: &[String]) -> bool {
    chain.iter().any(|text| text.starts_with("tunnel error"))
}

/// OpenSSL's reason, with the result of the verification: `certificate verify failed (CA signature too weak)`.
fn handshake_reason(chain: &[String]) -> String {
    let reason = openssl_reason(chain.last().map_or("", String::as_str));
    // OpenSSL's own text is the same for every failed verification, so the result in parentheses is the useful part.
    let verified = chain.iter().find_map(|text| Some(text.strip_suffix(')')?.rsplit_once(": (")?.1));
    verified.map_or(reason.clone(), |result| format!("{reason} ({result})"))
}

/// A connection that was established and then closed before anything but TLS was sent over it.
fn closed_in_handshake(chain: &[String]) -> Option<TlsFault> {
    // A reset during the TCP connect means that nothing listens there, which says nothing about TLS.
    let connected = !chain.iter().any(|text| text == "tcp connect error");
    (connected && is_cut(chain)).then_some(TlsFault::HungUp)
}

/// Whether the other side closed the connection while this side still used it.
fn is_cut(chain: &[String]) -> bool {
    chain.last().is_some_and(|reason| reason == RESET || reason == BROKEN_PIPE)
}

/// The causes below the HTTP client's own text.
fn chain(error: &reqwest::Error) -> Vec<String> {
    let text = |error: &(dyn Error + 'static)| match error.downcast_ref::<io::Error>() {
        Some(io) => system_error(io),
        None => error.downcast_ref().and_then(tls_system_error).unwrap_or_else(|| error.to_string()),
    };
    failure::chain(error).skip(1).map(text).collect()
}

/// The error of the system that OpenSSL passes on when it cannot write. OpenSSL 3 marks such a code with the highest bit,
/// and the other bits are the number of the error (`ERR_SYSTEM_FLAG` in openssl/err.h).
fn tls_system_error(errors: &ErrorStack) -> Option<String> {
    const SYSTEM: u32 = 1 << 31;
    let code = u32::try_from(errors.errors().first()?.code()).ok().filter(|code| code & SYSTEM != 0)?;
    Some(system_error(&io::Error::from_raw_os_error(i32::try_from(code & !SYSTEM).ok()?)))
}

/// `connection refused`, without the `(os error 111)`.
fn system_error(error: &io::Error) -> String {
    match error.kind() {
        // The texts are fixed here, because those of the system contain the number of the error.
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
    use hyper_util::rt::TokioIo;

    use super::*;

    #[test]
    fn the_reason_contains_the_result_of_the_verification() {
        let failed = "error:0A000086:SSL routines:f:certificate verify failed:a.c:2124:";
        let chain = [format!("{failed} (CA signature digest algorithm too weak)"), failed.to_owned()];
        let expected = "certificate verify failed (CA signature digest algorithm too weak)";
        assert_eq!(handshake_reason(&chain), expected);
        assert_eq!(handshake_reason(&chain[1..]), "certificate verify failed");
    }

    #[tokio::test]
    async fn a_request_on_a_closed_connection_is_unsent() {
        let (client, server) = tokio::io::duplex(64);
        let (mut requests, connection) =
            hyper::client::conn::http1::handshake::<_, String>(TokioIo::new(client)).await.unwrap();
        drop(server);
        assert!(connection.await.is_err());
        // `connection was not ready`: the connection ended after it was found ready, and before the request was queued.
        let error = requests.try_send_request(http::Request::new(String::new())).await.unwrap_err();
        assert!(is_unsent(&error.into_error()));
        // `channel closed`
        assert!(is_unsent(&requests.ready().await.unwrap_err()));
    }
}
