//! Reports values with an unquoted `#`, and passwords that other users of this machine can read. It never shows a
//! value.

use std::collections::HashSet;
use std::sync::Arc;

use super::codes;
use crate::inventory::{Finding, Inventory, Node, Problem, Source, Span, Trust, Value, yaml};

/// The permission bit that allows all users to read a file.
const OTHERS_READ: u32 = 0o004;

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

/// Reports unquoted `#` characters, and for each file the first unencrypted password.
pub(super) fn check(inventory: &Inventory, findings: &mut Vec<Finding>) {
    // One finding for each file is enough, because `chmod` protects all passwords in it.
    let mut open_files: HashSet<*const Source> = HashSet::new();
    for (name, node) in inventory.written() {
        findings.extend(unquoted_hash(name, node));
        let source = &node.span.source;
        let mode = source.mode().filter(|mode| mode & OTHERS_READ != 0);
        if let Some(mode) = mode.filter(|_| PASSWORDS.contains(&name) || ENTRIES.contains(&name))
            && let Some(password) = plain_password(name, node)
            // `insert` must come last: it marks the file as reported.
            && open_files.insert(Arc::as_ptr(source))
        {
            let message = format!("the password in `{name}` is not encrypted, and all users can read the file");
            let hint = format!(
                "the mode of the file is {mode:04o}: run `chmod 600 {}`, and encrypt the password with `ansible-vault`",
                source.name
            );
            findings.push(Finding::new(codes::PLAINTEXT_PASSWORD, Problem::hiding(&password, message).hint(hint)));
        }
    }
}

/// Reports a `#` that ends a value on a host line, and a `#` in a `:vars` section that looks like the start of a
/// comment but is part of the value.
fn unquoted_hash(name: &str, node: &Node) -> Option<Finding> {
    let text = node.span.source.text();
    let written = text.get(node.span.start..node.span.end)?;
    // On a host line, the value ends directly before the `#`.
    let (at, message, hint) = if text.get(node.span.end..)?.starts_with('#') {
        let hint = "if the `#` is part of the value, put the value in quotes";
        (node.span.end, "ends at this `#`, which starts a comment", hint)
    } else if written == node.text && matches!(node.value, Value::Str(_)) {
        let hint = "put the comment on a separate line, or the value in quotes";
        (
            node.span.start + comment_start(written)?,
            "includes this `#` and the text after it: here a `#` does not start a comment",
            hint,
        )
    } else {
        return None;
    };
    let span = Span::new(&node.span.source, at, at + 1);
    let problem = Problem::naming(&span, "#", format!("the value of {} {message}", super::names::display_name(name)));
    Some(Finding::new(codes::UNQUOTED_HASH, problem.hint(hint)))
}

/// The byte offset of a `#` that looks like the start of a comment.
fn comment_start(written: &str) -> Option<usize> {
    written.match_indices('#').map(|(at, _)| at).find(|at| written[..*at].ends_with(char::is_whitespace))
}

/// The place of the first password that is neither encrypted nor a template. Registry entries may be JSON in a string,
/// so such strings are parsed too.
fn plain_password(name: &str, node: &Node) -> Option<Span> {
    match &node.value {
        Value::Str(_) if ENTRIES.contains(&name) => first_password(&yaml::parse_node(node).unwrap_or(node.clone())),
        _ => first_password(node),
    }
}

fn first_password(node: &Node) -> Option<Span> {
    match &node.value {
        Value::List(items) => items.iter().find_map(first_password),
        // Only these keys contain a secret. The other sources of a registry entry name a file, a command or a helper.
        Value::Map(_) => ["password", "identity_token"].iter().find_map(|key| first_password(node.get(key)?)),
        Value::Null | Value::Vault => None,
        _ if node.text.trim().is_empty() => None,
        // A template usually inserts an encrypted variable or the result of a lookup, so it is not reported.
        _ if node.trust == Trust::Template && node.text.contains("{{") => None,
        _ => Some(node.span.clone()),
    }
}
