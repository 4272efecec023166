//! Filters from and to JSON. They write it exactly as Python's `json` module does (separators, floats, `NaN`), because
//! the text may be hashed or compared. `serde_json` writes it differently.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use crate::inventory::repr;
use crate::inventory::templates::stdlib::access::{check_comparable, items, mapping, members, scalar_text};
use crate::inventory::templates::stdlib::call::{Call, Definition, NAME_ONLY};
use crate::inventory::templates::value::bounds::{MAX_NESTING, TOO_DEEP};
use crate::inventory::templates::value::errors::{error, undefined_error};
use crate::inventory::templates::value::python_str;

pub(super) const FILTERS: &[Definition] =
    &[("from_json", from_json), ("to_json", to_json), ("to_nice_json", to_nice_json), ("tojson", tojson)];

/// The format of the JSON.
struct Style {
    /// Spaces for each level; `None` writes a single line.
    indent: Option<usize>,
    /// Between two items.
    item_separator: String,
    /// Between a key and its value.
    key_separator: String,
    characters: Characters,
    keys: KeyOrder,
}

/// How characters outside of ASCII are written.
#[derive(Clone, Copy, PartialEq)]
enum Characters {
    Unchanged,
    Escaped,
}

/// The order of the members of a mapping.
#[derive(Clone, Copy, PartialEq)]
enum KeyOrder {
    Unchanged,
    Sorted,
}

impl Style {
    /// Reads the keyword arguments of `json.dumps`. `indent` and `keys` are the defaults.
    fn of(call: &mut Call, indent: Option<usize>, keys: KeyOrder) -> Result<Self, Error> {
        let indent = match call.get(1, "indent").filter(|indent| !indent.is_none()) {
            Some(indent) => Some(
                indent.as_usize().filter(|indent| *indent < 100).ok_or_else(|| error("`indent` is out of range"))?,
            ),
            None => indent,
        };
        let keys = match call.get(2, "sort_keys") {
            Some(sort) if sort.is_true() => KeyOrder::Sorted,
            Some(_) => KeyOrder::Unchanged,
            None => keys,
        };
        let unchanged = call.get(NAME_ONLY, "ensure_ascii").is_some_and(|ascii| !ascii.is_true());
        let characters = if unchanged { Characters::Unchanged } else { Characters::Escaped };
        // Ansible accepts these two arguments. They have no effect on values that are already decrypted.
        call.get(NAME_ONLY, "vault_to_text");
        call.get(NAME_ONLY, "preprocess_unsafe");
        let own = call.get(NAME_ONLY, "separators").filter(|own| !own.is_none()).map(|own| items(&own)).transpose()?;
        let (item_separator, key_separator) = match own.as_deref() {
            None if indent.is_some() => (",".to_owned(), ": ".to_owned()),
            None => (", ".to_owned(), ": ".to_owned()),
            Some([item, key]) => (python_str::text(item)?, python_str::text(key)?),
            Some(_) => return Err(error("`separators` must be two texts")),
        };
        Ok(Self { indent, item_separator, key_separator, characters, keys })
    }
}

fn to_json(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    to_text(&value, &Style::of(call, None, KeyOrder::Unchanged)?)
}

fn to_nice_json(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    // `to_nice_json` of Ansible ignores `separators` and uses fixed ones.
    call.get(NAME_ONLY, "separators");
    to_text(&value, &Style::of(call, Some(4), KeyOrder::Sorted)?)
}

/// Jinja's filter `tojson`. Its result is safe inside HTML.
fn tojson(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    let text = to_text(&value, &Style::of(call, None, KeyOrder::Sorted)?)?.to_string();
    let escapes = [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('\'', "\\u0027")];
    Ok(escapes.iter().fold(text, |text, (c, escape)| text.replace(*c, escape)).into())
}

fn to_text(value: &Value, style: &Style) -> Result<Value, Error> {
    let mut out = String::new();
    write(&mut out, value, style, 0)?;
    Ok(out.into())
}

