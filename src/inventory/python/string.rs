//! Python's string literals: prefixes, quotes and escapes.

use super::super::problem::Problem;
use super::super::text::Text;
use super::{NotLiteral, Parsed};

/// The value of one or several adjacent literals.
#[derive(Default)]
pub(super) enum StringValue {
    /// No literal was read yet.
    #[default]
    Empty,
    Text(String),
    Bytes(Vec<u8>),
}

impl StringValue {
    /// Both values concatenated; `None` for text and bytes, which Python does not concatenate.
    pub fn followed_by(self, next: Self) -> Option<Self> {
        match (self, next) {
            (Self::Empty, next) => Some(next),
            (Self::Text(a), Self::Text(b)) => Some(Self::Text(a + &b)),
            (Self::Bytes(a), Self::Bytes(b)) => Some(Self::Bytes([a, b].concat())),
            _ => None,
        }
    }

    /// The value as text. As in Ansible bytes become text; `None` if they are not UTF-8.
    pub fn into_text(self) -> Option<String> {
        match self {
            Self::Empty => Some(String::new()),
            Self::Text(text) => Some(text),
            Self::Bytes(bytes) => String::from_utf8(bytes).ok(),
        }
    }
}

/// The letters before the quote, and what they mean.
#[derive(Clone, Copy)]
struct Prefix {
    length: usize,
    backslashes: Backslashes,
    literal: LiteralKind,
}

/// What backslashes mean.
#[derive(Clone, Copy, PartialEq)]
enum Backslashes {
    /// They start escape sequences.
    Escape,
    /// They are plain characters.
    Plain,
}

/// The type of the literal's value.
#[derive(Clone, Copy, PartialEq)]
enum LiteralKind {
    Text,
    Bytes,
}

fn prefix(text: &str) -> Option<Prefix> {
    // No prefix has more than two letters, so a quote further right does not start a literal.
    let length = text.find(['\'', '"']).filter(|length| *length <= 2)?;
    let (backslashes, literal) = match text[..length].to_ascii_lowercase().as_str() {
        "" | "u" => (Backslashes::Escape, LiteralKind::Text),
        "r" => (Backslashes::Plain, LiteralKind::Text),
        "b" => (Backslashes::Escape, LiteralKind::Bytes),
        "br" | "rb" => (Backslashes::Plain, LiteralKind::Bytes),
        _ => return None,
    };
    Some(Prefix { length, backslashes, literal })
}

/// Whether `text` starts with a string literal.
pub(super) fn starts(text: &str) -> bool {
    prefix(text).is_some()
}

/// The value of the literal at the start of `text`, and the length of the literal. A part that is not supported is put
/// into `rejected`, because it is a problem only if the complete text is a literal.
pub(super) fn read(text: &Text, rejected: &mut Option<Problem>) -> Parsed<(StringValue, usize)> {
    let prefix = prefix(text.text).ok_or(NotLiteral)?;
    let rest = &text.text[prefix.length..];
    let quote = &rest[..1];
    let triple = quote.repeat(3);
    // Three quotes start a literal that can contain line breaks.
    let quote = if rest.starts_with(&triple) { triple.as_str() } else { quote };
    let start = prefix.length + quote.len();
    let length = body_length(&text.text[start..], quote).ok_or(NotLiteral)?;
    let body = text.part(start, start + length);
    // Python accepts only ASCII characters in bytes literals.
    if prefix.literal == LiteralKind::Bytes && !body.text.is_ascii() {
        return Err(NotLiteral);
    }
    let bytes = match prefix.backslashes {
        Backslashes::Plain => body.text.as_bytes().to_vec(),
        Backslashes::Escape => unescape(&body, prefix.literal, rejected)?,
    };
    let value = match prefix.literal {
        LiteralKind::Bytes => StringValue::Bytes(bytes),
        LiteralKind::Text => StringValue::Text(String::from_utf8(bytes).map_err(|_| NotLiteral)?),
    };
    Ok((value, start + length + quote.len()))
}

/// The length up to the closing quote. The character after a backslash never closes the literal, even in raw strings.
fn body_length(text: &str, quote: &str) -> Option<usize> {
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        if text[at..].starts_with(quote) {
            return Some(at);
        }
        match c {
            '\\' => drop(characters.next()?),
            // Only a literal with three quotes may contain a line break.
            '\n' if quote.len() == 1 => return None,
            _ => {}
        }
    }
    None
}

