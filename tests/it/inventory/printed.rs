//! What oregano prints, as JSON values that can be compared with Ansible's.

use std::path::Path;

use oregano::inventory::{Inventory, Node, Problem, Source, Trust, Value, Variables, graph, list, yaml};
use serde_json::{Map, json};

/// `inventory --list`, byte for byte.
pub fn list(inventory: &Inventory) -> String {
    text(|out| list::list(inventory, list::Format::Json, out))
}

/// `inventory --list --yaml`.
pub fn tree(inventory: &Inventory) -> String {
    text(|out| list::list(inventory, list::Format::Yaml, out))
}

/// `inventory --host`, byte for byte.
pub fn host(inventory: &Inventory, host: &str) -> String {
    text(|out| list::host(inventory, host, list::Format::Json, out))
}

/// `inventory --graph`, byte for byte.
pub fn graph(variables: &Variables) -> String {
    graph::graph(variables, "all", graph::Detail::Names).unwrap() + "\n"
}

fn text(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// JSON or YAML as it was printed, by our own parser: it rounds floats as Python does, and JSON libraries differ there.
pub fn read(text: &str) -> serde_json::Value {
    let source = Source::new("output", text);
    untyped(&yaml::parse_value(&source, 0, text.len()).unwrap_or_else(|problem| panic!("{}\n{text}", problem.render())))
}

fn untyped(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Str(text) if node.trust == Trust::Literal => json!({ "__ansible_unsafe": text }),
        Value::List(items) => items.iter().map(untyped).collect(),
        Value::Map(members) => {
            let members = members.iter().map(|(key, value)| (key.text.clone(), untyped(value)));
            serde_json::Value::Object(members.collect::<Map<_, _>>())
        }
        Value::Int(number) => match (i64::try_from(*number), u64::try_from(*number)) {
            (Ok(number), _) => number.into(),
            (_, Ok(number)) => number.into(),
            _ => number.to_string().into(),
        },
        _ => serde_json::to_value(node).unwrap(),
    }
}

/// A value with its type, as the oracle writes it.
pub fn typed(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => json!(["null"]),
        Value::Bool(value) => json!(["bool", value]),
        Value::Int(value) => json!(["int", value.to_string()]),
        Value::Float(value) => json!(["float", python_float(*value)]),
        Value::Str(text) => json!(["str", text]),
        Value::Vault => json!(["vault"]),
        Value::List(items) => json!(["list", items.iter().map(typed).collect::<Vec<_>>()]),
        Value::Map(members) => {
            let members = members.iter().map(|(key, value)| json!([typed(key), typed(value)]));
            json!(["map", members.collect::<Vec<_>>()])
        }
    }
}

/// Bits, not digits, are compared: the oracle's text is parsed and printed again by [`same_floats`].
fn python_float(value: f64) -> String {
    format!("{value:?}")
}

/// The oracle's result with its floats as [`typed`] writes them.
pub fn same_floats(answer: &serde_json::Value) -> serde_json::Value {
    match answer.as_array().map(Vec::as_slice) {
        Some([kind, serde_json::Value::String(text)]) if kind == "float" => {
            let number: f64 = text.parse().unwrap();
            json!(["float", python_float(number)])
        }
        Some(items) => items.iter().map(same_floats).collect(),
        None => answer.clone(),
    }
}

/// Problems as the cases write them: paths are below `folder`, and `hosts` is not named.
pub fn problems(problems: &[Problem], folder: &Path) -> Vec<String> {
    let below = format!("{}/", folder.display());
    let one = |problem: &Problem| {
        let place = problem.place.as_ref().map(|place| {
            let (line, column) = place.span.line_column();
            let file = place.span.source.name.replace(&below, "");
            let file = if ["hosts", "hosts.ini", "hosts.yml"].contains(&&*file) { String::new() } else { file + ":" };
            format!("{file}{line}:{column} ")
        });
        let hint = problem.hint.as_ref().map(|hint| format!(" (hint: {hint})"));
        format!("{}{}{}", place.unwrap_or_default(), problem.message, hint.unwrap_or_default()).replace(&below, "")
    };
    problems.iter().map(one).collect()
}
