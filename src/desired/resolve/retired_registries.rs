//! `oregano_retired_registries`: the registries whose entries `apply --prune` removes.

use crate::desired::codes;
use crate::desired::registry::Registry;
use crate::dockerconfig::{is_of, kubelet_key};
use crate::inventory::{Problem, Value};

use super::members;
use super::registry_host::problem_about;
use super::variable_reader::{Text, VariableReader};

/// The variable.
pub(super) const RETIRED: &str = "oregano_retired_registries";

/// The retired registries of the host of `reader`, which declares `declared`: keys as the user wrote them, without
/// repetitions.
pub(super) fn of_host(reader: &mut VariableReader<'_>, declared: &[Registry]) -> Vec<String> {
    let mut retired: Vec<String> = Vec::new();
    for text in texts(reader) {
        let key = text.text.trim();
        if kubelet_key(key).is_none() || key.contains(|c: char| c.is_whitespace() || c.is_control() || c == '@') {
            let problem = problem_about(&format!("an entry of `{RETIRED}`"), &text, "is not a registry");
            reader.problems.push(problem.hint("write `host[:port][/path]`, as in the credential files"));
            continue;
        }
        let servers = declared.iter().filter_map(|registry| registry.auth_server.as_ref());
        // Without this check, `apply` would add the entry and `apply --prune` would remove it.
        if let Some(host) = declared.iter().map(|registry| &registry.host).chain(servers).find(|host| is_of(host, key))
        {
            let message = format!("registry `{host}` is declared, but is also in `{RETIRED}`");
            let problem = Problem::naming(&text.span, key, message).code(codes::RETIRED_REGISTRY);
            reader.problems.push(problem.hint("remove one of the two"));
            continue;
        }
        if !retired.iter().any(|known| known == key) {
            retired.push(key.to_owned());
        }
    }
    retired
}

/// The elements: of a list, or of a text with commas between them.
fn texts(reader: &mut VariableReader<'_>) -> Vec<Text> {
    let name = format!("an entry of `{RETIRED}`");
    let written_as_text = reader.node(RETIRED).filter(|node| match &node.value {
        Value::Str(text) => !text.trim_start().starts_with('['),
        _ => false,
    });
    if let Some(node) = written_as_text {
        let Some(list) = reader.text_of(&node, &format!("`{RETIRED}`")) else { return Vec::new() };
        let texts = list.text.split(',').filter(|text| !text.trim().is_empty());
        return texts.map(|text| Text { text: text.trim().to_owned(), span: list.span.clone() }).collect();
    }
    let nodes = members::list(reader, RETIRED, "['old.example.com']");
    nodes.iter().filter_map(|node| reader.text_of(node, &name)).collect()
}
