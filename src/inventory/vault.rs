//! Encrypted text as `ansible-vault` writes it: the envelope, and what is inside. Knows neither files nor where
//! passwords come from.
//!
//! An envelope is a first line `$ANSIBLE_VAULT;1.2;AES256;label` (without a label in version 1.1) and lines of
//! hexadecimal digits, which spell three lines of hexadecimal digits: salt, HMAC and ciphertext. As in Ansible the
//! first line may hold white space around its parts, and line ends and empty lines do not matter; white space
//! anywhere else is damage.

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkcs5::pbkdf2_hmac;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use openssl::symm::{Cipher, Crypter, Mode};
use zeroize::Zeroizing;

use super::problem::Problem;
use crate::secret::{Secret, SecretBytes};

/// What every encrypted text starts with.
const MARK: &str = "$ANSIBLE_VAULT";
/// The rounds of PBKDF2-HMAC-SHA256 that make the keys.
const ROUNDS: usize = 10_000;
/// Bytes of the key of AES-256, and of HMAC-SHA256 and its result.
const KEY: usize = 32;
/// Bytes of a block of AES, and of the first counter.
const BLOCK: usize = 16;

/// An encrypted text, taken apart. Decrypting it costs some milliseconds.
pub struct Envelope {
    label: Option<String>,
    salt: Vec<u8>,
    hmac: [u8; KEY],
    ciphertext: Vec<u8>,
}

/// A vault password, and the label (vault id) the user gave it.
#[derive(Debug, Clone)]
pub struct Password {
    /// The label; `default` where none was given.
    pub label: String,
    /// The password: any bytes, as Ansible allows.
    pub secret: SecretBytes,
}

/// Why a text cannot be decrypted. Its words fit after "cannot decrypt …: " and hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It does not start with `$ANSIBLE_VAULT`.
    #[error("it does not start with `$ANSIBLE_VAULT`")]
    NotAVault,
    /// A version that is neither 1.1 nor 1.2.
    #[error("its format is neither 1.1 nor 1.2")]
    Version,
    /// A cipher that is not AES256.
    #[error("its cipher is not `AES256`")]
    Cipher,
    /// It is a vault that was changed or cut off.
    #[error("the encrypted text is damaged: {0}")]
    Damaged(Damage),
    /// No password was given.
    #[error("no vault password was given")]
    NoPassword,
    /// No password is that of the envelope, or somebody changed the ciphertext: the HMAC cannot tell which.
    #[error("no vault password fits{}", of_label(.label.as_deref()))]
    WrongPassword {
        /// The label in the envelope.
        label: Option<String>,
    },
    /// What was encrypted is not UTF-8.
    #[error("the decrypted text is not UTF-8")]
    NotText,
    /// OpenSSL refused to work.
    #[error("the cryptographic library failed")]
    Library,
}

impl Fault {
    /// Adds to a problem what to do about this fault, if there is something to do.
    pub fn explain(&self, problem: Problem) -> Problem {
        match self {
            Self::NoPassword => {
                problem.hint("give it with `--vault-password-file`, `--vault-id` or `--ask-vault-pass`")
            }
            Self::WrongPassword { .. } => problem.hint("check that the vault password is the one of this text"),
            _ => problem,
        }
    }
}

/// What is wrong with an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The first line has fewer than three parts, or is not ASCII.
    #[error("its first line is not as `$ANSIBLE_VAULT;1.1;AES256`")]
    Header,
    /// Something that is no pair of hexadecimal digits.
    #[error("it does not consist of pairs of hexadecimal digits")]
    Digits,
    /// Salt, HMAC or ciphertext is missing or cut off.
    #[error("a part of it is missing")]
    Cut,
    /// The password fits, but the padding at the end is wrong.
    #[error("what it holds does not end as it should")]
    Padding,
}

/// Whether a text is encrypted as a whole: it starts with the mark, without anything before it.
pub fn is_encrypted(text: &str) -> bool {
    text.starts_with(MARK)
}

/// The text in an envelope, decrypted with the first password that fits. Those with the label of the envelope are
/// tried first; as in Ansible (`DEFAULT_VAULT_ID_MATCH` is off) the others follow in their order.
pub fn open(envelope: &str, passwords: &[Password]) -> Result<Secret, Fault> {
    let envelope = Envelope::parse(envelope)?;
    if passwords.is_empty() {
        return Err(Fault::NoPassword);
    }
    let named = |password: &&Password| Some(password.label.as_str()) == envelope.label();
    let first = passwords.iter().filter(named);
    let others = passwords.iter().filter(|password| !named(password));
    for password in first.chain(others) {
        match envelope.decrypt(&password.secret) {
            Err(Fault::WrongPassword { .. }) => {}
            result => return result,
        }
    }
    Err(envelope.wrong_password())
}

