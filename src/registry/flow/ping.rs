//! The ping: the first request to a registry, `GET /v2/` without a credential. A proof sends it only once for each
//! registry and each route to it, so that a host that does not respond causes only one timeout. The ping also
//! determines whether an insecure registry uses plain HTTP.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Method, Url};
use serde::de::IgnoredAny;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::desired::{Authority, Proxy, Registry, TlsPolicy};
use crate::registry::http::request::{HttpRequest, HttpResponse, HttpSession, RequestError};
use crate::registry::http::{connection_error, plain_http};

/// The response to a ping.
#[derive(Clone)]
pub struct Ping {
    /// The URL of `/v2/`, with the scheme that the port uses.
    pub root: Url,
    pub response: Box<HttpResponse>,
    /// How long the ping took. That time is subtracted from the time of each attempt, as if it had sent the ping
    /// itself.
    pub took: Duration,
}

type PingResult = Result<Ping, RequestError>;

/// The pings of a proof.
#[derive(Default)]
pub struct Pings(Mutex<HashMap<PingKey, Arc<OnceCell<PingResult>>>>);

/// Everything that the response to a ping depends on.
#[derive(PartialEq, Eq, Hash)]
struct PingKey {
    root: Url,
    /// The host as the image name writes it: certs.d may have a folder of that name.
    written_host: String,
    tls: TlsPolicy,
    ca: Option<Arc<Authority>>,
    proxy: Proxy,
}

impl Pings {
    /// The result of `ping`. Of all pings with the same key only the first is sent; the others wait for it.
    pub async fn once(&self, root: &Url, registry: &Registry, ping: impl Future<Output = PingResult>) -> PingResult {
        // The key has every setting that changes the connection, because two registries on one host may have different
        // ones.
        let Registry { tls, ca, proxy, image, .. } = registry;
        // Users name the folder in certs.d after the part before the first slash.
        let written_host = image.split('/').next().unwrap_or_default().to_owned();
        let key = PingKey { root: root.clone(), written_host, tls: *tls, ca: ca.clone(), proxy: proxy.clone() };
        let cell = {
            let mut pings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(pings.entry(key).or_default())
        };
        // The lock is released before this call waits, so that pings of other registries are not delayed.
        cell.get_or_init(|| ping).await.clone()
    }
}

/// Sends a ping to `root`. It carries no credential, because some registries respond to a wrong one without a challenge.
pub async fn ping(session: &HttpSession, root: Url) -> PingResult {
    let begin = Instant::now();
    let (root, response) = send(session, root).await?;
    Ok(Ping { root, response, took: begin.elapsed() })
}

async fn send(session: &HttpSession, root: Url) -> Result<(Url, Box<HttpResponse>), RequestError> {
    let request = HttpRequest::new(Method::GET, root.clone());
    let pinged = request.line.clone();
    let insecure = session.tls == TlsPolicy::Insecure;
    match session.follow(request).await {
        // The error must come from the port of the registry, and not from the target of a redirect.
        Err(RequestError::Connection { line, error, .. })
            if insecure && *line == pinged && connection_error::speaks_no_tls(&error) =>
        {
            let root = plain_http::same_port(root);
            let response = session.follow(HttpRequest::new(Method::GET, root.clone())).await?;
            Ok((root, response))
        }
        // Some proxies allow CONNECT only to some ports. Plain HTTP is used then, but only if the response shows that it
        // comes from a registry.
        Err(RequestError::Connection { line, error, peer, tries })
            if insecure
                && *line == pinged
                && connection_error::proxy_refuses_connect(&error, &session.client.hop(&pinged.url)) =>
        {
            let root = plain_http::same_port(root);
            match session.follow(HttpRequest::new(Method::GET, root.clone())).await {
                // The proxy itself may respond to plain HTTP with an error page, so the header of the protocol is
                // required here.
                Ok(response) if names_protocol(&response) => Ok((root, response)),
                _ => Err(RequestError::Connection { line, error, peer, tries }),
            }
        }
        other => Ok((root, other?)),
    }
}

/// Whether a response to `/v2/` comes from a registry. Some proxies drop the header that names the protocol; then the
/// body must be JSON or empty, since a login page is neither.
pub fn is_from_registry(response: &HttpResponse) -> bool {
    let same_path = response.line.url.path().trim_end_matches('/').ends_with("/v2");
    // Some proxies drop the header of the protocol, so the body has to decide: a login page is neither JSON nor empty.
    let body = response.body.trim();
    let json_or_empty = body.is_empty() || serde_json::from_str::<IgnoredAny>(body).is_ok();
    names_protocol(response) || (same_path && json_or_empty)
}

/// Whether the response has the header of the older distribution specification, which registries still send.
fn names_protocol(response: &HttpResponse) -> bool {
    response.header("docker-distribution-api-version").is_some_and(|versions| versions.contains("registry/2."))
}
