//! Lists and mappings that resolve a member only when a template uses it. As in Ansible, a member that no template uses
//! may contain an error. Also contains the functions that must handle such values differently.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr};
use minijinja::{Error, Value};

use super::frame::Frame;
use super::magic::{AllHosts, HostVariables};
use crate::inventory::model::{Node, Value as Plain};
use crate::inventory::source::Span;
use crate::inventory::templates::value::bounds;
use crate::inventory::templates::value::convert::{from_scalar, to_node};
use crate::inventory::templates::value::errors::{ResolveError, lookup_result};

/// A list or mapping that contains templates.
struct LazyCollection {
    frame: Arc<Frame>,
    node: Arc<Node>,
}

impl LazyCollection {
    fn member(&self, node: &Node) -> Option<Value> {
        lookup_result(self.frame.value_of(node).map(Some))
    }
}

impl Object for LazyCollection {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        if matches!(self.node.value, Plain::List(_)) { ObjectRepr::Seq } else { ObjectRepr::Map }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match &self.node.value {
            Plain::List(items) => self.member(items.get(key.as_usize()?)?),
            Plain::Map(members) => {
                let (_, node) = members.iter().find(|(name, _)| from_scalar(name) == *key)?;
                self.member(node)
            }
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match &self.node.value {
            Plain::List(items) => Enumerator::Seq(items.len()),
            Plain::Map(members) => Enumerator::Values(members.iter().map(|(name, _)| from_scalar(name)).collect()),
            _ => Enumerator::Empty,
        }
    }
}

// The engine requires `Debug`. The values may be passwords, so only the type is shown.
impl std::fmt::Debug for LazyCollection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<LazyCollection>")
    }
}

/// A list or mapping with templates in it, as a value of the engine.
pub(super) fn lazy_collection(frame: &Arc<Frame>, node: &Node) -> Value {
    Value::from_object(LazyCollection { frame: Arc::clone(frame), node: Arc::new(node.clone()) })
}

/// Returns an error if a value is too large. Lazy values are not counted: their members are checked when they are used.
pub(super) fn check_size(value: &Value) -> Result<(), Error> {
    bounds::check_size(value, is_lazy)
}

fn is_lazy(value: &Value) -> bool {
    value.downcast_object_ref::<LazyCollection>().is_some()
        || value.downcast_object_ref::<HostVariables>().is_some()
        || value.downcast_object_ref::<AllHosts>().is_some()
}

/// The value of a template as a variable at `span`.
pub(super) fn value_to_node(value: &Value, span: &Span) -> Result<Node, ResolveError> {
    to_node(value, span, resolve_lazy)
}

/// Resolves a lazy list or mapping as a variable. This keeps the places and texts of its members, which would be lost
/// if they were converted to values of the engine.
fn resolve_lazy(value: &Value) -> Option<Result<Node, ResolveError>> {
    let lazy = value.downcast_object_ref::<LazyCollection>()?;
    Some(lazy.frame.resolve(&lazy.node))
}
