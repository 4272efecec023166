//! Filters from and to JSON, as Python's `json` reads and writes it: its separators, its floats and its `NaN`, which
//! `serde_json` does not have.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use crate::inventory::repr;
use crate::inventory::templates::stdlib::access::{check_comparable, items, mapping, members, scalar_text};
use crate::inventory::templates::stdlib::call::{Call, Definition, NAME_ONLY};
use crate::inventory::templates::value::errors::{error, undefined_error};
use crate::inventory::templates::value::python_str;

pub(super) const FILTERS: &[Definition] =
    &[("from_json", from_json), ("to_json", to_json), ("to_nice_json", to_nice_json), ("tojson", tojson)];

/// How JSON is written.
struct Style {
    /// Spaces by level; without them it is one line.
    indent: Option<usize>,
    between: String,
    colon: String,
    keep_unicode: bool,
    sort_keys: bool,
}

impl Style {
    /// The keyword arguments of `json.dumps`.
    fn of(call: &mut Call, indent: Option<usize>, sorted: bool) -> Result<Self, Error> {
        let indent = match call.get(1, "indent").filter(|indent| !indent.is_none()) {
            Some(indent) => {
                Some(indent.as_usize().filter(|indent| *indent < 100).ok_or_else(|| error("`indent` does not fit"))?)
            }
            None => indent,
        };
        let sort_keys = call.get(2, "sort_keys").map_or(sorted, |sort| sort.is_true());
        let keep_unicode = call.get(NAME_ONLY, "ensure_ascii").is_some_and(|ascii| !ascii.is_true());
        // Ansible takes these and they change nothing here.
        call.get(NAME_ONLY, "vault_to_text");
        call.get(NAME_ONLY, "preprocess_unsafe");
        let own = call.get(NAME_ONLY, "separators").filter(|own| !own.is_none()).map(|own| items(&own)).transpose()?;
        let (between, colon) = match own.as_deref() {
            None if indent.is_some() => (",".to_owned(), ": ".to_owned()),
            None => (", ".to_owned(), ": ".to_owned()),
            Some([between, colon]) => (python_str::text(between)?, python_str::text(colon)?),
            Some(_) => return Err(error("`separators` must be two texts")),
        };
        Ok(Self { indent, between, colon, keep_unicode, sort_keys })
    }
}

fn to_json(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    written(&value, &Style::of(call, None, false)?)
}

fn to_nice_json(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    call.get(NAME_ONLY, "separators");
    written(&value, &Style::of(call, Some(4), true)?)
}

/// Jinja's own, safe inside HTML.
fn tojson(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    let text = written(&value, &Style::of(call, None, true)?)?.to_string();
    let escapes = [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('\'', "\\u0027")];
    Ok(escapes.iter().fold(text, |text, (c, escape)| text.replace(*c, escape)).into())
}

fn written(value: &Value, style: &Style) -> Result<Value, Error> {
    let mut out = String::new();
    write(&mut out, value, style, 0)?;
    Ok(out.into())
}

fn write(out: &mut String, value: &Value, style: &Style, depth: usize) -> Result<(), Error> {
    if depth > 100 {
        return Err(error("the value is nested too deeply"));
    }
    match value.kind() {
        ValueKind::Undefined => return Err(undefined_error()),
        ValueKind::None | ValueKind::Bool | ValueKind::Number => out.push_str(&scalar(value)?),
        ValueKind::String => string(out, value.as_str().unwrap_or_default(), style.keep_unicode),
        ValueKind::Seq | ValueKind::Iterable => {
            let items = items(value)?;
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                start(out, style, at, depth + 1);
                write(out, item, style, depth + 1)?;
            }
            end(out, style, items.len(), depth);
            out.push(']');
        }
        ValueKind::Map => {
            let mut members = members(value)?;
            if style.sort_keys {
                check_comparable(&members.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>())?;
                members.sort_by(|a, b| a.0.cmp(&b.0));
            }
            out.push('{');
            for (at, (key, value)) in members.iter().enumerate() {
                start(out, style, at, depth + 1);
                match key.as_str() {
                    Some(key) => string(out, key, style.keep_unicode),
                    None => string(out, &scalar(key)?, style.keep_unicode),
                }
                out.push_str(&style.colon);
                write(out, value, style, depth + 1)?;
            }
            end(out, style, members.len(), depth);
            out.push('}');
        }
        _ => return Err(error("this value has no JSON")),
    }
    Ok(())
}

fn scalar(value: &Value) -> Result<String, Error> {
    Ok(match value.kind() {
        ValueKind::None => "null".to_owned(),
        ValueKind::Bool => value.is_true().to_string(),
        ValueKind::Number if value.is_integer() => value.to_string(),
        ValueKind::Number => repr::json_float(f64::try_from(value.clone())?),
        _ => return Err(error("this cannot be a key in JSON")),
    })
}

fn start(out: &mut String, style: &Style, at: usize, depth: usize) {
    if at > 0 {
        out.push_str(&style.between);
    }
    if let Some(indent) = style.indent {
        out.push('\n');
        out.push_str(&" ".repeat(indent * depth));
    }
}

fn end(out: &mut String, style: &Style, count: usize, depth: usize) {
    if let Some(indent) = style.indent.filter(|_| count > 0) {
        out.push('\n');
        out.push_str(&" ".repeat(indent * depth));
    }
}

fn string(out: &mut String, text: &str, keep_unicode: bool) {
    // The escapes of Python, but for what is not ASCII.
    let spelt = serde_json::Value::from(text).to_string();
    for c in spelt.chars() {
        if keep_unicode || matches!(c, ' '..='~') {
            out.push(c);
        } else {
            out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
}

fn from_json(call: &mut Call) -> Result<Value, Error> {
    let text = scalar_text(&call.value()?)?;
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|_| error("this is no JSON"))?;
    read(&json)
}

fn read(json: &serde_json::Value) -> Result<Value, Error> {
    use serde_json::Value as Json;
    Ok(match json {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::String(text) => Value::from(text.as_str()),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => Value::from(number),
            (_, Some(number), _) => Value::from(i128::from(number)),
            // Whether it was written as a whole number is not known any more.
            (_, _, Some(number)) if number.fract() != 0.0 || number.abs() < 1e16 => Value::from(number),
            _ => return Err(error("a number in this JSON is too large")),
        },
        Json::Array(items) => items.iter().map(read).collect::<Result<Vec<_>, _>>()?.into(),
        Json::Object(members) => {
            let member = |(key, value): (&String, &Json)| Ok((Value::from(key), read(value)?));
            mapping(members.iter().map(member).collect::<Result<Vec<_>, Error>>()?)
        }
    })
}
