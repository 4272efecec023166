//! The steps of one credential: ping, challenge, login, manifest. It sends a password only to the server that the registry
//! named, only when `failed_logins.rs` permits it, and never again unless it was accepted.

use std::pin::pin;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use reqwest::{Method, StatusCode, Url};
use tokio::time::Instant;

use super::challenge::{Bearer, Challenge, ChallengeSource, challenges, choose, is_read_by_consumers};
use super::context::{Permit, ProveContext};
use super::failed_logins::{Attempt, LoginKey, LoginSecret, Slot};
use super::manifest;
use super::ping::{Ping, is_from_registry, ping};
use super::token_server::{self, IssuedToken, TokenServer, password_auth};
use crate::desired::{Registry, TestLogin};
use crate::facts::{RegistryFact, Verdict};
use crate::registry::http::image_location::{ImageLocation, contacted_host};
use crate::registry::http::request::{CredentialDelivery, HttpRequest, HttpResponse, HttpSession, RequestAuth};
use crate::registry::http::url::without_user;
use crate::registry::verdict::consumers::{self, ConsumerObstacle};
use crate::registry::verdict::finding::{self, ProofFinding};
use crate::registry::verdict::status::{self, LoginEvidence};
use crate::secret::Redactor;

/// Proves one credential, all requests together within the timeout; waiting for its `slot` does not count. No secret is
/// part of the fact.
pub async fn prove_one(context: &ProveContext, registry: &Registry, slot: Slot) -> RegistryFact {
    match registry.test_login {
        TestLogin::Skip => return RegistryFact::new(Verdict::Skipped),
        TestLogin::Impossible => return RegistryFact::new(Verdict::NotProved),
        TestLogin::Inspect | TestLogin::LoginOnly => {}
    }
    let host = contacted_host(registry);
    let mut secrets = Redactor::default();
    // A server may repeat the credential in an error message.
    secrets.learn_credential(&registry.user, &registry.password);
    registry.identity_token.iter().for_each(|token| secrets.learn(token));
    let prepared = prepare(context, registry);
    if let Ok((_, session)) = &prepared {
        session.client.proxy_logins.iter().for_each(|(user, password)| secrets.learn_credential(user, password));
    }
    let (secrets, obstacles, realm) = (Mutex::new(secrets), Mutex::default(), OnceLock::new());
    let mut attempt = Attempt::default();
    let (client, result) = match prepared {
        Ok((image, session)) => {
            let client = session.client.clone();
            let (sends, secrets, obstacles, realm) = (LoginSecret::IdentityToken, &secrets, &obstacles, &realm);
            let proof = CredentialProof { context, registry, host, image, session, sends, secrets, obstacles, realm };
            (Some(client), proof.run(slot, &mut attempt).await)
        }
        Err(finding) => (None, Err(finding)),
    };
    let secrets = secrets.into_inner().unwrap_or_else(PoisonError::into_inner);
    let finding = result.unwrap_or_else(|finding| finding);
    let scrub = |text: &str| context.redactor.scrub(&secrets.scrub(text));
    let realm = realm.into_inner().map(|realm: Url| scrub(without_user(realm).as_str()).into_boxed_str());
    let fact = RegistryFact { realm, ..finding::fact(registry, client.as_ref(), finding, &scrub) };
    attempt.finish(&registry.image, &fact);
    // The obstacles matter to a credential that works. With any other verdict, the user must fix that first.
    if fact.verdict.permits_run() {
        for obstacle in obstacles.into_inner().unwrap_or_else(PoisonError::into_inner) {
            let text = consumers::warning(registry, client.as_ref(), &obstacle, &scrub);
            context.warn(&contacted_host(registry), consumers::subject(&obstacle), text).await;
        }
    }
    fact
}

fn prepare(context: &ProveContext, registry: &Registry) -> Result<(Option<ImageLocation>, HttpSession), ProofFinding> {
    let image = match registry.test_login {
        TestLogin::LoginOnly => None,
        TestLogin::Inspect | TestLogin::Skip | TestLogin::Impossible => {
            Some(ImageLocation::parse(&registry.image).map_err(|rule| ProofFinding::InvalidImage(rule.to_owned()))?)
        }
    };
    let client = context.clients.client_for(registry, &contacted_host(registry)).map_err(ProofFinding::NoClient)?;
    let timeout = context.timeout;
    let (deadline, on_exchange) = (Instant::now() + timeout, context.on_exchange());
    Ok((image, HttpSession { client, tls: registry.tls, timeout, deadline, on_exchange }))
}

