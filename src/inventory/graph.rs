//! What `inventory --graph` shows, as `ansible-inventory --graph` does: groups as a tree, with their hosts.

use super::flatten::{self, Flat, Flattener};
use super::list::unknown;
use super::model::{ALL, Group, Node, Value};
use super::problem::Problem;
use super::repr;
use super::variables::Variables;

/// What stands in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Groups and hosts.
    Names,
    /// Their variables too, secrets included.
    Variables,
}

/// The tree of `group`, one line for each group and host, without a line end behind the last.
///
/// # Errors
/// The inventory has no such group, or a variable that is to be shown cannot be decrypted.
pub fn graph(variables: &Variables, group: &str, detail: Detail) -> Result<String, Problem> {
    let inventory = variables.inventory();
    let Some((name, found)) = inventory.groups.get_key_value(group) else {
        return Err(unknown("group", group, inventory.groups.keys()));
    };
    let mut tree = Tree { variables, detail, flattener: Flattener::new(inventory), lines: Vec::new() };
    tree.group(name, found, 0)?;
    Ok(tree.lines.join("\n"))
}

struct Tree<'a> {
    variables: &'a Variables,
    detail: Detail,
    flattener: Flattener<'a>,
    lines: Vec<String>,
}

impl<'a> Tree<'a> {
    fn group(&mut self, name: &str, group: &'a Group, depth: usize) -> Result<(), Problem> {
        let inventory = self.variables.inventory();
        self.line(&format!("@{name}:"), depth);
        for child in &group.children {
            if let Some(below) = inventory.groups.get(child) {
                self.group(child, below, depth + 1)?;
            }
        }
        for host in group.hosts.iter().filter(|_| name != ALL) {
            self.line(host, depth + 1);
            if self.detail == Detail::Variables {
                let vars = self.flattener.host(host);
                let vars = self.texts(&vars)?;
                self.vars(vars, depth + 2);
            }
        }
        if self.detail == Detail::Variables {
            let priority = group.priority.filter(|priority| *priority != 1);
            let mut vars = self.texts(&flatten::of_group(group))?;
            vars.extend(priority.map(|priority| ("ansible_group_priority", priority.to_string())));
            vars.sort();
            self.vars(vars, depth + 1);
        }
        Ok(())
    }

    fn texts<'b>(&self, vars: &Flat<'b>) -> Result<Vec<(&'b str, String)>, Problem> {
        let text = |name: &str, node: &Node| match &node.value {
            Value::Vault => self.variables.outside().decrypt(&node.text).map_err(|reason| {
                Problem::hiding(&node.span, format!("variable `{name}` cannot be decrypted: {reason}"))
            }),
            _ => Ok(repr::str(node)),
        };
        vars.iter().map(|(name, node)| Ok((*name, text(name, node)?))).collect()
    }

    fn vars(&mut self, vars: Vec<(&str, String)>, depth: usize) {
        for (name, value) in vars {
            self.line(&format!("{{{name} = {value}}}"), depth);
        }
    }

    fn line(&mut self, text: &str, depth: usize) {
        let branch = if depth > 0 { "--" } else { "" };
        self.lines.push(format!("{}{branch}{text}", "  |".repeat(depth)));
    }
}
