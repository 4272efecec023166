//! Inspects the other end of a failed TLS connection, without trusting it. The HTTP client reports that the names or
//! dates of a certificate are wrong, but not what they are; or that a port does not speak TLS, but not what it speaks
//! instead. Only a handshake is sent.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use jiff::Timestamp;
use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::nid::Nid;
use openssl::ssl::{HandshakeError, Ssl, SslContext, SslMethod, SslVerifyMode};
use openssl::x509::X509Ref;
use reqwest::Url;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::client::RegistryClient;

/// The time limit for this additional handshake, which only improves a message.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// How many names are shown, and how many characters of each.
const SHOWN_NAMES: usize = 4;
const NAME_LIMIT: usize = 60;
const DAY: i64 = 86_400;
/// The beginning of a plain HTTP response. It has as many bytes as TLS reads first.
const HTTP: &[u8] = b"HTTP/";

/// The protocol of the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    Tls(Certificate),
    /// Plain HTTP: such servers respond with an error to bytes that they do not understand.
    Http,
    /// Another protocol, such as SSH or SMTP.
    Other,
}

/// Names and validity of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Host names and addresses.
    names: Vec<String>,
    from: Timestamp,
    until: Timestamp,
}

impl Certificate {
    /// The names in backticks, the first few of many; `scrub` removes secrets and control characters.
    pub fn names(&self, scrub: &dyn Fn(&str) -> String) -> Option<String> {
        let short = |name: &String| scrub(name).chars().take(NAME_LIMIT).collect::<String>();
        let names: Vec<String> = self.names.iter().take(SHOWN_NAMES).map(|name| format!("`{}`", short(name))).collect();
        let more = self.names.len().saturating_sub(SHOWN_NAMES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        (!names.is_empty()).then(|| format!("{}{more}", names.join(", ")))
    }

    /// When it expired; `None` if another certificate of its chain has expired.
    pub fn expired_at(&self) -> Option<Timestamp> {
        Some(self.until).filter(|until| *until < Timestamp::now())
    }

    /// When it becomes valid; `None` if it is valid already.
    pub fn valid_from(&self) -> Option<Timestamp> {
        Some(self.from).filter(|from| *from > Timestamp::now())
    }
}

/// Inspects the server of `url`, within 5 s or the time that is `left`. `None` if the connection uses a proxy or a
/// tunnel, or if the handshake shows nothing.
pub async fn inspect(client: &RegistryClient, url: &Url, left: Duration) -> Option<Peer> {
    let name = url.host_str()?.to_owned();
    timeout(left.min(TIME_LIMIT), async {
        // Through a proxy or a tunnel there are no addresses, so nothing is contacted there.
        let stream = TcpStream::connect(client.addresses(url).await.as_slice()).await.ok()?.into_std().ok()?;
        // A stream of tokio does not block, but OpenSSL needs one that does here.
        stream.set_nonblocking(false).ok()?;
        // OpenSSL blocks its thread. When the time limit is reached, this guard closes the connection, which ends the
        // thread.
        let _guard = ShutdownOnDrop(stream.try_clone().ok()?);
        tokio::task::spawn_blocking(move || handshake(&name, stream)).await.ok()?
    })
    .await
    .ok()?
}

/// Shuts a connection down when dropped.
struct ShutdownOnDrop(std::net::TcpStream);

impl Drop for ShutdownOnDrop {
    fn drop(&mut self) {
        // This fails only if the other end has closed the connection already.
        let _ = self.0.shutdown(std::net::Shutdown::Both);
    }
}

/// A connection that keeps the first bytes that it receives.
struct RecordingStream {
    stream: std::net::TcpStream,
    first: Vec<u8>,
}

impl Read for RecordingStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        // Only the first bytes identify the protocol, so the rest is not kept.
        let wanted = HTTP.len().saturating_sub(self.first.len()).min(count);
        self.first.extend_from_slice(&buffer[..wanted]);
        Ok(count)
    }
}

impl Write for RecordingStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn handshake(name: &str, stream: std::net::TcpStream) -> Option<Peer> {
    let mut context = SslContext::builder(SslMethod::tls_client()).ok()?;
    // Nothing is sent after the handshake, so accepting an invalid certificate is not a risk here.
    context.set_verify(SslVerifyMode::NONE);
    let mut ssl = Ssl::new(&context.build()).ok()?;
    // The server name must not be an IP address (RFC 6066, section 3).
    if name.parse::<Ipv4Addr>().is_err() && !name.starts_with('[') {
        ssl.set_hostname(name).ok()?;
    }
    match ssl.connect(RecordingStream { stream, first: Vec::new() }) {
        Ok(stream) => read(&*stream.ssl().peer_certificate()?).map(Peer::Tls),
        Err(HandshakeError::Failure(failed)) => match failed.get_ref().first.as_slice() {
            // The other end closed the connection without a byte, which does not show what it speaks.
            [] => None,
            HTTP => Some(Peer::Http),
            _ => Some(Peer::Other),
        },
        Err(_) => None,
    }
}

fn read(certificate: &X509Ref) -> Option<Certificate> {
    let mut names: Vec<String> = Vec::new();
    for name in certificate.subject_alt_names().iter().flatten() {
        // The other kinds of names, such as e-mail addresses, cannot identify a server.
        names.extend(name.dnsname().map(str::to_owned).or_else(|| address(name.ipaddress()?)));
    }
    if names.is_empty() {
        // Old certificates have only a common name. TLS libraries ignore it, but the message should still show it.
        let common = certificate.subject_name().entries_by_nid(Nid::COMMONNAME).next();
        names.extend(common.and_then(|entry| entry.data().to_string().ok()));
    }
    Some(Certificate { names, from: time(certificate.not_before())?, until: time(certificate.not_after())? })
}

fn address(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|bytes| Ipv4Addr::from(bytes).to_string());
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| Ipv6Addr::from(bytes).to_string())).ok()
}

fn time(at: &Asn1TimeRef) -> Option<Timestamp> {
    let since = Asn1Time::from_unix(0).ok()?.diff(at).ok()?;
    Timestamp::from_second(i64::from(since.days) * DAY + i64::from(since.secs)).ok()
}
