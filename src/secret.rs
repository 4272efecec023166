//! Secrets and their removal from foreign text. A [`Secret`] cannot be printed, compared by accident or serialised. An
//! inventory holds passwords as the text it was read as; from `desired` on nothing but a secret does.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// The variable that `oregano login` takes a password from. No program that is run inherits it.
pub const PASSWORD_VARIABLE: &str = "OREGANO_PASSWORD";

/// A password, token or passphrase. No `Display`, `Serialize` or `Deref`; `Debug` is redacted; the
/// memory is wiped when the last clone is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes ownership of the secret text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself: for the wire, and for nothing that a person or a log sees.
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

/// File content, which holds passwords.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes ownership of the bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes themselves.
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
/// header (RFC 7617). The user must hold no colon.
pub fn basic_auth(user: &str, password: &Secret) -> Secret {
    let pair = Zeroizing::new(format!("{user}:{}", password.expose()));
    Secret::new(STANDARD.encode(pair.as_bytes()))
}

/// Removes every known secret, in each encoding a server or tool may echo it in, from foreign text.
#[derive(Default, Clone)]
pub struct Redactor {
    needles: BTreeSet<Needle>,
}

/// One form of a secret. The longest comes first: a form that contains another one must go as a whole.
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
    /// What stands in the place of a secret.
    pub const MASK: &'static str = "[redacted]";

    /// Learns the secret itself, its JSON and URL escapes, and its base64 forms.
    pub fn learn(&mut self, secret: &Secret) {
        let plain = secret.expose();
        let json = serde_json::to_string(plain).unwrap_or_default();
        let escaped = json.trim_matches('"').to_owned();
        let url: String = url_encode(plain);
        let mut forms = vec![plain.to_owned(), escaped, url];
        for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
            forms.push(engine.encode(plain));
        }
        let forms = forms.into_iter().filter(|form| !form.is_empty());
        self.needles.extend(forms.map(|form| Needle(Zeroizing::new(form))));
    }

    /// Learns a credential: the password, and the `auth` value made of it and `user`.
    pub fn learn_credential(&mut self, user: &str, password: &Secret) {
        self.learn(password);
        self.learn(&basic_auth(user, password));
    }

    /// `text` with every known secret replaced by [`Redactor::MASK`].
    pub fn scrub(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for Needle(needle) in &self.needles {
            if clean.contains(needle.as_str()) {
                clean = clean.replace(needle.as_str(), Self::MASK);
            }
        }
        clean
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
