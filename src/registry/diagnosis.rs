//! From what was seen to a verdict with its cause and what to do now.

use std::time::Duration;

use reqwest::Url;

use super::challenge::Challenge;
use super::fault::{self, Breakage, TlsFault};
use super::wire::{Answer, Fault, Place};
use super::words::{Words, shorten, status};
use crate::desired::Registry;
use crate::facts::{RegistryFact, Verdict};

/// What to do about a 407.
const PROXY_LOGIN: &str = "give the proxy's login in HTTPS_PROXY, or name the registry in NO_PROXY";

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
    /// The token server's success holds no token.
    NoToken(Box<Answer>),
    /// A redirect led to another origin, which wants a credential of its own.
    AskedElsewhere(Box<Place>),
    /// None of the challenges is understood.
    NoScheme(Box<Place>, Vec<Challenge>),
    /// The realm is not a URL to send a password to.
    NoRealm(String),
    /// TLS is to be verified and the realm is plain HTTP.
    PlainRealm(Url),
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

/// The fact that a finding comes to; `scrub` removes secrets.
pub(super) fn fact(registry: &Registry, finding: Finding, scrub: &dyn Fn(&str) -> String) -> RegistryFact {
    let words = Words::new(registry, scrub);
    let error = |cause: String, hint: &str| found(Verdict::RegistryError, cause, hint);
    match finding {
        Finding::Judged(verdict, asked, answer) => judged(registry, &words, verdict, asked, &answer),
        Finding::NeverAsked(answer) => found(
            Verdict::NotProved,
            format!("{}: {} without asking for a credential", words.place(&answer.place), status(&answer)),
            "name a private image in `test_image`, one that only this user may pull",
        ),
        Finding::Unexpected(answer) => unexpected(&words, &answer),
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
        Finding::AskedElsewhere(place) => error(
            format!("{}: asks for a credential after a redirect to it", words.place(&place)),
            "a credential does not follow to another host: name the host that asks for it",
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
        Finding::NotAHeader => error(
            "user, password or token hold characters that no HTTP header can carry".to_owned(),
            &password_hint(registry, &words.host),
        ),
        Finding::NoImage(rule) => {
            error(format!("`{}`: {rule}", registry.image), "name the image as `repository/name:tag` in `test_image`")
        }
        Finding::NoClient(reason) => found(
            Verdict::Tls,
            format!("TLS cannot be set up on this machine: {reason}"),
            "check the CA bundle, and SSL_CERT_FILE and SSL_CERT_DIR if they are set",
        ),
        Finding::Fault(fault) => faulty(registry, &words, fault),
    }
}

/// The fact for another image of a credential that was just refused: no request is made for it.
pub(super) fn refused_before(registry: &Registry, image: &str, cause: Option<&str>) -> RegistryFact {
    let cause = format!("not tried again, refused for `{image}`: {}", cause.unwrap_or("no cause given"));
    let host = Words::new(registry, &str::to_owned).host;
    found(Verdict::Refused, cause, password_hint(registry, &host))
}

fn found(verdict: Verdict, cause: impl AsRef<str>, hint: impl Into<String>) -> RegistryFact {
    RegistryFact { verdict, cause: Some(shorten(cause.as_ref())), hint: Some(hint.into()), rate_limit: None }
}

fn judged(registry: &Registry, words: &Words<'_>, verdict: Verdict, asked: Asked, answer: &Answer) -> RegistryFact {
    let host = &words.host;
    let hint = match (verdict, asked) {
        (Verdict::Refused, _) => password_hint(registry, host),
        (Verdict::NoPermission, Asked::Basic) if host.ends_with(".amazonaws.com") => {
            format!("ECR says the same of a password that has expired (12 hours); {}", password_hint(registry, host))
        }
        (Verdict::NoPermission, _) => format!(
            "`{}` logged in, but is not allowed to pull `{}`, or it does not exist (some registries answer the same \
             for both): grant the permission, or name another image in `test_image`",
            registry.user, registry.image
        ),
        (Verdict::NotFound, Asked::Nothing) => {
            format!("`{host}` asked for no credential: name an image that exists, and is private, in `test_image`")
        }
        (Verdict::NotFound, _) => {
            "the login is good: name an image and tag that exist in `test_image` (for `oreg_url`, \
             check it and `openshift_image_tag`)"
                .to_owned()
        }
        _ => return RegistryFact { verdict, cause: None, hint: None, rate_limit: None },
    };
    found(verdict, words.seen(answer), hint)
}

/// Where a password comes from, and what kind of account the registry expects.
fn password_hint(registry: &Registry, host: &str) -> String {
    let origin = format!("the password of `{}` comes from {}", registry.user, registry.origin);
    let red_hat = matches!(host, "registry.redhat.io" | "registry.connect.redhat.com");
    if red_hat && !registry.user.contains('|') {
        format!("{origin}; the name of a Red Hat registry service account has the form `1234567|name`")
    } else {
        origin
    }
}

/// What to do where only plain HTTP is spoken.
fn insecure_hint(registry: &Registry) -> String {
    format!("if the network may be trusted with the password, {}", insecure(registry))
}

/// How a registry is declared insecure: `oreg_url` has no `tls_verify` of its own.
fn insecure(registry: &Registry) -> String {
    if registry.origin.starts_with("`oreg_auth_password`") {
        format!("list `{}` in `openshift_docker_insecure_registries`", registry.host)
    } else {
        format!("set `tls_verify: False` for `{}`", registry.host)
    }
}

fn unexpected(words: &Words<'_>, answer: &Answer) -> RegistryFact {
    let cause = words.seen(answer);
    let trouble = "the registry is in trouble: try again later, or tell its operator";
    match answer.status.as_u16() {
        407 => found(Verdict::Proxy, cause, PROXY_LOGIN),
        429 => found(Verdict::RateLimited, cause, patience(answer.retry_after())),
        500..=599 => found(Verdict::RegistryError, cause, trouble),
        _ => found(
            Verdict::RegistryError,
            cause,
            format!("is `{}` a registry? a proxy, firewall or portal may answer in its place", words.host),
        ),
    }
}

fn patience(retry_after: Option<Duration>) -> String {
    match retry_after {
        Some(wait) => format!("try again in {} s", wait.as_secs()),
        None => "try again later".to_owned(),
    }
}

fn faulty(registry: &Registry, words: &Words<'_>, fault: Fault) -> RegistryFact {
    match fault {
        Fault::Timeout { at, timeout } => found(
            Verdict::Timeout,
            format!("{}: no complete answer within {timeout:?}", words.place(&at)),
            format!("check the route, firewall and proxy between here and `{}`, or raise `--timeout`", words.host),
        ),
        Fault::Redirect { at, reason } => found(
            Verdict::RegistryError,
            format!("{}: {reason}", words.place(&at)),
            "the registry's external URL is set up wrongly: tell its operator",
        ),
        Fault::Downgrade { at, to } => found(
            Verdict::Tls,
            format!("{}: redirects to `{}`, which is not HTTPS", words.place(&at), words.url(&to)),
            insecure_hint(registry),
        ),
        Fault::Broken { at, error, proxy } => {
            broken(registry, &words.place(&at), at.url.authority(), fault::read(&error, proxy.as_deref()), proxy)
        }
    }
}

fn broken(registry: &Registry, at: &str, host: &str, breakage: Breakage, proxy: Option<String>) -> RegistryFact {
    let proxy = proxy.unwrap_or_default();
    match breakage {
        Breakage::Dns(reason) => {
            found(Verdict::Dns, format!("{at}: {reason}"), format!("check the name `{host}`, and the resolver here"))
        }
        Breakage::Proxy(reason) => {
            // What the HTTP client makes of a 407 to its CONNECT.
            let hint = if reason.ends_with("proxy authorization required") {
                PROXY_LOGIN.to_owned()
            } else {
                format!("check HTTPS_PROXY and HTTP_PROXY, or name `{host}` in NO_PROXY")
            };
            let named = if proxy.is_empty() { String::new() } else { format!("proxy `{proxy}`: ") };
            found(Verdict::Proxy, format!("{at}: {named}{reason}"), hint)
        }
        Breakage::Tls(fault, reason) => {
            let (what, hint) = tls(registry, fault, &reason);
            found(Verdict::Tls, format!("{at}: {what}"), hint)
        }
        Breakage::Timeout(reason) => found(
            Verdict::Timeout,
            format!("{at}: {reason}"),
            format!("check the route and the firewall between here and `{host}`"),
        ),
        Breakage::Refused(reason) => found(
            Verdict::ConnectionRefused,
            format!("{at}: {reason}"),
            format!("does a registry run at `{host}`? check host and port"),
        ),
        Breakage::NotHttp(reason) => found(
            Verdict::RegistryError,
            format!("{at}: the answer broke off or is not HTTP: {reason}"),
            format!("is `{host}` a registry, and is the port right?"),
        ),
    }
}

fn tls(registry: &Registry, fault: TlsFault, reason: &str) -> (String, String) {
    const NAME: &str = "use the name that the certificate was issued for";
    const CLOCK: &str = "check the certificate's dates and the clock here";
    let ca = || {
        format!(
            "install the CA's certificate on this machine (or name it in SSL_CERT_FILE); or, {}",
            insecure_hint(registry)
        )
    };
    let (what, hint) = match fault {
        TlsFault::SelfSigned => ("the certificate is self-signed", ca()),
        TlsFault::UnknownIssuer => ("the certificate's issuer is unknown here", ca()),
        TlsFault::Expired => ("the certificate has expired", CLOCK.to_owned()),
        TlsFault::NotYetValid => ("the certificate is not yet valid", CLOCK.to_owned()),
        TlsFault::WrongName => ("the certificate is for another host name", NAME.to_owned()),
        TlsFault::WrongAddress => ("the certificate is not for this IP address", NAME.to_owned()),
        TlsFault::NotTls => ("the port does not speak TLS", insecure_hint(registry)),
        TlsFault::HungUp => (
            "hung up during the TLS handshake",
            "try again; if it stays, look at the registry's log and at the firewall in between".to_owned(),
        ),
        TlsFault::Handshake => {
            return (format!("TLS handshake: {reason}"), "do both sides share a TLS version and cipher?".to_owned());
        }
    };
    (what.to_owned(), hint)
}
