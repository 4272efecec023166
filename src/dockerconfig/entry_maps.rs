//! The JSON objects that contain the entries of a file: the member `auths`, or the whole `.dockercfg`. Go merges all
//! spellings of a member, so a file with `auths` and `Auths` has two of them.

use super::json::{Json, Members, object, spellings};
use super::{ParseError, Reader};

/// The member of a `config.json` that contains the entries.
pub(super) const AUTHS: &str = "auths";

/// One of the objects.
pub(super) struct EntryMap {
    /// The member as written; `None` for a `.dockercfg`.
    member: Option<String>,
    /// The entries by their keys.
    pub(super) entries: Members,
    /// Whether the entries differ from those of the file.
    pub(super) is_changed: bool,
}

/// Takes the entries out of `root`. There is at least one object, which may be empty; a new entry belongs into the last
/// one, because a later `null` would discard it.
///
/// # Errors
/// If a spelling of `auths` has a value that is neither an object nor `null`.
pub(super) fn take(root: &mut Members, reader: Reader) -> Result<Vec<EntryMap>, ParseError> {
    let map = |member, entries| EntryMap { member, entries, is_changed: false };
    if reader.is_legacy() {
        return Ok(vec![map(None, std::mem::take(root))]);
    }
    let read =
        |(member, value): (&String, &Json)| Ok(map(Some(member.clone()), object(value, &format!("`{member}`"))?));
    let found = spellings(root, AUTHS).map(read).collect::<Result<Vec<_>, ParseError>>()?;
    Ok(if found.is_empty() { vec![map(Some(AUTHS.to_owned()), Members::new())] } else { found })
}

/// Puts the entries back. The text of an object without changes stays as it is.
pub(super) fn put_back(root: &mut Members, maps: Vec<EntryMap>) {
    for EntryMap { member, entries, is_changed } in maps {
        match member {
            None => *root = entries,
            Some(member) if is_changed => drop(root.insert(member, Json::Object(entries))),
            Some(_) => {}
        }
    }
}
