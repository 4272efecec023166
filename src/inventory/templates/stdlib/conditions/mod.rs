//! Jinja's tests (`x is …`), from Jinja and from Ansible. Tests of files or of task results are rejected, with the
//! reason. The tests `filter` and `test` are in `eval::map_filters`, because they need the names of all filters and
//! tests.

mod versions;

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::access::{check_comparable, is_list, items};
use super::call::{Call, Definition, Function, by_name};
use super::regex::{Anchor, Flags, compile, matches};
use crate::inventory::templates::value::errors::error;
use crate::inventory::templates::value::python_str;

/// Tests that handle undefined values themselves.
pub(in crate::inventory::templates) const ACCEPT_UNDEFINED: [&str; 2] = ["defined", "undefined"];

/// Tests of Ansible and Jinja that are not supported: the reason, and the names.
pub(in crate::inventory::templates) const UNSUPPORTED: &[(&str, &str)] = &[
    (
        "templates of an inventory cannot look at files",
        "directory exists file is_dir is_file is_link is_mount is_same_file link link_exists mount same_file \
         vaulted_file",
    ),
    ("encrypted values are decrypted before they are tested", "vault_encrypted"),
    (
        "an inventory has no task results",
        "change changed failed failure finished reachable skip skipped started succeeded success successful \
         timedout unreachable",
    ),
];

const ALL: &[Definition] = &[
    ("!= ne", |call| compare(call, "value", |a, b| Ok(a != b))),
    ("< lessthan lt", |call| compare(call, "value", |a, b| check_order(a, b).map(|()| a < b))),
    ("<= le", |call| compare(call, "value", |a, b| check_order(a, b).map(|()| a <= b))),
    ("== eq equalto", |call| compare(call, "value", |a, b| Ok(a == b))),
    ("> greaterthan gt", |call| compare(call, "value", |a, b| check_order(a, b).map(|()| a > b))),
    (">= ge", |call| compare(call, "value", |a, b| check_order(a, b).map(|()| a >= b))),
    ("abs is_abs", |call| Ok(python_str::text(&call.value()?)?.starts_with('/').into())),
    ("all", |call| Ok(call.list()?.iter().all(Value::is_true).into())),
    ("any", |call| Ok(call.list()?.iter().any(Value::is_true).into())),
    ("boolean", |call| value_is(call, |value| value.kind() == ValueKind::Bool)),
    ("callable", |call| value_is(call, |value| value.kind() == ValueKind::Plain)),
    ("contains", |call| compare(call, "value", |a, b| is_in(b, a))),
    ("defined", |call| value_is(call, |value| !value.is_undefined())),
    ("divisibleby", is_divisible),
    // No value is marked as HTML, because the engine never escapes.
    ("escaped", |call| value_is(call, |_| false)),
    ("even", |call| Ok((require_integer(&call.value()?)? % 2 == 0).into())),
    ("false", |call| value_is(call, |value| value.kind() == ValueKind::Bool && !value.is_true())),
    ("falsy", |call| Ok((!is_truthy(call)?).into())),
    ("float", |call| value_is(call, |value| value.kind() == ValueKind::Number && !value.is_integer())),
    ("in", |call| compare(call, "seq", is_in)),
    ("integer", |call| value_is(call, Value::is_integer)),
    ("isnan nan", is_nan),
    ("issubset subset", is_subset),
    ("issuperset superset", is_superset),
    ("iterable sequence", |call| {
        value_is(call, |value| is_list(value) || matches!(value.kind(), ValueKind::Map | ValueKind::String))
    }),
    ("lower", |call| has_case(call, char::is_uppercase, char::is_lowercase)),
    ("mapping", |call| value_is(call, |value| value.kind() == ValueKind::Map)),
    ("match", |call| matches_regex(call, Anchor::Start)),
    ("none", |call| value_is(call, Value::is_none)),
    ("number", |call| value_is(call, |value| matches!(value.kind(), ValueKind::Number | ValueKind::Bool))),
    // In Rust the remainder of a negative number is negative, unlike in Python.
    ("odd", |call| Ok((require_integer(&call.value()?)?.rem_euclid(2) == 1).into())),
    ("regex", regex_test),
    ("sameas", same_as),
    ("search", |call| matches_regex(call, Anchor::Anywhere)),
    ("string", |call| value_is(call, |value| value.kind() == ValueKind::String)),
    ("true", |call| value_is(call, |value| value.kind() == ValueKind::Bool && value.is_true())),
    ("truthy", |call| Ok(is_truthy(call)?.into())),
    ("undefined", |call| value_is(call, Value::is_undefined)),
    ("upper", |call| has_case(call, char::is_lowercase, char::is_uppercase)),
    ("version version_compare", versions::compare),
];

