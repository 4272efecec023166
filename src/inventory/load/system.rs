//! The real files, environment, commands and vault passwords that templates and encrypted values may use.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::super::outside::{Outside, OutsideError};
use super::super::vault::{self, Password, VaultError};
use super::{bounded, credential_helper, shell_command};
use crate::secret::Secret;

/// How long a command or a credential helper may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// The maximum size of a file that contains a lookup value or a secret, in bytes. The limit also applies to pipes,
/// because shells pass passwords through pipes.
const MAX_FILE: u64 = 16 << 20;

/// The access of lookups and encrypted values to this machine. Each encrypted text is decrypted on first use, only once
/// for all hosts and threads. Different texts are decrypted in parallel.
#[derive(Debug)]
pub struct LocalSystem {
    folder: PathBuf,
    home: Option<PathBuf>,
    passwords: Vec<Password>,
    /// The decrypted values by their envelopes.
    decrypted: Mutex<HashMap<String, Arc<Decrypted>>>,
    /// The files that the inventory was read from.
    files: Mutex<Vec<PathBuf>>,
}

/// The plain text of an envelope, set on first use. If one thread decrypts it, other threads that need it wait.
type Decrypted = OnceLock<Result<Secret, VaultError>>;

impl LocalSystem {
    /// Creates the access for an inventory in `folder`. Relative paths and commands use this folder. `home` replaces
    /// `~`. The passwords are tried in order.
    pub fn new(folder: PathBuf, home: Option<PathBuf>, passwords: Vec<Password>) -> Self {
        // The system does not start a program in a folder with an empty name.
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        Self { folder, home, passwords, decrypted: Mutex::default(), files: Mutex::default() }
    }

    /// Records a file that is read or run as a part of the inventory.
    pub(super) fn record(&self, file: &Path) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).push(file.to_owned());
    }

    /// The files that were recorded.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The plain text of a completely encrypted file; `None` if the text is not encrypted.
    ///
    /// # Errors
    /// The file is encrypted and cannot be decrypted. The text completes "cannot decrypt `file`: ".
    pub fn decrypt_file(&self, text: &str) -> Result<Option<Secret>, VaultError> {
        if vault::is_encrypted(text) { vault::decrypt(text, &self.passwords).map(Some) } else { Ok(None) }
    }

    fn path(&self, path: &str) -> Result<PathBuf, OutsideError> {
        let Some(rest) = path.strip_prefix('~') else { return Ok(self.folder.join(path)) };
        if !rest.is_empty() && !rest.starts_with('/') {
            return Err("the home folder of another user is not looked up".into());
        }
        let home = self.home.as_ref().ok_or("the home folder is not known")?;
        Ok(home.join(rest.trim_start_matches('/')))
    }
}

