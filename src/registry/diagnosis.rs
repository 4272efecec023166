//! From what was seen to a verdict with its cause and what to do now.

use std::time::Duration;

use reqwest::Url;

use super::breakage::{address, faulty, insecure_hint, no_client, proxy_login, reported_by};
use super::challenge::Challenge;
use super::client::{NoClient, Way};
use super::judgement::{Login, denies_images, hides_images, is_good};
use super::logins::Tried;
use super::quota::rate_limit;
use super::settings;
use super::wire::{Answer, Asked, Authorization, Fault, Place};
use super::words::{Words, kind, status, tried};
use crate::desired::{Declaration, Registry, TestLogin};
use crate::facts::{Evidence, FailedRequest, OtherServer, RateLimit, RegistryFact, ReportedBy, Verdict};
use crate::failure::shorten;

/// How an inspection ended.
pub(super) enum Finding {
    /// The manifest, the token server or `/v2/` gave the verdict.
    Judged { verdict: Verdict, login: Login, answer: Box<Answer> },
    /// The credential was taken for an image that is shown without one, too: what it was answered, and what anybody is.
    Public { login: Login, answer: Box<Answer>, anybodys: Box<Answer> },
    /// A status that has no place in the flow.
    Unexpected(Box<Answer>),
    /// A success of `/v2/` that no registry gives.
    NoRegistry(Box<Answer>),
    /// A success that holds no manifest.
    NoManifest(Box<Answer>),
    /// The token server redirects: the password does not follow.
    RealmRedirects(Box<Answer>),
    /// The token server's success holds no token.
    NoToken(Box<Answer>),
    /// The token server does not take identity tokens, and there is no password.
    NoOAuth(Box<Answer>),
    /// The registry wants a password, and there is only an identity token.
    OnlyIdentityToken,
    /// A redirect led to another origin, which wants a credential of its own.
    AskedElsewhere(Box<Place>),
    /// None of the challenges is understood.
    NoScheme(Box<Place>, Vec<Challenge>),
    /// The realm is not a URL to send a password to.
    NoRealm(String),
    /// TLS is to be verified and the realm is plain HTTP.
    PlainRealm(Url),
    /// The realm is not the host that `auth_server` names.
    OtherRealm(Url),
    /// The credential or token cannot be part of a header.
    NotAHeader,
    /// The image name breaks this rule.
    NoImage(String),
    /// There is no way to connect.
    NoClient(NoClient),
    /// There was no answer.
    Fault(Fault),
    /// The same login was tried before and not accepted, so that the password was not sent.
    TriedBefore(Box<Tried>),
}

impl From<Box<Tried>> for Finding {
    fn from(tried: Box<Tried>) -> Self {
        Self::TriedBefore(tried)
    }
}

impl From<Fault> for Finding {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Finding {
    /// What the answer that decided says of the user's quota; what it says to nobody is not his.
    fn rate_limit(&self) -> Option<RateLimit> {
        let answer = match self {
            Self::Judged { login: Login::Nobody, .. } => None,
            Self::Judged { answer, .. }
            | Self::Public { answer, .. }
            | Self::Unexpected(answer)
            | Self::NoManifest(answer) => Some(answer),
            _ => None,
        };
        rate_limit(&answer.filter(|answer| answer.authorization == Authorization::Sent)?.headers)
    }

    /// Who was asked when it ended, if that was not the registry itself.
    fn other_server(&self, words: &Words<'_>) -> Option<OtherServer> {
        let (url, asked) = match self {
            Self::Judged { verdict: Verdict::Refused, answer, .. }
            | Self::Unexpected(answer)
            | Self::NoRegistry(answer)
            | Self::NoManifest(answer)
            | Self::RealmRedirects(answer)
            | Self::NoToken(answer)
            | Self::NoOAuth(answer) => (&answer.place.url, answer.place.asked),
            Self::AskedElsewhere(place) => (&place.url, place.asked),
            Self::Fault(fault) => (&fault.at().url, fault.at().asked),
            Self::PlainRealm(realm) | Self::OtherRealm(realm) => (realm, Asked::TokenServer),
            Self::TriedBefore(tried) => return tried.fact.other_server.clone(),
            _ => return None,
        };
        words.other_server(url, asked)
    }

