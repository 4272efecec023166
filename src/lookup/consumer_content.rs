//! Parses a credential file as each consumer does, with the consumer's rules for JSON and base64. A member that the
//! consumer reads must have the right type; otherwise, the consumer rejects the file. Unknown members are ignored.

use indexmap::IndexMap;
use serde_json::value::RawValue;

use crate::dockerconfig::{Format, mask};
use crate::go::{self, Member, Padding};
use crate::secret::Secret;

/// What a consumer reads. The names are compared as Go compares them.
struct Shape {
    /// Members of an entry, which are texts.
    entry: &'static [&'static str],
    /// Members of the file that map names to texts.
    maps: &'static [&'static str],
    /// Members of the file that are texts.
    texts: &'static [&'static str],
}

/// `DockerConfigJSON` and `dockerConfigEntryWithAuth` in pkg/credentialprovider.
const KUBELET: Shape = Shape { entry: &["auth", "username", "password", "email"], maps: &["HttpHeaders"], texts: &[] };

/// `dockerConfigFile` and `dockerAuthConfig` in pkg/docker/config.
const CONTAINERS: Shape = Shape { entry: &["auth", "identitytoken"], maps: &["credHelpers"], texts: &[] };

/// The most important members of `ConfigFile`, and `AuthConfig`, in cli/config.
const DOCKER: Shape = Shape {
    entry: &["auth", "username", "password", "email", "serveraddress", "identitytoken", "registrytoken"],
    maps: &["credHelpers", "HttpHeaders"],
    texts: &["credsStore"],
};

/// Texts that may be secrets, by the names of their members.
type Texts = IndexMap<&'static str, Secret>;

/// The members of an entry that the consumer reads.
#[derive(Default)]
pub(super) struct ConsumerEntry(Texts);

impl ConsumerEntry {
    /// The text of a member. A missing member is an empty text.
    pub(super) fn text(&self, member: &str) -> &str {
        self.0.get(member).map_or("", Secret::expose)
    }
}

/// A parsed `config.json`.
#[derive(Default)]
pub(super) struct Config {
    /// The entries by their keys, as written.
    pub auths: IndexMap<String, ConsumerEntry>,
    pub cred_helpers: IndexMap<String, String>,
    pub creds_store: String,
}

/// Parses a file as the kubelet does.
///
/// # Errors
/// What is wrong with the file, without any value of it.
pub(super) fn kubelet(bytes: &[u8], format: Format) -> Result<Config, String> {
    parse(bytes, format, &KUBELET)
}

/// Parses a file as containers/image does.
///
/// # Errors
/// What is wrong with the file, without any value of it.
pub(super) fn containers(bytes: &[u8], format: Format) -> Result<Config, String> {
    parse(bytes, format, &CONTAINERS)
}

/// Parses a file as docker does.
///
/// # Errors
/// What is wrong with the file, without any value of it.
pub(super) fn docker(bytes: &[u8]) -> Result<Config, String> {
    // For a file with only white space, docker's decoder reports the end of the stream, which docker treats as an empty
    // file.
    if bytes.trim_ascii().is_empty() { Ok(Config::default()) } else { parse(bytes, Format::Config, &DOCKER) }
}

fn parse(bytes: &[u8], format: Format, shape: &Shape) -> Result<Config, String> {
    if bytes.trim_ascii().is_empty() {
        return Err("it is empty".to_owned());
    }
    let root = go::members(bytes).map_err(|error| match error.classify() {
        // The text of the error may quote a value, which may be a password, so only its kind is used.
        serde_json::error::Category::Data => wrong_type("the content"),
        _ => format!("not valid JSON at line {}, column {}", error.line(), error.column()),
    })?;
    let mut config = Config::default();
    if format == Format::Legacy {
        config.add_entries(&root, shape)?;
        return Ok(config);
    }
    for (name, value) in &root {
        let is = |member: &str| go::same_member(name, member);
        if is("auths") {
            match null_or_members(value, "`auths`")? {
                None => config.auths.clear(),
                Some(entries) => config.add_entries(&entries, shape)?,
            }
        } else if let Some(member) = shape.maps.iter().find(|member| is(member)) {
            config.add_texts(member, value)?;
        } else if let Some(member) = shape.texts.iter().find(|member| is(member)) {
            config.creds_store = text(value, || format!("`{member}`"))?.unwrap_or(config.creds_store);
        }
    }
    Ok(config)
}

