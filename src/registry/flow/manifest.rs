//! The manifest of the test image: the request for it, the token scopes that it needs, and the check whether the image
//! can be pulled without a login. In that case the image proves nothing about the credential.

use std::future::Future;
use std::time::Duration;

use reqwest::{Method, StatusCode, Url};
use tokio::time::timeout;

use super::challenge::{Bearer, Challenge, ChallengeSource, challenges};
use super::token_server::TokenServer;
use crate::facts::Verdict;
use crate::registry::http::image_location::ImageLocation;
use crate::registry::http::request::{HttpRequest, HttpResponse, HttpSession, RequestAuth};
use crate::registry::verdict::finding::ProofFinding;

/// All manifest formats; registries of old OpenShift releases respond with the last two.
const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v1+prettyjws, application/vnd.docker.distribution.manifest.v1+json";
/// The time limit of each request that finds out whether the image is public.
const PUBLIC_TIME_LIMIT: Duration = Duration::from_secs(5);

/// Requests the manifest with HEAD, because GET counts against pull quotas; with GET only if the response to HEAD does
/// not show whether the image exists.
pub async fn request(
    session: &HttpSession,
    root: &Url,
    image: &ImageLocation,
    auth: RequestAuth,
) -> Result<Box<HttpResponse>, ProofFinding> {
    let mut url = root.clone();
    url.set_path(&image.manifest_path());
    let mut request = HttpRequest { auth, accept: Some(ACCEPT), ..HttpRequest::new(Method::HEAD, url) };
    let head = session.follow(request.clone()).await?;
    // A web server that responds to every HEAD with 200 sends no digest, so GET shows whether there is a manifest.
    let no_digest = head.status.is_success() && head.header("docker-content-digest").is_none();
    if !no_digest && head.status != StatusCode::METHOD_NOT_ALLOWED {
        return Ok(head);
    }
    // GET is only the second choice, because registries count it against the pull quota.
    request.line.method = Method::GET;
    let response = session.follow(request).await?;
    // A login page responds to every request with 200 and HTML, so the media type is checked, too. The media types of
    // all manifest formats contain one of these words.
    let is_manifest = ["json", "jws"].iter().any(|format| response.content_type().contains(format));
    if response.status.is_success() && !is_manifest {
        return Err(ProofFinding::NoManifest(response));
    }
    Ok(response)
}

/// The response for the manifest with `auth`, if it shows that the image is public.
pub async fn if_public(
    session: &HttpSession,
    root: &Url,
    image: &ImageLocation,
    auth: RequestAuth,
) -> Option<Box<HttpResponse>> {
    let response = timeout(PUBLIC_TIME_LIMIT, request(session, root, image, auth)).await.ok()?;
    // A check that fails says nothing against the credential, so it is not an error.
    response.ok().filter(|response| response.status.is_success())
}

/// Like `if_public`, but with an anonymous token, or without a token if the server issues none.
pub async fn if_public_with_token(
    session: &HttpSession,
    root: &Url,
    image: &ImageLocation,
    source: ChallengeSource,
    server: &TokenServer<'_>,
    scopes: &[String],
) -> Option<Box<HttpResponse>> {
    match (timeout(PUBLIC_TIME_LIMIT, server.issue_anonymous(scopes)).await.ok()?, source) {
        (Some(token), _) => if_public(session, root, image, token.auth).await,
        (None, ChallengeSource::Ping) => if_public(session, root, image, RequestAuth::Anonymous).await,
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
