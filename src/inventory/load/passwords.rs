//! Reads vault passwords from files, from scripts that print them, and from what the user typed, and passwords for nodes
//! from files. It never prompts; `cli` does.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use zeroize::Zeroizing;

use super::super::problem::Problem;
use super::super::vault::{self, Password};
use super::MAX_OUTPUT;
use crate::failure::without_errno;
use crate::process::{self, Input, Limits, ProcessError};
use crate::secret::{Redactor, Secret, SecretBytes};

/// The label of a password that has no label.
const DEFAULT_LABEL: &str = "default";
/// The exit status of a client script that has no password for the label.
const LABEL_UNKNOWN: i32 = 2;

/// A vault password before it is read.
#[derive(Debug, Clone)]
pub struct VaultIdentity {
    /// The label before the `@`. `--vault-password-file` and `--ask-vault-pass` have the label `default`. `None` runs a client
    /// script without a label.
    pub label: Option<String>,
    /// Where the password comes from.
    pub source: PasswordSource,
}

/// Where a vault password comes from.
#[derive(Debug, Clone)]
pub enum PasswordSource {
    /// A file that contains it, or, if executable, a script that prints it. `~` is already expanded.
    File(PathBuf),
    /// The user typed it.
    Typed(Secret),
}

/// What a password file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordKind {
    /// The vault.
    Vault,
    /// The login to nodes (`--connection-password-file`).
    Ssh,
    /// sudo on nodes (`--become-password-file`).
    Sudo,
}

/// A value of `--vault-id`.
#[derive(Debug, Clone)]
pub enum VaultId {
    /// The user types the password after the prompt.
    Prompt {
        /// The label before the `@`.
        label: Option<String>,
        /// The prompt that Ansible shows.
        prompt: String,
    },
    /// The password is in a file.
    File {
        /// The label before the `@`.
        label: Option<String>,
        /// The text after the `@`, as written.
        path: PathBuf,
    },
}

impl std::fmt::Display for PasswordKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Vault => "vault",
            Self::Ssh => "SSH",
            Self::Sudo => "sudo",
        })
    }
}

impl VaultIdentity {
    /// The identity of `--vault-password-file`.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { label: Some(DEFAULT_LABEL.to_owned()), source: PasswordSource::File(path.into()) }
    }

    /// The identity of `--ask-vault-pass`, with the password that the user typed.
    pub fn typed(password: Secret) -> Self {
        Self { label: Some(DEFAULT_LABEL.to_owned()), source: PasswordSource::Typed(password) }
    }
}

/// Parses a value of `--vault-id`: `label@source`, or only a source. The sources `prompt` and `prompt_ask_vault_pass` (which has
/// the prompt of `--ask-vault-pass`) mean typed passwords; any other source is a file.
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

