//! The token server that a registry names as the realm of its Bearer challenge: whether a password may be sent there,
//! how a token is requested (distribution specification, `auth/token.md` and `auth/oauth.md`), and for which user it
//! was issued. The signature of a token is not verified, so its content can only weaken what a response proves, and
//! never strengthen it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::HeaderValue;
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::challenge::Bearer;
use super::failed_logins::LoginSecret;
use crate::desired::Registry;
use crate::facts::Verdict;
use crate::registry::http::permits::HostPermits;
use crate::registry::http::plain_http::{self, Scheme};
use crate::registry::http::request::{HttpRequest, HttpResponse, HttpSession, Recipient, RequestAuth, RequestLine};
use crate::registry::http::url::{authority, is_on_server, without_user};
use crate::registry::verdict::finding::ProofFinding;
use crate::registry::verdict::hint;
use crate::registry::verdict::status::LoginEvidence;
use crate::secret::{Secret, basic_auth};

/// The `client_id` with which identity tokens are exchanged.
const CLIENT_ID: &str = "oregano";

/// The URL of a token server.
#[derive(Debug)]
pub struct Realm {
    /// The URL to which the password may be sent.
    pub url: Url,
    /// The URL that the registry names, if that is plain HTTP and `url` is the same with HTTPS.
    pub plain_http: Option<Url>,
}

/// The token server of a registry.
pub struct TokenServer<'a> {
    pub realm: Realm,
    service: Option<&'a str>,
    registry: &'a Registry,
    session: &'a HttpSession,
    permits: &'a HostPermits,
}

/// A token, and the evidence about the login that it contains.
pub struct IssuedToken {
    pub auth: RequestAuth,
    pub secret: Secret,
    pub login: LoginEvidence,
    /// The member of the response that CRI-O, podman and docker cannot read.
    pub unreadable: Option<&'static str>,
}

/// The JSON of a token server. Some servers use one name for the token, some the other, some both. The members may have
/// types that the specification does not permit.
#[derive(Deserialize)]
struct TokenJson {
    token: Option<Value>,
    access_token: Option<Value>,
    expires_in: Option<Value>,
    issued_at: Option<Value>,
}

impl TokenJson {
    /// A server may send one of the two as an empty string.
    fn token(&self) -> Option<Secret> {
        let texts = [&self.token, &self.access_token].into_iter().flatten().filter_map(Value::as_str);
        texts.into_iter().find(|text| !text.is_empty()).map(Secret::new)
    }

    /// The first member that the Go types of containers/image and docker do not accept: they use `string`, `int` and
    /// `time.Time`.
    fn unreadable(&self) -> Option<&'static str> {
        let is_text = |value: &Value| value.is_string();
        let accepted = [
            ("token", self.token.as_ref().is_none_or(is_text)),
            ("access_token", self.access_token.as_ref().is_none_or(is_text)),
            ("expires_in", self.expires_in.as_ref().is_none_or(Value::is_i64)),
            ("issued_at", self.issued_at.as_ref().is_none_or(|value| value.as_str().is_some_and(is_rfc3339))),
        ];
        accepted.into_iter().find(|(_, accepted)| !accepted).map(|(name, _)| name)
    }
}

/// Whether Go reads the text as a time. Its rules are stricter than those of `jiff`, which also accepts a space for the
/// `T`, and offsets without a colon.
fn is_rfc3339(text: &str) -> bool {
    let offset =
        text.ends_with('Z') || text.get(text.len().saturating_sub(3)..).is_some_and(|end| end.starts_with(':'));
    text.as_bytes().get(10) == Some(&b'T') && offset && text.parse::<jiff::Timestamp>().is_ok()
}

/// The one claim of a JSON Web Token that is read.
#[derive(Deserialize)]
struct TokenClaims {
    sub: Option<Value>,
}

