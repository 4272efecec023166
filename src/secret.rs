//! Secrets, and their removal from the texts of servers and tools. A [`Secret`] cannot be printed or serialized. The
//! inventory stores passwords as plain text; `desired` and all later stages store them only as secrets.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// The environment variable with the password for `oregano login`. It is not passed to child processes.
pub const PASSWORD_VARIABLE: &str = "OREGANO_PASSWORD";

/// A password, token or passphrase. It does not implement `Display`, `Serialize` or `Deref`, and `Debug` is redacted.
/// The memory is overwritten with zeros when the last clone is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes ownership of the secret text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// Returns the secret text. It may be sent to a server or written to a credential file, but must never be shown or
    /// logged.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::hash::Hash for Secret {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.expose().hash(state);
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

/// The content of a file with passwords. The memory is overwritten with zeros when the last clone is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes ownership of the bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Returns the bytes, with the same restrictions as [`Secret::expose`].
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretBytes({} bytes)", self.0.len())
    }
}

/// `base64(user:password)`, the `auth` member of a config.json entry and the value of an HTTP Basic
/// header (RFC 7617). The user must not contain a colon.
pub fn basic_auth(user: &str, password: &Secret) -> Secret {
    // The intermediate text contains the password too, so it is also overwritten when it is dropped.
    let pair = Zeroizing::new(format!("{user}:{}", password.expose()));
    Secret::new(STANDARD.encode(pair.as_bytes()))
}

/// The maximum number of nested encodings that are decoded: HTML that contains JSON that contains a URL.
const ROUNDS: usize = 3;

/// The minimum length of a secret that is also found with different case or white space. A shorter one would match
/// ordinary text.
const FOLDED: usize = 6;

/// The length of the longest HTML entity, `&#x10ffff;`.
const LONGEST_ENTITY: usize = 10;

/// Removes all known secrets from text, in every encoding in which a server or tool may repeat them.
#[derive(Default, Clone)]
pub struct Redactor {
    needles: BTreeSet<Needle>,
    /// The same forms after [`fold`], if they are long enough.
    folded: BTreeSet<Needle>,
}

/// One form of a secret. Forms are sorted by length, the longest first, so that a form that contains another one is
/// removed completely.
#[derive(Clone, PartialEq, Eq)]
struct Needle(Zeroizing<String>);