/// All tests by name, except `filter` and `test`.
pub(in crate::inventory::templates) fn all() -> impl Iterator<Item = (&'static str, Function)> {
    by_name(ALL)
}

fn value_is(call: &mut Call, is: fn(&Value) -> bool) -> Result<Value, Error> {
    Ok(is(&call.value()?).into())
}

fn compare(call: &mut Call, name: &str, with: fn(&Value, &Value) -> Result<bool, Error>) -> Result<Value, Error> {
    let (value, other) = (call.value()?, call.require(1, name)?);
    Ok(with(&value, &other)?.into())
}

fn check_order(a: &Value, b: &Value) -> Result<(), Error> {
    check_comparable(&[a.clone(), b.clone()])
}

fn is_in(value: &Value, container: &Value) -> Result<bool, Error> {
    match (container.as_str(), value.as_str()) {
        (Some(text), Some(part)) => Ok(text.contains(part)),
        // Python rejects `1 in 'abc'` too.
        (Some(_), None) => Err(error("only a text can be part of a text")),
        _ => Ok(items(container)?.contains(value)),
    }
}

fn require_integer(value: &Value) -> Result<i128, Error> {
    i128::try_from(value.clone()).map_err(|_| error("the value must be an integer"))
}

fn is_divisible(call: &mut Call) -> Result<Value, Error> {
    let (value, by) = (require_integer(&call.value()?)?, require_integer(&call.require(1, "num")?)?);
    let remainder = value.checked_rem_euclid(by).ok_or_else(|| error("division by zero"))?;
    Ok((remainder == 0).into())
}

fn has_case(call: &mut Call, other_case: fn(char) -> bool, own_case: fn(char) -> bool) -> Result<Value, Error> {
    let text = call.text()?;
    Ok((text.chars().any(own_case) && !text.chars().any(other_case)).into())
}

fn is_nan(call: &mut Call) -> Result<Value, Error> {
    Ok(f64::try_from(call.value()?).is_ok_and(f64::is_nan).into())
}

/// Python's `is`. For `true`, `false` and `none` it means the same value of the same type; other values have an
/// identity in Python that they do not have here.
fn same_as(call: &mut Call) -> Result<Value, Error> {
    let (a, b) = (call.value()?, call.require(1, "other")?);
    match a.kind() {
        ValueKind::None | ValueKind::Bool => Ok((a.kind() == b.kind() && a == b).into()),
        _ if a.kind() != b.kind() => Ok(false.into()),
        _ => Err(error("`sameas` is only supported for `true`, `false` and `none`")),
    }
}

fn is_subset(call: &mut Call) -> Result<Value, Error> {
    let other = items(&call.require(1, "b")?)?;
    Ok(call.list()?.iter().all(|item| other.contains(item)).into())
}

fn is_superset(call: &mut Call) -> Result<Value, Error> {
    let list = call.list()?;
    Ok(items(&call.require(1, "b")?)?.iter().all(|item| list.contains(item)).into())
}

/// Whether a value is true. With `convert_bool` words such as `no` are read as booleans first.
fn is_truthy(call: &mut Call) -> Result<bool, Error> {
    let value = call.value()?;
    if call.is(1, "convert_bool") {
        // These are the words of Ansible's `boolean` function.
        let word = python_str::text(&value)?.trim().to_lowercase();
        match word.as_str() {
            "y" | "yes" | "on" | "1" | "1.0" | "true" | "t" => return Ok(true),
            "n" | "no" | "off" | "0" | "0.0" | "false" | "f" => return Ok(false),
            _ => {}
        }
    }
    Ok(value.is_true())
}

fn matches_regex(call: &mut Call, anchor: Anchor) -> Result<Value, Error> {
    let text = call.text()?;
    let pattern = call.get_text(1, "pattern")?.unwrap_or_default();
    let flags = Flags { ignorecase: call.is(2, "ignorecase"), multiline: call.is(3, "multiline") };
    Ok(matches(&compile(&pattern, &flags, anchor)?, &text)?.into())
}

fn regex_test(call: &mut Call) -> Result<Value, Error> {
    let anchor = match call.get_text(4, "match_type")?.as_deref() {
        None | Some("search") => Anchor::Anywhere,
        Some("match") => Anchor::Start,
        Some("fullmatch") => Anchor::FullText,
        Some(_) => return Err(error("`match_type` must be `search`, `match` or `fullmatch`")),
    };
    matches_regex(call, anchor)
}