/// The proof of one credential while it runs.
struct CredentialProof<'a> {
    context: &'a ProveContext,
    registry: &'a Registry,
    /// `host[:port]` that is contacted.
    host: String,
    /// The image to inspect; `None` if only the login is proved.
    image: Option<ImageLocation>,
    session: HttpSession,
    /// The secret for a token server.
    sends: LoginSecret,
    secrets: &'a Mutex<Redactor>,
    /// What stops CRI-O, podman and docker from using the credential.
    obstacles: &'a Mutex<Vec<ConsumerObstacle>>,
    /// The realm of the challenge.
    realm: &'a OnceLock<Url>,
}

// A finding ends the proof: steps return it as `Err` to end early, and the last step returns it as `Ok`.
impl<'a> CredentialProof<'a> {
    /// Runs the steps. The ping carries no password; if the registry requires one, the proof waits for its slot.
    async fn run(mut self, slot: Slot, attempt: &mut Attempt) -> Result<ProofFinding, ProofFinding> {
        let Ping { root, response, took } = self.ping().await?;
        let permit = self.permit(self.context.timeout.saturating_sub(took)).await;
        let (challenge, source) = self.find_challenge(&root, response).await?;
        if let Some(Challenge::Bearer(Bearer { realm, .. })) = choose(&challenges(&challenge.headers))
            && let Ok(realm) = Url::parse(realm)
        {
            let _ = self.realm.set(realm);
        }
        // This proof may wait for others with the same login. Meanwhile other credentials may contact the host.
        drop(permit);
        let left = self.session.time_left();
        *attempt = slot.wait().await?;
        loop {
            if let Some(login) = self.login_for(&root, &challenge) {
                self.context.logins.join(&login, attempt).await?;
            }
            let _permit = self.permit(left).await;
            match self.respond_to_challenge(&root, &challenge, source, attempt).await {
                // The server does not support identity tokens, so the password is tried instead, which counts as
                // another login.
                Err(ProofFinding::NoIdentityTokens(_)) if !self.registry.password.expose().is_empty() => {
                    self.sends = LoginSecret::Password;
                }
                result => return result,
            }
        }
    }