/// The token server, if a password may be sent there. A realm without HTTPS is contacted with HTTPS where TLS must be
/// verified, and where the registry at `root` itself is contacted with HTTPS: registries behind a proxy that terminates
/// TLS often name the wrong scheme.
pub fn checked_realm(realm: &str, registry: &Registry, root: &Url) -> Result<Realm, ProofFinding> {
    let url = Url::parse(realm).map_err(|_| ProofFinding::InvalidRealm(realm.to_owned()))?;
    let is_root = || plain_http::with_tls(url.clone()).origin() == root.origin();
    let (url, plain_http) = match plain_http::check(&url, registry.tls) {
        Scheme::Allowed if url.scheme() == "https" || !is_root() => (url, None),
        Scheme::Allowed | Scheme::PlainHttp => (plain_http::with_tls(url.clone()), Some(without_user(url))),
        Scheme::Unsupported => return Err(ProofFinding::InvalidRealm(realm.to_owned())),
    };
    match &registry.auth_server {
        // `auth_server` limits where the password may go, so a different realm is an error and not only a warning.
        Some(named) if !is_on_server(&url, named, url.scheme()) => Err(ProofFinding::UndeclaredRealm(url)),
        // The HTTP client would send a login in the URL instead of the credential of the registry.
        _ => Ok(Realm { url: without_user(url), plain_http }),
    }
}

/// The warning that the user must see before the password of the registry at `root` is sent to `realm`. Setting
/// `auth_server` suppresses the warning about a foreign domain, but not the one about plain HTTP. `scrub` removes
/// secrets from text that the registry chose.
pub fn password_warning(
    realm: &Url,
    root: &Url,
    registry: &Registry,
    scrub: &dyn Fn(&str) -> String,
) -> Option<String> {
    let secret = if registry.identity_token.is_some() { "identity token" } else { "password" };
    let (host, user) = (scrub(&authority(realm)), &registry.user);
    let intended = hint::auth_server(registry)
        .map(|setting| format!(" (if this is intended, name the server in {setting})"))
        .unwrap_or_default();
    // A password usually stays within the domain of its registry. A realm elsewhere is legal but may be an attack.
    let expected = registry.auth_server.is_some() || domain(realm) == domain(root);
    let how = match (expected, realm.scheme() == "http") {
        (true, false) => return None,
        (true, true) => {
            format!("over plain HTTP to its token server `{host}`: anyone on the network path can read it")
        }
        (false, true) => format!(
            "to the token server `{host}` of another domain, over plain HTTP: anyone on the network path can read \
             it{intended}"
        ),
        (false, false) => format!("to the token server `{host}` of another domain{intended}"),
    };
    Some(format!("registry `{}` has the {secret} of user `{user}` sent {how}", authority(root)))
}

/// The registrable domain (public suffix list); for an IP address, or a name without a domain, the host itself.
fn domain(url: &Url) -> &str {
    let host = url.host_str().unwrap_or_default();
    // Without the public suffix list, all names below `co.uk` or `github.io` would count as one domain.
    url.domain().and_then(|name| psl::domain_str(name.trim_end_matches('.'))).unwrap_or(host)
}

impl<'a> TokenServer<'a> {
    /// The server that the challenge names; an error if the password must not be sent there.
    pub fn of(
        bearer: &'a Bearer,
        root: &Url,
        registry: &'a Registry,
        session: &'a HttpSession,
        permits: &'a HostPermits,
    ) -> Result<Self, ProofFinding> {
        let realm = checked_realm(&bearer.realm, registry, root)?;
        Ok(Self { realm, service: bearer.service.as_deref(), registry, session, permits })
    }

    /// Requests a token with the credential: the only request that carries it to a token server.
    pub async fn issue(&self, secret: LoginSecret, scopes: &[String]) -> Result<IssuedToken, ProofFinding> {
        let result = self.try_issue(secret, scopes).await;
        match (&self.realm.plain_http, result) {
            // The registry does not name this URL, so a failure must not look like a fault of its server.
            (Some(named), Err(finding)) if finding.is_no_token_server() => {
                Err(ProofFinding::PlainHttpRealm { realm: named.clone(), with_tls: Box::new(finding) })
            }
            (_, result) => result,
        }
    }

