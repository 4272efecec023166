//! `config.json` and the content of a `kubernetes.io/dockerconfigjson` secret: parsed and merged without
//! losing anything. What is not ours is kept to the letter: unknown keys, other registries, `email`,
//! `credHelpers`, the order of keys, even the spelling of numbers.

mod read;

use indexmap::IndexMap;
use serde_json::value::RawValue;

pub use read::{Auth, AuthFile, Entry, Login, read};

use crate::secret::{Secret, SecretBytes, basic_auth};

/// A credential under its key in `auths`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Credential {
    /// The key: a registry host with optional port and path.
    pub key: String,
    /// The user name; holds no colon.
    pub user: String,
    /// The password or token.
    pub password: Secret,
    /// An OAuth2 refresh token, which docker and containers/image prefer to the password; the kubelet ignores it.
    pub identity_token: Option<Secret>,
    /// `email`, which no puller reads and OpenShift Cluster Manager does.
    pub email: Option<String>,
}

/// Members of a JSON object in source order.
type Members = IndexMap<String, Json>;

/// A value that is either the text it was, or ours.
#[derive(Clone)]
enum Json {
    Kept(Box<RawValue>),
    Text(Secret),
    Object(Members),
}

/// Who will read the merged file; it decides which members an entry of ours has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// The kubelet, CRI-O, docker or podman on a node: `auth`, and `username`/`password` where they stood before.
    Node,
    /// The API server's clients: `username`, `password` and `auth`, as `oc create secret docker-registry` writes them.
    PullSecret,
}

/// The result of a merge.
#[derive(Debug)]
pub struct Merged {
    /// The new bytes; `None` if nothing had to change.
    pub content: Option<SecretBytes>,
    /// What changed, by key, without values.
    pub changes: Vec<KeyChange>,
    /// What is kept although it makes a reader ignore our entries.
    pub shadows: Vec<Shadow>,
}

/// One changed key of `auths`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct KeyChange {
    /// The key in `auths`.
    pub key: String,
    /// Whether the key was there before.
    pub kind: ChangeKind,
    /// The declared registry this key is another spelling of (`https://host`, `host/v1/`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_as: Option<String>,
    /// Tokens removed from the entry, because they would win over the new password.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<&'static str>,
}

/// Whether a key is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// The key was not there.
    Added,
    /// The key was there with another credential.
    Updated,
}

/// A setting of docker and containers/image that makes them ask a helper program instead of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shadow {
    /// `credHelpers` names a helper for the registry.
    CredHelper {
        /// The registry host.
        host: String,
        /// The helper's suffix.
        helper: String,
    },
    /// `credsStore` names a helper for every registry.
    CredsStore {
        /// The helper's suffix.
        helper: String,
    },
}

impl std::fmt::Display for Shadow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CredHelper { host, helper } => write!(
                f,
                "`credHelpers` sends docker and podman to `docker-credential-{}` for `{host}`; they will not use the new entry",
                helper.escape_debug()
            ),
            Self::CredsStore { helper } => write!(
                f,
                "`credsStore` sends docker to `docker-credential-{}` for every registry; it will not use the new entries",
                helper.escape_debug()
            ),
        }
    }
}

/// Why a content cannot be merged into. It names members, never values.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParseError {
    /// Not JSON at all.
    #[error("not valid JSON at line {line}, column {column}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// JSON, but another type than an object.
    #[error("{0} is not a JSON object")]
    NotAnObject(String),
    /// A member stands twice, and readers do not agree which one counts: Go merges the objects, others take the last.
    #[error("{0} has a member twice")]
    Twice(String),
}

/// Members that hold a token docker or containers/image prefer to the password.
const TOKENS: [&str; 2] = ["identitytoken", "registrytoken"];

