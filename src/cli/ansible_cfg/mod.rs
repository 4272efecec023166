//! Reads defaults for options from the same places as Ansible: environment variables, and then the `ansible.cfg` that
//! Ansible would use. It reads no other file.

mod connection;
mod file;
mod inventory;
mod reader;
mod ssh_args;

use std::path::{Path, PathBuf};

use oregano::desired::{ConnectionDefaults, DefaultEscalation, HostKeyChecking};
use oregano::inventory::Problem;
use oregano::inventory::load::settings::ReadSettings;

use super::node_passwords::PasswordInput;
use reader::SettingsReader;

/// The settings from the environment and `ansible.cfg`; `None` or empty if they are not set.
#[derive(Debug, Default)]
pub struct Defaults {
    /// `ANSIBLE_INVENTORY`, `inventory`.
    pub inventories: Vec<String>,
    /// `ANSIBLE_VAULT_IDENTITY_LIST`, `vault_identity_list`: `label@source`, or only a source.
    pub vault_ids: Vec<String>,
    /// `ANSIBLE_VAULT_PASSWORD_FILE`, `vault_password_file`.
    pub vault_password_file: Option<String>,
    /// `ANSIBLE_ASK_VAULT_PASS`, `ask_vault_pass`.
    pub ask_vault_pass: Option<bool>,
    /// How the inventory is read.
    pub reading: ReadSettings,
    /// What only a command that contacts nodes or registries needs.
    pub run: RunDefaults,
    /// What was ignored, and why.
    pub warnings: Vec<String>,
}

/// The settings that only matter to a command that contacts nodes or registries.
#[derive(Debug, Default)]
pub struct RunDefaults {
    /// `ANSIBLE_FORKS`, `forks`.
    pub forks: Option<u16>,
    /// `ANSIBLE_TIMEOUT`, `timeout`, in seconds.
    pub timeout: Option<u64>,
    /// `ANSIBLE_REMOTE_USER`, `remote_user`.
    pub user: Option<String>,
    /// `ANSIBLE_PRIVATE_KEY_FILE`, `private_key_file`.
    pub private_key_file: Option<PathBuf>,
    /// `ANSIBLE_HOST_KEY_CHECKING`, `host_key_checking`.
    pub host_key_checking: Option<HostKeyChecking>,
    /// `ANSIBLE_ASK_PASS`, `ask_pass`; else `ANSIBLE_CONNECTION_PASSWORD_FILE`, `connection_password_file`.
    pub ssh_password: PasswordInput,
    /// `ANSIBLE_BECOME_ASK_PASS`, `become_ask_pass`; else `ANSIBLE_BECOME_PASSWORD_FILE`, `become_password_file`.
    pub become_password: PasswordInput,
    /// `ANSIBLE_BECOME`, `become`.
    pub escalation: DefaultEscalation,
    /// The other settings of connections.
    pub connection: ConnectionDefaults,
    /// Values that are not valid. Other commands do not use them, so they do not reject them.
    pub problems: Vec<Problem>,
}

/// The environment in which the program runs.
pub struct UserEnvironment<'a> {
    /// An environment variable; `None` if it is not set or empty.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The home folder of the user.
    pub home: Option<&'a Path>,
    /// The working directory.
    pub folder: &'a Path,
}

/// The defaults that Ansible would use.
///
/// # Errors
/// All settings that are invalid, or that no inventory can be read with.
pub fn defaults(environment: &UserEnvironment<'_>) -> Result<Defaults, Vec<Problem>> {
    let mut defaults = Defaults::default();
    // If the file itself is invalid, only that is reported, because all settings below may depend on the file.
    let file = match file::find(environment, &mut defaults.warnings) {
        Some(path) => Some(file::read(path).map_err(|problem| vec![problem])?),
        None => None,
    };
    let mut reader = SettingsReader::new(environment, file);
    defaults.inventories = reader.get("ANSIBLE_INVENTORY", "inventory").map_or_else(Vec::new, |setting| {
        setting.text.split(',').map(|path| reader.path(&setting, path.trim()).display().to_string()).collect()
    });
    if let Some(setting) = reader.get("ANSIBLE_VAULT_IDENTITY_LIST", "vault_identity_list") {
        defaults.vault_ids = setting.list().into_iter().filter(|id| !id.is_empty()).collect();
    }
    let file = reader.get("ANSIBLE_VAULT_PASSWORD_FILE", "vault_password_file");
    defaults.vault_password_file = file.map(|setting| reader.path(&setting, &setting.text).display().to_string());
    defaults.ask_vault_pass = reader.flag("ANSIBLE_ASK_VAULT_PASS", "ask_vault_pass");
    defaults.reading = inventory::settings(&mut reader);
    let problems = std::mem::take(&mut reader.problems);
    defaults.run = run_defaults(reader);
    if problems.is_empty() { Ok(defaults) } else { Err(problems) }
}

fn run_defaults(mut reader: SettingsReader<'_>) -> RunDefaults {
    let key = reader.get("ANSIBLE_PRIVATE_KEY_FILE", "private_key_file");
    let checking = reader.flag("ANSIBLE_HOST_KEY_CHECKING", "host_key_checking");
    RunDefaults {
        forks: reader.number("ANSIBLE_FORKS", "forks"),
        timeout: reader.number("ANSIBLE_TIMEOUT", "timeout"),
        user: reader.get("ANSIBLE_REMOTE_USER", "remote_user").map(|setting| setting.unquoted().to_owned()),
        private_key_file: key.map(|setting| reader.path(&setting, &setting.text)),
        host_key_checking: checking.map(|checked| match checked {
            true => HostKeyChecking::Strict,
            false => HostKeyChecking::AcceptUnknown,
        }),
        ssh_password: connection::ssh_password(&mut reader),
        become_password: connection::become_password(&mut reader),
        escalation: connection::escalation(&mut reader),
        connection: connection::defaults(&mut reader),
        problems: reader.problems,
    }
}

#[cfg(test)]
mod tests;
