//! Removes entries from a credential file, without any other change.

use super::entry_maps;
use super::json::parse_content;
use super::keys::{mask, registry_key};
use super::layout::file_text;
use super::{ChangeKind, KeyChange, ParseError, Reader};
use crate::secret::SecretBytes;

/// The result of a removal.
#[derive(Debug)]
pub struct Removed {
    /// The new content; `None` if no entry was removed.
    pub content: Option<SecretBytes>,
    /// The removed keys.
    pub changes: Vec<KeyChange>,
}

/// Removes the entries of `registries` from `content`, in every spelling that some program treats as one of them
/// (`https://host`, `host/v1/`, uppercase letters in the host). Entries of their namespaces (`host/team`) stay, unless
/// they are named, too.
///
/// # Errors
/// If the content or its `auths` is not a JSON object.
pub fn remove(content: &[u8], registries: &[impl AsRef<str>], reader: Reader) -> Result<Removed, ParseError> {
    let mut root = parse_content(content)?;
    let mut maps = entry_maps::take(&mut root, reader)?;
    let mut changes: Vec<KeyChange> = Vec::new();
    for map in &mut maps {
        map.entries.retain(|key, _| {
            let Some(registry) = registries.iter().find(|registry| is_of(key, registry.as_ref())) else { return true };
            let same_as = Some(registry.as_ref()).filter(|registry| registry != key).map(str::to_owned);
            let change = KeyChange { key: mask(key), kind: ChangeKind::Removed, same_as, dropped: Vec::new() };
            // The same key may be an entry of `auths` and of `Auths`.
            if !changes.contains(&change) {
                changes.push(change);
            }
            map.is_changed = true;
            false
        });
    }
    if changes.is_empty() {
        return Ok(Removed { content: None, changes });
    }
    entry_maps::put_back(&mut root, maps);
    Ok(Removed { content: Some(file_text(Some(content), reader, root)), changes })
}

/// Whether `key` is a spelling of `registry`. DNS ignores the case of host names, so an entry with another case holds a
/// credential of the same registry, although programs do not find it.
pub fn is_of(key: &str, registry: &str) -> bool {
    let normal = |key: &str| {
        let key = registry_key(key);
        let (host, path) = key.split_at(key.find('/').unwrap_or(key.len()));
        registry_key(&format!("{}{path}", host.to_ascii_lowercase()))
    };
    let is_same = |key: &str| key == registry || normal(key) == normal(registry);
    // docker and containers/image also accept a URL without the slash after the version of the API.
    is_same(key) || key.contains("://") && is_same(&format!("{key}/"))
}
