//! Converts a finding, which is the result of a proof, into a fact: verdict, cause and hint.

use reqwest::{StatusCode, Url};

use super::cause::{MessageContext, after_tries, fact as new_fact, role, status};
use super::no_response;
use super::quota::rate_limit;
use super::{hint, status::LoginEvidence};
use crate::desired::{Registry, TestLogin};
use crate::facts::{Evidence, FailedRequest, OtherServer, RateLimit, RegistryFact, ReportedBy, Verdict};
use crate::registry::flow::challenge::Challenge;
use crate::registry::flow::failed_logins::EarlierAttempt;
use crate::registry::http::client::{ClientError, RegistryClient};
use crate::registry::http::request::{CredentialDelivery, HttpResponse, Recipient, RequestError, RequestLine};
use crate::registry::http::url::address;

/// The result of a proof.
pub enum ProofFinding {
    /// The response for the manifest, of the token server or of `/v2/` determines the verdict.
    Judged { verdict: Verdict, login: LoginEvidence, response: Box<HttpResponse> },
    /// The credential was accepted, but the image can be pulled without one, as the `anonymous` response shows.
    Public { login: LoginEvidence, response: Box<HttpResponse>, anonymous: Box<HttpResponse> },
    /// A status that is not part of the protocol.
    UnexpectedStatus(Box<HttpResponse>),
    /// A success of `/v2/` that does not come from a registry.
    NotARegistry(Box<HttpResponse>),
    /// A success that contains no manifest.
    NoManifest(Box<HttpResponse>),
    /// The token server redirects: the password is not sent to the target.
    RealmRedirects(Box<HttpResponse>),
    /// A success of the token server that contains no token.
    NoToken(Box<HttpResponse>),
    /// The token server does not support identity tokens, and there is no password.
    NoIdentityTokens(Box<HttpResponse>),
    /// The registry requires a password, and there is only an identity token.
    OnlyIdentityToken,
    /// A redirect led to another origin, which requires a login.
    LoginAtOtherServer(Box<RequestLine>),
    /// None of the challenges is supported.
    UnsupportedChallenge(Box<RequestLine>, Vec<Challenge>),
    /// The realm is not a URL to which a password can be sent.
    InvalidRealm(String),
    /// TLS must be verified, the realm uses plain HTTP, and with HTTPS there is no token server.
    PlainHttpRealm { realm: Url, with_tls: Box<ProofFinding> },
    /// The realm is not the server that `auth_server` names.
    UndeclaredRealm(Url),
    /// User and password cannot be part of a header.
    NotAHeader,
    /// The token that the server issued cannot be part of a header.
    TokenIsNoHeader(Box<HttpResponse>),
    /// The image name breaks this rule.
    InvalidImage(String),
    /// There is no HTTP client for the registry.
    NoClient(ClientError),
    /// There was no response.
    NoResponse(RequestError),
    /// The same login was not accepted before, so the password was not sent.
    NotTriedAgain(Box<EarlierAttempt>),
}

impl From<Box<EarlierAttempt>> for ProofFinding {
    fn from(earlier: Box<EarlierAttempt>) -> Self {
        Self::NotTriedAgain(earlier)
    }
}

impl From<RequestError> for ProofFinding {
    fn from(error: RequestError) -> Self {
        Self::NoResponse(error)
    }
}

impl ProofFinding {
    /// The finding for a response with the `verdict` of its status; `None` means that the status is unexpected.
    ///
    /// # Errors
    /// The findings that must not be reported as a verdict on the credential.
    pub fn judge(verdict: Option<Verdict>, login: LoginEvidence, response: Box<HttpResponse>) -> Result<Self, Self> {
        match (verdict, response.credential, response.status.as_u16()) {
            // The credential was not sent to this server, so the server cannot have refused it.
            (Some(_), CredentialDelivery::Withheld, 400 | 401 | 403) => {
                Err(Self::LoginAtOtherServer(Box::new(response.line)))
            }
            (Some(verdict), ..) => Ok(Self::Judged { verdict, login, response }),
            (None, ..) => Err(Self::UnexpectedStatus(response)),
        }
    }

