//! Tokens of a token server (distribution specification, `auth/token.md` and `auth/oauth.md`): how one is asked for,
//! and for whom it was issued. A token is read without being trusted: all it can do is lower what an answer proves.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::HeaderValue;
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::challenge::Bearer;
use super::diagnosis::Finding;
use super::judgement::Login;
use super::lanes::Lanes;
use super::logins::Secrets;
use super::realm;
use super::wire::{Answer, Asked, Carried, Place, Request, Wire};
use crate::desired::Registry;
use crate::facts::Verdict;
use crate::secret::{Secret, basic_auth};

/// The name under which identity tokens are turned into tokens.
const CLIENT: &str = "oregano";

/// Where a registry's tokens come from.
pub(super) struct TokenServer<'a> {
    pub url: Url,
    service: Option<&'a str>,
    registry: &'a Registry,
    wire: &'a Wire,
    lanes: &'a Lanes,
}

/// A token, and what it says of the login.
pub(super) struct Token {
    pub carried: Carried,
    pub secret: Secret,
    pub login: Login,
}

/// A token server's answer. Some name the token one way, some the other, some both.
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

/// The one claim that is read.
#[derive(Deserialize)]
struct Claims {
    sub: Option<Value>,
}

impl<'a> TokenServer<'a> {
    /// The server that the challenge names, if the password may go there.
    pub fn of(bearer: &'a Bearer, registry: &'a Registry, wire: &'a Wire, lanes: &'a Lanes) -> Result<Self, Finding> {
        let url = realm::checked(&bearer.realm, registry)?;
        Ok(Self { url, service: bearer.service.as_deref(), registry, wire, lanes })
    }

    /// Fetches a token with the credential: the one request that carries it to a token server.
    pub async fn issue(&self, secrets: Secrets, scopes: &[String]) -> Result<Token, Finding> {
        let _lane = self.lanes.enter(&realm::authority(&self.url)).await;
        let answer = match (secrets, &self.registry.identity_token) {
            (Secrets::IdentityToken, Some(identity)) => self.exchange(identity, scopes).await?,
            _ => self.log_in(scopes).await?,
        };
        match answer.status.as_u16() {
            200..=299 => received(answer),
            // GHCR says 403, and ECR public and OAuth2 400 for what is wrong.
            400 | 401 | 403 => Err(Finding::Judged { verdict: Verdict::Refused, login: Login::Presented, answer }),
            300..=399 => Err(Finding::RealmRedirects(answer)),
            _ => Err(Finding::Unexpected(answer)),
        }
    }

    /// A token as anybody gets it, if anybody gets one.
    pub async fn issue_to_anybody(&self, scopes: &[String]) -> Option<Token> {
        let _lane = self.lanes.enter(&realm::authority(&self.url)).await;
        let answer = self.wire.send(&request(Method::GET, self.query(scopes, None), Carried::Nothing)).await.ok()?;
        received(answer).ok()
    }

    async fn log_in(&self, scopes: &[String]) -> Result<Box<Answer>, Finding> {
        let url = self.query(scopes, Some(&self.registry.user));
        let carried = password(self.registry)?;
        Ok(self.wire.send(&request(Method::GET, url, carried)).await?)
    }

    /// Gives an identity token for a token.
    async fn exchange(&self, identity: &Secret, scopes: &[String]) -> Result<Box<Answer>, Finding> {
        let mut form = vec![("grant_type", Secret::new("refresh_token")), ("client_id", Secret::new(CLIENT))];
        form.extend(self.service.map(|service| ("service", Secret::new(service))));
        form.extend((!scopes.is_empty()).then(|| ("scope", Secret::new(scopes.join(" ")))));
        form.push(("refresh_token", identity.clone()));
        let answer = self.wire.send(&request(Method::POST, self.url.clone(), Carried::Form(form))).await?;
        match answer.status.as_u16() {
            404 | 405 => Err(Finding::NoOAuth(answer)),
            _ => Ok(answer),
        }
    }

    fn query(&self, scopes: &[String], account: Option<&str>) -> Url {
        let mut url = self.url.clone();
        let mut query = url.query_pairs_mut();
        query.extend_pairs(self.service.map(|service| ("service", service)));
        query.extend_pairs(scopes.iter().map(|scope| ("scope", scope)));
        query.extend_pairs(account.map(|account| ("account", account)));
        drop(query);
        url
    }
}

fn request(method: Method, url: Url, carried: Carried) -> Request {
    Request { place: Place { method, url, asked: Asked::TokenServer }, carried, accept: None }
}

/// User and password for a request.
pub(super) fn password(registry: &Registry) -> Result<Carried, Finding> {
    sensitive("Basic", &basic_auth(&registry.user, &registry.password)).map(Carried::Password)
}

fn received(answer: Box<Answer>) -> Result<Token, Finding> {
    let token = serde_json::from_str(&answer.body).ok().and_then(|TokenAnswer { token, access_token }| {
        [token, access_token].into_iter().flatten().find(|text| !text.is_empty()).map(Secret::new)
    });
    let Some(secret) = token.filter(|_| answer.status.is_success()) else { return Err(Finding::NoToken(answer)) };
    Ok(Token { carried: Carried::Token(sensitive("Bearer", &secret)?), login: issued_to(secret.expose()), secret })
}

/// For whom a token was issued, if it is a JWT and says so: Harbor and quay.io also give one to nobody.
fn issued_to(token: &str) -> Login {
    match subject(token).as_deref() {
        Some("" | "(anonymous)") => Login::Nobody,
        Some(_) => Login::Accepted,
        None => Login::Issued,
    }
}

fn subject(token: &str) -> Option<String> {
    let mut parts = token.split('.');
    let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    let payload = Zeroizing::new(URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?);
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    claims.sub?.as_str().map(|subject| subject.trim().to_owned())
}

/// The value of an `Authorization` header that no log of the HTTP client shows.
fn sensitive(scheme: &str, credential: &Secret) -> Result<HeaderValue, Finding> {
    let text = Zeroizing::new(format!("{scheme} {}", credential.expose()));
    let mut value = HeaderValue::from_str(&text).map_err(|_| Finding::NotAHeader)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn for_whom_a_token_was_issued() {
        let jwt = |payload: &str| format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(payload));
        let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
        let cases = [
            (jwt(r#"{"sub":"alice","access":[]}"#), Login::Accepted),
            (jwt(r#"{"sub":"acme+robot"}"#), Login::Accepted),
            (jwt(r#"{"sub":""}"#), Login::Nobody),
            (jwt(r#"{"sub":" "}"#), Login::Nobody),
            (jwt(r#"{"sub":"(anonymous)"}"#), Login::Nobody),
            (jwt(r#"{"sub":null}"#), Login::Issued),
            (jwt(r#"{"sub":7}"#), Login::Issued),
            (jwt(r#"{"access":[]}"#), Login::Issued),
            (jwt("[]"), Login::Issued),
            (jwt(&deep), Login::Issued),
            (jwt(r#"{"sub":"alice""#), Login::Issued),
            (jwt(r#"{"sub":"","sub":"alice"}"#), Login::Issued),
            ("e30.eyJzdWIiOiIifQ==.sig".to_owned(), Login::Nobody),
            ("e30.eyJzdWIiOiIifQ".to_owned(), Login::Issued),
            ("a.b.c.d".to_owned(), Login::Issued),
            ("..".to_owned(), Login::Issued),
            ("opensesame".to_owned(), Login::Issued),
        ];
        for (token, login) in cases {
            assert_eq!(issued_to(&token), login, "{}", &token[..token.len().min(80)]);
        }
    }
}
