//! The structure of a YAML inventory: groups with `hosts`, `vars` and `children`. It adds them to the draft of the
//! inventory.

use std::sync::Arc;

use super::super::assemble::Draft;
use super::super::model::{Node, Value};
use super::super::problem::{Problem, nearest};
use super::super::ranges;
use super::super::source::Source;
use super::super::text::Text;

/// Adds the groups, hosts, variables and problems of a YAML inventory to the draft.
pub(in super::super) fn read(source: &Arc<Source>, draft: &mut Draft) {
    let text = Text::slice(source, 0, source.text().len());
    match super::parse_with_findings(&text, &mut draft.findings).and_then(top_level) {
        Ok(groups) => {
            for (name, content) in &groups {
                group(name, content, draft);
            }
        }
        Err(problem) => draft.problems.push(problem),
    }
}

fn top_level(root: Node) -> Result<Vec<(Node, Node)>, Problem> {
    // This is the configuration of an inventory plugin. Read as groups, it would cause misleading problems.
    if let Some(plugin) = root.get("plugin") {
        return Err(Problem::hiding(&plugin.span, "inventory plugins are not supported"));
    }
    match root.value {
        Value::Map(groups) if !groups.is_empty() => Ok(groups),
        Value::Map(_) | Value::Null => Err(Problem::hiding(&root.span, "the inventory is empty")),
        other => {
            Err(Problem::hiding(&root.span, format!("an inventory is a mapping of groups, not {}", other.type_name())))
        }
    }
}

/// The text of a key that must be a string, such as the name of a group.
fn name<'a>(key: &'a Node, what: &str) -> Result<&'a str, Problem> {
    match &key.value {
        Value::Str(name) if !name.is_empty() => Ok(name),
        _ => Err(Problem::hiding(&key.span, format!("the name of a {what} must be a string")).hint("put it in quotes")),
    }
}

/// Adds one group, and returns its name if that is valid.
pub(in super::super) fn group<'a>(key: &'a Node, content: &Node, draft: &mut Draft) -> Option<&'a str> {
    let name = name(key, "group").map_err(|problem| draft.problems.push(problem)).ok()?;
    draft.add_group(name, &key.span);
    let Some(sections) = members(content, &format!("group `{name}`"), draft) else { return Some(name) };
    for (section, content) in sections {
        match section.text.as_str() {
            "vars" => variables(name, content, draft),
            "children" => children(name, content, draft),
            "hosts" => hosts(name, content, draft),
            other => {
                let message = format!("group `{name}` has the unknown key `{other}`");
                let problem = Problem::naming(&section.span, other, message);
                draft.problems.push(problem.hint(match nearest(other, ["vars", "children", "hosts"]) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "a group has `hosts`, `vars` and `children`; other groups go under `children`".to_owned(),
                }));
            }
        }
    }
    Some(name)
}

fn variables(group: &str, content: &Node, draft: &mut Draft) {
    for (name, value) in members(content, &format!("`vars` of group `{group}`"), draft).unwrap_or_default() {
        draft.set_variable(group, &name.text, value.clone());
    }
}

fn children(parent: &str, content: &Node, draft: &mut Draft) {
    // `children: web` is the short form for a single child.
    if let Some(child) = single_name(content) {
        draft.add_group(child, &content.span);
        draft.add_child(parent, child, &content.span);
        return;
    }
    for (key, content) in members(content, &format!("`children` of group `{parent}`"), draft).unwrap_or_default() {
        if let Some(child) = group(key, content, draft) {
            draft.add_child(parent, child, &key.span);
        }
    }
}

fn hosts(group: &str, content: &Node, draft: &mut Draft) {
    if single_name(content).is_some() {
        host(group, content, &[], draft);
        return;
    }
    for (key, content) in members(content, &format!("`hosts` of group `{group}`"), draft).unwrap_or_default() {
        let variables = members(content, &format!("host `{}`", key.text), draft).unwrap_or_default();
        host(group, key, variables, draft);
    }
}

fn host(group: &str, key: &Node, variables: &[(Node, Node)], draft: &mut Draft) {
    let expanded = name(key, "host").and_then(|name| ranges::expand(&Text::at(&key.span, name)));
    match expanded {
        Ok((names, port)) => {
            for name in names {
                draft.add_host(&name, port.map(|port| (port, &key.span)), group, &key.span);
                for (variable, value) in variables {
                    draft.set_variable(&name, &variable.text, value.clone());
                }
            }
        }
        Err(problem) => draft.problems.push(problem),
    }
}

/// Ansible reads a string as a mapping with that key and no value.
fn single_name(content: &Node) -> Option<&str> {
    match &content.value {
        Value::Str(name) if !name.is_empty() => Some(name),
        _ => None,
    }
}

/// The members of a mapping; `None` for null, and for any other value, which is a problem.
fn members<'a>(content: &'a Node, what: &str, draft: &mut Draft) -> Option<&'a [(Node, Node)]> {
    match &content.value {
        Value::Map(members) => Some(members),
        Value::Null => None,
        other => {
            let message = format!("{what} must be a mapping, not {}", other.type_name());
            draft.problems.push(Problem::hiding(&content.span, message));
            None
        }
    }
}
