//! The fourth layer of templates. It resolves the variables of a host. It provides everything that a template can
//! access (the variables of the host, those that Ansible sets, and other hosts), runs the engine, and explains
//! failures.
//!
//! Resolving is recursive: a template uses variables, and their values may be templates. The engine requests a variable
//! through an [`Object`](minijinja::value::Object), so the recursion includes `evaluation`, `frame` and `resolve`.
//! `resolve` adds its methods to [`Frame`]. Therefore, the modules before it can call them without importing `resolve`.

mod engine; // the engine and the compiled texts of one inventory
mod environment; // what the engine provides to templates
mod evaluation; // one evaluation of one template
mod explain; // error -> problem with a place
mod frame; // one host, and the chain of variables being resolved
mod lazy; // lists and mappings whose members are resolved when they are used
mod lookups; // `lookup(…)` and other functions that need the host
mod magic; // variables that Ansible sets, `hostvars` among them
mod map_filters; // `map`, `select` and other filters that call filters
mod output; // values that become text
mod place; // ranges of a text -> places in a file
mod render; // runs one program
mod resolve; // variable -> value
mod resources; // the inventory, the engine, and the access to files and programs

use std::sync::Arc;

use crate::inventory::model::Inventory;
use crate::inventory::outside::Outside;

pub(super) use frame::{Frame, HostScope};
pub(in crate::inventory) use resources::Resources;

/// The resources of an inventory, with a new engine.
pub(in crate::inventory) fn new_resources(inventory: Inventory, outside: Arc<dyn Outside>) -> Resources {
    Resources::new(inventory, outside, environment::new_engine)
}
