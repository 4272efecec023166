//! Finds the passwords that are written in plain text in variables: in files, and on the command line. It shows none of
//! them.

use super::codes;
use crate::inventory::{Finding, Inventory, Node, Problem, Span, Trust, Value, yaml};

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

/// Variables with the URL of a proxy, which may contain a password.
const PROXIES: [&str; 2] = ["openshift_http_proxy", "openshift_https_proxy"];

/// The key of a registry entry with the URL of its proxy.
const PROXY_KEY: &str = "proxy";

/// The keys of a registry entry that contain a secret. The other sources of a registry entry name a file, a command or a
/// helper.
const SECRET_KEYS: [&str; 2] = ["password", "identity_token"];

/// The places of the passwords in a variable that are neither encrypted nor templates. Registry entries may be JSON in a
/// string, so such strings are parsed, too.
pub fn plain_passwords(name: &str, node: &Node) -> Vec<Span> {
    let mut found = Vec::new();
    if PASSWORDS.contains(&name) {
        collect(node, &mut found);
    } else if PROXIES.contains(&name) {
        collect_proxy(node, &mut found);
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
        Value::Map(_) => {
            SECRET_KEYS.iter().filter_map(|key| node.get(key)).for_each(|secret| collect(secret, found));
            node.get(PROXY_KEY).into_iter().for_each(|proxy| collect_proxy(proxy, found));
        }
        Value::Null | Value::Vault => {}
        _ if node.text.trim().is_empty() => {}
        // A template usually inserts an encrypted variable or the result of a lookup, so it is not reported.
        _ if node.trust == Trust::Template && node.text.contains("{{") => {}
        _ => found.push(node.span.clone()),
    }
}

/// The same for the URL of a proxy: `[scheme://]user:password@host[:port]`.
fn collect_proxy(node: &Node, found: &mut Vec<Span>) {
    let rest = node.text.split_once("://").map_or(node.text.as_str(), |(_, rest)| rest);
    let password = rest.rsplit_once('@').and_then(|(user_info, _)| user_info.split_once(':'));
    if password.is_some_and(|(_, password)| !password.is_empty()) {
        collect(node, found);
    }
}

/// A warning for each password in `-e name=value`, which all users of this machine can see.
pub fn command_line_passwords(inventory: &Inventory) -> Vec<Finding> {
    // An `@file` has a path, and an argument has none.
    let arguments = inventory.extra.iter().filter(|(_, node)| node.span.source.origin().file.is_none());
    let passwords = arguments.flat_map(|(name, node)| in_argument(name, node));
    let warning = |password: Span| {
        let message = "a password is given on the command line, where the process list shows it to all users";
        let hint = "write the variable into a file, and give it with `-e @FILE`";
        Finding::new(codes::COMMAND_LINE_PASSWORD, Problem::hiding(&password, message).hint(hint))
    };
    passwords.map(warning).collect()
}

/// The passwords in a variable of the command line, where any variable whose name says so may be a password.
fn in_argument(name: &str, node: &Node) -> Vec<Span> {
    let mut found = plain_passwords(name, node);
    let lower = name.to_ascii_lowercase();
    let is_secret = ["password", "passwd", "pass", "passphrase", "secret", "token"];
    if found.is_empty() && !matches!(node.value, Value::Bool(_)) && is_secret.iter().any(|word| lower.ends_with(word)) {
        collect(node, &mut found);
    }
    found
}