    /// The request that failed, for those who know more of the way to its server.
    fn failed_request(&self, words: &Words<'_>) -> Option<Box<FailedRequest>> {
        let (place, tries, reported_by) = match self {
            Self::Fault(fault) => (fault.at(), fault.tries(), reported_by(fault, words)),
            Self::Unexpected(answer) => (&answer.place, answer.tries, ReportedBy::ThisEnd),
            _ => return None,
        };
        let (request, server) = (words.place(place), words.server(&place.url));
        Some(Box::new(FailedRequest { request, server, address: address(&place.url)?, tries, reported_by }))
    }
}

/// The fact that a finding comes to; `way` is how the registry was asked, if it was, and `scrub` removes secrets.
pub(super) fn fact(
    registry: &Registry,
    way: Option<&Way>,
    finding: Finding,
    scrub: &dyn Fn(&str) -> String,
) -> RegistryFact {
    let words = Words::new(registry, way, scrub);
    let other_server = finding.other_server(&words);
    let failed_request = finding.failed_request(&words);
    // Another server's quota is not that of the registry.
    let rate_limit = finding.rate_limit().filter(|_| other_server.is_none());
    RegistryFact { rate_limit, other_server, failed_request, ..told(registry, &words, finding) }
}

fn told(registry: &Registry, words: &Words<'_>, finding: Finding) -> RegistryFact {
    let error = |cause: String, hint: &str| found(Verdict::RegistryError, cause, hint);
    match finding {
        Finding::Judged { verdict, login, answer } => judged(registry, words, verdict, login, &answer),
        Finding::Public { login, anybodys, .. } => public(registry, words, login, &anybodys),
        Finding::Unexpected(answer) => after(unexpected(registry, words, &answer), answer.tries),
        Finding::NoRegistry(answer) => error(
            format!("{}: {}, but not as a registry answers", words.place(&answer.place), status(&answer)),
            "is this a registry? a web server, proxy or portal may answer in its place",
        ),
        Finding::NoManifest(answer) => error(
            format!("{}: the answer is not a manifest", words.place(&answer.place)),
            "is this a registry? a proxy or portal may answer in its place",
        ),
        Finding::RealmRedirects(answer) => error(
            format!("{}: {}: a password does not follow redirects", words.place(&answer.place), status(&answer)),
            "the registry must name its token server's own address as realm",
        ),
        Finding::NoToken(answer) => error(
            format!("{}: {} without a token", words.place(&answer.place), status(&answer)),
            "is the registry's realm a token server? ask its operator",
        ),
        Finding::NoOAuth(answer) => error(
            format!("{}: {}: it takes no identity token", words.place(&answer.place), status(&answer)),
            "give the user's password",
        ),
        Finding::OnlyIdentityToken => error(
            format!("`{}` asks for a password, which an identity token cannot take the place of", words.host),
            "give the user's password",
        ),
        Finding::AskedElsewhere(place) => error(
            format!("{}: a redirect leads to it, and a credential does not follow", words.place(&place)),
            "name the host that asks for the credential itself",
        ),
        Finding::NoScheme(place, asked) => error(
            format!("{}: {}", words.place(&place), words.schemes(&asked)),
            "only Basic and Bearer logins are supported",
        ),
        Finding::NoRealm(realm) => error(
            format!("the realm `{}` is not an HTTP URL", words.foreign(&realm)),
            "the registry's token settings are wrong: tell its operator",
        ),
        Finding::PlainRealm(realm) => found(
            Verdict::Tls,
            format!("the realm `{}` is not HTTPS: the password was not sent", words.url(&realm)),
            insecure_hint(registry),
        ),
        Finding::OtherRealm(realm) => error(
            format!(
                "the realm is `{}`, but `auth_server` is `{}`: nothing was sent there",
                words.url(&realm),
                registry.auth_server.as_deref().unwrap_or_default()
            ),
            &format!(
                "if the registry's token server may have the password, name it in {}",
                settings::auth_server(registry).unwrap_or("`auth_server`")
            ),
        ),
        Finding::NotAHeader => error(
            "user, password or token hold characters that no HTTP header can carry".to_owned(),
            &password_hint(registry, &words.host),
        ),
        Finding::NoImage(rule) => error(
            format!("`{}`: {rule}", registry.image),
            &format!("name the image as `repository/name:tag` in {}", settings::test_image(registry)),
        ),
        Finding::NoClient(reason) => no_client(reason),
        Finding::Fault(fault) => faulty(registry, words, fault),
        Finding::TriedBefore(tried) => before(registry, words, *tried),
    }
}

/// A verdict with its cause, cut to a line, and what to do now.
pub(super) fn found(verdict: Verdict, cause: impl AsRef<str>, hint: impl Into<String>) -> RegistryFact {
    RegistryFact { cause: Some(shorten(cause.as_ref())), hint: Some(hint.into()), ..RegistryFact::new(verdict) }
}

/// What came of the login the last time, for another image or from elsewhere.
fn before(registry: &Registry, words: &Words<'_>, Tried { image, fact }: Tried) -> RegistryFact {
    let RegistryFact { verdict, cause, hint, .. } = fact;
    let cause = cause.unwrap_or_else(|| "no cause given".to_owned());
    let hint = hint.filter(|_| verdict != Verdict::Refused).unwrap_or_else(|| refused_hint(registry, &words.host));
    let fact = found(verdict, format!("not tried again, {} for `{image}`: {cause}", verdict.code()), hint);
    RegistryFact { evidence: Evidence::Remembered, ..fact }
}

/// What was found with the last of several tries; that they were several must not be cut off.
pub(super) fn after(fact: RegistryFact, tries: u32) -> RegistryFact {
    RegistryFact { cause: fact.cause.map(|cause| cause + &tried(tries)), ..fact }
}

fn judged(registry: &Registry, words: &Words<'_>, verdict: Verdict, login: Login, answer: &Answer) -> RegistryFact {
    let (host, user) = (&words.host, &registry.user);
    match (verdict, login) {
        (Verdict::Refused, Login::Nobody) => {
            let shown = answer.status.is_success() && registry.test_login != TestLogin::LoginOnly;
            let public = if shown { ", and anybody may pull this image" } else { "" };
            let cause = format!("{}: the token server took `{user}` for nobody{public}", words.seen(answer));
            found(verdict, cause, refused_hint(registry, host))
        }
        (Verdict::Refused, Login::Issued) => found(
            verdict,
            format!("{}: `{user}` got a token, which is not taken", words.seen(answer)),
            format!("check the password, {}; if it is right, ask the operator of `{host}`", wrong_too(registry, host)),
        ),
        (Verdict::Refused, _) => found(verdict, words.seen(answer), refused_hint(registry, host)),
        (Verdict::NotProved, _) => found(
            verdict,
            format!("{}: {} without asking for a credential", words.place(&answer.place), status(answer)),
            private(registry),
        ),
        (Verdict::NoPermission, _) => found(verdict, words.seen(answer), permission_hint(registry, host, login)),
        (Verdict::NotFound, _) => found(verdict, words.seen(answer), image_hint(registry, host, login)),
        _ => RegistryFact::new(verdict),
    }
}

/// What to do about an image that anybody may see.
fn private(registry: &Registry) -> String {
    format!("name a private image as {}, one that only this user may pull", settings::test_image(registry))
}

fn public(registry: &Registry, words: &Words<'_>, login: Login, answer: &Answer) -> RegistryFact {
    let place = words.place(&answer.place);
    let login = match login {
        Login::Accepted => format!("; the login of `{}` was accepted", registry.user),
        _ => String::new(),
    };
    let cause = format!("{place}: {} without a password, too: anybody may pull this image{login}", status(answer));
    found(Verdict::NotProved, cause, private(registry))
}

fn permission_hint(registry: &Registry, host: &str, login: Login) -> String {
    let Registry { user, image, test_login, .. } = registry;
    if *test_login == TestLogin::LoginOnly {
        return format!("`{user}` has a token, which `{host}` does not take: ask its operator");
    }
    let same = if hides_images(host) { format!("`{host}` answers") } else { "some registries answer".to_owned() };
    let both = format!("is not allowed to pull `{image}`, or it does not exist ({same} the same for both)");
    let action = format!("grant the permission, or name another image in {}", settings::test_image(registry));
    if login == Login::Issued && !is_good(host, login) {
        let wrong = wrong_too(registry, host);
        format!("`{user}` got a token, but {both}: {action}; if that is right already, check the password, {wrong}")
    } else {
        format!("`{user}` logged in, but {both}: {action}")
    }
}

/// Why a password is in doubt although there is a token, and where it comes from.
fn wrong_too(registry: &Registry, host: &str) -> String {
    let origin = password_hint(registry, host);
    format!("as some registries (Harbor) give a token to a wrong one, too: {origin}")
}

pub(super) fn image_hint(registry: &Registry, host: &str, login: Login) -> String {
    let (setting, origin) = (settings::test_image(registry), settings::image_origin(registry));
    let hidden =
        if denies_images(host) { format!("; or it is hidden from `{}`", registry.user) } else { String::new() };
    let name = format!("name an image and tag that exist in {setting}{origin}{hidden}");
    match login {
        Login::NotAsked => {
            format!("`{host}` asked for no credential: name an image that exists, and is private, in {setting}")
        }
        Login::Presented | Login::Nobody => name,
        Login::Accepted | Login::Issued if is_good(host, login) => format!("the login is good: {name}"),
        Login::Accepted | Login::Issued => format!("`{}` got a token: {name}", registry.user),
    }
}

/// What to do about a refusal.
fn refused_hint(registry: &Registry, host: &str) -> String {
    let origin = password_hint(registry, host);
    match registry.declaration {
        Declaration::CommandLine => format!("check user and password, nothing was saved: {origin}"),
        Declaration::Default | Declaration::Entry => origin,
    }
}

/// Where a password comes from, and what kind of account the registry expects.
fn password_hint(registry: &Registry, host: &str) -> String {
    let secret = if registry.identity_token.is_some() { "identity token" } else { "password" };
    let origin = format!("the {secret} of `{}` comes from {}", registry.user, registry.origin);
    let red_hat = matches!(host, "registry.redhat.io" | "registry.connect.redhat.com");
    if red_hat && !registry.user.contains('|') {
        format!("{origin}; the name of a Red Hat registry service account has the form `1234567|name`")
    } else if host.contains(".dkr.ecr.") {
        format!("{origin}; a password of ECR is for one region, and ends after 12 hours")
    } else {
        origin
    }
}

fn unexpected(registry: &Registry, words: &Words<'_>, answer: &Answer) -> RegistryFact {
    let (cause, Place { url, asked, .. }) = (words.seen(answer), &answer.place);
    let kind = kind(words.other_server(url, *asked).as_ref());
    let trouble = format!("the {kind} is in trouble: try again later, or tell its operator");
    match answer.status.as_u16() {
        407 => found(Verdict::Proxy, cause, proxy_login(registry, url, &words.via(url))),
        429 => found(Verdict::RateLimited, cause, patience(answer.retry_after())),
        500..=599 => found(Verdict::RegistryError, cause, trouble),
        _ => found(
            Verdict::RegistryError,
            cause,
            format!("is `{}` a {kind}? a proxy, firewall or portal may answer in its place", words.server(url)),
        ),
    }
}

fn patience(retry_after: Option<Duration>) -> String {
    match retry_after {
        Some(wait) => format!("try again in {} s", wait.as_secs()),
        None => "try again later".to_owned(),
    }
}
