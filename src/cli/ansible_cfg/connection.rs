//! The settings of connections, for hosts whose variables do not set them. A setting that is not supported is refused
//! by `desired`, and only if a host is contacted that it applies to.

use oregano::desired::{Applies, ConnectionDefaults, DefaultEscalation, UnsupportedDefault};
use oregano::inventory::Problem;

use super::PasswordInput;
use super::reader::{SettingsReader, Written};
use super::ssh_args;

/// A setting of which only some values are supported.
struct Limited {
    variables: &'static [&'static str],
    keys: &'static [(&'static str, &'static str)],
    /// The values without an effect, in lower case.
    supported: &'static [&'static str],
    applies: Applies,
    replaced_by: &'static [&'static str],
    /// What the user should do instead.
    hint: &'static str,
}

const ONLY_SUDO: &str = "only `sudo` is supported";
const REMOVE: &str = "remove it: oregano does not use it, and might connect to a wrong machine";

const LIMITED: [Limited; 8] = [
    Limited {
        variables: &["ANSIBLE_TRANSPORT"],
        keys: &[("defaults", "transport")],
        supported: &["ssh", "smart", "paramiko", "paramiko_ssh", "ansible.builtin.ssh"],
        applies: Applies::Always,
        replaced_by: &["ansible_connection"],
        hint: "nodes are reached over SSH only",
    },
    Limited {
        variables: &["ANSIBLE_SSH_EXECUTABLE"],
        keys: &[("ssh_connection", "ssh_executable")],
        supported: &["ssh", "/usr/bin/ssh"],
        applies: Applies::Always,
        replaced_by: &["ansible_ssh_executable"],
        hint: REMOVE,
    },
    Limited {
        variables: &["ANSIBLE_BECOME_METHOD"],
        keys: &[("privilege_escalation", "become_method")],
        supported: &["sudo", "ansible.builtin.sudo"],
        applies: Applies::WithSudo,
        replaced_by: &["ansible_become_method"],
        hint: ONLY_SUDO,
    },
    Limited {
        variables: &["ANSIBLE_BECOME_USER", "ANSIBLE_SUDO_USER"],
        keys: &[("privilege_escalation", "become_user"), ("sudo_become_plugin", "user")],
        supported: &["root"],
        applies: Applies::WithBecome,
        replaced_by: &["ansible_become_user", "ansible_sudo_user"],
        hint: "only `root` is supported, because the files of nodes belong to root",
    },
    Limited {
        variables: &["ANSIBLE_BECOME_EXE", "ANSIBLE_SUDO_EXE"],
        keys: &[("privilege_escalation", "become_exe"), ("sudo_become_plugin", "executable")],
        supported: &["sudo", "/usr/bin/sudo"],
        applies: Applies::WithSudo,
        replaced_by: &["ansible_become_exe", "ansible_sudo_exe"],
        hint: ONLY_SUDO,
    },
    Limited {
        variables: &["ANSIBLE_BECOME_FLAGS", "ANSIBLE_SUDO_FLAGS"],
        keys: &[("privilege_escalation", "become_flags"), ("sudo_become_plugin", "flags")],
        supported: &["-h -s -n", "-h -s", "-h"],
        applies: Applies::WithSudo,
        replaced_by: &["ansible_become_flags", "ansible_sudo_flags"],
        hint: "only `-H -S -n` is supported",
    },
    Limited {
        variables: &["ANSIBLE_SSH_COMMON_ARGS"],
        keys: &[("ssh_connection", "ssh_common_args")],
        supported: &[],
        applies: Applies::Always,
        replaced_by: &["ansible_ssh_common_args"],
        hint: REMOVE,
    },
    Limited {
        variables: &["ANSIBLE_SSH_EXTRA_ARGS"],
        keys: &[("ssh_connection", "ssh_extra_args")],
        supported: &[],
        applies: Applies::Always,
        replaced_by: &["ansible_ssh_extra_args"],
        hint: REMOVE,
    },
];

/// How the SSH password is given.
pub(super) fn ssh_password(reader: &mut SettingsReader<'_>) -> PasswordInput {
    let prompt = reader.get("ANSIBLE_ASK_PASS", "ask_pass");
    let file = reader.get("ANSIBLE_CONNECTION_PASSWORD_FILE", "connection_password_file");
    password(reader, prompt, file)
}

/// How the sudo password is given.
pub(super) fn become_password(reader: &mut SettingsReader<'_>) -> PasswordInput {
    let prompt = reader.first(&["ANSIBLE_BECOME_ASK_PASS"], &[("privilege_escalation", "become_ask_pass")]);
    let file = reader.get("ANSIBLE_BECOME_PASSWORD_FILE", "become_password_file");
    password(reader, prompt, file)
}

fn password(reader: &mut SettingsReader<'_>, prompt: Option<Written>, file: Option<Written>) -> PasswordInput {
    match (prompt.and_then(|setting| reader.flag_of(&setting)), file) {
        (Some(true), _) => PasswordInput::Prompt,
        (_, Some(file)) => PasswordInput::File(reader.path(&file, &file.text)),
        (_, None) => PasswordInput::None,
    }
}

/// Whether scripts become root on hosts that do not set it.
pub(super) fn escalation(reader: &mut SettingsReader<'_>) -> DefaultEscalation {
    let become_root = reader.first(&["ANSIBLE_BECOME"], &[("privilege_escalation", "become")]);
    match become_root.and_then(|setting| reader.flag_of(&setting)) {
        Some(true) => DefaultEscalation::Sudo,
        Some(false) | None => DefaultEscalation::None,
    }
}

/// Reads the other settings.
pub(super) fn defaults(reader: &mut SettingsReader<'_>) -> ConnectionDefaults {
    let mut unsupported: Vec<UnsupportedDefault> = Vec::new();
    for limited in &LIMITED {
        let Some(setting) = reader.first(limited.variables, limited.keys) else { continue };
        let value = setting.unquoted();
        // Arguments that only tune a connection, such as `ControlPersist`, have no effect here.
        let harmless = value.is_empty()
            || limited.supported.contains(&value.to_ascii_lowercase().as_str())
            || limited.supported.is_empty() && !ssh_args::redirect(value);
        if !harmless {
            unsupported.push(refused(limited, &setting));
        }
    }
    if let Some(setting) = reader.first(&["ANSIBLE_SSH_ARGS"], &[("ssh_connection", "ssh_args")])
        && ssh_args::redirect(setting.unquoted())
    {
        let message = format!("{} redirects connections, which is not supported", setting.origin);
        let problem = Problem::new(message).hint(REMOVE);
        unsupported.push(UnsupportedDefault { applies: Applies::Always, replaced_by: &["ansible_ssh_args"], problem });
    }
    ConnectionDefaults { port: reader.number("ANSIBLE_REMOTE_PORT", "remote_port"), unsupported }
}

fn refused(limited: &Limited, setting: &Written) -> UnsupportedDefault {
    let problem = Problem::new(format!("the value of {} is not supported", setting.origin)).hint(limited.hint);
    UnsupportedDefault { applies: limited.applies, replaced_by: limited.replaced_by, problem }
}
