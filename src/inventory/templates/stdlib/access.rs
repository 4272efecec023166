//! Reads values of the engine as Python's and Jinja's functions read their arguments: items of lists, members of
//! mappings, attributes by path, texts, and whether values can be compared.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use crate::inventory::templates::value::convert::checked;
use crate::inventory::templates::value::errors::{error, undefined_error, undefined_error_with};
use crate::inventory::templates::value::python_str;

/// The items of a list, the keys of a mapping, or the characters of a text.
pub(in crate::inventory::templates) fn items(value: &Value) -> Result<Vec<Value>, Error> {
    match value.kind() {
        ValueKind::Undefined => Err(undefined_error()),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map | ValueKind::String => {
            value.try_iter()?.checked().collect()
        }
        _ => Err(error("the value must be a list")),
    }
}

/// The members of a mapping.
pub(in crate::inventory::templates) fn members(value: &Value) -> Result<Vec<(Value, Value)>, Error> {
    match value.kind() {
        ValueKind::Undefined => Err(undefined_error()),
        ValueKind::Map => items(value)?
            .into_iter()
            .map(|key| {
                let member = checked(value.get_item(&key)?)?;
                Ok((key, member))
            })
            .collect(),
        _ => Err(error("the value must be a mapping")),
    }
}

/// Whether the value is a sequence other than a text.
pub(in crate::inventory::templates) fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

/// A mapping with these members in this order. Of equal keys the last value wins.
pub(in crate::inventory::templates) fn mapping(members: impl IntoIterator<Item = (Value, Value)>) -> Value {
    Value::from_pairs(members)
}

/// The attribute of an item by a path such as `a.0.b`. It is undefined if a part of the path is.
pub(in crate::inventory::templates) fn attribute(item: &Value, path: &Value) -> Result<Value, Error> {
    let Some(path) = path.as_str() else { return checked(item.get_item(path)?) };
    let mut value = item.clone();
    for part in path.split('.') {
        if value.is_undefined() {
            break;
        }
        // A number in the path is an index of a list, but a key of a mapping.
        let index = part.parse::<usize>().ok().filter(|_| value.kind() != ValueKind::Map);
        let key = index.map_or_else(|| Value::from(part), Value::from);
        value = checked(value.get_item(&key)?)?;
    }
    Ok(value)
}

/// The text that a filter of texts works on. Python's functions do not accept a list or mapping as text.
pub(in crate::inventory::templates) fn scalar_text(value: &Value) -> Result<String, Error> {
    if is_list(value) || value.kind() == ValueKind::Map {
        return Err(error("the value must be a text"));
    }
    python_str::text(value)
}

/// The texts of a list.
pub(in crate::inventory::templates) fn texts(value: &Value) -> Result<Vec<String>, Error> {
    items(value)?.iter().map(scalar_text).collect()
}

/// Returns an error if Python cannot sort these values.
pub(in crate::inventory::templates) fn check_comparable(values: &[Value]) -> Result<(), Error> {
    let kind = |value: &Value| match value.kind() {
        ValueKind::Bool => ValueKind::Number,
        ValueKind::Iterable => ValueKind::Seq,
        kind => kind,
    };
    let has_order = |value: &Value| matches!(kind(value), ValueKind::Number | ValueKind::String | ValueKind::Seq);
    let same_kind = values.windows(2).all(|pair| kind(&pair[0]) == kind(&pair[1]));
    // A list with a single value needs no comparison.
    if values.len() < 2 || (same_kind && values.iter().all(has_order)) {
        return Ok(());
    }
    if values.iter().any(Value::is_undefined) {
        return Err(undefined_error_with("an item is undefined"));
    }
    Err(error("values of different types cannot be compared"))
}
