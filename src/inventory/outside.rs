//! Everything outside the inventory that templates and encrypted values may use: files, environment variables,
//! commands, credential helpers and vault passwords. The rules do no I/O and access all of these only through the trait
//! [`Outside`].

use std::fmt;
use std::sync::Arc;

use super::vault::VaultError;

/// Provides the values of lookups and decrypts encrypted values. Errors have no place; the caller adds it.
pub trait Outside: Send + Sync {
    /// The plain text of an encrypted value, given its envelope (`$ANSIBLE_VAULT;1.1;AES256` and the lines after it).
    ///
    /// # Errors
    /// No vault password decrypts it, or the envelope is damaged.
    fn decrypt(&self, envelope: &str) -> Result<String, VaultError>;

    /// An environment variable; `None` if it is not set or is not UTF-8.
    fn env(&self, name: &str) -> Option<String>;

    /// The complete content of a file, decrypted if it is encrypted. White space at its ends is kept; `lookup('file')`
    /// strips it later. A relative path starts in the folder of the inventory, and `~` is the home folder.
    ///
    /// # Errors
    /// The file cannot be read, or is not UTF-8.
    fn file(&self, path: &str) -> Result<String, OutsideError>;

    /// The complete output of a shell command that runs in the folder of the inventory. White space at its end is kept;
    /// `lookup('pipe')` strips it later.
    ///
    /// # Errors
    /// The command cannot be started, does not end in time, ends with another status than 0, or its output is not UTF-8.
    fn pipe(&self, command: &str) -> Result<String, OutsideError>;

    /// The output of `docker-credential-NAME get` for a server: JSON with `Username` and `Secret`
    /// (docker-credential-helpers). `name` contains no slash.
    ///
    /// # Errors
    /// The helper cannot be started, does not end in time, has no credential for the server, or fails otherwise.
    fn helper(&self, name: &str, server: &str) -> Result<String, OutsideError>;
}

/// Why a lookup has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutsideError {
    /// The kind of reason. Code must use this, and not the message, for decisions.
    pub kind: OutsideErrorKind,
    message: String,
}

/// The kinds of reasons that a caller may have to distinguish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutsideErrorKind {
    /// Commands are not run, because the inventory is only checked.
    NotRun,
    /// The program cannot be started.
    NotStarted,
    /// The program ended with an exit status other than 0; `None` if a signal ended it. A shell returns the status 127
    /// for a command that it does not find.
    Failed(Option<i32>),
    /// Any other reason.
    Other,
}

impl OutsideError {
    /// Creates an error. The message is in lower case and contains neither a place nor a secret.
    pub fn new(kind: OutsideErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// A command was requested where commands are not run.
    pub fn not_run() -> Self {
        Self::new(OutsideErrorKind::NotRun, "commands are not run here")
    }
}

impl From<String> for OutsideError {
    fn from(message: String) -> Self {
        Self::new(OutsideErrorKind::Other, message)
    }
}

impl From<&str> for OutsideError {
    fn from(message: &str) -> Self {
        Self::new(OutsideErrorKind::Other, message)
    }
}

impl fmt::Display for OutsideError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Provides everything except commands and credential helpers. It is used to check an inventory of an untrusted author.
pub struct NoCommands(pub Arc<dyn Outside>);

impl Outside for NoCommands {
    fn decrypt(&self, envelope: &str) -> Result<String, VaultError> {
        self.0.decrypt(envelope)
    }

    fn env(&self, name: &str) -> Option<String> {
        self.0.env(name)
    }

    fn file(&self, path: &str) -> Result<String, OutsideError> {
        self.0.file(path)
    }

    fn pipe(&self, _: &str) -> Result<String, OutsideError> {
        Err(OutsideError::not_run())
    }

    fn helper(&self, _: &str, _: &str) -> Result<String, OutsideError> {
        Err(OutsideError::not_run())
    }
}

/// Provides nothing. It is used for inventories without secrets, and for tests of the rules.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAccess;

impl NoAccess {
    /// As the shared trait object that `Variables` takes.
    pub fn shared() -> Arc<dyn Outside> {
        Arc::new(Self)
    }
}

impl Outside for NoAccess {
    fn decrypt(&self, _: &str) -> Result<String, VaultError> {
        Err(VaultError::NoPassword)
    }

    fn env(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &str) -> Result<String, OutsideError> {
        Err("files cannot be read here".into())
    }

    fn pipe(&self, _: &str) -> Result<String, OutsideError> {
        Err(OutsideError::not_run())
    }

    fn helper(&self, _: &str, _: &str) -> Result<String, OutsideError> {
        Err(OutsideError::not_run())
    }
}