impl Outside for LocalSystem {
    fn decrypt(&self, envelope: &str) -> Result<String, VaultError> {
        // The lock is held only while the cell is searched, so that other threads can decrypt other envelopes in
        // parallel.
        let cell = {
            let mut decrypted = self.decrypted.lock().unwrap_or_else(PoisonError::into_inner);
            // `entry` needs a copy of the envelope, so it is used only for an envelope that is new.
            match decrypted.get(envelope) {
                Some(cell) => Arc::clone(cell),
                None => Arc::clone(decrypted.entry(envelope.to_owned()).or_default()),
            }
        };
        match cell.get_or_init(|| vault::decrypt(envelope, &self.passwords)) {
            Ok(secret) => Ok(secret.expose().to_owned()),
            Err(fault) => Err(fault.clone()),
        }
    }

    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &str) -> Result<String, OutsideError> {
        let cannot_read = |error: std::io::Error| format!("the file cannot be read: {error}");
        let path = self.path(path)?;
        let bytes = File::open(path).and_then(|mut file| bounded::bytes(&mut file, MAX_FILE)).map_err(cannot_read)?;
        let bytes = bytes.ok_or_else(|| format!("the file is larger than {} MiB", MAX_FILE >> 20))?;
        let text = Secret::new(String::from_utf8(bytes).map_err(|_| "the file is not UTF-8")?);
        match self.decrypt_file(text.expose()) {
            Ok(decrypted) => Ok(decrypted.unwrap_or(text).expose().to_owned()),
            Err(fault) => Err(format!("the file cannot be decrypted: {fault}").into()),
        }
    }

    fn pipe(&self, command: &str) -> Result<String, OutsideError> {
        shell_command::run(command, &self.folder, COMMAND_LIMIT)
    }

    fn helper(&self, name: &str, server: &str) -> Result<String, OutsideError> {
        credential_helper::get(name, server, &self.folder, COMMAND_LIMIT)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::outside::NoAccess;
    use super::*;
    use crate::secret::SecretBytes;

    /// `hunter2`, encrypted with `correct horse`.
    const ENVELOPE: &str = "$ANSIBLE_VAULT;1.1;AES256
66373035613334636464636638643036323565356138383961383661333637386430636238666433
3765663233623064616566373464326635626562643665320a316133626632353764356163616565
34373430633564373462353635383136313838636238653532383935303831333234323634336262
6563343164306333330a353834366537653131393639306538393563303933623433343439623033
3131";

    fn system(folder: &std::path::Path, password: &str) -> LocalSystem {
        let secret = SecretBytes::new(password.as_bytes().to_vec());
        let password = Password { label: "default".to_owned(), secret };
        LocalSystem::new(folder.to_owned(), Some(folder.join("home")), vec![password])
    }

    #[test]
    fn a_text_is_decrypted_once_for_all_threads() {
        let system = system("".as_ref(), "correct horse");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(system.decrypt(ENVELOPE).unwrap(), "hunter2"));
            }
        });
        let decrypted = system.decrypted.lock().unwrap();
        assert_eq!(decrypted.keys().collect::<Vec<_>>(), [ENVELOPE]);
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let system = system("".as_ref(), "correct horse");
        assert_eq!(system.decrypt(ENVELOPE).unwrap(), "hunter2");
        let shown = format!("{system:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("correct"), "{shown}");
    }

    #[test]
    fn files_are_found_below_the_folder_and_the_home() {
        let folder = tempfile::tempdir().unwrap();
        let system = system(folder.path(), "correct horse");
        let write = |name: &str, content: &[u8]| std::fs::write(folder.path().join(name), content).unwrap();
        std::fs::create_dir(folder.path().join("home")).unwrap();
        write("a", b" a\n");
        write("home/b", b"b");
        write("c", ENVELOPE.as_bytes());
        write("d", b"\xff");
        write("e", b"$ANSIBLE_VAULT;1.1;AES256\n3132");
        let absolute = folder.path().join("a");
        let absolute = absolute.to_str().unwrap();
        for (path, text) in [("a", " a\n"), (absolute, " a\n"), ("~/b", "b"), ("home/b", "b"), ("c", "hunter2")] {
            assert_eq!(system.file(path).as_deref(), Ok(text), "{path}");
        }
        for (path, reason) in [
            ("none", "the file cannot be read: No such file or directory (os error 2)"),
            ("d", "the file is not UTF-8"),
            ("/dev/zero", "the file is larger than 16 MiB"),
            ("home", "the file cannot be read: Is a directory (os error 21)"),
            ("e", "the file cannot be decrypted: the encrypted text is damaged: a part of it is missing"),
            ("~root/x", "the home folder of another user is not looked up"),
        ] {
            assert_eq!(system.file(path).unwrap_err().to_string(), reason, "{path}");
        }
    }

    #[test]
    fn the_environment_and_commands_can_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let system = system(folder.path(), "x");
        assert_eq!(system.env("PATH"), std::env::var("PATH").ok());
        assert_eq!(["OREGANO_NOT_SET", "a=b", "", "a\0b"].map(|name| system.env(name)), [None, None, None, None]);
        std::fs::write(folder.path().join("a"), "x").unwrap();
        assert_eq!(system.pipe("cat a; echo").unwrap(), "x\n");
        assert!(system.pipe("a\0b").unwrap_err().to_string().starts_with("the command cannot be run: "));
    }

    #[test]
    fn a_system_without_home_folder_and_passwords() {
        let bare = LocalSystem::new(PathBuf::new(), None, Vec::new());
        assert_eq!(bare.file("~/b").unwrap_err().to_string(), "the home folder is not known");
        assert_eq!(bare.decrypt_file(ENVELOPE).unwrap_err(), VaultError::NoPassword);
        assert_eq!(bare.decrypt_file(" a").unwrap(), None);
        assert_eq!(bare.decrypt(ENVELOPE), NoAccess.decrypt(ENVELOPE));
        assert_eq!(bare.pipe("echo x").unwrap(), "x\n");
    }
}
