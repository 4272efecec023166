//! Requests with a deadline, their repeats and redirects. Knows HTTP, and where an `Authorization` may travel;
//! what an answer means is not decided here.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Method, StatusCode, Url};
use tokio::time::{Instant, sleep, timeout_at};

use super::client::Way;
use super::proxy::Via;
use crate::desired::TlsPolicy;

/// How many bytes of a body are read; no token or error is longer.
const BODY_LIMIT: usize = 64 * 1024;
/// How often 429 and 5xx are asked again.
const REPEATS: u32 = 2;
/// The pause before the first repeat where the server names none; doubled for the next.
const PAUSE: Duration = Duration::from_millis(500);
/// How many redirects of one request are followed.
const REDIRECTS: u32 = 5;

/// What one inspection sends its requests through.
pub(super) struct Wire {
    pub way: Way,
    pub tls: TlsPolicy,
    pub timeout: Duration,
    pub deadline: Instant,
}

/// A method and where it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub method: Method,
    pub url: Url,
}

/// A request that can be sent again.
#[derive(Clone)]
pub(super) struct Request {
    pub place: Place,
    pub authorization: Option<HeaderValue>,
    pub accept: Option<&'static str>,
}

/// A complete answer.
pub(super) struct Answer {
    /// Where it came from, after redirects.
    pub place: Place,
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The first [`BODY_LIMIT`] bytes.
    pub body: String,
    pub authorization: Authorization,
}

/// Whether the request that was answered carried a credential or token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Authorization {
    /// There was none to send.
    None,
    Sent,
    /// A redirect led to another origin, so it stayed behind.
    Withheld,
}

/// Why there is no answer to judge.
pub(super) enum Fault {
    /// The inspection's time is over.
    Timeout { at: Box<Place>, timeout: Duration },
    /// The time was over while a name was still being looked up.
    Unresolved { at: Box<Place>, via: Via },
    /// The connection failed, or what came over it is not HTTP.
    Broken { at: Box<Place>, error: reqwest::Error, via: Via },
    /// A redirect that is not followed, and why.
    Redirect { at: Box<Place>, reason: String },
    /// A redirect from HTTPS to HTTP where TLS is to be verified.
    Downgrade { at: Box<Place>, to: Box<Url> },
}

impl Answer {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The media type, without parameters.
    pub fn content_type(&self) -> &str {
        let value = self.header(CONTENT_TYPE.as_str()).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim()
    }

    /// Seconds to wait, if the server says so in that form.
    pub fn retry_after(&self) -> Option<Duration> {
        self.header(RETRY_AFTER.as_str())?.trim().parse().ok().map(Duration::from_secs)
    }

    fn may_pass(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS || self.status.is_server_error()
    }

    fn is_redirect(&self) -> bool {
        matches!(self.status.as_u16(), 301 | 302 | 303 | 307 | 308)
    }
}

impl Request {
    /// A request without a credential.
    pub fn new(method: Method, url: Url) -> Self {
        Self { place: Place { method, url }, authorization: None, accept: None }
    }

    fn at(&self) -> Box<Place> {
        Box::new(self.place.clone())
    }
}

impl Wire {
    /// Sends `request`, repeats it while the server asks for patience and time allows, and follows no redirect.
    pub async fn send(&self, request: &Request) -> Result<Box<Answer>, Fault> {
        let mut pause = PAUSE;
        for _ in 0..REPEATS {
            let answer = self.once(request).await?;
            let wait = answer.retry_after().unwrap_or(pause);
            if !answer.may_pass() || wait >= self.deadline.saturating_duration_since(Instant::now()) {
                return Ok(answer);
            }
            sleep(wait).await;
            pause *= 2;
        }
        self.once(request).await
    }

    /// Like [`Wire::send`], and follows redirects; the credential only within the origin it is meant for.
    pub async fn follow(&self, request: Request) -> Result<Box<Answer>, Fault> {
        let origin = request.place.url.origin();
        let mut next = request;
        let mut withheld = false;
        for _ in 0..=REDIRECTS {
            let mut answer = self.send(&next).await?;
            if withheld {
                answer.authorization = Authorization::Withheld;
            }
            if !answer.is_redirect() {
                return Ok(answer);
            }
            next.place.url = self.redirected(&answer)?;
            if next.place.url.origin() != origin && next.authorization.take().is_some() {
                withheld = true;
            }
        }
        Err(Fault::Redirect { at: next.at(), reason: format!("more than {REDIRECTS} redirects") })
    }