    async fn try_issue(&self, secret: LoginSecret, scopes: &[String]) -> Result<IssuedToken, ProofFinding> {
        let _permit = self.permits.acquire(&authority(&self.realm.url)).await;
        let response = match (secret, &self.registry.identity_token) {
            (LoginSecret::IdentityToken, Some(identity)) => self.exchange(identity, scopes).await?,
            // `IdentityToken` is only a preference, so a registry without an identity token sends the password.
            _ => self.log_in(scopes).await?,
        };
        match response.status.as_u16() {
            200..=299 => read_token(response),
            // A token server only checks the credential, so each of these statuses means that the credential is
            // refused. GHCR responds to a wrong password with 403, ECR public and OAuth2 servers with 400.
            400 | 401 | 403 => {
                Err(ProofFinding::Judged { verdict: Verdict::Refused, login: LoginEvidence::CredentialSent, response })
            }
            // `send` does not follow redirects, because the target could receive the password.
            300..=399 => Err(ProofFinding::RealmRedirects(response)),
            _ => Err(ProofFinding::UnexpectedStatus(response)),
        }
    }

    /// Requests an anonymous token; `None` if the server issues none.
    pub async fn issue_anonymous(&self, scopes: &[String]) -> Option<IssuedToken> {
        let _permit = self.permits.acquire(&authority(&self.realm.url)).await;
        let request = request(Method::GET, self.query(scopes, None), RequestAuth::Anonymous);
        // Every failure means that the server issues no anonymous token, which is a valid configuration.
        read_token(self.session.send(&request).await.ok()?).ok()
    }

    async fn log_in(&self, scopes: &[String]) -> Result<Box<HttpResponse>, ProofFinding> {
        let url = self.query(scopes, Some(&self.registry.user));
        let auth = password_auth(self.registry)?;
        Ok(self.session.send(&request(Method::GET, url, auth)).await?)
    }

    /// Exchanges an identity token for a token.
    async fn exchange(&self, identity: &Secret, scopes: &[String]) -> Result<Box<HttpResponse>, ProofFinding> {
        // The members are those of the OAuth2 refresh token grant (distribution specification, `auth/oauth.md`).
        let mut form = vec![("grant_type", Secret::new("refresh_token")), ("client_id", Secret::new(CLIENT_ID))];
        form.extend(self.service.map(|service| ("service", Secret::new(service))));
        form.extend((!scopes.is_empty()).then(|| ("scope", Secret::new(scopes.join(" ")))));
        form.push(("refresh_token", identity.clone()));
        let request = request(Method::POST, self.realm.url.clone(), RequestAuth::IdentityToken(form));
        let response = self.session.send(&request).await?;
        match response.status.as_u16() {
            // The server knows no POST, so nothing is known about the credential, and the caller may try the password.
            404 | 405 => Err(ProofFinding::NoIdentityTokens(response)),
            _ => Ok(response),
        }
    }

    fn query(&self, scopes: &[String], account: Option<&str>) -> Url {
        let mut url = self.realm.url.clone();
        let mut query = url.query_pairs_mut();
        query.extend_pairs(self.service.map(|service| ("service", service)));
        query.extend_pairs(scopes.iter().map(|scope| ("scope", scope)));
        // `account` is optional in the specification, and an anonymous request leaves it out.
        query.extend_pairs(account.map(|account| ("account", account)));
        drop(query);
        url
    }
}

fn request(method: Method, url: Url, auth: RequestAuth) -> HttpRequest {
    HttpRequest { line: RequestLine { method, url, recipient: Recipient::TokenServer }, auth, accept: None }
}

/// User and password for a request.
pub fn password_auth(registry: &Registry) -> Result<RequestAuth, ProofFinding> {
    let value = authorization("Basic", &basic_auth(&registry.user, &registry.password));
    value.map(RequestAuth::Password).ok_or(ProofFinding::NotAHeader)
}

