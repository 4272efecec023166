//! A small HTTP client that prepares servers and reads their state. It uses one connection for each request, and does
//! not verify TLS. The client of the product is not used here, because it is under test.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::ssl::{SslConnector, SslFiletype, SslMethod, SslVerifyMode};

/// A response; header names are in lower case.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

/// A client certificate and its key; PEM files.
pub type Identity = (PathBuf, PathBuf);

/// The name under which the servers' logs show the requests of the test support.
pub const USER_AGENT: &str = "oregano-test-support";

/// Sends one request to an `http://` or `https://` URL whose host is `address:port`.
pub fn request(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    request_as(None, method, url, headers, body)
}

/// Like [`request`], with a client certificate for servers that require one.
pub fn request_as(
    identity: Option<&Identity>,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    exchange_with(identity, method, url, headers, body).unwrap_or_else(|error| panic!("{method} {url}: {error}"))
}

/// Like [`request`], for a server that may not respond.
pub fn try_request(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> std::io::Result<Response> {
    exchange_with(None, method, url, headers, body)
}

fn exchange_with(
    identity: Option<&Identity>,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<Response> {
    let (scheme, rest) = url.split_once("://").expect("a URL with a scheme");
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    // HTTP/1.0, so that the response is neither chunked nor followed by a wait for the next request.
    let mut text = format!(
        "{method} {path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: {USER_AGENT}\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    let message = [text.as_bytes(), b"\r\n", body].concat();
    let tcp = TcpStream::connect(host)?;
    let answer = match scheme {
        "http" => exchange(tcp, &message)?,
        "https" => {
            let mut connector = SslConnector::builder(SslMethod::tls())?;
            connector.set_verify(SslVerifyMode::NONE);
            if let Some((certificate, key)) = identity {
                connector.set_certificate_file(certificate, SslFiletype::PEM)?;
                connector.set_private_key_file(key, SslFiletype::PEM)?;
            }
            let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
            exchange(connector.build().connect(name, tcp).map_err(std::io::Error::other)?, &message)?
        }
        other => panic!("no such scheme: {other}"),
    };
    parse(&answer).ok_or_else(|| std::io::Error::other("not an HTTP answer"))
}

/// The value of an `Authorization` header for Basic authentication.
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn exchange(mut stream: impl Read + Write, message: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(message)?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // Some servers close the connection without ending TLS properly, which is accepted after a response.
        Err(error) if answer.is_empty() => Err(error),
        _ => Ok(answer),
    }
}

fn parse(answer: &[u8]) -> Option<Response> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    Some(Response { status, headers, body: answer[end + 4..].to_vec() })
}
