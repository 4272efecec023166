//! From what was seen to a verdict with its cause and what to do now. The only place where foreign text
//! becomes part of an explanation: scrubbed, on one line, and short.

use std::error::Error;
use std::io;
use std::time::Duration;

use oci_distribution::errors::OciEnvelope;
use serde_json::Value;

use super::challenge::{Challenge, challenges};
use super::reference::Target;
use super::wire::{Answer, Fault};
use crate::desired::Registry;
use crate::facts::{RegistryFact, Verdict};

/// The longest cause, in characters.
const CAUSE_LIMIT: usize = 300;

/// How an inspection ended.
pub(super) enum Finding {
    /// The manifest, or the token server, gave the verdict.
    Judged(Verdict, Asked, Box<Answer>),
    /// The image was shown without a credential.
    NeverAsked(Box<Answer>),
    /// A status that has no place in the flow.
    Unexpected(Box<Answer>),
    /// A success that holds no manifest.
    NoManifest(Box<Answer>),
    /// The token server redirects: the password does not follow.
    RealmRedirects(Box<Answer>),
    /// A redirect led to another origin, which wants a credential of its own.
    AskedElsewhere(String),
    /// None of the challenges is understood.
    NoScheme(String, Vec<Challenge>),
    /// The realm is not a URL to send a password to.
    NoRealm(String, String),
    /// TLS is to be verified and the realm (second) is plain HTTP.
    PlainRealm(String, String),
    /// The token server's success holds no token.
    NoToken(String),
    /// The credential or token cannot be part of a header.
    NotAHeader,
    /// The image name breaks this rule.
    NoImage(String),
    /// TLS cannot be set up on this machine.
    NoClient(String),
    /// There was no answer.
    Fault(Fault),
}

/// What the registry asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Nothing,
    Basic,
    Bearer,
}