fn read_token(response: Box<HttpResponse>) -> Result<IssuedToken, ProofFinding> {
    let json = serde_json::from_str::<TokenJson>(&response.body).ok().filter(|_| response.status.is_success());
    let Some((secret, unreadable)) = json.and_then(|json| Some((json.token()?, json.unreadable()))) else {
        return Err(ProofFinding::NoToken(response));
    };
    let Some(value) = authorization("Bearer", &secret) else { return Err(ProofFinding::TokenIsNoHeader(response)) };
    Ok(IssuedToken { auth: RequestAuth::Token(value), login: evidence(secret.expose()), secret, unreadable })
}

/// The user that the subject of a JSON Web Token names. Harbor and quay.io issue anonymous tokens, too.
fn evidence(token: &str) -> LoginEvidence {
    match subject(token).as_deref() {
        // Token servers that issue anonymous tokens leave the subject empty or use this name.
        Some("" | "(anonymous)") => LoginEvidence::Anonymous,
        Some(_) => LoginEvidence::Accepted,
        None => LoginEvidence::TokenIssued,
    }
}

fn subject(token: &str) -> Option<String> {
    let mut parts = token.split('.');
    // A JSON Web Token has exactly three parts. Every other token is opaque and shows nothing about its user.
    let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    // Some servers add padding, which the RFC of JSON Web Tokens forbids.
    let payload = Zeroizing::new(URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?);
    let claims: TokenClaims = serde_json::from_slice(&payload).ok()?;
    claims.sub?.as_str().map(|subject| subject.trim().to_owned())
}

