//! How requests and answers are told to people. Foreign text is scrubbed of secrets, put on one line and kept
//! short; our own words are not scrubbed, since a mask in a known sentence would show which word a password is.

use oci_distribution::errors::OciEnvelope;
use reqwest::Url;
use serde_json::Value;

use super::certificates;
use super::challenge::{Challenge, challenges};
use super::client::Way;
use super::proxy::Via;
use super::realm;
use super::reference::{self, Target};
use super::wire::{Answer, Asked, Place, without_user};
use crate::desired::{Registry, TestLogin};
use crate::facts::OtherServer;
use crate::failure::single_line;

/// The words for one inspection.
pub(super) struct Words<'a> {
    pub scrub: &'a dyn Fn(&str) -> String,
    /// `host[:port]` that is contacted.
    pub host: String,
    /// The folder for the registry's certificates, `/` included: the one that counts, or the machine's own.
    pub certificates: String,
    way: Option<&'a Way>,
    /// The path of the test image's manifest.
    manifest: String,
}

impl<'a> Words<'a> {
    /// `way` is how the registry was asked, if it was.
    pub fn new(registry: &Registry, way: Option<&'a Way>, scrub: &'a dyn Fn(&str) -> String) -> Self {
        let (host, manifest) = match Target::parse(&registry.image) {
            Ok(target) if registry.test_login != TestLogin::LoginOnly => (target.host.clone(), target.manifest_path()),
            _ => (reference::contacted(registry), String::new()),
        };
        let folder = way
            .and_then(|way| way.certificates.clone())
            .unwrap_or_else(|| certificates::machines(registry.host.split('/').next().unwrap_or_default()));
        Self { scrub, host, certificates: format!("{}/", folder.display()), way, manifest }
    }

    /// What stands between here and the server of `url`.
    pub fn via(&self, url: &Url) -> Via {
        self.way.map_or(Via::Nothing, |way| way.via(url))
    }

    /// Text that a server chose.
    pub fn foreign(&self, text: &str) -> String {
        // A secret may hide behind control characters, or be one line only without them: scrub before and after.
        (self.scrub)(&single_line(&(self.scrub)(text)))
    }

    /// The server of `url`, if it is not the registry itself that was `asked`.
    pub fn other_server(&self, url: &Url, asked: Asked) -> Option<OtherServer> {
        if self.is_registry(url) {
            return None;
        }
        Some(match asked {
            Asked::TokenServer => OtherServer::TokenServer(self.server(url)),
            Asked::Registry => OtherServer::RedirectTarget(self.server(url)),
        })
    }

    /// `host[:port]` of a URL.
    pub fn server(&self, url: &Url) -> String {
        let server = realm::authority(url);
        if self.is_registry(url) { server } else { self.foreign(&server) }
    }

    /// Whatever the scheme: an insecure registry speaks plain HTTP at its port of HTTPS.
    fn is_registry(&self, url: &Url) -> bool {
        realm::is_of(url, &self.host, "https")
    }

    /// `GET https://quay.io/v2/auth`.
    pub fn place(&self, place: &Place) -> String {
        format!("{} {}", place.method, self.url(&place.url))
    }

    /// A URL without query, fragment and user, all of which may hold a credential.
    pub fn url(&self, url: &Url) -> String {
        let mut shown = without_user(url.clone());
        shown.set_query(None);
        shown.set_fragment(None);
        let ours = url.path() == "/v2/" || url.path() == self.manifest;
        if ours { shown.into() } else { self.foreign(shown.as_str()) }
    }

    /// `GET https://quay.io/v2/auth: 401 UNAUTHORIZED: invalid username or password`.
    pub fn seen(&self, answer: &Answer) -> String {
        let said = match envelope(&answer.body) {
            Some((code, message)) => {
                format!("{} {}{}", answer.status.as_u16(), self.foreign(&code), self.behind(&message))
            }
            None => format!("{}{}", status(answer), self.behind(&message(answer))),
        };
        let reason = challenges(&answer.headers).into_iter().find_map(|challenge| match challenge {
            Challenge::Bearer(bearer) => bearer.error,
            Challenge::Basic | Challenge::Other(_) => None,
        });
        format!("{}: {said}{}", self.place(&answer.place), self.behind(&reason.unwrap_or_default()))
    }

    /// The schemes that a registry asked for and nobody here speaks.
    pub fn schemes(&self, found: &[Challenge]) -> String {
        let names: Vec<String> = found
            .iter()
            .filter_map(|challenge| match challenge {
                Challenge::Other(name) => Some(format!("`{}`", self.foreign(name))),
                Challenge::Basic | Challenge::Bearer(_) => None,
            })
            .collect();
        match names.as_slice() {
            [] => "401 without a challenge".to_owned(),
            names => format!("401 asks for {}", names.join(", ")),
        }
    }

    fn behind(&self, text: &str) -> String {
        let text = self.foreign(text);
        if text.is_empty() { text } else { format!(": {text}") }
    }
}

/// `401 Unauthorized`.
pub(super) fn status(answer: &Answer) -> String {
    format!("{} {}", answer.status.as_u16(), answer.status.canonical_reason().unwrap_or_default()).trim_end().to_owned()
}

/// What the server of a place is called.
pub(super) fn kind(elsewhere: Option<&OtherServer>) -> &'static str {
    match elsewhere {
        None => "registry",
        Some(OtherServer::TokenServer(_)) => "token server",
        Some(OtherServer::RedirectTarget(_)) => "server",
    }
}

/// How often something was tried, if it was more than once.
pub(super) fn tried(tries: u32) -> String {
    if tries > 1 { format!(" (tried {tries} times)") } else { String::new() }
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
    let plain = answer.content_type() == "text/plain";
    if plain { answer.body.clone() } else { String::new() }
}
