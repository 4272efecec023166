//! The inspection of one test image: challenge, token, manifest. It sends the password at most once, only to
//! whom the registry named, and never again after a refusal.

use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use tokio::time::Instant;

use super::challenge::{Bearer, Challenge, challenges, choose};
use super::client::Clients;
use super::diagnosis::{self, Asked, Finding};
use super::fault;
use super::reference::Target;
use super::wire::{Answer, Authorization, Fault, Request, Wire, without_user};
use crate::desired::{Registry, TestLogin, TlsPolicy};
use crate::facts::{RegistryFact, Verdict};
use crate::secret::{Redactor, Secret, basic_auth};

/// Every manifest there is; the last two are what old OpenShift images answer with.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v1+prettyjws, application/vnd.docker.distribution.manifest.v1+json";

/// Inspects the test image of `registry` with its credential, all requests together within `timeout`.
/// What others know as secret is kept out of the fact by `redactor`.
pub async fn inspect(clients: &Clients, registry: &Registry, timeout: Duration, redactor: &Redactor) -> RegistryFact {
    if registry.test_login == TestLogin::Skip {
        return RegistryFact { verdict: Verdict::Skipped, cause: None, hint: None, rate_limit: None };
    }
    let mut own = Redactor::default();
    own.learn_credential(&registry.user, &registry.password);
    let finding = match prepare(clients, registry, timeout) {
        Ok((target, wire)) => {
            wire.way.logins.iter().for_each(|(user, password)| own.learn_credential(user, password));
            Inspection { registry, target, wire, secrets: &mut own }.run().await
        }
        Err(finding) => Err(finding),
    };
    let finding = finding.unwrap_or_else(|finding| finding);
    diagnosis::fact(registry, finding, &|text| redactor.scrub(&own.scrub(text)))
}

fn prepare(clients: &Clients, registry: &Registry, timeout: Duration) -> Result<(Target, Wire), Finding> {
    let target = Target::parse(&registry.image).map_err(Finding::NoImage)?;
    let way = clients.way(registry, &target.host).map_err(Finding::NoClient)?;
    Ok((target, Wire { way, tls: registry.tls, timeout, deadline: Instant::now() + timeout }))
}

/// One inspection under way.
struct Inspection<'a> {
    registry: &'a Registry,
    target: Target,
    wire: Wire,
    secrets: &'a mut Redactor,
}

/// A token server's answer. Some name the token one way, some the other, some both.
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

