//! How to connect to a node, according to Ansible's connection variables. If a variable changes the target of a
//! connection and is not supported, it is reported as a problem: ignoring it could connect to the wrong machine.

use std::path::{Path, PathBuf};

use crate::desired::codes;
use crate::desired::node::{Connection, Escalation, HostKeyChecking};
use crate::desired::request::{Applies, DefaultEscalation, Request};
use crate::inventory::{Finding, Problem};
use crate::secret::Secret;

use super::variable_reader::{Text, VariableReader};

// If several spellings are set, the last one in the list is used, as in the options of Ansible's connection plugins.
const ADDRESS: [&str; 2] = ["ansible_host", "ansible_ssh_host"];
const PORT: [&str; 2] = ["ansible_port", "ansible_ssh_port"];
const USER: [&str; 2] = ["ansible_user", "ansible_ssh_user"];
const PASSWORD: [&str; 3] = ["ansible_password", "ansible_ssh_pass", "ansible_ssh_password"];
const KEY_FILE: [&str; 2] = ["ansible_private_key_file", "ansible_ssh_private_key_file"];
const HOST_KEY_CHECKING: [&str; 2] = ["ansible_host_key_checking", "ansible_ssh_host_key_checking"];
const BECOME: [&str; 2] = ["ansible_sudo", "ansible_become"];
const BECOME_PASSWORD: [&str; 3] = ["ansible_become_password", "ansible_become_pass", "ansible_sudo_pass"];

/// Unsupported variables that change the target or the method of a connection, each with the values that have no
/// effect.
const UNSUPPORTED: [(&str, &[&str]); 8] = [
    ("ansible_connection", &["ssh", "smart", "paramiko", "paramiko_ssh", "ansible.builtin.ssh"]),
    ("ansible_ssh_common_args", &[]),
    ("ansible_ssh_extra_args", &[]),
    ("ansible_ssh_args", &[]),
    ("ansible_ssh_executable", &["ssh", "/usr/bin/ssh"]),
    ("ansible_ssh_private_key", &[]),
    ("ansible_private_key", &[]),
    ("ansible_su", &["false", "no", "off", "0"]),
];

/// The same for variables that have an effect only with `become`.
const UNSUPPORTED_BECOME: [(&str, &[&str]); 2] = [("ansible_become_user", &["root"]), ("ansible_sudo_user", &["root"])];

/// The same for variables that have an effect only with `become`, and only if the SSH user is not root.
const UNSUPPORTED_SUDO: [(&str, &[&str]); 5] = [
    ("ansible_become_method", &["sudo", "ansible.builtin.sudo"]),
    ("ansible_become_exe", &["sudo", "/usr/bin/sudo"]),
    ("ansible_sudo_exe", &["sudo", "/usr/bin/sudo"]),
    ("ansible_become_flags", &["-H -S -n", "-H -S", "-H"]),
    ("ansible_sudo_flags", &["-H -S -n", "-H -S", "-H"]),
];

/// The connection settings of the host `name`; `None` if there is a problem.
pub(super) fn of_host(reader: &mut VariableReader<'_>, name: &str, request: &Request) -> Option<Connection> {
    // The variables are all read before a problem ends the function, so that one run reports all problems of the host.
    let before = reader.problems.len();
    let address = last_set(reader, &ADDRESS);
    let port = last_set(reader, &PORT).and_then(|port| checked_port(reader, &port));
    let user = last_set(reader, &USER).map_or_else(|| request.user.clone(), |user| user.text);
    let password = last_credential(reader, &PASSWORD).map(|text| Secret::new(text.text));
    let key_file = last_set(reader, &KEY_FILE).map(|text| expand(&text.text, request.home.as_deref()));
    let checking = host_key_checking(reader);
    let become_root = flag(reader, &BECOME).unwrap_or(request.escalation == DefaultEscalation::Sudo);
    // The password is read even if it is not needed, so that an invalid value is always reported.
    let become_password = last_credential(reader, &BECOME_PASSWORD).map(|text| Secret::new(text.text));
    // As in Ansible, root does not use sudo to become root. A minimal system may have no sudo.
    let needs_sudo = become_root && user != "root";
    for (applies, variables) in
        [(true, &UNSUPPORTED[..]), (become_root, &UNSUPPORTED_BECOME), (needs_sudo, &UNSUPPORTED_SUDO)]
    {
        reject_unsupported(reader, variables.iter().filter(|_| applies));
    }
    reject_unsupported_defaults(reader, request, |applies| match applies {
        Applies::Always => true,
        Applies::WithBecome => become_root,
        Applies::WithSudo => needs_sudo,
    });
    let escalation = if needs_sudo {
        Escalation::Sudo { password: become_password.or_else(|| request.become_password.clone()) }
    } else {
        Escalation::None
    };
    (reader.problems.len() == before).then(|| Connection {
        // An inventory may write IPv6 addresses in brackets, which are no part of the address.
        address: address.map_or_else(|| name.to_owned(), |text| text.text).trim_matches(['[', ']']).to_owned(),
        port: port.or(request.connection.port).unwrap_or(22),
        user,
        password: password.or_else(|| request.password.clone()),
        private_key_file: key_file.or_else(|| request.private_key_file.clone()),
        host_key_checking: checking.unwrap_or(request.host_key_checking),
        escalation,
    })
}

