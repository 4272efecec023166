//! Handles the marks `__ansible_unsafe` and `__ansible_vault`. `ansible-inventory --list` uses them for strings that
//! are not templates or that are encrypted. It does not parse text.

use super::model::{Node, Trust, Value};
use super::problem::Problem;

/// Replaces each mapping that represents a marked string with that string.
pub(super) fn restore_strings(node: Node) -> Result<Node, Problem> {
    let value = match node.value {
        Value::Map(members) => {
            // A mapping with a mark represents a string; its other members have no meaning.
            let marked = ["__ansible_type", "__ansible_unsafe", "__ansible_vault"]
                .into_iter()
                .find_map(|mark| members.iter().find(|(key, _)| key.text == mark).map(|(_, value)| (mark, value)));
            if let Some((mark, value)) = marked {
                return string(mark, value);
            }
            let restored = members.into_iter().map(|(key, value)| Ok((key, restore_strings(value)?)));
            Value::Map(restored.collect::<Result<_, Problem>>()?)
        }
        Value::List(items) => Value::List(items.into_iter().map(restore_strings).collect::<Result<_, _>>()?),
        other => other,
    };
    Ok(Node { value, ..node })
}

fn string(mark: &str, value: &Node) -> Result<Node, Problem> {
    let text = match &value.value {
        Value::Str(text) if mark != "__ansible_type" => text,
        _ if mark == "__ansible_type" => {
            return Err(Problem::hiding(&value.span, "a value with `__ansible_type` is not supported"));
        }
        _ => return Err(Problem::hiding(&value.span, format!("`{mark}` needs a string"))),
    };
    let string = Node::string(text, value.span.clone());
    Ok(if mark == "__ansible_vault" {
        Node { value: Value::Vault, ..string }
    } else {
        Node { trust: Trust::Literal, ..string }
    })
}
