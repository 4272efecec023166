//! The types of plain scalars. PyYAML follows YAML 1.1, in which `yes` is a boolean and `1:30` is a number (base 60).
//!
//! Source: `yaml/resolver.py` and `yaml/constructor.py` of PyYAML.

use super::super::model::{Node, Value};

/// The rules for numbers.
#[derive(Clone, Copy, PartialEq)]
pub(in super::super) enum Schema {
    /// Those of PyYAML: a float needs a dot, `017` is octal, and `1:30` is 90.
    Yaml,
    /// Those of JSON, which Ansible tries first: `1e3` is a float.
    Json,
}

impl Schema {
    /// JSON if the complete text is JSON.
    pub fn of(text: &str) -> Self {
        match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Ok(_) => Self::Json,
            Err(_) => Self::Yaml,
        }
    }
}

/// The value of a plain scalar without a tag. Dates stay text.
pub(super) fn resolve(text: &str, schema: Schema) -> Value {
    // Most scalars are words. Their first byte rules out null and numbers without further checks.
    let first = text.bytes().next();
    if first.is_none_or(|byte| matches!(byte, b'~' | b'n' | b'N')) && is_null(text) {
        return Value::Null;
    }
    if let Some(value) = boolean(text) {
        return Value::Bool(value);
    }
    if !first.is_some_and(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.')) {
        return Value::Str(text.to_owned());
    }
    let json = |text: &str| (schema == Schema::Json).then(|| text.parse().ok().map(Value::Float)).flatten();
    integer(text).or_else(|| float(text)).or_else(|| json(text)).unwrap_or_else(|| Value::Str(text.to_owned()))
}

/// The value of a scalar with the tag `!!name`.
pub(super) fn construct(text: &str, name: &str) -> Option<Value> {
    match name {
        "null" => Some(Value::Null),
        "bool" => boolean(text).map(Value::Bool),
        "int" => integer(text),
        "float" => float(text).or_else(|| text.replace('_', "").parse().ok().map(Value::Float)),
        _ => None,
    }
}

/// Two keys are the same if they have the same identity. The rules are those of Python's equality.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum Identity {
    Null,
    /// An integer: `1`, `0x1`, `yes` and `1.0` are equal.
    Integer(i128),
    /// The bits of a number with a fraction.
    Fraction(u64),
    Text(String),
}

