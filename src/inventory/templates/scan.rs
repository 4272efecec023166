//! The parts of a template text as Jinja's lexer sees them: plain text, `{{ … }}`, `{% … %}`, comments, and
//! the words inside. It knows no grammar.

use std::ops::Range;

/// A part of a template. Ranges are bytes of the text.
#[derive(Debug, PartialEq)]
pub(super) struct Segment {
    pub kind: Kind,
    /// All of it, with its delimiters.
    pub whole: Range<usize>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Kind {
    Plain,
    /// `{{ … }}`.
    Output(Vec<Token>),
    /// `{% … %}`.
    Statement(Vec<Token>),
    /// `{# … #}`.
    Comment,
    /// `{% raw %}` to `{% endraw %}`.
    Raw,
}

/// A word inside delimiters. The delimiters, with their `-` or `+`, are none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub word: Word,
    pub start: usize,
    pub end: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Word {
    Name,
    Number,
    /// A string literal, with the text it stands for.
    Text(String),
    /// One character of an operator or bracket.
    Symbol(char),
}

/// What is no template, and where.
#[derive(Debug, PartialEq)]
pub(super) struct Malformed {
    pub at: Range<usize>,
    pub reason: &'static str,
}

/// Whether a text may hold a template at all.
pub(super) fn may_be_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// All parts of `text`.
pub(super) fn segments(text: &str) -> Result<Vec<Segment>, Malformed> {
    let mut segments = Vec::new();
    let mut at = 0;
    while let Some(start) = next_mark(text, at) {
        if start > at {
            segments.push(Segment { kind: Kind::Plain, whole: at..start });
        }
        let segment = match &text[start..start + 2] {
            "{{" => inside(text, start, "}}").map(|(tokens, end)| (Kind::Output(tokens), end)),
            "{%" => match raw_end(text, start) {
                Some(end) => Ok((Kind::Raw, end)),
                None => inside(text, start, "%}").map(|(tokens, end)| (Kind::Statement(tokens), end)),
            },
            _ => match text[start + 2..].find("#}") {
                Some(length) => Ok((Kind::Comment, start + 2 + length + 2)),
                None => Err(Malformed { at: start..text.len(), reason: "the comment is never closed" }),
            },
        };
        let (kind, end) = segment?;
        segments.push(Segment { kind, whole: start..end });
        at = end;
    }
    if at < text.len() {
        segments.push(Segment { kind: Kind::Plain, whole: at..text.len() });
    }
    Ok(segments)
}

fn next_mark(text: &str, from: usize) -> Option<usize> {
    let opens = |at: &usize| text[at + 1..].starts_with(['{', '%', '#']);
    text[from..].match_indices('{').map(|(at, _)| from + at).find(opens)
}

/// The end of the raw block that starts here, if one does.
fn raw_end(text: &str, start: usize) -> Option<usize> {
    let tag = |from: usize, word: &str| {
        let inner = text[from..].strip_prefix("{%")?;
        let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner).trim_start();
        let inner = inner.strip_prefix(word)?.trim_start();
        let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner).strip_prefix("%}")?;
        Some(text.len() - inner.len())
    };
    let mut at = tag(start, "raw")?;
    loop {
        at += text[at..].find("{%")?;
        if let Some(end) = tag(at, "endraw") {
            return Some(end);
        }
        at += 2;
    }
}

/// The words after an opening delimiter at `start`, and where the closing one ends.
fn inside(text: &str, start: usize, close: &str) -> Result<(Vec<Token>, usize), Malformed> {
    let escapes = if close == "}}" { Escapes::Literal } else { Escapes::Python };
    let mut tokens: Vec<Token> = Vec::new();
    let mut depth = 0_usize;
    let mut at = start + 2;
    if text[at..].starts_with(['-', '+']) {
        at += 1;
    }
    loop {
        let rest = &text[at..];
        let Some(first) = rest.chars().next() else {
            return Err(Malformed { at: start..text.len(), reason: "the template is never closed" });
        };
        if depth == 0 {
            let sign = usize::from(rest.starts_with(['-', '+']));
            if rest[sign..].starts_with(close) {
                return Ok((tokens, at + sign + 2));
            }
        }
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (word, length) = if first == '\'' || first == '"' {
            let (value, length) = string(rest, escapes).map_err(|reason| Malformed { at: at..at + 1, reason })?;
            (Word::Text(value), length)
        } else if first.is_ascii_digit() {
            let after_dot = tokens.last().is_some_and(|token| token.word == Word::Symbol('.') && token.end == at);
            (Word::Number, number(rest, after_dot))
        } else if first.is_alphabetic() || first == '_' {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            (Word::Name, length)
        } else {
            depth = match first {
                '(' | '[' | '{' => depth + 1,
                ')' | ']' | '}' if depth == 0 => {
                    return Err(Malformed { at: at..at + 1, reason: "this bracket closes nothing" });
                }
                ')' | ']' | '}' => depth - 1,
                _ => depth,
            };
            (Word::Symbol(first), first.len_utf8())
        };
        tokens.push(Token { word, start: at, end: at + length });
        at += length;
    }
}