impl Inspection<'_> {
    async fn run(mut self) -> Result<Finding, Finding> {
        let (root, answer) = self.ping().await?;
        match answer.status {
            StatusCode::UNAUTHORIZED => self.answer_challenge(&root, &answer).await,
            status if status.is_success() => self.without_credential(&root).await,
            _ => Err(Finding::Unexpected(answer)),
        }
    }

    /// Asks the registry what it wants, without a credential: some refuse a wrong one without any challenge.
    /// Finds out on the way whether an insecure registry speaks plain HTTP.
    async fn ping(&self) -> Result<(Url, Box<Answer>), Finding> {
        let https = format!("https://{}/v2/", self.target.host);
        let root = Url::parse(&https).map_err(|error| Finding::NoImage(error.to_string()))?;
        let request = Request::new(Method::GET, root.clone());
        let here = request.place.clone();
        match self.wire.follow(request).await {
            // Not where a redirect led: it must be this port itself that does not speak TLS.
            Err(Fault::Broken { at, error, .. })
                if self.wire.tls == TlsPolicy::Insecure && *at == here && fault::speaks_no_tls(&error) =>
            {
                let root = plain(root);
                let answer = self.wire.follow(Request::new(Method::GET, root.clone())).await?;
                Ok((root, answer))
            }
            other => Ok((root, other?)),
        }
    }

    /// The registry lets anybody in: perhaps the image is what it protects.
    async fn without_credential(&mut self, root: &Url) -> Result<Finding, Finding> {
        let answer = self.manifest(root, None).await?;
        match answer.status {
            status if status.is_success() => Ok(Finding::NeverAsked(answer)),
            StatusCode::UNAUTHORIZED => self.answer_challenge(root, &answer).await,
            StatusCode::NOT_FOUND => Err(Finding::Judged(Verdict::NotFound, Asked::Nothing, answer)),
            _ => Err(Finding::Unexpected(answer)),
        }
    }

    async fn answer_challenge(&mut self, root: &Url, asked: &Answer) -> Result<Finding, Finding> {
        if asked.place.url.origin() != root.origin() {
            return Err(Finding::AskedElsewhere(Box::new(asked.place.clone())));
        }
        let challenges = challenges(&asked.headers);
        let (authorization, kind) = match choose(&challenges) {
            Some(Challenge::Bearer(bearer)) => (self.token(bearer).await?, Asked::Bearer),
            Some(Challenge::Basic) => (self.basic()?, Asked::Basic),
            Some(Challenge::Other(_)) | None => {
                return Err(Finding::NoScheme(Box::new(asked.place.clone()), challenges));
            }
        };
        let answer = self.manifest(root, Some(authorization)).await?;
        let verdict = match (answer.status.as_u16(), answer.authorization, kind) {
            (200..=299, ..) => Verdict::Proved,
            (401 | 403, Authorization::Withheld, _) => return Err(Finding::AskedElsewhere(Box::new(answer.place))),
            (401, _, Asked::Basic) => Verdict::Refused,
            (401 | 403, ..) => Verdict::NoPermission,
            (404, ..) => Verdict::NotFound,
            _ => return Err(Finding::Unexpected(answer)),
        };
        Ok(Finding::Judged(verdict, kind, answer))
    }

    /// HEAD, since GET counts against pull quotas; GET only where HEAD says nothing about the image.
    async fn manifest(&self, root: &Url, authorization: Option<HeaderValue>) -> Result<Box<Answer>, Finding> {
        let mut url = root.clone();
        url.set_path(&self.target.manifest_path());
        let mut request = Request { authorization, accept: Some(MANIFESTS), ..Request::new(Method::HEAD, url) };
        let head = self.wire.follow(request.clone()).await?;
        let silent = head.status.is_success() && head.header("docker-content-digest").is_none();
        if !silent && head.status != StatusCode::METHOD_NOT_ALLOWED {
            return Ok(head);
        }
        request.place.method = Method::GET;
        let answer = self.wire.follow(request).await?;
        // A portal answers 200 with a web page to anything.
        let manifest = ["json", "jws"].iter().any(|form| answer.content_type().contains(form));
        if answer.status.is_success() && !manifest {
            return Err(Finding::NoManifest(answer));
        }
        Ok(answer)
    }

    fn basic(&self) -> Result<HeaderValue, Finding> {
        sensitive("Basic", &basic_auth(&self.registry.user, &self.registry.password))
    }

    /// Fetches a token: the one request that carries the password to a token server.
    async fn token(&mut self, bearer: &Bearer) -> Result<HeaderValue, Finding> {
        let mut request = Request::new(Method::GET, self.realm(bearer)?);
        request.authorization = Some(self.basic()?);
        let answer = self.wire.send(&request).await?;
        match answer.status.as_u16() {
            200..=299 => {}
            // GHCR says 403 and ECR public 400 for a wrong password.
            400 | 401 | 403 => return Err(Finding::Judged(Verdict::Refused, Asked::Bearer, answer)),
            300..=399 => return Err(Finding::RealmRedirects(answer)),
            _ => return Err(Finding::Unexpected(answer)),
        }
        let token = serde_json::from_str(&answer.body).ok().and_then(|TokenAnswer { token, access_token }| {
            [token, access_token].into_iter().flatten().find(|text| !text.is_empty()).map(Secret::new)
        });
        let token = token.ok_or_else(|| Finding::NoToken(answer))?;
        self.secrets.learn(&token);
        sensitive("Bearer", &token)
    }

    /// The token server's URL with what is asked of it, if the password may go there.
    fn realm(&self, bearer: &Bearer) -> Result<Url, Finding> {
        let mut url = Url::parse(&bearer.realm).map_err(|_| Finding::NoRealm(bearer.realm.clone()))?;
        match (url.scheme(), self.wire.tls) {
            ("https", _) | ("http", TlsPolicy::Insecure) => {}
            ("http", TlsPolicy::Verify) => return Err(Finding::PlainRealm(url)),
            _ => return Err(Finding::NoRealm(bearer.realm.clone())),
        }
        let mut query = url.query_pairs_mut();
        if let Some(service) = &bearer.service {
            query.append_pair("service", service);
        }
        query.append_pair("scope", &self.target.pull_scope()).append_pair("account", &self.registry.user);
        drop(query);
        Ok(without_user(url))
    }
}

