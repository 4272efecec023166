//! Puts together what the sources say: groups, hosts, who is in what, and the rules that hold once all
//! is read (`all`, `ungrouped`, loops). Knows no file format.

use std::collections::{HashMap, HashSet};

use indexmap::IndexSet;

use super::finding::Finding;
use super::model::{Group, Host, Inventory, Node, Span, Value};
use super::problem::Problem;

/// The name of the group of everything.
pub(super) const ALL: &str = "all";
/// The name of the group of the hosts that are in no other group.
pub(super) const UNGROUPED: &str = "ungrouped";

/// An inventory while it is read.
pub(super) struct Draft {
    groups: indexmap::IndexMap<String, DraftGroup>,
    hosts: indexmap::IndexMap<String, Host>,
    /// What was wrong so far.
    pub problems: Vec<Problem>,
    /// What is suspicious so far.
    pub findings: Vec<Finding>,
}

/// A group whose members can be looked up.
#[derive(Default)]
struct DraftGroup {
    hosts: IndexSet<String>,
    /// The children, each with the place that made it one.
    children: indexmap::IndexMap<String, Option<Span>>,
    group: Group,
}

impl Draft {
    /// An inventory with the groups `all` and `ungrouped`.
    pub fn new() -> Self {
        let mut draft = Self {
            groups: indexmap::IndexMap::new(),
            hosts: indexmap::IndexMap::new(),
            problems: Vec::new(),
            findings: Vec::new(),
        };
        draft.add_group(ALL);
        draft.add_group(UNGROUPED);
        if let Some(all) = draft.groups.get_mut(ALL) {
            all.children.insert(UNGROUPED.to_owned(), None);
        }
        draft
    }

    /// Whether a group of this name was declared.
    pub fn has_group(&self, name: &str) -> bool {
        self.groups.contains_key(name)
    }

    /// The names of the groups declared so far.
    pub fn group_names(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(String::as_str)
    }

    /// Declares a group, if it is not there yet.
    pub fn add_group(&mut self, name: &str) {
        if !self.has_group(name) {
            self.groups.insert(name.to_owned(), DraftGroup::default());
        }
    }

    /// Declares a host at `span`, if it is not there yet, and puts it into a group. As in Ansible the
    /// port counts only where a host is named first.
    pub fn add_host(&mut self, name: &str, port: Option<(u32, &Span)>, group: &str, span: &Span) {
        if !self.hosts.contains_key(name) {
            let mut vars = super::model::Vars::new();
            if let Some((port, place)) = port {
                let node = Node::new(Value::Int(port.into()), port.to_string(), place.clone());
                vars.insert("ansible_port".to_owned(), node);
            }
            self.hosts.insert(name.to_owned(), Host { name: name.to_owned(), vars, span: span.clone() });
        }
        if let Some(group) = self.groups.get_mut(group) {
            group.hosts.insert(name.to_owned());
        }
    }

    /// Makes `child` a child of `parent`, as `span` asks.
    pub fn add_child(&mut self, parent: &str, child: &str, span: &Span) {
        if let Some(group) = self.groups.get_mut(parent) {
            group.children.entry(child.to_owned()).or_insert_with(|| Some(span.clone()));
        }
    }

    /// Sets a variable of a group or host. As in Ansible a name that is both means the group.
    pub fn set_variable(&mut self, owner: &str, name: &str, value: Node) {
        if let Some(group) = self.groups.get_mut(owner) {
            if name == "ansible_group_priority" {
                match priority(&value) {
                    Some(number) => group.group.priority = Some(number),
                    None => self
                        .problems
                        .push(Problem::hiding(&value.span, "`ansible_group_priority` must be a whole number")),
                }
            } else {
                group.group.vars.insert(name.to_owned(), value);
            }
        } else if let Some(host) = self.hosts.get_mut(owner) {
            host.vars.insert(name.to_owned(), value);
        }
    }

    /// The finished inventory, or everything that was wrong.
    pub fn finish(mut self) -> Result<Inventory, Vec<Problem>> {
        self.adopt_orphans();
        self.refuse_loops();
        if !self.problems.is_empty() {
            self.problems.sort_by_key(|problem| problem.place.as_ref().map(|place| place.span.start));
            return Err(self.problems);
        }
        self.sort_out_ungrouped();
        let groups = self.groups.into_iter().map(|(name, draft)| {
            let children = draft.children.into_keys().collect();
            (name, Group { hosts: draft.hosts.into_iter().collect(), children, ..draft.group })
        });
        Ok(Inventory { groups: groups.collect(), hosts: self.hosts, findings: self.findings, ..Inventory::default() })
    }

    /// Every group without a parent is a child of `all`.
    fn adopt_orphans(&mut self) {
        let children: HashSet<String> = self.groups.values().flat_map(|group| group.children.keys().cloned()).collect();
        let orphans: Vec<String> =
            self.groups.keys().filter(|name| *name != ALL && !children.contains(*name)).cloned().collect();
        if let Some(all) = self.groups.get_mut(ALL) {
            all.children.extend(orphans.into_iter().map(|name| (name, None)));
        }
    }

    /// `ungrouped` holds exactly the hosts that are in no group but `all`.
    fn sort_out_ungrouped(&mut self) {
        let grouped: HashSet<String> = self
            .groups
            .iter()
            .filter(|(name, _)| *name != ALL && *name != UNGROUPED)
            .flat_map(|(_, group)| group.hosts.iter().cloned())
            .collect();
        let Some(ungrouped) = self.groups.get_mut(UNGROUPED) else { return };
        ungrouped.hosts.retain(|host| !grouped.contains(host));
        ungrouped.hosts.extend(self.hosts.keys().filter(|host| !grouped.contains(*host)).cloned());
    }

    /// Reports each edge that closes a loop.
    fn refuse_loops(&mut self) {
        let mut state: HashMap<&str, Visit> = HashMap::new();
        let mut problems = Vec::new();
        for start in self.groups.keys() {
            if state.contains_key(start.as_str()) {
                continue;
            }
            state.insert(start, Visit::Open);
            let mut path = vec![(start.as_str(), 0)];
            while let Some((name, next)) = path.last_mut() {
                let Some((child, span)) = self.groups.get(*name).and_then(|group| group.children.get_index(*next))
                else {
                    state.insert(name, Visit::Done);
                    path.pop();
                    continue;
                };
                *next += 1;
                match state.get(child.as_str()) {
                    Some(Visit::Done) => {}
                    Some(Visit::Open) => problems.push(loop_problem(name, child, span.as_ref())),
                    None => {
                        state.insert(child, Visit::Open);
                        path.push((child, 0));
                    }
                }
            }
        }
        self.problems.extend(problems);
    }
}

/// How far the search for loops has come with a group.
enum Visit {
    Open,
    Done,
}

fn loop_problem(parent: &str, child: &str, span: Option<&Span>) -> Problem {
    let message = format!("group `{child}` as a child of `{parent}` makes a loop");
    span.map_or_else(|| Problem::new(message.clone()), |span| Problem::naming(span, message.clone()))
}

/// As Python's `int()` reads a priority.
fn priority(value: &Node) -> Option<i64> {
    match &value.value {
        Value::Int(number) => i64::try_from(*number).ok(),
        Value::Bool(value) => Some((*value).into()),
        Value::Float(number) if number.is_finite() => Some(*number as i64),
        Value::Str(text) => text.trim().parse().ok(),
        _ => None,
    }
}
