//! What a template sees: the variables of a host, each resolved when it is asked for, and what Ansible
//! adds to them (`hostvars`, `groups`, …).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::value::{Enumerator, Object, ObjectRepr};
use minijinja::{State, Value};

use super::convert;
use super::engine::Engine;
use super::fault::{Failure, carry};
use crate::inventory::model::{Host, Inventory, Node, Value as Plain};
use crate::inventory::precedence::{self, Layer};
use crate::inventory::problem::Problem;
use crate::inventory::variables::Variables;

/// Variables within variables; deeper ones would need more stack than a thread has.
const MAX_DEPTH: usize = 40;
/// Variables that one value may ask for, each time counted: `a: "{{ b }}{{ b }}"` doubles at each step.
const MAX_LOOKUPS: usize = 50_000;
/// The name under which filters and functions find the [`Run`]; nobody can write it.
const RUN: &str = "\0run";

/// Whose variables are resolved, and on the way to which variable: the open ones are a chain of frames.
pub(super) struct Frame {
    host: Arc<Owner>,
    name: String,
    above: Option<Arc<Frame>>,
    depth: usize,
    lookups: Arc<AtomicUsize>,
}

/// A host, with the variables of all hosts. Of an unknown host there are those of `-e` alone.
pub(super) struct Owner {
    pub variables: Variables,
    at: Option<usize>,
    /// The strongest first.
    layers: Vec<Layer>,
}

impl Owner {
    pub fn new(variables: &Variables, host: &str) -> Self {
        let inventory = variables.inventory();
        let at = inventory.hosts.get_index_of(host);
        Self { at, layers: precedence::layers(inventory, host), variables: variables.clone() }
    }

    fn inventory(&self) -> &Inventory {
        self.variables.inventory()
    }

    fn host(&self) -> Option<&Host> {
        self.inventory().hosts.get_index(self.at?).map(|(_, host)| host)
    }

    /// The variable as it was written, by precedence. The inventory is that of the variables.
    pub fn raw<'a>(&self, inventory: &'a Inventory, name: &str) -> Option<&'a Node> {
        self.layers.iter().find_map(|layer| layer.vars(inventory)?.get(name))
    }

    /// The names of all variables; a name may come twice.
    pub fn names<'a>(&self, inventory: &'a Inventory) -> impl Iterator<Item = &'a str> {
        let layers = self.layers.iter().filter_map(|layer| layer.vars(inventory));
        layers.flat_map(|vars| vars.keys().map(String::as_str))
    }
}

/// The variables that Ansible sets itself, which win over all others.
const MAGIC: [&str; 6] =
    ["inventory_hostname", "inventory_hostname_short", "group_names", "groups", "hostvars", "vars"];

/// The variables that Ansible sets when it runs, unless the inventory does. They are not undefined to it.
const AT_RUN: [&str; 18] = [
    "ansible_check_mode",
    "ansible_config_file",
    "ansible_diff_mode",
    "ansible_facts",
    "ansible_forks",
    "ansible_inventory_sources",
    "ansible_limit",
    "ansible_play_batch",
    "ansible_play_hosts",
    "ansible_playbook_python",
    "ansible_run_tags",
    "ansible_skip_tags",
    "ansible_verbosity",
    "ansible_version",
    "environment",
    "play_hosts",
    "playbook_dir",
    "role_path",
];

/// Hosts that Ansible makes up when a template asks for them.
const IMPLICIT: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

impl Frame {
    /// The start of a chain.
    pub fn root(host: Arc<Owner>) -> Arc<Self> {
        let lookups = Arc::new(AtomicUsize::new(0));
        Arc::new(Self { host, name: String::new(), above: None, depth: 0, lookups })
    }

    pub fn owner(&self) -> &Owner {
        &self.host
    }

    pub fn engine(&self) -> &Engine {
        self.host.variables.engine()
    }

    /// The names that a template may use.
    pub fn known_names(&self) -> impl Iterator<Item = &str> {
        self.host.names(self.host.inventory()).chain(MAGIC)
    }

    /// The variable with its templates resolved.
    pub fn node(self: &Arc<Self>, name: &str) -> Result<Option<Node>, Failure> {
        if MAGIC.contains(&name) {
            let span = self.host.host().map(|host| host.span.clone());
            return match (self.magic(name), span) {
                (Some(value), Some(span)) => convert::node(&value, &span).map(Some),
                _ => Ok(None),
            };
        }
        let Some(raw) = self.host.raw(self.host.inventory(), name) else { return Ok(self.origin(name)) };
        if convert::is_settled(raw) {
            return Ok(Some(raw.clone()));
        }
        self.open(name, raw)?.resolve(raw).map(Some)
    }

