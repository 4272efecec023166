//! The values of variables: `#` without quotes, and passwords that others on this machine can read.

use std::collections::HashSet;
use std::sync::Arc;

use super::codes;
use crate::inventory::{Finding, Inventory, Node, Problem, Source, Span, Trust, Value, yaml};

/// The permission bit that lets everybody read a file.
const OTHERS_READ: u32 = 0o004;

/// Variables that hold entries with a password.
const ENTRIES: [&str; 2] = ["oregano_oreg_auth", "openshift_additional_registry_credentials"];

/// Variables that hold a password.
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

/// Tells of both.
pub(super) fn check(inventory: &Inventory, findings: &mut Vec<Finding>) {
    let mut open_files: HashSet<*const Source> = HashSet::new();
    for (name, node) in inventory.written() {
        findings.extend(hash(name, node));
        let source = &node.span.source;
        let mode = source.mode().filter(|mode| mode & OTHERS_READ != 0);
        if let Some(mode) = mode.filter(|_| PASSWORDS.contains(&name) || ENTRIES.contains(&name))
            && let Some(password) = plain_password(name, node)
            && open_files.insert(Arc::as_ptr(source))
        {
            let message = format!("a password of `{name}` stands in clear text in a file that everybody can read");
            let hint = format!(
                "the mode is {mode:04o}: `chmod 600 {}`, and encrypt the password with `ansible-vault`",
                source.name
            );
            findings.push(Finding::new(codes::PLAINTEXT_PASSWORD, Problem::hiding(&password, message).hint(hint)));
        }
    }
}

/// A `#` that ended a value on a host line, or one under `:vars` that looks like a comment and is none.
fn hash(name: &str, node: &Node) -> Option<Finding> {
    let text = node.span.source.text();
    let written = text.get(node.span.start..node.span.end)?;
    let (at, message, hint) = if text.get(node.span.end..)?.starts_with('#') {
        let hint = "if the `#` is part of the value, put the value in quotes";
        (node.span.end, "ends at this `#`, which starts a comment", hint)
    } else if written == node.text && matches!(node.value, Value::Str(_)) {
        let hint = "put the comment on a line of its own, or the value in quotes";
        (node.span.start + comment(written)?, "holds this `#` and what follows: here it starts no comment", hint)
    } else {
        return None;
    };
    let span = Span::new(&node.span.source, at, at + 1);
    let problem = Problem::naming(&span, "#", format!("the value of {} {message}", super::names::shown(name)));
    Some(Finding::new(codes::UNQUOTED_HASH, problem.hint(hint)))
}

/// Where something that looks like a comment starts.
fn comment(written: &str) -> Option<usize> {
    written.match_indices('#').map(|(at, _)| at).find(|at| written[..*at].ends_with(char::is_whitespace))
}

/// The place of the first password in a value that is neither encrypted nor a template. Entries may be JSON in a text.
fn plain_password(name: &str, node: &Node) -> Option<Span> {
    match &node.value {
        Value::Str(_) if ENTRIES.contains(&name) => first_password(&yaml::parse_node(node).unwrap_or(node.clone())),
        _ => first_password(node),
    }
}

fn first_password(node: &Node) -> Option<Span> {
    match &node.value {
        Value::List(items) => items.iter().find_map(first_password),
        Value::Map(_) => ["password", "identity_token"].iter().find_map(|key| first_password(node.get(key)?)),
        Value::Null | Value::Vault => None,
        _ if node.text.trim().is_empty() => None,
        _ if node.trust == Trust::Template && node.text.contains("{{") => None,
        _ => Some(node.span.clone()),
    }
}
