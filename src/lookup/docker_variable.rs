//! `DOCKER_AUTH_CONFIG`, which docker reads since version 28.3 (`parseEnvConfig` in cli/config/configfile of
//! github.com/docker/cli). Its entries take precedence over the file and over credential helpers. If it contains
//! anything but entries with an `auth`, docker shows an error and ignores it.

use indexmap::IndexMap;
use serde_json::value::RawValue;

use super::consumer_content::{self, DecodedAuth};
use super::containers::difference;
use super::{
    Candidate, CredentialKind, DOCKER_AUTH_CONFIG, EntrySource, LookupResult, UnusedEntry, UnusedReason,
    similar_entries,
};
use crate::desired::Image;
use crate::dockerconfig::{HUB, HUB_KEY, is_hub, mask};
use crate::go::{self, Member, Padding};
use crate::secret::Secret;

/// The user of the entry that docker uses for the registry `host`; `None` if the variable has no entry for it.
pub fn variable_user(variable: &Secret, host: &str) -> Option<String> {
    let wanted = if host == HUB || is_hub(host) { HUB_KEY } else { host };
    Some(parse(variable.expose()).ok()?.swap_remove(wanted)?.user)
}

/// Adds the variable to `result`, which is docker's result without it.
pub(super) fn prefer(image: &Image, variable: &Secret, wanted: &str, result: &mut LookupResult) {
    let source = EntrySource::Variable(DOCKER_AUTH_CONFIG);
    let unused = |key, user, reason| UnusedEntry { source: source.clone(), key, user, reason };
    let entries = match parse(variable.expose()) {
        Ok(entries) => entries,
        Err(why) => {
            result.unused.push(unused(None, None, UnusedReason::Corrupt(format!("docker ignores it, because {why}"))));
            return;
        }
    };
    for (key, DecodedAuth { user, .. }) in entries {
        if key == wanted {
            let without = std::mem::take(result);
            let replaced = without.credentials.into_iter().map(replaced);
            // A file that docker cannot load has no effect either, because the entry is found without it.
            result.unused = replaced.chain(without.unused).collect();
            let kind = CredentialKind::Login { user };
            result.credentials = vec![Candidate { source: source.clone(), key: Some(key), kind }];
        } else if similar_entries::is_similar(&key, image) {
            // Unlike in the file, host names are not compared: only the exact key is found.
            let reason = match difference(&key, wanted) {
                UnusedReason::Port if !image.is_of_hub() => UnusedReason::Port,
                _ => UnusedReason::Host(wanted.to_owned()),
            };
            result.unused.push(unused(Some(key), Some(user), reason));
        }
    }
}

/// What docker would use without the variable.
fn replaced(mut found: Candidate) -> UnusedEntry {
    if let CredentialKind::Helper { .. } = found.kind {
        found.key = Some(found.key.map_or_else(|| "credsStore".to_owned(), |host| format!("credHelpers[{host}]")));
    }
    found.unused(UnusedReason::Environment(DOCKER_AUTH_CONFIG))
}

/// The entries by their keys.
///
/// # Errors
/// Why docker ignores the variable, without any value.
fn parse(text: &str) -> Result<IndexMap<String, DecodedAuth>, String> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    let root = match values.next() {
        // An empty text is not an error for docker's decoder.
        None => return Ok(IndexMap::new()),
        Some(root) => root.map_err(|error| not_valid(&error))?,
    };
    let rest = text[values.byte_offset()..].trim_start_matches([' ', '\t', '\r', '\n']);
    // `Decoder.More` of Go does not report these two characters.
    if !rest.is_empty() && !rest.starts_with([']', '}']) {
        return Err("it has more than one JSON value".to_owned());
    }
    // An entry that occurs twice replaces the first one, whose `auth` is not decoded then.
    let mut auths: IndexMap<String, Secret> = IndexMap::new();
    for value in values_of(root, "auths")? {
        // A second member with this name adds its entries to those of the first one, except `null`.
        if value.get() == "null" {
            auths.clear();
        }
        for (key, entry) in members(&value)? {
            let mut auth = String::new();
            for value in values_of(&entry, "auth")? {
                let text: Option<String> = serde_json::from_str(value.get()).map_err(|error| not_valid(&error))?;
                auth = text.unwrap_or(auth);
            }
            auths.insert(key, Secret::new(auth));
        }
    }
    let decoded = auths.into_iter().map(|(key, auth)| {
        let decoded = match consumer_content::decode(auth.expose(), Padding::Required) {
            _ if auth.expose().is_empty() => return Err(format!("`{}` has no `auth`", mask(&key))),
            Ok(Some(decoded)) if decoded.user.is_empty() => Err("base64 without a user"),
            Ok(Some(decoded)) => Ok(decoded),
            Ok(None) => Err("base64 without a colon"),
            Err(what) => Err(what),
        };
        let decoded = decoded.map_err(|what| format!("the `auth` of `{}` is {what}", mask(&key)))?;
        Ok((key, decoded))
    });
    decoded.collect()
}

