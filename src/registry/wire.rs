//! Requests with a deadline, their repeats and redirects. Knows HTTP, and where an `Authorization` may travel;
//! what an answer means is not decided here.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, StatusCode, Url};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::client::Way;
use super::fault;
use super::patience::{TRIES, pause, retry_after};
use super::peer::{self, Peer};
use crate::desired::TlsPolicy;
use crate::secret::Secret;

/// How many bytes of a body are read; no token or error is longer.
const BODY_LIMIT: usize = 64 * 1024;
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
    pub asked: Asked,
}

/// Whom a request is for, wherever redirects may lead it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Registry,
    TokenServer,
}

/// A request that can be sent again.
#[derive(Clone)]
pub(super) struct Request {
    pub place: Place,
    pub carried: Carried,
    pub accept: Option<&'static str>,
}

/// What a request carries of a credential.
#[derive(Clone)]
pub(super) enum Carried {
    Nothing,
    /// A token from a token server, in an `Authorization` header.
    Token(HeaderValue),
    /// User and password, in an `Authorization` header: a server may count each as a login.
    Password(HeaderValue),
    /// An identity token, in a form: the same holds for it.
    Form(Vec<(&'static str, Secret)>),
}

/// A complete answer.
#[derive(Clone)]
pub(super) struct Answer {
    /// Where it came from, after redirects.
    pub place: Place,
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The first [`BODY_LIMIT`] bytes.
    pub body: String,
    pub authorization: Authorization,
    /// How often it was asked for: more than once where the server asked for patience, or did not answer.
    pub tries: u32,
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
#[derive(Clone)]
pub(super) enum Fault {
    /// No answer in what was left of the time when it was first asked for.
    Timeout { at: Box<Place>, waited: Duration, timeout: Duration, tries: u32 },
    /// The time was over while a name was still being looked up.
    Unresolved { at: Box<Place>, tries: u32 },
    /// The URL of the proxy on the way cannot be used, for this reason: nothing was sent.
    NoProxy { at: Box<Place>, reason: String },
    /// The connection failed, or what came over it is not HTTP; with what was seen of the server, if the
    /// error does not say it.
    Broken { at: Box<Place>, error: Arc<reqwest::Error>, shown: Option<Peer>, tries: u32 },
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

    /// How long the server asks to wait, if it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after(&self.headers, SystemTime::now())
    }

    /// Whether the same request may be answered otherwise in a while.
    pub fn may_pass(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS || self.status.is_server_error()
    }

    fn is_redirect(&self) -> bool {
        matches!(self.status.as_u16(), 301 | 302 | 303 | 307 | 308)
    }
}

impl Request {
    /// A request to a registry, without a credential.
    pub fn new(method: Method, url: Url) -> Self {
        Self { place: Place { method, url, asked: Asked::Registry }, carried: Carried::Nothing, accept: None }
    }

    fn at(&self) -> Box<Place> {
        Box::new(self.place.clone())
    }
}

impl Carried {
    /// Whether a server may count the request as a login: then it is not sent again once it may have arrived.
    fn logs_in(&self) -> bool {
        matches!(self, Self::Password(_) | Self::Form(_))
    }
}

impl Fault {
    /// Whether there is no connection yet, and another try may bring one.
    fn may_pass(&self) -> bool {
        match self {
            Self::Unresolved { .. } => true,
            Self::Broken { error, .. } => error.is_connect() && error.is_timeout(),
            Self::Timeout { .. } | Self::NoProxy { .. } | Self::Redirect { .. } | Self::Downgrade { .. } => false,
        }
    }

    /// Whether there was no connection that anything could be sent over.
    pub fn sent_nothing(&self) -> bool {
        match self {
            Self::Unresolved { .. } | Self::NoProxy { .. } => true,
            Self::Broken { error, .. } => error.is_connect(),
            Self::Timeout { .. } | Self::Redirect { .. } | Self::Downgrade { .. } => false,
        }
    }

    /// What was asked when there was no answer.
    pub fn at(&self) -> &Place {
        match self {
            Self::Timeout { at, .. }
            | Self::Unresolved { at, .. }
            | Self::NoProxy { at, .. }
            | Self::Broken { at, .. }
            | Self::Redirect { at, .. }
            | Self::Downgrade { at, .. } => at,
        }
    }

    /// How often it was sent.
    pub fn tries(&self) -> u32 {
        match self {
            Self::Timeout { tries, .. } | Self::Unresolved { tries, .. } | Self::Broken { tries, .. } => *tries,
            Self::NoProxy { .. } | Self::Redirect { .. } | Self::Downgrade { .. } => 1,
        }
    }

    fn after(mut self, count: u32, time: Duration) -> Self {
        if let Self::Timeout { tries, .. } | Self::Unresolved { tries, .. } | Self::Broken { tries, .. } = &mut self {
            *tries = count;
        }
        if let Self::Timeout { waited, .. } = &mut self {
            *waited = time;
        }
        self
    }
}

impl Wire {
    /// Sends `request`, repeats it while the server asks for patience or there is no connection and time allows, and
    /// follows no redirect.
    pub async fn send(&self, request: &Request) -> Result<Box<Answer>, Fault> {
        let (begin, mut tries) = (Instant::now(), 0);
        loop {
            let result = self.once(request, &mut tries).await;
            let left = self.left();
            let wait = match &result {
                Ok(answer) if answer.may_pass() => pause(answer.retry_after(), tries),
                // The try itself was a wait.
                Err(fault) if fault.may_pass() => pause(None, tries).min(left / 8),
                _ => left,
            };
            if tries == TRIES || wait >= left {
                return match result {
                    Ok(answer) => Ok(Box::new(Answer { tries, ..*answer })),
                    Err(fault) => Err(fault.after(tries, begin.elapsed())),
                };
            }
            sleep(wait).await;
        }
    }

    /// What is left of the time.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
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
            if next.place.url.origin() != origin && !matches!(next.carried, Carried::Nothing) {
                next.carried = Carried::Nothing;
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

    async fn once(&self, request: &Request, count: &mut u32) -> Result<Box<Answer>, Fault> {
        let (at, url) = (request.at(), &request.place.url);
        let (tries, waited) = (1, Duration::ZERO);
        if let Some(reason) = self.way.fault(url) {
            return Err(Fault::NoProxy { at, reason });
        }
        let result = timeout_at(self.deadline, self.soonest(request, count)).await;
        let late = result.as_ref().map_or(true, is_silence);
        match result {
            _ if late && self.way.waits_for_a_name(url) => Err(Fault::Unresolved { at, tries }),
            Ok(Ok(answer)) => Ok(Box::new(answer)),
            Ok(Err(error)) => {
                let shown = self.shown(url, &error).await;
                Err(Fault::Broken { at, error: Arc::new(error), shown, tries })
            }
            Err(_) => Err(Fault::Timeout { at, waited, timeout: self.timeout, tries }),
        }
    }

    /// The first answer. A question may get lost, and an answer be slow: so nothing is cut off, but where half of the
    /// time brings no answer the question is asked once more beside. A password that may have arrived is not.
    async fn soonest(&self, request: &Request, tries: &mut u32) -> Result<Answer, reqwest::Error> {
        *tries += 1;
        let mut first = pin!(self.exchange(request));
        if request.carried.logs_in() || *tries == TRIES {
            return first.await;
        }
        if let Ok(result) = timeout(self.left() / 2, &mut first).await {
            return result;
        }
        *tries += 1;
        let mut second = pin!(self.exchange(request));
        tokio::select! {
            result = &mut first => if is_silence(&result) { second.await } else { result },
            result = &mut second => if is_silence(&result) { first.await } else { result },
        }
    }

    /// Names and dates of a certificate that was refused for them, or what a port speaks that should speak TLS.
    async fn shown(&self, url: &Url, error: &reqwest::Error) -> Option<Peer> {
        let no_tls = self.tls == TlsPolicy::Verify && fault::speaks_no_tls(error);
        if !no_tls && !fault::is_of_certificate(error, &self.way.via(url)) {
            return None;
        }
        peer::seen(&self.way, url, self.left()).await
    }

    async fn exchange(&self, request: &Request) -> Result<Answer, reqwest::Error> {
        let mut builder = self.way.client.request(request.place.method.clone(), request.place.url.clone());
        if let Some(accept) = request.accept {
            builder = builder.header(ACCEPT, accept);
        }
        let authorization = match &request.carried {
            Carried::Nothing => Authorization::None,
            Carried::Token(_) | Carried::Password(_) | Carried::Form(_) => Authorization::Sent,
        };
        builder = match &request.carried {
            Carried::Nothing => builder,
            Carried::Token(value) | Carried::Password(value) => builder.header(AUTHORIZATION, value.clone()),
            Carried::Form(members) => {
                let members: Vec<_> = members.iter().map(|(name, value)| (*name, value.expose())).collect();
                builder.form(&members)
            }
        };
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
            authorization,
            tries: 1,
        })
    }
}

/// Whether nobody has answered, not even by hanging up.
fn is_silence<T>(result: &Result<T, reqwest::Error>) -> bool {
    result.as_ref().is_err_and(reqwest::Error::is_timeout)
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
        let place = Place { method: Method::GET, url, asked: Asked::Registry };
        let status = StatusCode::TEMPORARY_REDIRECT;
        let authorization = Authorization::None;
        wire.redirected(&Answer { place, status, headers, body: String::new(), authorization, tries: 1 })
            .map(String::from)
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