    /// The variable with its templates resolved, for a template: that sees more than there is to ask for outside.
    pub fn asked(self: &Arc<Self>, name: &str) -> Result<Option<Node>, Failure> {
        self.node(name)?.map_or_else(|| self.given(name), |node| Ok(Some(node)))
    }

    /// The variable as a template uses it.
    pub fn value(self: &Arc<Self>, name: &str) -> Result<Option<Value>, Failure> {
        if let Some(value) = self.magic(name) {
            return Ok(Some(value));
        }
        let Some(raw) = self.host.raw(self.host.inventory(), name) else {
            return Ok(self.given(name)?.map(|node| Value::from(node.text)));
        };
        if convert::is_settled(raw) {
            return convert::settled(raw).map(Some);
        }
        self.open(name, raw)?.value_of(raw).map(Some)
    }

    /// The frame below this one, in which the variable is resolved.
    fn open(self: &Arc<Self>, name: &str, raw: &Node) -> Result<Arc<Self>, Failure> {
        if self.chain().any(|frame| frame.name == name && frame.host.at == self.host.at) {
            let message = format!("variable `{name}` is made of itself: {} → `{name}`", self.ways());
            return Err(Failure::Wrong(Problem::hiding(&raw.span, message)));
        }
        let refused = |message: String| Failure::Wrong(Problem::hiding(&raw.span, message));
        if self.depth == MAX_DEPTH {
            return Err(refused(format!("variable `{name}` is made of more than {MAX_DEPTH} others in a row")));
        }
        if self.lookups.fetch_add(1, Ordering::Relaxed) > MAX_LOOKUPS {
            return Err(refused(format!("variable `{name}` is one of too many that this value is made of")));
        }
        Ok(Arc::new(Self {
            host: Arc::clone(&self.host),
            name: name.to_owned(),
            above: Some(Arc::clone(self)),
            depth: self.depth + 1,
            lookups: Arc::clone(&self.lookups),
        }))
    }

    /// The same chain, with the variables of another host.
    fn of_host(self: &Arc<Self>, host: &str) -> Arc<Self> {
        Arc::new(Self {
            host: Arc::new(Owner::new(&self.host.variables, host)),
            name: String::new(),
            above: Some(Arc::clone(self)),
            depth: self.depth,
            lookups: Arc::clone(&self.lookups),
        })
    }

    fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |frame| frame.above.as_deref())
    }

    /// The chain of variables that led here.
    fn ways(&self) -> String {
        let mut names: Vec<String> =
            self.chain().filter(|frame| !frame.name.is_empty()).map(|frame| format!("`{}`", frame.name)).collect();
        names.reverse();
        names.join(" → ")
    }

    /// Where the host comes from: what Ansible sets unless the inventory does.
    fn origin(&self, name: &str) -> Option<Node> {
        let span = &self.host.host()?.span;
        let text = match name {
            "inventory_file" => span.source.origin().file.as_deref(),
            "inventory_dir" => span.source.origin().folder.as_deref(),
            _ => None,
        };
        text.map(|text| Node::string(text, span.clone()))
    }

    /// What Ansible sets unless the inventory does.
    fn given(&self, name: &str) -> Result<Option<Node>, Failure> {
        if AT_RUN.contains(&name) {
            let problem = Problem::new(format!("`{name}` is set by Ansible when it runs, and not known here"));
            return Err(Failure::Unplaced(problem.hint("set it in the inventory")));
        }
        // A connection has an address; what `hostvars` shows does not.
        let connected = self.chain().all(|frame| frame.above.is_none() || !frame.name.is_empty());
        match self.host.host().filter(|_| name == "ansible_host" && connected) {
            Some(host) => Ok(Some(Node::string(host.name.as_str(), host.span.clone()))),
            None => Ok(self.origin(name)),
        }
    }

    fn magic(self: &Arc<Self>, name: &str) -> Option<Value> {
        match name {
            "inventory_hostname" => Some(Value::from(self.host.host()?.name.as_str())),
            "inventory_hostname_short" => Some(Value::from(short(&self.host.host()?.name))),
            "group_names" => {
                let host = self.host.host()?;
                let mut names = self.host.inventory().groups_of(&host.name);
                names.retain(|name| *name != "all");
                names.sort_unstable();
                Some(names.into_iter().collect())
            }
            "groups" => Some(self.engine().groups(self.host.inventory())),
            "hostvars" => Some(Value::from_object(AllHosts(Arc::clone(self)))),
            "vars" => Some(Value::from_object(HostObject(Arc::clone(self)))),
            _ => None,
        }
    }
}

/// The name up to its first dot; an address has no short form.
fn short(name: &str) -> &str {
    let is_address = name.parse::<std::net::IpAddr>().is_ok();
    if is_address { name } else { name.split('.').next().unwrap_or_default() }
}

