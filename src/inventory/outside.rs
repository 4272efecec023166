//! What a template or an encrypted value may ask of the world outside the inventory: the one seam between the
//! rules, which are pure, and files, environment, programs and vault passwords.

use std::sync::Arc;

use super::vault::Fault;

/// Answers for lookups and encrypted values. An error is a reason in lower case, without the place and without a
/// secret: whoever asks adds the place.
pub trait Outside: Send + Sync {
    /// The text behind an encrypted value, whose envelope (`$ANSIBLE_VAULT;1.1;AES256` and what follows) is given.
    ///
    /// # Errors
    /// No password fits, or the envelope is damaged.
    fn decrypt(&self, envelope: &str) -> Result<String, Fault>;

    /// An environment variable; `None` if it is not set, or no text.
    fn env(&self, name: &str) -> Option<String>;

    /// The whole content of a file, decrypted if it is encrypted: what `lookup('file')` strips is still there. A
    /// relative path is one below the folder of the inventory, and `~` the home folder.
    ///
    /// # Errors
    /// The file cannot be read, or is no text.
    fn file(&self, path: &str) -> Result<String, String>;

    /// All that a shell command prints, run in the folder of the inventory: the white space at the end that
    /// `lookup('pipe')` strips is still there.
    ///
    /// # Errors
    /// It cannot be started, does not end in time, ends with a status other than 0, or prints no text.
    fn pipe(&self, command: &str) -> Result<String, String>;

    /// What `docker-credential-NAME get` prints for a server: JSON with `Username` and `Secret`
    /// (docker-credential-helpers). `name` holds no slash.
    ///
    /// # Errors
    /// It cannot be started, does not end in time, knows no credential for the server, or fails otherwise.
    fn helper(&self, name: &str, server: &str) -> Result<String, String>;
}

/// Why a command gives nothing where only a look is taken.
pub const NOT_RUN: &str = "commands are not run here";

/// A world that runs no commands: for looking at an inventory, which may be anybody's.
pub struct NoCommands(pub Arc<dyn Outside>);

impl Outside for NoCommands {
    fn decrypt(&self, envelope: &str) -> Result<String, Fault> {
        self.0.decrypt(envelope)
    }

    fn env(&self, name: &str) -> Option<String> {
        self.0.env(name)
    }

    fn file(&self, path: &str) -> Result<String, String> {
        self.0.file(path)
    }

    fn pipe(&self, _: &str) -> Result<String, String> {
        Err(NOT_RUN.to_owned())
    }

    fn helper(&self, _: &str, _: &str) -> Result<String, String> {
        Err(NOT_RUN.to_owned())
    }
}

/// A world in which nothing can be asked: for inventories that hold no secrets, and for tests of the rules.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nothing;

impl Nothing {
    /// The seam, closed.
    pub fn shared() -> Arc<dyn Outside> {
        Arc::new(Self)
    }
}

impl Outside for Nothing {
    fn decrypt(&self, _: &str) -> Result<String, Fault> {
        Err(Fault::NoPassword)
    }

    fn env(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &str) -> Result<String, String> {
        Err("files cannot be read here".to_owned())
    }

    fn pipe(&self, _: &str) -> Result<String, String> {
        Err(NOT_RUN.to_owned())
    }

    fn helper(&self, _: &str, _: &str) -> Result<String, String> {
        Err(NOT_RUN.to_owned())
    }
}
