//! Jinja's tests (`x is …`): Jinja's own and Ansible's. Those that look at files or at results of tasks are
//! refused by name.

mod versions;

use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Environment, Error, Value};

use super::call::{Call, Named, by_name, is_list, items};
use super::fault::{refuse, undefined};
use super::filters::regex::{Anchor, Flags, compile, matches};
use super::filters::sets::comparable;
use super::render;
use super::{filters, rewrite};

/// Tests that take care of what is undefined themselves.
const ACCEPTS_UNDEFINED: [&str; 2] = ["defined", "undefined"];

/// Tests that exist and are refused, by the reason.
const REFUSED: &[(&str, &str)] = &[
    (
        "templates of an inventory do not look at files",
        "directory exists file is_dir is_file is_link is_mount is_same_file link link_exists mount same_file \
         vaulted_file",
    ),
    ("encrypted values are decrypted before they are tested", "vault_encrypted"),
    (
        "an inventory has no results of tasks",
        "change changed failed failure finished reachable skip skipped started succeeded success successful \
         timedout unreachable",
    ),
];

const ALL: &[Named] = &[
    ("!= ne", |call| compared(call, "value", |a, b| Ok(a != b))),
    ("< lessthan lt", |call| compared(call, "value", |a, b| ordered(a, b).map(|()| a < b))),
    ("<= le", |call| compared(call, "value", |a, b| ordered(a, b).map(|()| a <= b))),
    ("== eq equalto", |call| compared(call, "value", |a, b| Ok(a == b))),
    ("> greaterthan gt", |call| compared(call, "value", |a, b| ordered(a, b).map(|()| a > b))),
    (">= ge", |call| compared(call, "value", |a, b| ordered(a, b).map(|()| a >= b))),
    ("abs is_abs", |call| Ok(render::text(&call.value()?)?.starts_with('/').into())),
    ("all", |call| Ok(call.list()?.iter().all(Value::is_true).into())),
    ("any", |call| Ok(call.list()?.iter().any(Value::is_true).into())),
    ("boolean", |call| kind(call, |value| value.kind() == ValueKind::Bool)),
    ("callable", |call| kind(call, |value| value.kind() == ValueKind::Plain)),
    ("contains", |call| compared(call, "value", |a, b| within(b, a))),
    ("defined", |call| kind(call, |value| !value.is_undefined())),
    ("divisibleby", divisible),
    ("escaped", |call| kind(call, |_| false)),
    ("even", |call| Ok((integer(&call.value()?)? % 2 == 0).into())),
    ("false", |call| kind(call, |value| value.kind() == ValueKind::Bool && !value.is_true())),
    ("falsy", |call| Ok((!truth(call)?).into())),
    ("filter", |call| {
        Ok(call.text().map(|name| filters::names().any(|own| own == rewrite::short_name(&name)))?.into())
    }),
    ("float", |call| kind(call, |value| value.kind() == ValueKind::Number && !value.is_integer())),
    ("in", |call| compared(call, "seq", within)),
    ("integer", |call| kind(call, Value::is_integer)),
    ("isnan nan", nan),
    ("issubset subset", subset),
    ("issuperset superset", superset),
    ("iterable sequence", |call| {
        kind(call, |value| is_list(value) || matches!(value.kind(), ValueKind::Map | ValueKind::String))
    }),
    ("lower", |call| cased(call, char::is_uppercase, char::is_lowercase)),
    ("mapping", |call| kind(call, |value| value.kind() == ValueKind::Map)),
    ("match", |call| regex(call, Anchor::Start)),
    ("none", |call| kind(call, Value::is_none)),
    ("number", |call| kind(call, |value| matches!(value.kind(), ValueKind::Number | ValueKind::Bool))),
    ("odd", |call| Ok((integer(&call.value()?)?.rem_euclid(2) == 1).into())),
    ("regex", regex_of_type),
    ("sameas", same),
    ("search", |call| regex(call, Anchor::Anywhere)),
    ("string", |call| kind(call, |value| value.kind() == ValueKind::String)),
    ("test", |call| Ok(call.text().map(|name| names().any(|own| own == rewrite::short_name(&name)))?.into())),
    ("true", |call| kind(call, |value| value.kind() == ValueKind::Bool && value.is_true())),
    ("truthy", |call| Ok(truth(call)?.into())),
    ("undefined", |call| kind(call, Value::is_undefined)),
    ("upper", |call| cased(call, char::is_lowercase, char::is_uppercase)),
    ("version version_compare", versions::compare),
];

/// The names of all tests.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    by_name(ALL).map(|(name, _)| name)
}

