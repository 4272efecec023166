//! Values of the engine as Python's `str` writes them. How one text or number is written is decided in
//! `inventory::repr`.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::bounds::{MAX_NESTING, TOO_DEEP, check_text};
use super::errors::{error, undefined_error};
use crate::inventory::repr;

/// How tuples are written.
#[derive(Clone, Copy, PartialEq)]
enum Tuples {
    /// In parentheses.
    AsTuples,
    /// In square brackets.
    AsLists,
}

/// The result of Python's `str(value)`.
pub(in crate::inventory::templates) fn text(value: &Value) -> Result<String, Error> {
    written(value, Tuples::AsTuples)
}

/// The text of a value that becomes part of a longer text. Ansible converts tuples to lists before it inserts them.
pub(in crate::inventory::templates) fn output(value: &Value) -> Result<String, Error> {
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
        return Err(error(TOO_DEEP));
    }
    check_text(Some(out.len()))?;
    match value.kind() {
        ValueKind::Undefined => return Err(undefined_error()),
        ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number if value.is_integer() => out.push_str(&value.to_string()),
        ValueKind::Number => out.push_str(&repr::float(f64::try_from(value.clone())?)),
        ValueKind::String => out.push_str(&repr::quoted(value.as_str().unwrap_or_default())),
        ValueKind::Seq | ValueKind::Iterable => write_sequence(out, value, tuples, depth)?,
        ValueKind::Map => write_mapping(out, value, tuples, depth)?,
        _ => return Err(error("this value cannot be part of a text")),
    }
    Ok(())
}

fn write_sequence(out: &mut String, value: &Value, tuples: Tuples, depth: usize) -> Result<(), Error> {
    let is_tuple = value.is_tuple() && tuples == Tuples::AsTuples;
    let (open, close) = if is_tuple { ('(', ")") } else { ('[', "]") };
    out.push(open);
    let mut count = 0;
    for item in value.try_iter()?.checked() {
        if count > 0 {
            out.push_str(", ");
        }
        write(out, &item?, tuples, depth + 1)?;
        count += 1;
    }
    // Python writes a tuple of one item as `(x,)`.
    if is_tuple && count == 1 {
        out.push(',');
    }
    out.push_str(close);
    Ok(())
}

fn write_mapping(out: &mut String, value: &Value, tuples: Tuples, depth: usize) -> Result<(), Error> {
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
