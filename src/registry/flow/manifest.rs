//! The manifest of the test image: the request for it, the token scopes that it needs, and the check whether the image
//! can be pulled without a login. In that case the image proves nothing about the credential.

use std::future::Future;
use std::time::Duration;

use reqwest::{Method, StatusCode, Url};
use tokio::time::timeout;

use super::challenge::{Bearer, Challenge, ChallengeSource, challenges, choose};
use super::token_server::TokenServer;
use crate::facts::Verdict;
use crate::registry::http::image_location::ImageLocation;
use crate::registry::http::request::{
    CredentialDelivery, HttpRequest, HttpResponse, HttpSession, RequestAuth, RequestError,
};
use crate::registry::verdict::finding::ProofFinding;

/// All manifest formats; registries of old OpenShift releases respond with the last two.
const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v1+prettyjws, application/vnd.docker.distribution.manifest.v1+json";
/// The time limit of each request that finds out whether the image is public.
const PUBLIC_TIME_LIMIT: Duration = Duration::from_secs(5);

/// Requests the manifest with HEAD, because registries count GET against the pull quota. If the response to HEAD would be
/// a verdict against the credential or the image, GET decides: CRI-O and podman use only GET, and some registries do not
/// serve HEAD. The credential is sent twice then, so it must be a token, or a password that is known to be right.
pub async fn request(
    session: &HttpSession,
    root: &Url,
    image: &ImageLocation,
    auth: RequestAuth,
) -> Result<Box<HttpResponse>, ProofFinding> {
    match send(Method::HEAD, session, root, image, auth.clone()).await {
        Ok(head) if is_final(&head) => Ok(head),
        // No time is left after a timeout, and a connection that could not be established fails for GET, too.
        Err(error) if matches!(error, RequestError::Timeout { .. }) || error.sent_nothing() => Err(error.into()),
        _ => request_with(Method::GET, session, root, image, auth).await,
    }
}

/// Whether a response to HEAD needs no GET.
fn is_final(head: &HttpResponse) -> bool {
    match head.status {
        // A web server that responds to every HEAD with 200 sends no digest, so GET shows whether there is a manifest.
        status if status.is_success() => has_digest(head),
        // The request was anonymous, and this response says how to log in.
        StatusCode::UNAUTHORIZED if head.credential == CredentialDelivery::NoneToSend => {
            choose(&challenges(&head.headers)).is_some()
        }
        // One more request would count against the limit, or meet the same proxy.
        status => matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::PROXY_AUTHENTICATION_REQUIRED),
    }
}

fn has_digest(response: &HttpResponse) -> bool {
    response.header("docker-content-digest").is_some()
}

/// Requests the manifest once, with this method.
pub async fn request_with(
    method: Method,
    session: &HttpSession,
    root: &Url,
    image: &ImageLocation,
    auth: RequestAuth,
) -> Result<Box<HttpResponse>, ProofFinding> {
    let response = send(method, session, root, image, auth).await?;
    // A login page responds to every request with 200 and HTML, so the media type is checked, too. The media types of
    // all manifest formats contain one of these words.
    let is_manifest = ["json", "jws"].iter().any(|format| response.content_type().contains(format));
    if response.line.method == Method::GET && response.status.is_success() && !is_manifest {
        return Err(ProofFinding::NoManifest(response));
    }
    Ok(response)
}

async fn send(
    method: Method,
    session: &HttpSession,
    root: &Url,
    image: &ImageLocation,
    auth: RequestAuth,
) -> Result<Box<HttpResponse>, RequestError> {
    let mut url = root.clone();
    url.set_path(&image.manifest_path());
    session.follow(HttpRequest { auth, accept: Some(ACCEPT), ..HttpRequest::new(method, url) }).await
}

/// The response for the manifest with `auth`, if it shows that the image is public. `method` is the one for which the
/// registry showed the image to the user: it may serve only that one.
pub async fn if_public(
    method: Method,
    session: &HttpSession,
    root: &Url,
    image: &ImageLocation,
    auth: RequestAuth,
) -> Option<Box<HttpResponse>> {
    let is_head = method == Method::HEAD;
    let response = timeout(PUBLIC_TIME_LIMIT, request_with(method, session, root, image, auth)).await.ok()?;
    // A check that fails says nothing against the credential, so it is not an error.
    response.ok().filter(|response| response.status.is_success() && (!is_head || has_digest(response)))
}

/// Like `if_public`, but with an anonymous token, or without a token if the server issues none.
pub async fn if_public_with_token(
    method: Method,
    session: &HttpSession,
    root: &Url,
    image: &ImageLocation,
    source: ChallengeSource,
    server: &TokenServer<'_>,
    scopes: &[String],
) -> Option<Box<HttpResponse>> {
    match (timeout(PUBLIC_TIME_LIMIT, server.issue_anonymous(scopes)).await.ok()?, source) {
        (Some(token), _) => if_public(method, session, root, image, token.auth).await,
        (None, ChallengeSource::Ping) => if_public(method, session, root, image, RequestAuth::Anonymous).await,
        // The challenge was the response to an anonymous request for the manifest, so the image is not public.
        (None, ChallengeSource::Manifest) => None,
    }
}

/// The finding, unless the image is public. If the check fails, the finding is kept, because a failed check says
/// nothing against the credential.
pub async fn unless_public(
    finding: ProofFinding,
    public: impl Future<Output = Option<Box<HttpResponse>>>,
) -> ProofFinding {
    match finding {
        ProofFinding::Judged { verdict: Verdict::Proved, login, response } => match public.await {
            Some(anonymous) => ProofFinding::Public { login, response, anonymous },
            None => ProofFinding::Judged { verdict: Verdict::Proved, login, response },
        },
        finding => finding,
    }
}

/// The scopes to request: the right to pull the image, and the scopes that the challenge names. None if only the login
/// is proved.
pub fn scopes(image: Option<&ImageLocation>, bearer: &Bearer) -> Vec<String> {
    // Without an image only the login is proved, and a token without scopes suffices for that.
    let Some(image) = image else { return Vec::new() };
    let mut scopes = vec![image.pull_scope()];
    scopes.extend(bearer.pull_scopes());
    distinct(scopes)
}

/// The scopes for a second token, if the registry responds that those of the first are not enough and names others.
pub fn wider_scopes(response: &HttpResponse, root: &Url, requested: &[String]) -> Option<Vec<String>> {
    // The target of a redirect must not be able to make the program request more scopes.
    if response.status != StatusCode::UNAUTHORIZED || response.line.url.origin() != root.origin() {
        return None;
    }
    // A 401 without `insufficient_scope` means that the login was refused, and a second token would not help.
    let missing = challenges(&response.headers).into_iter().find_map(|challenge| match challenge {
        Challenge::Bearer(bearer) if bearer.error.as_deref() == Some("insufficient_scope") => {
            Some(bearer.pull_scopes())
        }
        _ => None,
    })?;
    let all = distinct(requested.iter().cloned().chain(missing).collect());
    // If no scope is new, a second token would be equal to the first.
    (all.len() > requested.len()).then_some(all)
}

fn distinct(scopes: Vec<String>) -> Vec<String> {
    let scopes: indexmap::IndexSet<String> = scopes.into_iter().collect();
    scopes.into_iter().collect()
}