/// Ansible reads string literals in `{{ … }}` without escapes, so that `'\1'` needs no second backslash.
#[derive(Clone, Copy, PartialEq)]
enum Escapes {
    Literal,
    Python,
}

/// The value and the length of the string literal that `text` starts with.
fn string(text: &str, escapes: Escapes) -> Result<(String, usize), &'static str> {
    let quote = text.as_bytes()[0];
    let mut end = 1;
    loop {
        match text.as_bytes().get(end) {
            None => return Err("the string is never closed"),
            Some(byte) if *byte == quote => break,
            Some(b'\\') => end += 2,
            Some(_) => end += 1,
        }
    }
    let inner = &text[1..end];
    let value = match escapes {
        Escapes::Literal => inner.to_owned(),
        Escapes::Python => unescape(inner)?,
    };
    Ok((value, end + 1))
}

/// Python's escapes; an unknown one stays as it is.
fn unescape(text: &str) -> Result<String, &'static str> {
    const BROKEN: &str = "an escape in this string is not complete";
    let mut value = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            value.push(c);
            continue;
        }
        match rest.next().ok_or(BROKEN)? {
            '\n' => {}
            'a' => value.push('\x07'),
            'b' => value.push('\x08'),
            'f' => value.push('\x0c'),
            'n' => value.push('\n'),
            'r' => value.push('\r'),
            't' => value.push('\t'),
            'v' => value.push('\x0b'),
            same @ ('\\' | '\'' | '"') => value.push(same),
            digit @ '0'..='7' => {
                let mut code = digit.to_digit(8).unwrap_or_default();
                for _ in 0..2 {
                    let Some(next) = rest.clone().next().and_then(|c| c.to_digit(8)) else { break };
                    rest.next();
                    code = code * 8 + next;
                }
                value.push(char::from_u32(code).ok_or(BROKEN)?);
            }
            kind @ ('x' | 'u' | 'U') => {
                let length =
                    [('x', 2), ('u', 4), ('U', 8)].iter().find(|(name, _)| *name == kind).map_or(2, |(_, n)| *n);
                let digits: String = rest.by_ref().take(length).collect();
                let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == length).ok_or(BROKEN)?;
                value.push(char::from_u32(code).ok_or(BROKEN)?);
            }
            'N' => return Err("characters by name are not supported"),
            other => value.extend(['\\', other]),
        }
    }
    Ok(value)
}

/// The length of a number; after a dot it is an index, without a fraction.
fn number(text: &str, after_dot: bool) -> usize {
    let word = |text: &str| text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    if after_dot {
        return text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    }
    let mut end = word(text);
    if text[end..].starts_with('.') && text[end + 1..].starts_with(|c: char| c.is_ascii_digit()) {
        end += 1 + word(&text[end + 1..]);
    }
    let exponent = text[..end].ends_with(['e', 'E']) && !text.starts_with("0x");
    if exponent && text[end..].starts_with(['+', '-']) {
        end += 1 + word(&text[end + 1..]);
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let segments = segments(text).unwrap();
        let [Segment { kind: Kind::Output(tokens), .. }] = segments.as_slice() else { panic!("{segments:?}") };
        tokens.iter().map(|token| text[token.start..token.end].to_owned()).collect()
    }

    #[test]
    fn parts_of_a_text() {
        let kinds = |text: &str| -> Vec<String> {
            segments(text).unwrap().iter().map(|segment| text[segment.whole.clone()].to_owned()).collect()
        };
        assert_eq!(kinds("a{{ b }}c{# {{ #}{% if x %}y"), ["a", "{{ b }}", "c", "{# {{ #}", "{% if x %}", "y"]);
        assert_eq!(kinds("{% raw %}{{ x }}{% endraw %}z"), ["{% raw %}{{ x }}{% endraw %}", "z"]);
        assert_eq!(kinds("{{ {'a': {'b': '}}'}} }}!"), ["{{ {'a': {'b': '}}'}} }}", "!"]);
        assert_eq!(kinds("{{- a -}}"), ["{{- a -}}"]);
    }

    #[test]
    fn words_of_an_expression() {
        assert_eq!(words("{{ a.0.b1[2.5e-3] }}"), ["a", ".", "0", ".", "b1", "[", "2.5e-3", "]"]);
        assert_eq!(words(r"{{ 'it\'s' ~ x }}"), [r"'it\'s'", "~", "x"]);
    }

    #[test]
    fn what_is_open_or_closes_nothing() {
        for text in ["{{ a", "{# a", "{{ 'a }}", "{% if", "{{ (a }}"] {
            assert!(segments(text).is_err(), "{text}");
        }
        assert_eq!(segments("{{ a) }}").unwrap_err().at, 4..5);
    }
}
