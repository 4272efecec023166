//! Where a template is resolved: for which host, and as part of which other variables. The variables that are being
//! resolved form a chain of frames, which detects a variable that uses itself and limits how much work one value can
//! cause.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::engine::Engine;
use super::resources::Resources;
use crate::inventory::model::{Host, Inventory, Node};
use crate::inventory::precedence::{self, Layer};
use crate::inventory::problem::Problem;
use crate::inventory::templates::value::errors::ResolveError;

/// The maximum number of variables in a chain in which each variable uses the next one. A longer chain could overflow
/// the stack of a thread.
const MAX_DEPTH: usize = 40;
/// The maximum number of variable uses for one value; repeated uses are counted. The limit stops `a: "{{ b }}{{ b }}"`,
/// `b: "{{ c }}{{ c }}"` …, where each step doubles the work.
const MAX_USES: usize = 50_000;

/// A variable that is being resolved for a host. The first frame of a chain has an empty name.
pub(in crate::inventory::templates) struct Frame {
    scope: Arc<HostScope>,
    name: String,
    parent: Option<Arc<Frame>>,
    depth: usize,
    /// The number of variables that the chain has used.
    uses: Arc<AtomicUsize>,
}

/// The variables of one host. An unknown host has only the variables of `-e`.
pub(in crate::inventory::templates) struct HostScope {
    pub resources: Resources,
    /// The position of the host in the inventory.
    position: Option<usize>,
    /// The sources of variables, the strongest first.
    layers: Vec<Layer>,
}

impl HostScope {
    pub fn new(resources: &Resources, host: &str) -> Self {
        let inventory = resources.inventory();
        let position = inventory.hosts.get_index_of(host);
        Self { position, layers: precedence::layers(inventory, host), resources: resources.clone() }
    }

    pub fn inventory(&self) -> &Inventory {
        self.resources.inventory()
    }

    /// The host; `None` if the inventory does not have it.
    pub fn host(&self) -> Option<&Host> {
        self.inventory().hosts.get_index(self.position?).map(|(_, host)| host)
    }

    /// The variable with its templates, by Ansible's precedence. `inventory` must be that of the resources.
    pub fn raw<'a>(&self, inventory: &'a Inventory, name: &str) -> Option<&'a Node> {
        self.layers.iter().find_map(|layer| layer.vars(inventory)?.get(name))
    }

    /// The names of all variables, some of them several times.
    pub fn names<'a>(&self, inventory: &'a Inventory) -> impl Iterator<Item = &'a str> {
        let layers = self.layers.iter().filter_map(|layer| layer.vars(inventory));
        layers.flat_map(|vars| vars.keys().map(String::as_str))
    }
}

impl Frame {
    /// The first frame of a chain.
    pub fn root(scope: Arc<HostScope>) -> Arc<Self> {
        // Each requested variable has a separate counter, so that the limit does not depend on what was resolved
        // before.
        let uses = Arc::new(AtomicUsize::new(0));
        Arc::new(Self { scope, name: String::new(), parent: None, depth: 0, uses })
    }

    pub fn scope(&self) -> &HostScope {
        &self.scope
    }

    pub(super) fn engine(&self) -> &Engine {
        self.scope.resources.engine()
    }

    /// The frame in which the variable `name` is resolved.
    pub(super) fn enter(self: &Arc<Self>, name: &str, raw: &Node) -> Result<Arc<Self>, ResolveError> {
        let invalid = |message: String| ResolveError::Invalid(Problem::hiding(&raw.span, message));
        // The variable with the same name on another host (`hostvars[…].x` in `x`) is a different variable, so this is
        // not a cycle.
        if self.chain().any(|frame| frame.name == name && frame.scope.position == self.scope.position) {
            return Err(invalid(format!("variable `{name}` uses itself: {} → `{name}`", self.path())));
        }
        if self.depth == MAX_DEPTH {
            return Err(invalid(format!(
                "variable `{name}` is at the end of a chain of more than {MAX_DEPTH} variables"
            )));
        }
        if self.uses.fetch_add(1, Ordering::Relaxed) > MAX_USES {
            return Err(invalid(format!("variable `{name}` is part of a value that uses too many variables")));
        }
        Ok(Arc::new(Self {
            scope: Arc::clone(&self.scope),
            name: name.to_owned(),
            parent: Some(Arc::clone(self)),
            depth: self.depth + 1,
            uses: Arc::clone(&self.uses),
        }))
    }

    /// A frame of the same chain for another host (`hostvars`).
    pub(super) fn for_host(self: &Arc<Self>, host: &str) -> Arc<Self> {
        Arc::new(Self {
            scope: Arc::new(HostScope::new(&self.scope.resources, host)),
            // The empty name marks the change to another host. `is_through_hostvars` searches for it.
            name: String::new(),
            parent: Some(Arc::clone(self)),
            // The host itself is not a variable, so the depth stays the same.
            depth: self.depth,
            uses: Arc::clone(&self.uses),
        })
    }

    /// Whether the chain contains an access to another host through `hostvars`.
    pub(super) fn is_through_hostvars(&self) -> bool {
        self.chain().any(|frame| frame.parent.is_some() && frame.name.is_empty())
    }

    fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |frame| frame.parent.as_deref())
    }

    /// The names of the chain, for messages.
    fn path(&self) -> String {
        let mut names: Vec<String> =
            self.chain().filter(|frame| !frame.name.is_empty()).map(|frame| format!("`{}`", frame.name)).collect();
        names.reverse();
        names.join(" → ")
    }
}
