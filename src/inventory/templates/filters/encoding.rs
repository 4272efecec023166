//! Filters that encode and decode texts.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::Named;
use super::text::only_text;
use crate::inventory::templates::call::{Call, items, mapping, members};
use crate::inventory::templates::fault::refuse;

pub(super) const FILTERS: &[Named] = &[
    ("b64decode", b64decode),
    ("b64encode", b64encode),
    ("urldecode", urldecode),
    ("urlencode", urlencode),
    ("urlsplit", urlsplit),
];

/// Python's names of an encoding, as far as they are supported.
#[derive(Clone, Copy)]
enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
    Latin1,
    Ascii,
}

impl Encoding {
    fn of(call: &mut Call) -> Result<Self, Error> {
        let name = call.get_text(1, "encoding")?.unwrap_or_else(|| "utf-8".to_owned());
        match name.to_lowercase().replace('_', "-").as_str() {
            "utf-8" | "utf8" => Ok(Self::Utf8),
            "utf-16-le" | "utf-16le" => Ok(Self::Utf16Le),
            "utf-16-be" | "utf-16be" => Ok(Self::Utf16Be),
            "latin-1" | "latin1" | "iso-8859-1" => Ok(Self::Latin1),
            "ascii" | "us-ascii" => Ok(Self::Ascii),
            _ => Err(refuse("this encoding is not supported")),
        }
    }

    fn bytes(self, text: &str) -> Option<Vec<u8>> {
        let narrow = |limit: u32| text.chars().map(|c| u8::try_from(c).ok().filter(|_| u32::from(c) < limit)).collect();
        match self {
            Self::Utf8 => Some(text.as_bytes().to_vec()),
            Self::Utf16Le => Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            Self::Utf16Be => Some(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
            Self::Latin1 => narrow(256),
            Self::Ascii => narrow(128),
        }
    }

    fn text(self, bytes: Vec<u8>) -> Option<String> {
        let wide = |unit: fn([u8; 2]) -> u16| {
            let units: Option<Vec<u16>> = bytes.chunks(2).map(|pair| Some(unit(pair.try_into().ok()?))).collect();
            String::from_utf16(&units?).ok()
        };
        match self {
            Self::Utf16Le => wide(u16::from_le_bytes),
            Self::Utf16Be => wide(u16::from_be_bytes),
            Self::Latin1 => Some(bytes.into_iter().map(char::from).collect()),
            Self::Ascii if !bytes.is_ascii() => None,
            Self::Utf8 | Self::Ascii => String::from_utf8(bytes).ok(),
        }
    }
}

fn b64encode(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let text = only_text(&call.value()?)?;
    let encoding = Encoding::of(call)?;
    let engine = if call.is(2, "urlsafe") { URL_SAFE } else { STANDARD };
    let bytes = encoding.bytes(&text).ok_or_else(|| refuse("a character of the text is not in this encoding"))?;
    Ok(engine.encode(bytes).into())
}

/// Python skips what is no base64 character.
fn b64decode(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let text = only_text(&call.value()?)?;
    let encoding = Encoding::of(call)?;
    let (engine, extra) = if call.is(2, "urlsafe") { (URL_SAFE, ['-', '_']) } else { (STANDARD, ['+', '/']) };
    let text: String = text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '=' || extra.contains(c)).collect();
    let bytes = engine.decode(text).map_err(|_| refuse("this is no base64"))?;
    let decoded = encoding.text(bytes).ok_or_else(|| refuse("what is encoded here is no text"))?;
    Ok(decoded.into())
}

fn urldecode(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let text = only_text(&call.value()?)?.replace('+', " ");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
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
    Ok(String::from_utf8_lossy(&bytes).into_owned().into())
}

fn urlencode(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    let pairs: Vec<(Value, Value)> = match value.kind() {
        ValueKind::Map => members(&value)?,
        ValueKind::Seq | ValueKind::Iterable => items(&value)?
            .iter()
            .map(|pair| match items(pair)?.as_slice() {
                [key, value] => Ok((key.clone(), value.clone())),
                _ => Err(refuse("this needs a text, a mapping, or a list of pairs")),
            })
            .collect::<Result<_, _>>()?,
        _ => return Ok(quoted(&only_text(&value)?, "/").into()),
    };
    let pair = |(key, value): &(Value, Value)| {
        let quoted = |value: &Value| only_text(value).map(|text| quoted(&text, "").replace("%20", "+"));
        Ok(format!("{}={}", quoted(key)?, quoted(value)?))
    };
    Ok(pairs.iter().map(pair).collect::<Result<Vec<String>, Error>>()?.join("&").into())
}

fn quoted(text: &str, safe: &str) -> String {
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

/// As Python's `urllib.parse.urlsplit`.
fn urlsplit(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let text = only_text(&call.value()?)?;
    let wanted = call.get_text(1, "query")?.unwrap_or_default();
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    let (scheme, rest) = match text.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (scheme.to_lowercase(), rest),
        _ => (String::new(), text.as_str()),
    };
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (netloc, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let (login, address) = netloc.rsplit_once('@').map_or((None, netloc), |(login, address)| (Some(login), address));
    let (username, password) =
        match login.map(|login| login.split_once(':').map_or((login, None), |(u, p)| (u, Some(p)))) {
            Some((user, password)) => (Some(user), password),
            None => (None, None),
        };
    let (host, port) = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, after)) => (host, after.strip_prefix(':')),
        None => address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port))),
    };
    let port = match port.filter(|port| !port.is_empty()) {
        Some(port) => Value::from(port.parse::<u16>().map_err(|_| refuse("the port of this URL is no number"))?),
        None => Value::from(()),
    };
    let host = Some(host.to_lowercase()).filter(|host| !host.is_empty());
    let parts = [
        ("fragment", Value::from(fragment)),
        ("hostname", host.map_or_else(|| Value::from(()), Value::from)),
        ("netloc", Value::from(netloc)),
        ("password", password.map_or_else(|| Value::from(()), Value::from)),
        ("path", Value::from(path)),
        ("port", port),
        ("query", Value::from(query)),
        ("scheme", Value::from(scheme)),
        ("username", username.map_or_else(|| Value::from(()), Value::from)),
    ];
    if wanted.is_empty() {
        return Ok(mapping(parts.map(|(name, value)| (Value::from(name), value))));
    }
    let part = parts.into_iter().find(|(name, _)| *name == wanted);
    part.map(|(_, value)| value).ok_or_else(|| refuse("a URL has no such part"))
}
