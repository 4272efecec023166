//! Defines the failure that users see, and prepares errors of other software for display: it limits the length of texts
//! that a server or a tool produced, follows the sources of an error, and interprets the texts of OpenSSL and of the HTTP
//! client's SOCKS5 connector. It does no I/O.

use std::error::Error;
use std::iter::successors;

use serde::Serialize;

use crate::secret::Redactor;

/// The maximum number of characters of a server's or tool's text that a message shows.
const TEXT_LIMIT: usize = 300;

/// Why an operation failed. None of its texts contains a secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Failure {
    /// What is wrong, in lower case, with the affected object in backticks.
    pub message: String,
    /// The cause in a few words, without anything that differs between nodes with the same cause: `connection refused`.
    /// Failures of nodes with equal summaries are shown once. `None` if the complete failure is the cause.
    #[serde(skip)]
    pub summary: Option<Box<str>>,
    /// `file:line:column`, if the mistake is in a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Box<str>>,
    /// The place, the line at that place with its secrets masked, and a caret. Text output shows it below the message.
    #[serde(skip)]
    pub excerpt: Option<Box<str>>,
    /// The causes. Each cause explains the one before it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// What the user should do now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Failure {
    /// Creates a failure without a place, causes or a hint.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), summary: None, place: None, excerpt: None, causes: Vec::new(), hint: None }
    }

    /// Creates a failure that reports a bug in this program.
    pub fn internal(message: &str) -> Self {
        Self::new(format!("internal error: {message}")).hint("please report it with the text above")
    }

    /// Creates the failure of a command that panicked. Where it did was already printed.
    pub fn panicked() -> Self {
        Self::internal("the command ended early")
    }

    /// Appends a cause to the existing ones.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Sets what the user should do now.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Appends a further hint to the existing one.
    #[must_use]
    pub fn further_hint(self, further: &str) -> Self {
        let hint = self.hint.as_deref().map_or_else(|| further.to_owned(), |hint| format!("{hint}; {further}"));
        self.hint(hint)
    }

    /// Sets the cause in a few words that are equal for all nodes with this cause.
    #[must_use]
    pub fn summary(self, summary: impl Into<Box<str>>) -> Self {
        Self { summary: Some(summary.into()), ..self }
    }

    /// Removes secrets that a node or a tool may have printed. Only the causes can contain text from outside this
    /// program. The message and the hint are not searched: replacing a word of our own text would reveal that it is a
    /// password.
    #[must_use]
    pub fn scrubbed(mut self, redactor: &Redactor) -> Self {
        self.causes.iter_mut().for_each(|cause| *cause = redactor.scrub(cause));
        self
    }
}

/// The text of a system error without its error number: `Connection refused` instead of
/// `Connection refused (os error 111)`.
pub fn without_errno(error: &impl ToString) -> String {
    error.to_string().split(" (os error ").next().unwrap_or_default().to_owned()
}

/// Joins the text to one line: each sequence of control characters, line ends and white space becomes one space. A text
/// from outside this program must not move the cursor of a terminal.
pub fn single_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// Shortens a text to at most 300 characters. If characters are left out, the last one is `…`.
pub fn shorten(text: &str) -> String {
    match text.char_indices().nth(TEXT_LIMIT) {
        None => text.to_owned(),
        Some(_) => text.chars().take(TEXT_LIMIT - 1).chain(['…']).collect(),
    }
}

/// The error itself and its sources; each source is the cause of the error before it.
pub fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    // `error.source()` on the double reference would borrow the closure's argument instead of the chain.
    successors(Some(error), |&error| error.source())
}

/// The first error of type `T` in the chain of `error`.
pub fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// What is wrong with a TLS connection, as far as OpenSSL's error text shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFault {
    /// The certificate is signed with its own key.
    SelfSigned,
    /// The certificate chain ends with a certificate authority that this machine does not trust.
    UnknownIssuer,
    /// A certificate in the chain has expired.
    Expired,
    /// A certificate in the chain is not valid yet.
    NotYetValid,
    /// The certificate is for another host name.
    WrongName,
    /// The certificate is not for this IP address.
    WrongAddress,
    /// The port does not speak TLS.
    NotTls,
    /// The server requires a client certificate. Either none was sent, or the server does not trust the one that was
    /// sent.
    ClientCertificate,
    /// The connection was closed or reset during the handshake. Possible causes are a misconfigured server, a load
    /// balancer without a backend server, or a firewall. It does not mean that no
    /// program listens on the port.
    HungUp,
    /// Any other error during the handshake.
    Handshake,
}

