//! The lossless merge: declared entries get their credential, and everything else remains unchanged.

use indexmap::IndexSet;

use super::entry_maps::{self, AUTHS, EntryMap};
use super::json::{self, Json, Members, has, object, parse_content, parse_object, spellings, text_of};
use super::keys::{host_of, is_same_registry, is_unfinished_spelling, mask, registry_key};
use super::layout::file_text;
use super::read::{cred_helpers, creds_store, entry, is_legacy};
use super::{
    Auth, ChangeKind, Credential, Format, KeyChange, Match, Merged, ParseError, Reader, Shadow, entry_name,
    matching_keys,
};
use crate::go;
use crate::secret::{Secret, basic_auth};

/// A token that docker and containers/image use instead of the password. A [`Credential`] may have one.
const IDENTITY: &str = "identitytoken";
/// A token that docker uses instead of the password. Declared credentials never have one.
const BEARER: &str = "registrytoken";

/// Merges `credentials` into `content`. `None`, an empty text, white space and `null` are treated as `{}`. If some program
/// treats another key as the same registry, that key gets the new credential too.
///
/// # Errors
/// If the content, its `auths`, or a declared entry is not a JSON object.
pub fn merge(content: Option<&[u8]>, credentials: &[Credential], reader: Reader) -> Result<Merged, ParseError> {
    let old = content.filter(|bytes| !json::is_empty(bytes));
    let mut root = parse_content(old.unwrap_or_default())?;
    // The helpers are read before the entries are taken out of `root`.
    let mut shadows = helpers(&root, credentials);
    let mut maps = entry_maps::take(&mut root, reader)?;
    let mut changes = Vec::new();
    for credential in credentials {
        let aliases: Vec<String> = keys(&maps)
            .into_iter()
            .filter(|key| is_alias(&maps, key, credential))
            // A key that is declared separately has its own credential, which must not be overwritten.
            .filter(|key| credentials.iter().all(|declared| declared.key != *key))
            .collect();
        changes.extend(update(&mut maps, &credential.key, credential, reader)?);
        for alias in aliases {
            let change = update(&mut maps, &alias, credential, reader)?;
            changes.extend(change.map(|change| KeyChange { same_as: Some(mask(&credential.key)), ..change }));
        }
    }
    shadows.extend(credentials.iter().flat_map(|credential| rivals(&maps, credential, credentials, reader)));
    // The content is not rendered again, because even an equal content could get another layout.
    if changes.is_empty() {
        return Ok(Merged { content: None, changes, shadows });
    }
    entry_maps::put_back(&mut root, maps);
    Ok(Merged { content: Some(file_text(old, reader, root)), changes, shadows })
}

/// The programs that the content was written for; `None` if the content does not show it or is not a JSON object.
pub fn written_for(content: &[u8]) -> Option<Reader> {
    let root = parse_object(content, "").ok()?;
    if is_legacy(&root) {
        // Without this check, a merge would add `auths` to a `.dockercfg`, where its readers would not find the
        // entries.
        return Some(Reader::Legacy);
    }
    has(&root, AUTHS).then_some(Reader::Node)
}

/// The keys of all entries.
fn keys(maps: &[EntryMap]) -> IndexSet<String> {
    maps.iter().flat_map(|map| map.entries.keys()).cloned().collect()
}

/// The entry that Go programs use: the last one with the key.
fn entry_of<'a>(maps: &'a [EntryMap], key: &str) -> Option<&'a Json> {
    maps.iter().rev().find_map(|map| map.entries.get(key))
}

/// Whether the entry of `key` is for the registry of the credential, and gets it, too.
fn is_alias(maps: &[EntryMap], key: &str, credential: &Credential) -> bool {
    // The kubelet keeps the credentials of all spellings of a registry in random order, so an old password under another
    // spelling would still be tried.
    is_same_registry(key, &credential.key)
        // Only some programs treat these as the registry, so the entry of another user may be there on purpose.
        || is_unfinished_spelling(key, &credential.key)
            && entry_of(maps, key).is_some_and(|value| user(key, value).is_none_or(|user| user == credential.user))
}

/// The user of an entry; `None` if it has no credential. The user of an entry that cannot be read is empty.
fn user(key: &str, value: &Json) -> Option<String> {
    let Ok(members) = object(value, "") else { return Some(String::new()) };
    let entry = entry(key, &members);
    match (entry.login(), &entry.auth, entry.identity_token) {
        (Some(login), ..) => Some(login.user),
        (None, Auth::Unreadable(_), _) | (None, _, Some(_)) => Some(String::new()),
        (None, ..) => None,
    }
}

