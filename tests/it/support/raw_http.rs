//! A plain HTTP server whose responses the test defines, for behavior that no real server shows. It serves one request
//! for each connection.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The first byte of a TLS handshake.
const TLS: u8 = 0x16;

/// Listens on a port of 127.0.0.1 until it is dropped.
pub struct RawServer {
    port: u16,
    open: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl RawServer {
    /// `answer` gets the server's port and the text of a request, and returns the complete response.
    pub fn start(answer: impl Fn(u16, &str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (open, answer) = (Arc::new(AtomicBool::new(true)), Arc::new(answer));
        let is_open = Arc::clone(&open);
        let thread = std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if !is_open.load(Ordering::Acquire) {
                    break;
                }
                let answer = Arc::clone(&answer);
                // A client that disconnects during the exchange does not fail the test.
                std::thread::spawn(move || serve(stream, |request| answer(port, request)));
            }
        });
        Self { port, open, thread: Some(thread) }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.open.store(false, Ordering::Release);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// An HTTP response with this header and its length.
pub fn response(status: &str, header: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{header}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn serve(mut stream: TcpStream, answer: impl Fn(&str) -> String) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let (mut received, mut part) = (Vec::new(), [0; 8192]);
    while !is_complete(&received) {
        match stream.read(&mut part)? {
            0 => return Ok(()),
            // A client that tries TLS first gets an immediate response, as from Go's servers.
            _ if received.is_empty() && part[0] == TLS => return stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n"),
            length => received.extend_from_slice(&part[..length]),
        }
    }
    stream.write_all(answer(&String::from_utf8_lossy(&received)).as_bytes())
}

fn is_complete(received: &[u8]) -> bool {
    let text = String::from_utf8_lossy(received).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    body.len() >= length.unwrap_or(0)
}
