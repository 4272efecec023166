//! Reports values of the inventory that Kubernetes does not accept as names. The rules are in `desired/kubernetes_name.rs`.

use crate::desired::codes;
use crate::desired::kubernetes_name::NameSyntax;

use super::registry_host::problem_about;
use super::variable_reader::{Text, VariableReader};

/// A name that Kubernetes accepts; `None` and a problem if it does not. `what` is the text in messages.
pub(super) fn kubernetes_name(
    reader: &mut VariableReader<'_>,
    text: Text,
    what: &str,
    syntax: NameSyntax,
) -> Option<String> {
    let Some(fault) = syntax.fault(&text.text) else { return Some(text.text) };
    let hint = match syntax {
        NameSyntax::Label => "use at most 63 lower-case letters, digits and `-`",
        NameSyntax::Subdomain => "use at most 253 lower-case letters, digits, `-` and `.`",
    };
    reader.problems.push(problem_about(what, &text, fault).code(codes::KUBERNETES_NAME).hint(hint));
    None
}
