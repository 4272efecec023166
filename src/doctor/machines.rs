//! Hosts: two inventory names for one machine.

use std::collections::HashMap;

use super::codes;
use crate::inventory::{Finding, HostVars, Node, Problem, Variables};

/// Tells of each host whose address and port another host before it has.
pub(super) fn check(variables: &Variables, findings: &mut Vec<Finding>) {
    let offline = variables.offline();
    let mut seen: HashMap<(String, String), &str> = HashMap::new();
    for (name, host) in &variables.inventory().hosts {
        let vars = offline.of(name);
        let address = last_set(&vars, &["ansible_host", "ansible_ssh_host"]);
        let port = last_set(&vars, &["ansible_port", "ansible_ssh_port"]);
        let key = (
            address.as_ref().map_or(name, |node| &node.text).to_ascii_lowercase(),
            port.map_or_else(|| "22".to_owned(), |node| node.text),
        );
        let Some(first) = seen.get(&key) else {
            seen.insert(key, name);
            continue;
        };
        let message = format!("host `{name}` has the address and port of host `{first}`");
        let problem = match &address {
            // What is no name may be a login with its password.
            Some(node) if node.text.contains(|c: char| !c.is_alphanumeric() && !".-_:[]%".contains(c)) => {
                Problem::hiding(&node.span, message)
            }
            Some(node) => Problem::naming(&node.span, if node.text == *first { first } else { name.as_str() }, message),
            None => Problem::naming(&host.span, name, message),
        };
        let problem = problem.hint("if it is one machine, give it one name in all groups");
        findings.push(Finding::new(codes::SAME_MACHINE, problem));
    }
}

/// The last of `names` that is set, if it can be resolved without asking the world.
fn last_set(vars: &HostVars<'_>, names: &[&str]) -> Option<Node> {
    let name = names.iter().rev().find(|name| vars.raw(name).is_some())?;
    vars.get(name).ok().flatten().filter(|node| !node.is_blank())
}
