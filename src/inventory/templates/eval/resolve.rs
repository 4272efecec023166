//! Resolves variables: replaces templates and encrypted values with their values. All functions are methods of
//! [`Frame`], so that the objects from which the engine requests variables can call them.

use std::sync::Arc;

use minijinja::Value as EngineValue;

use super::explain::undefined_variable;
use super::frame::Frame;
use super::lazy::{lazy_collection, value_to_node};
use super::magic::{default_value, inventory_path, is_magic, magic_value};
use super::place::place;
use super::render::render;
use crate::inventory::model::{Node, Trust, Value};
use crate::inventory::problem::Problem;
use crate::inventory::source::Span;
use crate::inventory::templates::compile::{Form, Piece};
use crate::inventory::templates::value::bounds::{MAX_TEXT, TOO_LARGE};
use crate::inventory::templates::value::convert::{OMIT_OF_VARIABLE, from_final, is_final};
use crate::inventory::templates::value::errors::ResolveError;
use crate::inventory::templates::value::python_str;

/// The value of a text: a variable that is used as it is, or a value of the engine.
enum TextValue {
    Node(Node),
    Engine(EngineValue),
}

impl Frame {
    /// The variable with its templates resolved; `None` if it is not set.
    pub fn variable(self: &Arc<Self>, name: &str) -> Result<Option<Node>, ResolveError> {
        if is_magic(name) {
            let span = self.scope().host().map(|host| host.span.clone());
            return match (magic_value(self, name), span) {
                // No source contains these variables, so their place is that of the host.
                (Some(value), Some(span)) => value_to_node(&value, &span).map(Some),
                _ => Ok(None),
            };
        }
        let Some(raw) = self.scope().raw(self.scope().inventory(), name) else { return Ok(inventory_path(self, name)) };
        if is_final(raw) {
            return Ok(Some(raw.clone()));
        }
        self.enter(name, raw)?.resolve(raw).map(Some)
    }

    /// The same for a template, which also sees variables that Ansible sets unless the inventory does.
    fn variable_in_template(self: &Arc<Self>, name: &str) -> Result<Option<Node>, ResolveError> {
        self.variable(name)?.map_or_else(|| default_value(self, name), |node| Ok(Some(node)))
    }

    /// The variable as a value of the engine; `None` if it is not set.
    pub(super) fn value(self: &Arc<Self>, name: &str) -> Result<Option<EngineValue>, ResolveError> {
        if let Some(value) = magic_value(self, name) {
            return Ok(Some(value));
        }
        let Some(raw) = self.scope().raw(self.scope().inventory(), name) else {
            return Ok(default_value(self, name)?.map(|node| EngineValue::from(node.text)));
        };
        if is_final(raw) {
            return Ok(Some(from_final(raw)));
        }
        self.enter(name, raw)?.value_of(raw).map(Some)
    }

    /// `node` with its templates resolved.
    pub fn resolve(self: &Arc<Self>, node: &Node) -> Result<Node, ResolveError> {
        if is_final(node) {
            return Ok(node.clone());
        }
        let value = match &node.value {
            Value::Str(text) => {
                return match self.resolve_text(node, text)? {
                    TextValue::Node(node) => Ok(node),
                    TextValue::Engine(value) => value_to_node(&value, &node.span),
                };
            }
            Value::Vault => return self.decrypt(node),
            // A variable is requested with everything in it, so all members are resolved.
            Value::List(items) => {
                let items = items.iter().map(|item| unless_omitted(self.resolve(item)));
                Value::List(items.filter_map(Result::transpose).collect::<Result<_, _>>()?)
            }
            Value::Map(members) => {
                let member = |(key, value): &(Node, Node)| {
                    Ok(unless_omitted(self.resolve(value))?.map(|value| (key.clone(), value)))
                };
                Value::Map(members.iter().map(member).filter_map(Result::transpose).collect::<Result<_, _>>()?)
            }
            _ => return Ok(node.clone()),
        };
        Ok(Node { value, ..node.clone() })
    }

    /// `node` as a value of the engine.
    pub(super) fn value_of(self: &Arc<Self>, node: &Node) -> Result<EngineValue, ResolveError> {
        if is_final(node) {
            return Ok(from_final(node));
        }
        match &node.value {
            Value::Str(text) => match self.resolve_text(node, text)? {
                TextValue::Node(node) => Ok(from_final(&node)),
                TextValue::Engine(value) => Ok(value),
            },
            Value::Vault => Ok(from_final(&self.decrypt(node)?)),
            _ => Ok(lazy_collection(self, node)),
        }
    }

