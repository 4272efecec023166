//! Filters from and to YAML. They write exactly the bytes that PyYAML writes, because the text may be hashed or
//! compared; no library does that. A text that PyYAML would fold or write on several lines is an error.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use crate::inventory::model::Value as Plain;
use crate::inventory::repr;
use crate::inventory::source::{Source, Span};
use crate::inventory::templates::stdlib::access::{check_comparable, items, members, scalar_text};
use crate::inventory::templates::stdlib::call::{Call, Definition, NAME_ONLY};
use crate::inventory::templates::value::bounds::{MAX_NESTING, TOO_DEEP};
use crate::inventory::templates::value::convert::from_final;
use crate::inventory::templates::value::errors::{error, error_with_hint, undefined_error};
use crate::inventory::yaml::parse_value;

pub(super) const FILTERS: &[Definition] =
    &[("from_yaml", from_yaml), ("to_nice_yaml", to_nice_yaml), ("to_yaml", to_yaml)];

/// PyYAML folds lines that are longer than this.
const DEFAULT_WIDTH: usize = 80;

/// Which collections are written in flow style.
#[derive(Clone, Copy, PartialEq)]
enum Flow {
    /// All in block style.
    Never,
    /// Collections without other collections in flow style (`[a, b]`), all others in block style.
    Leaves,
    /// All in flow style.
    Always,
}

/// The format of the YAML.
struct Style {
    flow: Flow,
    indent: usize,
    sort_keys: bool,
}

fn to_yaml(call: &mut Call) -> Result<Value, Error> {
    to_text(call, 2, Flow::Leaves)
}

fn to_nice_yaml(call: &mut Call) -> Result<Value, Error> {
    to_text(call, 4, Flow::Never)
}

fn to_text(call: &mut Call, indent: usize, flow: Flow) -> Result<Value, Error> {
    let value = call.value()?;
    let indent = call.get_integer(1, "indent")?.map_or(Some(indent), |indent| usize::try_from(indent).ok());
    let indent = indent.filter(|indent| (2..10).contains(indent)).ok_or_else(|| error("`indent` is out of range"))?;
    let flow = match call.get(NAME_ONLY, "default_flow_style") {
        Some(own) if own.is_none() => Flow::Leaves,
        Some(own) if own.is_true() => Flow::Always,
        Some(_) => Flow::Never,
        None => flow,
    };
    let sort_keys = call.get(NAME_ONLY, "sort_keys").is_none_or(|sort| sort.is_true());
    let width = call
        .get_integer(NAME_ONLY, "width")?
        .map_or(DEFAULT_WIDTH, |width| usize::try_from(width).unwrap_or(DEFAULT_WIDTH));
    let style = Style { flow, indent, sort_keys };
    let mut out = String::new();
    match value.kind() {
        ValueKind::Map | ValueKind::Seq | ValueKind::Iterable => {
            write_block(&mut out, &value, &style, 0, Parent::Document)?
        }
        _ => out = scalar(&value)?,
    }
    if !out.ends_with('\n') {
        out.push('\n');
    }
    // PyYAML folds lines only at spaces, so a long line without a space stays as it is.
    if out.lines().any(|line| line.chars().count() > width && line.contains(' ')) {
        return Err(error_with_hint("this YAML has a line that PyYAML would fold", "set a larger `width`"));
    }
    Ok(out.into())
}

/// What contains a collection.
#[derive(Clone, Copy, PartialEq)]
enum Parent {
    /// Nothing: it is the document.
    Document,
    Mapping,
    Sequence,
}

fn is_collection(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Map | ValueKind::Seq | ValueKind::Iterable)
}

