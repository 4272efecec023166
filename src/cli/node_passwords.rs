//! Where the SSH and sudo passwords for nodes come from. As in Ansible, a prompt takes precedence over a file; different
//! from Ansible, an option always takes precedence over `ansible.cfg`, so that a script can avoid a prompt.

use std::path::PathBuf;

use oregano::inventory::Problem;
use oregano::inventory::load::passwords::PasswordKind;
use oregano::secret::Secret;

use super::input::Input;

/// The hints if there is no terminal to prompt on.
const NO_SSH_PASSWORD: &str =
    "log in with a key (`--private-key` or an SSH agent), or use `--connection-password-file` or `ansible_password`";
const NO_BECOME_PASSWORD: &str = "use `--become-password-file`, or set `ansible_become_password`";

/// How one password is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PasswordInput {
    /// Not at all, except in the inventory.
    #[default]
    None,
    /// The user types it.
    Prompt,
    /// The content of a file, or the output of an executable one.
    File(PathBuf),
}

impl PasswordInput {
    /// This one or, if it is not given, `default`.
    pub fn or(self, default: &Self) -> Self {
        match self {
            Self::None => default.clone(),
            given => given,
        }
    }
}

/// The passwords for nodes.
#[derive(Debug, Default)]
pub struct NodePasswords {
    pub ssh: Option<Secret>,
    pub sudo: Option<Secret>,
}

/// Reads the passwords, with the prompts of Ansible.
///
/// # Errors
/// If there is no terminal, or a file cannot be used.
pub fn read(ssh: PasswordInput, sudo: PasswordInput, input: &Input<'_>) -> Result<NodePasswords, Problem> {
    let typed = |text, hint: &str| (input.prompt)(text).map(Secret::new).map_err(|problem| problem.hint(hint));
    let is_typed = ssh == PasswordInput::Prompt;
    let ssh = match ssh {
        PasswordInput::None => None,
        PasswordInput::Prompt => Some(typed("SSH password: ", NO_SSH_PASSWORD)?),
        PasswordInput::File(path) => Some((input.file)(PasswordKind::Ssh, path)?),
    };
    let sudo = match sudo {
        PasswordInput::None => None,
        PasswordInput::Prompt if is_typed => {
            let sudo = typed("BECOME password[defaults to SSH password]: ", NO_BECOME_PASSWORD)?;
            if sudo.expose().is_empty() { ssh.clone() } else { Some(sudo) }
        }
        PasswordInput::Prompt => Some(typed("BECOME password: ", NO_BECOME_PASSWORD)?),
        PasswordInput::File(path) => Some((input.file)(PasswordKind::Sudo, path)?),
    };
    Ok(NodePasswords { ssh, sudo })
}
