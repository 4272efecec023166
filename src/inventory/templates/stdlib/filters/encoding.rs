//! Filters that encode and decode texts.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use crate::inventory::templates::stdlib::access::{items, members, scalar_text};
use crate::inventory::templates::stdlib::call::{Call, Definition};
use crate::inventory::templates::value::errors::error;

pub(super) const FILTERS: &[Definition] =
    &[("b64decode", b64decode), ("b64encode", b64encode), ("urldecode", urldecode), ("urlencode", urlencode)];

/// Returns an error if the argument `encoding` is not UTF-8, the only supported encoding.
fn require_utf8(call: &mut Call) -> Result<(), Error> {
    match call.get_text(1, "encoding")?.map(|name| name.to_lowercase().replace('_', "-")).as_deref() {
        None | Some("utf-8" | "utf8") => Ok(()),
        Some(_) => Err(error("this encoding is not supported")),
    }
}

fn b64encode(call: &mut Call) -> Result<Value, Error> {
    let text = scalar_text(&call.value()?)?;
    require_utf8(call)?;
    let engine = if call.is(2, "urlsafe") { URL_SAFE } else { STANDARD };
    Ok(engine.encode(text).into())
}

/// As in Python, characters that are not part of the base64 alphabet are skipped.
fn b64decode(call: &mut Call) -> Result<Value, Error> {
    let text = scalar_text(&call.value()?)?;
    require_utf8(call)?;
    let (engine, extra) = if call.is(2, "urlsafe") { (URL_SAFE, ['-', '_']) } else { (STANDARD, ['+', '/']) };
    let text: String = text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '=' || extra.contains(c)).collect();
    let bytes = engine.decode(text).map_err(|_| error("this is not valid base64"))?;
    Ok(String::from_utf8(bytes).map_err(|_| error("the decoded bytes are not UTF-8"))?.into())
}

fn urldecode(call: &mut Call) -> Result<Value, Error> {
    // A form encodes a space as `+`.
    let text = scalar_text(&call.value()?)?.replace('+', " ");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        // A `%` without two hexadecimal digits after it stays unchanged, as in Python.
        let code = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.filter(|digits| digits.chars().all(|c| c.is_ascii_hexdigit()));
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(code) if *first == b'%' => {
                bytes.push(code);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    // As in Python, bytes that are not UTF-8 are replaced.
    Ok(String::from_utf8_lossy(&bytes).into_owned().into())
}

fn urlencode(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    let pairs: Vec<(Value, Value)> = match value.kind() {
        // As in Jinja a mapping or a list of pairs becomes the query of a URL.
        ValueKind::Map => members(&value)?,
        ValueKind::Seq | ValueKind::Iterable => items(&value)?
            .iter()
            .map(|pair| match items(pair)?.as_slice() {
                [key, value] => Ok((key.clone(), value.clone())),
                _ => Err(error("the value must be a text, a mapping, or a list of pairs")),
            })
            .collect::<Result<_, _>>()?,
        _ => return Ok(percent_encode(&scalar_text(&value)?, "/").into()),
    };
    let pair = |(key, value): &(Value, Value)| {
        let encode = |value: &Value| scalar_text(value).map(|text| percent_encode(&text, "").replace("%20", "+"));
        Ok(format!("{}={}", encode(key)?, encode(value)?))
    };
    Ok(pairs.iter().map(pair).collect::<Result<Vec<String>, Error>>()?.join("&").into())
}

fn percent_encode(text: &str, safe: &str) -> String {
    let byte = |byte: u8| {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || "_.-~".contains(c) || safe.contains(c) {
            c.to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(byte).collect()
}
