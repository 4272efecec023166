//! Filters from and to YAML, as PyYAML reads and writes it: a text made of YAML may be hashed or compared, so it has
//! PyYAML's bytes, which no library writes. What PyYAML would fold or spread over lines is refused.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use crate::inventory::model::Value as Plain;
use crate::inventory::repr;
use crate::inventory::source::{Source, Span};
use crate::inventory::templates::stdlib::access::{check_comparable, items, members, scalar_text};
use crate::inventory::templates::stdlib::call::{Call, Definition, NAME_ONLY};
use crate::inventory::templates::value::convert::from_final;
use crate::inventory::templates::value::errors::{error, error_with_hint, undefined_error};
use crate::inventory::yaml::parse_value;

pub(super) const FILTERS: &[Definition] =
    &[("from_yaml", from_yaml), ("to_nice_yaml", to_nice_yaml), ("to_yaml", to_yaml)];

/// PyYAML begins a new line after so many characters.
const WIDTH: usize = 80;

/// How collections are written.
#[derive(Clone, Copy, PartialEq)]
enum Flow {
    /// Each on lines of its own.
    Never,
    /// The innermost in brackets.
    Leaves,
    Always,
}

struct Style {
    flow: Flow,
    indent: usize,
    sort_keys: bool,
}

fn to_yaml(call: &mut Call) -> Result<Value, Error> {
    written(call, 2, Flow::Leaves)
}

fn to_nice_yaml(call: &mut Call) -> Result<Value, Error> {
    written(call, 4, Flow::Never)
}

fn written(call: &mut Call, indent: usize, flow: Flow) -> Result<Value, Error> {
    let value = call.value()?;
    let indent = call.get_integer(1, "indent")?.map_or(Some(indent), |indent| usize::try_from(indent).ok());
    let indent = indent.filter(|indent| (2..10).contains(indent)).ok_or_else(|| error("`indent` does not fit"))?;
    let flow = match call.get(NAME_ONLY, "default_flow_style") {
        Some(own) if own.is_none() => Flow::Leaves,
        Some(own) if own.is_true() => Flow::Always,
        Some(_) => Flow::Never,
        None => flow,
    };
    let sort_keys = call.get(NAME_ONLY, "sort_keys").is_none_or(|sort| sort.is_true());
    let width = call.get_integer(NAME_ONLY, "width")?.map_or(WIDTH, |width| usize::try_from(width).unwrap_or(WIDTH));
    let style = Style { flow, indent, sort_keys };
    let mut out = String::new();
    match value.kind() {
        ValueKind::Map | ValueKind::Seq | ValueKind::Iterable => node(&mut out, &value, &style, 0, At::Top)?,
        _ => out = scalar(&value)?,
    }
    if !out.ends_with('\n') {
        out.push('\n');
    }
    if out.lines().any(|line| line.chars().count() > width && line.contains(' ')) {
        return Err(error_with_hint("this YAML has a line that PyYAML would fold", "set a greater `width`"));
    }
    Ok(out.into())
}

/// What a collection stands in.
#[derive(Clone, Copy, PartialEq)]
enum At {
    Top,
    Mapping,
    Sequence,
}

fn is_collection(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Map | ValueKind::Seq | ValueKind::Iterable)
}

fn in_brackets(value: &Value, style: &Style) -> Result<bool, Error> {
    let children: Vec<Value> = match value.kind() {
        ValueKind::Map => members(value)?.into_iter().map(|(_, value)| value).collect(),
        _ => items(value)?,
    };
    Ok(children.is_empty()
        || match style.flow {
            Flow::Never => false,
            Flow::Always => true,
            Flow::Leaves => !children.iter().any(is_collection),
        })
}

fn sorted(value: &Value, style: &Style) -> Result<Vec<(Value, Value)>, Error> {
    let mut members = members(value)?;
    if style.sort_keys && check_comparable(&members.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>()).is_ok() {
        members.sort_by(|a, b| a.0.cmp(&b.0));
    }
    Ok(members)
}

/// Writes a collection, from the place behind its key or dash to the end of its last line.
fn node(out: &mut String, value: &Value, style: &Style, column: usize, at: At) -> Result<(), Error> {
    if column > 1000 {
        return Err(error("the value is nested too deeply"));
    }
    if in_brackets(value, style)? {
        if at != At::Top {
            out.push(' ');
        }
        flow(out, value, style, 0)?;
        out.push('\n');
        return Ok(());
    }
    match value.kind() {
        ValueKind::Map => {
            for (index, (key, member)) in sorted(value, style)?.into_iter().enumerate() {
                begin(out, index, column, at, style);
                out.push_str(&scalar(&key)?);
                out.push(':');
                member_of(out, &member, style, column, At::Mapping)?;
            }
        }
        _ => {
            // PyYAML does not indent a list below a key.
            for (index, item) in items(value)?.into_iter().enumerate() {
                begin(out, index, column, at, style);
                out.push('-');
                member_of(out, &item, style, column, At::Sequence)?;
            }
        }
    }
    Ok(())
}

