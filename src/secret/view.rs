//! Texts in which a secret is searched: a text with terminal escape sequences removed, with escapes decoded, or without
//! the differences of case and white space. Each byte has its place in the original text.

use std::ops::Range;

/// The length of the longest HTML entity, `&#x10ffff;`.
const LONGEST_ENTITY: usize = 10;

/// How many characters of a string in an escape sequence are read.
const STRING_LIMIT: usize = 256;

/// Bytes, because an escape may represent a part of a character.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct View {
    pub bytes: Vec<u8>,
    /// For each byte, the start of what it represents in the original text; and the end of that text.
    from: Vec<usize>,
}

impl View {
    /// The text itself.
    pub fn of(text: &str) -> Self {
        Self { bytes: text.as_bytes().to_vec(), from: (0..=text.len()).collect() }
    }

    /// The text without what a terminal or browser does not show: control characters, escape sequences (ECMA-48) and
    /// characters of no width. A secret may be split by them.
    pub fn without_invisible(text: &str) -> Self {
        let mut view = Self::default();
        let mut at = 0;
        while let Some(first) = text[at..].chars().next() {
            let hidden = escape_sequence(&text[at..]).or_else(|| is_invisible(first).then_some(first.len_utf8()));
            if hidden.is_none() {
                view.push(&text.as_bytes()[at..at + first.len_utf8()], at);
            }
            at += hidden.unwrap_or(first.len_utf8());
        }
        view.end(text.len())
    }

    /// One level of URL, HTML, JSON and C escapes decoded; other text is kept.
    pub fn decoded(&self) -> Self {
        let mut view = Self::default();
        let mut at = 0;
        while at < self.bytes.len() {
            let length = match escape(&self.bytes[at..]) {
                Some((bytes, length)) => {
                    view.push(&bytes, self.from[at]);
                    length
                }
                None => {
                    view.push(&self.bytes[at..=at], self.from[at]);
                    1
                }
            };
            at += length;
        }
        view.end(self.original_end())
    }

    /// The text without the differences that may appear when a server repeats a secret: case, white space, and `+` for a
    /// space.
    pub fn folded(&self) -> Self {
        let mut view = Self::default();
        let mut at = 0;
        for chunk in self.bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                if !c.is_whitespace() && c != '+' {
                    let lower: String = c.to_lowercase().collect();
                    view.push(lower.as_bytes(), self.from[at]);
                }
                at += c.len_utf8();
            }
            for byte in chunk.invalid() {
                view.push(&[*byte], self.from[at]);
                at += 1;
            }
        }
        view.end(self.original_end())
    }

    /// The place of a range in the original text.
    pub fn original(&self, range: Range<usize>) -> Range<usize> {
        self.from[range.start]..self.from[range.end]
    }

    fn push(&mut self, bytes: &[u8], from: usize) {
        self.bytes.extend_from_slice(bytes);
        self.from.extend(std::iter::repeat_n(from, bytes.len()));
    }

    fn end(mut self, end: usize) -> Self {
        self.from.push(end);
        self
    }

    fn original_end(&self) -> usize {
        self.from.last().copied().unwrap_or_default()
    }
}

/// Whether a character has no width. White space is visible.
fn is_invisible(c: char) -> bool {
    let no_width = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}');
    no_width || (c.is_control() && !c.is_whitespace())
}

/// The length of the escape sequence at the start of `text`: a control sequence, a string such as the title of a window,
/// or a short one.
fn escape_sequence(text: &str) -> Option<usize> {
    // The introducers also exist as single characters (C1).
    let (kind, begin) = match text.strip_prefix('\u{1b}') {
        Some(rest) => (rest.chars().next()?, 1 + rest.chars().next()?.len_utf8()),
        None => match text.chars().next()? {
            '\u{9b}' => ('[', 2),
            '\u{9d}' => (']', 2),
            '\u{90}' => ('P', 2),
            _ => return None,
        },
    };
    let rest = &text[begin..];
    match kind {
        '[' => {
            let end = rest.find(|c: char| !matches!(c, ' '..='?'))?;
            let last = rest[end..].chars().next()?;
            // A character that cannot end the sequence is text.
            Some(begin + end + if matches!(last, '@'..='~') { 1 } else { 0 })
        }
        // A string ends with BEL or ST. Without an end, only the introducer is removed, so that the text after it is
        // searched, too.
        ']' | 'P' | 'X' | '^' | '_' => {
            let end = rest.char_indices().take(STRING_LIMIT).find(|(_, c)| c.is_control());
            let length = end.and_then(|(at, c)| match c {
                '\u{7}' | '\u{9c}' => Some(at + c.len_utf8()),
                '\u{1b}' if rest[at..].starts_with("\u{1b}\\") => Some(at + 2),
                _ => None,
            });
            Some(begin + length.unwrap_or(0))
        }
        ' '..='/' => Some(begin + rest.chars().next().map_or(0, char::len_utf8)),
        '0'..='~' => Some(begin),
        _ => None,
    }
}

/// The bytes that the escape at the start of `text` represents, and its length.
fn escape(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let hex = |digits: Range<usize>| {
        let digits = std::str::from_utf8(text.get(digits)?).ok()?;
        u32::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))
    };
    let byte = |digits: Range<usize>| Some(vec![u8::try_from(hex(digits)?).ok()?]);
    let character = |code: u32| char::from_u32(code).map(|c| c.to_string().into_bytes());
    match text {
        // Bytes and not a character, because one character may be several escapes.
        [b'%', ..] => Some((byte(1..3)?, 3)),
        [b'\\', b'x', ..] => Some((byte(2..4)?, 4)),
        [b'\\', b'u', ..] => Some((character(hex(2..6)?)?, 6)),
        [b'\\', quoted @ (b'/' | b'"' | b'\'' | b'\\'), ..] => Some((vec![*quoted], 2)),
        [b'&', ..] => {
            let end = text.iter().take(LONGEST_ENTITY).position(|byte| *byte == b';')?;
            let bytes = match std::str::from_utf8(&text[1..end]).ok()? {
                "amp" => b"&".to_vec(),
                "lt" => b"<".to_vec(),
                "gt" => b">".to_vec(),
                "quot" => b"\"".to_vec(),
                "apos" => b"'".to_vec(),
                name => {
                    let code = name.strip_prefix('#')?;
                    let hex = |digits| u32::from_str_radix(digits, 16).ok();
                    character(code.strip_prefix(['x', 'X']).map_or_else(|| code.parse().ok(), hex)?)?
                }
            };
            Some((bytes, end + 1))
        }
        _ => None,
    }
}
