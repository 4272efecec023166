//! Secrets, and their removal from the texts of servers and tools. A [`Secret`] cannot be printed or serialized. The
//! inventory stores passwords as plain text; `desired` and all later stages store them only as secrets.

mod forms;
mod redactor;
mod view;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

pub use redactor::Redactor;

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

/// The content of a file with passwords. Clones share the memory, which is overwritten with zeros when the last one is
/// dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(Arc<Zeroizing<Vec<u8>>>);

impl SecretBytes {
    /// Takes ownership of the bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Zeroizing::new(bytes)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret([redacted])");
    }
}
