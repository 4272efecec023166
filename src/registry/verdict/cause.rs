//! The text of causes: how they name requests and responses. Text from a server is scrubbed of secrets, put on one line
//! and shortened. Text of this program is not scrubbed, because a mask in a known sentence would reveal which word is a
//! password.

use oci_distribution::errors::OciEnvelope;
use reqwest::Url;
use serde_json::Value;

use crate::desired::{Registry, TestLogin};
use crate::facts::{OtherServer, RegistryFact, Verdict};
use crate::failure::{shorten, single_line};
use crate::registry::flow::challenge::{Challenge, challenges};
use crate::registry::http::certificates;
use crate::registry::http::client::RegistryClient;
use crate::registry::http::image_location::{ImageLocation, contacted_host};
use crate::registry::http::proxy::Hop;
use crate::registry::http::request::{HttpResponse, Recipient, RequestLine};
use crate::registry::http::url::{authority, is_on_server, without_user};

/// The values that the texts of one fact depend on.
pub struct MessageContext<'a> {
    pub scrub: &'a dyn Fn(&str) -> String,
    /// `host[:port]` that is contacted.
    pub host: String,
    /// The folder for certificates of the registry, with `/` at its end: the one that is used, or else the folder of
    /// the machine.
    pub certificates: String,
    client: Option<&'a RegistryClient>,
    /// The path of the test image's manifest.
    manifest: String,
}

impl<'a> MessageContext<'a> {
    /// `client` is the client that sent the requests; `None` if none were sent.
    pub fn new(registry: &Registry, client: Option<&'a RegistryClient>, scrub: &'a dyn Fn(&str) -> String) -> Self {
        let (host, manifest) = match ImageLocation::parse(&registry.image) {
            Ok(image) if registry.test_login != TestLogin::LoginOnly => (image.host.clone(), image.manifest_path()),
            _ => (contacted_host(registry), String::new()),
        };
        // A folder that exists is the only one that is read, so the hint must not name another one.
        let folder = client
            .and_then(|client| client.certificates.clone())
            .unwrap_or_else(|| certificates::machine_folder(registry.host.split('/').next().unwrap_or_default()));
        Self { scrub, host, certificates: format!("{}/", folder.display()), client, manifest }
    }

    /// What is between this machine and the server of `url`.
    pub fn hop(&self, url: &Url) -> Hop {
        self.client.map_or(Hop::Direct, |client| client.hop(url))
    }

    /// Text that a server chose.
    pub fn foreign(&self, text: &str) -> String {
        // The text is scrubbed twice: before control characters are removed, because a secret may contain a line break,
        // and afterwards, because control characters can hide a secret.
        (self.scrub)(&single_line(&(self.scrub)(text)))
    }

    /// The server of a request, if it is not the registry itself.
    pub fn other_server(&self, url: &Url, recipient: Recipient) -> Option<OtherServer> {
        if self.is_registry(url) {
            return None;
        }
        Some(match recipient {
            Recipient::TokenServer => OtherServer::TokenServer(self.server(url)),
            Recipient::Registry => OtherServer::RedirectTarget(self.server(url)),
        })
    }

    /// `host[:port]` of a URL, scrubbed.
    pub fn server(&self, url: &Url) -> String {
        let server = authority(url);
        if self.is_registry(url) { server } else { self.foreign(&server) }
    }

    /// The scheme does not matter: an insecure registry may use plain HTTP on its HTTPS port.
    fn is_registry(&self, url: &Url) -> bool {
        is_on_server(url, &self.host, "https")
    }

    /// `GET https://quay.io/v2/auth`.
    pub fn request(&self, line: &RequestLine) -> String {
        format!("{} {}", line.method, self.url(&line.url))
    }

    /// A URL without query, fragment and user, because each of them may contain a credential.
    pub fn url(&self, url: &Url) -> String {
        let mut shown = without_user(url.clone());
        shown.set_query(None);
        shown.set_fragment(None);
        // The paths that this program chose contain no secret, and scrubbing could damage them.
        let ours = url.path() == "/v2/" || url.path() == self.manifest;
        if ours { shown.into() } else { self.foreign(shown.as_str()) }
    }