/// Reads all passwords, in order. Scripts run one after the other, and each script runs once, because a script may
/// prompt the user.
///
/// # Errors
/// All passwords that cannot be read. Ansible only warns about them if at least one other password can be read.
pub fn read(identities: &[VaultIdentity]) -> Result<Vec<Password>, Vec<Problem>> {
    let (mut passwords, mut problems) = (Vec::new(), Vec::new());
    for identity in identities {
        match password(identity, &passwords) {
            Ok(secret) => {
                // The default label is set only after the script has run, because a client script without a label must
                // not receive `--vault-id`.
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
        PasswordSource::Typed(typed) => {
            let secret = typed.expose().as_bytes().trim_ascii();
            return non_empty(secret).ok_or_else(|| Problem::new("the vault password is empty"));
        }
        // As in Ansible, the permissions decide whether the file is run: an executable file is never read.
        PasswordSource::File(path) if is_script(PasswordKind::Vault, path)? => {
            (path, run_script(PasswordKind::Vault, path, identity.label.as_deref())?)
        }
        PasswordSource::File(path) => (path, read_file(path, earlier)?),
    };
    non_empty(without_line_ends(&secret))
        .ok_or_else(|| Problem::new(format!("the vault password from `{}` is empty", path.display())))
}

/// The password in a file, or in the output of a file that is executable, as in Ansible. Only one line end is removed
/// from its end, because other white space may belong to the password. `kind` is what messages call the password.
///
/// # Errors
/// If the file or its output cannot be read, or is not one line of text.
pub fn connection_password(kind: PasswordKind, path: &Path) -> Result<Secret, Problem> {
    let bytes = match is_script(kind, path)? {
        true => run_script(kind, path, None)?,
        false => Zeroizing::new(std::fs::read(path).map_err(|error| unreadable(kind, path, &error))?),
    };
    let fault = |fault: &str| Problem::new(format!("the {kind} password from `{}` {fault}", path.display()));
    let text = std::str::from_utf8(&bytes).map_err(|_| fault("is not UTF-8"))?;
    let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    match text {
        "" => Err(fault("is empty").hint("write the password into the file, on one line")),
        // A line end would end the password early where it is typed at the prompt of sudo.
        _ if text.contains(char::is_control) => Err(fault("contains a line break or another control character")
            .hint("write only the password into the file, on one line")),
        _ => Ok(Secret::new(text)),
    }
}

fn non_empty(secret: &[u8]) -> Option<SecretBytes> {
    (!secret.is_empty()).then(|| SecretBytes::new(secret.to_vec()))
}

/// Removes line ends at the start and the end. Ansible removes no other characters from the output of a script.
fn without_line_ends(mut secret: &[u8]) -> &[u8] {
    while let [b'\r' | b'\n', rest @ ..] | [rest @ .., b'\r' | b'\n'] = secret {
        secret = rest;
    }
    secret
}

/// Whether the file is executable by any user.
fn is_script(kind: PasswordKind, path: &Path) -> Result<bool, Problem> {
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(kind, path, &error))?;
    if metadata.is_dir() {
        return Err(Problem::new(format!("the {kind} password file `{}` is a directory", path.display())));
    }
    Ok(metadata.permissions().mode() & 0o111 != 0)
}

/// The content of a password file, without white space at its start and end. The file may be encrypted with one of the
/// passwords before it.
fn read_file(path: &Path, earlier: &[Password]) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let bytes = Zeroizing::new(std::fs::read(path).map_err(|error| unreadable(PasswordKind::Vault, path, &error))?);
    let content = bytes.trim_ascii();
    match std::str::from_utf8(content) {
        // A password file may be encrypted, but only with a password that has been read before.
        Ok(text) if vault::is_encrypted(text) => {
            let plain = vault::decrypt(text, earlier).map_err(|fault| {
                Problem::new(format!("cannot decrypt the vault password file `{}`: {fault}", path.display()))
                    .hint("give the password of this file before the file")
            })?;
            Ok(Zeroizing::new(plain.expose().as_bytes().to_vec()))
        }
        // A password may be any bytes. Bytes that are not UTF-8 cannot be an encrypted file.
        _ => Ok(Zeroizing::new(content.to_vec())),
    }
}

fn unreadable(kind: PasswordKind, path: &Path, error: &std::io::Error) -> Problem {
    let error = without_errno(error);
    Problem::new(format!("cannot read the {kind} password file `{}`: {error}", path.display()))
}

/// The output of a script. The script can prompt on the terminal, so it has no time limit.
fn run_script(kind: PasswordKind, path: &Path, label: Option<&str>) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let name = path.display();
    let cannot_run = |reason: &str| {
        Problem::new(format!("cannot run the {kind} password script `{name}`: {reason}"))
            .hint("a password file that is not a script must not be executable")
    };
    // The path is made absolute, because the system would search a name without a slash on the PATH.
    let mut command = Command::new(std::path::absolute(path).map_err(|error| cannot_run(&error.to_string()))?);
    let label = label.filter(|_| is_client(path));
    if let Some(label) = label {
        command.args(["--vault-id", label]);
    }
    // The script may prompt the user, so it has no time limit.
    let output = process::run(command, Input::Terminal, Limits { time: None, output: MAX_OUTPUT });
    let output = output.map_err(|error| match error {
        ProcessError::NotStarted(_, reason) => cannot_run(&reason),
        other => Problem::new(format!("the {kind} password script `{name}` {other}")),
    })?;
    let (status, errors) = (output.status, output.last_lines(&Redactor::default()));
    let printed = Zeroizing::new(output.stdout);
    match (status.code(), label) {
        (Some(0), _) => Ok(printed),
        // Without a label, this exit status is a failure like any other.
        (Some(LABEL_UNKNOWN), Some(label)) => Err(Problem::new(format!(
            "the {kind} password script `{name}` has no password for the vault id `{label}` (exit status {LABEL_UNKNOWN})"
        ))),
        _ => {
            let problem = Problem::new(format!("the {kind} password script `{name}` failed: {status}"));
            Err(match errors {
                Some(lines) => problem.hint(format!("its error output: {lines}")),
                None => problem,
            })
        }
    }
}

