//! Finds credentials that Ansible reads as a number or boolean, and credentials that start or end with white space.
//! Oregano always uses the text that the user wrote. If Ansible would use a different text, a finding reports that.

use crate::desired::codes;
use crate::dockerconfig::has_stray_line_end;
use crate::inventory::{Finding, Node, Problem, Severity, Span, Value, repr};
use crate::secret::Secret;

const HINT: &str =
    "put it in quotes (on a host line in both kinds: \"'…'\"), so that Ansible and oregano read the same text";

/// The finding for a credential that Ansible reads as a number or boolean and then writes with a different spelling.
/// `what` is its name in backticks. The value is shown only if it is a boolean, which cannot be a secret.
pub(super) fn respelled_by_ansible(node: &Node, what: &str) -> Option<Finding> {
    let spelling = repr::str(node);
    if spelling == node.text {
        return None;
    }
    let reading = match &node.value {
        Value::Bool(_) => format!("as the boolean `{spelling}`"),
        Value::Int(_) => "as an integer, and writes it in plain decimal digits".to_owned(),
        Value::Float(_) => "as a floating-point number, and writes it in a different notation".to_owned(),
        _ => return None,
    };
    let message = format!("Ansible reads {what} {reading}; oregano uses the text as written");
    Some(Finding::new(codes::NUMERIC_PASSWORD, Problem::hiding(&node.span, message).hint(HINT)))
}

/// The variables that a template inserts into a longer text. If the template is the complete value, nothing is
/// inserted: the value has the type of the variable.
pub(super) fn inserted_variables(raw: &Node) -> Vec<&str> {
    let Value::Str(text) = &raw.value else { return Vec::new() };
    let pieces = text.split("{{").skip(1).filter_map(|piece| piece.split_once("}}"));
    let names: Vec<&str> = pieces.map(|(name, _)| name.trim()).collect();
    let is_name = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.is_empty();
    let is_entire_value = names.len() == 1 && text.starts_with("{{") && text.ends_with("}}");
    if is_entire_value { Vec::new() } else { names.into_iter().filter(is_name).collect() }
}

/// The finding for a credential that Ansible reads as a number, but writes with the same spelling.
pub(super) fn number_with_same_spelling(node: &Node, what: &str) -> Option<Finding> {
    let is_number = matches!(node.value, Value::Int(_) | Value::Float(_) | Value::Bool(_));
    let same = is_number && repr::str(node) == node.text;
    let message = format!("Ansible reads {what} as {}, which has the same spelling", node.value.type_name());
    let problem = Problem::hiding(&node.span, message).hint(HINT);
    same.then(|| Finding::new(codes::NUMERIC_PASSWORD, problem).with_severity(Severity::Note))
}

/// The finding for a credential that starts or ends with white space, which is usually a mistake.
pub(super) fn surrounding_white_space(node: &Node, what: &str) -> Option<Finding> {
    let problem = if node.text.ends_with('\n') {
        Problem::hiding(&node.span, format!("{what} ends with a line break, which is a part of the credential"))
            .hint("in YAML, `|` keeps the last line break and `|-` does not")
    } else {
        Problem::hiding(&node.span, format!("{what} starts or ends with white space"))
            .hint("remove the white space inside its quotes")
    };
    (node.text.trim() != node.text).then(|| Finding::new(codes::PADDED_CREDENTIAL, problem))
}

/// The finding for a credential from another source that starts or ends with a blank.
pub(super) fn surrounding_blanks(secret: &Secret, source: &Span, what: &str) -> Option<Finding> {
    let problem = Problem::hiding(source, format!("{what} starts or ends with white space"))
        .hint("remove the white space: it is a part of the credential that is sent");
    let padded = secret.expose().trim_matches([' ', '\t']) != secret.expose();
    padded.then(|| Finding::new(codes::PADDED_CREDENTIAL, problem))
}

/// The finding for a credential with characters that are not visible.
pub(super) fn invisible_characters(text: &str, span: &Span, what: &str) -> Option<Finding> {
    let problem = Problem::hiding(span, format!("{what} has a byte order mark or a zero-width character"));
    let problem = problem
        .hint("remove the character: it is a part of the credential that is sent, and often comes from a web page");
    text.contains(is_invisible).then(|| Finding::new(codes::INVISIBLE_CHARACTER, problem))
}

/// Whether a character has no width: the byte order mark, joiners, soft hyphens and marks of the direction of text.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The finding for a password of the source `what` that is one line with a line end.
pub(super) fn stray_line_end(password: &Secret, source: &Span, what: &str) -> Option<Finding> {
    let message = format!("the password from {what} ends with a line break, which is a part of it");
    let problem = Problem::hiding(source, message).hint("`printf` and `echo -n` write no line break after a password");
    has_stray_line_end(password.expose()).then(|| Finding::new(codes::PADDED_CREDENTIAL, problem))
}
