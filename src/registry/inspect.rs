//! The inspection of one test image: challenge, login, manifest, and whether the image needs a login at all. It sends
//! the password only to whom the registry named, when its turn has come, and never again unless it was accepted.

use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Method, StatusCode, Url};
use serde::de::IgnoredAny;
use tokio::time::{Instant, timeout};

use super::challenge::{Bearer, Challenge, challenges, choose};
use super::diagnosis::{self, Finding};
use super::judgement::{self, Login};
use super::knock::{Knock, knock, names_its_protocol};
use super::logins::{Login as Counted, Secrets, Trial, Turn};
use super::prove::{Lane, Shared};
use super::realm;
use super::reference::{self, Target};
use super::token::{Token, TokenServer, password};
use super::wire::{Answer, Authorization, Carried, Request, Wire};
use crate::desired::{Registry, TestLogin};
use crate::facts::{RegistryFact, Verdict};
use crate::secret::Redactor;

/// Every manifest there is; the last two are what old OpenShift images answer with.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v1+prettyjws, application/vnd.docker.distribution.manifest.v1+json";
/// How long a proof waits at most to learn whether anybody may pull the image.
const ANYBODY: Duration = Duration::from_secs(5);

/// Inspects the test image of `registry` with its credential, all requests together within the time of `shared`; the
/// wait for its `turn` does not count. What others know as secret is kept out of the fact.
pub(super) async fn inspect(shared: &Shared, registry: &Registry, turn: Turn) -> RegistryFact {
    if registry.test_login == TestLogin::Skip {
        return RegistryFact::new(Verdict::Skipped);
    }
    let host = reference::contacted(registry);
    let mut secrets = Redactor::default();
    secrets.learn_credential(&registry.user, &registry.password);
    registry.identity_token.iter().for_each(|token| secrets.learn(token));
    let prepared = prepare(shared, registry);
    if let Ok((_, wire)) = &prepared {
        wire.way.logins.iter().for_each(|(user, password)| secrets.learn_credential(user, password));
    }
    let secrets = Mutex::new(secrets);
    let mut trial = Trial::default();
    let (way, finding) = match prepared {
        Ok((target, wire)) => {
            let way = wire.way.clone();
            let sends = Secrets::IdentityToken;
            let inspection = Inspection { shared, registry, host, target, wire, sends, secrets: &secrets };
            (Some(way), inspection.run(turn, &mut trial).await)
        }
        Err(finding) => (None, Err(finding)),
    };
    let secrets = secrets.into_inner().unwrap_or_else(PoisonError::into_inner);
    let finding = finding.unwrap_or_else(|finding| finding);
    let scrub = |text: &str| shared.redactor.scrub(&secrets.scrub(text));
    let fact = diagnosis::fact(registry, way.as_ref(), finding, &scrub);
    trial.judged(&registry.image, &fact);
    fact
}

fn prepare(shared: &Shared, registry: &Registry) -> Result<(Option<Target>, Wire), Finding> {
    let target = match registry.test_login {
        TestLogin::LoginOnly => None,
        TestLogin::Inspect | TestLogin::Skip => {
            Some(Target::parse(&registry.image).map_err(|rule| Finding::NoImage(rule.to_owned()))?)
        }
    };
    let way = shared.clients.way(registry, &reference::contacted(registry)).map_err(Finding::NoClient)?;
    let timeout = shared.timeout;
    Ok((target, Wire { way, tls: registry.tls, timeout, deadline: Instant::now() + timeout }))
}

/// One inspection under way.
struct Inspection<'a> {
    shared: &'a Shared,
    registry: &'a Registry,
    /// `host[:port]` that is contacted.
    host: String,
    /// What to look at; `None` if the login is all there is to prove.
    target: Option<Target>,
    wire: Wire,
    /// What a token server is sent.
    sends: Secrets,
    secrets: &'a Mutex<Redactor>,
}

/// Where a challenge came from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    /// `/v2/`, which says nothing of the image.
    Base,
    /// The manifest, which nobody sees as he is.
    Manifest,
}

