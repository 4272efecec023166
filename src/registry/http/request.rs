//! The types for requests, responses and request errors, and sending a request once. `retry.rs` sends it again, and
//! `redirect.rs` follows redirects. This file does not decide what a response means for a credential.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use flate2::read::GzDecoder;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use tokio::time::Instant;

use super::client::RegistryClient;
use super::connection_error::{self, LostConnection};
use super::peer::Peer;
use crate::desired::TlsPolicy;
use crate::secret::Secret;

/// How many bytes of the body of a registry are read; error messages are shorter.
const BODY_LIMIT: usize = 64 * 1024;
/// How many bytes of the body of a token server are read, as in containers/image. A token that names many repositories
/// is long.
const TOKEN_BODY_LIMIT: usize = 1024 * 1024;

/// Gets a request that ended, the status of its response if there was one, and how long it took.
pub type OnExchange = Arc<dyn Fn(&RequestLine, Option<StatusCode>, Duration) + Send + Sync>;

/// The client and time limit of one attempt.
pub struct HttpSession {
    pub client: RegistryClient,
    pub tls: TlsPolicy,
    /// The time limit of the attempt, for messages.
    pub timeout: Duration,
    /// When the attempt must end.
    pub deadline: Instant,
    /// Gets each request that ended, for traces.
    pub on_exchange: OnExchange,
}

/// The method and URL of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestLine {
    pub method: Method,
    pub url: Url,
    pub recipient: Recipient,
}

/// The server that a request was first sent to, also after redirects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipient {
    Registry,
    TokenServer,
}

/// A request that can be sent again.
#[derive(Clone)]
pub struct HttpRequest {
    pub line: RequestLine,
    pub auth: RequestAuth,
    pub accept: Option<&'static str>,
}

/// The credential that a request carries.
#[derive(Clone)]
pub enum RequestAuth {
    Anonymous,
    /// A token from a token server, in an `Authorization` header.
    Token(HeaderValue),
    /// User and password, in an `Authorization` header: a server may count each such request as a login.
    Password(HeaderValue),
    /// An identity token, in a form: a server may count each such request as a login.
    IdentityToken(Vec<(&'static str, Secret)>),
}

/// A complete response.
#[derive(Clone)]
pub struct HttpResponse {
    /// The request that it belongs to, after redirects.
    pub line: RequestLine,
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The first bytes, decompressed.
    pub body: String,
    pub credential: CredentialDelivery,
    /// How often the request was sent.
    pub tries: u32,
}

/// Whether the request that got a response carried a credential or token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialDelivery {
    /// The request was anonymous from the start.
    NoneToSend,
    Sent,
    /// A redirect led to another origin, so the credential was left out.
    Withheld,
}

/// Why a request has no complete response.
#[derive(Clone)]
pub enum RequestError {
    /// There was no response within the time that was left when the request was first sent.
    Timeout { line: Box<RequestLine>, waited: Duration, timeout: Duration, tries: u32 },
    /// The time limit was reached while a name was still being resolved.
    Unresolved { line: Box<RequestLine>, tries: u32 },
    /// The URL of the proxy cannot be used, for this reason. Nothing was sent.
    BadProxyUrl { line: Box<RequestLine>, reason: String },
    /// The connection failed, or the response is not HTTP. `peer` is what an inspection of the server showed, if the
    /// error does not contain it.
    Connection { line: Box<RequestLine>, error: Arc<reqwest::Error>, peer: Option<Peer>, tries: u32 },
    /// A redirect that is not followed, and the reason.
    Redirect { line: Box<RequestLine>, reason: String },
    /// A redirect from HTTPS to plain HTTP where TLS must be verified.
    Downgrade { line: Box<RequestLine>, to: Box<Url> },
}

impl HttpResponse {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The media type, without parameters.
    pub fn content_type(&self) -> &str {
        let value = self.header(CONTENT_TYPE.as_str()).unwrap_or_default();
        // Parameters such as `charset` do not change the media type.
        value.split(';').next().unwrap_or_default().trim()
    }
}

impl Recipient {
    /// How many bytes of its response are read, and at most remain after they were decompressed.
    fn body_limit(self) -> usize {
        match self {
            Self::Registry => BODY_LIMIT,
            Self::TokenServer => TOKEN_BODY_LIMIT,
        }
    }
}

impl HttpRequest {
    /// An anonymous request to a registry.
    pub fn new(method: Method, url: Url) -> Self {
        let line = RequestLine { method, url, recipient: Recipient::Registry };
        Self { line, auth: RequestAuth::Anonymous, accept: None }
    }
}

/// The first `limit` bytes of a gzip body. No request permits a compressed response, but some servers send one anyway.
fn decompress(compressed: Vec<u8>, limit: usize) -> Vec<u8> {
    let mut body = Vec::new();
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    match GzDecoder::new(compressed.as_slice()).take(limit).read_to_end(&mut body) {
        Ok(_) => body,
        // A body that was cut at the limit also ends with an error. The bytes that were decompressed are kept.
        Err(_) if !body.is_empty() => body,
        // The header is wrong, and the body is not compressed.
        Err(_) => compressed,
    }
}

impl RequestAuth {
    /// Whether a server may count the request as a login: it is not sent again once it may have arrived.
    pub fn is_login(&self) -> bool {
        matches!(self, Self::Password(_) | Self::IdentityToken(_))
    }
}

impl RequestError {
    /// Whether the connection failed before anything could be sent over it.
    pub fn sent_nothing(&self) -> bool {
        match self {
            Self::Unresolved { .. } | Self::BadProxyUrl { .. } => true,
            // The library reports errors of name resolution, TCP and TLS as errors of connecting. They occur before any
            // part of the request is sent.
            Self::Connection { error, .. } => {
                error.is_connect() || connection_error::lost_connection(error) == Some(LostConnection::Unsent)
            }
            // A timeout may occur after the request was sent, and a redirect is a response to a request that was sent.
            Self::Timeout { .. } | Self::Redirect { .. } | Self::Downgrade { .. } => false,
        }
    }