/// The identity of a key that is not a list or mapping.
pub(super) fn identity(key: &Node) -> Identity {
    match &key.value {
        Value::Bool(value) => Identity::Integer((*value).into()),
        Value::Int(number) => Identity::Integer(*number),
        // The cast is exact for numbers up to 2^53. Larger keys do not occur in inventories.
        Value::Float(number) if number.fract() == 0.0 => Identity::Integer(*number as i128),
        Value::Float(number) => Identity::Fraction(number.to_bits()),
        Value::Str(text) => Identity::Text(text.clone()),
        _ => Identity::Null,
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

fn split_sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// An integer. One that is too large for 128 bits stays text.
fn integer(text: &str) -> Option<Value> {
    let (negative, rest) = split_sign(text);
    let digits = |text: &str, radix: u32| -> Option<i128> {
        let of_radix = |c: char| c == '_' || c.is_digit(radix);
        text.chars().all(of_radix).then(|| i128::from_str_radix(&text.replace('_', ""), radix).ok()).flatten()
    };
    let number = if let Some(rest) = rest.strip_prefix("0b") {
        digits(rest, 2)
    } else if let Some(rest) = rest.strip_prefix("0x") {
        digits(rest, 16)
    } else if let Some(octal) = rest.strip_prefix('0') {
        // `0` and `0_` are zero, although they have no octal digits.
        if octal.chars().all(|c| c == '_') { Some(0) } else { digits(octal, 8) }
    } else if rest.starts_with(|c: char| c.is_ascii_digit()) {
        if rest.contains(':') { sexagesimal_integer(rest) } else { digits(rest, 10) }
    } else {
        None
    };
    number.map(|number| Value::Int(if negative { -number } else { number }))
}

/// `1:30` is 90: base 60, as for hours, minutes and seconds.
fn sexagesimal_integer(text: &str) -> Option<i128> {
    let (first, rest) = text.split_once(':')?;
    let head = first.chars().all(|c| c == '_' || c.is_ascii_digit()).then(|| first.replace('_', ""))?;
    rest.split(':')
        .try_fold(head.parse::<i128>().ok()?, |sum, part| sum.checked_mul(60)?.checked_add(base_60_digit(part)?))
}

/// `[0-5]?[0-9]`
fn base_60_digit(part: &str) -> Option<i128> {
    match part.as_bytes() {
        [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9'] => part.parse().ok(),
        _ => None,
    }
}

/// A number with a dot. In YAML 1.1 an exponent needs a sign.
fn float(text: &str) -> Option<Value> {
    let (negative, rest) = split_sign(text);
    let number = match rest {
        ".inf" | ".Inf" | ".INF" => f64::INFINITY,
        // `-.nan` is text.
        ".nan" | ".NaN" | ".NAN" if rest.len() == text.len() => f64::NAN,
        _ if rest.contains(':') => sexagesimal_float(rest)?,
        _ => {
            let (mantissa, exponent) = match rest.find(['e', 'E']) {
                Some(at) => (&rest[..at], &rest[at + 1..]),
                None => (rest, "+0"),
            };
            let (whole, fraction) = mantissa.split_once('.')?;
            let digits = |text: &str| text.chars().all(|c| c == '_' || c.is_ascii_digit());
            let starts = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
            // A number that starts with the dot (`.5`) must not have a sign, and an underscore must not be first.
            let has_valid_start =
                if whole.is_empty() { starts(fraction) && rest.len() == text.len() } else { starts(whole) };
            let power = exponent.strip_prefix(['+', '-'])?;
            let has_valid_exponent = !power.is_empty() && power.bytes().all(|byte| byte.is_ascii_digit());
            if !(has_valid_start && digits(whole) && digits(fraction) && has_valid_exponent) {
                return None;
            }
            rest.replace('_', "").parse().ok()?
        }
    };
    Some(Value::Float(if negative { -number } else { number }))
}

/// `1:30.5` is 90.5.
fn sexagesimal_float(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once('.')?;
    // Unlike a sexagesimal integer, a sexagesimal float may start with a zero.
    let number = sexagesimal_integer(whole)?;
    let digits = fraction.chars().all(|c| c == '_' || c.is_ascii_digit());
    let tail: f64 = digits.then(|| format!("0.{}", fraction.replace('_', "")).parse().ok()).flatten()?;
    // The cast is exact: hours and minutes are far below 2^53.
    Some(number as f64 + tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match resolve(text, Schema::Yaml) {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => format!("bool {value}"),
            Value::Int(value) => format!("int {value}"),
            Value::Float(value) => format!("float {value}"),
            Value::Str(text) => format!("str {text}"),
            _ => "?".to_owned(),
        }
    }

    #[test]
    fn scalars_are_typed_as_pyyaml_types_them() {
        for (text, expected) in [
            ("", "null"),
            ("~", "null"),
            ("yes", "bool true"),
            ("Off", "bool false"),
            ("tRue", "str tRue"),
            ("y", "str y"),
            ("017", "int 15"),
            ("08", "str 08"),
            ("0o17", "str 0o17"),
            ("1_000", "int 1000"),
            ("0x_1f", "int 31"),
            ("-0b101", "int -5"),
            ("12:30:45", "int 45045"),
            ("22:62", "str 22:62"),
            ("1:30.5", "float 90.5"),
            ("1e3", "str 1e3"),
            ("1.5e3", "str 1.5e3"),
            ("1.5e+3", "float 1500"),
            ("3.10", "float 3.1"),
            (".5", "float 0.5"),
            ("-.5", "str -.5"),
            ("-.inf", "float -inf"),
            ("2024-01-02", "str 2024-01-02"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