impl Envelope {
    /// Takes an envelope apart. Everything that needs no password is checked here.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if !is_encrypted(text) {
            return Err(Fault::NotAVault);
        }
        let mut lines = text.split(['\n', '\r']);
        let label = header(lines.next().unwrap_or_default())?;
        let inner = digits(lines.flat_map(str::bytes))?;
        let mut parts = inner.splitn(3, |byte| *byte == b'\n').map(|part| digits(part.iter().copied()));
        let mut part = || parts.next().unwrap_or(Err(Fault::Damaged(Damage::Cut)));
        let (salt, hmac, ciphertext) = (part()?, part()?, part()?);
        let hmac = hmac.try_into().map_err(|_| Fault::Damaged(Damage::Cut))?;
        if ciphertext.is_empty() || ciphertext.len() % BLOCK != 0 {
            return Err(Fault::Damaged(Damage::Cut));
        }
        Ok(Self { label, salt, hmac, ciphertext })
    }

    /// The vault id it was encrypted for.
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// The text inside. Nothing is decrypted unless the HMAC proves the password and the ciphertext.
    pub fn decrypt(&self, password: &SecretBytes) -> Result<Secret, Fault> {
        let mut keys = Zeroizing::new([0; KEY + KEY + BLOCK]);
        pbkdf2_hmac(password.expose(), &self.salt, ROUNDS, MessageDigest::sha256(), &mut *keys)?;
        let (cipher_key, rest) = keys.split_at(KEY);
        let (hmac_key, counter) = rest.split_at(KEY);
        let mut hmac = [0; KEY];
        Signer::new(MessageDigest::sha256(), &*PKey::hmac(hmac_key)?)?.sign_oneshot(&mut hmac, &self.ciphertext)?;
        // In constant time: both have the same length by their type.
        if !openssl::memcmp::eq(&hmac, &self.hmac) {
            return Err(self.wrong_password());
        }
        let mut crypter = Crypter::new(Cipher::aes_256_ctr(), Mode::Decrypt, cipher_key, Some(counter))?;
        let mut plain = Zeroizing::new(vec![0; self.ciphertext.len() + BLOCK]);
        let written = crypter.update(&self.ciphertext, &mut plain)?;
        let length = unpadded(&plain[..written]).ok_or(Fault::Damaged(Damage::Padding))?;
        plain.truncate(length);
        let text = std::str::from_utf8(&plain).map_err(|_| Fault::NotText)?;
        Ok(Secret::new(text))
    }

    fn wrong_password(&self) -> Fault {
        Fault::WrongPassword { label: self.label.clone() }
    }
}

// Nothing in it is secret without the password; but nobody wants to read it.
impl std::fmt::Debug for Envelope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an envelope{}", of_label(self.label()))
    }
}

impl From<ErrorStack> for Fault {
    fn from(_: ErrorStack) -> Self {
        Self::Library
    }
}

/// Checks the first line; the label in it.
fn header(line: &str) -> Result<Option<String>, Fault> {
    let mut parts = line.split(';').map(str::trim).skip(1);
    let (Some(version), Some(cipher), true) = (parts.next(), parts.next(), line.is_ascii()) else {
        return Err(Fault::Damaged(Damage::Header));
    };
    if !matches!(version, "1.1" | "1.2") {
        return Err(Fault::Version);
    }
    if cipher != "AES256" {
        return Err(Fault::Cipher);
    }
    Ok(parts.next().filter(|label| !label.is_empty()).map(str::to_owned))
}

/// The bytes that hexadecimal digits spell.
fn digits(text: impl Iterator<Item = u8>) -> Result<Vec<u8>, Fault> {
    let wrong = Fault::Damaged(Damage::Digits);
    let mut bytes = Vec::new();
    let mut high = None;
    for byte in text {
        let digit = char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or(wrong.clone())?;
        match high.take() {
            None => high = Some(digit),
            Some(high) => bytes.push(high << 4 | digit),
        }
    }
    if high.is_some() { Err(wrong) } else { Ok(bytes) }
}

/// The length without the padding of PKCS #7 (RFC 5652, section 6.3): n bytes of the value n.
fn unpadded(plain: &[u8]) -> Option<usize> {
    let count = usize::from(*plain.last()?);
    let length = plain.len().checked_sub(count)?;
    let padding = &plain[length..];
    ((1..=BLOCK).contains(&count) && padding.iter().all(|byte| usize::from(*byte) == count)).then_some(length)
}

/// What the label says about the password, if there is one.
fn of_label(label: Option<&str>) -> String {
    label.map_or_else(String::new, |label| format!(" (it was encrypted for the vault id `{label}`)"))
}

#[cfg(test)]
mod tests;