    /// Whether a request for a token shows that there is no token server.
    pub fn is_no_token_server(&self) -> bool {
        match self {
            Self::NoResponse(_) | Self::NoToken(_) | Self::RealmRedirects(_) => true,
            // A server that is busy or fails may be a token server.
            Self::UnexpectedStatus(response) => {
                response.status != StatusCode::TOO_MANY_REQUESTS && !response.status.is_server_error()
            }
            _ => false,
        }
    }

    /// Whether there was no connection over which a credential could be sent.
    pub fn sent_nothing(&self) -> bool {
        match self {
            Self::NoResponse(error) => error.sent_nothing(),
            Self::PlainHttpRealm { with_tls, .. } => with_tls.sent_nothing(),
            _ => false,
        }
    }

    /// The quota in the response that determined the verdict. The quota of anonymous requests is not that of the user.
    fn rate_limit(&self) -> Option<RateLimit> {
        let response = match self {
            // The token was anonymous, so the quota is that of the IP address.
            Self::Judged { login: LoginEvidence::Anonymous, .. } => None,
            Self::Judged { response, .. }
            | Self::Public { response, .. }
            | Self::UnexpectedStatus(response)
            | Self::NoManifest(response) => Some(response),
            _ => None,
        };
        rate_limit(&response.filter(|response| response.credential == CredentialDelivery::Sent)?.headers)
    }

    /// The server that failed, if it is not the registry itself.
    fn other_server(&self, context: &MessageContext<'_>) -> Option<OtherServer> {
        let (url, recipient) = match self {
            Self::Judged { verdict: Verdict::Refused, response, .. }
            | Self::UnexpectedStatus(response)
            | Self::NotARegistry(response)
            | Self::NoManifest(response)
            | Self::RealmRedirects(response)
            | Self::NoToken(response)
            | Self::TokenIsNoHeader(response)
            | Self::NoIdentityTokens(response) => (&response.line.url, response.line.recipient),
            Self::LoginAtOtherServer(line) => (&line.url, line.recipient),
            Self::NoResponse(error) => (&error.line().url, error.line().recipient),
            Self::PlainHttpRealm { realm, .. } | Self::UndeclaredRealm(realm) => (realm, Recipient::TokenServer),
            Self::NotTriedAgain(earlier) => return earlier.fact.other_server.clone(),
            _ => return None,
        };
        context.other_server(url, recipient)
    }

    /// The request that failed, for code that knows more about the connection to its server.
    fn failed_request(&self, context: &MessageContext<'_>) -> Option<Box<FailedRequest>> {
        let (line, tries, reported_by) = match self {
            Self::NoResponse(error) => (error.line(), error.tries(), no_response::reported_by(error, context)),
            // A response has arrived here, so the connection to the server works, whatever the status means.
            Self::UnexpectedStatus(response) => (&response.line, response.tries, ReportedBy::ThisEnd),
            _ => return None,
        };
        let (request, server) = (context.request(line), context.server(&line.url));
        Some(Box::new(FailedRequest { request, server, address: address(&line.url)?, tries, reported_by }))
    }
}

/// The fact for a finding. `client` is the client that sent the requests, if any were sent, and `scrub` removes
/// secrets.
pub fn fact(
    registry: &Registry,
    client: Option<&RegistryClient>,
    finding: ProofFinding,
    scrub: &dyn Fn(&str) -> String,
) -> RegistryFact {
    let context = MessageContext::new(registry, client, scrub);
    let other_server = finding.other_server(&context);
    let failed_request = finding.failed_request(&context);
    // The quota of another server is not that of the registry.
    let rate_limit = finding.rate_limit().filter(|_| other_server.is_none());
    RegistryFact { rate_limit, other_server, failed_request, ..explain(registry, &context, finding) }
}

