//! A JSON object that keeps the order of its members and the text of its values. Its members are found as Go's
//! `encoding/json` finds them: the case of their names is ignored, `null` is no value, and of several spellings of one
//! member, the last one wins.

use indexmap::IndexMap;
use serde_json::value::RawValue;

use super::ParseError;
use super::keys::mask;
use crate::go;
use crate::secret::Secret;

/// Members of a JSON object in source order.
pub(super) type Members = IndexMap<String, Json>;

/// A value: either the unchanged text of the file, or a new one.
#[derive(Clone)]
pub(super) enum Json {
    Kept(Box<RawValue>),
    Text(Secret),
    Object(Members),
}

/// The spellings of the member `name`, with their values, in source order.
pub(super) fn spellings<'a>(members: &'a Members, name: &'a str) -> impl Iterator<Item = (&'a String, &'a Json)> {
    members.iter().filter(move |(written, _)| go::same_member(written, name))
}

/// Whether the object has the member, in any spelling.
pub(super) fn has(members: &Members, name: &str) -> bool {
    spellings(members, name).next().is_some()
}

/// The text of the member `name`; `None` if it is missing, `null`, or no text.
pub(super) fn text(members: &Members, name: &str) -> Option<String> {
    // A member of another type is treated as missing here, because a merge must not fail for members that it does not
    // change.
    spellings(members, name).filter_map(|(_, value)| text_of(value)).last()
}

/// The text of a value; `None` if it is no text.
pub(super) fn text_of(value: &Json) -> Option<String> {
    match value {
        Json::Kept(raw) => serde_json::from_str(raw.get()).ok(),
        Json::Text(text) => Some(text.expose().to_owned()),
        Json::Object(_) => None,
    }
}

/// Whether the value is `null`, which Go treats like a missing value.
pub(super) fn is_null(value: &Json) -> bool {
    matches!(value, Json::Kept(raw) if raw.get() == "null")
}

/// The member `name` as a map: the maps of all its spellings, merged. A later `null` discards those before it. A missing
/// member is an empty map.
///
/// # Errors
/// If a spelling has a value that is neither an object nor `null`.
pub(super) fn map(members: &Members, name: &str) -> Result<Members, ParseError> {
    spellings(members, name).try_fold(Members::new(), |mut merged, (written, value)| {
        if is_null(value) {
            return Ok(Members::new());
        }
        merged.extend(object(value, &format!("`{}`", shown(written)))?);
        Ok(merged)
    })
}

/// Reads a value as an object; `null` is an empty one.
pub(super) fn object(value: &Json, what: &str) -> Result<Members, ParseError> {
    match value {
        Json::Kept(raw) => parse_object(raw.get().as_bytes(), what),
        Json::Object(members) => Ok(members.clone()),
        Json::Text(_) => Ok(Members::new()),
    }
}

/// Reads the content of a file. An empty content is an empty object.
pub(super) fn parse_content(content: &[u8]) -> Result<Members, ParseError> {
    if is_empty(content) { Ok(Members::new()) } else { parse_object(content, "the content") }
}

/// Whether a file has no content. Go programs also accept `null` as such.
pub(super) fn is_empty(content: &[u8]) -> bool {
    [&b""[..], b"null"].contains(&content.trim_ascii())
}

/// The name of a member in messages. It may be the key of an entry, which may contain a password.
fn shown(name: &str) -> String {
    /// The longest name that is shown completely, in characters.
    const LONGEST: usize = 100;
    let name = mask(name).escape_debug().to_string();
    if name.chars().count() <= LONGEST { name } else { name.chars().take(LONGEST).chain(['…']).collect() }
}

pub(super) fn parse_object(bytes: &[u8], what: &str) -> Result<Members, ParseError> {
    // The text of each value is kept, because parsing and writing would change the spelling of numbers and escapes.
    let pairs = go::members(bytes).map_err(|error| match error.classify() {
        // The text of this error quotes the value, which may be a password, so it is not shown.
        serde_json::error::Category::Data => ParseError::NotAnObject(what.to_owned()),
        _ => ParseError::Syntax { line: error.line(), column: error.column() },
    })?;
    let mut members = Members::with_capacity(pairs.len());
    for (name, raw) in pairs {
        if members.contains_key(&name) {
            return Err(ParseError::Twice { object: what.to_owned(), member: shown(&name) });
        }
        members.insert(name, Json::Kept(raw));
    }
    Ok(members)
}
