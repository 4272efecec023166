//! JSON as Python's `json.dumps(…, indent=4, sort_keys=True, ensure_ascii=False)` spells it: byte for byte, which
//! `serde_json` does not (it has neither `NaN` nor `1e+16`).

use std::io::{self, Write};

use super::super::model::{Node, Trust, Value};
use super::super::repr;
use super::{Flat, Flattener, Marks, Shown};

/// A listing.
pub(super) fn write(shown: &Shown, flattener: &mut Flattener, out: &mut impl Write) -> io::Result<()> {
    part(shown, 0, flattener, out)?;
    out.write_all(b"\n")
}

/// The variables of one host.
pub(super) fn write_host(vars: &Flat, out: &mut impl Write) -> io::Result<()> {
    variables(vars, 0, Marks::Left, out)?;
    out.write_all(b"\n")
}

fn part(shown: &Shown, depth: usize, flattener: &mut Flattener, out: &mut impl Write) -> io::Result<()> {
    match shown {
        Shown::Map(members) => map(members.iter().map(|(key, shown)| (key, shown)), depth, out, |value, out| {
            part(value, depth + 1, flattener, out)
        }),
        Shown::Names(names) => sequence([b'[', b']'], names.iter(), depth, out, |name, out| text(name, out)),
        Shown::Text(word) => text(word, out),
        Shown::Vars(host) => variables(&flattener.host(host), depth, Marks::Shown, out),
        Shown::Hosts(hosts) => {
            let vars = hosts.iter().map(|host| (host, flattener.host(host))).filter(|(_, vars)| !vars.is_empty());
            map(vars, depth, out, |vars, out| variables(&vars, depth + 1, Marks::Shown, out))
        }
    }
}

fn variables(vars: &Flat, depth: usize, marks: Marks, out: &mut impl Write) -> io::Result<()> {
    map(vars.iter().copied(), depth, out, |node, out| value(node, depth + 1, marks, out))
}

fn value(node: &Node, depth: usize, marks: Marks, out: &mut impl Write) -> io::Result<()> {
    match &node.value {
        Value::Null => out.write_all(b"null"),
        Value::Bool(flag) => write!(out, "{flag}"),
        Value::Int(number) => write!(out, "{number}"),
        Value::Float(number) => out.write_all(repr::json_float(*number).as_bytes()),
        Value::Str(string) if node.trust == Trust::Literal && marks == Marks::Shown => {
            marked("__ansible_unsafe", string, depth, out)
        }
        Value::Str(string) => text(string, out),
        Value::Vault => marked("__ansible_vault", &node.text, depth, out),
        Value::List(items) => {
            sequence([b'[', b']'], items.iter(), depth, out, |item, out| value(item, depth + 1, marks, out))
        }
        Value::Map(members) => {
            let mut sorted: Vec<(String, &Node)> = members.iter().map(|(key, node)| (key_text(key), node)).collect();
            sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
            map(sorted.into_iter(), depth, out, |node, out| value(node, depth + 1, marks, out))
        }
    }
}

/// A key as JSON spells it.
fn key_text(key: &Node) -> String {
    match &key.value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => repr::json_float(*value),
        _ => key.text.clone(),
    }
}

/// A text in a mapping that says what it is.
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

/// Items on lines of their own, one deeper than their brackets; nothing at all between the brackets of none.
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
    const BREAK: &[u8] = b"\n                                ";
    match BREAK.get(..=4 * depth) {
        Some(text) => out.write_all(text),
        None => write!(out, "\n{:1$}", "", 4 * depth),
    }
}

/// Beyond what JSON must escape, what would steer a terminal is escaped too.
fn text(string: &str, out: &mut impl Write) -> io::Result<()> {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    if string.bytes().all(plain) {
        out.write_all(b"\"")?;
        out.write_all(string.as_bytes())?;
        return out.write_all(b"\"");
    }
    let steers = |c: char| matches!(c, '\x7f'..='\u{9f}');
    if !string.contains(steers) {
        return serde_json::to_writer(out, string).map_err(io::Error::from);
    }
    let spelt = serde_json::to_string(string)?;
    spelt.chars().try_for_each(|c| if steers(c) { write!(out, "\\u{:04x}", u32::from(c)) } else { write!(out, "{c}") })
}