    /// Where a redirect leads, if it may be followed.
    fn redirected(&self, answer: &Answer) -> Result<Url, Fault> {
        let refuse = |reason: &str| Fault::Redirect { at: Box::new(answer.place.clone()), reason: reason.to_owned() };
        let location = answer.header(LOCATION.as_str()).ok_or_else(|| refuse("a redirect without `Location`"))?;
        let url = answer.place.url.join(location).map_err(|_| refuse("a redirect to what is no URL"))?;
        match (url.scheme(), self.tls) {
            ("https", _) | ("http", TlsPolicy::Insecure) => Ok(without_user(url)),
            ("http", TlsPolicy::Verify) => {
                Err(Fault::Downgrade { at: Box::new(answer.place.clone()), to: Box::new(url) })
            }
            _ => Err(refuse("a redirect to what is neither https nor http")),
        }
    }

    async fn once(&self, request: &Request) -> Result<Box<Answer>, Fault> {
        let (at, url) = (request.at(), &request.place.url);
        let result = timeout_at(self.deadline, self.exchange(request)).await;
        let late = result.as_ref().map_or(true, |answer| answer.as_ref().is_err_and(reqwest::Error::is_timeout));
        match result {
            _ if late && self.way.waits_for_a_name(url) => Err(Fault::Unresolved { at, via: self.way.via(url) }),
            Ok(Ok(answer)) => Ok(Box::new(answer)),
            Ok(Err(error)) => Err(Fault::Broken { at, error, via: self.way.via(url) }),
            Err(_) => Err(Fault::Timeout { at, timeout: self.timeout }),
        }
    }

    async fn exchange(&self, request: &Request) -> Result<Answer, reqwest::Error> {
        let mut builder = self.way.client.request(request.place.method.clone(), request.place.url.clone());
        if let Some(accept) = request.accept {
            builder = builder.header(ACCEPT, accept);
        }
        if let Some(authorization) = &request.authorization {
            builder = builder.header(AUTHORIZATION, authorization.clone());
        }
        let mut response = builder.send().await?;
        let mut body = Vec::new();
        while body.len() < BODY_LIMIT
            && let Some(chunk) = response.chunk().await?
        {
            body.extend_from_slice(&chunk[..chunk.len().min(BODY_LIMIT - body.len())]);
        }
        Ok(Answer {
            place: request.place.clone(),
            status: response.status(),
            headers: std::mem::take(response.headers_mut()),
            body: String::from_utf8_lossy(&body).into_owned(),
            authorization: match request.authorization {
                Some(_) => Authorization::Sent,
                None => Authorization::None,
            },
        })
    }
}

/// The HTTP client would turn `user:password@` of a foreign URL into a credential of its own.
pub(super) fn without_user(mut url: Url) -> Url {
    // Fails only for URLs that cannot have a user.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::client::Clients;
    use crate::registry::proxy::Proxies;
    use crate::registry::tests::registry;

    fn way(tls: TlsPolicy) -> Way {
        let registry = crate::desired::Registry { tls, ..registry("registry.example.com", "right") };
        Clients::with_proxies(Proxies::None).way(&registry, &registry.host).ok().unwrap()
    }

    fn redirected(tls: TlsPolicy, location: &str) -> Result<String, Fault> {
        let timeout = Duration::from_secs(1);
        let wire = Wire { way: way(tls), tls, timeout, deadline: Instant::now() + timeout };
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, location.parse().unwrap());
        let url = Url::parse("https://registry.example.com/v2/").unwrap();
        let place = Place { method: Method::GET, url };
        let status = StatusCode::TEMPORARY_REDIRECT;
        let authorization = Authorization::None;
        wire.redirected(&Answer { place, status, headers, body: String::new(), authorization }).map(String::from)
    }

    #[tokio::test]
    async fn redirects_never_leave_tls_where_it_is_verified() {
        let plain = "http://registry.example.com/v2/";
        assert!(matches!(redirected(TlsPolicy::Verify, plain), Err(Fault::Downgrade { .. })));
        assert_eq!(redirected(TlsPolicy::Insecure, plain).ok().unwrap(), plain);
        assert!(matches!(redirected(TlsPolicy::Insecure, "ftp://x/"), Err(Fault::Redirect { .. })));
        let moved = redirected(TlsPolicy::Verify, "//eve:secret@store.example.com/blob?s=1").ok().unwrap();
        assert_eq!(moved, "https://store.example.com/blob?s=1");
    }

    #[tokio::test]
    async fn a_secure_client_cannot_speak_http() {
        let error = way(TlsPolicy::Verify).client.get("http://127.0.0.1:1/").send().await.unwrap_err();
        assert!(error.is_builder(), "{error:?}");
    }
}
