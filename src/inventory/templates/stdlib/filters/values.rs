//! Filters of values of any type: defaults, conditions, booleans and types.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use crate::inventory::templates::stdlib::call::{Call, Definition};
use crate::inventory::templates::value::errors::{error_with_detail, undefined_error_with};
use crate::inventory::templates::value::python_str;

pub(super) const FILTERS: &[Definition] = &[
    ("bool", bool),
    ("default d", default),
    ("mandatory", mandatory),
    ("ternary", ternary),
    ("type_debug", type_debug),
];

const MISSING: &str = "a mandatory variable is undefined";

/// Jinja's `default`: another value for an undefined one, or with `boolean` for one that is false.
fn default(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    let other = call.get(1, "default_value").unwrap_or_else(|| Value::from(""));
    let also_false = call.is(2, "boolean");
    Ok(if value.is_undefined() || (also_false && !value.is_true()) { other } else { value })
}

/// Ansible's `mandatory`: an error if the value is undefined.
fn mandatory(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    let message = call.get_text(1, "msg")?;
    match (value.is_undefined(), message) {
        (false, _) => Ok(value),
        // The message is an argument, which may contain values.
        (true, Some(message)) => Err(error_with_detail(MISSING, &message, message.as_str())),
        (true, None) => Err(undefined_error_with(MISSING)),
    }
}

/// Ansible's `ternary`. If no value for null is given, null is treated as false. An undefined value remains undefined.
fn ternary(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    let (yes, no) = (call.require(1, "true_val")?, call.require(2, "false_val")?);
    let none = call.get(3, "none_val").filter(|value| !value.is_none());
    Ok(match (value.is_undefined(), value.is_none(), none) {
        (true, ..) => value,
        (false, true, Some(none)) => none,
        _ if value.is_true() => yes,
        _ => no,
    })
}

/// Ansible's `bool`. An unknown value becomes false, without an error.
fn bool(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    let word = python_str::text(&value)?.to_lowercase();
    let is_readable = matches!(value.kind(), ValueKind::String | ValueKind::Bool) || value.is_integer();
    let is_one = value.kind() == ValueKind::Number && value == Value::from(1);
    Ok((is_one || (is_readable && ["yes", "on", "true", "1"].contains(&word.as_str()))).into())
}

/// Ansible's `type_debug`: the name of the type in Python.
fn type_debug(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    let name = match value.kind() {
        ValueKind::Undefined => "AnsibleUndefined",
        ValueKind::None => "NoneType",
        ValueKind::Bool => "bool",
        ValueKind::Number if value.is_integer() => "int",
        ValueKind::Number => "float",
        ValueKind::String => "str",
        ValueKind::Map => "dict",
        _ if value.is_tuple() => "tuple",
        _ => "list",
    };
    Ok(name.into())
}