/// Verdict, cause and hint.
fn explain(registry: &Registry, context: &MessageContext<'_>, finding: ProofFinding) -> RegistryFact {
    let error = |cause: String, hint: &str| new_fact(Verdict::RegistryError, cause, hint);
    let request = |response: &HttpResponse| context.request(&response.line);
    match finding {
        ProofFinding::Judged { verdict, login, response } => judged(registry, context, verdict, login, &response),
        ProofFinding::Public { login, anonymous, .. } => public(registry, context, login, &anonymous),
        ProofFinding::UnexpectedStatus(response) => {
            after_tries(unexpected_status(registry, context, &response), response.tries)
        }
        ProofFinding::NotARegistry(response) => error(
            format!("{}: {}, but the response is not from a registry", request(&response), status(&response)),
            "is this a registry? a web server, proxy or login page may have responded instead",
        ),
        ProofFinding::NoManifest(response) => error(
            format!("{}: the response is not a manifest", request(&response)),
            "is this a registry? a proxy or login page may have responded instead",
        ),
        ProofFinding::RealmRedirects(response) => error(
            format!("{}: {}: the password is not sent to the target", request(&response), status(&response)),
            "the registry must name the final address of its token server as realm",
        ),
        ProofFinding::NoToken(response) => error(
            format!("{}: {} without a token", request(&response), status(&response)),
            "is the realm of the registry a token server? contact its operator",
        ),
        ProofFinding::NoIdentityTokens(response) => error(
            format!("{}: {}: it does not support identity tokens", request(&response), status(&response)),
            "set the password of the user",
        ),
        ProofFinding::OnlyIdentityToken => error(
            format!("`{}` requires a password, and there is only an identity token", context.host),
            "set the password of the user",
        ),
        ProofFinding::LoginAtOtherServer(line) => error(
            format!("{}: it is the target of a redirect, to which no credential is sent", context.request(&line)),
            "declare the host that requires the credential instead",
        ),
        ProofFinding::UnsupportedChallenge(line, challenges) => error(
            format!("{}: {}", context.request(&line), context.schemes(&challenges)),
            "only Basic and Bearer logins are supported",
        ),
        ProofFinding::InvalidRealm(realm) => error(
            format!("the realm `{}` is not an HTTP URL", context.foreign(&realm)),
            "the token settings of the registry are wrong: contact its operator",
        ),
        ProofFinding::PlainHttpRealm { realm, with_tls } => {
            let cause = explain(registry, context, *with_tls).cause.unwrap_or_default();
            let realm = context.url(&realm);
            let cause = format!("the realm `{realm}` is not HTTPS, and HTTPS does not work there: {cause}");
            new_fact(Verdict::Tls, cause, hint::external_url(&context.host, "names the URL of its token server"))
        }
        ProofFinding::UndeclaredRealm(realm) => error(
            format!(
                "the realm is `{}`, but `auth_server` is `{}`: nothing was sent there",
                context.url(&realm),
                registry.auth_server.as_deref().unwrap_or_default()
            ),
            &hint::token_server(registry),
        ),
        ProofFinding::NotAHeader => error(
            "user or password contain characters that an HTTP header cannot contain".to_owned(),
            &hint::password_origin(registry, &context.host),
        ),
        ProofFinding::TokenIsNoHeader(response) => error(
            format!("{}: its token contains characters that an HTTP header cannot contain", request(&response)),
            &format!("`{}` sent the token: contact its operator", context.server(&response.line.url)),
        ),
        ProofFinding::InvalidImage(rule) => error(format!("`{}`: {rule}", registry.image), &hint::image_name(registry)),
        ProofFinding::NoClient(reason) => no_response::no_client(reason),
        ProofFinding::NoResponse(reason) => no_response::fact(registry, context, reason),
        ProofFinding::NotTriedAgain(earlier) => not_tried_again(registry, context, *earlier),
    }
}