    fn decrypt(&self, node: &Node) -> Result<Node, ResolveError> {
        let text = self.scope().resources.outside().decrypt(&node.text).map_err(|error| {
            let problem = Problem::hiding(&node.span, format!("cannot decrypt this value: {error}"));
            ResolveError::Invalid(error.add_hint(problem))
        })?;
        // As in Ansible a decrypted text is never a template.
        Ok(Node { trust: Trust::Literal, ..Node::string(text, node.span.clone()) })
    }

    /// The value of a text. A text that is a single template has the value of that template, with its type.
    fn resolve_text(self: &Arc<Self>, node: &Node, text: &str) -> Result<TextValue, ResolveError> {
        let compiled = self.engine().compiled(text);
        let value = match &compiled.form {
            Form::Text => TextValue::Node(node.clone()),
            Form::Invalid(invalid) => {
                let problem = Problem::hiding(&place(node, text, invalid.at.clone()), invalid.message.clone());
                return Err(ResolveError::Invalid(
                    invalid.hint.iter().fold(problem, |problem, hint| problem.hint(hint)),
                ));
            }
            Form::Pieces(pieces) => match pieces.as_slice() {
                // A single name keeps the type, the text and the place of the variable.
                [Piece::Name(name, at)] => {
                    TextValue::Node(self.defined_variable(name, &place(node, text, at.clone()))?)
                }
                _ => TextValue::Engine(self.insert_variables(node, text, pieces)?.into()),
            },
            Form::Program(program) => TextValue::Engine(render(self, node, text, program)?),
        };
        Ok(restore_line_breaks(value, compiled.line_breaks))
    }

    /// The pieces as one text, with the text of each variable instead of its name.
    fn insert_variables(self: &Arc<Self>, node: &Node, text: &str, pieces: &[Piece]) -> Result<String, ResolveError> {
        let mut result = String::with_capacity(text.len());
        for piece in pieces {
            match piece {
                Piece::Plain(plain) => result.push_str(plain),
                Piece::Name(name, at) => {
                    let place = place(node, text, at.clone());
                    let variable = self.defined_variable(name, &place)?;
                    match &variable.value {
                        // Ansible inserts nothing for null.
                        Value::Null => {}
                        Value::List(_) | Value::Map(_) => {
                            let invalid = |_| {
                                let message = format!("`{name}` cannot be part of a text");
                                ResolveError::Invalid(Problem::naming(&place, name, message))
                            };
                            result.push_str(&python_str::text(&from_final(&variable)).map_err(invalid)?);
                        }
                        // The text of a number is the one that the user wrote.
                        _ => result.push_str(&variable.text),
                    }
                    // In a chain of variables, each step can double the text.
                    if result.len() > MAX_TEXT {
                        return Err(ResolveError::Invalid(Problem::hiding(&place, TOO_LARGE)));
                    }
                }
            }
        }
        Ok(result)
    }

    /// A variable that the text at `place` uses. It is an error if it is undefined.
    fn defined_variable(self: &Arc<Self>, name: &str, place: &Span) -> Result<Node, ResolveError> {
        if name == "omit" {
            return Err(ResolveError::Omitted(Problem::hiding(place, OMIT_OF_VARIABLE)));
        }
        let variable = self.variable_in_template(name).map_err(|error| error.at(place))?;
        variable.ok_or_else(|| ResolveError::Undefined(undefined_variable(place, name, self)))
    }
}

/// The value; `None` if it is `omit`.
fn unless_omitted(result: Result<Node, ResolveError>) -> Result<Option<Node>, ResolveError> {
    match result {
        Err(ResolveError::Omitted(_)) => Ok(None),
        result => result.map(Some),
    }
}

/// Adds line breaks to a text until it ends with as many as its template had: Jinja removes the last one, and Ansible
/// puts it back.
fn restore_line_breaks(value: TextValue, wanted: usize) -> TextValue {
    let missing = |text: &str| wanted.saturating_sub(text.len() - text.trim_end_matches('\n').len());
    match value {
        TextValue::Node(mut node) if wanted > 0 => {
            if let Value::Str(text) = &mut node.value {
                let line_breaks = "\n".repeat(missing(text));
                text.push_str(&line_breaks);
                node.text.push_str(&line_breaks);
            }
            TextValue::Node(node)
        }
        TextValue::Engine(value) if wanted > 0 => match value.as_str() {
            Some(text) => TextValue::Engine(format!("{text}{}", "\n".repeat(missing(text))).into()),
            None => TextValue::Engine(value),
        },
        value => value,
    }
}
