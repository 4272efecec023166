//! Decrypts text that `ansible-vault` encrypted. It reads no files and does not decide where the passwords come from.
//!
//! An encrypted text is called an envelope. Its first line is the header `$ANSIBLE_VAULT;1.2;AES256;label`; version 1.1
//! has no label. The other lines are hexadecimal digits. They encode a text of three lines, which are again hexadecimal
//! digits: salt, HMAC and ciphertext. As in Ansible the parts of the header may have white space around them, and line
//! breaks and empty lines have no effect. White space in any other place is an error.
//!
//! Source: "Format of files encrypted with Ansible Vault" in the documentation of Ansible.

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkcs5::pbkdf2_hmac;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use openssl::symm::{Cipher, Crypter, Mode};
use zeroize::Zeroizing;

use super::problem::Problem;
use crate::secret::{Secret, SecretBytes};

/// Every encrypted text starts with this.
const HEADER_START: &str = "$ANSIBLE_VAULT";
/// The rounds of PBKDF2-HMAC-SHA256 that derive the keys from the password.
const ROUNDS: usize = 10_000;
/// Bytes of the key of AES-256, and of HMAC-SHA256 and its result.
const KEY_BYTES: usize = 32;
/// Bytes of a block of AES, and of the initial counter.
const BLOCK_BYTES: usize = 16;

/// The parts of an encrypted text. Decrypting it takes a few milliseconds, because the key derivation is slow by
/// design.
pub struct Envelope {
    label: Option<String>,
    salt: Vec<u8>,
    hmac: [u8; KEY_BYTES],
    ciphertext: Vec<u8>,
}

/// A vault password with its label (vault ID).
#[derive(Debug, Clone)]
pub struct Password {
    /// The label; `default` if the user gave none.
    pub label: String,
    /// The password. As in Ansible it can be any bytes.
    pub secret: SecretBytes,
}

/// Why a text cannot be decrypted. The message is meant to follow "cannot decrypt …: " and contains no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// It does not start with `$ANSIBLE_VAULT`.
    #[error("it does not start with `$ANSIBLE_VAULT`")]
    NotAVault,
    /// Its version is neither 1.1 nor 1.2.
    #[error("the version of its format is neither 1.1 nor 1.2")]
    Version,
    /// Its cipher is not AES256.
    #[error("its cipher is not `AES256`")]
    Cipher,
    /// It was changed or truncated.
    #[error("the encrypted text is damaged: {0}")]
    Damaged(Damage),
    /// No password was given.
    #[error("no vault password was given")]
    NoPassword,
    /// The HMAC does not match for any of the passwords. Either no password is correct, or the ciphertext was changed;
    /// the HMAC does not distinguish the two.
    #[error("none of the vault passwords decrypts it{}", label_note(.label.as_deref()))]
    WrongPassword {
        /// The label in the envelope.
        label: Option<String>,
    },
    /// The decrypted text is not UTF-8.
    #[error("the decrypted text is not UTF-8")]
    NotText,
    /// OpenSSL returned an error.
    #[error("OpenSSL failed")]
    Library,
}

impl VaultError {
    /// Adds a hint to a problem, if the user can do something about this error.
    pub fn add_hint(&self, problem: Problem) -> Problem {
        match self {
            Self::NoPassword => {
                problem.hint("pass it with `--vault-password-file`, `--vault-id` or `--ask-vault-pass`")
            }
            Self::WrongPassword { .. } => {
                problem.hint("check that the vault password is the one that this text was encrypted with")
            }
            _ => problem,
        }
    }
}

/// What is wrong with an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The first line has fewer than three parts, or is not ASCII.
    #[error("its first line is not like `$ANSIBLE_VAULT;1.1;AES256`")]
    Header,
    /// It contains something other than pairs of hexadecimal digits.
    #[error("it does not consist of pairs of hexadecimal digits")]
    Digits,
    /// The salt, the HMAC or the ciphertext is missing or truncated.
    #[error("a part of it is missing")]
    Truncated,
    /// The password is right, but the padding at the end of the decrypted text is not valid.
    #[error("the padding of the decrypted text is not valid")]
    Padding,
}

/// Whether a text is encrypted: the header is at its very start.
pub fn is_encrypted(text: &str) -> bool {
    text.starts_with(HEADER_START)
}

/// Decrypts a text with the first of the passwords that is right. The passwords with the label of the envelope are
/// tried first. As in Ansible (`DEFAULT_VAULT_ID_MATCH` is off by default) all others are tried after them, in their
/// order.
///
/// # Errors
/// The envelope is damaged, or none of the passwords decrypts it.
pub fn decrypt(envelope: &str, passwords: &[Password]) -> Result<Secret, VaultError> {
    // The envelope is checked before the passwords, because damage should be reported even if no password was given.
    let envelope = Envelope::parse(envelope)?;
    if passwords.is_empty() {
        return Err(VaultError::NoPassword);
    }
    let has_label = |password: &&Password| Some(password.label.as_str()) == envelope.label();
    let first = passwords.iter().filter(has_label);
    let others = passwords.iter().filter(|password| !has_label(password));
    // Only a wrong password is a reason to try the next one. A damaged text cannot be decrypted with any password.
    for password in first.chain(others) {
        match envelope.decrypt(&password.secret) {
            Err(VaultError::WrongPassword { .. }) => {}
            result => return result,
        }
    }
    Err(envelope.wrong_password())
}

