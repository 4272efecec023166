//! Converts variables to values of the engine, and values of the engine to variables.

use minijinja::Value;
use minijinja::value::ValueKind;

use super::bounds::{MAX_MEMBERS, MAX_NESTING, TOO_LARGE};
use super::errors::{ResolveError, function_error, variable_error};
use super::omit::is_omit;
use super::python_str;
use crate::inventory::model::{Node, Trust, Value as Plain};
use crate::inventory::problem::Problem;
use crate::inventory::source::Span;
use crate::inventory::templates::compile::may_be_template;

/// The message for `omit` where there is nothing that could leave out the value.
pub(in crate::inventory::templates) const OMIT_OF_VARIABLE: &str = "`omit` has no effect as the value of a variable";

/// Whether a variable is final: it contains no template and no encrypted value.
pub(in crate::inventory::templates) fn is_final(node: &Node) -> bool {
    node.trust == Trust::Literal
        || match &node.value {
            Plain::Str(text) => !may_be_template(text),
            Plain::Vault => false,
            Plain::List(items) => items.iter().all(is_final),
            Plain::Map(members) => members.iter().all(|(_, value)| is_final(value)),
            _ => true,
        }
}

/// A final variable as a value of the engine.
pub(in crate::inventory::templates) fn from_final(node: &Node) -> Value {
    match &node.value {
        Plain::List(items) => Value::from(items.iter().map(from_final).collect::<Vec<_>>()),
        Plain::Map(members) => {
            Value::from_pairs(members.iter().map(|(name, value)| (from_scalar(name), from_final(value))))
        }
        _ => from_scalar(node),
    }
}

/// A scalar as a value of the engine. All keys of mappings are scalars: as in Ansible a template in a key is plain
/// text.
pub(in crate::inventory::templates) fn from_scalar(node: &Node) -> Value {
    match &node.value {
        Plain::Null => Value::from(()),
        Plain::Bool(value) => Value::from(*value),
        // The engine is faster with 64 bits.
        Plain::Int(value) => i64::try_from(*value).map_or_else(|_| Value::from(*value), Value::from),
        Plain::Float(value) => Value::from(*value),
        Plain::Str(text) => Value::from(text.as_str()),
        Plain::Vault | Plain::List(_) | Plain::Map(_) => Value::from(node.text.as_str()),
    }
}

/// Resolves a lazy value, which resolves its members only when they are used; `None` for all other values.
pub(in crate::inventory::templates) type ResolveLazy = fn(&Value) -> Option<Result<Node, ResolveError>>;

/// A value of the engine as a variable at `span`. The result of a template is never a template itself: it is text, even
/// if it contains `{{`.
pub(in crate::inventory::templates) fn to_node(
    value: &Value,
    span: &Span,
    resolve_lazy: ResolveLazy,
) -> Result<Node, ResolveError> {
    Converter { span, resolve_lazy, members_left: MAX_MEMBERS }.convert(value, 0)
}

struct Converter<'a> {
    span: &'a Span,
    resolve_lazy: ResolveLazy,
    members_left: usize,
}

impl Converter<'_> {
    fn convert(&mut self, value: &Value, depth: usize) -> Result<Node, ResolveError> {
        if depth > MAX_NESTING {
            return Err(self.invalid("the value of this template is nested too deeply"));
        }
        // The size is checked again: the value may be lazy, or come from a function of the engine.
        self.members_left = self.members_left.checked_sub(1).ok_or_else(|| self.invalid(TOO_LARGE))?;
        if let Some(resolved) = (self.resolve_lazy)(value) {
            return resolved;
        }
        if is_omit(value) {
            return Err(ResolveError::Omitted(Problem::hiding(self.span, OMIT_OF_VARIABLE)));
        }
        let failed = |error: minijinja::Error| resolve_error(&error, self.span);
        let value = &checked(value.clone()).map_err(failed)?;
        let plain = match value.kind() {
            ValueKind::Undefined => {
                return Err(ResolveError::Undefined(Problem::hiding(
                    self.span,
                    "something in this value is undefined",
                )));
            }
            ValueKind::None => Plain::Null,
            ValueKind::Bool => Plain::Bool(value.is_true()),
            ValueKind::Number if value.is_integer() => {
                Plain::Int(i128::try_from(value.clone()).map_err(|_| self.invalid("this number is too large"))?)
            }
            ValueKind::Number => Plain::Float(f64::try_from(value.clone()).map_err(failed)?),
            ValueKind::String => Plain::Str(value.as_str().unwrap_or_default().to_owned()),
            ValueKind::Seq | ValueKind::Iterable => Plain::List(self.convert_items(value, depth)?),
            ValueKind::Map => Plain::Map(self.convert_members(value, depth)?),
            _ => return Err(self.invalid("a variable cannot have the value of this template")),
        };
        let text = match &plain {
            Plain::List(_) | Plain::Map(_) => String::new(),
            Plain::Null => "null".to_owned(),
            // The user did not write this scalar, so its text is the one that Python would write.
            _ => python_str::text(value).map_err(failed)?,
        };
        Ok(Node { trust: Trust::Literal, ..Node::new(plain, text, self.span.clone()) })
    }

    fn convert_items(&mut self, list: &Value, depth: usize) -> Result<Vec<Node>, ResolveError> {
        let span = self.span;
        let failed = |error: minijinja::Error| resolve_error(&error, span);
        // The capacity is limited, because the length may be one that a hostile template computed.
        let mut items = Vec::with_capacity(list.len().unwrap_or_default().min(1024));
        for item in list.try_iter().map_err(failed)?.checked() {
            match self.convert(&item.map_err(failed)?, depth + 1) {
                Err(ResolveError::Omitted(_)) => {}
                item => items.push(item?),
            }
        }
        Ok(items)
    }

    fn convert_members(&mut self, mapping: &Value, depth: usize) -> Result<Vec<(Node, Node)>, ResolveError> {
        let span = self.span;
        let failed = |error: minijinja::Error| resolve_error(&error, span);
        let mut members = Vec::with_capacity(mapping.len().unwrap_or_default().min(1024));
        for key in mapping.try_iter().map_err(failed)?.checked() {
            let key = key.map_err(failed)?;
            let member = mapping.get_item(&key).map_err(failed)?;
            match self.convert(&checked(member).map_err(failed)?, depth + 1) {
                Err(ResolveError::Omitted(_)) => {}
                member => members.push((self.convert(&key, depth + 1)?, member?)),
            }
        }
        Ok(members)
    }

    fn invalid(&self, message: &str) -> ResolveError {
        ResolveError::Invalid(Problem::hiding(self.span, message))
    }
}

/// Returns the value, or the error that an invalid value contains. A lookup in the engine cannot return an error, so it
/// returns an invalid value instead. Only iterating over that value reports the error.
pub(in crate::inventory::templates) fn checked(value: Value) -> Result<Value, minijinja::Error> {
    if value.kind() != ValueKind::Invalid {
        return Ok(value);
    }
    let list = Value::from(vec![value]);
    let mut items = list.try_iter()?.checked();
    items.next().unwrap_or_else(|| Ok(Value::UNDEFINED))
}

/// Converts an error that occurred while the result of a template was read.
fn resolve_error(error: &minijinja::Error, span: &Span) -> ResolveError {
    match (variable_error(error), function_error(error)) {
        (Some(error), _) => error.clone().at(span),
        (None, Some(error)) => ResolveError::Invalid(Problem::hiding(span, error.message.clone())),
        (None, None) => ResolveError::Invalid(Problem::hiding(span, "this template has no result")),
    }
}
