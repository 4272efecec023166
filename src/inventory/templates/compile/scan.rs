//! Splits the text of a template as Jinja's lexer does: into plain text, `{{ … }}`, `{% … %}` and comments, and the
//! content of the delimiters into tokens. It does not check the grammar.

use std::ops::Range;

use super::invalid::InvalidTemplate;

/// A part of a template. Ranges are bytes of the text.
#[derive(Debug, PartialEq)]
pub(super) struct Segment {
    pub kind: SegmentKind,
    /// The segment with its delimiters.
    pub range: Range<usize>,
}

#[derive(Debug, PartialEq)]
pub(super) enum SegmentKind {
    /// Text outside of delimiters.
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

/// A token between delimiters. The delimiters themselves, with their `-` or `+`, are not tokens.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub lexeme: Lexeme,
    pub start: usize,
    pub end: usize,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Lexeme {
    /// The name of a variable, filter, test or statement, or a keyword.
    Name,
    /// A number.
    Number,
    /// A string literal, with its value.
    Text(String),
    /// One character of an operator or bracket.
    Symbol(char),
}

/// Whether a text may contain a template. A text without these delimiters is never read as one.
pub fn may_be_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// All segments of `text`.
pub(super) fn segments(text: &str) -> Result<Vec<Segment>, InvalidTemplate> {
    let mut segments = Vec::new();
    let mut at = 0;
    while let Some(start) = next_delimiter(text, at) {
        if start > at {
            segments.push(Segment { kind: SegmentKind::Plain, range: at..start });
        }
        let segment = match &text[start..start + 2] {
            "{{" => tokens_until(text, start, "}}").map(|(tokens, end)| (SegmentKind::Output(tokens), end)),
            "{%" => match raw_end(text, start) {
                Some(end) => Ok((SegmentKind::Raw, end)),
                None => tokens_until(text, start, "%}").map(|(tokens, end)| (SegmentKind::Statement(tokens), end)),
            },
            _ => match text[start + 2..].find("#}") {
                Some(length) => Ok((SegmentKind::Comment, start + 2 + length + 2)),
                None => Err(InvalidTemplate::new(start..text.len(), "this comment is not closed")),
            },
        };
        let (kind, end) = segment?;
        segments.push(Segment { kind, range: start..end });
        at = end;
    }
    if at < text.len() {
        segments.push(Segment { kind: SegmentKind::Plain, range: at..text.len() });
    }
    Ok(segments)
}

fn next_delimiter(text: &str, from: usize) -> Option<usize> {
    let opens = |at: &usize| text[at + 1..].starts_with(['{', '%', '#']);
    text[from..].match_indices('{').map(|(at, _)| from + at).find(opens)
}

/// The end of the `{% raw %}` block that starts here; `None` if the text here is something else.
fn raw_end(text: &str, start: usize) -> Option<usize> {
    let tag = |from: usize, word: &str| {
        let inner = text[from..].strip_prefix("{%")?;
        let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner).trim_start();
        let inner = inner.strip_prefix(word)?.trim_start();
        let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner).strip_prefix("%}")?;
        Some(text.len() - inner.len())
    };
    let mut at = tag(start, "raw")?;
    // Jinja reads nothing inside of the block, so only its end tag is searched for.
    loop {
        at += text[at..].find("{%")?;
        if let Some(end) = tag(at, "endraw") {
            return Some(end);
        }
        at += 2;
    }
}

/// The tokens after the opening delimiter at `start`, and the end of the closing delimiter.
fn tokens_until(text: &str, start: usize, close: &str) -> Result<(Vec<Token>, usize), InvalidTemplate> {
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
            return Err(InvalidTemplate::new(start..text.len(), "this template is not closed"));
        };
        // Inside of brackets `}}` is the end of two mappings, not of the template.
        if depth == 0 {
            // A sign directly before the closing delimiter controls white space. It is not an operator.
            let sign = usize::from(rest.starts_with(['-', '+']));
            if rest[sign..].starts_with(close) {
                return Ok((tokens, at + sign + 2));
            }
        }
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (lexeme, length) = if first == '\'' || first == '"' {
            let (value, length) = string(rest, escapes).map_err(|message| InvalidTemplate::new(at..at + 1, message))?;
            (Lexeme::Text(value), length)
        } else if first.is_ascii_digit() {
            // Otherwise `a.0.1` would be read as `a`, a dot and the float `0.1`.
            let after_dot = tokens.last().is_some_and(|token| token.lexeme == Lexeme::Symbol('.') && token.end == at);
            (Lexeme::Number, if after_dot { index_length(rest) } else { number_length(rest) })
        } else if first.is_alphabetic() || first == '_' {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            (Lexeme::Name, length)
        } else {
            depth = match first {
                '(' | '[' | '{' => depth + 1,
                ')' | ']' | '}' if depth == 0 => {
                    return Err(InvalidTemplate::new(at..at + 1, "this bracket has no opening bracket"));
                }
                ')' | ']' | '}' => depth - 1,
                _ => depth,
            };
            (Lexeme::Symbol(first), first.len_utf8())
        };
        tokens.push(Token { lexeme, start: at, end: at + length });
        at += length;
    }
}

