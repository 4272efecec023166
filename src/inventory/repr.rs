//! Values in the notation of Python's `str()` and `repr()`, and numbers in that of its JSON and YAML libraries.

use super::model::{Node, Value};

/// `str(value)`: text without quotes, anything else as `repr(value)`. An encrypted value is shown as its envelope.
pub fn str(node: &Node) -> String {
    match &node.value {
        Value::Str(text) => text.clone(),
        Value::Vault => node.text.clone(),
        _ => repr(node),
    }
}

/// `repr(value)`: the notation of Python source code.
fn repr(node: &Node) -> String {
    match &node.value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => float(*number),
        Value::Str(text) => quoted(text),
        Value::Vault => format!("EncryptedString(ciphertext={})", quoted(&node.text)),
        Value::List(items) => format!("[{}]", items.iter().map(repr).collect::<Vec<_>>().join(", ")),
        Value::Map(members) => {
            let members = members.iter().map(|(key, value)| format!("{}: {}", repr(key), repr(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
    }
}

/// The shortest decimal notation of the number. It has an exponent if the number is below 1e-4, or is 1e16 or larger.
pub(super) fn float(number: f64) -> String {
    if !number.is_finite() {
        // Rust writes `NaN`, but Python writes `nan`.
        return number.to_string().to_lowercase();
    }
    // Like Python's `repr`, this notation has only as many digits as are needed to read back the same number.
    let exponential = format!("{number:e}");
    let (mantissa, exponent) = exponential.split_once('e').unwrap_or((&exponential, "0"));
    match exponent.parse::<i32>().unwrap_or_default() {
        exponent @ (..-4 | 16..) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.abs())
        }
        _ => format!("{number:?}"),
    }
}

/// The same in the notation of Python's `json`.
pub(super) fn json_float(number: f64) -> String {
    match number {
        _ if number.is_nan() => "NaN".to_owned(),
        _ if number.is_infinite() => if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        _ => float(number),
    }
}

/// The same in the notation of PyYAML: in YAML 1.1 a number with an exponent needs a dot.
pub(super) fn yaml_float(number: f64) -> String {
    let text = float(number);
    match text.split_once('e') {
        _ if !number.is_finite() => text.replace("nan", ".nan").replace("inf", ".inf"),
        Some((mantissa, exponent)) if !mantissa.contains('.') => format!("{mantissa}.0e{exponent}"),
        _ => text,
    }
}

/// In single quotes, or in double quotes if that avoids a backslash.
pub(super) fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut quoted = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            _ if c == quote => quoted.extend(['\\', c]),
            _ if is_printable(c) => quoted.push(c),
            _ => quoted.push_str(&match u32::from(c) {
                code @ ..0x100 => format!("\\x{code:02x}"),
                code @ ..0x10000 => format!("\\u{code:04x}"),
                code => format!("\\U{code:08x}"),
            }),
        }
    }
    quoted.push(quote);
    quoted
}

/// Python's `str.isprintable`.
fn is_printable(c: char) -> bool {
    // Rust's debug notation escapes the same characters. It also escapes combining characters, unless they follow a
    // letter, so a letter is put before the character.
    let escaped = String::from_iter(['a', c]).escape_debug().count() > 2;
    c == ' ' || !escaped && !c.is_whitespace() && !c.is_control() || matches!(c, '"' | '\'')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_in_pythons_notation() {
        for (number, expected) in [
            (1.0, "1.0"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (-0.0, "-0.0"),
            (3.1, "3.1"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(float(number), expected);
        }
    }

    #[test]
    fn quotes_are_those_that_python_chooses() {
        for (text, expected) in [
            ("a", "'a'"),
            ("it's", "\"it's\""),
            ("it's \"q\"", "'it\\'s \"q\"'"),
            ("a\nb\\", "'a\\nb\\\\'"),
            ("\u{7f}\u{a0}ä€😀\u{200b}\u{e000}\u{301}", "'\\x7f\\xa0ä€😀\\u200b\\ue000\u{301}'"),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }
}
