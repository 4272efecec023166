//! Parses Ansible's TOML inventories: tables of groups with `hosts`, `vars` and `children`. Reads no file.

use std::sync::Arc;

use ::toml::de::{DeTable, DeValue};

use super::assemble::Draft;
use super::model::{Node, Value};
use super::problem::Problem;
use super::source::{Source, Span};
use super::yaml::groups;

/// Adds a TOML inventory, and its problems, to the draft.
pub(super) fn read(source: &Arc<Source>, draft: &mut Draft) {
    // `DeTable` keeps the place of each value, which deserializing into plain types would lose.
    let parsed = DeTable::parse(source.text()).map_err(|error| {
        let place = error.span().unwrap_or_default();
        Problem::hiding(&Span::new(source, place.start, place.end), format!("this is not TOML: {}", error.message()))
    });
    let root = parsed.and_then(|root| table(source, root.get_ref()));
    match root {
        Ok(tables) if tables.is_empty() => {
            let place = Span::new(source, 0, 0);
            draft.problems.push(Problem::hiding(&place, "the inventory is empty"));
        }
        Ok(tables) => add_groups(tables, draft),
        Err(problem) => draft.problems.push(problem),
    }
}

fn add_groups(tables: Vec<(Node, Node)>, draft: &mut Draft) {
    if let Some((_, plugin)) = tables.iter().find(|(key, _)| key.text == "plugin") {
        return draft.problems.push(Problem::hiding(&plugin.span, "inventory plugins are not supported"));
    }
    for (name, content) in tables {
        match as_yaml_group(&name, content) {
            Ok(content) => _ = groups::group(&name, &content, draft),
            Err(problem) => draft.problems.push(problem),
        }
    }
}

/// Converts a group to the structure of YAML inventories, where `children` is a mapping instead of a list.
fn as_yaml_group(group: &Node, content: Node) -> Result<Node, Problem> {
    let Value::Map(mut sections) = content.value else { return Ok(content) };
    for (section, value) in &mut sections {
        let wrong = |wanted: &str, value: &Node| {
            let kind = value.value.type_name();
            let message = format!("`{}` of group `{}` must be {wanted}, not {kind}", section.text, group.text);
            Problem::hiding(&value.span, message)
        };
        match (section.text.as_str(), &mut value.value) {
            ("children", Value::List(names)) => {
                let child = |name: Node| {
                    let nothing = Node::new(Value::Null, "", name.span.clone());
                    (name, nothing)
                };
                value.value = Value::Map(std::mem::take(names).into_iter().map(child).collect());
            }
            ("children", _) => return Err(wrong("a list", value)),
            ("hosts" | "vars", Value::Map(_)) => {}
            ("hosts" | "vars", _) => return Err(wrong("a table", value)),
            // `groups::group` reports unknown keys.
            _ => {}
        }
    }
    Ok(Node { value: Value::Map(sections), ..content })
}

fn table(source: &Arc<Source>, table: &DeTable<'_>) -> Result<Vec<(Node, Node)>, Problem> {
    let member = |(key, value): (&::toml::Spanned<_>, &::toml::Spanned<DeValue<'_>>)| {
        let name: &std::borrow::Cow<'_, str> = key.get_ref();
        Ok((Node::string(name.as_ref(), span(source, key.span())), node(source, value)?))
    };
    table.iter().map(member).collect()
}

fn node(source: &Arc<Source>, value: &::toml::Spanned<DeValue<'_>>) -> Result<Node, Problem> {
    let place = span(source, value.span());
    let written = source.text().get(place.start..place.end).unwrap_or_default();
    let typed = match value.get_ref() {
        DeValue::String(text) => return Ok(Node::string(text.as_ref(), place)),
        DeValue::Boolean(value) => Value::Bool(*value),
        // Integers may be written with another base, such as `0xff`.
        DeValue::Integer(number) => Value::Int(
            i128::from_str_radix(number.as_str(), number.radix())
                .map_err(|_| Problem::hiding(&place, "this number is too large"))?,
        ),
        DeValue::Float(number) => {
            Value::Float(number.as_str().parse().map_err(|_| Problem::hiding(&place, "this number cannot be read"))?)
        }
        DeValue::Datetime(_) => {
            return Err(Problem::hiding(&place, "dates are not supported").hint("put the date in quotes"));
        }
        DeValue::Array(items) => {
            let items = items.iter().map(|item| node(source, item)).collect::<Result<_, _>>()?;
            return Ok(Node::new(Value::List(items), "", place));
        }
        DeValue::Table(members) => return Ok(Node::new(Value::Map(table(source, members)?), "", place)),
    };
    Ok(Node::new(typed, written, place))
}

fn span(source: &Arc<Source>, bytes: std::ops::Range<usize>) -> Span {
    Span::new(source, bytes.start, bytes.end)
}
