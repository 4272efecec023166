//! A JSON object that keeps the order of its members and the text of its values.

use indexmap::IndexMap;
use serde_json::value::RawValue;

use super::ParseError;
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

/// Converts an unchanged value to `T`; `None` if it is missing, new, or of another type.
pub(super) fn text_of<T: serde::de::DeserializeOwned>(value: Option<&Json>) -> Option<T> {
    match value? {
        // A member of another type is treated as missing here, because a merge must not fail for members that it does
        // not change.
        Json::Kept(raw) => serde_json::from_str(raw.get()).ok(),
        Json::Text(_) | Json::Object(_) => None,
    }
}

/// Reads a member as an object. A missing member is an empty object.
pub(super) fn object(value: Option<&Json>, what: &str) -> Result<Members, ParseError> {
    match value {
        Some(Json::Kept(raw)) => parse_object(raw.get().as_bytes(), what),
        Some(Json::Object(members)) => Ok(members.clone()),
        Some(Json::Text(_)) | None => Ok(Members::new()),
    }
}

pub(super) fn parse_object(bytes: &[u8], what: &str) -> Result<Members, ParseError> {
    // `RawValue` keeps the text of each value, because parsing and writing would change the spelling of numbers and
    // escapes.
    let Pairs(pairs) = serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        // The text of this error quotes the value, which may be a password, so it is not shown.
        serde_json::error::Category::Data => ParseError::NotAnObject(what.to_owned()),
        _ => ParseError::Syntax { line: error.line(), column: error.column() },
    })?;
    // Collecting into a map drops duplicate keys without an error, so a smaller map shows that there was one.
    let count = pairs.len();
    let members: Members = pairs.into_iter().map(|(key, raw)| (key, Json::Kept(raw))).collect();
    if members.len() == count { Ok(members) } else { Err(ParseError::Twice(what.to_owned())) }
}

/// The members of an object in source order. Duplicate keys are kept, so that they can be reported.
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
