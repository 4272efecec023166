//! Reports values of the inventory that Kubernetes does not accept as names. The rules are in `desired/kubernetes_name.rs`.

use crate::desired::codes;
use crate::desired::kubernetes_name::NameSyntax;

use super::registry_host::problem_about;
use super::variable_reader::{Text, VariableReader};

/// A name in a list, like [`kubernetes_name`]. Names with commas between them are a list that was written as one text.
pub(super) fn kubernetes_name_in_list(
    reader: &mut VariableReader<'_>,
    text: Text,
    what: &str,
    syntax: NameSyntax,
) -> Option<String> {
    if !text.text.contains(',') {
        return kubernetes_name(reader, text, what, syntax);
    }
    let problem = problem_about(what, &text, "contains a comma").code(codes::KUBERNETES_NAME);
    reader.problems.push(problem.hint("write several names as a list, such as `[first, second]`"));
    None
}

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
