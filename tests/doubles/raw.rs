//! A port in this process whose bytes a test defines: responses that are not HTTP, no response, closed connections, and
//! relays that lose requests. For responses that are HTTP, use `registry.rs`. The unit tests and the integration tests
//! include this file; it uses nothing of the crate.

#![allow(dead_code, reason = "each of them uses a part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The first byte of a TLS handshake.
const TLS: u8 = 0x16;

/// The response of Go's servers to TLS on a port with plain HTTP.
pub const NO_TLS: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\n";

/// A connection, and the request that it brought.
pub struct Connection {
    /// Counted from 0.
    pub number: u32,
    /// A complete HTTP request, or the first bytes of another protocol.
    pub text: String,
    pub is_tls: bool,
}

/// What the port does with a connection.
pub enum Reaction {
    /// Sends these bytes and closes it.
    Bytes(Vec<u8>),
    /// Sends these bytes, one a second.
    BytesSlowly(Vec<u8>),
    /// Closes it.
    Close,
    /// Resets it.
    Reset,
    /// Discards what is received.
    Silence,
    /// Forwards it to this address.
    Relay(String),
}

/// A listening port, closed when dropped.
pub struct RawServer {
    pub host: String,
    connections: Arc<AtomicU32>,
    task: JoinHandle<()>,
}

impl RawServer {
    /// `script` determines the reaction to the first request of each connection.
    pub async fn start(script: impl Fn(&Connection) -> Reaction + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let (connections, script) = (Arc::new(AtomicU32::new(0)), Arc::new(script));
        let count = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (number, script) = (count.fetch_add(1, Ordering::SeqCst), Arc::clone(&script));
                // A client that disconnects does not fail the test.
                tokio::spawn(async move { serve(stream, number, &*script).await });
            }
        });
        Self { host, connections, task }
    }

    /// A port that sends the same bytes to each connection, whatever the request is.
    pub async fn sending(bytes: &'static [u8]) -> Self {
        Self::start(move |_| Reaction::Bytes(bytes.to_vec())).await
    }

    /// A port that accepts connections and never responds.
    pub async fn silent() -> Self {
        Self::start(|_| Reaction::Silence).await
    }

    /// A port that loses what is sent over the first `lost` connections and forwards the others to `host`.
    pub async fn losing(lost: u32, host: String) -> Self {
        Self::start(move |connection| match connection.number < lost {
            true => Reaction::Silence,
            false => Reaction::Relay(host.clone()),
        })
        .await
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> u32 {
        self.connections.load(Ordering::SeqCst)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.host.rsplit_once(':').unwrap().1.parse().unwrap()
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An HTTP response with this header and its length.
pub fn response(status: &str, header: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{header}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

async fn serve(
    mut stream: TcpStream,
    number: u32,
    script: &(dyn Fn(&Connection) -> Reaction + Send + Sync),
) -> std::io::Result<()> {
    let (mut received, mut part) = (Vec::new(), [0; 8192]);
    // The request is read first: closing a socket with unread bytes resets the connection, and the response could be lost.
    while !is_complete(&received) {
        match stream.read(&mut part).await? {
            0 => break,
            length => received.extend_from_slice(&part[..length]),
        }
    }
    let is_tls = received.first() == Some(&TLS);
    let connection = Connection { number, text: String::from_utf8_lossy(&received).into_owned(), is_tls };
    match script(&connection) {
        Reaction::Bytes(bytes) => stream.write_all(&bytes).await,
        Reaction::BytesSlowly(bytes) => {
            for byte in bytes {
                stream.write_all(&[byte]).await?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Ok(())
        }
        Reaction::Close => Ok(()),
        Reaction::Reset => stream.set_zero_linger(),
        Reaction::Silence => {
            while stream.read(&mut part).await? > 0 {}
            Ok(())
        }
        Reaction::Relay(host) => {
            let mut other = TcpStream::connect(host).await?;
            other.write_all(&received).await?;
            copy_bidirectional(&mut stream, &mut other).await.map(|_| ())
        }
    }
}

/// Whether this is a complete HTTP request, or the beginning of something else.
fn is_complete(received: &[u8]) -> bool {
    let is_http = received.first().is_some_and(u8::is_ascii_uppercase);
    let text = String::from_utf8_lossy(received).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return !received.is_empty() && !is_http };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    body.len() >= length.unwrap_or(0)
}