fn write(out: &mut String, value: &Value, style: &Style, depth: usize) -> Result<(), Error> {
    if depth > MAX_NESTING {
        return Err(error(TOO_DEEP));
    }
    match value.kind() {
        ValueKind::Undefined => return Err(undefined_error()),
        ValueKind::None | ValueKind::Bool | ValueKind::Number => out.push_str(&scalar(value)?),
        ValueKind::String => write_string(out, value.as_str().unwrap_or_default(), style.characters),
        ValueKind::Seq | ValueKind::Iterable => {
            let items = items(value)?;
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                start_item(out, style, at, depth + 1);
                write(out, item, style, depth + 1)?;
            }
            end_items(out, style, items.len(), depth);
            out.push(']');
        }
        ValueKind::Map => {
            let mut members = members(value)?;
            if style.keys == KeyOrder::Sorted {
                check_comparable(&members.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>())?;
                members.sort_by(|a, b| a.0.cmp(&b.0));
            }
            out.push('{');
            for (at, (key, value)) in members.iter().enumerate() {
                start_item(out, style, at, depth + 1);
                match key.as_str() {
                    Some(key) => write_string(out, key, style.characters),
                    None => write_string(out, &scalar(key)?, style.characters),
                }
                out.push_str(&style.key_separator);
                write(out, value, style, depth + 1)?;
            }
            end_items(out, style, members.len(), depth);
            out.push('}');
        }
        _ => return Err(error("this value cannot be written as JSON")),
    }
    Ok(())
}

fn scalar(value: &Value) -> Result<String, Error> {
    Ok(match value.kind() {
        ValueKind::None => "null".to_owned(),
        ValueKind::Bool => value.is_true().to_string(),
        ValueKind::Number if value.is_integer() => value.to_string(),
        ValueKind::Number => repr::json_float(f64::try_from(value.clone())?),
        _ => return Err(error("this value cannot be a key in JSON")),
    })
}

fn start_item(out: &mut String, style: &Style, at: usize, depth: usize) {
    if at > 0 {
        out.push_str(&style.item_separator);
    }
    if let Some(indent) = style.indent {
        out.push('\n');
        out.push_str(&" ".repeat(indent * depth));
    }
}

fn end_items(out: &mut String, style: &Style, count: usize, depth: usize) {
    if let Some(indent) = style.indent.filter(|_| count > 0) {
        out.push('\n');
        out.push_str(&" ".repeat(indent * depth));
    }
}

fn write_string(out: &mut String, text: &str, characters: Characters) {
    // `serde_json` escapes ASCII characters as Python does. The others get surrogate pairs here.
    let quoted = serde_json::Value::from(text).to_string();
    for c in quoted.chars() {
        if characters == Characters::Unchanged || matches!(c, ' '..='~') {
            out.push(c);
        } else {
            out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
}

fn from_json(call: &mut Call) -> Result<Value, Error> {
    let text = scalar_text(&call.value()?)?;
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|_| error("this is not valid JSON"))?;
    from_serde(&json)
}

fn from_serde(json: &serde_json::Value) -> Result<Value, Error> {
    use serde_json::Value as Json;
    Ok(match json {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::String(text) => Value::from(text.as_str()),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => Value::from(number),
            (_, Some(number), _) => Value::from(i128::from(number)),
            // `serde_json` reads a larger integer as a float, so an integer cannot be distinguished from a float here.
            (_, _, Some(number)) if number.fract() != 0.0 || number.abs() < 1e16 => Value::from(number),
            _ => return Err(error("a number in this JSON is too large")),
        },
        Json::Array(items) => items.iter().map(from_serde).collect::<Result<Vec<_>, _>>()?.into(),
        Json::Object(members) => {
            let member = |(key, value): (&String, &Json)| Ok((Value::from(key), from_serde(value)?));
            mapping(members.iter().map(member).collect::<Result<Vec<_>, Error>>()?)
        }
    })
}