impl<'a> Inspection<'a> {
    /// Knocks without a password; where one is wanted, the `trial` is this one's when its turn has come.
    async fn run(mut self, turn: Turn, trial: &mut Trial) -> Result<Finding, Finding> {
        let Knock { root, answer, took } = self.knock().await?;
        let lane = self.lane(self.shared.timeout.saturating_sub(took)).await;
        let (answer, door) = self.door(&root, answer).await?;
        // Who waits for others of the same login keeps nobody else from the host.
        drop(lane);
        let left = self.wire.left();
        *trial = turn.come().await?;
        loop {
            if let Some(login) = self.addressed(&root, &answer) {
                self.shared.logins.join(&login, trial).await?;
            }
            let _lane = self.lane(left).await;
            match self.answer_challenge(&root, &answer, door, trial).await {
                // Where the server knows nothing of identity tokens, the password must do: that is another login.
                Err(Finding::NoOAuth(_)) if !self.registry.password.expose().is_empty() => {
                    self.sends = Secrets::Password;
                }
                found => return found,
            }
        }
    }

    /// Waits for a lane to the host; from then on there is `time` for what is asked.
    async fn lane(&mut self, time: Duration) -> Lane<'a> {
        let lane = self.shared.lane(&self.host).await;
        self.wire.deadline = Instant::now() + time;
        lane
    }

    /// What the registry says to who has not logged in. Who waits for others to ask holds no lane.
    async fn knock(&mut self) -> Result<Knock, Finding> {
        let https = format!("https://{}/v2/", self.host);
        let root = Url::parse(&https).map_err(|error| Finding::NoImage(error.to_string()))?;
        let (shared, registry) = (self.shared, self.registry);
        let first = async {
            let _lane = self.lane(shared.timeout).await;
            knock(&self.wire, root.clone()).await
        };
        Ok(shared.knocks.once(&root, registry, first).await?)
    }

    /// Who asks for a login, after the registry's first `answer`; or what it came to without one.
    async fn door(&self, root: &Url, answer: Box<Answer>) -> Result<(Box<Answer>, Door), Finding> {
        match (answer.status, &self.target) {
            (StatusCode::UNAUTHORIZED, _) => Ok((answer, Door::Base)),
            (status, Some(target)) if status.is_success() => {
                // The registry lets anybody in: perhaps the image is what it protects.
                let answer = self.manifest(root, target, Carried::Nothing).await?;
                match answer.status {
                    StatusCode::UNAUTHORIZED => Ok((answer, Door::Manifest)),
                    _ => Err(self.judged(Login::NotAsked, answer)?),
                }
            }
            _ => Err(self.logged_in(Login::NotAsked, answer)?),
        }
    }

    /// The login that would answer the challenge, as who hears it counts it.
    fn addressed(&self, root: &Url, asked: &Answer) -> Option<Counted> {
        match choose(&challenges(&asked.headers))? {
            Challenge::Bearer(bearer) => {
                let realm = realm::checked(&bearer.realm, self.registry).ok()?;
                Some(Counted::at(&realm, self.sends, self.registry))
            }
            Challenge::Basic => Some(Counted::at(root, Secrets::Password, self.registry)),
            Challenge::Other(_) => None,
        }
    }

    async fn answer_challenge(
        &self,
        root: &Url,
        asked: &Answer,
        door: Door,
        trial: &mut Trial,
    ) -> Result<Finding, Finding> {
        if asked.place.url.origin() != root.origin() {
            return Err(Finding::AskedElsewhere(Box::new(asked.place.clone())));
        }
        let challenges = challenges(&asked.headers);
        match choose(&challenges) {
            Some(Challenge::Bearer(bearer)) => self.with_token(root, bearer, door, trial).await,
            Some(Challenge::Basic) => self.with_password(root, door, trial).await,
            Some(Challenge::Other(_)) | None => Err(Finding::NoScheme(Box::new(asked.place.clone()), challenges)),
        }
    }

    /// Logs in at the registry before the image is asked for: some say 403 to a wrong password, and to a right one that
    /// may not pull.
    async fn with_password(&self, root: &Url, door: Door, trial: &mut Trial) -> Result<Finding, Finding> {
        if self.registry.password.expose().is_empty() && self.registry.identity_token.is_some() {
            return Err(Finding::OnlyIdentityToken);
        }
        let mut login = Login::Presented;
        if door == Door::Base {
            let carried = password(self.registry)?;
            let answer = out(self.base(root, carried).await, trial)?;
            login = match (self.logged_in(login, answer), &self.target) {
                (Ok(Finding::Judged { verdict: Verdict::Proved, .. }), Some(_)) => Login::Accepted,
                // There is no such path, for whomever: this alone says nothing of the password.
                (Err(Finding::Unexpected(answer)), Some(_)) if matches!(answer.status.as_u16(), 404 | 405) => login,
                (found, _) => return found,
            };
        }
        self.tried(login, trial);
        let Some(target) = &self.target else { return Err(Finding::NoImage("there is no image".to_owned())) };
        let carried = password(self.registry)?;
        let found = self.judged(login, out(self.manifest(root, target, carried).await, trial)?)?;
        match door {
            Door::Base => Ok(unless_public(found, self.shown_to_anybody(root, target, Carried::Nothing)).await),
            Door::Manifest => Ok(found),
        }
    }

    async fn with_token(&self, root: &Url, bearer: &Bearer, door: Door, trial: &mut Trial) -> Result<Finding, Finding> {
        let server = TokenServer::of(bearer, self.registry, &self.wire, &self.shared.token_lanes)?;
        if let Some(text) = realm::concern(&server.url, root, self.registry, &|text| self.scrub(text)) {
            self.shared.warn(root, &server.url, text).await;
        }
        let scopes = self.scopes(bearer);
        let Token { carried, login, .. } = out(self.issue(&server, &scopes).await, trial)?;
        self.tried(login, trial);
        let Some(target) = &self.target else { return self.logged_in(login, self.base(root, carried).await?) };
        // While the registry looks for the image, the token server has nothing else to do.
        let mut anybody = pin!(self.pulled_by_anybody(root, target, door, &server, &scopes));
        let mut shown = pin!(self.manifest(root, target, carried));
        let mut known = None;
        let answer = loop {
            tokio::select! {
                biased;
                answer = &mut shown => break answer?,
                found = &mut anybody, if known.is_none() => known = Some(found),
            }
        };
        let (login, answer) = match wider(&answer, root, &scopes) {
            // Another token is another login.
            Some(scopes) if judgement::is_good(&self.host, login) => {
                let token = self.issue(&server, &scopes).await?;
                (token.login, self.manifest(root, target, token.carried).await?)
            }
            _ => (login, answer),
        };
        let found = self.judged(login, answer)?;
        Ok(unless_public(found, async { if let Some(found) = known { found } else { anybody.await } }).await)
    }

    /// Lets others send the password, too, if it is known to be right: what it may do is not for them to wait for.
    fn tried(&self, login: Login, trial: &mut Trial) {
        if judgement::is_good(&self.host, login) {
            trial.succeeded();
        }
    }

    /// The right to pull the image, and to pull what else the registry names.
    fn scopes(&self, bearer: &Bearer) -> Vec<String> {
        let Some(target) = &self.target else { return Vec::new() };
        let mut scopes = vec![target.pull_scope()];
        scopes.extend(bearer.pull_scopes());
        distinct(scopes)
    }

    fn scrub(&self, text: &str) -> String {
        self.shared.redactor.scrub(&self.secrets.lock().unwrap_or_else(PoisonError::into_inner).scrub(text))
    }

    async fn issue(&self, server: &TokenServer<'_>, scopes: &[String]) -> Result<Token, Finding> {
        let token = server.issue(self.sends, scopes).await?;
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).learn(&token.secret);
        Ok(token)
    }

    /// The image, if anybody may pull it, with a token that anybody gets or without one.
    async fn pulled_by_anybody(
        &self,
        root: &Url,
        target: &Target,
        door: Door,
        server: &TokenServer<'_>,
        scopes: &[String],
    ) -> Option<Box<Answer>> {
        match (timeout(ANYBODY, server.issue_to_anybody(scopes)).await.ok()?, door) {
            (Some(token), _) => self.shown_to_anybody(root, target, token.carried).await,
            (None, Door::Base) => self.shown_to_anybody(root, target, Carried::Nothing).await,
            (None, Door::Manifest) => None,
        }
    }

    async fn shown_to_anybody(&self, root: &Url, target: &Target, carried: Carried) -> Option<Box<Answer>> {
        let answer = timeout(ANYBODY, self.manifest(root, target, carried)).await.ok()?;
        answer.ok().filter(|answer| answer.status.is_success())
    }

    /// `/v2/`, which answers whether a login is good, unless the login stayed behind.
    async fn base(&self, root: &Url, carried: Carried) -> Result<Box<Answer>, Finding> {
        let answer = self.wire.follow(Request { carried, ..Request::new(Method::GET, root.clone()) }).await?;
        match answer.authorization {
            Authorization::Withheld => Err(Finding::AskedElsewhere(Box::new(answer.place))),
            Authorization::Sent | Authorization::None => Ok(answer),
        }
    }

    /// HEAD, since GET counts against pull quotas; GET only where HEAD says nothing about the image.
    async fn manifest(&self, root: &Url, target: &Target, carried: Carried) -> Result<Box<Answer>, Finding> {
        let mut url = root.clone();
        url.set_path(&target.manifest_path());
        let mut request = Request { carried, accept: Some(MANIFESTS), ..Request::new(Method::HEAD, url) };
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

    /// What `/v2/` says. A portal answers 200 with a web page to anything: where the login is all there is to prove, that
    /// must not count.
    fn logged_in(&self, login: Login, answer: Box<Answer>) -> Result<Finding, Finding> {
        if self.target.is_none() && answer.status.is_success() && !is_of_a_registry(&answer) {
            return Err(Finding::NoRegistry(answer));
        }
        concluded(judgement::of_login(&self.host, login, answer.status.as_u16()), login, answer)
    }

    fn judged(&self, login: Login, answer: Box<Answer>) -> Result<Finding, Finding> {
        concluded(judgement::of_manifest(&self.host, login, answer.status.as_u16()), login, answer)
    }
}