impl Ord for Needle {
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.len().cmp(&self.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Needle {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Redactor {
    /// The replacement for a secret.
    pub const MASK: &'static str = "[redacted]";

    /// Adds a secret in all its forms: the text itself, its JSON and URL escapes, and its base64 encodings.
    pub fn learn(&mut self, secret: &Secret) {
        let plain = secret.expose();
        // A server that repeats the password in a JSON error escapes quotes and backslashes in it.
        let json = serde_json::to_string(plain).unwrap_or_default();
        let escaped = json.trim_matches('"').to_owned();
        let url: String = url_encode(plain);
        let mut forms = vec![plain.to_owned(), escaped, url];
        // The unpadded form is a prefix of the padded one, but both are needed: removing only the shorter form would
        // leave the padding in the text.
        for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
            forms.push(engine.encode(plain));
        }
        // An empty form would match at every position of a text.
        let forms: Vec<String> = forms.into_iter().filter(|form| !form.is_empty()).collect();
        let folded = forms.iter().map(|form| fold(form)).filter(|form| form.len() >= FOLDED);
        self.folded.extend(folded.map(|form| Needle(Zeroizing::new(form))));
        self.needles.extend(forms.into_iter().map(|form| Needle(Zeroizing::new(form))));
    }

    /// Adds a credential: the password, and the `auth` value of `user` and password.
    pub fn learn_credential(&mut self, user: &str, password: &Secret) {
        self.learn(password);
        self.learn(&basic_auth(user, password));
    }

    /// Replaces every known secret in `text` with [`Redactor::MASK`]. A word that contains a secret in an unusual
    /// encoding is replaced completely.
    pub fn scrub(&self, text: &str) -> String {
        // The plain replacement comes first, so that the text around an unchanged secret in the same word is still
        // shown.
        let clean = self.replace(text);
        if self.needles.is_empty() {
            return clean;
        }
        let words: Vec<&str> = clean.split_inclusive(char::is_whitespace).collect();
        let hidden = self.hidden(&words);
        let mut shown = String::with_capacity(clean.len());
        for (at, word) in words.iter().enumerate() {
            match hidden[at] {
                false => shown.push_str(word),
                // Consecutive hidden words get one mask, so that the output does not show how many words the secret
                // has.
                true if hidden.get(at + 1) == Some(&true) => {}
                true => {
                    shown.push_str(Self::MASK);
                    // The white space after the word is kept, so that the lines of a message are not joined.
                    shown.push_str(&word[word.trim_end().len()..]);
                }
            }
        }
        shown
    }

    fn replace(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for Needle(needle) in &self.needles {
            if clean.contains(needle.as_str()) {
                clean = clean.replace(needle.as_str(), Self::MASK);
            }
        }
        clean
    }

    /// For each word: whether it contains a secret, or a part of a secret that continues in the next word.
    fn hidden(&self, words: &[&str]) -> Vec<bool> {
        let mut hidden = vec![false; words.len()];
        let mut words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        for _ in 0..=ROUNDS {
            for (word, hidden) in words.iter().zip(&mut hidden) {
                *hidden |= self.needles.iter().any(|Needle(needle)| word.contains(needle.as_str()));
            }
            self.hide_folded(&words, &mut hidden);
            let decoded: Vec<String> = words.iter().map(|word| decode(word)).collect();
            // Another round would find nothing new, because nothing was left to decode.
            if decoded == words {
                break;
            }
            words = decoded;
        }
        hidden
    }

    fn hide_folded(&self, words: &[String], hidden: &mut [bool]) {
        let (mut text, mut ends) = (String::new(), Vec::with_capacity(words.len()));
        for word in words {
            text.push_str(&fold(word));
            ends.push(text.len());
        }
        // The words are joined, because white space may split a secret into several words.
        for Needle(needle) in &self.folded {
            for (start, _) in text.match_indices(needle.as_str()) {
                let first = ends.partition_point(|end| *end <= start);
                let last = ends.partition_point(|end| *end < start + needle.len());
                hidden[first..=last].fill(true);
            }
        }
    }
}

/// Removes the differences that may appear when a server repeats a secret: case, white space, and `+` for a space.
fn fold(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != '+').flat_map(char::to_lowercase).collect()
}

/// Decodes one level of URL, HTML and JSON escapes. Other text is kept.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (decoded, length) =
            escape(rest).unwrap_or_else(|| (rest.as_bytes()[..first.len_utf8()].to_vec(), first.len_utf8()));
        bytes.extend(decoded);
        rest = &rest[length..];
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The bytes that the escape sequence at the start of `text` represents, and the length of the sequence.
fn escape(text: &str) -> Option<(Vec<u8>, usize)> {
    let hex = |digits: &str| u32::from_str_radix(digits, 16).ok();
    let character = |code: u32| char::from_u32(code).map(|c| c.to_string().into_bytes());
    match text.as_bytes() {
        // This returns bytes and not a character, because one character may be encoded as several escapes.
        [b'%', ..] => Some((vec![u8::try_from(hex(text.get(1..3)?)?).ok()?], 3)),
        [b'\\', b'u', ..] => Some((character(hex(text.get(2..6)?)?)?, 6)),
        [b'\\', quoted @ (b'/' | b'"' | b'\'' | b'\\'), ..] => Some((vec![*quoted], 2)),
        [b'&', ..] => {
            let end = text.bytes().take(LONGEST_ENTITY).position(|byte| byte == b';')?;
            let bytes = match &text[1..end] {
                "amp" => b"&".to_vec(),
                "lt" => b"<".to_vec(),
                "gt" => b">".to_vec(),
                "quot" => b"\"".to_vec(),
                "apos" => b"'".to_vec(),
                name => {
                    let code = name.strip_prefix('#')?;
                    character(code.strip_prefix(['x', 'X']).map_or_else(|| code.parse().ok(), hex)?)?
                }
            };
            Some((bytes, end + 1))
        }
        _ => None,
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} forms)", self.needles.len())
    }
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
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret([redacted])");
    }

    #[test]
    fn every_form_is_scrubbed() {
        let secret = Secret::new("p\"ä ss/1");
        let mut redactor = Redactor::default();
        redactor.learn_credential("bob", &secret);
        let auth = basic_auth("bob", &secret);
        let json = serde_json::to_string(secret.expose()).unwrap_or_default();
        for form in [secret.expose(), auth.expose(), &json, "p%22%C3%A4%20ss%2F1"] {
            let clean = redactor.scrub(&format!("before {form} after"));
            assert!(clean.contains(Redactor::MASK), "{form} survived");
            assert!(!clean.contains(form));
        }
    }

    #[test]
    fn repeated_secrets_are_scrubbed_in_unusual_forms() {
        let mut redactor = Redactor::default();
        redactor.learn_credential("bob", &Secret::new("Hun/t(e)r '2&+x"));
        let auth = basic_auth("bob", &Secret::new("Hun/t(e)r '2&+x"));
        let (head, tail) = auth.expose().split_at(9);
        for form in [
            "Hun%2ft%28e%29r%20%272%26%2bx",
            "Hun%2Ft(e)r%20'2%26%2Bx",
            "Hun%2Ft%28e%29r+%272%26%2Bx",
            "Hun/t%28e%29r%20%272%26%2Bx",
            "Hun%252Ft%2528e%2529r%2520%25272%2526%252Bx",
            "Hun/t(e)r '2&amp;+x",
            "Hun&#x2F;t&#40;e)r &#39;2&amp;&#43;x",
            "Hun\\/t(e)r \\u00272\\u0026+x",
            "HUN/T(E)R '2&+X",
            "hun/t(e)r '2&+x",
            "Hun/t(\n e)r '2&+x",
            &format!("{head}\r\n{tail}"),
            &auth.expose().to_uppercase(),
        ] {
            let clean = redactor.scrub(&format!("before {form} after"));
            assert_eq!(clean, "before [redacted] after", "{form}");
        }
        assert_eq!(redactor.scrub("https://r/?p=HUN%2ft(e)r%20'2%26%2bx\nafter"), "[redacted]\nafter");
    }

    #[test]
    fn short_secrets_leave_text_readable() {
        let mut redactor = Redactor::default();
        redactor.learn(&Secret::new("a/b"));
        let text = "A/B, a / b: 100% of &lt;x&gt; & %zz \\u12 &#; &#xx; é%C3";
        assert_eq!(redactor.scrub(text), text);
        assert_eq!(redactor.scrub("x=a%2fb and a/b"), "[redacted] and [redacted]");
    }

    #[test]
    fn a_secret_within_another_leaves_nothing_of_it() {
        let mut redactor = Redactor::default();
        for secret in ["inner", "an-inner-part", "inner"] {
            redactor.learn(&Secret::new(secret));
        }
        assert_eq!(redactor.scrub("an-inner-part inner"), "[redacted] [redacted]");
    }

    #[test]
    fn text_without_secrets_is_untouched() {
        let mut redactor = Redactor::default();
        redactor.learn(&Secret::new("x1y2"));
        assert_eq!(redactor.scrub("nothing here"), "nothing here");
    }
}
