//! Resolves the variables of a host, as Ansible does: each variable when it is used, and through the variables that it
//! uses. What is not supported is a problem with its place, never a wrong value.
//!
//! The code has four layers, and each imports only the layers before it:
//!
//! 1. `compile`: reads the text of a template once, and rewrites it for the template engine;
//! 2. `value`: values of the engine, their limits, and the errors that the engine passes on;
//! 3. `stdlib`: filters, tests and methods as pure functions;
//! 4. `eval`: resolves variables for a host, with everything that a template can use in Ansible.

mod compile;
mod eval;
mod stdlib;
mod value;

use std::sync::Arc;

use super::model::Node;
use super::problem::Problem;
use eval::{Frame, HostScope};
pub(super) use eval::{Resources, new_resources};
use value::errors::ResolveError;

pub use compile::may_be_template;

/// The variables of one host. Each is resolved when it is requested: a variable that is not used may contain an error.
#[derive(Clone)]
pub struct HostVars<'a> {
    resources: &'a Resources,
    scope: Arc<HostScope>,
}

impl<'a> HostVars<'a> {
    /// The variables of `host`. An unknown host has only those of `-e`.
    pub(super) fn new(resources: &'a Resources, host: &str) -> Self {
        Self { resources, scope: Arc::new(HostScope::new(resources, host)) }
    }

    /// The variable with its templates resolved; `None` if it is not set.
    ///
    /// # Errors
    /// A template in it, or in a variable that it uses, has no value; or an encrypted value cannot be decrypted.
    pub fn get(&self, name: &str) -> Result<Option<Node>, Problem> {
        Frame::root(Arc::clone(&self.scope)).variable(name).map_err(ResolveError::into_problem)
    }

    /// `node` with its templates resolved with the variables of this host.
    ///
    /// # Errors
    /// The same as [`get`](Self::get).
    pub fn resolve(&self, node: &Node) -> Result<Node, Problem> {
        Frame::root(Arc::clone(&self.scope)).resolve(node).map_err(ResolveError::into_problem)
    }

    /// The variable with its templates, as the user wrote it.
    pub fn raw(&self, name: &str) -> Option<&'a Node> {
        self.scope.raw(self.resources.inventory(), name)
    }

    /// The names of all variables of the host, some of them several times.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.scope.names(self.resources.inventory())
    }
}