    /// The request that failed.
    pub fn line(&self) -> &RequestLine {
        match self {
            Self::Timeout { line, .. }
            | Self::Unresolved { line, .. }
            | Self::BadProxyUrl { line, .. }
            | Self::Connection { line, .. }
            | Self::Redirect { line, .. }
            | Self::Downgrade { line, .. } => line,
        }
    }

    /// How often the request was sent.
    pub fn tries(&self) -> u32 {
        match self {
            Self::Timeout { tries, .. } | Self::Unresolved { tries, .. } | Self::Connection { tries, .. } => *tries,
            Self::BadProxyUrl { .. } | Self::Redirect { .. } | Self::Downgrade { .. } => 1,
        }
    }
}

impl HttpSession {
    /// The time that remains.
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Sends a request once and reads the response.
    pub async fn exchange(&self, request: &HttpRequest) -> Result<HttpResponse, reqwest::Error> {
        let begin = Instant::now();
        let result = self.send_and_read(request).await;
        (self.on_exchange)(&request.line, result.as_ref().ok().map(|response| response.status), begin.elapsed());
        result
    }

    async fn send_and_read(&self, request: &HttpRequest) -> Result<HttpResponse, reqwest::Error> {
        let mut builder = self.client.client.request(request.line.method.clone(), request.line.url.clone());
        if let Some(accept) = request.accept {
            builder = builder.header(ACCEPT, accept);
        }
        let credential = match &request.auth {
            RequestAuth::Anonymous => CredentialDelivery::NoneToSend,
            _ => CredentialDelivery::Sent,
        };
        builder = match &request.auth {
            RequestAuth::Anonymous => builder,
            RequestAuth::Token(value) | RequestAuth::Password(value) => builder.header(AUTHORIZATION, value.clone()),
            // The form is the body of the request, because a token in the URL would appear in the log of the server.
            RequestAuth::IdentityToken(members) => {
                let members: Vec<_> = members.iter().map(|(name, value)| (*name, value.expose())).collect();
                builder.form(&members)
            }
        };
        let mut response = builder.send().await?;
        let (mut body, limit) = (Vec::new(), request.line.recipient.body_limit());
        // The limit is needed because a server could send an endless body.
        while body.len() < limit
            && let Some(chunk) = response.chunk().await?
        {
            body.extend_from_slice(&chunk[..chunk.len().min(limit - body.len())]);
        }
        if response.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding == "gzip") {
            body = decompress(body, limit);
        }
        Ok(HttpResponse {
            line: request.line.clone(),
            status: response.status(),
            headers: std::mem::take(response.headers_mut()),
            // A body that was cut may end within a character, and an error page may have another encoding.
            body: String::from_utf8_lossy(&body).into_owned(),
            credential,
            tries: 1,
        })
    }
}
