//! Redirects: which are followed, and that a credential is never sent to another origin.

use reqwest::Url;
use reqwest::header::LOCATION;

use super::plain_http::{self, Scheme};
use super::request::{CredentialDelivery, HttpRequest, HttpResponse, HttpSession, RequestAuth, RequestError};
use super::url::without_user;

/// How many redirects of one request are followed.
const MAX_REDIRECTS: u32 = 5;

impl HttpSession {
    /// Like [`HttpSession::send`], and follows redirects. A redirect to another origin is followed without credential.
    pub async fn follow(&self, request: HttpRequest) -> Result<Box<HttpResponse>, RequestError> {
        let origin = request.line.url.origin();
        let mut next = request;
        let mut withheld = false;
        // The first request is not a redirect.
        for _ in 0..=MAX_REDIRECTS {
            let mut response = self.send(&next).await?;
            if withheld {
                response.credential = CredentialDelivery::Withheld;
            }
            if !is_redirect(&response) {
                return Ok(response);
            }
            // Each target is checked again, because a redirect to HTTPS can be followed by one to plain HTTP.
            next.line.url = self.redirect_target(&response)?;
            if next.line.url.origin() != origin && !matches!(next.auth, RequestAuth::Anonymous) {
                // The credential is left out even if a later redirect returns to the origin, because another server
                // chose that URL.
                next.auth = RequestAuth::Anonymous;
                withheld = true;
            }
        }
        let reason = format!("more than {MAX_REDIRECTS} redirects");
        Err(RequestError::Redirect { line: Box::new(next.line), reason })
    }

    /// The target of a redirect, if it may be followed.
    fn redirect_target(&self, response: &HttpResponse) -> Result<Url, RequestError> {
        let line = || Box::new(response.line.clone());
        let refuse = |reason: &str| RequestError::Redirect { line: line(), reason: reason.to_owned() };
        let location = response.header(LOCATION.as_str()).ok_or_else(|| refuse("a redirect without `Location`"))?;
        // `Location` may be relative (RFC 9110, section 10.2.2).
        let url = response.line.url.join(location).map_err(|_| refuse("a redirect to an invalid URL"))?;
        match plain_http::check(&url, self.tls) {
            // The HTTP client would send a login in the URL as a credential, although another server chose it.
            Scheme::Allowed => Ok(without_user(url)),
            Scheme::PlainHttp => Err(RequestError::Downgrade { line: line(), to: Box::new(url) }),
            Scheme::Unsupported => Err(refuse("a redirect to a URL that is neither https nor http")),
        }
    }
}

fn is_redirect(response: &HttpResponse) -> bool {
    // Other 3xx statuses, such as 304, have no target.
    matches!(response.status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::header::HeaderMap;
    use reqwest::{Method, StatusCode};
    use tokio::time::Instant;

    use super::*;
    use crate::desired::TlsPolicy;
    use crate::registry::http::client::{Clients, RegistryClient};
    use crate::registry::http::proxy::ProxySource;
    use crate::registry::http::request::{Recipient, RequestLine};
    use crate::registry::tests::registry;

    fn client(tls: TlsPolicy) -> RegistryClient {
        let registry = crate::desired::Registry { tls, ..registry("registry.example.com", "right") };
        Clients::with_proxies(ProxySource::None).client_for(&registry, &registry.host).ok().unwrap()
    }

    fn redirected(tls: TlsPolicy, location: &str) -> Result<String, RequestError> {
        let timeout = Duration::from_secs(1);
        let (deadline, on_exchange) = (Instant::now() + timeout, std::sync::Arc::new(|_: &_, _, _| {}));
        let session = HttpSession { client: client(tls), tls, timeout, deadline, on_exchange };
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, location.parse().unwrap());
        let url = Url::parse("https://registry.example.com/v2/").unwrap();
        let line = RequestLine { method: Method::GET, url, recipient: Recipient::Registry };
        let (status, credential) = (StatusCode::TEMPORARY_REDIRECT, CredentialDelivery::NoneToSend);
        let response = HttpResponse { line, status, headers, body: String::new(), credential, tries: 1 };
        session.redirect_target(&response).map(String::from)
    }

    #[tokio::test]
    async fn redirects_never_leave_tls_where_it_is_verified() {
        let plain = "http://registry.example.com/v2/";
        assert!(matches!(redirected(TlsPolicy::Verify, plain), Err(RequestError::Downgrade { .. })));
        assert_eq!(redirected(TlsPolicy::Insecure, plain).ok().unwrap(), plain);
        assert!(matches!(redirected(TlsPolicy::Insecure, "ftp://x/"), Err(RequestError::Redirect { .. })));
        let moved = redirected(TlsPolicy::Verify, "//eve:secret@store.example.com/blob?s=1").ok().unwrap();
        assert_eq!(moved, "https://store.example.com/blob?s=1");
    }

    #[tokio::test]
    async fn a_secure_client_cannot_send_plain_http() {
        let error = client(TlsPolicy::Verify).client.get("http://127.0.0.1:1/").send().await.unwrap_err();
        assert!(error.is_builder(), "{error:?}");
    }
}