/// The verdict of an earlier attempt with the same login, for another image or from another node.
fn not_tried_again(registry: &Registry, context: &MessageContext<'_>, earlier: EarlierAttempt) -> RegistryFact {
    let EarlierAttempt { image, fact: RegistryFact { verdict, cause, hint, .. } } = earlier;
    let cause = cause.unwrap_or_else(|| "no cause given".to_owned());
    // The password for this image may be set in another place than the password for the earlier one.
    let hint = hint.filter(|_| verdict != Verdict::Refused).unwrap_or_else(|| hint::refused(registry, &context.host));
    let fact = new_fact(verdict, format!("not tried again, {} for `{image}`: {cause}", verdict.code()), hint);
    // The verdict was not observed for this image, and the output must not suggest that it was.
    RegistryFact { evidence: Evidence::Remembered, ..fact }
}

fn judged(
    registry: &Registry,
    context: &MessageContext<'_>,
    verdict: Verdict,
    login: LoginEvidence,
    response: &HttpResponse,
) -> RegistryFact {
    let (host, user) = (&context.host, &registry.user);
    match (verdict, login) {
        (Verdict::Refused, LoginEvidence::Anonymous) => {
            // With an anonymous token, a success shows only that the image is public.
            let shown = response.status.is_success() && registry.test_login != TestLogin::LoginOnly;
            let public = if shown { "; the image can be pulled without a login" } else { "" };
            let cause = format!(
                "{}: the token server issued an anonymous token, so it rejected `{user}`{public}",
                context.response(response)
            );
            new_fact(verdict, cause, hint::refused(registry, host))
        }
        // Some token servers issue a token for every password, and only the registry checks it.
        (Verdict::Refused, LoginEvidence::TokenIssued) => new_fact(
            verdict,
            format!("{}: `{user}` received a token, which the registry does not accept", context.response(response)),
            hint::token_not_accepted(registry, host),
        ),
        (Verdict::Refused, _) => new_fact(verdict, context.response(response), hint::refused(registry, host)),
        (Verdict::NotProved, _) => new_fact(
            verdict,
            format!("{}: {} without requiring a credential", context.request(&response.line), status(response)),
            hint::private_image(registry),
        ),
        (Verdict::NoPermission, _) => {
            new_fact(verdict, context.response(response), hint::permission(registry, host, login))
        }
        (Verdict::NotFound, _) => {
            new_fact(verdict, context.response(response), hint::missing_image(registry, host, login))
        }
        _ => RegistryFact::new(verdict),
    }
}

fn public(
    registry: &Registry,
    context: &MessageContext<'_>,
    login: LoginEvidence,
    anonymous: &HttpResponse,
) -> RegistryFact {
    let request = context.request(&anonymous.line);
    let login = match login {
        LoginEvidence::Accepted => format!("; the login of `{}` was accepted", registry.user),
        _ => String::new(),
    };
    let status = status(anonymous);
    let cause = format!("{request}: {status} without a password, too: everyone can pull this image{login}");
    new_fact(Verdict::NotProved, cause, hint::private_image(registry))
}

fn unexpected_status(registry: &Registry, context: &MessageContext<'_>, response: &HttpResponse) -> RegistryFact {
    let (cause, RequestLine { url, recipient, .. }) = (context.response(response), &response.line);
    let role = role(context.other_server(url, *recipient).as_ref());
    match response.status.as_u16() {
        // Only a proxy sends this status. It may be one on the network path that this program does not know.
        407 => new_fact(Verdict::Proxy, cause, hint::proxy_login(registry, url, &context.hop(url))),
        429 => new_fact(Verdict::RateLimited, cause, hint::rate_limited(response.retry_after())),
        500..=599 => new_fact(
            Verdict::RegistryError,
            cause,
            format!("the {role} has an internal error: try again later, or contact its operator"),
        ),
        _ => new_fact(
            Verdict::RegistryError,
            cause,
            format!(
                "is `{}` a {role}? a proxy, firewall or login page may have responded instead",
                context.server(url)
            ),
        ),
    }
}