/// Whether a collection is written in flow style. PyYAML always writes an empty one in flow style.
fn is_flow(value: &Value, style: &Style) -> Result<bool, Error> {
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

/// The members of a mapping, sorted by key if the style requires it. PyYAML leaves keys that cannot be compared in
/// their order.
fn members_in_order(value: &Value, style: &Style) -> Result<Vec<(Value, Value)>, Error> {
    let mut members = members(value)?;
    if style.sort_keys && check_comparable(&members.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>()).is_ok() {
        members.sort_by(|a, b| a.0.cmp(&b.0));
    }
    Ok(members)
}

/// Writes a collection, starting after its key or dash.
fn write_block(out: &mut String, value: &Value, style: &Style, column: usize, parent: Parent) -> Result<(), Error> {
    // The column grows at least at every second level, so this also limits the depth of the recursion.
    if column > 1000 {
        return Err(error(TOO_DEEP));
    }
    if is_flow(value, style)? {
        if parent != Parent::Document {
            out.push(' ');
        }
        write_flow(out, value, style, 0)?;
        out.push('\n');
        return Ok(());
    }
    match value.kind() {
        ValueKind::Map => {
            for (index, (key, member)) in members_in_order(value, style)?.into_iter().enumerate() {
                write_indent(out, index, column, parent, style);
                out.push_str(&scalar(&key)?);
                out.push(':');
                write_member(out, &member, style, column, Parent::Mapping)?;
            }
        }
        _ => {
            for (index, item) in items(value)?.into_iter().enumerate() {
                write_indent(out, index, column, parent, style);
                out.push('-');
                write_member(out, &item, style, column, Parent::Sequence)?;
            }
        }
    }
    Ok(())
}

fn write_member(out: &mut String, value: &Value, style: &Style, column: usize, parent: Parent) -> Result<(), Error> {
    if !is_collection(value) {
        out.push(' ');
        out.push_str(&scalar(value)?);
        out.push('\n');
        return Ok(());
    }
    // PyYAML does not indent a list under a key.
    let is_list = value.kind() != ValueKind::Map;
    let deeper = if parent == Parent::Mapping && is_list { column } else { column + style.indent };
    write_block(out, value, style, deeper, parent)
}

/// Writes the white space before a key or dash.
fn write_indent(out: &mut String, index: usize, column: usize, parent: Parent, style: &Style) {
    if index == 0 && parent == Parent::Mapping {
        out.push('\n');
    }
    // The first member of a list item is on the line of its dash.
    if index == 0 && parent == Parent::Sequence {
        out.push_str(&" ".repeat(style.indent - 1));
    } else {
        out.push_str(&" ".repeat(column));
    }
}

fn write_flow(out: &mut String, value: &Value, style: &Style, depth: usize) -> Result<(), Error> {
    if depth > MAX_NESTING {
        return Err(error(TOO_DEEP));
    }
    match value.kind() {
        ValueKind::Map => {
            out.push('{');
            for (at, (key, value)) in members_in_order(value, style)?.into_iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                out.push_str(&flow_scalar(&key)?);
                out.push_str(": ");
                write_flow(out, &value, style, depth + 1)?;
            }
            out.push('}');
        }
        ValueKind::Seq | ValueKind::Iterable => {
            out.push('[');
            for (at, item) in items(value)?.into_iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                write_flow(out, &item, style, depth + 1)?;
            }
            out.push(']');
        }
        _ => out.push_str(&flow_scalar(value)?),
    }
    Ok(())
}

/// A scalar inside a collection in flow style, where more texts need quotes.
fn flow_scalar(value: &Value) -> Result<String, Error> {
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
        _ => return Err(error("this value cannot be written as YAML")),
    })
}

fn string(text: &str) -> Result<String, Error> {
    if text.contains(|c: char| c.is_control() || (c.is_whitespace() && c != ' ')) {
        return Err(error_with_hint(
            "texts with line breaks or control characters cannot be written as YAML",
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
    let stands_alone = |mark: char| text.starts_with(mark) && text[1..].chars().next().is_none_or(char::is_whitespace);
    let marks = stands_alone('-')
        || stands_alone('?')
        || stands_alone(':')
        || text.starts_with("---")
        || text.starts_with("...");
    let inside = text.contains(": ") || text.contains(" #") || text.ends_with(':');
    let spaces = text.starts_with(' ') || text.ends_with(' ');
    !text.is_empty() && !indicator && !marks && !inside && !spaces && reads_as_text(text)
}

/// Whether YAML reads the text as a string, not as a number, boolean, null or date.
fn reads_as_text(text: &str) -> bool {
    // These two have a special meaning in YAML 1.1.
    if matches!(text, "=" | "<<") {
        return false;
    }
    let source = Source::new("", text);
    let is_date =
        text.len() >= 8 && text.as_bytes().iter().take(4).all(u8::is_ascii_digit) && text.as_bytes()[4] == b'-';
    !is_date
        && parse_value(&source, 0, text.len()).is_ok_and(|node| matches!(node.value, Plain::Str(own) if own == text))
}

/// `from_yaml`: null stays null, as in Ansible.
fn from_yaml(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    if value.is_none() {
        return Ok(value);
    }
    let text = scalar_text(&value)?;
    let source = Source::new("", text);
    let span = Span::new(&source, 0, source.text().len());
    let node = parse_value(&span.source, span.start, span.end).map_err(|_| error("this is not valid YAML"))?;
    Ok(from_final(&node))
}