fn member_of(out: &mut String, value: &Value, style: &Style, column: usize, at: At) -> Result<(), Error> {
    if !is_collection(value) {
        out.push(' ');
        out.push_str(&scalar(value)?);
        out.push('\n');
        return Ok(());
    }
    let list = value.kind() != ValueKind::Map;
    let deeper = if at == At::Mapping && list { column } else { column + style.indent };
    node(out, value, style, deeper, at)
}

/// What stands before a key or dash.
fn begin(out: &mut String, index: usize, column: usize, at: At, style: &Style) {
    if index == 0 && at == At::Mapping {
        out.push('\n');
    }
    if index == 0 && at == At::Sequence {
        out.push_str(&" ".repeat(style.indent - 1));
    } else {
        out.push_str(&" ".repeat(column));
    }
}

fn flow(out: &mut String, value: &Value, style: &Style, depth: usize) -> Result<(), Error> {
    if depth > 100 {
        return Err(error("the value is nested too deeply"));
    }
    match value.kind() {
        ValueKind::Map => {
            out.push('{');
            for (at, (key, value)) in sorted(value, style)?.into_iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                out.push_str(&in_flow(&key)?);
                out.push_str(": ");
                flow(out, &value, style, depth + 1)?;
            }
            out.push('}');
        }
        ValueKind::Seq | ValueKind::Iterable => {
            out.push('[');
            for (at, item) in items(value)?.into_iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                flow(out, &item, style, depth + 1)?;
            }
            out.push(']');
        }
        _ => out.push_str(&in_flow(value)?),
    }
    Ok(())
}

fn in_flow(value: &Value) -> Result<String, Error> {
    let text = scalar(value)?;
    let plain = value.as_str().is_some_and(|own| own == text);
    Ok(if plain && text.contains([',', '[', ']', '{', '}', '?']) { quoted(&text) } else { text })
}

fn scalar(value: &Value) -> Result<String, Error> {
    Ok(match value.kind() {
        ValueKind::Undefined => return Err(undefined_error()),
        ValueKind::None => "null".to_owned(),
        ValueKind::Bool => value.is_true().to_string(),
        ValueKind::Number if value.is_integer() => value.to_string(),
        ValueKind::Number => repr::yaml_float(f64::try_from(value.clone())?),
        ValueKind::String => string(value.as_str().unwrap_or_default())?,
        _ => return Err(error("this value has no YAML")),
    })
}

fn string(text: &str) -> Result<String, Error> {
    if text.contains(|c: char| c.is_control() || (c.is_whitespace() && c != ' ')) {
        return Err(error_with_hint(
            "YAML of texts with line ends or control characters is not supported",
            "use `to_json`",
        ));
    }
    Ok(if is_plain(text) { text.to_owned() } else { quoted(text) })
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Whether PyYAML writes the text without quotes.
fn is_plain(text: &str) -> bool {
    let indicator = text.starts_with(['#', ',', '[', ']', '{', '}', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`']);
    let lone = |mark: char| text.starts_with(mark) && text[1..].chars().next().is_none_or(char::is_whitespace);
    let marks = lone('-') || lone('?') || lone(':') || text.starts_with("---") || text.starts_with("...");
    let inside = text.contains(": ") || text.contains(" #") || text.ends_with(':');
    let spaces = text.starts_with(' ') || text.ends_with(' ');
    !text.is_empty() && !indicator && !marks && !inside && !spaces && reads_as_text(text)
}

fn reads_as_text(text: &str) -> bool {
    if matches!(text, "=" | "<<") {
        return false;
    }
    let source = Source::new("", text);
    let dates = text.len() >= 8 && text.as_bytes().iter().take(4).all(u8::is_ascii_digit) && text.as_bytes()[4] == b'-';
    !dates && parse_value(&source, 0, text.len()).is_ok_and(|node| matches!(node.value, Plain::Str(own) if own == text))
}

fn from_yaml(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    if value.is_none() {
        return Ok(value);
    }
    let text = scalar_text(&value)?;
    let source = Source::new("", text);
    let span = Span::new(&source, 0, source.text().len());
    let node = parse_value(&span.source, span.start, span.end).map_err(|_| error("this is no YAML"))?;
    Ok(from_final(&node))
}