/// Puts `credentials` into `content` (`None`, empty or white space count as `{}`). A key that the kubelet
/// reads as the same registry gets the new credential as well.
///
/// # Errors
/// If the content, its `auths`, or an entry of ours is not a JSON object.
pub fn merge(content: Option<&[u8]>, credentials: &[Credential], reader: Reader) -> Result<Merged, ParseError> {
    let old = content.filter(|bytes| !bytes.trim_ascii().is_empty());
    let mut root = old.map_or_else(|| Ok(Members::new()), |bytes| parse_object(bytes, "the content"))?;
    let shadows = shadows(&root, credentials);
    let mut auths = object(root.get("auths"), "`auths`")?;
    let mut changes = Vec::new();
    for credential in credentials {
        let aliases: Vec<String> = auths
            .keys()
            .filter(|key| kubelet_key(key) == kubelet_key(&credential.key))
            .filter(|key| credentials.iter().all(|declared| declared.key != **key))
            .cloned()
            .collect();
        changes.extend(update(&mut auths, &credential.key, credential, reader)?);
        for alias in aliases {
            let change = update(&mut auths, &alias, credential, reader)?;
            changes.extend(change.map(|change| KeyChange { same_as: Some(credential.key.clone()), ..change }));
        }
    }
    if changes.is_empty() {
        return Ok(Merged { content: None, changes, shadows });
    }
    root.insert("auths".into(), Json::Object(auths));
    let mut text = Layout::of(old, reader).render(&Json::Object(root), 0);
    if old.is_some_and(|bytes| bytes.ends_with(b"\n")) {
        text.push('\n');
    }
    Ok(Merged { content: Some(SecretBytes::new(text.into_bytes())), changes, shadows })
}

/// Brings one entry to the credential; `None` if it had it already.
fn update(
    auths: &mut Members,
    key: &str,
    credential: &Credential,
    reader: Reader,
) -> Result<Option<KeyChange>, ParseError> {
    let kind = if auths.contains_key(key) { ChangeKind::Updated } else { ChangeKind::Added };
    let mut entry = object(auths.get(key), &format!("the entry `{key}` of `auths`"))?;
    let dropped: Vec<_> = TOKENS.into_iter().filter(|token| entry.shift_remove(*token).is_some()).collect();
    let mut changed = !dropped.is_empty();
    let user = Secret::new(credential.user.as_str());
    for (member, value) in [("username", &user), ("password", &credential.password)] {
        if reader == Reader::PullSecret || entry.contains_key(member) {
            changed |= set(&mut entry, member, value);
        }
    }
    changed |= set(&mut entry, "auth", &basic_auth(&credential.user, &credential.password));
    if !changed {
        return Ok(None);
    }
    auths.insert(key.to_owned(), Json::Object(entry));
    Ok(Some(KeyChange { key: key.to_owned(), kind, same_as: None, dropped }))
}

/// Sets a string member; says whether it had another value.
fn set(entry: &mut Members, member: &str, value: &Secret) -> bool {
    let same = text_of::<String>(entry.get(member)).is_some_and(|old| old == value.expose());
    if !same {
        entry.insert(member.to_owned(), Json::Text(value.clone()));
    }
    !same
}

/// How the kubelet reads a key of `auths`: without its scheme, and without a leading `/v1` or `/v2` of the
/// path (`BasicDockerKeyring.Add` in k8s.io/kubernetes/pkg/credentialprovider).
pub fn kubelet_key(key: &str) -> String {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let (host, path) = bare.split_at(bare.find('/').unwrap_or(bare.len()));
    let path = if path.starts_with("/v1/") || path.starts_with("/v2/") { &path[3..] } else { path };
    if path == "/" { host.to_owned() } else { format!("{host}{path}") }
}

