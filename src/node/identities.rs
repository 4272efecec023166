//! The private keys for SSH logins: the socket of the agent, and key files, each read once for all nodes. It does not
//! log in.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::failure::without_errno;
use crate::secret::Secret;

/// The keys that are tried when the inventory names none, and all key files that were read so far. Clones share them.
#[derive(Clone)]
pub struct Identities {
    /// The socket of the agent.
    pub(super) agent: Option<PathBuf>,
    /// The default key files, in order. Missing ones are skipped.
    pub(super) files: Vec<PathBuf>,
    /// Whether the agent did not respond to a login. Each such login leaves a thread and two sockets open, so the agent
    /// is not used again.
    unresponsive: Arc<AtomicBool>,
    read: Arc<Mutex<HashMap<PathBuf, Arc<KeyFile>>>>,
}

/// A private key file.
pub(super) enum KeyFile {
    /// A key that libssh2 can use.
    Plain(Secret),
    /// A key that is protected by a passphrase, which is never prompted for. The agent may have the key; its public key
    /// identifies it there.
    Encrypted(Option<Vec<u8>>),
    /// It does not exist.
    Missing,
    /// It cannot be used, for this reason.
    Unusable(String),
}

impl Identities {
    /// `agent` is the socket of an agent (`SSH_AUTH_SOCK`), `files` are the default key files of OpenSSH.
    pub fn new(agent: Option<PathBuf>, files: Vec<PathBuf>) -> Self {
        Self { agent, files, unresponsive: Arc::default(), read: Arc::default() }
    }

    /// Stops using the agent for the rest of the run.
    pub(super) fn mark_agent_unresponsive(&self) {
        self.unresponsive.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_agent_unresponsive(&self) -> bool {
        self.unresponsive.load(Ordering::Relaxed)
    }

    /// The key in `path`. The file is read when the key is first needed.
    pub(super) fn key(&self, path: &Path) -> Arc<KeyFile> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        // The file is read while the lock is held, so that nodes that log in at the same time read it once.
        let key = read.entry(path.to_owned()).or_insert_with(|| Arc::new(KeyFile::read(path)));
        Arc::clone(key)
    }
}

impl std::fmt::Debug for Identities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identities").field("agent", &self.agent).field("files", &self.files).finish_non_exhaustive()
    }
}

impl KeyFile {
    fn read(path: &Path) -> Self {
        match std::fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::Missing,
            Err(error) => Self::Unusable(without_errno(&error)),
            Ok(bytes) => {
                // The file may contain a private key, which must not stay in memory after it was parsed.
                let bytes = Zeroizing::new(bytes);
                match std::str::from_utf8(&bytes) {
                    Ok(text) => Self::parse(text, || public_key(path)),
                    // Every format that is accepted is PEM, which is ASCII.
                    Err(_) => Self::Unusable("it is not a private key".to_owned()),
                }
            }
        }
    }

    fn parse(text: &str, public: impl FnOnce() -> Option<Vec<u8>>) -> Self {
        if text.starts_with("PuTTY-User-Key-File") {
            // These mistakes are recognized before a connection uses the key, so that the failure names them instead of
            // an error of libssh2.
            return Self::Unusable("it is a PuTTY key: convert it with `puttygen KEY -O private-openssh`".to_owned());
        }
        if text.starts_with("ssh-") || text.starts_with("ecdsa-") {
            return Self::Unusable("it is a public key, not a private one".to_owned());
        }
        if !text.contains("PRIVATE KEY-----") {
            return Self::Unusable("it is not a private key".to_owned());
        }
        if text.contains("BEGIN OPENSSH PRIVATE KEY-----") {
            return match openssh(text) {
                Some(OpenSshHeader { cipher, .. }) if cipher == b"none" => Self::Plain(Secret::new(text)),
                Some(OpenSshHeader { public, .. }) => Self::Encrypted(Some(public)),
                None => Self::Unusable("it is damaged".to_owned()),
            };
        }
        // RFC 1421 (traditional PEM) and RFC 5958 (PKCS#8).
        if text.contains("Proc-Type: 4,ENCRYPTED") || text.contains("BEGIN ENCRYPTED PRIVATE KEY-----") {
            return Self::Encrypted(public());
        }
        Self::Plain(Secret::new(text))
    }
}

