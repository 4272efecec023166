//! Reports undefined variables in templates that oregano never evaluates, but Ansible may. It reads no file and runs no
//! command.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::inventory::code;
use crate::inventory::{Finding, Node, Severity, Source, Trust, Value, Variables};

/// The maximum number of hosts for which a template is evaluated. Thousands of hosts may share the same template.
const HOSTS: usize = 20;

/// Prefixes of variables that exist only while Ansible runs a play, such as facts. No inventory defines them.
const SET_BY_PLAYS: [&str; 4] = ["ansible_", "hostvars", "groups", "omit"];

/// Reports, as a note, each template that uses an undefined variable.
pub(super) fn check(variables: &Variables, findings: &mut Vec<Finding>) {
    let inventory = variables.inventory();
    if !inventory.written().any(|(_, node)| has_template(node)) {
        return;
    }
    // Files and commands are not used, because these templates may be written for another machine.
    let offline = variables.offline();
    let mut tried: HashMap<(*const Source, usize), usize> = HashMap::new();
    let mut reported = HashSet::new();
    for host in inventory.hosts.keys() {
        let vars = offline.of(host);
        let names: HashSet<&str> = vars.names().collect();
        for node in names.into_iter().filter_map(|name| vars.raw(name)).filter(|node| has_template(node)) {
            let place = (Arc::as_ptr(&node.span.source), node.span.start);
            let times = tried.entry(place).or_default();
            *times += 1;
            if *times > HOSTS || reported.contains(&place) {
                continue;
            }
            // Other problems are ignored: a run reports them if it needs the variable, and Ansible may support what
            // oregano does not.
            let Err(problem) = vars.resolve(node) else { continue };
            let name = problem.undefined_name.as_deref().unwrap_or_default();
            let set_by_plays = SET_BY_PLAYS.iter().any(|prefix| name.starts_with(prefix));
            if problem.code == Some(code::UNDEFINED_VARIABLE) && !set_by_plays {
                reported.insert(place);
                findings.push(Finding::new(code::UNDEFINED_VARIABLE, problem).with_severity(Severity::Note));
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
