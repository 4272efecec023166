//! Writes JSON exactly as Python's `json.dumps(…, indent=4, sort_keys=True, ensure_ascii=False)` does. `serde_json`
//! cannot be used, because it writes neither `NaN` nor `1e+16`. Another module decides what is written.

use std::io::{self, Write};

use super::super::model::{Node, Trust, Value};
use super::super::repr;
use super::{Flat, Flattener, ListingNode, UnsafeMarks};

/// Writes a listing.
pub(super) fn write(shown: &ListingNode, flattener: &mut Flattener, out: &mut impl Write) -> io::Result<()> {
    part(shown, 0, flattener, out)?;
    out.write_all(b"\n")
}

/// Writes the variables of one host.
pub(super) fn write_host(vars: &Flat, out: &mut impl Write) -> io::Result<()> {
    // `ansible-inventory --host` does not mark such texts, unlike `--list`.
    variables(vars, 0, UnsafeMarks::Omitted, out)?;
    out.write_all(b"\n")
}

fn part(shown: &ListingNode, depth: usize, flattener: &mut Flattener, out: &mut impl Write) -> io::Result<()> {
    match shown {
        ListingNode::Map(members) => map(members.iter().map(|(key, shown)| (key, shown)), depth, out, |value, out| {
            part(value, depth + 1, flattener, out)
        }),
        ListingNode::Names(names) => sequence([b'[', b']'], names.iter(), depth, out, |name, out| text(name, out)),
        ListingNode::Text(word) => text(word, out),
        ListingNode::Vars(host) => variables(&flattener.host(host), depth, UnsafeMarks::Written, out),
        // The iterator merges the variables of one host at a time, so that not all of them are in memory at once.
        ListingNode::Hosts(hosts) => {
            let vars = hosts.iter().map(|host| (host, flattener.host(host))).filter(|(_, vars)| !vars.is_empty());
            map(vars, depth, out, |vars, out| variables(&vars, depth + 1, UnsafeMarks::Written, out))
        }
    }
}

fn variables(vars: &Flat, depth: usize, marks: UnsafeMarks, out: &mut impl Write) -> io::Result<()> {
    map(vars.iter().copied(), depth, out, |node, out| value(node, depth + 1, marks, out))
}

fn value(node: &Node, depth: usize, marks: UnsafeMarks, out: &mut impl Write) -> io::Result<()> {
    match &node.value {
        Value::Null => out.write_all(b"null"),
        Value::Bool(flag) => write!(out, "{flag}"),
        Value::Int(number) => write!(out, "{number}"),
        Value::Float(number) => out.write_all(repr::json_float(*number).as_bytes()),
        Value::Str(string) if node.trust == Trust::Literal && marks == UnsafeMarks::Written => {
            marked("__ansible_unsafe", string, depth, out)
        }
        Value::Str(string) => text(string, out),
        Value::Vault => marked("__ansible_vault", &node.text, depth, out),
        Value::List(items) => {
            sequence([b'[', b']'], items.iter(), depth, out, |item, out| value(item, depth + 1, marks, out))
        }
        Value::Map(members) => {
            // Python sorts the keys after it converts them to strings.
            let mut sorted: Vec<(String, &Node)> = members.iter().map(|(key, node)| (key_text(key), node)).collect();
            sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
            map(sorted.into_iter(), depth, out, |node, out| value(node, depth + 1, marks, out))
        }
    }
}

/// A key in the notation of JSON.
fn key_text(key: &Node) -> String {
    match &key.value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => repr::json_float(*value),
        _ => key.text.clone(),
    }
}

/// Writes a text with a mark, as a mapping that has the mark as its only key.
fn marked(mark: &str, string: &str, depth: usize, out: &mut impl Write) -> io::Result<()> {
    map(std::iter::once((mark, string)), depth, out, |string, out| text(string, out))
}

fn map<W: Write, K: AsRef<str>, T>(
    members: impl Iterator<Item = (K, T)>,
    depth: usize,
    out: &mut W,
    mut member: impl FnMut(T, &mut W) -> io::Result<()>,
) -> io::Result<()> {
    sequence([b'{', b'}'], members, depth, out, |(key, value), out| {
        text(key.as_ref(), out)?;
        out.write_all(b": ")?;
        member(value, out)
    })
}

/// Writes items on separate lines, indented one level deeper than their brackets. If there are no items, nothing is
/// written between the brackets.
fn sequence<W: Write, T>(
    [open, close]: [u8; 2],
    items: impl Iterator<Item = T>,
    depth: usize,
    out: &mut W,
    mut item: impl FnMut(T, &mut W) -> io::Result<()>,
) -> io::Result<()> {
    let mut filled = false;
    out.write_all(&[open])?;
    for each in items {
        if filled {
            out.write_all(b",")?;
        }
        filled = true;
        line(depth + 1, out)?;
        item(each, out)?;
    }
    if filled {
        line(depth, out)?;
    }
    out.write_all(&[close])
}

fn line(depth: usize, out: &mut impl Write) -> io::Result<()> {
    // The first eight levels are copied from this constant without formatting, which keeps large listings fast.
    const BREAK: &[u8] = b"\n                                ";
    match BREAK.get(..=4 * depth) {
        Some(text) => out.write_all(text),
        None => write!(out, "\n{:1$}", "", 4 * depth),
    }
}

/// A string. In addition to what JSON must escape, control characters that would affect a terminal are escaped.
fn text(string: &str, out: &mut impl Write) -> io::Result<()> {
    // Most strings need no escapes, and copying them is much faster than escaping each character.
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    if string.bytes().all(plain) {
        out.write_all(b"\"")?;
        out.write_all(string.as_bytes())?;
        return out.write_all(b"\"");
    }
    let is_control = |c: char| matches!(c, '\x7f'..='\u{9f}');
    if !string.contains(is_control) {
        return serde_json::to_writer(out, string).map_err(io::Error::from);
    }
    // `serde_json` writes these characters unchanged, because JSON allows them.
    let escaped = serde_json::to_string(string)?;
    escaped
        .chars()
        .try_for_each(|c| if is_control(c) { write!(out, "\\u{:04x}", u32::from(c)) } else { write!(out, "{c}") })
}
