//! Values of the engine as Python's `str` writes them. How a text or number is spelt stands in `inventory::repr`.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::bounds::{MAX_NESTING, may_be_made};
use super::fault::{refuse, undefined};
use crate::inventory::repr;

/// How tuples are written.
#[derive(Clone, Copy, PartialEq)]
enum Tuples {
    AsTheyAre,
    AsLists,
}

/// What `str(value)` gives.
pub(super) fn text(value: &Value) -> Result<String, Error> {
    written(value, Tuples::AsTheyAre)
}

/// What becomes of a value in a text: Ansible makes lists of tuples.
pub(super) fn output(value: &Value) -> Result<String, Error> {
    written(value, Tuples::AsLists)
}

fn written(value: &Value, tuples: Tuples) -> Result<String, Error> {
    if let Some(text) = value.as_str() {
        return Ok(text.to_owned());
    }
    let mut out = String::new();
    write(&mut out, value, tuples, 0)?;
    Ok(out)
}

fn write(out: &mut String, value: &Value, tuples: Tuples, depth: usize) -> Result<(), Error> {
    if depth > MAX_NESTING {
        return Err(refuse("the value is nested too deeply"));
    }
    may_be_made(Some(out.len()))?;
    match value.kind() {
        ValueKind::Undefined => return Err(undefined()),
        ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number if value.is_integer() => out.push_str(&value.to_string()),
        ValueKind::Number => out.push_str(&repr::float(f64::try_from(value.clone())?)),
        ValueKind::String => out.push_str(&repr::quoted(value.as_str().unwrap_or_default())),
        ValueKind::Seq | ValueKind::Iterable => sequence(out, value, tuples, depth)?,
        ValueKind::Map => mapping(out, value, tuples, depth)?,
        _ => return Err(refuse("this is no value that can be part of a text")),
    }
    Ok(())
}

fn sequence(out: &mut String, value: &Value, tuples: Tuples, depth: usize) -> Result<(), Error> {
    let tuple = value.is_tuple() && tuples == Tuples::AsTheyAre;
    let (open, close) = if tuple { ('(', ")") } else { ('[', "]") };
    out.push(open);
    let mut count = 0;
    for item in value.try_iter()?.checked() {
        if count > 0 {
            out.push_str(", ");
        }
        write(out, &item?, tuples, depth + 1)?;
        count += 1;
    }
    if tuple && count == 1 {
        out.push(',');
    }
    out.push_str(close);
    Ok(())
}

fn mapping(out: &mut String, value: &Value, tuples: Tuples, depth: usize) -> Result<(), Error> {
    out.push('{');
    for (count, key) in value.try_iter()?.checked().enumerate() {
        let key = key?;
        if count > 0 {
            out.push_str(", ");
        }
        write(out, &key, tuples, depth + 1)?;
        out.push_str(": ");
        write(out, &value.get_item(&key)?, tuples, depth + 1)?;
    }
    out.push('}');
    Ok(())
}
