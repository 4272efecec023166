//! Mappings and lists of the inventory whose keys are known in advance: entries of a list of registries or pull secrets.
//! This file checks only which keys exist, and the types of their values, not what they mean.

use crate::desired::codes;
use crate::inventory::problem::nearest;
use crate::inventory::{Node, Problem, Span, Value, yaml};

use super::registry_host::{problem_about, quotable};
use super::variable_reader::{Text, VariableReader, empty_value};

/// One key of a mapping with its value.
pub(super) struct Member {
    pub key: &'static str,
    /// Its name in messages, in backticks.
    pub name: String,
    pub node: Node,
}

/// The members of a mapping with their templates evaluated.
pub(super) struct Members {
    /// The name of the mapping in messages.
    pub name: String,
    /// Its place.
    pub span: Span,
    list: Vec<Member>,
}

impl Members {
    /// Members that were already read.
    pub fn new(name: String, span: Span, list: Vec<Member>) -> Self {
        Self { name, span, list }
    }

    /// The members of the mapping `node`; `None` and a problem if it is not a mapping. `name` is its name in messages.
    /// Its keys must be in `keys`, or in `old`, which are keys that messages do not suggest.
    pub fn read(
        reader: &mut VariableReader<'_>,
        node: &Node,
        name: String,
        keys: &[&'static str],
        old: &[&'static str],
    ) -> Option<Self> {
        let Value::Map(_) = &node.value else {
            let message = format!("{name} is {}, not a mapping", node.value.type_name());
            let hint = format!("write a mapping; its keys are {}", keys.join(", "));
            reader.problems.push(Problem::hiding(&node.span, message).hint(hint));
            return None;
        };
        let (known, unknown) = known(node, &[keys, old].concat());
        reader.problems.extend(unknown.iter().map(|key| unknown_key(key, &name, keys)));
        let member = |(key, node)| Member { key, name: format!("`{key}` of {name}"), node };
        Some(Self { list: known.into_iter().map(member).collect(), span: node.span.clone(), name })
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Member> {
        self.list.iter().find(|member| member.key == key)
    }

    /// The members with one of `keys`, in the order of `keys`.
    pub fn present<'a>(&'a self, keys: &'a [&str]) -> impl Iterator<Item = &'a Member> {
        keys.iter().filter_map(|key| self.get(key))
    }

    /// A value as text.
    pub fn text(&self, reader: &mut VariableReader<'_>, key: &str) -> Option<Text> {
        let member = self.get(key)?;
        reader.text_of(&member.node, &member.name)
    }

    /// A value as a boolean.
    pub fn flag(&self, reader: &mut VariableReader<'_>, key: &str) -> Option<bool> {
        let member = self.get(key)?;
        reader.flag_of(&member.node, &member.name)
    }

    /// A value as a list of texts; a single text is a list with one element. `None` if there is no such key or if there
    /// is a problem.
    pub fn texts(&self, reader: &mut VariableReader<'_>, key: &str) -> Option<Vec<Text>> {
        let (member, nodes) = (self.get(key)?, self.elements(reader, key)?);
        // Every element is read even if one has a problem, so that one run reports all problems.
        let texts: Vec<Option<Text>> = nodes.iter().map(|node| reader.text_of(node, &member.name)).collect();
        texts.into_iter().collect()
    }

    /// The elements of a list; a single value is a list with one element. `None` if there is no such key or if there is a
    /// problem.
    pub fn elements(&self, reader: &mut VariableReader<'_>, key: &str) -> Option<&[Node]> {
        let member = self.get(key)?;
        let nodes = match &member.node.value {
            Value::Null => {
                reader.problems.push(empty_value(&member.node, &member.name));
                return None;
            }
            Value::List(nodes) => nodes.as_slice(),
            _ => std::slice::from_ref(&member.node),
        };
        if nodes.is_empty() {
            let message = format!("{} is an empty list", member.name);
            let problem = Problem::hiding(&member.node.span, message).code(codes::EMPTY_VALUE);
            reader.problems.push(problem.hint("give it at least one element, or remove the line"));
            return None;
        }
        Some(nodes)
    }

    /// One of several words; `None` if the key is missing, or if there is a problem.
    pub fn choice<T: Copy>(&self, reader: &mut VariableReader<'_>, key: &str, names: &[(&str, T)]) -> Option<T> {
        let text = self.text(reader, key)?;
        choice(reader, &text, &format!("`{key}` of {}:", self.name), names)
    }

    /// The problem that a required key is missing.
    pub fn lacks(&self, what: &str) -> Problem {
        Problem::hiding(&self.span, format!("{} has no {what}", self.name))
    }
}

/// Reads the elements of a list variable; no elements if it is not set, or if there is a problem. `example` is a hint
/// for a value of another type.
pub(super) fn list(reader: &mut VariableReader<'_>, variable: &str, example: &str) -> Vec<Node> {
    let Some(node) = reader.node(variable) else { return Vec::new() };
    list_of(reader, node, variable, example)
}

/// The same for the value `node` of the variable.
pub(super) fn list_of(reader: &mut VariableReader<'_>, node: Node, variable: &str, example: &str) -> Vec<Node> {
    let list = match &node.value {
        _ if node.is_blank() => {
            reader.problems.push(empty_value(&node, &format!("`{variable}`")));
            return Vec::new();
        }
        // On host lines, Ansible evaluates only Python literals. JSON with `true` or `null` is not a Python literal, so
        // it is still a text here.
        Value::Str(text) if text.trim_start().starts_with('[') => match yaml::parse_node(&node) {
            Ok(node) => node,
            Err(problem) => {
                let advice = format!("write the complete list on one line, as in {example}");
                let hint = problem.hint.clone().unwrap_or(advice);
                reader.problems.push(problem.hint(hint));
                return Vec::new();
            }
        },
        _ => node,
    };
    if let Value::List(entries) = list.value {
        return entries;
    }
    let message = format!("`{variable}` is {}, not a list", list.value.type_name());
    reader.problems.push(Problem::hiding(&list.span, message).hint(format!("write {example}")));
    Vec::new()
}

/// Reads a mapping; `None` if there is a problem. It may be a text with JSON: Ansible evaluates only
/// Python literals, so JSON with `true` or `null` is still a text. `what` is its name in messages, and `example` is a hint
/// for a value of another type.
pub(super) fn mapping(reader: &mut VariableReader<'_>, node: &Node, what: &str, example: &str) -> Option<Node> {
    let parsed = match &node.value {
        _ if node.is_blank() => Err(empty_value(node, what)),
        Value::Str(text) if text.trim_start().starts_with('{') => yaml::parse_node(node),
        _ => Ok(node.clone()),
    };
    let problem = match parsed {
        Ok(node) if matches!(node.value, Value::Map(_)) => return Some(node),
        Ok(node) => Problem::hiding(&node.span, format!("{what} is {}, not a mapping", node.value.type_name()))
            .hint(format!("write {example}")),
        Err(problem) => problem,
    };
    reader.problems.push(problem);
    None
}

/// The value that a word names; `None` and a problem if it is another word. `what` is the name of the text in messages.
pub(super) fn choice<T: Copy>(
    reader: &mut VariableReader<'_>,
    text: &Text,
    what: &str,
    names: &[(&str, T)],
) -> Option<T> {
    let found = names.iter().find(|(name, _)| *name == text.text);
    if found.is_none() {
        let words: Vec<String> = names.iter().map(|(name, _)| format!("`{name}`")).collect();
        let fault = if quotable(&text.text).is_some() { "is unknown" } else { "has an unknown value" };
        let problem = problem_about(what, text, fault);
        reader.problems.push(problem.hint(format!("write one of {}", words.join(", "))));
    }
    found.map(|(_, value)| *value)
}

/// Splits the members of a mapping into those with a known key, and the keys of all others.
pub(super) fn known(node: &Node, keys: &[&'static str]) -> (Vec<(&'static str, Node)>, Vec<Node>) {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    let Value::Map(members) = &node.value else { return (known, unknown) };
    for (key, value) in members {
        match keys.iter().find(|known| **known == key.text) {
            Some(key) => known.push((*key, value.clone())),
            None => unknown.push(key.clone()),
        }
    }
    (known, unknown)
}

/// The problem about an unknown key of `owner`. A key that is not an identifier is not shown, because it may contain a
/// password: without its quotes, a mapping on a host line is read with keys such as `password:secret`.
pub(super) fn unknown_key(key: &Node, owner: &str, keys: &[&str]) -> Problem {
    if !key.text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Problem::hiding(&key.span, format!("unknown key in {owner}"))
            .code(codes::UNKNOWN_KEY)
            .hint("on a host line, unescaped quotes are removed: put the entire value in double quotes");
    }
    let problem = Problem::naming(&key.span, &key.text, format!("unknown key `{}` in {owner}", key.text))
        .code(codes::UNKNOWN_KEY);
    match nearest(&key.text, keys.iter().copied()) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem.hint(format!("the keys are {}", keys.join(", "))),
    }
}