/// The entries that containers/image may use instead of the credential: it uses a random one of the keys that have equal
/// normal forms if none of them is the name of the registry itself.
fn rivals(maps: &[EntryMap], credential: &Credential, declared: &[Credential], reader: Reader) -> Vec<Shadow> {
    let format = if reader.is_legacy() { Format::Legacy } else { Format::Config };
    let (keys, name) = (keys(maps), registry_key(&credential.key));
    let matching = matching_keys(keys.iter().map(String::as_str), &name, format);
    if matching.first().is_none_or(|(_, how)| *how == Match::Exact) {
        return Vec::new();
    }
    let others = matching.into_iter().map(|(key, _)| key).filter(|key| !is_same_registry(key, &credential.key));
    let undeclared = others.filter(|key| declared.iter().all(|declared| declared.key != *key));
    let rival = |key: &str| {
        let entry = entry_of(maps, key).and_then(|value| Some(entry(key, &object(value, "").ok()?)));
        let login = entry.and_then(|entry| entry.login());
        let is_equal = login.as_ref().is_some_and(|login| login.password == credential.password);
        let user = login.map(|login| login.user);
        (!is_equal).then(|| Shadow::Rival { key: mask(key), user, registry: name.clone() })
    };
    undeclared.filter_map(rival).collect()
}

/// Writes the credential to the entry of `key`, wherever the file has it; returns `None` if the entry already has it.
fn update(
    maps: &mut [EntryMap],
    key: &str,
    credential: &Credential,
    reader: Reader,
) -> Result<Option<KeyChange>, ParseError> {
    let is_new = maps.iter().all(|map| !map.entries.contains_key(key));
    let last = maps.len().saturating_sub(1);
    let mut change: Option<KeyChange> = None;
    for (_, map) in
        maps.iter_mut().enumerate().filter(|(at, map)| map.entries.contains_key(key) || is_new && *at == last)
    {
        let found = update_entry(&mut map.entries, key, credential, reader)?;
        map.is_changed |= found.is_some();
        change = change.or(found);
    }
    Ok(change)
}

fn update_entry(
    auths: &mut Members,
    key: &str,
    credential: &Credential,
    reader: Reader,
) -> Result<Option<KeyChange>, ParseError> {
    let kind = if auths.contains_key(key) { ChangeKind::Updated } else { ChangeKind::Added };
    let mut entry = auths.get(key).map_or_else(|| Ok(Members::new()), |value| object(value, &entry_name(key)))?;
    // docker and containers/image prefer these tokens to the password, so an old token would make the new password
    // useless.
    let stale: &[&'static str] = if credential.identity_token.is_some() { &[BEARER] } else { &[IDENTITY, BEARER] };
    let dropped: Vec<_> = stale.iter().copied().filter(|token| remove(&mut entry, token)).collect();
    let mut changed = !dropped.is_empty();
    // If there is only an identity token, no password is written, but an old password is still replaced.
    let has_plain_members = reader.is_secret() && !credential.password.expose().is_empty();
    let user = Secret::new(credential.user.as_str());
    for (member, value) in [("username", &user), ("password", &credential.password)] {
        if has_plain_members || has(&entry, member) {
            changed |= set(&mut entry, member, value);
        }
    }
    // Without a declared email, an existing one is kept, because OpenShift Cluster Manager reads it.
    if let Some(email) = &credential.email {
        changed |= set(&mut entry, "email", &Secret::new(email.as_str()));
    }
    changed |= set(&mut entry, "auth", &basic_auth(&credential.user, &credential.password));
    if let Some(token) = &credential.identity_token {
        changed |= set(&mut entry, IDENTITY, token);
    }
    if !changed {
        return Ok(None);
    }
    auths.insert(key.to_owned(), Json::Object(entry));
    Ok(Some(KeyChange { key: mask(key), kind, same_as: None, dropped }))
}

/// Removes a member in all its spellings. Returns whether there was one.
fn remove(entry: &mut Members, member: &str) -> bool {
    let before = entry.len();
    entry.retain(|written, _| !go::same_member(written, member));
    entry.len() != before
}

/// Sets a string member in the spellings that the entry has, so that it never has one more. Returns whether a value
/// changed.
fn set(entry: &mut Members, member: &str, value: &Secret) -> bool {
    let written: Vec<String> = spellings(entry, member).map(|(written, _)| written.clone()).collect();
    let names = if written.is_empty() { vec![member.to_owned()] } else { written };
    let mut changed = false;
    for name in names {
        if entry.get(&name).and_then(text_of).is_none_or(|old| old != value.expose()) {
            entry.insert(name, Json::Text(value.clone()));
            changed = true;
        }
    }
    changed
}

/// The credential helpers that programs use instead of declared entries.
fn helpers(root: &Members, credentials: &[Credential]) -> Vec<Shadow> {
    let helpers = cred_helpers(root);
    let mut found: Vec<Shadow> = Vec::new();
    for credential in credentials {
        let ours = host_of(&credential.key);
        let named = helpers.iter().filter(|(host, helper)| host_of(host) == ours && !helper.is_empty());
        for (host, helper) in named {
            let shadow = Shadow::CredHelper { host: mask(host), helper: helper.clone() };
            if !found.contains(&shadow) {
                found.push(shadow);
            }
        }
    }
    found.extend(creds_store(root).map(|helper| Shadow::CredsStore { helper }));
    found
}
