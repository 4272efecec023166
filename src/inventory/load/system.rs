//! The world outside the inventory, as it is: vault passwords, environment, files and programs.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::super::outside::Outside;
use super::super::vault::{self, Fault, Password};
use super::{bounded, credential_helper, process, shell_command};
use crate::secret::Secret;

/// How long a command or a credential helper may take.
const PIPE: Duration = Duration::from_secs(60);

/// More than this is no value, and a device has no end. A pipe is read as a file: shells give passwords through them.
const MAX_FILE: u64 = 16 << 20;

/// Answers what templates and encrypted values ask. Each encrypted text is decrypted when it is first asked for,
/// once, whatever the number of hosts and threads; different ones at the same time.
#[derive(Debug)]
pub struct World {
    folder: PathBuf,
    home: Option<PathBuf>,
    passwords: Vec<Password>,
    /// By envelope.
    opened: Mutex<HashMap<String, Arc<Opened>>>,
}

/// What an envelope holds, once somebody has asked. Who asks meanwhile waits.
type Opened = OnceLock<Result<Secret, Fault>>;

impl World {
    /// The world of an inventory in `folder`: relative files and commands start there. `home` is what `~` stands
    /// for. The passwords are tried in their order.
    pub fn new(folder: PathBuf, home: Option<PathBuf>, passwords: Vec<Password>) -> Self {
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        Self { folder, home, passwords, opened: Mutex::default() }
    }

    /// The text of a file that is encrypted as a whole; `None` if it is not encrypted.
    ///
    /// # Errors
    /// It is encrypted and cannot be decrypted. The words fit after "cannot decrypt `file`: ".
    pub fn open(&self, text: &str) -> Result<Option<Secret>, Fault> {
        if vault::is_encrypted(text) { vault::open(text, &self.passwords).map(Some) } else { Ok(None) }
    }

    fn path(&self, path: &str) -> Result<PathBuf, String> {
        let Some(rest) = path.strip_prefix('~') else { return Ok(self.folder.join(path)) };
        if !rest.is_empty() && !rest.starts_with('/') {
            return Err("the home folder of another user is not looked up".to_owned());
        }
        let home = self.home.as_ref().ok_or("the home folder is not known")?;
        Ok(home.join(rest.trim_start_matches('/')))
    }
}

impl Outside for World {
    fn decrypt(&self, envelope: &str) -> Result<String, Fault> {
        let cell = {
            let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
            match opened.get(envelope) {
                Some(cell) => Arc::clone(cell),
                None => Arc::clone(opened.entry(envelope.to_owned()).or_default()),
            }
        };
        match cell.get_or_init(|| vault::open(envelope, &self.passwords)) {
            Ok(secret) => Ok(secret.expose().to_owned()),
            Err(fault) => Err(fault.clone()),
        }
    }

    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &str) -> Result<String, String> {
        let cannot = |error: std::io::Error| format!("the file cannot be read: {error}");
        let path = self.path(path)?;
        let read = process::unless_stopped(move || bounded::bytes(&mut File::open(path)?, MAX_FILE));
        let bytes = read.ok_or("reading the file was interrupted")?.map_err(cannot)?;
        let bytes = bytes.ok_or_else(|| format!("the file is larger than {} MiB", MAX_FILE >> 20))?;
        let text = Secret::new(String::from_utf8(bytes).map_err(|_| "the file is not UTF-8")?);
        match self.open(text.expose()) {
            Ok(opened) => Ok(opened.unwrap_or(text).expose().to_owned()),
            Err(fault) => Err(format!("the file cannot be decrypted: {fault}")),
        }
    }

    fn pipe(&self, command: &str) -> Result<String, String> {
        shell_command::run(command, &self.folder, PIPE)
    }

    fn helper(&self, name: &str, server: &str) -> Result<String, String> {
        credential_helper::get(name, server, &self.folder, PIPE)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::outside::Nothing;
    use super::*;
    use crate::secret::SecretBytes;

    /// `hunter2`, encrypted with `correct horse`.
    const ENVELOPE: &str = "$ANSIBLE_VAULT;1.1;AES256
66373035613334636464636638643036323565356138383961383661333637386430636238666433
3765663233623064616566373464326635626562643665320a316133626632353764356163616565
34373430633564373462353635383136313838636238653532383935303831333234323634336262
6563343164306333330a353834366537653131393639306538393563303933623433343439623033
3131";

    fn world(folder: &std::path::Path, password: &str) -> World {
        let secret = SecretBytes::new(password.as_bytes().to_vec());
        let password = Password { label: "default".to_owned(), secret };
        World::new(folder.to_owned(), Some(folder.join("home")), vec![password])
    }

    #[test]
    fn a_text_is_decrypted_once_for_all_threads() {
        let world = world("".as_ref(), "correct horse");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(world.decrypt(ENVELOPE).unwrap(), "hunter2"));
            }
        });
        let opened = world.opened.lock().unwrap();
        assert_eq!(opened.keys().collect::<Vec<_>>(), [ENVELOPE]);
    }

    #[test]
    fn nothing_secret_is_shown() {
        let world = world("".as_ref(), "correct horse");
        assert_eq!(world.decrypt(ENVELOPE).unwrap(), "hunter2");
        let shown = format!("{world:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("correct"), "{shown}");
    }

    #[test]
    fn files_are_found_below_the_folder_and_the_home() {
        let folder = tempfile::tempdir().unwrap();
        let world = world(folder.path(), "correct horse");
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
            assert_eq!(world.file(path).as_deref(), Ok(text), "{path}");
        }
        for (path, reason) in [
            ("none", "the file cannot be read: No such file or directory (os error 2)"),
            ("d", "the file is not UTF-8"),
            ("/dev/zero", "the file is larger than 16 MiB"),
            ("home", "the file cannot be read: Is a directory (os error 21)"),
            ("e", "the file cannot be decrypted: the encrypted text is damaged: a part of it is missing"),
            ("~root/x", "the home folder of another user is not looked up"),
        ] {
            assert_eq!(world.file(path).unwrap_err(), reason, "{path}");
        }
    }

    #[test]
    fn the_environment_and_commands_are_reached() {
        let folder = tempfile::tempdir().unwrap();
        let world = world(folder.path(), "x");
        assert_eq!(world.env("PATH"), std::env::var("PATH").ok());
        assert_eq!(["OREGANO_NOT_SET", "a=b", "", "a\0b"].map(|name| world.env(name)), [None, None, None, None]);
        std::fs::write(folder.path().join("a"), "x").unwrap();
        assert_eq!(world.pipe("cat a; echo").unwrap(), "x\n");
        assert!(world.pipe("a\0b").unwrap_err().starts_with("the command cannot be run: "));
    }

    #[test]
    fn a_world_without_home_folder_and_passwords() {
        let bare = World::new(PathBuf::new(), None, Vec::new());
        assert_eq!(bare.file("~/b").unwrap_err(), "the home folder is not known");
        assert_eq!(bare.open(ENVELOPE).unwrap_err(), Fault::NoPassword);
        assert_eq!(bare.open(" a").unwrap(), None);
        assert_eq!(bare.decrypt(ENVELOPE), Nothing.decrypt(ENVELOPE));
        assert_eq!(bare.pipe("echo x").unwrap(), "x\n");
    }
}