/// The last of `names` that is set.
fn last_set(reader: &mut VariableReader<'_>, names: &[&str]) -> Option<Text> {
    let name = names.iter().rev().find(|name| reader.raw(name).is_some())?;
    reader.text(name)
}

/// The last of `names` that is set, as a boolean.
fn flag(reader: &mut VariableReader<'_>, names: &[&str]) -> Option<bool> {
    let name = names.iter().rev().find(|name| reader.raw(name).is_some())?;
    reader.flag(name)
}

fn host_key_checking(reader: &mut VariableReader<'_>) -> Option<HostKeyChecking> {
    let name = HOST_KEY_CHECKING.iter().rev().find(|name| reader.raw(name).is_some())?;
    let checking = if reader.flag(name)? { HostKeyChecking::Strict } else { HostKeyChecking::AcceptUnknown };
    // Only `inventory --check` shows the place of the variable. A run shows one warning for all nodes instead.
    if let (HostKeyChecking::AcceptUnknown, Some(node)) = (checking, reader.raw(name)) {
        let problem = Problem::hiding(
            &node.span,
            format!("`{name}` accepts the host key of any node that is not in known_hosts"),
        );
        let problem = problem.hint("remove it, and add the host keys of the nodes to known_hosts with `ssh-keyscan`");
        reader.notices.push(Finding::new(codes::HOST_KEY_CHECKING_OFF, problem));
    }
    Some(checking)
}

/// The last of `names` that is set, as a credential.
fn last_credential(reader: &mut VariableReader<'_>, names: &[&str]) -> Option<Text> {
    let name = names.iter().rev().find(|name| reader.raw(name).is_some())?;
    reader.credential(name)
}

/// A port number from 1 to 65535.
fn checked_port(reader: &mut VariableReader<'_>, port: &Text) -> Option<u16> {
    let number = port.text.parse().ok().filter(|number| *number > 0);
    if number.is_none() {
        let problem = Problem::hiding(&port.span, "the SSH port is not a TCP port");
        reader.problems.push(problem.hint("write a number from 1 to 65535"));
    }
    number
}

/// Rejects settings of `ansible.cfg` that are not supported, unless the variables of the host replace them.
fn reject_unsupported_defaults(reader: &mut VariableReader<'_>, request: &Request, applies: impl Fn(Applies) -> bool) {
    for setting in request.connection.unsupported.iter().filter(|setting| applies(setting.applies)) {
        if !setting.replaced_by.iter().any(|name| reader.raw(name).is_some()) {
            reader.problems.push(setting.problem.clone().code(codes::UNSUPPORTED_CONNECTION));
        }
    }
}

/// Rejects variables with values that are not supported. Each comes with the supported values.
fn reject_unsupported<'a>(
    reader: &mut VariableReader<'_>,
    variables: impl Iterator<Item = &'a (&'a str, &'a [&'a str])>,
) {
    for (name, harmless) in variables {
        let Some(node) = reader.node(name).filter(|node| !node.is_blank()) else { continue };
        // Booleans are compared without case, but flags such as `-H` have uppercase letters, so both forms are needed.
        if harmless.contains(&node.text.to_ascii_lowercase().as_str()) || harmless.contains(&node.text.as_str()) {
            continue;
        }
        let problem = Problem::hiding(&node.span, format!("this value of `{name}` is not supported yet"))
            .code(codes::UNSUPPORTED_CONNECTION);
        reader.problems.push(problem.hint(match harmless.first() {
            Some(value) => {
                format!(
                    "only `{value}` is supported; other values could connect to the wrong machine or as the wrong user"
                )
            }
            None => {
                "ignoring it could connect to the wrong machine; remove it for these hosts if it is not needed".into()
            }
        }));
    }
}

/// Replaces a leading `~/` by the home directory.
pub(super) fn expand(path: &str, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}
