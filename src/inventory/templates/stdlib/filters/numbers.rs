//! Filters of numbers.

use crate::inventory::templates::stdlib::call::{Call, Definition};
use crate::inventory::templates::value::bounds::TOO_LARGE;
use crate::inventory::templates::value::errors::error;
use minijinja::value::ValueKind;
use minijinja::{Error, Value};

pub(super) const FILTERS: &[Definition] = &[("abs", abs), ("float", float), ("int", int), ("round", round)];

/// A number for arithmetic; a boolean counts as 0 or 1.
fn number(value: &Value) -> Result<f64, Error> {
    match value.kind() {
        ValueKind::Bool => Ok(f64::from(u8::from(value.is_true()))),
        ValueKind::Number => f64::try_from(value.clone()),
        _ => Err(error("the value must be a number")),
    }
}

/// A whole number in the way Python's `int(text, base)` reads it.
fn parsed(text: &str, base: u32) -> Option<i128> {
    let text = text.trim().to_lowercase();
    let (negative, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text.as_str()),
    };
    let prefix = match base {
        2 => "0b",
        8 => "0o",
        16 => "0x",
        _ => "",
    };
    let digits = digits.strip_prefix(prefix).unwrap_or(digits);
    let misplaced = digits.starts_with(['_', '+', '-']) || digits.ends_with('_') || digits.contains("__");
    let magnitude = i128::from_str_radix(&digits.replace('_', ""), base).ok().filter(|_| !misplaced)?;
    Some(if negative { -magnitude } else { magnitude })
}

/// As Python's `float(text)`.
fn parsed_float(text: &str) -> Option<f64> {
    let text = text.trim();
    let misplaced = text.starts_with('_') || text.ends_with('_') || text.contains("__");
    text.replace('_', "").parse().ok().filter(|_| !misplaced)
}

fn whole(number: i128) -> Value {
    i64::try_from(number).map_or_else(|_| Value::from(number), Value::from)
}

fn truncated(number: f64) -> Option<Value> {
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    (number.is_finite() && number.abs() < 1e36).then(|| whole(number.trunc() as i128))
}

/// Jinja's: what is no number is the default.
fn int(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    let default = call.get(1, "default").unwrap_or_else(|| Value::from(0));
    let base = call.get_integer(2, "base")?.unwrap_or(10);
    let base = u32::try_from(base).ok().filter(|base| (2..=36).contains(base));
    let base = base.ok_or_else(|| error("the base must be between 2 and 36"))?;
    let found = match value.as_str() {
        Some(text) => parsed(text, base).map(whole).or_else(|| parsed_float(text).and_then(truncated)),
        None if value.is_integer() => Some(value),
        None => number(&value).ok().and_then(truncated),
    };
    Ok(found.unwrap_or(default))
}

fn float(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    let default = call.get(1, "default").unwrap_or_else(|| Value::from(0.0));
    let found = match value.as_str() {
        Some(text) => parsed_float(text),
        None => number(&value).ok(),
    };
    Ok(found.map_or(default, Value::from))
}

fn abs(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    if value.is_integer() {
        return Ok(whole(i128::try_from(value)?.checked_abs().ok_or_else(|| error(TOO_LARGE))?));
    }
    match value.kind() {
        ValueKind::Bool => Ok(Value::from(i64::from(value.is_true()))),
        _ => Ok(number(&value)?.abs().into()),
    }
}

/// Jinja's: half goes to the even neighbour, as in Python.
fn round(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    let precision = call.get_integer(1, "precision")?.unwrap_or(0);
    let method = call.get_text(2, "method")?.unwrap_or_else(|| "common".to_owned());
    let exact = number(&value)?;
    let digits = i32::try_from(precision).ok().filter(|digits| (-300..=300).contains(digits));
    let digits = digits.ok_or_else(|| error("the precision does not fit"))?;
    let factor = 10_f64.powi(digits);
    match method.as_str() {
        "common" if value.is_integer() && digits >= 0 => Ok(value),
        "common" if value.is_integer() => Ok(((exact * factor).round_ties_even() / factor).into()),
        // Rust rounds the exact decimal expansion, as Python does.
        "common" if digits >= 0 => {
            let precision = usize::try_from(digits).unwrap_or_default();
            Ok(parsed_float(&format!("{exact:.precision$}")).unwrap_or(exact).into())
        }
        "common" => Ok(((exact * factor).round_ties_even() / factor).into()),
        "ceil" => Ok(((exact * factor).ceil() / factor).into()),
        "floor" => Ok(((exact * factor).floor() / factor).into()),
        _ => Err(error("the method must be `common`, `ceil` or `floor`")),
    }
}