/// Finds the TLS fault that an error chain describes, by OpenSSL's error texts. Returns `None` if no text is known.
pub fn tls_fault<T: AsRef<str>>(chain: &[T]) -> Option<TlsFault> {
    use TlsFault::{
        ClientCertificate, Expired, Handshake, HungUp, NotTls, NotYetValid, SelfSigned, UnknownIssuer, WrongAddress,
        WrongName,
    };
    // The first match is used, so the order matters: "self-signed certificate in certificate chain" means that the root
    // of the chain is unknown, not that the server's own certificate is self-signed.
    const MARKS: [(&str, TlsFault); 24] = [
        ("certificate in certificate chain", UnknownIssuer),
        ("self-signed certificate", SelfSigned),
        ("self signed certificate", SelfSigned),
        ("unable to get local issuer certificate", UnknownIssuer),
        ("unable to get issuer certificate", UnknownIssuer),
        ("unable to verify the first certificate", UnknownIssuer),
        ("certificate has expired", Expired),
        ("certificate is not yet valid", NotYetValid),
        ("hostname mismatch", WrongName),
        ("Hostname mismatch", WrongName),
        ("IP address mismatch", WrongAddress),
        ("alert certificate required", ClientCertificate),
        ("alert bad certificate", ClientCertificate),
        ("alert unknown ca", ClientCertificate),
        ("alert certificate unknown", ClientCertificate),
        ("alert certificate expired", ClientCertificate),
        ("alert certificate revoked", ClientCertificate),
        ("alert unsupported certificate", ClientCertificate),
        ("wrong version number", NotTls),
        ("packet length too long", NotTls),
        ("http request", NotTls),
        ("unexpected eof while reading", HungUp),
        ("unexpected EOF", HungUp),
        ("SSL routines", Handshake),
    ];
    let matches = |mark: &str| chain.iter().any(|text| text.as_ref().contains(mark));
    MARKS.into_iter().find(|(mark, _)| matches(mark)).map(|(_, fault)| fault)
}

/// What happened at a node to a connection that was requested from the SOCKS5 listener of a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TunnelFault {
    /// The server refused it.
    Refused,
    /// The node has no route to it.
    NoRoute,
    /// Its name does not resolve on the node.
    NoName,
    /// The node got no response in time.
    TimedOut,
    /// sshd of the node forbids the connection, or the HTTP proxy of the node refused it.
    Forbidden,
}

/// Finds out what happened from the reply of the listener, in the wording of hyper-util, which offers no other
/// distinction (RFC 1928, section 6). SOCKS5 has no replies for some cases, so the tunnel uses others for them
/// (`node/tunnel/socks.rs`). Returns `None` for any other text.
pub fn tunnel_fault(reply: &str) -> Option<TunnelFault> {
    Some(match reply {
        "connection refused" => TunnelFault::Refused,
        "network unreachable" => TunnelFault::NoRoute,
        "host unreachable" => TunnelFault::NoName,
        "ttl expired" => TunnelFault::TimedOut,
        "connection not allowed" => TunnelFault::Forbidden,
        _ => return None,
    })
}

/// Extracts the reason field of an OpenSSL error text, `error:0A000410:SSL routines:function:reason:file:line:`.
/// Returns the text unchanged if it has no such field.
pub fn openssl_reason(text: &str) -> String {
    text.split(':').nth(4).filter(|reason| !reason.is_empty()).unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_error_loses_its_number() {
        assert_eq!(without_errno(&std::io::Error::from_raw_os_error(111)), "Connection refused");
        assert_eq!(without_errno(&"no such name"), "no such name");
    }

    #[test]
    fn foreign_text_is_one_short_line() {
        assert_eq!(single_line(" a\tb\r\n\u{1b}[31mc\u{9b} "), "a b [31mc");
        assert_eq!(shorten(&"x".repeat(300)), "x".repeat(300));
        assert_eq!(shorten(&"é".repeat(301)), format!("{}…", "é".repeat(299)));
    }

    #[test]
    fn meaning_of_openssl_texts() {
        let verify = "error:0A000086:SSL routines:tls_post_process_server_certificate:certificate verify failed:\
                      ssl/statem/statem_clnt.c:2124:";
        let cases = [
            (format!("{verify} (self-signed certificate)"), Some(TlsFault::SelfSigned)),
            (format!("{verify} (self signed certificate)"), Some(TlsFault::SelfSigned)),
            (format!("{verify} (self-signed certificate in certificate chain)"), Some(TlsFault::UnknownIssuer)),
            (format!("{verify} (unable to get local issuer certificate)"), Some(TlsFault::UnknownIssuer)),
            (format!("{verify} (certificate has expired)"), Some(TlsFault::Expired)),
            (format!("{verify} (hostname mismatch)"), Some(TlsFault::WrongName)),
            (format!("{verify} (IP address mismatch)"), Some(TlsFault::WrongAddress)),
            (
                "error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:a.c:1:".into(),
                Some(TlsFault::NotTls),
            ),
            (
                "error:0A0000C6:SSL routines:tls_get_more_records:packet length too long:a.c:1:".into(),
                Some(TlsFault::NotTls),
            ),
            (
                "error:0A000126:SSL routines:ssl3_read_n:unexpected eof while reading:a.c:1:".into(),
                Some(TlsFault::HungUp),
            ),
            (
                "error:0A000410:SSL routines:ssl3_read_bytes:ssl/tls alert handshake failure:a.c:1:".into(),
                Some(TlsFault::Handshake),
            ),
            (
                "error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:a.c:1:".into(),
                Some(TlsFault::ClientCertificate),
            ),
            (
                "error:0A000412:SSL routines:ssl3_read_bytes:ssl/tls alert bad certificate:a.c:1:".into(),
                Some(TlsFault::ClientCertificate),
            ),
            (format!("{verify} (certificate is not yet valid)"), Some(TlsFault::NotYetValid)),
            ("connection refused".into(), None),
        ];
        for (text, expected) in cases {
            assert_eq!(tls_fault(std::slice::from_ref(&text)), expected, "{text}");
        }
    }
}
