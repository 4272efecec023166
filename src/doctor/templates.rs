//! Templates of variables that no run of ours reads: they may be undefined there, which others will find out.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::inventory::code;
use crate::inventory::{Finding, Node, Severity, Source, Trust, Value, Variables};

/// A template is tried with the variables of so many hosts.
const HOSTS: usize = 20;

/// Facts are gathered by Ansible when it runs, and the rest is set by plays: no inventory has them.
const GIVEN: [&str; 4] = ["ansible_", "hostvars", "groups", "omit"];

/// Tells, as a note, of templates that name an undefined variable. Nothing outside the inventory is asked.
pub(super) fn check(variables: &Variables, findings: &mut Vec<Finding>) {
    let inventory = variables.inventory();
    if !inventory.written().any(|(_, node)| has_template(node)) {
        return;
    }
    let offline = variables.offline();
    let mut tried: HashMap<(*const Source, usize), usize> = HashMap::new();
    let mut told = HashSet::new();
    for host in inventory.hosts.keys() {
        let vars = offline.of(host);
        let names: HashSet<&str> = vars.names().collect();
        for node in names.into_iter().filter_map(|name| vars.raw(name)).filter(|node| has_template(node)) {
            let place = (Arc::as_ptr(&node.span.source), node.span.start);
            let times = tried.entry(place).or_default();
            *times += 1;
            if *times > HOSTS || told.contains(&place) {
                continue;
            }
            let Err(problem) = vars.resolve(node) else { continue };
            let given = GIVEN.iter().any(|prefix| problem.message.contains(&format!("`{prefix}")));
            if problem.code == Some(code::UNDEFINED_VARIABLE) && !given {
                told.insert(place);
                findings.push(Finding::new(code::UNDEFINED_VARIABLE, problem).of(Severity::Note));
            }
        }
    }
}

fn has_template(node: &Node) -> bool {
    match &node.value {
        Value::Str(text) => node.trust == Trust::Template && (text.contains("{{") || text.contains("{%")),
        Value::List(items) => items.iter().any(has_template),
        Value::Map(members) => members.iter().any(|(_, value)| has_template(value)),
        _ => false,
    }
}
