//! Vault passwords, as the user gives them: files, scripts that print them, and what was typed. Asks nobody: what
//! is to be typed is for the command line.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

use super::super::problem::Problem;
use super::super::vault::{self, Password};
use crate::secret::{PASSWORD_VARIABLE, Secret, SecretBytes};

/// The label of what has none.
const DEFAULT_LABEL: &str = "default";
/// The exit status of a client script that does not know the label.
const LABEL_UNKNOWN: i32 = 2;

/// A vault password before it is read.
#[derive(Debug, Clone)]
pub struct VaultIdentity {
    /// The label before the `@`. `--vault-password-file` and `--ask-vault-pass` have `default`; without a label a
    /// client script is asked without one.
    pub label: Option<String>,
    /// Where the password is.
    pub source: PasswordSource,
}

/// Where a vault password is.
#[derive(Debug, Clone)]
pub enum PasswordSource {
    /// A file that holds it, or, if it is executable, a script that prints it. `~` is already expanded.
    File(PathBuf),
    /// It was typed.
    Given(Secret),
}

/// What `--vault-id` asks for.
#[derive(Debug, Clone)]
pub enum VaultId {
    /// The password is to be typed, after `prompt` is shown.
    Prompt {
        /// The label before the `@`.
        label: Option<String>,
        /// What Ansible shows.
        prompt: String,
    },
    /// It is in a file.
    File {
        /// The label before the `@`.
        label: Option<String>,
        /// What follows the `@`, as it was written.
        path: PathBuf,
    },
}

impl VaultIdentity {
    /// What `--vault-password-file` means.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { label: Some(DEFAULT_LABEL.to_owned()), source: PasswordSource::File(path.into()) }
    }

    /// What was typed for `--ask-vault-pass`.
    pub fn typed(password: Secret) -> Self {
        Self { label: Some(DEFAULT_LABEL.to_owned()), source: PasswordSource::Given(password) }
    }
}

/// A value of `--vault-id`: `label@source`, or a source alone. The sources `prompt` and `prompt_ask_vault_pass`
/// (the question of `--ask-vault-pass`) are typed, any other is a file.
pub fn parse_vault_id(text: &str) -> VaultId {
    let (label, source) = text.split_once('@').map_or((None, text), |(label, source)| (Some(label), source));
    let label = label.filter(|label| !label.is_empty()).map(str::to_owned);
    let prompt = match source {
        "prompt" => format!("Vault password ({}): ", label.as_deref().unwrap_or(DEFAULT_LABEL)),
        "prompt_ask_vault_pass" => "Vault password: ".to_owned(),
        path => return VaultId::File { label, path: path.into() },
    };
    VaultId::Prompt { label, prompt }
}

