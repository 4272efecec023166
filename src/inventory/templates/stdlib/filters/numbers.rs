//! Filters of numbers, with the rules of Python and Jinja.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use crate::inventory::templates::stdlib::call::{Call, Definition};
use crate::inventory::templates::value::bounds::TOO_LARGE;
use crate::inventory::templates::value::errors::error;

pub(super) const FILTERS: &[Definition] = &[("abs", abs), ("float", float), ("int", int), ("round", round)];

/// The value as a float. As in Python a boolean is 0 or 1.
fn as_float(value: &Value) -> Result<f64, Error> {
    match value.kind() {
        ValueKind::Bool => Ok(f64::from(u8::from(value.is_true()))),
        ValueKind::Number => f64::try_from(value.clone()),
        _ => Err(error("the value must be a number")),
    }
}

/// An integer as Python's `int(text, base)` reads it.
fn parse_int(text: &str, base: u32) -> Option<i128> {
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
    let has_misplaced = digits.starts_with(['_', '+', '-']) || digits.ends_with('_') || digits.contains("__");
    let magnitude = i128::from_str_radix(&digits.replace('_', ""), base).ok().filter(|_| !has_misplaced)?;
    Some(if negative { -magnitude } else { magnitude })
}

/// A number as Python's `float(text)` reads it.
fn parse_float(text: &str) -> Option<f64> {
    let text = text.trim();
    let has_misplaced = text.starts_with('_') || text.ends_with('_') || text.contains("__");
    text.replace('_', "").parse().ok().filter(|_| !has_misplaced)
}

fn from_integer(number: i128) -> Value {
    i64::try_from(number).map_or_else(|_| Value::from(number), Value::from)
}

fn truncated(number: f64) -> Option<Value> {
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    (number.is_finite() && number.abs() < 1e36).then(|| from_integer(number.trunc() as i128))
}

/// Jinja's `int`. A value that is not a number becomes the default, without an error.
fn int(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    let default = call.get(1, "default").unwrap_or_else(|| Value::from(0));
    let base = call.get_integer(2, "base")?.unwrap_or(10);
    let base = u32::try_from(base).ok().filter(|base| (2..=36).contains(base));
    let base = base.ok_or_else(|| error("the base must be between 2 and 36"))?;
    let result = match value.as_str() {
        Some(text) => parse_int(text, base).map(from_integer).or_else(|| parse_float(text).and_then(truncated)),
        None if value.is_integer() => Some(value),
        None => as_float(&value).ok().and_then(truncated),
    };
    Ok(result.unwrap_or(default))
}

/// Jinja's `float`. A value that is not a number becomes the default, without an error.
fn float(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    let default = call.get(1, "default").unwrap_or_else(|| Value::from(0.0));
    let result = match value.as_str() {
        Some(text) => parse_float(text),
        None => as_float(&value).ok(),
    };
    Ok(result.map_or(default, Value::from))
}

fn abs(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    // Integers stay exact: a float has only 53 bits.
    if value.is_integer() {
        return Ok(from_integer(i128::try_from(value)?.checked_abs().ok_or_else(|| error(TOO_LARGE))?));
    }
    match value.kind() {
        ValueKind::Bool => Ok(Value::from(i64::from(value.is_true()))),
        _ => Ok(as_float(&value)?.abs().into()),
    }
}

/// Jinja's `round`. As in Python a half is rounded to the even neighbor.
fn round(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    let precision = call.get_integer(1, "precision")?.unwrap_or(0);
    let method = call.get_text(2, "method")?.unwrap_or_else(|| "common".to_owned());
    let exact = as_float(&value)?;
    let digits = i32::try_from(precision).ok().filter(|digits| (-300..=300).contains(digits));
    let digits = digits.ok_or_else(|| error("the precision is out of range"))?;
    let factor = 10_f64.powi(digits);
    match method.as_str() {
        "common" if value.is_integer() && digits >= 0 => Ok(value),
        "common" if value.is_integer() => Ok(((exact * factor).round_ties_even() / factor).into()),
        // When it formats a number, Rust rounds the exact decimal expansion, as Python does.
        "common" if digits >= 0 => {
            let precision = usize::try_from(digits).unwrap_or_default();
            Ok(parse_float(&format!("{exact:.precision$}")).unwrap_or(exact).into())
        }
        "common" => Ok(((exact * factor).round_ties_even() / factor).into()),
        "ceil" => Ok(((exact * factor).ceil() / factor).into()),
        "floor" => Ok(((exact * factor).floor() / factor).into()),
        _ => Err(error("the method must be `common`, `ceil` or `floor`")),
    }
}
