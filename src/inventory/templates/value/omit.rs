//! The value of Ansible's `omit`. The code that builds a list, a mapping or a text decides what to do with it.

use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Object, ObjectRepr};

/// A list item or mapping member with this value is left out.
#[derive(Debug)]
pub(in crate::inventory::templates) struct Omit;

impl Object for Omit {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

/// Whether the value is `omit`.
pub(in crate::inventory::templates) fn is_omit(value: &Value) -> bool {
    value.downcast_object_ref::<Omit>().is_some()
}
