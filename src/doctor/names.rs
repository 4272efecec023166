//! Reports unknown and obsolete names of variables. The known names are those that the JSON Schema describes.

use std::collections::{BTreeSet, HashSet};

use crate::desired;
use crate::inventory::problem::nearest;
use crate::inventory::{Finding, Inventory, Problem};

/// The JSON Schema (draft 2020-12) of YAML inventories, as `inventory --schema` prints it.
pub const SCHEMA: &str = include_str!("inventory.schema.json");

/// Variables that openshift-ansible 3.11 no longer reads, each with the change that the user should make.
const LEFTOVERS: [(&str, &str); 5] = [
    ("oreg_host", "the registry host is read from `oreg_url`"),
    (
        "oreg_auth_credentials_replace",
        "credentials are always updated; openshift-ansible 3.11 refuses to run with this variable",
    ),
    ("oreg_auth_credentials_path", "it is now called `docker_auth_credentials_path`, and applies to all files"),
    (
        "oreg_url_master",
        "one `oreg_url` applies to all hosts; openshift-ansible 3.11 refuses to run with this variable",
    ),
    ("oreg_url_node", "one `oreg_url` applies to all hosts; openshift-ansible 3.11 refuses to run with this variable"),
];

/// The shortest name for which similar names are suggested. Shorter names have too many similar ones.
const SHORTEST: usize = 8;

/// Reports obsolete names, and names that are similar to known ones.
pub(super) fn check(inventory: &Inventory, findings: &mut Vec<Finding>) {
    let known = known();
    let mut reported = HashSet::new();
    for (name, node) in inventory.written() {
        // The same name may be written at several places, and each of them is reported once.
        if known.contains(name) || !reported.insert((name, node.span.start)) {
            continue;
        }
        if let Some((_, hint)) = LEFTOVERS.iter().find(|(old, _)| *old == name) {
            let problem = Problem::hiding(&node.span, format!("`{name}` no longer has an effect")).hint(*hint);
            findings.push(Finding::new(desired::codes::LEFTOVER, problem));
            continue;
        }
        let near = nearest(name, known.iter().map(String::as_str)).filter(|_| name.len() >= SHORTEST);
        if !is_identifier(name) {
            let message = "the name of this variable is not an identifier, so no template can use it";
            let hint = "write `name=value` in INI and `name: value` in YAML, without anything else before the value";
            findings
                .push(Finding::new(desired::codes::UNKNOWN_VARIABLE, Problem::hiding(&node.span, message).hint(hint)));
            continue;
        }
        // `desired` already reports unknown names that start with `oregano_`, because every run refuses them.
        if near.is_some() && !name.starts_with("oregano_") || name.starts_with("oreg_") {
            let problem = Problem::hiding(&node.span, format!("variable `{name}` is not used"));
            let problem = match near {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem.hint("it has the prefix of the registry variables, but is not one of them"),
            };
            findings.push(Finding::new(desired::codes::UNKNOWN_VARIABLE, problem));
        }
    }
}

/// The name of a variable for a message. A name that is not an identifier may contain a value: the INI line
/// `password: secret=x` sets a variable with the name `password: secret`.
pub(super) fn display_name(name: &str) -> String {
    if is_identifier(name) { format!("`{name}`") } else { "this variable".to_owned() }
}

fn is_identifier(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// The variables that the schema describes.
fn known() -> BTreeSet<String> {
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap_or_default();
    let variables = schema.pointer("/$defs/variables/properties").and_then(serde_json::Value::as_object);
    variables.into_iter().flat_map(|variables| variables.keys().cloned()).collect()
}