/// The password is out, unless `result` says that there was no connection to send it over.
fn out<T>(result: Result<T, Finding>, trial: &mut Trial) -> Result<T, Finding> {
    if !matches!(&result, Err(Finding::Fault(fault)) if fault.sent_nothing()) {
        trial.sent();
    }
    result
}

fn concluded(verdict: Option<Verdict>, login: Login, answer: Box<Answer>) -> Result<Finding, Finding> {
    match (verdict, answer.authorization, answer.status.as_u16()) {
        (Some(_), Authorization::Withheld, 400 | 401 | 403) => Err(Finding::AskedElsewhere(Box::new(answer.place))),
        (Some(verdict), ..) => Ok(Finding::Judged { verdict, login, answer }),
        (None, ..) => Err(Finding::Unexpected(answer)),
    }
}

/// Whether `/v2/` was answered by what speaks the protocol. Some proxies drop the header; then the body is JSON, or there
/// is none.
fn is_of_a_registry(answer: &Answer) -> bool {
    let in_place = answer.place.url.path().trim_end_matches('/').ends_with("/v2");
    let body = answer.body.trim();
    let bare = body.is_empty() || serde_json::from_str::<IgnoredAny>(body).is_ok();
    names_its_protocol(answer) || (in_place && bare)
}

/// What was proved, unless anybody may pull the image. Not to learn that is no fault of the credential.
async fn unless_public(found: Finding, anybody: impl Future<Output = Option<Box<Answer>>>) -> Finding {
    match found {
        Finding::Judged { verdict: Verdict::Proved, login, answer } => match anybody.await {
            Some(anybodys) => Finding::Public { login, answer, anybodys },
            None => Finding::Judged { verdict: Verdict::Proved, login, answer },
        },
        found => found,
    }
}

/// The scopes to ask for once more, if the registry says that the token's were too few and names others.
fn wider(answer: &Answer, root: &Url, asked: &[String]) -> Option<Vec<String>> {
    if answer.status != StatusCode::UNAUTHORIZED || answer.place.url.origin() != root.origin() {
        return None;
    }
    let missing = challenges(&answer.headers).into_iter().find_map(|challenge| match challenge {
        Challenge::Bearer(bearer) if bearer.error.as_deref() == Some("insufficient_scope") => {
            Some(bearer.pull_scopes())
        }
        _ => None,
    })?;
    let all = distinct(asked.iter().cloned().chain(missing).collect());
    (all.len() > asked.len()).then_some(all)
}

fn distinct(scopes: Vec<String>) -> Vec<String> {
    let scopes: indexmap::IndexSet<String> = scopes.into_iter().collect();
    scopes.into_iter().collect()
}
