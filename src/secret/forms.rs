//! The forms in which a server or tool may repeat a secret: the text itself, its escapes, and its encodings in base64,
//! base32 and hexadecimal digits, also as a part of a longer encoded text.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// A secret of fewer characters is removed only as a whole token: it occurs by chance in ordinary words.
pub const SHORT: usize = 4;

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const HEX: &[u8; 16] = b"0123456789abcdef";
const HEX_UPPER: &[u8; 16] = b"0123456789ABCDEF";

/// Which occurrences of a form count as the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Occurrence {
    /// Only between characters that are not part of a word.
    WholeToken,
    /// Anywhere.
    Anywhere,
    /// Anywhere, and the encoding around it belongs to the secret, too.
    PartOfEncoding,
}

/// The text in which a secret may occur, and which of its occurrences count.
pub type Form = (Zeroizing<String>, Occurrence);

/// All forms of a secret.
pub fn of(secret: &str) -> Vec<Form> {
    // A server that repeats the password in a JSON error escapes quotes and backslashes in it.
    let json = Zeroizing::new(serde_json::to_string(secret).unwrap_or_default());
    let escaped = &json[1.min(json.len())..json.len().saturating_sub(1)];
    let occurrence = if secret.chars().count() < SHORT { Occurrence::WholeToken } else { Occurrence::Anywhere };
    let mut whole = vec![secret.to_owned(), escaped.to_owned(), url_encode(secret)];
    // The unpadded form is a prefix of the padded one, but both are needed: removing only the shorter form would leave
    // the padding in the text.
    whole.extend([&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD].map(|engine| engine.encode(secret)));
    let mut parts = Vec::new();
    if occurrence == Occurrence::Anywhere {
        for text in [secret, escaped] {
            let bytes = text.as_bytes();
            for alphabet in [&BASE64[..], BASE64_URL] {
                parts.extend((0..3).map(|offset| encoded(bytes, offset, alphabet)));
            }
            parts.extend((0..5).map(|offset| encoded(bytes, offset, BASE32)));
            parts.extend([HEX, HEX_UPPER].map(|alphabet| encoded(bytes, 0, alphabet)));
        }
    }
    let whole = whole.into_iter().map(|text| (Zeroizing::new(text), occurrence));
    let parts = parts.into_iter().map(|text| (Zeroizing::new(text), Occurrence::PartOfEncoding));
    // An empty form would match at every position of a text.
    whole.chain(parts).filter(|(text, _)| !text.is_empty()).collect()
}

/// The digits that depend only on `bytes` if `offset` unknown bytes come before them and any bytes after them. The length
/// of the alphabet is a power of two (RFC 4648).
fn encoded(bytes: &[u8], offset: usize, alphabet: &[u8]) -> String {
    let width = alphabet.len().trailing_zeros() as usize;
    let (start, end) = (offset * 8, (offset + bytes.len()) * 8);
    let bit = |at: usize| usize::from(bytes[(at - start) / 8] >> (7 - (at - start) % 8) & 1);
    let digit = |number: usize| (number * width..(number + 1) * width).fold(0, |value, at| value << 1 | bit(at));
    (start.div_ceil(width)..end / width).map(|number| char::from(alphabet[digit(number)])).collect()
}

fn url_encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_an_encoding() {
        for (before, after) in [("", ""), ("a", "b"), ("ab", ""), ("", "xy"), ("abcd", "e"), ("abcde", "")] {
            let text = format!("{before}hunter2{after}");
            let middle = encoded(b"hunter2", before.len() % 3, BASE64);
            assert!(middle.len() >= 8 && STANDARD.encode(&text).contains(&middle), "{text}");
        }
        // RFC 4648, section 10.
        assert_eq!(encoded(b"fooba", 0, BASE32), "MZXW6YTB");
        assert_eq!(encoded(b"foobar", 0, BASE64), "Zm9vYmFy");
        assert_eq!(encoded(b"foobar", 0, HEX), "666f6f626172");
    }
}
