//! Parses the entries of a credential file: `config.json`, `auth.json`, or a legacy `.dockercfg`, which contains the
//! entries without `auths`. This file does not decide which entry a program uses for an image.

use indexmap::IndexMap;

use super::json::{self, Members, has, is_null, map, object, parse_content, spellings, text_of};
use super::{ParseError, entry_name};
use crate::go::{self, Padding};
use crate::secret::Secret;

/// The members that distinguish an entry of a `.dockercfg` from other members of a `config.json`.
const MEMBERS: [&str; 5] = ["auth", "username", "password", "email", "identitytoken"];

/// A parsed credential file.
#[derive(Debug, Clone)]
pub struct AuthFile {
    /// The entries of `auths` or of a `.dockercfg`, in their order.
    pub entries: Vec<Entry>,
    /// `credHelpers`: for each registry host, the suffix of the helper's program name.
    pub cred_helpers: IndexMap<String, String>,
    /// `credsStore`: the suffix of the program name of the helper for all registries.
    pub creds_store: Option<String>,
}

/// One entry.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key as written.
    pub key: String,
    /// The decoded `auth`.
    pub auth: Auth,
    /// `username` and `password`. Only the kubelet uses them if there is no `auth`.
    pub username: Option<String>,
    /// `password`: see `username`.
    pub password: Option<Secret>,
    /// `identitytoken`.
    pub identity_token: Option<Secret>,
    /// `email`.
    pub email: Option<String>,
}

/// The member `auth` of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// The member is missing or empty.
    Missing,
    /// `base64(user:password)`, split at the first colon.
    Login(Login),
    /// The value cannot be decoded. The text is the reason: `not text`, `not base64`, `not UTF-8`, or
    /// `base64 without a colon`.
    Unreadable(&'static str),
}

/// A user and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user. It contains no colon.
    pub user: String,
    /// The password, which may be empty.
    pub password: Secret,
}

/// Parses a file. An object without `auths`, `credHelpers` and `credsStore` is a `.dockercfg` if it has an entry with a
/// credential.
///
/// # Errors
/// If the content, its `auths`, or an entry is not a JSON object.
pub fn read(content: &[u8]) -> Result<AuthFile, ParseError> {
    let root = parse_content(content)?;
    // The name of the file is not known here, for example for a text in a secret, so the content determines the format.
    let auths = if is_legacy(&root) { root.clone() } else { map(&root, "auths")? };
    let entries = auths.iter().map(|(key, value)| {
        let members = object(value, &entry_name(key))?;
        Ok(entry(key, &members))
    });
    Ok(AuthFile {
        entries: entries.collect::<Result<_, ParseError>>()?,
        cred_helpers: cred_helpers(&root),
        creds_store: creds_store(&root),
    })
}

/// `credHelpers`: the suffix of the helper's program name by registry host. A value of another type is ignored, because
/// the entries can be used without it.
pub(super) fn cred_helpers(root: &Members) -> IndexMap<String, String> {
    let helpers = map(root, "credHelpers").unwrap_or_default();
    helpers.iter().filter_map(|(host, helper)| Some((host.clone(), text_of(helper)?))).collect()
}

/// `credsStore`; `None` if it is empty, which Go programs do not distinguish from a missing one.
pub(super) fn creds_store(root: &Members) -> Option<String> {
    json::text(root, "credsStore").filter(|helper| !helper.is_empty())
}

/// Whether these are the members of a `.dockercfg`.
pub(super) fn is_legacy(root: &Members) -> bool {
    // One of these members is enough, because a `config.json` that only names helpers has no `auths`.
    let modern = ["auths", "credHelpers", "credsStore"].iter().any(|name| has(root, name));
    let known = |members: &Members| MEMBERS.iter().any(|name| has(members, name));
    !modern && root.values().any(|value| object(value, "").is_ok_and(|members| known(&members)))
}

pub(super) fn entry(key: &str, members: &Members) -> Entry {
    // Go programs do not distinguish an empty member from a missing one.
    let text = |name: &str| json::text(members, name).filter(|text| !text.is_empty());
    let is_text = |value| is_null(value) || text_of(value).is_some();
    Entry {
        key: key.to_owned(),
        auth: if spellings(members, "auth").all(|(_, value)| is_text(value)) {
            text("auth").map_or(Auth::Missing, |auth| decode(&auth))
        } else {
            Auth::Unreadable("not text")
        },
        username: text("username"),
        password: text("password").map(Secret::new),
        identity_token: text("identitytoken").map(Secret::new),
        email: text("email"),
    }
}

fn decode(auth: &str) -> Auth {
    // The padding is optional, as for the kubelet: what is copied from such a file is written with padding.
    let Some(bytes) = go::decode_base64(auth, Padding::Optional) else { return Auth::Unreadable("not base64") };
    let Ok(text) = std::str::from_utf8(&bytes) else { return Auth::Unreadable("not UTF-8") };
    match text.split_once(':') {
        Some((user, password)) => Auth::Login(Login { user: user.to_owned(), password: Secret::new(password) }),
        None => Auth::Unreadable("base64 without a colon"),
    }
}

impl Entry {
    /// The user and password that the kubelet uses: from `auth`, or from `username` and `password` if there is no
    /// `auth`.
    pub fn login(&self) -> Option<Login> {
        match (&self.auth, &self.username, &self.password) {
            (Auth::Login(login), ..) => Some(login.clone()),
            (Auth::Missing, Some(user), Some(password)) => {
                Some(Login { user: user.clone(), password: password.clone() })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(text: &str) -> Vec<Entry> {
        read(text.as_bytes()).unwrap().entries
    }

    #[test]
    fn both_formats_are_parsed() {
        let modern = r#"{"auths":{"r":{"auth":"YTpiOmM=","email":"e"},"s":{"username":"u","password":"p"},"t":{}}}"#;
        let found = entries(modern);
        let login = |user: &str, password: &str| Login { user: user.into(), password: Secret::new(password) };
        assert_eq!(found[0].auth, Auth::Login(login("a", "b:c")));
        assert_eq!(found[0].email.as_deref(), Some("e"));
        assert_eq!((found[1].auth.clone(), found[1].login()), (Auth::Missing, Some(login("u", "p"))));
        assert_eq!(found[2].login(), None);
        let legacy = entries(r#"{"https://index.docker.io/v1/":{"auth":"YTpi","email":"e"}}"#);
        assert_eq!(legacy[0].auth, Auth::Login(login("a", "b")));
        assert!(entries("").is_empty() && entries("{}").is_empty());
    }

    #[test]
    fn errors_contain_the_reason_and_no_value() {
        for (auth, why) in [(r#""b3Blb=""#, "not base64"), (r#""YWI=""#, "base64 without a colon"), ("7", "not text")] {
            let found = entries(&format!(r#"{{"auths":{{"r":{{"auth":{auth}}}}}}}"#));
            assert_eq!(found[0].auth, Auth::Unreadable(why), "{auth}");
        }
        for entry in ["5", r#"{"auth":"YTpi","auth":"YTpi"}"#] {
            let error = read(format!(r#"{{"auths":{{"me:hunter2@r:9":{entry}}}}}"#).as_bytes()).unwrap_err();
            assert!(error.to_string().starts_with("the entry `me:[redacted]@r:9` of `auths` "), "{error}");
        }
        assert!(read(b"[]").is_err() && read(br#"{"auths":{"r":1}}"#).is_err());
    }
}
