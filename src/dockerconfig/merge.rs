//! The lossless merge: declared entries get their credential, and everything else remains unchanged.

use indexmap::IndexMap;

use super::json::{Json, Members, object, parse_object, text_of};
use super::keys::{host_of, mask, registry_key};
use super::layout::file_text;
use super::read::is_legacy;
use super::{ChangeKind, Credential, KeyChange, Merged, ParseError, Reader, Shadow, entry_name};
use crate::secret::{Secret, basic_auth};

/// A token that docker and containers/image use instead of the password. A [`Credential`] may have one.
const IDENTITY: &str = "identitytoken";
/// A token that docker uses instead of the password. Declared credentials never have one.
const BEARER: &str = "registrytoken";

/// Merges `credentials` into `content`. `None`, an empty text and white space are treated as `{}`. If some program
/// treats another key as the same registry, that key gets the new credential too.
///
/// # Errors
/// If the content, its `auths`, or a declared entry is not a JSON object.
pub fn merge(content: Option<&[u8]>, credentials: &[Credential], reader: Reader) -> Result<Merged, ParseError> {
    let old = content.filter(|bytes| !bytes.trim_ascii().is_empty());
    let mut root = old.map_or_else(|| Ok(Members::new()), |bytes| parse_object(bytes, "the content"))?;
    // The helpers are read before `root` is emptied for a `.dockercfg` below.
    let shadows = shadows(&root, credentials);
    let mut auths = match reader {
        Reader::Legacy => std::mem::take(&mut root),
        Reader::Node | Reader::PullSecret => object(root.get("auths"), "`auths`")?,
    };
    let mut changes = Vec::new();
    for credential in credentials {
        let aliases: Vec<String> = auths
            .keys()
            // The kubelet keeps the credentials of all spellings of a registry in random order, so an old password
            // under another spelling would still be tried.
            .filter(|key| registry_key(key) == registry_key(&credential.key))
            // A key that is declared separately has its own credential, which must not be overwritten.
            .filter(|key| credentials.iter().all(|declared| declared.key != **key))
            .cloned()
            .collect();
        changes.extend(update(&mut auths, &credential.key, credential, reader)?);
        for alias in aliases {
            let change = update(&mut auths, &alias, credential, reader)?;
            changes.extend(change.map(|change| KeyChange { same_as: Some(credential.key.clone()), ..change }));
        }
    }
    // The content is not rendered again, because even an equal content could get another layout.
    if changes.is_empty() {
        return Ok(Merged { content: None, changes, shadows });
    }
    match reader {
        Reader::Legacy => root = auths,
        Reader::Node | Reader::PullSecret => {
            root.insert("auths".into(), Json::Object(auths));
        }
    }
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
    root.contains_key("auths").then_some(Reader::Node)
}

/// Writes the credential to one entry; returns `None` if the entry already has it.
fn update(
    auths: &mut Members,
    key: &str,
    credential: &Credential,
    reader: Reader,
) -> Result<Option<KeyChange>, ParseError> {
    let kind = if auths.contains_key(key) { ChangeKind::Updated } else { ChangeKind::Added };
    let mut entry = object(auths.get(key), &entry_name(key))?;
    // docker and containers/image prefer these tokens to the password, so an old token would make the new password
    // useless.
    let stale: &[&'static str] = if credential.identity_token.is_some() { &[BEARER] } else { &[IDENTITY, BEARER] };
    let dropped: Vec<_> = stale.iter().copied().filter(|token| entry.shift_remove(*token).is_some()).collect();
    let mut changed = !dropped.is_empty();
    // If there is only an identity token, no password is written, but an old password is still replaced.
    let has_plain_members = reader == Reader::PullSecret && !credential.password.expose().is_empty();
    let user = Secret::new(credential.user.as_str());
    for (member, value) in [("username", &user), ("password", &credential.password)] {
        if has_plain_members || entry.contains_key(member) {
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

/// Sets a string member. Returns whether its value changed.
fn set(entry: &mut Members, member: &str, value: &Secret) -> bool {
    let same = text_of::<String>(entry.get(member)).is_some_and(|old| old == value.expose());
    if !same {
        entry.insert(member.to_owned(), Json::Text(value.clone()));
    }
    !same
}

/// The credential helpers that programs use instead of declared entries.
fn shadows(root: &Members, credentials: &[Credential]) -> Vec<Shadow> {
    let helpers: IndexMap<String, String> = text_of(root.get("credHelpers")).unwrap_or_default();
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
    if let Some(helper) = text_of::<String>(root.get("credsStore")).filter(|helper| !helper.is_empty()) {
        found.push(Shadow::CredsStore { helper });
    }
    found
}