/// The values of the members with this name.
///
/// # Errors
/// If there is any other member.
fn values_of(object: &RawValue, name: &str) -> Result<Vec<Box<RawValue>>, String> {
    let value = |(written, value): Member| {
        if go::same_member(&written, name) { Ok(value) } else { Err(unknown(&written)) }
    };
    members(object)?.into_iter().map(value).collect()
}

fn members(object: &RawValue) -> Result<Vec<Member>, String> {
    go::members(object.get().as_bytes()).map_err(|error| not_valid(&error))
}

fn not_valid(error: &serde_json::Error) -> String {
    // The text of the error may quote a value, which may be a password.
    match error.classify() {
        serde_json::error::Category::Data => "a value has the wrong type".to_owned(),
        _ => format!("it is not valid JSON at line {}, column {}", error.line(), error.column()),
    }
}

fn unknown(name: &str) -> String {
    format!("it may only have `auths` with an `auth` for each registry, and not `{}`", mask(name).escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_is_parsed_as_strictly_as_docker_does() {
        let users = |text: &str| {
            parse(text).map(|entries| entries.into_iter().map(|(key, login)| format!("{key} {}", login.user)).collect())
        };
        let found: Result<Vec<String>, _> = users(r#" {"AUTHS":{"quay.io":{"Auth":"YTpi"}}}} "#);
        assert_eq!(found, Ok(vec!["quay.io a".to_owned()]));
        for empty in ["", " \n", "null", "{}", r#"{"auths":null}"#] {
            assert_eq!(users(empty), Ok(Vec::new()), "{empty}");
        }
        for (text, why) in [
            ("{", "not valid JSON at line 1, column 1"),
            ("[]", "wrong type"),
            (r#"{"auths":{"r":{"auth":7}}}"#, "wrong type"),
            (r#"{"auths":{}} {}"#, "more than one JSON value"),
            (r#"{"auths":{},"credsStore":"x"}"#, "not `credsStore`"),
            (r#"{"auths":{"r":{"auth":"YTpi","me:hunter2":""}}}"#, "not `me:[redacted]`"),
            (r#"{"auths":{"r":{}}}"#, "`r` has no `auth`"),
            (r#"{"auths":{"r":null}}"#, "`r` has no `auth`"),
            (r#"{"auths":{"r":{"auth":"YTpi="}}}"#, "the `auth` of `r` is not base64"),
            (r#"{"auths":{"r":{"auth":"OmI="}}}"#, "base64 without a user"),
            (
                r#"{"auths":{"me:hunter2@r":{"auth":"YWI="}}}"#,
                "the `auth` of `me:[redacted]@r` is base64 without a colon",
            ),
        ] {
            let error = parse(text).err().unwrap();
            assert!(error.contains(why) && !error.contains("hunter2"), "{text}: {error}");
        }
    }

    #[test]
    fn a_registry_has_the_key_that_docker_writes() {
        let variable =
            Secret::new(r#"{"auths":{"https://index.docker.io/v1/":{"auth":"YTpi"},"quay.io":{"auth":"Yzpk"}}}"#);
        assert_eq!(variable_user(&variable, "docker.io").as_deref(), Some("a"));
        assert_eq!(variable_user(&variable, "quay.io").as_deref(), Some("c"));
        assert_eq!(variable_user(&variable, "ghcr.io"), None);
    }
}