impl Envelope {
    /// Splits an encrypted text into its parts, and checks everything that can be checked without a password.
    ///
    /// # Errors
    /// The envelope is damaged or has another format.
    pub fn parse(text: &str) -> Result<Self, VaultError> {
        if !is_encrypted(text) {
            return Err(VaultError::NotAVault);
        }
        let mut lines = text.split(['\n', '\r']);
        let label = parse_header(lines.next().unwrap_or_default())?;
        let inner = decode_hex(lines.flat_map(str::bytes))?;
        let mut parts = inner.splitn(3, |byte| *byte == b'\n').map(|part| decode_hex(part.iter().copied()));
        let mut part = || parts.next().unwrap_or(Err(VaultError::Damaged(Damage::Truncated)));
        let (salt, hmac, ciphertext) = (part()?, part()?, part()?);
        let hmac = hmac.try_into().map_err(|_| VaultError::Damaged(Damage::Truncated))?;
        // The padding makes the length a multiple of the block, and at least one block.
        if ciphertext.is_empty() || ciphertext.len() % BLOCK_BYTES != 0 {
            return Err(VaultError::Damaged(Damage::Truncated));
        }
        Ok(Self { label, salt, hmac, ciphertext })
    }

    /// The vault ID that it was encrypted for.
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// The decrypted text. It is decrypted only if the HMAC matches, which proves that the password is right and the
    /// ciphertext was not changed.
    ///
    /// # Errors
    /// The password is wrong, or the text is damaged.
    pub fn decrypt(&self, password: &SecretBytes) -> Result<Secret, VaultError> {
        // One derivation yields both keys and the initial counter of AES-CTR.
        let mut keys = Zeroizing::new([0; KEY_BYTES + KEY_BYTES + BLOCK_BYTES]);
        pbkdf2_hmac(password.expose(), &self.salt, ROUNDS, MessageDigest::sha256(), &mut *keys)?;
        let (cipher_key, rest) = keys.split_at(KEY_BYTES);
        let (hmac_key, counter) = rest.split_at(KEY_BYTES);
        let mut hmac = [0; KEY_BYTES];
        Signer::new(MessageDigest::sha256(), &*PKey::hmac(hmac_key)?)?.sign_oneshot(&mut hmac, &self.ciphertext)?;
        // The comparison takes constant time, so that it does not reveal how many bytes match.
        if !openssl::memcmp::eq(&hmac, &self.hmac) {
            return Err(self.wrong_password());
        }
        let mut crypter = Crypter::new(Cipher::aes_256_ctr(), Mode::Decrypt, cipher_key, Some(counter))?;
        // OpenSSL requires space for one block more than the input.
        let mut plain = Zeroizing::new(vec![0; self.ciphertext.len() + BLOCK_BYTES]);
        let written = crypter.update(&self.ciphertext, &mut plain)?;
        let length = unpadded_length(&plain[..written]).ok_or(VaultError::Damaged(Damage::Padding))?;
        plain.truncate(length);
        // The text is borrowed, because a `String` that takes the buffer would not overwrite it with zeros.
        let text = std::str::from_utf8(&plain).map_err(|_| VaultError::NotText)?;
        Ok(Secret::new(text))
    }

    fn wrong_password(&self) -> VaultError {
        VaultError::WrongPassword { label: self.label.clone() }
    }
}

// The envelope is not a secret without the password, but it is too long for a debug text.
impl std::fmt::Debug for Envelope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an envelope{}", label_note(self.label()))
    }
}

impl From<ErrorStack> for VaultError {
    fn from(_: ErrorStack) -> Self {
        Self::Library
    }
}

/// Checks the header, and returns the label in it.
fn parse_header(line: &str) -> Result<Option<String>, VaultError> {
    let mut parts = line.split(';').map(str::trim).skip(1);
    let (Some(version), Some(cipher), true) = (parts.next(), parts.next(), line.is_ascii()) else {
        return Err(VaultError::Damaged(Damage::Header));
    };
    // Ansible ignores the version. A new version would mean a new format, so an unknown one is rejected here.
    if !matches!(version, "1.1" | "1.2") {
        return Err(VaultError::Version);
    }
    if cipher != "AES256" {
        return Err(VaultError::Cipher);
    }
    // Ansible ignores further parts, and treats an empty label as no label.
    Ok(parts.next().filter(|label| !label.is_empty()).map(str::to_owned))
}

/// Decodes hexadecimal digits.
fn decode_hex(text: impl Iterator<Item = u8>) -> Result<Vec<u8>, VaultError> {
    let wrong = VaultError::Damaged(Damage::Digits);
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

/// The length without the PKCS #7 padding (RFC 5652, section 6.3), which is n bytes of the value n; `None` if the
/// padding is not valid.
fn unpadded_length(plain: &[u8]) -> Option<usize> {
    let count = usize::from(*plain.last()?);
    let length = plain.len().checked_sub(count)?;
    let padding = &plain[length..];
    ((1..=BLOCK_BYTES).contains(&count) && padding.iter().all(|byte| usize::from(*byte) == count)).then_some(length)
}

/// The label as an addition to a message, if there is one.
fn label_note(label: Option<&str>) -> String {
    label.map_or_else(String::new, |label| format!(" (it was encrypted for the vault ID `{label}`)"))
}

#[cfg(test)]
mod tests;