/// The value of an `Authorization` header, marked so that the HTTP client does not log it; `None` if the credential
/// contains characters that a header must not contain.
fn authorization(scheme: &str, credential: &Secret) -> Option<HeaderValue> {
    let text = Zeroizing::new(format!("{scheme} {}", credential.expose()));
    let mut value = HeaderValue::from_str(&text).ok()?;
    // The debug output of the HTTP client then shows `Sensitive` instead of the value.
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::Declaration;
    use crate::registry::tests::registry;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_warning_names_a_realm_of_another_domain_or_over_plain_http() {
        let cases = [
            ("https://registry.example.com:5000/v2/", "https://sso.example.com/t", None),
            ("https://registry-1.docker.io/v2/", "https://auth.docker.io/token", None),
            ("https://quay.io/v2/", "https://quay.io/v2/auth", None),
            ("https://127.0.0.1:5000/v2/", "https://127.0.0.1:5001/t", None),
            ("https://registry/v2/", "https://registry:5001/t", None),
            ("https://[::1]:5000/v2/", "https://[::1]/t", None),
            ("https://registry.redhat.io/v2/", "https://sso.redhat.com/t", Some("sso.redhat.com")),
            ("https://a.example.co.uk/v2/", "https://b.other.co.uk/t", Some("b.other.co.uk")),
            ("https://one.github.io/v2/", "https://two.github.io/t", Some("two.github.io")),
            ("https://registry/v2/", "https://sso/t", Some("sso")),
            ("https://127.0.0.1/v2/", "https://127.0.0.2:1/t", Some("127.0.0.2:1")),
            ("https://example.com/v2/", "https://example.com.evil.net/t", Some("example.com.evil.net")),
            ("http://registry.example.com/v2/", "http://sso.example.com/t", Some("plain HTTP")),
            ("http://registry.example.com/v2/", "http://sso.other.com/t", Some("another domain, over plain HTTP")),
        ];
        let mut registry = registry("registry.example.com", "right");
        for (root, realm, expected) in cases {
            registry.auth_server = None;
            let warning = password_warning(&url(realm), &url(root), &registry, &str::to_owned);
            assert_eq!(warning.is_some(), expected.is_some(), "{root} {realm}: {warning:?}");
            assert!(warning.unwrap_or_default().contains(expected.unwrap_or_default()), "{root} {realm}");
            for (declaration, setting) in [
                (Declaration::Entry, Some("name the server in `auth_server`")),
                (Declaration::Default, Some("name the server in `auth_server` of `oregano_oreg_auth`")),
                (Declaration::CommandLine, None),
            ] {
                let declared = Registry { declaration, ..registry.clone() };
                let warning = password_warning(&url(realm), &url(root), &declared, &str::to_owned).unwrap_or_default();
                // Setting the name of the server does not change that the password is sent over plain HTTP.
                let advised = setting.filter(|_| warning.contains(" of another domain"));
                assert!(warning.contains(advised.unwrap_or_default()), "{warning}");
                assert_eq!(warning.contains("auth_server"), advised.is_some(), "{warning}");
            }
            registry.auth_server = Some(authority(&url(realm)));
            let warning = password_warning(&url(realm), &url(root), &registry, &str::to_owned);
            assert_eq!(warning.is_some(), realm.starts_with("http:"), "{root} {realm}: {warning:?}");
            let warning = warning.unwrap_or_default();
            let names_server = warning.contains(" sent over plain HTTP to its token server `");
            assert!(warning.is_empty() || names_server, "{warning}");
            assert!(!warning.contains("another domain") && !warning.contains("auth_server"), "{warning}");
        }
    }

    #[test]
    fn only_the_declared_server_gets_the_password() {
        let cases = [
            ("sso.example.com", "https://sso.example.com/t", true),
            ("SSO.example.com:443", "https://sso.example.com/t", true),
            ("sso.example.com:8443", "https://sso.example.com:8443/t", true),
            ("sso.example.com", "https://sso.example.com:8443/t", false),
            ("sso.example.com", "https://other.example.com/t", false),
            ("sso.example.com", "https://sso.example.com@evil.net/t", false),
            ("not a host", "https://sso.example.com/t", false),
            ("", "https://sso.example.com/t", false),
        ];
        for (named, realm, allowed) in cases {
            let mut registry = registry("registry.example.com", "right");
            registry.auth_server = Some(named.to_owned());
            let checked = checked_realm(realm, &registry, &Url::parse("https://registry.example.com").unwrap());
            assert_eq!(checked.is_ok(), allowed, "{named} {realm}");
            assert!(allowed || matches!(checked, Err(ProofFinding::UndeclaredRealm(_))));
        }
    }

    #[test]
    fn a_token_shows_for_whom_it_was_issued() {
        use LoginEvidence::{Accepted, Anonymous, TokenIssued};
        let jwt = |payload: &str| format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(payload));
        let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
        let cases = [
            (jwt(r#"{"sub":"alice","access":[]}"#), Accepted),
            (jwt(r#"{"sub":"acme+robot"}"#), Accepted),
            (jwt(r#"{"sub":""}"#), Anonymous),
            (jwt(r#"{"sub":" "}"#), Anonymous),
            (jwt(r#"{"sub":"(anonymous)"}"#), Anonymous),
            (jwt(r#"{"sub":null}"#), TokenIssued),
            (jwt(r#"{"sub":7}"#), TokenIssued),
            (jwt(r#"{"access":[]}"#), TokenIssued),
            (jwt("[]"), TokenIssued),
            (jwt(&deep), TokenIssued),
            (jwt(r#"{"sub":"alice""#), TokenIssued),
            (jwt(r#"{"sub":"","sub":"alice"}"#), TokenIssued),
            ("e30.eyJzdWIiOiIifQ==.sig".to_owned(), Anonymous),
            ("e30.eyJzdWIiOiIifQ".to_owned(), TokenIssued),
            ("a.b.c.d".to_owned(), TokenIssued),
            ("..".to_owned(), TokenIssued),
            ("opensesame".to_owned(), TokenIssued),
        ];
        for (token, login) in cases {
            assert_eq!(evidence(&token), login, "{}", &token[..token.len().min(80)]);
        }
    }
}
