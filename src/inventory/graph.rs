//! The tree of groups and hosts of `inventory --graph`, in the format of `ansible-inventory --graph`. Prints nothing.

use super::flatten::{self, Flat, Flattener};
use super::list::unknown;
use super::model::{ALL, Group, Node, Value};
use super::problem::Problem;
use super::repr;
use super::variables::Variables;

/// What the tree shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Groups and hosts.
    Names,
    /// Groups and hosts with their variables, including secrets.
    Variables,
}

/// The tree of `group`: one line for each group and host, without a line end after the last.
///
/// # Errors
/// The inventory has no such group, or a variable cannot be decrypted.
pub fn graph(variables: &Variables, group: &str, detail: Detail) -> Result<String, Problem> {
    let inventory = variables.inventory();
    let Some((name, root)) = inventory.groups.get_key_value(group) else {
        return Err(unknown("group", group, inventory.groups.keys()));
    };
    let mut tree = Tree { variables, detail, flattener: Flattener::new(inventory), lines: Vec::new() };
    tree.add_group(name, root, 0)?;
    Ok(tree.lines.join("\n"))
}

struct Tree<'a> {
    variables: &'a Variables,
    detail: Detail,
    flattener: Flattener<'a>,
    lines: Vec<String>,
}

impl<'a> Tree<'a> {
    fn add_group(&mut self, name: &str, group: &'a Group, depth: usize) -> Result<(), Problem> {
        let inventory = self.variables.inventory();
        self.add_line(&format!("@{name}:"), depth);
        // The recursion ends and cannot overflow the stack, because `assemble` rejects loops and groups that are nested
        // too deeply.
        for child in &group.children {
            if let Some(group) = inventory.groups.get(child) {
                self.add_group(child, group, depth + 1)?;
            }
        }
        // Ansible shows the hosts of `all` only in its child groups.
        for host in group.hosts.iter().filter(|_| name != ALL) {
            self.add_line(host, depth + 1);
            if self.detail == Detail::Variables {
                let vars = self.flattener.host(host);
                let vars = self.texts(&vars)?;
                self.add_vars(vars, depth + 2);
            }
        }
        if self.detail == Detail::Variables {
            // Ansible shows a priority only if it is not the default.
            let priority = group.priority.filter(|priority| *priority != 1);
            let mut vars = self.texts(&flatten::of_group(group))?;
            vars.extend(priority.map(|priority| ("ansible_group_priority", priority.to_string())));
            vars.sort();
            self.add_vars(vars, depth + 1);
        }
        Ok(())
    }

    fn texts<'b>(&self, vars: &Flat<'b>) -> Result<Vec<(&'b str, String)>, Problem> {
        let text = |name: &str, node: &Node| match &node.value {
            // Unlike `--list`, this view shows encrypted values in plain text, as Ansible does.
            Value::Vault => self.variables.outside().decrypt(&node.text).map_err(|reason| {
                Problem::hiding(&node.span, format!("variable `{name}` cannot be decrypted: {reason}"))
            }),
            _ => Ok(repr::str(node)),
        };
        vars.iter().map(|(name, node)| Ok((*name, text(name, node)?))).collect()
    }

    fn add_vars(&mut self, vars: Vec<(&str, String)>, depth: usize) {
        for (name, value) in vars {
            self.add_line(&format!("{{{name} = {value}}}"), depth);
        }
    }

    fn add_line(&mut self, text: &str, depth: usize) {
        let branch = if depth > 0 { "--" } else { "" };
        self.lines.push(format!("{}{branch}{text}", "  |".repeat(depth)));
    }
}