    /// Waits for a permit for the host. The time limit for the requests, `time`, starts when it is acquired.
    async fn permit(&mut self, time: Duration) -> Permit<'a> {
        let permit = self.context.permit(&self.host).await;
        self.session.deadline = Instant::now() + time;
        permit
    }

    /// The response to a ping. A proof that waits for the ping of another one holds no permit.
    async fn ping(&mut self) -> Result<Ping, ProofFinding> {
        let https = format!("https://{}/v2/", self.host);
        let root = Url::parse(&https).map_err(|error| ProofFinding::InvalidImage(error.to_string()))?;
        let (context, registry) = (self.context, self.registry);
        let first = async {
            let _permit = self.permit(context.timeout).await;
            ping(&self.session, root.clone()).await
        };
        Ok(context.pings.once(&root, registry, first).await?)
    }

    /// The response that contains the challenge, starting with the `response` to the ping; a finding if there is none.
    async fn find_challenge(
        &self,
        root: &Url,
        response: Box<HttpResponse>,
    ) -> Result<(Box<HttpResponse>, ChallengeSource), ProofFinding> {
        let is_read = is_read_by_consumers(&response.headers);
        match (response.status, &self.image) {
            (StatusCode::UNAUTHORIZED, _) => {
                if !is_read && choose(&challenges(&response.headers)).is_some() {
                    self.note(ConsumerObstacle::HiddenChallenge);
                }
                Ok((response, ChallengeSource::Ping))
            }
            (status, Some(image)) if status.is_success() => {
                // The ping needs no login, but the image may need one.
                let response = manifest::request(&self.session, root, image, RequestAuth::Anonymous).await?;
                match response.status {
                    StatusCode::UNAUTHORIZED => {
                        if !is_read {
                            self.note(ConsumerObstacle::OpenPing);
                        }
                        Ok((response, ChallengeSource::Manifest))
                    }
                    _ => Err(self.judge_manifest(LoginEvidence::NotRequired, response)?),
                }
            }
            _ => Err(self.judge_login(LoginEvidence::NotRequired, response)?),
        }
    }

    /// The login that the challenge requires, identified by the server that counts it.
    fn login_for(&self, root: &Url, challenge: &HttpResponse) -> Option<LoginKey> {
        match choose(&challenges(&challenge.headers))? {
            Challenge::Bearer(bearer) => {
                let realm = token_server::checked_realm(&bearer.realm, self.registry, root).ok()?;
                Some(LoginKey::at(&realm.url, self.sends, self.registry))
            }
            Challenge::Basic => Some(LoginKey::at(root, LoginSecret::Password, self.registry)),
            Challenge::Other(_) => None,
        }
    }

    async fn respond_to_challenge(
        &self,
        root: &Url,
        challenge: &HttpResponse,
        source: ChallengeSource,
        attempt: &mut Attempt,
    ) -> Result<ProofFinding, ProofFinding> {
        if challenge.line.url.origin() != root.origin() {
            return Err(ProofFinding::LoginAtOtherServer(Box::new(challenge.line.clone())));
        }
        let challenges = challenges(&challenge.headers);
        match choose(&challenges) {
            Some(Challenge::Bearer(bearer)) => self.with_token(root, bearer, source, attempt).await,
            Some(Challenge::Basic) => self.with_password(root, source, attempt).await,
            Some(Challenge::Other(_)) | None => {
                Err(ProofFinding::UnsupportedChallenge(Box::new(challenge.line.clone()), challenges))
            }
        }
    }

    /// Sends the password to the registry itself: first to `/v2/`, because some registries respond 403 for the manifest
    /// both to a wrong password and to a user without permission.
    async fn with_password(
        &self,
        root: &Url,
        source: ChallengeSource,
        attempt: &mut Attempt,
    ) -> Result<ProofFinding, ProofFinding> {
        if self.registry.password.expose().is_empty() && self.registry.identity_token.is_some() {
            return Err(ProofFinding::OnlyIdentityToken);
        }
        let mut login = LoginEvidence::CredentialSent;
        if source == ChallengeSource::Ping {
            let auth = password_auth(self.registry)?;
            let response = sent(self.log_in(root, auth).await, attempt)?;
            login = match (self.judge_login(login, response), &self.image) {
                (Ok(ProofFinding::Judged { verdict: Verdict::Proved, .. }), Some(_)) => LoginEvidence::Accepted,
                // The registry has no `/v2/` path for any user, so this response says nothing about the password.
                (Err(ProofFinding::UnexpectedStatus(response)), Some(_))
                    if matches!(response.status.as_u16(), 404 | 405) =>
                {
                    login
                }
                (result, _) => return result,
            };
        }
        self.note_accepted(login, attempt);
        let Some(image) = &self.image else { return Err(ProofFinding::InvalidImage("there is no image".to_owned())) };
        let auth = password_auth(self.registry)?;
        let response = match login {
            LoginEvidence::Accepted => manifest::request(&self.session, root, image, auth).await,
            // Nothing has shown yet that the password is right. Each further request with it could be another failed
            // login, so it is sent only with the request that decides.
            _ => manifest::request_with(Method::GET, &self.session, root, image, auth).await,
        };
        let response = sent(response, attempt)?;
        let method = response.line.method.clone();
        let finding = self.judge_manifest(login, response)?;
        match source {
            ChallengeSource::Ping => {
                let public = manifest::if_public(method, &self.session, root, image, RequestAuth::Anonymous);
                Ok(manifest::unless_public(finding, public).await)
            }
            ChallengeSource::Manifest => Ok(finding),
        }
    }

    /// Requests a token with the credential, and the manifest with the token.
    async fn with_token(
        &self,
        root: &Url,
        bearer: &Bearer,
        source: ChallengeSource,
        attempt: &mut Attempt,
    ) -> Result<ProofFinding, ProofFinding> {
        let server = TokenServer::of(bearer, root, self.registry, &self.session, &self.context.token_permits)?;
        let warning = token_server::password_warning(&server.realm.url, root, self.registry, &|text| self.scrub(text));
        if let Some(text) = warning {
            // The scheme is part of the subject, because a warning about a realm over TLS does not cover the same realm
            // over plain HTTP.
            self.context.warn(&self.host, server.realm.url.origin().ascii_serialization(), text).await;
        }
        if let Some(named) = &server.realm.plain_http {
            self.note(ConsumerObstacle::PlainHttpRealm(named.clone()));
        }
        let scopes = manifest::scopes(self.image.as_ref(), bearer);
        let IssuedToken { auth, login, .. } = sent(self.issue(&server, &scopes).await, attempt)?;
        self.note_accepted(login, attempt);
        let Some(image) = &self.image else { return self.judge_login(login, self.log_in(root, auth).await?) };
        // The anonymous request is sent at the same time as the request for the manifest, because the token server is
        // idle then.
        let public =
            |method| manifest::if_public_with_token(method, &self.session, root, image, source, &server, &scopes);
        let mut head = pin!(public(Method::HEAD));
        let mut shown = pin!(manifest::request(&self.session, root, image, auth));
        let mut known = None;
        let response = loop {
            tokio::select! {
                biased;
                response = &mut shown => break response?,
                result = &mut head, if known.is_none() => known = Some(result),
            }
        };
        let (login, response) = match manifest::wider_scopes(&response, root, &scopes) {
            // A second token is a second login, so it is requested only if the first one was accepted.
            Some(scopes) if status::is_accepted(&self.host, login) => {
                let token = self.issue(&server, &scopes).await?;
                (token.login, manifest::request(&self.session, root, image, token.auth).await?)
            }
            _ => (login, response),
        };
        let method = response.line.method.clone();
        let finding = self.judge_manifest(login, response)?;
        let public = async {
            match known {
                Some(Some(anonymous)) => Some(anonymous),
                // If the registry does not serve HEAD, only GET shows whether the image is public.
                _ if method == Method::GET => public(Method::GET).await,
                Some(None) => None,
                None => head.await,
            }
        };
        Ok(manifest::unless_public(finding, public).await)
    }

    fn note(&self, obstacle: ConsumerObstacle) {
        self.obstacles.lock().unwrap_or_else(PoisonError::into_inner).push(obstacle);
    }

    /// Permits other attempts to send the password as soon as it is known to be right, so that they do not wait until
    /// this attempt has finished its image.
    fn note_accepted(&self, login: LoginEvidence, attempt: &mut Attempt) {
        if status::is_accepted(&self.host, login) {
            attempt.mark_accepted();
        }
    }

    fn scrub(&self, text: &str) -> String {
        self.context.redactor.scrub(&self.secrets.lock().unwrap_or_else(PoisonError::into_inner).scrub(text))
    }

    async fn issue(&self, server: &TokenServer<'_>, scopes: &[String]) -> Result<IssuedToken, ProofFinding> {
        let token = server.issue(self.sends, scopes).await?;
        token.unreadable.map(ConsumerObstacle::TokenMember).into_iter().for_each(|obstacle| self.note(obstacle));
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).learn(&token.secret);
        Ok(token)
    }

    /// Sends a credential or token to `/v2/`, whose response shows whether the login is accepted.
    async fn log_in(&self, root: &Url, auth: RequestAuth) -> Result<Box<HttpResponse>, ProofFinding> {
        let response = self.session.follow(HttpRequest { auth, ..HttpRequest::new(Method::GET, root.clone()) }).await?;
        match response.credential {
            CredentialDelivery::Withheld => Err(ProofFinding::LoginAtOtherServer(Box::new(response.line))),
            CredentialDelivery::Sent | CredentialDelivery::NoneToSend => Ok(response),
        }
    }

    /// Evaluates a response to `/v2/`. If only the login is proved, a success must come from a registry, because a
    /// login page responds 200 to every request.
    fn judge_login(&self, login: LoginEvidence, response: Box<HttpResponse>) -> Result<ProofFinding, ProofFinding> {
        if self.image.is_none() && response.status.is_success() && !is_from_registry(&response) {
            return Err(ProofFinding::NotARegistry(response));
        }
        ProofFinding::judge(status::verdict_of_login(&self.host, login, response.status.as_u16()), login, response)
    }

    fn judge_manifest(&self, login: LoginEvidence, response: Box<HttpResponse>) -> Result<ProofFinding, ProofFinding> {
        ProofFinding::judge(status::verdict_of_manifest(&self.host, login, response.status.as_u16()), login, response)
    }
}

/// Notes that the password was sent, unless `result` shows that there was no connection to send it over.
fn sent<T>(result: Result<T, ProofFinding>, attempt: &mut Attempt) -> Result<T, ProofFinding> {
    if !matches!(&result, Err(finding) if finding.sent_nothing()) {
        attempt.mark_sent();
    }
    result
}
