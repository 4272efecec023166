//! When a request is sent again: back-off after 429, 5xx and failed connections, `Retry-After`, and hedged requests. A
//! request that may have delivered a password is never repeated, because a server may count it as a failed login.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{StatusCode, Url};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::connection_error::{self, LostConnection};
use super::peer::{self, Peer};
use super::request::{HttpRequest, HttpResponse, HttpSession, RequestAuth, RequestError};
use crate::desired::TlsPolicy;

/// The maximum number of times that a request is sent.
const MAX_TRIES: u32 = 3;
/// The pause before the second try if the server does not request one; it doubles for the next try.
const PAUSE: Duration = Duration::from_millis(500);

impl HttpSession {
    /// Sends `request`. If the server requests a retry, or there is no connection, sends it again after a pause, as
    /// long as time is left. It follows no redirect.
    pub async fn send(&self, request: &HttpRequest) -> Result<Box<HttpResponse>, RequestError> {
        let (begin, mut tries) = (Instant::now(), 0);
        loop {
            let result = self.try_once(request, &mut tries).await;
            let left = self.time_left();
            let wait = match &result {
                Ok(response) if response.is_temporary() => pause(response.retry_after(), tries),
                // The failed connection has already taken time, so the pause after it is short.
                Err(error) if error.is_temporary(&request.auth) => pause(None, tries).min(left / 8),
                // Every other result is final. A pause as long as the remaining time ends the loop.
                _ => left,
            };
            // A pause that lasts until the deadline would leave no time for the request after it.
            if tries == MAX_TRIES || wait >= left {
                return match result {
                    Ok(response) => Ok(Box::new(HttpResponse { tries, ..*response })),
                    Err(error) => Err(error.after(tries, begin.elapsed())),
                };
            }
            sleep(wait).await;
        }
    }

    async fn try_once(&self, request: &HttpRequest, count: &mut u32) -> Result<Box<HttpResponse>, RequestError> {
        let (line, url) = (Box::new(request.line.clone()), &request.line.url);
        let (tries, waited) = (1, Duration::ZERO);
        if let Some(reason) = self.client.proxy_url_error(url) {
            return Err(RequestError::BadProxyUrl { line, reason });
        }
        let result = timeout_at(self.deadline, self.hedged(request, count)).await;
        // The error of the library does not show whether name resolution or the server took too long.
        let late = result.as_ref().map_or(true, is_timeout);
        match result {
            _ if late && self.client.waits_for_name(url) => Err(RequestError::Unresolved { line, tries }),
            Ok(Ok(response)) => Ok(Box::new(response)),
            Ok(Err(error)) => {
                let peer = self.inspect_peer(url, &error).await;
                Err(RequestError::Connection { line, error: Arc::new(error), peer, tries })
            }
            Err(_) => Err(RequestError::Timeout { line, waited, timeout: self.timeout, tries }),
        }
    }

    /// Sends a request, and sends the same request a second time (a hedged request) if there is no response after half
    /// of the time, because a packet may have been lost. The first response is used. A login is never hedged.
    async fn hedged(&self, request: &HttpRequest, tries: &mut u32) -> Result<HttpResponse, reqwest::Error> {
        *tries += 1;
        let mut first = pin!(self.exchange(request));
        // A hedged login could count as two failed logins. A hedged request also counts as a try.
        if request.auth.is_login() || *tries == MAX_TRIES {
            return first.await;
        }
        if let Ok(result) = timeout(self.time_left() / 2, &mut first).await {
            return result;
        }
        *tries += 1;
        let mut second = pin!(self.exchange(request));
        tokio::select! {
            // A timeout of one request does not end the other, which may still get a response.
            result = &mut first => if is_timeout(&result) { second.await } else { result },
            result = &mut second => if is_timeout(&result) { first.await } else { result },
        }
    }

    /// Inspects the server after a failed connection: the names and dates of a rejected certificate, or the protocol
    /// that the port uses instead of TLS.
    async fn inspect_peer(&self, url: &Url, error: &reqwest::Error) -> Option<Peer> {
        // For an insecure registry, the ping tries plain HTTP instead.
        let no_tls = self.tls == TlsPolicy::Verify && connection_error::speaks_no_tls(error);
        if !no_tls && !connection_error::is_certificate_name_or_date(error, &self.client.hop(url)) {
            return None;
        }
        peer::inspect(&self.client, url, self.time_left()).await
    }
}

