//! Writes YAML that PyYAML reads back as the same values. Rust libraries write YAML 1.2, in which text such as `on` or
//! `12:30` needs no quotes, but PyYAML reads it as a boolean or a number. This file omits quotes only if every parser
//! reads the value as text.

use std::io::{self, Write};

use super::super::model::{Node, Value};
use super::super::{repr, yaml};
use super::{Flat, Flattener, ListingNode};

/// Writes a listing.
pub(super) fn write(shown: &ListingNode, flattener: &mut Flattener, out: &mut impl Write) -> io::Result<()> {
    match shown {
        ListingNode::Map(members) if !members.is_empty() => part(shown, 0, flattener, out),
        _ => out.write_all(b"{}\n"),
    }
}

/// Writes the variables of one host.
pub(super) fn write_host(vars: &Flat, out: &mut impl Write) -> io::Result<()> {
    if vars.is_empty() { out.write_all(b"{}\n") } else { variables(vars, 0, out) }
}

/// Writes members on separate lines.
fn part(shown: &ListingNode, depth: usize, flattener: &mut Flattener, out: &mut impl Write) -> io::Result<()> {
    match shown {
        ListingNode::Map(members) => {
            for (key, below) in members {
                indent(depth, out)?;
                out.write_all(text(key).as_bytes())?;
                out.write_all(b":")?;
                // The variables are needed before the line end is written, because an empty mapping is written on the
                // line of its key.
                let vars = if let ListingNode::Vars(host) = below { flattener.host(host) } else { Flat::new() };
                let empty = matches!(below, ListingNode::Map(members) if members.is_empty());
                match below {
                    ListingNode::Vars(_) if !vars.is_empty() => {
                        out.write_all(b"\n")?;
                        variables(&vars, depth + 1, out)?;
                    }
                    ListingNode::Map(_) if !empty => {
                        out.write_all(b"\n")?;
                        part(below, depth + 1, flattener, out)?;
                    }
                    _ => out.write_all(b" {}\n")?,
                }
            }
            Ok(())
        }
        // The tree consists only of mappings and hosts.
        ListingNode::Names(_) | ListingNode::Text(_) | ListingNode::Vars(_) | ListingNode::Hosts(_) => Ok(()),
    }
}

fn variables(vars: &Flat, depth: usize, out: &mut impl Write) -> io::Result<()> {
    for (name, node) in vars {
        indent(depth, out)?;
        out.write_all(text(name).as_bytes())?;
        out.write_all(b":")?;
        value(node, depth, out)?;
    }
    Ok(())
}

/// Writes a value after a `:` or `-` at `depth`, including the line end.
fn value(node: &Node, depth: usize, out: &mut impl Write) -> io::Result<()> {
    match &node.value {
        Value::List(items) if !items.is_empty() => {
            out.write_all(b"\n")?;
            for item in items {
                indent(depth + 1, out)?;
                out.write_all(b"-")?;
                value(item, depth + 1, out)?;
            }
            Ok(())
        }
        Value::Map(members) if !members.is_empty() => {
            out.write_all(b"\n")?;
            for (key, member) in members {
                indent(depth + 1, out)?;
                write!(out, "{}:", scalar(key))?;
                value(member, depth + 1, out)?;
            }
            Ok(())
        }
        Value::Vault => encrypted(&node.text, depth, out),
        _ => writeln!(out, " {}", scalar(node)),
    }
}

/// Writes an encrypted value as a block, as Ansible does, if the text has the shape of an envelope.
fn encrypted(envelope: &str, depth: usize, out: &mut impl Write) -> io::Result<()> {
    let body = envelope.strip_suffix('\n').unwrap_or(envelope);
    let plain = |line: &str| !line.is_empty() && line.chars().all(|c| c.is_ascii_graphic());
    // In a block, an empty line or white space could be read back as something else.
    if !body.split('\n').all(plain) {
        return writeln!(out, " !vault {}", quoted(envelope));
    }
    // `|` is read back with a line end after the last line, and `|-` without one.
    writeln!(out, " !vault {}", if body.len() < envelope.len() { "|" } else { "|-" })?;
    body.split('\n').try_for_each(|line| {
        indent(depth + 1, out)?;
        writeln!(out, "{line}")
    })
}

fn scalar(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => repr::yaml_float(*number),
        Value::Str(string) => text(string),
        Value::Vault => text(&node.text),
        Value::List(_) => "[]".to_owned(),
        Value::Map(_) => "{}".to_owned(),
    }
}

/// Without quotes if the text starts with a letter, contains no special characters, and is not a word such as `yes`.
fn text(string: &str) -> String {
    let starts_well = string.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '/'));
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ' ');
    if starts_well && !string.ends_with(' ') && string.chars().all(harmless) && yaml::is_plain_text(string) {
        return string.to_owned();
    }
    quoted(string)
}

fn quoted(string: &str) -> String {
    let mut quoted = String::with_capacity(string.len() + 2);
    quoted.push('"');
    for c in string.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            // Characters that a YAML reader refuses or reads as a line end.
            '\0'..='\x1f' | '\x7f'..='\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn indent(depth: usize, out: &mut impl Write) -> io::Result<()> {
    write!(out, "{:1$}", "", 2 * depth)
}