/// How backslashes in string literals are read. Ansible doubles the backslashes of string literals in `{{ … }}` before
/// Jinja sees them, so that `'\1'` needs no second backslash. In `{% … %}` it does not.
#[derive(Clone, Copy, PartialEq)]
enum Escapes {
    /// A backslash is a backslash.
    Literal,
    /// A backslash starts an escape sequence.
    Python,
}

/// The value and the length of the string literal at the start of `text`.
fn string(text: &str, escapes: Escapes) -> Result<(String, usize), &'static str> {
    let quote = text.as_bytes()[0];
    let mut end = 1;
    loop {
        // Searching bytes is safe, because quotes and backslashes are never part of a longer UTF-8 character.
        match text.as_bytes().get(end) {
            None => return Err("this string is not closed"),
            Some(byte) if *byte == quote => break,
            // In both kinds of literals a quote after a backslash does not close the literal.
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

/// Replaces Python's escape sequences. As in Python an unknown one stays unchanged.
fn unescape(text: &str) -> Result<String, &'static str> {
    const BROKEN: &str = "an escape sequence in this string is not valid";
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
            // An octal escape sequence has one to three digits.
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
            'N' => return Err("`\\N{…}` is not supported"),
            other => value.extend(['\\', other]),
        }
    }
    Ok(value)
}

/// The length of an index after a dot (`a.0.1`), which has no fraction.
fn index_length(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())
}

/// The length of a number.
fn number_length(text: &str) -> usize {
    let word = |text: &str| text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let mut end = word(text);
    if text[end..].starts_with('.') && text[end + 1..].starts_with(|c: char| c.is_ascii_digit()) {
        end += 1 + word(&text[end + 1..]);
    }
    // `0x1e` ends with a digit, not with the start of an exponent.
    let exponent = text[..end].ends_with(['e', 'E']) && !text.starts_with("0x");
    if exponent && text[end..].starts_with(['+', '-']) {
        end += 1 + word(&text[end + 1..]);
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<String> {
        let segments = segments(text).unwrap();
        let [Segment { kind: SegmentKind::Output(tokens), .. }] = segments.as_slice() else { panic!("{segments:?}") };
        tokens.iter().map(|token| text[token.start..token.end].to_owned()).collect()
    }

    #[test]
    fn a_text_is_split_into_segments() {
        let kinds = |text: &str| -> Vec<String> {
            segments(text).unwrap().iter().map(|segment| text[segment.range.clone()].to_owned()).collect()
        };
        assert_eq!(kinds("a{{ b }}c{# {{ #}{% if x %}y"), ["a", "{{ b }}", "c", "{# {{ #}", "{% if x %}", "y"]);
        assert_eq!(kinds("{% raw %}{{ x }}{% endraw %}z"), ["{% raw %}{{ x }}{% endraw %}", "z"]);
        assert_eq!(kinds("{{ {'a': {'b': '}}'}} }}!"), ["{{ {'a': {'b': '}}'}} }}", "!"]);
        assert_eq!(kinds("{{- a -}}"), ["{{- a -}}"]);
    }

    #[test]
    fn an_expression_is_split_into_tokens() {
        assert_eq!(tokens("{{ a.0.b1[2.5e-3] }}"), ["a", ".", "0", ".", "b1", "[", "2.5e-3", "]"]);
        assert_eq!(tokens(r"{{ 'it\'s' ~ x }}"), [r"'it\'s'", "~", "x"]);
    }

    #[test]
    fn delimiters_and_brackets_that_do_not_match_are_invalid() {
        for text in ["{{ a", "{# a", "{{ 'a }}", "{% if", "{{ (a }}"] {
            assert!(segments(text).is_err(), "{text}");
        }
        assert_eq!(segments("{{ a) }}").unwrap_err().at, 4..5);
    }
}
