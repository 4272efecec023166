//! Filters of numbers.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::Named;
use crate::inventory::templates::call::Call;
use crate::inventory::templates::fault::refuse;
use crate::inventory::templates::render;

pub(super) const FILTERS: &[Named] = &[
    ("abs", abs),
    ("float", float),
    ("human_readable", human_readable),
    ("human_to_bytes", human_to_bytes),
    ("int", int),
    ("log", log),
    ("pow", pow),
    ("root", root),
    ("round", round),
];

/// A number for arithmetic; a boolean counts as 0 or 1.
fn number(value: &Value) -> Result<f64, Error> {
    match value.kind() {
        ValueKind::Bool => Ok(f64::from(u8::from(value.is_true()))),
        ValueKind::Number => f64::try_from(value.clone()),
        _ => Err(refuse("this needs a number")),
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
fn int(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    let default = call.get(1, "default").unwrap_or_else(|| Value::from(0));
    let base = call.get_number(2, "base")?.unwrap_or(10);
    let base = u32::try_from(base).ok().filter(|base| (2..=36).contains(base));
    let base = base.ok_or_else(|| refuse("the base must be between 2 and 36"))?;
    let found = match value.as_str() {
        Some(text) => parsed(text, base).map(whole).or_else(|| parsed_float(text).and_then(truncated)),
        None if value.is_integer() => Some(value),
        None => number(&value).ok().and_then(truncated),
    };
    Ok(found.unwrap_or(default))
}

fn float(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    let default = call.get(1, "default").unwrap_or_else(|| Value::from(0.0));
    let found = match value.as_str() {
        Some(text) => parsed_float(text),
        None => number(&value).ok(),
    };
    Ok(found.map_or(default, Value::from))
}

fn abs(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    if value.is_integer() {
        return Ok(whole(i128::try_from(value)?.checked_abs().ok_or_else(|| refuse("this would be too large"))?));
    }
    match value.kind() {
        ValueKind::Bool => Ok(Value::from(i64::from(value.is_true()))),
        _ => Ok(number(&value)?.abs().into()),
    }
}

/// Jinja's: half goes to the even neighbour, as in Python.
fn round(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    let precision = call.get_number(1, "precision")?.unwrap_or(0);
    let method = call.get_text(2, "method")?.unwrap_or_else(|| "common".to_owned());
    let exact = number(&value)?;
    let digits = i32::try_from(precision).ok().filter(|digits| (-300..=300).contains(digits));
    let digits = digits.ok_or_else(|| refuse("the precision does not fit"))?;
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
        _ => Err(refuse("the method must be `common`, `ceil` or `floor`")),
    }
}

fn log(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let exact = number(&call.value()?)?;
    let base = call.get(1, "base").map(|base| number(&base)).transpose()?;
    if exact <= 0.0 || base.is_some_and(|base| base <= 0.0 || base == 1.0) {
        return Err(refuse("there is no such logarithm"));
    }
    Ok(match base {
        None => exact.ln(),
        Some(10.0) => exact.log10(),
        Some(base) => exact.ln() / base.ln(),
    }
    .into())
}

fn pow(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let exact = number(&call.value()?)?;
    finite(exact.powf(number(&call.need(1, "y")?)?))
}

fn root(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let exact = number(&call.value()?)?;
    let base = call.get(1, "base").map_or(Ok(2.0), |base| number(&base))?;
    finite(if base == 2.0 { exact.sqrt() } else { exact.powf(1.0 / base) })
}

fn finite(number: f64) -> Result<Value, Error> {
    if number.is_finite() { Ok(number.into()) } else { Err(refuse("this has no result")) }
}

const UNITS: [(char, f64); 8] = [
    ('Y', 1_208_925_819_614_629_174_706_176.0),
    ('Z', 1_180_591_620_717_411_303_424.0),
    ('E', 1_152_921_504_606_846_976.0),
    ('P', 1_125_899_906_842_624.0),
    ('T', 1_099_511_627_776.0),
    ('G', 1_073_741_824.0),
    ('M', 1_048_576.0),
    ('K', 1024.0),
];

fn human_readable(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let size = number(&call.value()?)?;
    let base = if call.is(1, "isbits") { "bits" } else { "Bytes" };
    let unit = call.get_text(2, "unit")?.and_then(|unit| unit.to_uppercase().chars().next());
    let found = UNITS.iter().find(|(letter, limit)| match unit {
        None => size >= *limit,
        Some(unit) => unit == *letter,
    });
    Ok(match found {
        Some((letter, limit)) => format!("{:.2} {letter}{}", size / limit, if base == "bits" { "b" } else { "B" }),
        None => format!("{size:.2} {base}"),
    }
    .into())
}

fn human_to_bytes(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let text = render::text(&call.value()?)?;
    let default = call.get_text(1, "default_unit")?;
    let bits = call.is(2, "isbits");
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let size = text[..digits].parse::<f64>().map_err(|_| refuse("this is no size"))?;
    let unit = text[digits..].trim();
    let unit = if unit.is_empty() { default.unwrap_or_else(|| "B".to_owned()) } else { unit.to_owned() };
    let base = if bits { 'b' } else { 'B' };
    let word = if bits { "bit" } else { "byte" };
    let letter = unit.chars().next().map(|c| c.to_ascii_uppercase());
    let alone = unit.len() == 1 && letter == Some('B');
    let limit = UNITS.iter().find(|(own, _)| Some(*own) == letter).map(|(_, limit)| *limit);
    let limit = if alone || unit.to_lowercase().trim_end_matches('s') == word { Some(1.0) } else { limit };
    let rest: String = unit.chars().skip(1).collect();
    let fits = limit == Some(1.0)
        || rest.is_empty()
        || rest == base.to_string()
        || rest.to_lowercase().trim_end_matches('s') == word;
    let limit = limit.filter(|_| fits).ok_or_else(|| refuse("this unit is not known"))?;
    truncated((size * limit).round_ties_even()).ok_or_else(|| refuse("this would be too large"))
}