struct OpenSshHeader {
    cipher: Vec<u8>,
    public: Vec<u8>,
}

/// The unencrypted header of the OpenSSH format (PROTOCOL.key of OpenSSH): cipher, KDF, its options, one public key.
fn openssh(text: &str) -> Option<OpenSshHeader> {
    let body: Zeroizing<String> = Zeroizing::new(text.lines().filter(|line| !line.starts_with('-')).collect());
    let bytes = Zeroizing::new(STANDARD.decode(body.trim()).ok()?);
    let mut rest = bytes.strip_prefix(b"openssh-key-v1\0")?;
    let cipher = string(&mut rest)?.to_vec();
    string(&mut rest)?;
    string(&mut rest)?;
    rest = rest.get(4..)?;
    Some(OpenSshHeader { cipher, public: string(&mut rest)?.to_vec() })
}

/// A string: a length of four bytes, and that many bytes (RFC 4251, section 5).
fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_at_checked(4)?;
    let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let (taken, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

/// The key in `PATH.pub`.
fn public_key(path: &Path) -> Option<Vec<u8>> {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    let text = std::fs::read_to_string(name).ok()?;
    // A `.pub` file has the type, the key and a comment.
    STANDARD.decode(text.split_whitespace().nth(1)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn generate(arguments: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let made = Command::new("ssh-keygen").args(["-q", "-C", "", "-f"]).arg(&path).args(arguments).status();
        assert!(made.unwrap().success());
        (folder, path)
    }

    #[test]
    fn plain_keys_in_every_form() {
        for arguments in [
            &["-N", "", "-t", "ed25519"][..],
            &["-N", "", "-t", "ecdsa"],
            &["-N", "", "-t", "rsa", "-b", "2048", "-m", "PEM"],
            &["-N", "", "-t", "rsa", "-b", "2048", "-m", "PKCS8"],
        ] {
            let (_folder, path) = generate(arguments);
            assert!(matches!(KeyFile::read(&path), KeyFile::Plain(_)), "{arguments:?}");
        }
    }

    #[test]
    fn a_passphrase_is_noticed_and_the_public_key_is_found() {
        for arguments in [&["-N", "secret", "-t", "ed25519"][..], &["-N", "secret", "-t", "ecdsa", "-m", "PEM"]] {
            let (_folder, path) = generate(arguments);
            let KeyFile::Encrypted(public) = KeyFile::read(&path) else { panic!("{arguments:?}") };
            assert_eq!(public, public_key(&path));
            assert!(public.is_some());
        }
    }

    #[test]
    fn each_kind_of_unusable_key_file_has_its_own_message() {
        let (folder, path) = generate(&["-N", "", "-t", "ed25519"]);
        let bad = |path: &Path| match KeyFile::read(path) {
            KeyFile::Unusable(reason) => reason,
            _ => panic!("it was accepted as a key"),
        };
        assert!(bad(&path.with_extension("pub")).contains("public key"));
        assert!(matches!(KeyFile::read(&folder.path().join("none")), KeyFile::Missing));
        assert!(bad(folder.path()).contains("directory"));
        std::fs::write(&path, "PuTTY-User-Key-File-3: ssh-ed25519\n").unwrap();
        assert!(bad(&path).contains("puttygen"));
        std::fs::write(&path, "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n").unwrap();
        assert!(bad(&path).contains("damaged"));
    }

    #[test]
    fn a_file_is_read_once() {
        let (_folder, path) = generate(&["-N", "", "-t", "ed25519"]);
        let identities = Identities::new(None, vec![]);
        let first = identities.key(&path);
        std::fs::remove_file(&path).unwrap();
        assert!(Arc::ptr_eq(&first, &identities.key(&path)));
    }
}
