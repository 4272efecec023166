//! Parses the values of `-e`: `name=value …`, or YAML or JSON text. `load` reads an `@file`.

use std::sync::Arc;

use super::finding::Finding;
use super::model::{Node, Value, Vars};
use super::problem::Problem;
use super::source::{Source, Span};
use super::text::Text;
use super::yaml;

/// The variables of one argument. It may contain passwords, so no problem shows its text.
pub(super) fn argument(source: &Arc<Source>, findings: &mut Vec<Finding>) -> Result<Vars, Problem> {
    let text = Text::slice(source, 0, source.text().len());
    // As in Ansible, the first character decides the format.
    match text.text.chars().next() {
        None => Ok(Vars::new()),
        // The YAML reader may show keys, but a key of a mistyped argument may be part of a password.
        Some('{' | '[') => mapping(&text, findings).map_err(Problem::hidden),
        Some('/' | '.') => Err(Problem::hiding(&text.whole(), "`-e` looks like a path").hint("write `-e @path`")),
        Some(_) => assignments(&text),
    }
}

/// The variables of a YAML or JSON text. Reports duplicate keys as findings.
pub(super) fn mapping(text: &Text, findings: &mut Vec<Finding>) -> Result<Vars, Problem> {
    let root = yaml::parse_with_findings(text, findings)?;
    match root.value {
        Value::Map(members) => Ok(members.into_iter().map(|(name, value)| (name.text, value)).collect()),
        Value::Null => Ok(Vars::new()),
        other => {
            let message = format!("variables must be a mapping, not {}", other.type_name());
            Err(Problem::hiding(&root.span, message))
        }
    }
}

/// Parses `name=value name='two words'`: every value is a string.
fn assignments(text: &Text) -> Result<Vars, Problem> {
    let mut vars = Vars::new();
    for (start, end) in words(text)? {
        let place = text.span(start, end);
        let word = unescape(&text.text[start..end], &place)?;
        let (name, value) = split(&word)
            .filter(|(name, _)| !name.trim().is_empty())
            .ok_or_else(|| Problem::hiding(&place, "`-e` accepts `name=value`, JSON or YAML text, or `@file`"))?;
        // If the name contains escape sequences, the place of the value may be wrong by a few bytes. Such names are
        // very rare.
        let value_start = text.text[start..end].find('=').map_or(start, |at| start + at + 1);
        vars.insert(name.trim().to_owned(), Node::string(unquote(value.trim()), text.span(value_start, end)));
    }
    Ok(vars)
}

/// Splits a word into name and value at the first `=` that follows a name and is not escaped by a backslash.
fn split(word: &str) -> Option<(&str, &str)> {
    let at = word.match_indices('=').map(|(at, _)| at).find(|at| *at > 0 && !word[..*at].ends_with('\\'))?;
    Some((&word[..at], &word[at + 1..]))
}

/// The value without quotes around it.
fn unquote(value: &str) -> &str {
    let quoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    // A backslash before the last quote escapes it, so this quote does not close the value.
    quoted.filter(|inner| !inner.ends_with('\\')).unwrap_or(value)
}

/// Splits an argument into words by the rules of Ansible's `split_args`: white space separates words, except inside
/// quotes and template braces. Quotes and braces are kept in the word.
fn words(text: &Text) -> Result<Vec<(usize, usize)>, Problem> {
    let bytes = text.text.as_bytes();
    let (mut words, mut start, mut quote, mut depth) = (Vec::new(), None, None, 0_usize);
    for (at, byte) in bytes.iter().copied().enumerate() {
        let next = bytes.get(at + 1).copied();
        // A quote after a backslash is part of the text.
        let escaped = at > 0 && bytes[at - 1] == b'\\';
        match byte {
            b' ' | b'\n' if quote.is_none() && depth == 0 => {
                words.extend(start.take().map(|start| (start, at)));
                // White space must not reach the end of the loop, where a character starts a word.
                continue;
            }
            b'"' | b'\'' if !escaped => match quote {
                None => quote = Some(byte),
                Some(open) if open == byte => quote = None,
                Some(_) => {}
            },
            b'{' if matches!(next, Some(b'{' | b'%' | b'#')) => depth += 1,
            // A text may contain `}}` without an opening brace, so the depth must not go below zero.
            b'}' | b'%' | b'#' if next == Some(b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        start.get_or_insert(at);
    }
    if quote.is_some() || depth > 0 {
        let place = text.span(start.unwrap_or_default(), bytes.len());
        return Err(Problem::hiding(&place, "a quote or template brace is not closed"));
    }
    words.extend(start.map(|start| (start, bytes.len())));
    Ok(words)
}

/// Ansible's escapes in `name=value`: `\n`, `\t`, `\\`, `\x41`, `\u00e4` …; any other backslash stays.
fn unescape(word: &str, place: &Span) -> Result<String, Problem> {
    let mut out = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let coded = |digits: usize| {
            let hex = rest.get(2..2 + digits).filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
            char::from_u32(u32::from_str_radix(hex, 16).ok()?).map(|c| (c, 2 + digits))
        };
        let decoded = match rest.as_bytes().get(1) {
            Some(b'x') => coded(2),
            Some(b'u') => coded(4),
            Some(b'U') => coded(8),
            Some(b'N') if rest[2..].starts_with('{') => {
                return Err(Problem::hiding(place, "`\\N{…}` is not supported").hint("write the character itself"));
            }
            Some(letter) => unescape_letter(*letter).map(|c| (c, 2)),
            None => None,
        };
        let (c, length) = decoded.unwrap_or(('\\', 1));
        out.push(c);
        rest = &rest[length..];
    }
    out.push_str(rest);
    Ok(out)
}

fn unescape_letter(letter: u8) -> Option<char> {
    Some(match letter {
        b'\\' | b'\'' | b'"' => char::from(letter),
        b'a' => '\x07',
        b'b' => '\x08',
        b'f' => '\x0c',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'v' => '\x0b',
        _ => return None,
    })
}
