//! Reports inventory names that refer to the same machine. It contacts no host.

use std::collections::HashMap;

use super::codes;
use crate::inventory::{Finding, HostVars, Node, Problem, Variables};

/// Reports each host that has the same address and port as an earlier host.
pub(super) fn check(variables: &Variables, findings: &mut Vec<Finding>) {
    // Files and commands are not used, because this check must not depend on the machine that it runs on.
    let offline = variables.offline();
    let mut earlier: HashMap<(String, String), &str> = HashMap::new();
    for (name, host) in &variables.inventory().hosts {
        let vars = offline.of(name);
        let address = last_set(&vars, &["ansible_host", "ansible_ssh_host"]);
        let port = last_set(&vars, &["ansible_port", "ansible_ssh_port"]);
        let key = (
            // DNS names are compared without case, so two spellings of one name are the same machine.
            address.as_ref().map_or(name, |node| &node.text).to_ascii_lowercase(),
            port.map_or_else(|| "22".to_owned(), |node| node.text),
        );
        let Some(first) = earlier.get(&key) else {
            earlier.insert(key, name);
            continue;
        };
        let message = format!("host `{name}` has the same address and port as host `{first}`");
        let problem = match &address {
            // A text with any other character may be a user name with a password, so it is not shown.
            Some(node) if node.text.contains(|c: char| !c.is_alphanumeric() && !".-_:[]%".contains(c)) => {
                Problem::hiding(&node.span, message)
            }
            Some(node) => Problem::naming(&node.span, if node.text == *first { first } else { name.as_str() }, message),
            None => Problem::naming(&host.span, name, message),
        };
        let problem = problem.hint("if both are the same machine, use one name for it in all groups");
        findings.push(Finding::new(codes::SAME_MACHINE, problem));
    }
}

/// The last of `names` that is set, if its templates can be evaluated without files and commands.
fn last_set(vars: &HostVars<'_>, names: &[&str]) -> Option<Node> {
    let name = names.iter().rev().find(|name| vars.raw(name).is_some())?;
    vars.get(name).ok().flatten().filter(|node| !node.is_blank())
}