/// All passwords in their order, or everything that is wrong with them. Scripts run here, once, one after the
/// other: they may ask the user. Ansible merely warns of a password that cannot be read while another one can.
pub fn read(identities: &[VaultIdentity]) -> Result<Vec<Password>, Vec<Problem>> {
    let (mut passwords, mut problems) = (Vec::new(), Vec::new());
    for identity in identities {
        match password(identity, &passwords) {
            Ok(secret) => {
                let label = identity.label.clone().unwrap_or_else(|| DEFAULT_LABEL.to_owned());
                passwords.push(Password { label, secret });
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(passwords) } else { Err(problems) }
}

fn password(identity: &VaultIdentity, earlier: &[Password]) -> Result<SecretBytes, Problem> {
    let (path, secret) = match &identity.source {
        PasswordSource::Given(typed) => {
            let secret = typed.expose().as_bytes().trim_ascii();
            return filled(secret).ok_or_else(|| Problem::new("the vault password that was typed is empty"));
        }
        PasswordSource::File(path) if is_script(path)? => (path, printed(path, identity.label.as_deref())?),
        PasswordSource::File(path) => (path, content(path, earlier)?),
    };
    filled(trimmed(&secret)).ok_or_else(|| Problem::new(format!("`{}` gives an empty vault password", path.display())))
}

fn filled(secret: &[u8]) -> Option<SecretBytes> {
    (!secret.is_empty()).then(|| SecretBytes::new(secret.to_vec()))
}

/// Without line ends around it: all that Ansible takes from what a script prints.
fn trimmed(mut secret: &[u8]) -> &[u8] {
    while let [b'\r' | b'\n', rest @ ..] | [rest @ .., b'\r' | b'\n'] = secret {
        secret = rest;
    }
    secret
}

/// Whether it is executable, for anybody.
fn is_script(path: &Path) -> Result<bool, Problem> {
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if metadata.is_dir() {
        return Err(Problem::new(format!("the vault password file `{}` is a directory", path.display())));
    }
    Ok(metadata.permissions().mode() & 0o111 != 0)
}

/// What a password file holds, without white space around it. It may be encrypted itself, with a password that
/// was given before it.
fn content(path: &Path, earlier: &[Password]) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let bytes = Zeroizing::new(std::fs::read(path).map_err(|error| unreadable(path, &error))?);
    let content = bytes.trim_ascii();
    match std::str::from_utf8(content) {
        Ok(text) if vault::is_encrypted(text) => {
            let plain = vault::decrypt(text, earlier).map_err(|fault| {
                Problem::new(format!("cannot decrypt the vault password file `{}`: {fault}", path.display()))
                    .hint("give the password that it was encrypted with before it")
            })?;
            Ok(Zeroizing::new(plain.expose().as_bytes().to_vec()))
        }
        _ => Ok(Zeroizing::new(content.to_vec())),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(format!("cannot read the vault password file `{}`: {error}", path.display()))
}

/// What a script prints. It has the terminal, so that it can ask, and no time limit therefore.
fn printed(path: &Path, label: Option<&str>) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let name = path.display();
    let cannot_run = |error: std::io::Error| {
        Problem::new(format!("cannot run the vault password script `{name}`: {error}"))
            .hint("a file that is no script must not be executable")
    };
    // A name without a slash would be looked for on PATH.
    let mut command = Command::new(std::path::absolute(path).map_err(cannot_run)?);
    let label = label.filter(|_| is_client(path));
    if let Some(label) = label {
        command.args(["--vault-id", label]);
    }
    let command = command.env_remove(PASSWORD_VARIABLE);
    let output = command.stdin(Stdio::inherit()).stderr(Stdio::inherit()).output().map_err(cannot_run)?;
    let printed = Zeroizing::new(output.stdout);
    match (output.status.code(), label) {
        (Some(0), _) => Ok(printed),
        (Some(LABEL_UNKNOWN), Some(label)) => Err(Problem::new(format!(
            "the vault password script `{name}` has no password for the vault id `{label}` (exit status {LABEL_UNKNOWN})"
        ))),
        _ => Err(Problem::new(format!("the vault password script `{name}` failed: {}", output.status))),
    }
}

/// A script that takes `--vault-id`: its name without the extension ends with `-client`.
fn is_client(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem.as_encoded_bytes().ends_with(b"-client"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A script made by another process: while this one holds it open for writing, a fork of another test's thread
    /// would keep it open too, and the kernel runs no such file.
    fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", r#"printf '%s' "$2" > "$1" && chmod 700 "$1""#, "sh"]).arg(&path).arg(text);
        assert!(shell.status().unwrap().success());
        path
    }

    fn file(folder: &Path, name: &str, content: &[u8]) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn identity(label: &str, path: PathBuf) -> VaultIdentity {
        VaultIdentity { label: Some(label.to_owned()), source: PasswordSource::File(path) }
    }

    fn unlabelled(path: PathBuf) -> VaultIdentity {
        VaultIdentity { label: None, source: PasswordSource::File(path) }
    }

    #[test]
    fn a_vault_id_is_a_label_and_a_source() {
        let shown = |text: &str| match parse_vault_id(text) {
            VaultId::Prompt { label, prompt } => format!("{label:?} asks {prompt}"),
            VaultId::File { label, path } => format!("{label:?} in {}", path.display()),
        };
        for (text, expected) in [
            ("dev@prompt", "Some(\"dev\") asks Vault password (dev): "),
            ("prompt", "None asks Vault password (default): "),
            ("@prompt", "None asks Vault password (default): "),
            ("dev@prompt_ask_vault_pass", "Some(\"dev\") asks Vault password: "),
            ("dev@~/a@b", "Some(\"dev\") in ~/a@b"),
            ("pass.sh", "None in pass.sh"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn files_lose_white_space_and_scripts_line_ends() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let client = script(at, "pass-client.sh", "#!/bin/sh\necho \"$#$@\"");
        let passwords = read(&[
            VaultIdentity::file(file(at, "plain", b" \t a b \r\n")),
            unlabelled(file(at, "bytes", b"\xff\xfe\n")),
            identity("dev", script(at, "pass.sh", "#!/bin/sh\nprintf ' s %s\\r\\n\\n' $#")),
            identity("dev", client.clone()),
            unlabelled(client),
            VaultIdentity::typed(Secret::new(" typed ")),
        ]);
        let passwords = passwords.unwrap();
        let found: Vec<(&str, &[u8])> =
            passwords.iter().map(|password| (password.label.as_str(), password.secret.expose())).collect();
        let expected: [(&str, &[u8]); 6] = [
            ("default", b"a b"),
            ("default", b"\xff\xfe"),
            ("dev", b" s 0"),
            ("dev", b"2--vault-id dev"),
            ("default", b"0"),
            ("default", b"typed"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn every_password_that_cannot_be_had_is_a_problem() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let client = script(at, "fails-client", "#!/bin/sh\necho hunter2; exit 2");
        let problems = read(&[
            VaultIdentity::file(at.join("none")),
            VaultIdentity::file(at),
            VaultIdentity::file(file(at, "blank", b" \n")),
            identity("dev", script(at, "silent.sh", "#!/bin/sh\n")),
            identity("dev", script(at, "fails.sh", "#!/bin/sh\necho hunter2; exit 2")),
            identity("dev", client.clone()),
            unlabelled(client),
            identity("dev", script(at, "garbage", "hunter2")),
            VaultIdentity::file(file(at, "sealed", b"$ANSIBLE_VAULT;1.1;AES256\n3132\n")),
            VaultIdentity::typed(Secret::new("  ")),
        ])
        .unwrap_err();
        let root = format!("{}/", at.display());
        let messages: Vec<String> = problems.iter().map(|problem| problem.message.replace(&root, "")).collect();
        assert_eq!(
            messages,
            [
                "cannot read the vault password file `none`: No such file or directory (os error 2)",
                &format!("the vault password file `{}` is a directory", at.display()),
                "`blank` gives an empty vault password",
                "`silent.sh` gives an empty vault password",
                "the vault password script `fails.sh` failed: exit status: 2",
                "the vault password script `fails-client` has no password for the vault id `dev` (exit status 2)",
                "the vault password script `fails-client` failed: exit status: 2",
                "cannot run the vault password script `garbage`: Exec format error (os error 8)",
                "cannot decrypt the vault password file `sealed`: the encrypted text is damaged: a part of it is missing",
                "the vault password that was typed is empty",
            ]
        );
    }
}
