//! Finds the passwords that are written in plain text in a variable. It shows none of them.

use crate::inventory::{Node, Span, Trust, Value, yaml};

/// Variables that contain registry entries with passwords.
const ENTRIES: [&str; 2] = ["oregano_oreg_auth", "openshift_additional_registry_credentials"];

/// Variables that contain a password.
const PASSWORDS: [&str; 8] = [
    "oreg_auth_password",
    "ansible_password",
    "ansible_ssh_pass",
    "ansible_ssh_password",
    "ansible_become_password",
    "ansible_become_pass",
    "ansible_sudo_pass",
    "ansible_su_pass",
];

/// The keys of a registry entry that contain a secret. The other sources of a registry entry name a file, a command or a
/// helper.
const SECRET_KEYS: [&str; 2] = ["password", "identity_token"];

/// The places of the passwords in a variable that are neither encrypted nor templates. Registry entries may be JSON in a
/// string, so such strings are parsed, too.
pub fn plain_passwords(name: &str, node: &Node) -> Vec<Span> {
    let mut found = Vec::new();
    if PASSWORDS.contains(&name) {
        collect(node, &mut found);
    } else if ENTRIES.contains(&name) {
        match &node.value {
            Value::Str(_) => collect(&yaml::parse_node(node).unwrap_or(node.clone()), &mut found),
            _ => collect(node, &mut found),
        }
    }
    found
}

fn collect(node: &Node, found: &mut Vec<Span>) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Map(_) => SECRET_KEYS.iter().filter_map(|key| node.get(key)).for_each(|secret| collect(secret, found)),
        Value::Null | Value::Vault => {}
        _ if node.text.trim().is_empty() => {}
        // A template usually inserts an encrypted variable or the result of a lookup, so it is not reported.
        _ if node.trust == Trust::Template && node.text.contains("{{") => {}
        _ => found.push(node.span.clone()),
    }
}

/// The same for a variable of the command line, where any variable whose name says so may be a password.
pub(super) fn on_command_line(name: &str, node: &Node) -> Vec<Span> {
    let mut found = plain_passwords(name, node);
    let lower = name.to_ascii_lowercase();
    let is_secret = ["password", "passwd", "pass", "passphrase", "secret", "token"];
    if found.is_empty() && !matches!(node.value, Value::Bool(_)) && is_secret.iter().any(|word| lower.ends_with(word)) {
        collect(node, &mut found);
    }
    found
}
