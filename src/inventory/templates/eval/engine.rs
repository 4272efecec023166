//! The template engine of one inventory, with everything that is computed once and used for all hosts.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use minijinja::{Environment, Value};

use crate::inventory::model::Inventory;
use crate::inventory::templates::compile::{CompiledText, Vocabulary, compile};

/// The engine and what it has compiled.
pub(super) struct Engine {
    /// The functions, filters and tests, and the engine's own cache of parsed templates.
    pub environment: Environment<'static>,
    /// The names of all filters and tests.
    pub vocabulary: Vocabulary,
    compiled: RwLock<HashMap<String, Arc<CompiledText>>>,
    groups: OnceLock<Value>,
}

impl Engine {
    /// Creates an engine that has not compiled anything.
    pub fn new(environment: Environment<'static>, vocabulary: Vocabulary) -> Self {
        Self { environment, vocabulary, compiled: RwLock::default(), groups: OnceLock::new() }
    }

    /// The compiled text. Each text is compiled once, because thousands of hosts share a variable of a group.
    pub fn compiled(&self, text: &str) -> Arc<CompiledText> {
        if let Some(compiled) = self.compiled.read().unwrap_or_else(PoisonError::into_inner).get(text) {
            return Arc::clone(compiled);
        }
        // No lock is held while the text is compiled. If two threads compile the same text, the first result is kept.
        let new = Arc::new(compile(text, &self.vocabulary));
        let mut compiled = self.compiled.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(compiled.entry(text.to_owned()).or_insert(new))
    }

    /// The variable `groups`: the names of the hosts of each group, in Ansible's order (level by level).
    pub fn groups(&self, inventory: &Inventory) -> Value {
        self.groups.get_or_init(|| groups(inventory)).clone()
    }
}

fn groups(inventory: &Inventory) -> Value {
    // All groups share one value for the name of a host.
    let hosts: HashMap<&str, Value> = inventory.hosts.keys().map(|name| (name.as_str(), Value::from(name))).collect();
    let members = |start: &str| {
        let mut groups = vec![start];
        let mut added_hosts = HashSet::new();
        let mut names = Vec::new();
        let mut next = 0;
        while let Some(group) = groups.get(next).and_then(|name| inventory.groups.get(*name)) {
            next += 1;
            names.extend(group.hosts.iter().filter(|host| added_hosts.insert(host.as_str())));
            // A group can be reached on several paths.
            for child in &group.children {
                if !groups.contains(&child.as_str()) {
                    groups.push(child);
                }
            }
        }
        names.into_iter().filter_map(|name| hosts.get(name.as_str()).cloned()).collect::<Vec<_>>()
    };
    Value::from_pairs(inventory.groups.keys().map(|group| (group.as_str(), Value::from(members(group)))))
}
