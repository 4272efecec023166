//! Python's string literals: prefixes, quotes and escapes.

use super::super::problem::Problem;
use super::super::text::Text;
use super::{NotLiteral, Parsed};

/// What one or several literals side by side spell so far.
#[derive(Default)]
pub(super) enum Piece {
    #[default]
    Nothing,
    Text(String),
    Bytes(Vec<u8>),
}

impl Piece {
    /// Both as one; text and bytes do not mix.
    pub fn followed_by(self, next: Self) -> Option<Self> {
        match (self, next) {
            (Self::Nothing, next) => Some(next),
            (Self::Text(a), Self::Text(b)) => Some(Self::Text(a + &b)),
            (Self::Bytes(a), Self::Bytes(b)) => Some(Self::Bytes([a, b].concat())),
            _ => None,
        }
    }

    /// Bytes become text, as Ansible makes them.
    pub fn into_text(self) -> Option<String> {
        match self {
            Self::Nothing => Some(String::new()),
            Self::Text(text) => Some(text),
            Self::Bytes(bytes) => String::from_utf8(bytes).ok(),
        }
    }
}

/// The letters before the quote.
#[derive(Clone, Copy)]
struct Prefix {
    length: usize,
    raw: Raw,
    bytes: Kind,
}

/// Whether backslashes are escapes.
#[derive(Clone, Copy, PartialEq)]
enum Raw {
    Escapes,
    Raw,
}

/// What the literal makes.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Bytes,
}

fn prefix(text: &str) -> Option<Prefix> {
    let length = text.find(['\'', '"']).filter(|length| *length <= 2)?;
    let (raw, bytes) = match text[..length].to_ascii_lowercase().as_str() {
        "" | "u" => (Raw::Escapes, Kind::Text),
        "r" => (Raw::Raw, Kind::Text),
        "b" => (Raw::Escapes, Kind::Bytes),
        "br" | "rb" => (Raw::Raw, Kind::Bytes),
        _ => return None,
    };
    Some(Prefix { length, raw, bytes })
}

/// Whether a string literal stands at the start of `text`.
pub(super) fn starts(text: &str) -> bool {
    prefix(text).is_some()
}

/// The literal at the start of `text`, and its length in the source. What cannot be represented goes into
/// `refused`.
pub(super) fn read(text: &Text, refused: &mut Option<Problem>) -> Parsed<(Piece, usize)> {
    let prefix = prefix(text.text).ok_or(NotLiteral)?;
    let rest = &text.text[prefix.length..];
    let quote = &rest[..1];
    let triple = quote.repeat(3);
    let quote = if rest.starts_with(&triple) { triple.as_str() } else { quote };
    let start = prefix.length + quote.len();
    let length = body_length(&text.text[start..], quote).ok_or(NotLiteral)?;
    let body = text.part(start, start + length);
    if prefix.bytes == Kind::Bytes && !body.text.is_ascii() {
        return Err(NotLiteral);
    }
    let bytes = match prefix.raw {
        Raw::Raw => body.text.as_bytes().to_vec(),
        Raw::Escapes => unescape(&body, prefix.bytes, refused)?,
    };
    let piece = match prefix.bytes {
        Kind::Bytes => Piece::Bytes(bytes),
        Kind::Text => Piece::Text(String::from_utf8(bytes).map_err(|_| NotLiteral)?),
    };
    Ok((piece, start + length + quote.len()))
}

/// The length up to the closing quote. A backslash guards the next character, also in raw strings.
fn body_length(text: &str, quote: &str) -> Option<usize> {
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        if text[at..].starts_with(quote) {
            return Some(at);
        }
        match c {
            '\\' => drop(characters.next()?),
            '\n' if quote.len() == 1 => return None,
            _ => {}
        }
    }
    None
}

fn unescape(body: &Text, kind: Kind, refused: &mut Option<Problem>) -> Parsed<Vec<u8>> {
    let text = body.text;
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(found) = text[at..].find('\\') {
        out.extend_from_slice(&text.as_bytes()[at..at + found]);
        at += found;
        let (code, length) = match escape(&text[at + 1..], kind) {
            Ok(escape) => escape,
            Err(Fault::NotLiteral) => return Err(NotLiteral),
            Err(Fault::Unsupported(message)) => {
                let problem = Problem::hiding(&body.span(at, at + 2), message);
                refused.get_or_insert(problem.hint("write the character itself"));
                (Escape::Nothing, 0)
            }
        };
        match (code, kind) {
            (Escape::Byte(byte), Kind::Bytes) => out.push(byte),
            (Escape::Byte(byte), Kind::Text) => push(&mut out, char::from(byte)),
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

/// What a backslash and the characters after it stand for.
enum Escape {
    Byte(u8),
    Character(char),
    /// A backslash at the end of a line.
    Nothing,
    /// No escape of Python's: the backslash stays.
    Backslash,
}

/// Why an escape was not read.
enum Fault {
    /// Python refuses the literal, so it is text.
    NotLiteral,
    /// A literal of Python's that is not supported here.
    Unsupported(&'static str),
}

/// The escape whose backslash stands before `rest`, and its length without the backslash.
fn escape(rest: &str, kind: Kind) -> Result<(Escape, usize), Fault> {
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
        'u' if kind == Kind::Text => Ok((Escape::Character(character(&rest[1..], 4)?), 5)),
        'U' if kind == Kind::Text => Ok((Escape::Character(character(&rest[1..], 8)?), 9)),
        'N' if kind == Kind::Text => Err(Fault::Unsupported("`\\N{…}` is not supported")),
        _ => Ok((Escape::Backslash, 0)),
    }
}

fn octal(rest: &str, kind: Kind) -> (Escape, usize) {
    let length = rest.bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
    let code = u32::from_str_radix(&rest[..length], 8).unwrap_or_default();
    let escape = match kind {
        Kind::Bytes => Escape::Byte((code & 0xff) as u8),
        Kind::Text => char::from_u32(code).map_or(Escape::Backslash, Escape::Character),
    };
    (escape, length)
}

fn character(rest: &str, digits: usize) -> Result<char, Fault> {
    let code = hexadecimal(rest, digits)?;
    let fault = if code > 0x0010_ffff { Fault::NotLiteral } else { Fault::Unsupported("a surrogate is no character") };
    char::from_u32(code).ok_or(fault)
}

fn hexadecimal(rest: &str, digits: usize) -> Result<u32, Fault> {
    let text = rest.get(..digits).ok_or(Fault::NotLiteral)?;
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Fault::NotLiteral);
    }
    u32::from_str_radix(text, 16).map_err(|_| Fault::NotLiteral)
}