/// Whether a script accepts `--vault-id`: by its name, which ends with `-client` before the extension.
fn is_client(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem.as_encoded_bytes().ends_with(b"-client"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A script that another process writes. If this process wrote it, a concurrent fork in another test could inherit the
    /// open file, and the kernel does not execute a file that is open for writing.
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
            VaultId::Prompt { label, prompt } => format!("{label:?} prompts {prompt}"),
            VaultId::File { label, path } => format!("{label:?} in {}", path.display()),
        };
        for (text, expected) in [
            ("dev@prompt", "Some(\"dev\") prompts Vault password (dev): "),
            ("prompt", "None prompts Vault password (default): "),
            ("@prompt", "None prompts Vault password (default): "),
            ("dev@prompt_ask_vault_pass", "Some(\"dev\") prompts Vault password: "),
            ("dev@~/a@b", "Some(\"dev\") in ~/a@b"),
            ("pass.sh", "None in pass.sh"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn white_space_is_removed_from_files_and_line_ends_from_scripts() {
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
    fn a_password_for_nodes_keeps_all_but_one_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let read = |path: &Path| connection_password(PasswordKind::Sudo, path);
        let cases: [(&[u8], Result<&str, &str>); 8] = [
            (b" a b ", Ok(" a b ")),
            (b"a\n", Ok("a")),
            (b"a\r\n", Ok("a")),
            (b"a\n\n", Err("the sudo password from `FILE` contains a line break or another control character")),
            (b"\n", Err("the sudo password from `FILE` is empty")),
            (b"", Err("the sudo password from `FILE` is empty")),
            (b"\xff\n", Err("the sudo password from `FILE` is not UTF-8")),
            (b"a\tb", Err("the sudo password from `FILE` contains a line break or another control character")),
        ];
        for (content, expected) in cases {
            let path = file(at, "password", content);
            let found = read(&path).map(|secret| secret.expose().to_owned());
            let found = found.map_err(|problem| problem.message.replace(path.to_str().unwrap(), "FILE"));
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{content:?}");
        }
        let printed = read(&script(at, "print", "#!/bin/sh\necho \" s$# \"")).unwrap();
        assert_eq!(printed.expose(), " s0 ");
        for (path, fault) in
            [(script(at, "fails", "#!/bin/sh\nexit 3"), "failed: exit status: 3"), (at.join("none"), "No such file")]
        {
            let problem = read(&path).unwrap_err();
            assert!(problem.message.contains(fault) && problem.message.contains("sudo"), "{problem:?}");
        }
    }

    #[test]
    fn every_password_that_cannot_be_read_is_a_problem() {
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
                "cannot read the vault password file `none`: No such file or directory",
                &format!("the vault password file `{}` is a directory", at.display()),
                "the vault password from `blank` is empty",
                "the vault password from `silent.sh` is empty",
                "the vault password script `fails.sh` failed: exit status: 2",
                "the vault password script `fails-client` has no password for the vault id `dev` (exit status 2)",
                "the vault password script `fails-client` failed: exit status: 2",
                "cannot run the vault password script `garbage`: Exec format error (os error 8)",
                "cannot decrypt the vault password file `sealed`: the encrypted text is damaged: a part of it is missing",
                "the vault password is empty",
            ]
        );
    }
}