impl From<Fault> for Finding {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Verdict, cause and hint before they are cleaned.
struct Raw {
    verdict: Verdict,
    cause: Option<String>,
    hint: Option<String>,
}

impl Raw {
    fn new(verdict: Verdict, cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { verdict, cause: Some(cause.into()), hint: Some(hint.into()) }
    }
}

/// The fact that a finding comes to; `scrub` removes secrets.
pub(super) fn fact(registry: &Registry, finding: Finding, scrub: impl Fn(&str) -> String) -> RegistryFact {
    let Raw { verdict, cause, hint } = explain(registry, finding);
    RegistryFact {
        verdict,
        cause: cause.map(|text| shorten(&scrub(&one_line(&scrub(&text))))),
        hint: hint.map(|text| scrub(&text)),
    }
}

/// The fact for another image of a credential that was just refused: no request is made for it.
pub(super) fn refused_before(registry: &Registry, image: &str, cause: Option<&str>) -> RegistryFact {
    let cause = format!("not tried again, refused for `{image}`: {}", cause.unwrap_or("no cause given"));
    RegistryFact { verdict: Verdict::Refused, cause: Some(shorten(&cause)), hint: Some(password_hint(registry)) }
}

fn explain(registry: &Registry, finding: Finding) -> Raw {
    let error = |cause: String, hint: &str| Raw::new(Verdict::RegistryError, cause, hint);
    match finding {
        Finding::Judged(verdict, asked, answer) => judged(registry, verdict, asked, &answer),
        Finding::NeverAsked(answer) => Raw::new(
            Verdict::NotProved,
            format!("{}: {} without asking for a credential", answer.at(), status(&answer)),
            "name a private image in `test_image`, one that only this user may pull",
        ),
        Finding::Unexpected(answer) => unexpected(registry, &answer),
        Finding::NoManifest(answer) => error(
            format!("{}: the answer is `{}`, not a manifest", answer.at(), answer.content_type()),
            "is this a registry? a proxy or portal may answer in its place",
        ),
        Finding::RealmRedirects(answer) => error(
            format!(
                "{}: {}: the token server redirects, and a password does not follow redirects",
                answer.at(),
                status(&answer)
            ),
            "the registry must name its token server's own address as realm",
        ),
        Finding::AskedElsewhere(at) => error(
            format!("{at}: the registry redirects here, and a credential does not follow to another host"),
            "name the host that asks for the credential, if it is the registry",
        ),
        Finding::NoScheme(at, found) => {
            error(format!("{at}: {}", schemes(&found)), "only Basic and Bearer logins are supported")
        }
        Finding::NoRealm(root, realm) => error(
            format!("GET {root}: its realm `{realm}` is not an https URL"),
            "the registry's token settings are wrong",
        ),
        Finding::PlainRealm(root, realm) => Raw::new(
            Verdict::Tls,
            format!("GET {root}: its realm `{realm}` is not HTTPS, so the password was not sent"),
            insecure_hint(registry),
        ),
        Finding::NoToken(at) => {
            error(format!("{at}: a success that holds no token"), "is this a token server? ask its operator")
        }
        Finding::NotAHeader => Raw::new(
            Verdict::RegistryError,
            "user, password or token hold characters that no HTTP header can carry",
            password_hint(registry),
        ),
        Finding::NoImage(rule) => {
            error(format!("`{}`: {rule}", registry.image), "name the image as `repository/name:tag` in `test_image`")
        }
        Finding::NoClient(reason) => Raw::new(
            Verdict::Tls,
            format!("TLS cannot be set up on this machine: {reason}"),
            "check the CA bundle, and SSL_CERT_FILE and SSL_CERT_DIR if they are set",
        ),
        Finding::Fault(fault) => faulty(registry, fault),
    }
}

fn judged(registry: &Registry, verdict: Verdict, asked: Asked, answer: &Answer) -> Raw {
    let host = host_of(registry);
    let hint = match (verdict, asked) {
        (Verdict::Refused, _) => password_hint(registry),
        (Verdict::NoPermission, Asked::Basic) if host.ends_with(".amazonaws.com") => {
            format!("ECR says the same of a password that has expired (12 hours); {}", password_hint(registry))
        }
        (Verdict::NoPermission, _) => format!(
            "`{}` logged in, but is not allowed to pull `{}`, or it does not exist (some registries answer the same for both): \
             grant the permission, or name another image in `test_image`",
            registry.user, registry.image
        ),
        (Verdict::NotFound, Asked::Nothing) => {
            format!(
                "`{host}` asks for no credential and does not hold this image: name one that exists, and is private, in `test_image`"
            )
        }
        (Verdict::NotFound, _) => {
            "the login is good: name an image and tag that exist in `test_image` (for `oreg_url`, check \
             it and `openshift_image_tag`)"
                .to_owned()
        }
        _ => return Raw { verdict, cause: None, hint: None },
    };
    Raw::new(verdict, seen(answer), hint)
}

/// What to do about a password: where it comes from, and what kind of account the registry expects.
fn password_hint(registry: &Registry) -> String {
    let origin = format!("the password of `{}` comes from {}", registry.user, registry.origin);
    let red_hat = matches!(host_of(registry).as_str(), "registry.redhat.io" | "registry.connect.redhat.com");
    if red_hat && !registry.user.contains('|') {
        format!("{origin}; the name of a Red Hat registry service account has the form `1234567|name`")
    } else {
        origin
    }
}

fn insecure_hint(registry: &Registry) -> String {
    format!(
        "if the network may be trusted with the password, set `tls_verify: False` for `{0}` or list it in \
         `openshift_docker_insecure_registries`",
        registry.host
    )
}

fn unexpected(registry: &Registry, answer: &Answer) -> Raw {
    let cause = seen(answer);
    match answer.status.as_u16() {
        407 => Raw::new(
            Verdict::Proxy,
            cause,
            "the proxy wants a login: give it in HTTPS_PROXY, or name the registry in NO_PROXY",
        ),
        429 => Raw::new(Verdict::RateLimited, cause, patience(answer.retry_after())),
        500..=599 => {
            Raw::new(Verdict::RegistryError, cause, "the registry is in trouble: try again later, or tell its operator")
        }
        _ => Raw::new(
            Verdict::RegistryError,
            cause,
            format!("is `{}` a registry? a proxy, firewall or portal may answer in its place", host_of(registry)),
        ),
    }
}

fn patience(retry_after: Option<Duration>) -> String {
    match retry_after {
        Some(wait) => format!("try again in {} s", wait.as_secs()),
        None => "try again later".to_owned(),
    }
}

fn faulty(registry: &Registry, fault: Fault) -> Raw {
    let host = host_of(registry);
    match fault {
        Fault::Timeout { at, timeout } => Raw::new(
            Verdict::Timeout,
            format!("{at}: no complete answer within {timeout:?}"),
            format!("check the route, the firewall and the proxy between here and `{host}`, or raise `--timeout`"),
        ),
        Fault::Redirect { at, reason } => {
            Raw::new(Verdict::RegistryError, format!("{at}: {reason}"), "the registry's external URL is set up wrongly")
        }
        Fault::Downgrade { at, to } => {
            Raw::new(Verdict::Tls, format!("{at}: redirects to `{to}`, which is not HTTPS"), insecure_hint(registry))
        }
        Fault::Broken { at, error, proxy } => broken(registry, &at, &error, proxy.as_deref()),
    }
}

fn broken(registry: &Registry, at: &str, error: &reqwest::Error, proxy: Option<&str>) -> Raw {
    let host = host_of(registry);
    let chain = chain(error);
    let reason = chain.last().map_or("no reason given", String::as_str);
    let tls = chain.iter().find_map(|text| tls_fault(text));
    if let Some(proxy) = proxy
        && tls.is_none()
        && error.is_connect()
    {
        return Raw::new(
            Verdict::Proxy,
            format!("{at}: proxy {proxy}: {reason}"),
            format!("check HTTPS_PROXY and HTTP_PROXY, or name `{host}` in NO_PROXY"),
        );
    }
    if error.is_dns() {
        let hint = "check the name, and the resolver of this machine";
        return Raw::new(Verdict::Dns, format!("{at}: {reason}"), hint);
    }
    if let Some((what, hint)) = tls {
        return Raw::new(
            Verdict::Tls,
            format!("{at}: {what}"),
            hint.map_or_else(|| insecure_hint(registry), str::to_owned),
        );
    }
    if error.is_timeout() {
        let hint = format!("check the route and the firewall between here and `{host}`");
        return Raw::new(Verdict::Timeout, format!("{at}: {reason}"), hint);
    }
    if error.is_connect() {
        let hint = format!("is the registry running, and are host and port of `{host}` right?");
        return Raw::new(Verdict::ConnectionRefused, format!("{at}: {reason}"), hint);
    }
    Raw::new(
        Verdict::RegistryError,
        format!("{at}: the answer broke off or is not HTTP: {reason}"),
        format!("is `{host}` a registry, and is the port right?"),
    )
}

/// What an OpenSSL error means, and what to do unless it is to trust blindly.
fn tls_fault(text: &str) -> Option<(String, Option<&'static str>)> {
    const CA: Option<&str> = Some(
        "add the CA to the trust store of this machine (or SSL_CERT_FILE), or set `tls_verify: False` for this registry",
    );
    let known = [
        ("self-signed certificate in certificate chain", "the certificate's issuer is unknown here (a private CA)", CA),
        ("self-signed certificate", "the certificate is self-signed", CA),
        ("self signed certificate", "the certificate is self-signed", CA),
        ("unable to get local issuer certificate", "the certificate's issuer is unknown here", CA),
        ("unable to get issuer certificate", "the certificate's issuer is unknown here", CA),
        ("unable to verify the first certificate", "the certificate's issuer is unknown here", CA),
        (
            "certificate has expired",
            "the certificate has expired",
            Some("renew the registry's certificate; check the clock here"),
        ),
        (
            "certificate is not yet valid",
            "the certificate is not yet valid",
            Some("check the clock here and the certificate's dates"),
        ),
        (
            "hostname mismatch",
            "the certificate is for another host name",
            Some("use the name that the certificate was issued for"),
        ),
        (
            "IP address mismatch",
            "the certificate is not for this IP address",
            Some("use the name that the certificate was issued for"),
        ),
    ];
    if let Some((_, what, hint)) = known.into_iter().find(|(mark, ..)| text.contains(mark)) {
        return Some((what.to_owned(), hint));
    }
    if is_plain_answer(text) {
        return Some(("the port does not speak TLS".to_owned(), None));
    }
    let reason = text.contains("SSL routines").then(|| openssl_reason(text))?;
    Some((format!("TLS handshake: {reason}"), Some("check that both sides share a TLS version and cipher")))
}

/// `error:0A000086:SSL routines:function:reason:file:line:`: the reason, or the text as it is.
fn openssl_reason(text: &str) -> &str {
    text.split(':').nth(4).filter(|reason| !reason.is_empty()).unwrap_or(text)
}

/// What OpenSSL says when the other side answers a handshake in plain text, or hangs up on it.
fn is_plain_answer(text: &str) -> bool {
    ["wrong version number", "packet length too long", "http request", "unexpected eof while reading", "unexpected EOF"]
        .iter()
        .any(|mark| text.contains(mark))
}

/// Whether a connection failed because the port answers, but not in TLS.
pub(super) fn speaks_no_tls(error: &reqwest::Error) -> bool {
    let chain = chain(error);
    // A proxy that hangs up says nothing of the port behind it.
    let tunnel = chain.iter().any(|text| text.starts_with("tunnel error"));
    error.is_connect() && !tunnel && chain.iter().any(|text| is_plain_answer(text))
}

/// The causes below the HTTP client's own text, which holds the URL with its query.
fn chain(error: &reqwest::Error) -> Vec<String> {
    let mut texts = Vec::new();
    let mut next = error.source();
    while let Some(source) = next {
        let text = match source.downcast_ref::<io::Error>() {
            Some(io) => plain_io(io),
            None => source.to_string(),
        };
        texts.push(text);
        next = source.source();
    }
    texts
}

/// `connection refused`, without the `(os error 111)`.
fn plain_io(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        io::ErrorKind::HostUnreachable => "no route to host".to_owned(),
        io::ErrorKind::NetworkUnreachable => "network unreachable".to_owned(),
        io::ErrorKind::TimedOut => "connection timed out".to_owned(),
        _ => error.to_string(),
    }
}

