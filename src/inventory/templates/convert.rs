//! Values of variables as values of the engine, and back.

use std::sync::Arc;

use minijinja::Value;
use minijinja::value::ValueKind;

use super::bounds::{MAX_MEMBERS, MAX_NESTING};
use super::context::{Frame, Lazy};
use super::engine::Omit;
use super::fault::{Failure, carried, refused};
use super::render;
use super::scan::may_be_template;
use crate::inventory::model::{Node, Trust, Value as Plain};
use crate::inventory::problem::Problem;
use crate::inventory::source::Span;

/// Whether a value is what it is: no template in it, nothing to decrypt.
pub(super) fn is_settled(node: &Node) -> bool {
    node.trust == Trust::Literal
        || match &node.value {
            Plain::Str(text) => !may_be_template(text),
            Plain::Vault => false,
            Plain::List(items) => items.iter().all(is_settled),
            Plain::Map(members) => members.iter().all(|(_, value)| is_settled(value)),
            _ => true,
        }
}

/// A value in which there is nothing to resolve.
pub(super) fn settled(node: &Node) -> Result<Value, Failure> {
    Ok(match &node.value {
        Plain::List(items) => Value::from(items.iter().map(settled).collect::<Result<Vec<_>, _>>()?),
        Plain::Map(members) => {
            let member = |(name, value): &(Node, Node)| Ok((scalar(name), settled(value)?));
            Value::from_pairs(members.iter().map(member).collect::<Result<Vec<_>, _>>()?)
        }
        _ => scalar(node),
    })
}

/// A value without members; of the keys of a mapping all are: templates in keys are text, to Ansible as well.
pub(super) fn scalar(node: &Node) -> Value {
    match &node.value {
        Plain::Null => Value::from(()),
        Plain::Bool(value) => Value::from(*value),
        Plain::Int(value) => i64::try_from(*value).map_or_else(|_| Value::from(*value), Value::from),
        Plain::Float(value) => Value::from(*value),
        Plain::Str(text) => Value::from(text.as_str()),
        Plain::Vault | Plain::List(_) | Plain::Map(_) => Value::from(node.text.as_str()),
    }
}

/// The variable that a value of the engine would be, at `span`. Whatever a template gives is none itself.
pub(super) fn node(value: &Value, span: &Span) -> Result<Node, Failure> {
    below(value, span, 0, &mut { MAX_MEMBERS })
}

fn below(value: &Value, span: &Span, depth: usize, left: &mut usize) -> Result<Node, Failure> {
    let wrong = |message: &str| Failure::Wrong(Problem::hiding(span, message));
    if depth > MAX_NESTING {
        return Err(wrong("the value of this template is nested too deeply"));
    }
    *left = left.checked_sub(1).ok_or_else(|| wrong("this becomes too large"))?;
    if let Some(lazy) = value.downcast_object_ref::<Lazy>() {
        return lazy.frame.resolve(&lazy.node);
    }
    if value.downcast_object_ref::<Omit>().is_some() {
        return Err(Failure::Omitted(Problem::hiding(span, "`omit` has no meaning for a whole variable")));
    }
    let failed = |error: minijinja::Error| failure(&error, span);
    let value = &valid(value.clone()).map_err(failed)?;
    let plain = match value.kind() {
        ValueKind::Undefined => {
            return Err(Failure::Undefined(Problem::hiding(span, "something in this value is not defined")));
        }
        ValueKind::None => Plain::Null,
        ValueKind::Bool => Plain::Bool(value.is_true()),
        ValueKind::Number if value.is_integer() => {
            Plain::Int(i128::try_from(value.clone()).map_err(|_| wrong("this number is too large"))?)
        }
        ValueKind::Number => Plain::Float(f64::try_from(value.clone()).map_err(failed)?),
        ValueKind::String => Plain::Str(value.as_str().unwrap_or_default().to_owned()),
        ValueKind::Seq | ValueKind::Iterable => {
            let mut items = Vec::with_capacity(value.len().unwrap_or_default().min(1024));
            for item in value.try_iter().map_err(failed)?.checked() {
                match below(&item.map_err(failed)?, span, depth + 1, left) {
                    Err(Failure::Omitted(_)) => {}
                    item => items.push(item?),
                }
            }
            Plain::List(items)
        }
        ValueKind::Map => {
            let mut members = Vec::with_capacity(value.len().unwrap_or_default().min(1024));
            for key in value.try_iter().map_err(failed)?.checked() {
                let key = key.map_err(failed)?;
                let member = value.get_item(&key).map_err(failed)?;
                match below(&valid(member).map_err(failed)?, span, depth + 1, left) {
                    Err(Failure::Omitted(_)) => {}
                    member => members.push((below(&key, span, depth + 1, left)?, member?)),
                }
            }
            Plain::Map(members)
        }
        _ => return Err(wrong("the value of this template is nothing a variable can hold")),
    };
    let text = match &plain {
        Plain::List(_) | Plain::Map(_) => String::new(),
        Plain::Null => "null".to_owned(),
        _ => render::text(value).map_err(failed)?,
    };
    Ok(Node { trust: Trust::Literal, ..Node::new(plain, text, span.clone()) })
}

/// The value, or the error that it stands for.
pub(super) fn valid(value: Value) -> Result<Value, minijinja::Error> {
    if value.kind() != ValueKind::Invalid {
        return Ok(value);
    }
    let one = Value::from(vec![value]);
    let mut items = one.try_iter()?.checked();
    items.next().unwrap_or_else(|| Ok(Value::UNDEFINED))
}

/// What an error means that came up outside a template.
fn failure(error: &minijinja::Error, span: &Span) -> Failure {
    match (carried(error), refused(error)) {
        (Some(failure), _) => failure.clone().at(span),
        (None, Some(refusal)) => Failure::Wrong(Problem::hiding(span, refusal.message.clone())),
        (None, None) => Failure::Wrong(Problem::hiding(span, "this template has no result")),
    }
}

/// A list or mapping with templates in it.
pub(super) fn lazy(frame: &Arc<Frame>, node: &Node) -> Value {
    Value::from_object(Lazy { frame: Arc::clone(frame), node: Arc::new(node.clone()) })
}