/// The same port, spoken to in plain HTTP.
fn plain(https: Url) -> Url {
    let mut url = https;
    let port = url.port_or_known_default();
    // Neither can fail: https and http are both special schemes with a host.
    let _ = url.set_scheme("http");
    let _ = url.set_port(port);
    url
}

/// The value of an `Authorization` header that no log of the HTTP client shows.
fn sensitive(scheme: &str, credential: &Secret) -> Result<HeaderValue, Finding> {
    let text = zeroize::Zeroizing::new(format!("{scheme} {}", credential.expose()));
    let mut value = HeaderValue::from_str(&text).map_err(|_| Finding::NotAHeader)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::Proxy;
    use crate::registry::proxy::Proxies;

    fn registry(tls: TlsPolicy) -> Registry {
        Registry {
            host: "registry.example.com".into(),
            user: "al ice".into(),
            password: Secret::new("right"),
            image: "registry.example.com/team/app:v1".into(),
            test_login: TestLogin::Inspect,
            tls,
            origin: "inventory.ini:7:20".into(),
            identity_token: None,
            email: None,
            ca: None,
            proxy: Proxy::Environment,
            auth_server: None,
        }
    }

    fn realm(tls: TlsPolicy, realm: &str) -> Result<String, RegistryFact> {
        let (registry, clients) = (registry(tls), Clients::with_proxies(Proxies::None));
        let (target, wire) = prepare(&clients, &registry, Duration::from_secs(1)).ok().unwrap();
        let inspection = Inspection { registry: &registry, target, wire, secrets: &mut Redactor::default() };
        let bearer = Bearer { realm: realm.to_owned(), ..Bearer::default() };
        inspection
            .realm(&bearer)
            .map(String::from)
            .map_err(|finding| diagnosis::fact(&registry, finding, &str::to_owned))
    }

    #[test]
    fn a_realm_without_tls_is_refused_before_the_password_is_sent() {
        let fact = realm(TlsPolicy::Verify, "http://127.0.0.1/token?x=1").unwrap_err();
        assert_eq!(fact.verdict, Verdict::Tls);
        assert_eq!(fact.cause.unwrap(), "the realm `http://127.0.0.1/token` is not HTTPS: the password was not sent");
        assert!(fact.hint.unwrap().contains("tls_verify"));
    }

    #[test]
    fn a_realm_is_asked_for_no_more_than_pull() {
        let query = "scope=repository%3Ateam%2Fapp%3Apull&account=al+ice";
        for (tls, url) in
            [(TlsPolicy::Verify, "https://sso.example.com/t"), (TlsPolicy::Insecure, "http://sso.example.com/t")]
        {
            assert_eq!(realm(tls, url).unwrap(), format!("{url}?{query}"));
        }
    }

    #[test]
    fn the_same_port_is_spoken_to_in_plain_http() {
        for (https, http) in [("https://r/v2/", "http://r:443/v2/"), ("https://r:80/v2/", "http://r/v2/")] {
            assert_eq!(plain(Url::parse(https).unwrap()).as_str(), http);
        }
    }

    #[test]
    fn our_own_words_are_not_masked() {
        let finding = Finding::PlainRealm(Url::parse("http://sso.example.com/the").unwrap());
        let mask = |text: &str| text.replace("the", "[redacted]");
        let cause = diagnosis::fact(&registry(TlsPolicy::Verify), finding, &mask).cause.unwrap();
        assert_eq!(cause, "the realm `http://sso.example.com/[redacted]` is not HTTPS: the password was not sent");
    }
}