/// The innermost cause of a client that could not be built.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    chain(error).pop().unwrap_or_else(|| error.to_string())
}

/// `GET https://quay.io/v2/auth: 401 UNAUTHORIZED: invalid username or password`.
fn seen(answer: &Answer) -> String {
    let said = match envelope(&answer.body) {
        Some((code, message)) => format!("{} {code}{}", answer.status.as_u16(), behind(&message)),
        None => format!("{}{}", status(answer), behind(&message(answer))),
    };
    let reason = challenges(&answer.headers).into_iter().find_map(|challenge| match challenge {
        Challenge::Bearer(bearer) => bearer.error,
        _ => None,
    });
    format!("{}: {said}{}", answer.at(), behind(&reason.unwrap_or_default()))
}

fn status(answer: &Answer) -> String {
    format!("{} {}", answer.status.as_u16(), answer.status.canonical_reason().unwrap_or_default()).trim_end().to_owned()
}

fn behind(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

/// Code and message of the distribution specification's error envelope.
fn envelope(body: &str) -> Option<(String, String)> {
    let envelope: OciEnvelope = serde_json::from_str(body).ok()?;
    let first = envelope.errors.into_iter().next()?;
    let code = serde_json::to_value(first.code).ok()?;
    Some((code.as_str()?.to_owned(), first.message))
}

/// What an answer says of itself in JSON of another form, or as plain text; a web page says nothing.
fn message(answer: &Answer) -> String {
    const MEMBERS: [&str; 7] = ["error_description", "message", "details", "detail", "error", "description", "title"];
    if let Ok(Value::Object(members)) = serde_json::from_str(&answer.body) {
        let text = MEMBERS.iter().find_map(|name| members.get(*name)?.as_str());
        return text.unwrap_or_default().to_owned();
    }
    let words = answer.content_type() == "text/plain";
    if words { answer.body.trim().to_owned() } else { String::new() }
}

fn schemes(found: &[Challenge]) -> String {
    let names: Vec<String> = found
        .iter()
        .filter_map(|challenge| match challenge {
            Challenge::Other(name) => Some(format!("`{name}`")),
            Challenge::Basic | Challenge::Bearer(_) => None,
        })
        .collect();
    match names.as_slice() {
        [] => "401 without a challenge".to_owned(),
        names => format!("401 asks for {}", names.join(", ")),
    }
}

fn host_of(registry: &Registry) -> String {
    Target::parse(&registry.image).map_or_else(|_| registry.host.clone(), |target| target.host)
}

/// Control characters, line ends among them, become spaces: foreign text must not move a terminal's cursor.
fn one_line(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(CAUSE_LIMIT) {
        None => text.to_owned(),
        Some(_) => text.chars().take(CAUSE_LIMIT - 1).chain(['…']).collect(),
    }
}