/// Why a test that exists is not supported.
pub(super) fn refusal(name: &str) -> Option<&'static str> {
    REFUSED.iter().find(|(_, names)| names.split_whitespace().any(|own| own == name)).map(|(reason, _)| *reason)
}

/// Adds all tests to an engine.
pub(super) fn add_to(environment: &mut Environment<'static>) {
    for (name, function) in by_name(ALL) {
        let accepts = ACCEPTS_UNDEFINED.contains(&name);
        let test = move |arguments: Rest<Value>, named: Kwargs| -> Result<bool, Error> {
            let call = Call::new(&arguments, &named)?;
            if !accepts && call.undefined().is_some() {
                return Err(undefined());
            }
            call.apply(function).map(|value| value.is_true())
        };
        environment.add_test(name, test);
    }
}

fn kind(call: &mut Call, is: fn(&Value) -> bool) -> Result<Value, Error> {
    Ok(is(&call.value()?).into())
}

fn compared(call: &mut Call, name: &str, with: fn(&Value, &Value) -> Result<bool, Error>) -> Result<Value, Error> {
    let (value, other) = (call.value()?, call.need(1, name)?);
    Ok(with(&value, &other)?.into())
}

fn ordered(a: &Value, b: &Value) -> Result<(), Error> {
    comparable(&[a.clone(), b.clone()])
}

fn within(value: &Value, container: &Value) -> Result<bool, Error> {
    match (container.as_str(), value.as_str()) {
        (Some(text), Some(part)) => Ok(text.contains(part)),
        (Some(_), None) => Err(refuse("only a text can be in a text")),
        _ => Ok(items(container)?.contains(value)),
    }
}

fn integer(value: &Value) -> Result<i128, Error> {
    i128::try_from(value.clone()).map_err(|_| refuse("this needs a whole number"))
}

fn divisible(call: &mut Call) -> Result<Value, Error> {
    let (value, by) = (integer(&call.value()?)?, integer(&call.need(1, "num")?)?);
    let rest = value.checked_rem_euclid(by).ok_or_else(|| refuse("nothing can be divided by 0"))?;
    Ok((rest == 0).into())
}

fn cased(call: &mut Call, wrong: fn(char) -> bool, right: fn(char) -> bool) -> Result<Value, Error> {
    let text = call.text()?;
    Ok((text.chars().any(right) && !text.chars().any(wrong)).into())
}

fn nan(call: &mut Call) -> Result<Value, Error> {
    Ok(f64::try_from(call.value()?).is_ok_and(f64::is_nan).into())
}

/// Python's `is`: the same value of the same type, for what has no identity of its own.
fn same(call: &mut Call) -> Result<Value, Error> {
    let (a, b) = (call.value()?, call.need(1, "other")?);
    match a.kind() {
        ValueKind::None | ValueKind::Bool => Ok((a.kind() == b.kind() && a == b).into()),
        _ if a.kind() != b.kind() => Ok(false.into()),
        _ => Err(refuse("`sameas` is supported for `true`, `false` and `none`")),
    }
}

fn subset(call: &mut Call) -> Result<Value, Error> {
    let other = items(&call.need(1, "b")?)?;
    Ok(call.list()?.iter().all(|item| other.contains(item)).into())
}

fn superset(call: &mut Call) -> Result<Value, Error> {
    let list = call.list()?;
    Ok(items(&call.need(1, "b")?)?.iter().all(|item| list.contains(item)).into())
}

/// The truth of a value; with `convert_bool` words such as `no` count as what they say.
fn truth(call: &mut Call) -> Result<bool, Error> {
    let value = call.value()?;
    if call.is(1, "convert_bool") {
        let word = render::text(&value)?.trim().to_lowercase();
        match word.as_str() {
            "y" | "yes" | "on" | "1" | "1.0" | "true" | "t" => return Ok(true),
            "n" | "no" | "off" | "0" | "0.0" | "false" | "f" => return Ok(false),
            _ => {}
        }
    }
    Ok(value.is_true())
}

fn regex(call: &mut Call, anchor: Anchor) -> Result<Value, Error> {
    let text = call.text()?;
    let pattern = call.get_text(1, "pattern")?.unwrap_or_default();
    let flags = Flags { ignorecase: call.is(2, "ignorecase"), multiline: call.is(3, "multiline") };
    Ok(matches(&compile(&pattern, &flags, anchor)?, &text)?.into())
}

fn regex_of_type(call: &mut Call) -> Result<Value, Error> {
    let anchor = match call.get_text(4, "match_type")?.as_deref() {
        None | Some("search") => Anchor::Anywhere,
        Some("match") => Anchor::Start,
        Some("fullmatch") => Anchor::Whole,
        Some(_) => return Err(refuse("`match_type` must be `search`, `match` or `fullmatch`")),
    };
    regex(call, anchor)
}
