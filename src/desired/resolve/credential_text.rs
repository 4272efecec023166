//! How Ansible would read a credential. It stays the text that the user wrote; where Ansible would make another text
//! of it, both must be told apart.

use crate::desired::codes;
use crate::inventory::{Finding, Node, Problem, Severity, Value, repr};

const HINT: &str = "put it in quotes (on a host line in both kinds: \"'…'\"), so that everybody reads the same text";

/// A credential that Ansible reads as a number or boolean, and spells differently from then on. `what` says in
/// backticks what it is; the value is shown only if it is a boolean, which is no secret.
pub(super) fn retyped(node: &Node, what: &str) -> Option<Finding> {
    let spelt = repr::str(node);
    if spelt == node.text {
        return None;
    }
    let reading = match &node.value {
        Value::Bool(_) => format!("as the boolean `{spelt}`"),
        Value::Int(_) => "as a whole number, and spells it in plain decimal digits".to_owned(),
        Value::Float(_) => "as a floating-point number, and spells it in its own way".to_owned(),
        _ => return None,
    };
    let message = format!("Ansible reads {what} {reading}; here it stays the text that was written");
    Some(Finding::new(codes::NUMERIC_PASSWORD, Problem::hiding(&node.span, message).hint(HINT)))
}

/// The variables whose text stands in a longer text.
pub(super) fn filled_with(raw: &Node) -> Vec<&str> {
    let Value::Str(text) = &raw.value else { return Vec::new() };
    let pieces = text.split("{{").skip(1).filter_map(|piece| piece.split_once("}}"));
    let names: Vec<&str> = pieces.map(|(name, _)| name.trim()).collect();
    let is_name = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.is_empty();
    let alone = names.len() == 1 && text.starts_with("{{") && text.ends_with("}}");
    if alone { Vec::new() } else { names.into_iter().filter(is_name).collect() }
}

/// A credential that Ansible reads as a number with the same digits.
pub(super) fn kept_number(node: &Node, what: &str) -> Option<Finding> {
    let kept = matches!(node.value, Value::Int(_) | Value::Float(_) | Value::Bool(_)) && repr::str(node) == node.text;
    let message = format!("Ansible reads {what} as {}, which spells the same", node.value.type_name());
    let problem = Problem::hiding(&node.span, message).hint(HINT);
    kept.then(|| Finding::new(codes::NUMERIC_PASSWORD, problem).of(Severity::Note))
}

/// A credential with white space at an end, which no registry expects.
pub(super) fn padded(node: &Node, what: &str) -> Option<Finding> {
    let problem = Problem::hiding(&node.span, format!("{what} starts or ends with white space"))
        .hint("remove the white space inside its quotes");
    (node.text.trim() != node.text).then(|| Finding::new(codes::PADDED_CREDENTIAL, problem))
}
