//! Why something failed, for people; and what makes foreign errors fit to be shown: limits on text that a server or a
//! tool chose, the walk over the sources of an error, and the meaning of OpenSSL's error texts. It does no I/O.

use std::error::Error;
use std::iter::successors;

use serde::Serialize;

use crate::secret::Redactor;

/// The longest text of a server or a tool that is shown, in characters.
const TEXT_LIMIT: usize = 300;

/// Why something failed. No text of it holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What is wrong: lower case, the object in backticks.
    pub message: String,
    /// `file:line:column`, if the fault is in a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The place, the line there with its secrets masked, and a caret: what text output shows below the message.
    #[serde(skip)]
    pub excerpt: Option<String>,
    /// Causes, outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// What to do now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Failure {
    /// A failure with neither place, causes nor hint.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None, excerpt: None, causes: Vec::new(), hint: None }
    }

    /// A defect of this program.
    pub fn internal(message: &str) -> Self {
        Self::new(format!("internal error: {message}")).hint("please report it with the text above")
    }

    /// Adds a cause after those that are there.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Sets what to do now.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The failure without the secrets that a node or a tool may have printed. Only the causes can hold foreign text:
    /// masking our own words would show which of them is a password.
    #[must_use]
    pub fn scrubbed(mut self, redactor: &Redactor) -> Self {
        self.causes.iter_mut().for_each(|cause| *cause = redactor.scrub(cause));
        self
    }
}

/// The text of a system error without its number: `Connection refused`, not `Connection refused (os error 111)`.
pub fn without_errno(error: &impl ToString) -> String {
    error.to_string().split(" (os error ").next().unwrap_or_default().to_owned()
}

/// The text on one line: control characters, line ends included, and runs of white space become one space, because
/// foreign text must not move the cursor of a terminal.
pub fn single_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// At most 300 characters of a text; the last one is `…` if some were left out.
pub fn shorten(text: &str) -> String {
    match text.char_indices().nth(TEXT_LIMIT) {
        None => text.to_owned(),
        Some(_) => text.chars().take(TEXT_LIMIT - 1).chain(['…']).collect(),
    }
}

/// The error itself and its sources, outermost first.
pub fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    // `error.source()` on the double reference would borrow the closure's argument instead of the chain.
    successors(Some(error), |&error| error.source())
}

/// The first error of type `T` in the chain of `error`.
pub fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// What is wrong with a TLS connection, as far as OpenSSL's text distinguishes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFault {
    /// The certificate is signed with its own key.
    SelfSigned,
    /// The chain ends in an authority that this machine does not trust.
    UnknownIssuer,
    /// A certificate of the chain has expired.
    Expired,
    /// A certificate of the chain is not valid yet.
    NotYetValid,
    /// The certificate is for another host name.
    WrongName,
    /// The certificate is not for this IP address.
    WrongAddress,
    /// The port does not speak TLS.
    NotTls,
    /// The server requires a client certificate, and there is none or it does not trust it.
    ClientCertificate,
    /// The connection was closed or reset during the handshake: by a misconfigured server, a load balancer without a
    /// server behind it, or a firewall. It does not mean that nothing listens on the port.
    HungUp,
    /// Any other fault of the handshake.
    Handshake,
}

/// The meaning of OpenSSL's error texts in an error chain, if one of them is there.
pub fn tls_fault<T: AsRef<str>>(chain: &[T]) -> Option<TlsFault> {
    use TlsFault::{
        ClientCertificate, Expired, Handshake, HungUp, NotTls, NotYetValid, SelfSigned, UnknownIssuer, WrongAddress,
        WrongName,
    };
    // The first match counts: "self-signed certificate in certificate chain" is about the root of the chain.
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

/// The reason field of an OpenSSL error text, `error:0A000410:SSL routines:function:reason:file:line:`; the text itself
/// if it has no such field.
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
