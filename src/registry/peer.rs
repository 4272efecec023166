//! What a server answers to a TLS handshake, read without trusting it: the HTTP client says that the names or dates of
//! its certificate are wrong, and not what they are, or that it is no TLS, and not what else. Nothing but the handshake
//! is sent.

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

use super::client::Way;

/// How long it may take to look at a certificate that is of no use.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many names are told, and how many characters of each.
const NAMED: usize = 4;
const NAME_LIMIT: usize = 60;
const DAY: i64 = 86_400;
/// How an answer in plain HTTP begins, in the length of what TLS reads first.
const HTTP: &[u8] = b"HTTP/";

/// What answers a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Peer {
    Tls(Certificate),
    /// Plain HTTP, as servers answer what they do not understand.
    Http,
    /// Neither of them: an SSH server, a mail server.
    Other,
}

/// What there is to say of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    /// Host names and addresses.
    names: Vec<String>,
    from: Timestamp,
    until: Timestamp,
}

impl Certificate {
    /// The names in backticks, the first few of many; `scrub` removes secrets and control characters.
    pub fn names(&self, scrub: &dyn Fn(&str) -> String) -> Option<String> {
        let short = |name: &String| scrub(name).chars().take(NAME_LIMIT).collect::<String>();
        let names: Vec<String> = self.names.iter().take(NAMED).map(|name| format!("`{}`", short(name))).collect();
        let more = self.names.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        (!names.is_empty()).then(|| format!("{}{more}", names.join(", ")))
    }

    /// When it ended; `None` if it is another certificate of its chain that has.
    pub fn ended(&self) -> Option<Timestamp> {
        Some(self.until).filter(|until| *until < Timestamp::now())
    }

    /// When it begins; `None` if it has begun.
    pub fn begins(&self) -> Option<Timestamp> {
        Some(self.from).filter(|from| *from > Timestamp::now())
    }
}

/// What answers at the server of `url`, if nothing stands in between and there is time: at most 5 s, or what is `left`.
pub(super) async fn seen(way: &Way, url: &Url, left: Duration) -> Option<Peer> {
    let name = url.host_str()?.to_owned();
    timeout(left.min(PATIENCE), async {
        let stream = TcpStream::connect(way.addresses(url).await.as_slice()).await.ok()?.into_std().ok()?;
        stream.set_nonblocking(false).ok()?;
        // Whoever gives up waiting ends the thread, too.
        let _end = End(stream.try_clone().ok()?);
        tokio::task::spawn_blocking(move || handshake(&name, stream)).await.ok()?
    })
    .await
    .ok()?
}

/// Shuts a connection down when dropped.
struct End(std::net::TcpStream);

impl Drop for End {
    fn drop(&mut self) {
        // Fails only where the other side has ended it already.
        let _ = self.0.shutdown(std::net::Shutdown::Both);
    }
}

/// A connection that keeps what is heard first.
struct Heard {
    stream: std::net::TcpStream,
    first: Vec<u8>,
}

impl Read for Heard {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        let wanted = HTTP.len().saturating_sub(self.first.len()).min(count);
        self.first.extend_from_slice(&buffer[..wanted]);
        Ok(count)
    }
}

impl Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn handshake(name: &str, stream: std::net::TcpStream) -> Option<Peer> {
    let mut context = SslContext::builder(SslMethod::tls_client()).ok()?;
    context.set_verify(SslVerifyMode::NONE);
    let mut ssl = Ssl::new(&context.build()).ok()?;
    // An address is no name to ask for (RFC 6066, section 3).
    if name.parse::<Ipv4Addr>().is_err() && !name.starts_with('[') {
        ssl.set_hostname(name).ok()?;
    }
    match ssl.connect(Heard { stream, first: Vec::new() }) {
        Ok(stream) => read(&*stream.ssl().peer_certificate()?).map(Peer::Tls),
        Err(HandshakeError::Failure(broken)) => match broken.get_ref().first.as_slice() {
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
        names.extend(name.dnsname().map(str::to_owned).or_else(|| address(name.ipaddress()?)));
    }
    if names.is_empty() {
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