    /// `GET https://quay.io/v2/auth: 401 UNAUTHORIZED: invalid username or password`.
    pub fn response(&self, response: &HttpResponse) -> String {
        let text = match error_envelope(&response.body) {
            Some((code, message)) => {
                format!("{} {}{}", response.status.as_u16(), self.foreign(&code), self.after_colon(&message))
            }
            None => format!("{}{}", status(response), self.after_colon(&error_message(response))),
        };
        // Some registries give the reason only in the challenge, such as `insufficient_scope`.
        let reason = challenges(&response.headers).into_iter().find_map(|challenge| match challenge {
            Challenge::Bearer(bearer) => bearer.error,
            Challenge::Basic | Challenge::Other(_) => None,
        });
        format!("{}: {text}{}", self.request(&response.line), self.after_colon(&reason.unwrap_or_default()))
    }

    /// The unsupported schemes that a registry requires.
    pub fn schemes(&self, challenges: &[Challenge]) -> String {
        let names: Vec<String> = challenges
            .iter()
            .filter_map(|challenge| match challenge {
                Challenge::Other(name) => Some(format!("`{}`", self.foreign(name))),
                Challenge::Basic | Challenge::Bearer(_) => None,
            })
            .collect();
        match names.as_slice() {
            [] => "401 without a challenge".to_owned(),
            names => format!("401 requires {}", names.join(", ")),
        }
    }

    fn after_colon(&self, text: &str) -> String {
        let text = self.foreign(text);
        if text.is_empty() { text } else { format!(": {text}") }
    }
}

/// A fact with its cause, shortened to one line, and a hint.
pub fn fact(verdict: Verdict, cause: impl AsRef<str>, hint: impl Into<String>) -> RegistryFact {
    RegistryFact { cause: Some(shorten(cause.as_ref())), hint: Some(hint.into()), ..RegistryFact::new(verdict) }
}

/// The fact of the last of several tries. The number is added after the cause was shortened, so that it is never lost.
pub fn after_tries(fact: RegistryFact, tries: u32) -> RegistryFact {
    let times = if tries > 1 { format!(" (tried {tries} times)") } else { String::new() };
    RegistryFact { cause: fact.cause.map(|cause| cause + &times), ..fact }
}

/// `401 Unauthorized`.
pub fn status(response: &HttpResponse) -> String {
    let reason = response.status.canonical_reason().unwrap_or_default();
    format!("{} {reason}", response.status.as_u16()).trim_end().to_owned()
}

/// The name of the server of a request in messages.
pub fn role(other: Option<&OtherServer>) -> &'static str {
    match other {
        None => "registry",
        Some(OtherServer::TokenServer(_)) => "token server",
        Some(OtherServer::RedirectTarget(_)) => "server",
    }
}

/// Code and message of the distribution specification's error envelope.
fn error_envelope(body: &str) -> Option<(String, String)> {
    let envelope: OciEnvelope = serde_json::from_str(body).ok()?;
    // Registries send one error; more would make the line too long.
    let first = envelope.errors.into_iter().next()?;
    let code = serde_json::to_value(first.code).ok()?;
    Some((code.as_str()?.to_owned(), first.message))
}

/// The message of a response in JSON of another form, or in plain text; empty for a web page.
fn error_message(response: &HttpResponse) -> String {
    const MEMBERS: [&str; 7] = ["error_description", "message", "details", "detail", "error", "description", "title"];
    if let Ok(Value::Object(members)) = serde_json::from_str(&response.body) {
        // The order is a preference: the first names are the specific ones (OAuth2 sends `error` and
        // `error_description`).
        let text = MEMBERS.iter().find_map(|name| members.get(*name)?.as_str());
        return text.unwrap_or_default().to_owned();
    }
    // The text of a web page would be markup, which helps no reader.
    let plain = response.content_type() == "text/plain";
    if plain { response.body.clone() } else { String::new() }
}