/// What a failed or undefined variable is inside a template.
pub(super) fn value_or_error(result: Result<Option<Value>, Failure>) -> Option<Value> {
    match result {
        Ok(value) => value,
        Err(Failure::Undefined(_)) => Some(Value::UNDEFINED),
        Err(failure) => Some(Value::from(carry(failure))),
    }
}

/// One evaluation of a template: the root of its context.
pub(super) struct Run {
    pub frame: Arc<Frame>,
    /// Whether the one value it emits is its result.
    pub single: bool,
    notes: Mutex<Notes>,
}

/// What happened during a [`Run`].
#[derive(Default)]
pub(super) struct Notes {
    /// What was asked for and is not defined, with the reason where it is another variable's.
    pub missing: Vec<(String, Option<Problem>)>,
    /// How many values were emitted, and the first of them.
    pub emitted: usize,
    pub first: Option<Value>,
    /// How many bytes were emitted.
    pub written: usize,
}

impl Run {
    pub fn new(frame: Arc<Frame>, single: bool) -> Arc<Self> {
        Arc::new(Self { frame, single, notes: Mutex::default() })
    }

    /// The run that a filter or function is part of.
    pub fn of(state: &State<'_, '_>) -> Option<Arc<Self>> {
        state.lookup(RUN)?.downcast_object::<Self>()
    }

    pub fn note<T>(&self, with: impl FnOnce(&mut Notes) -> T) -> T {
        with(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A variable as the template sees it; notes what is not defined.
    fn lookup(&self, name: &str) -> Option<Value> {
        let result = self.frame.value(name);
        match &result {
            Ok(None) => self.note(|notes| notes.missing.push((name.to_owned(), None))),
            Err(Failure::Undefined(problem)) => {
                self.note(|notes| notes.missing.push((name.to_owned(), Some(problem.clone()))));
            }
            _ => {}
        }
        value_or_error(result)
    }
}

impl Object for Run {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        if name == RUN { Some(Value::from_dyn_object(Arc::clone(self))) } else { self.lookup(name) }
    }
}

/// `hostvars`.
struct AllHosts(Arc<Frame>);

impl Object for AllHosts {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        if !self.0.host.inventory().hosts.contains_key(name) {
            let implicit = IMPLICIT.into_iter().find(|implicit| *implicit == name)?;
            let problem = Problem::new(format!("the inventory has no host `{implicit}`, which Ansible makes up"));
            return Some(Value::from(carry(Failure::Unplaced(problem.hint("set it in the inventory")))));
        }
        Some(Value::from_object(HostObject(self.0.of_host(name))))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.host.inventory().hosts.keys().map(Value::from).collect())
    }
}

/// The variables of one host: a member of `hostvars`, and `vars`.
struct HostObject(Arc<Frame>);

impl Object for HostObject {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        value_or_error(self.0.value(key.as_str()?))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let mut names: Vec<&str> = self.0.known_names().filter(|name| !["hostvars", "vars"].contains(name)).collect();
        names.sort_unstable();
        names.dedup();
        Enumerator::Values(names.into_iter().map(Value::from).collect())
    }
}

/// A list or mapping of a variable whose members hold templates: each is resolved when it is asked for.
pub(super) struct Lazy {
    pub frame: Arc<Frame>,
    pub node: Arc<Node>,
}

impl Lazy {
    fn member(&self, node: &Node) -> Option<Value> {
        value_or_error(self.frame.value_of(node).map(Some))
    }
}

impl Object for Lazy {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        if matches!(self.node.value, Plain::List(_)) { ObjectRepr::Seq } else { ObjectRepr::Map }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match &self.node.value {
            Plain::List(items) => self.member(items.get(key.as_usize()?)?),
            Plain::Map(members) => {
                let (_, node) = members.iter().find(|(name, _)| convert::scalar(name) == *key)?;
                self.member(node)
            }
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match &self.node.value {
            Plain::List(items) => Enumerator::Seq(items.len()),
            Plain::Map(members) => Enumerator::Values(members.iter().map(|(name, _)| convert::scalar(name)).collect()),
            _ => Enumerator::Empty,
        }
    }
}

/// Whether the members of a value are made when they are asked for.
pub(super) fn is_on_demand(value: &Value) -> bool {
    value.downcast_object_ref::<Lazy>().is_some()
        || value.downcast_object_ref::<HostObject>().is_some()
        || value.downcast_object_ref::<AllHosts>().is_some()
}

// The engine asks its objects for a debug view; values may be passwords.
macro_rules! shows_nothing {
    ($($name:ident),+) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!("<", stringify!($name), ">"))
            }
        }
    )+};
}
shows_nothing!(Run, AllHosts, HostObject, Lazy);
