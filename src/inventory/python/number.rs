//! Python's number literals, without a sign.

use super::Value;

/// The number at the start of `text`, and its length. An integer that is too large for 128 bits stays text.
pub(super) fn read(text: &str) -> Option<(Value, usize)> {
    let bytes = text.as_bytes();
    if bytes.first() == Some(&b'0')
        && let Some(radix) = bytes.get(1).and_then(radix)
    {
        return prefixed(text, radix);
    }
    let integer_end = digits_end(bytes, 0)?;
    let mut at = integer_end;
    let mut is_float = false;
    if bytes.get(at) == Some(&b'.') {
        is_float = true;
        let fraction_end = digits_end(bytes, at + 1)?;
        // A dot without any digits is not a number.
        if integer_end == 0 && fraction_end == at + 1 {
            return None;
        }
        at = fraction_end;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        is_float = true;
        // An exponent needs digits: `1e` is not a number.
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let end = digits_end(bytes, at + 1 + sign)?;
        if end == at + 1 + sign {
            return None;
        }
        at = end;
    }
    // Rust's parsers do not accept underscores.
    let plain = text[..at].replace('_', "");
    let value = if is_float { Value::Float(plain.parse().ok()?) } else { parse_integer(&plain, &text[..at])? };
    Some((value, at))
}

fn radix(letter: &u8) -> Option<u32> {
    match letter {
        b'x' | b'X' => Some(16),
        b'o' | b'O' => Some(8),
        b'b' | b'B' => Some(2),
        _ => None,
    }
}

/// `0x1f`, `0o17` or `0b11`, with single underscores between digits and after the prefix.
fn prefixed(text: &str, radix: u32) -> Option<(Value, usize)> {
    let mut at = 2;
    loop {
        let from = at + usize::from(text.as_bytes().get(at) == Some(&b'_'));
        let run = text[from..].find(|c: char| !c.is_digit(radix)).unwrap_or(text.len() - from);
        if run == 0 {
            // There must be digits after the prefix and after each underscore.
            if from > at || at == 2 {
                return None;
            }
            break;
        }
        at = from + run;
    }
    let plain = text[2..at].replace('_', "");
    let value = i128::from_str_radix(&plain, radix).map_or_else(|_| Value::Str(text[..at].to_owned()), Value::Int);
    Some((value, at))
}

/// A decimal integer. Python does not allow leading zeros, except for zero itself.
fn parse_integer(plain: &str, text: &str) -> Option<Value> {
    if plain.starts_with('0') && plain.bytes().any(|digit| digit != b'0') {
        return None;
    }
    Some(plain.parse().map_or_else(|_| Value::Str(text.to_owned()), Value::Int))
}

/// The end of the digits that start at `from`, with single underscores between them; `None` if an underscore is before
/// the first or after the last digit.
fn digits_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'0'..=b'9' => at += 1,
            b'_' if at > from && bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => at += 1,
            b'_' => return None,
            _ => break,
        }
    }
    Some(at)
}