fn unescape(body: &Text, kind: LiteralKind, rejected: &mut Option<Problem>) -> Parsed<Vec<u8>> {
    let text = body.text;
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(found) = text[at..].find('\\') {
        out.extend_from_slice(&text.as_bytes()[at..at + found]);
        at += found;
        let (code, length) = match escape(&text[at + 1..], kind) {
            Ok(escape) => escape,
            Err(EscapeError::NotLiteral) => return Err(NotLiteral),
            Err(EscapeError::Unsupported(message)) => {
                let problem = Problem::hiding(&body.span(at, at + 2), message);
                rejected.get_or_insert(problem.hint("use the character itself"));
                (Escape::Nothing, 0)
            }
        };
        match (code, kind) {
            (Escape::Byte(byte), LiteralKind::Bytes) => out.push(byte),
            (Escape::Byte(byte), LiteralKind::Text) => push(&mut out, char::from(byte)),
            (Escape::Character(c), _) => push(&mut out, c),
            (Escape::Nothing, _) => {}
            (Escape::Backslash, _) => out.push(b'\\'),
        }
        at += 1 + length;
    }
    out.extend_from_slice(&text.as_bytes()[at..]);
    Ok(out)
}

fn push(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// The meaning of an escape sequence.
enum Escape {
    Byte(u8),
    Character(char),
    /// Nothing: a backslash at the end of a line, or a sequence that is not supported.
    Nothing,
    /// Not an escape sequence of Python: the backslash stays.
    Backslash,
}

/// Why an escape sequence cannot be read.
enum EscapeError {
    /// Python rejects the literal, so the value is text.
    NotLiteral,
    /// Python accepts the literal, but we do not support it.
    Unsupported(&'static str),
}

/// The escape sequence whose backslash is before `rest`, and its length without the backslash.
fn escape(rest: &str, kind: LiteralKind) -> Result<(Escape, usize), EscapeError> {
    let Some(letter) = rest.chars().next() else { return Ok((Escape::Backslash, 0)) };
    let simple = |byte| Ok((Escape::Byte(byte), 1));
    match letter {
        '\n' => Ok((Escape::Nothing, 1)),
        '\\' | '\'' | '"' => simple(u8::try_from(letter).unwrap_or_default()),
        'a' => simple(0x07),
        'b' => simple(0x08),
        'f' => simple(0x0c),
        'n' => simple(b'\n'),
        'r' => simple(b'\r'),
        't' => simple(b'\t'),
        'v' => simple(0x0b),
        '0'..='7' => Ok(octal(rest, kind)),
        'x' => {
            let code = hexadecimal(&rest[1..], 2)?;
            Ok((Escape::Byte(u8::try_from(code).unwrap_or_default()), 3))
        }
        // In bytes literals, Python does not treat these three as escape sequences, so the backslash is kept.
        'u' if kind == LiteralKind::Text => Ok((Escape::Character(character(&rest[1..], 4)?), 5)),
        'U' if kind == LiteralKind::Text => Ok((Escape::Character(character(&rest[1..], 8)?), 9)),
        'N' if kind == LiteralKind::Text => Err(EscapeError::Unsupported("`\\N{…}` is not supported")),
        _ => Ok((Escape::Backslash, 0)),
    }
}

fn octal(rest: &str, kind: LiteralKind) -> (Escape, usize) {
    let length = rest.bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
    let code = u32::from_str_radix(&rest[..length], 8).unwrap_or_default();
    let escape = match kind {
        // `\777` is more than a byte; Python uses its lowest eight bits.
        LiteralKind::Bytes => Escape::Byte((code & 0xff) as u8),
        LiteralKind::Text => char::from_u32(code).map_or(Escape::Backslash, Escape::Character),
    };
    (escape, length)
}

fn character(rest: &str, digits: usize) -> Result<char, EscapeError> {
    let code = hexadecimal(rest, digits)?;
    // Beyond the last code point Python rejects the literal; a surrogate is valid in Python, but not in Rust.
    let failed = if code > 0x0010_ffff {
        EscapeError::NotLiteral
    } else {
        EscapeError::Unsupported("surrogates are not supported")
    };
    char::from_u32(code).ok_or(failed)
}

fn hexadecimal(rest: &str, digits: usize) -> Result<u32, EscapeError> {
    let text = rest.get(..digits).ok_or(EscapeError::NotLiteral)?;
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(EscapeError::NotLiteral);
    }
    u32::from_str_radix(text, 16).map_err(|_| EscapeError::NotLiteral)
}
