//! Reports values with an unquoted `#`, and passwords that other users of this machine can read. It never shows a
//! value.

use std::collections::HashSet;
use std::sync::Arc;

use super::codes;
use crate::desired::plain_passwords;
use crate::inventory::{Finding, Inventory, Node, Problem, Source, Span, Value};

/// The permission bit that allows all users to read a file.
const OTHERS_READ: u32 = 0o004;

/// Reports unquoted `#` characters, and unencrypted passwords.
pub(super) fn check(inventory: &Inventory, findings: &mut Vec<Finding>) {
    // A value on a line with a host range belongs to thousands of hosts.
    let mut reported: HashSet<(*const Source, usize)> = HashSet::new();
    for (name, node) in inventory.written() {
        findings.extend(unquoted_hash(name, node));
        let source = &node.span.source;
        let Some(mode) = source.mode().filter(|mode| mode & OTHERS_READ != 0) else { continue };
        for password in plain_passwords(name, node) {
            if !reported.insert((Arc::as_ptr(source), password.start)) {
                continue;
            }
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