/// Helpers that take the place of our entries.
fn shadows(root: &Members, credentials: &[Credential]) -> Vec<Shadow> {
    let helpers: IndexMap<String, String> = text_of(root.get("credHelpers")).unwrap_or_default();
    let mut found: Vec<Shadow> = Vec::new();
    for credential in credentials {
        let host = credential.key.split('/').next().unwrap_or_default();
        if let Some(helper) = helpers.get(host).filter(|helper| !helper.is_empty()) {
            let shadow = Shadow::CredHelper { host: host.to_owned(), helper: helper.clone() };
            if !found.contains(&shadow) {
                found.push(shadow);
            }
        }
    }
    if let Some(helper) = text_of::<String>(root.get("credsStore")).filter(|helper| !helper.is_empty()) {
        found.push(Shadow::CredsStore { helper });
    }
    found
}

/// A kept value as `T`; `None` if it is missing, ours, or of another type.
fn text_of<T: serde::de::DeserializeOwned>(value: Option<&Json>) -> Option<T> {
    match value? {
        Json::Kept(raw) => serde_json::from_str(raw.get()).ok(),
        Json::Text(_) | Json::Object(_) => None,
    }
}

/// A member as an object; a missing one is an empty object.
fn object(value: Option<&Json>, what: &str) -> Result<Members, ParseError> {
    match value {
        Some(Json::Kept(raw)) => parse_object(raw.get().as_bytes(), what),
        Some(Json::Object(members)) => Ok(members.clone()),
        Some(Json::Text(_)) | None => Ok(Members::new()),
    }
}

fn parse_object(bytes: &[u8], what: &str) -> Result<Members, ParseError> {
    let Pairs(pairs) = serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        // The text of a data error quotes the value, which may be a password.
        serde_json::error::Category::Data => ParseError::NotAnObject(what.to_owned()),
        _ => ParseError::Syntax { line: error.line(), column: error.column() },
    })?;
    let count = pairs.len();
    let members: Members = pairs.into_iter().map(|(key, raw)| (key, Json::Kept(raw))).collect();
    if members.len() == count { Ok(members) } else { Err(ParseError::Twice(what.to_owned())) }
}

/// The members of an object as they stand, the same key as often as it stands.
struct Pairs(Vec<(String, Box<RawValue>)>);

impl<'de> serde::Deserialize<'de> for Pairs {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// How the file is laid out; what we write follows what stood there.
#[derive(Debug, Clone, Copy)]
enum Layout {
    Compact,
    Tabs,
    Spaces(usize),
}

impl Layout {
    /// The layout of the old content; for a new one docker's (tabs) on a node and oc's (compact) in a secret.
    fn of(old: Option<&[u8]>, reader: Reader) -> Self {
        let Some(bytes) = old else {
            return match reader {
                Reader::Node => Self::Tabs,
                Reader::PullSecret => Self::Compact,
            };
        };
        let body = bytes.trim_ascii();
        let Some(line) = body.iter().position(|byte| *byte == b'\n') else { return Self::Compact };
        match body[line + 1..].iter().take_while(|byte| **byte == b' ').count() {
            0 => Self::Tabs,
            width => Self::Spaces(width),
        }
    }

    fn render(self, value: &Json, depth: usize) -> String {
        let members = match value {
            Json::Kept(raw) => return raw.get().to_owned(),
            Json::Text(text) => return json_string(text.expose()),
            Json::Object(members) if members.is_empty() => return "{}".to_owned(),
            Json::Object(members) => members,
        };
        let (unit, gap) = match self {
            Self::Compact => (None, ""),
            Self::Tabs => (Some("\t".to_owned()), " "),
            Self::Spaces(width) => (Some(" ".repeat(width)), " "),
        };
        let line = |depth: usize| unit.as_ref().map_or_else(String::new, |unit| format!("\n{}", unit.repeat(depth)));
        let items: Vec<_> = members
            .iter()
            .map(|(key, value)| {
                format!("{}{}:{gap}{}", line(depth + 1), json_string(key), self.render(value, depth + 1))
            })
            .collect();
        format!("{{{}{}}}", items.join(","), line(depth))
    }
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