impl HttpResponse {
    /// How long the client must wait before it sends the request again, if the server specifies it.
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after(&self.headers, SystemTime::now())
    }

    /// Whether a later request may get another response.
    fn is_temporary(&self) -> bool {
        // Every other status is the decision of the server and would be the same after a retry.
        self.status == StatusCode::TOO_MANY_REQUESTS || self.status.is_server_error()
    }
}

impl RequestError {
    /// Whether another try may establish a connection, or show why it is closed. A login that may have arrived is final.
    fn is_temporary(&self, auth: &RequestAuth) -> bool {
        match self {
            Self::Unresolved { .. } => true,
            Self::Connection { error, .. } => match connection_error::lost_connection(error) {
                Some(LostConnection::Unsent) => true,
                Some(LostConnection::MaybeSent) => !auth.is_login(),
                // A refused connection is final, because the server has responded. Only a lost packet justifies a retry.
                None => error.is_connect() && error.is_timeout(),
            },
            Self::Timeout { .. } | Self::BadProxyUrl { .. } | Self::Redirect { .. } | Self::Downgrade { .. } => false,
        }
    }

    fn after(mut self, count: u32, time: Duration) -> Self {
        if let Self::Timeout { tries, .. } | Self::Unresolved { tries, .. } | Self::Connection { tries, .. } = &mut self
        {
            *tries = count;
        }
        if let Self::Timeout { waited, .. } = &mut self {
            *waited = time;
        }
        self
    }
}

/// Whether the server sent nothing in time; a closed connection is not a timeout.
fn is_timeout<T>(result: &Result<T, reqwest::Error>) -> bool {
    result.as_ref().is_err_and(reqwest::Error::is_timeout)
}

/// How long a server wants clients to wait: seconds, or the time until a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    // RFC 9110 permits a date in three formats instead of seconds.
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// The pause after `tries` tries, where the server requested a pause of `requested`. It is never shorter than that. A
/// random part is added, because clients that were rejected at the same time would otherwise all return at the same
/// time.
fn pause(requested: Option<Duration>, tries: u32) -> Duration {
    match requested {
        Some(wait) => wait.saturating_add(wait.min(PAUSE).mul_f64(random_fraction())),
        // The exponent is limited, because the shift would otherwise overflow.
        None => (PAUSE * (1 << (tries.clamp(1, 10) - 1))).mul_f64(0.5 + random_fraction()),
    }
}

/// A random number from 0 up to 1.
fn random_fraction() -> f64 {
    let mut byte = [0];
    // Without random numbers the pause has no random part, which is not a reason to fail.
    let _ = openssl::rand::rand_bytes(&mut byte);
    f64::from(byte[0]) / 256.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_retry_after() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let cases = [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sunday, 06-Nov-94 08:49:47 GMT", Some(10)),
            ("Sun Nov  6 08:49:38 1994", Some(1)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ];
        for (value, seconds) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            assert_eq!(retry_after(&headers, now), seconds.map(Duration::from_secs), "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn pauses_grow_and_differ() {
        for _ in 0..100 {
            let (first, second) = (pause(None, 1), pause(None, 2));
            assert!((250..750).contains(&first.as_millis()), "{first:?}");
            assert!((500..1500).contains(&second.as_millis()), "{second:?}");
            let requested = pause(Some(Duration::from_secs(10)), 1);
            assert!((10_000..10_500).contains(&requested.as_millis()), "{requested:?}");
        }
        assert_eq!(pause(Some(Duration::ZERO), 1), Duration::ZERO);
        assert!(pause(Some(Duration::MAX), 1) == Duration::MAX && pause(None, u32::MAX) < Duration::from_secs(400));
        let all: std::collections::HashSet<Duration> = (0..100).map(|_| pause(None, 1)).collect();
        assert!(all.len() > 10, "no jitter");
    }
}