impl Config {
    /// Go decodes an object into a map that already exists, so entries are added, and an entry with a known key replaces
    /// the one before.
    fn add_entries(&mut self, entries: &[Member], shape: &Shape) -> Result<(), String> {
        for (key, value) in entries {
            let place = || format!("the entry `{}`", mask(key));
            let mut texts = Texts::new();
            for (name, value) in null_or_members(value, &place())?.unwrap_or_default() {
                let Some(member) = shape.entry.iter().find(|member| go::same_member(&name, member)) else { continue };
                if let Some(text) = text(&value, || format!("`{member}` of {}", place()))? {
                    texts.insert(member, Secret::new(text));
                }
            }
            self.auths.insert(key.clone(), ConsumerEntry(texts));
        }
        Ok(())
    }

    fn add_texts(&mut self, member: &str, value: &RawValue) -> Result<(), String> {
        let place = || format!("`{member}`");
        let found = null_or_members(value, &place())?;
        let texts =
            found.iter().flatten().map(|(key, value)| Ok((key.clone(), text(value, place)?.unwrap_or_default())));
        let texts = texts.collect::<Result<Vec<_>, String>>()?;
        // The other maps are only checked, because the lookup does not need them.
        if member == "credHelpers" {
            if found.is_none() {
                self.cred_helpers.clear();
            }
            self.cred_helpers.extend(texts);
        }
        Ok(())
    }
}

/// The members of an object; `None` for `null`, which empties a map.
fn null_or_members(value: &RawValue, place: &str) -> Result<Option<Vec<Member>>, String> {
    let members = go::members(value.get().as_bytes()).map_err(|_| wrong_type(place))?;
    Ok((value.get() != "null").then_some(members))
}

/// A text; `None` for `null`, which leaves a text as it is.
fn text(value: &RawValue, place: impl Fn() -> String) -> Result<Option<String>, String> {
    serde_json::from_str(value.get()).map_err(|_| wrong_type(&place()))
}

fn wrong_type(place: &str) -> String {
    format!("a value of the wrong type: {place}")
}

/// A decoded `auth`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DecodedAuth {
    pub user: String,
    pub password: Secret,
}

/// Decodes an `auth`; `None` if it contains no colon.
///
/// # Errors
/// If it is not base64.
pub(super) fn decode(auth: &str, padding: Padding) -> Result<Option<DecodedAuth>, &'static str> {
    let bytes = go::decode_base64(auth, padding).ok_or("not base64")?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text
        .split_once(':')
        .map(|(user, password)| DecodedAuth { user: user.to_owned(), password: Secret::new(password) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded_as_each_consumer_does() {
        let user = |auth: &str, padding| decode(auth, padding).map(|decoded| decoded.map(|decoded| decoded.user));
        assert_eq!(user("YTpi\n", Padding::Required), Ok(Some("a".to_owned())));
        assert_eq!(user("YTpiYg", Padding::Optional), Ok(Some("a".to_owned())));
        assert_eq!(user("YTpiYg", Padding::Required), Err("not base64"));
        assert_eq!(user("YTpiYg==", Padding::Optional), Ok(Some("a".to_owned())));
        assert_eq!(user(" YTpi", Padding::Optional), Err("not base64"));
        assert_eq!(user("YWI=", Padding::Optional), Ok(None));
    }

    #[test]
    fn a_known_member_of_the_wrong_type_is_an_error_that_does_not_quote_it() {
        for (text, place) in [
            (r#"{"auths":{"r":{"username":{"hunter2":1}}}}"#, "`username` of the entry `r`"),
            (r#"{"auths":{"me:hunter2@r":{"Username":"hunter2","username":7}}}"#, "the entry `me:[redacted]@r`"),
            (r#"{"auths":{"r":"hunter2"}}"#, "the entry `r`"),
            (r#"{"Auths":"hunter2"}"#, "`auths`"),
            (r#""hunter2""#, "the content"),
        ] {
            let error = kubelet(text.as_bytes(), Format::Config).err().unwrap();
            assert!(error.starts_with("a value of the wrong type: ") && error.ends_with(place), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let text = br#"{"auths":{"r":{"username":{"hunter2":1}}}}"#;
        assert!(containers(text, Format::Config).is_ok(), "containers/image does not know the member");
    }
}
