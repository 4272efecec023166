//! Values as Python's `str` and `repr` write them.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::fault::{refuse, undefined};

/// How tuples are written.
#[derive(Clone, Copy, PartialEq)]
enum Tuples {
    AsTheyAre,
    AsLists,
}

/// What `str(value)` gives.
pub(super) fn text(value: &Value) -> Result<String, Error> {
    if let Some(text) = value.as_str() {
        return Ok(text.to_owned());
    }
    let mut out = String::new();
    write(&mut out, value, Tuples::AsTheyAre, 0)?;
    Ok(out)
}

/// What becomes of a value in a text: Ansible makes lists of tuples.
pub(super) fn output(value: &Value) -> Result<String, Error> {
    if let Some(text) = value.as_str() {
        return Ok(text.to_owned());
    }
    let mut out = String::new();
    write(&mut out, value, Tuples::AsLists, 0)?;
    Ok(out)
}

/// What `repr(value)` gives.
pub(super) fn repr(value: &Value) -> Result<String, Error> {
    let mut out = String::new();
    write(&mut out, value, Tuples::AsTheyAre, 0)?;
    Ok(out)
}

/// What `repr` gives for a float: the shortest digits that read back as the same number.
pub(super) fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..16).contains(&exponent) {
        let plain = format!("{number}");
        return if plain.contains('.') { plain } else { format!("{plain}.0") };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

fn write(out: &mut String, value: &Value, tuples: Tuples, depth: usize) -> Result<(), Error> {
    if depth > 100 {
        return Err(refuse("the value is nested too deeply"));
    }
    match value.kind() {
        ValueKind::Undefined => return Err(undefined()),
        ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number if value.is_integer() => out.push_str(&value.to_string()),
        ValueKind::Number => out.push_str(&float(f64::try_from(value.clone())?)),
        ValueKind::String => string(out, value.as_str().unwrap_or_default()),
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

fn string(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            c if c.is_control() || (c.is_whitespace() && c != ' ') => match u32::from(c) {
                code @ ..0x100 => out.push_str(&format!("\\x{code:02x}")),
                code => out.push_str(&format!("\\u{code:04x}")),
            },
            c => out.push(c),
        }
    }
    out.push(quote);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_read_as_in_python() {
        let cases = [(1.0, "1.0"), (3.10, "3.1"), (1e16, "1e+16"), (1e15, "1000000000000000.0"), (1e-5, "1e-05")];
        for (number, text) in cases.into_iter().chain([(0.0001, "0.0001"), (-0.0, "-0.0"), (1.5e300, "1.5e+300")]) {
            assert_eq!(float(number), text);
        }
    }
}
