//! Selects the hosts with managed files: the hosts of `oregano_hosts` or of the node groups of openshift-ansible,
//! restricted by `--limit`. Also selects the host that provides the variables for the cluster.
//! `inventory::patterns` evaluates the patterns.

use std::collections::HashSet;

use crate::inventory::{Problem, patterns};

use super::Resolver;
use super::variable_reader::{Text, VariableReader};

/// The groups of hosts with managed files, if `oregano_hosts` is not set.
const NODE_GROUPS: [&str; 4] = ["masters", "nodes", "new_masters", "new_nodes"];

/// The variable with the host pattern.
pub(super) const HOSTS: &str = "oregano_hosts";

impl<'a> Resolver<'a> {
    /// The hosts with managed files before `--limit`, in inventory order; `None` if there is a problem.
    pub(super) fn targets(&mut self) -> Option<Vec<&'a str>> {
        let pattern = match self.run_wide(HOSTS)? {
            Some(text) => text,
            None => {
                let known = NODE_GROUPS.iter().filter(|group| self.inventory.groups.contains_key(**group));
                let pattern = known.copied().collect::<Vec<_>>().join(":");
                if pattern.is_empty() {
                    let problem = Problem::new(format!(
                        "no host is selected: the inventory has none of the groups {}",
                        NODE_GROUPS.map(|group| format!("`{group}`")).join(", ")
                    ));
                    self.problems.push(problem.hint(format!("set `{HOSTS}` to a host pattern, such as `all`")));
                    return None;
                }
                // The default pattern is not written anywhere, so a problem about it has no place.
                return self.in_inventory_order(&pattern, None);
            }
        };
        self.in_inventory_order(&pattern.text, Some(&pattern))
    }

    /// The hosts that a pattern selects. They are in the order of the inventory, not of the pattern.
    fn in_inventory_order(&mut self, pattern: &str, place: Option<&Text>) -> Option<Vec<&'a str>> {
        let mut hosts = self.select(pattern, place)?;
        hosts.sort_by_cached_key(|host| self.inventory.hosts.get_index_of(*host));
        Some(hosts)
    }

    /// The hosts in `targets` that `--limit` selects; `None` if there is a problem.
    pub(super) fn limited(&mut self, targets: &[&'a str]) -> Option<HashSet<&'a str>> {
        let Some(limit) = &self.request.limit else { return Some(targets.iter().copied().collect()) };
        let before = self.problems.len();
        let Some(within) = self.select(&limit.pattern, None) else {
            if limit.written != limit.pattern {
                // The pattern is the content of a file. If the user named a wrong file, it may contain secrets, so
                // problems that quote it are removed.
                self.problems.truncate(before);
                let message =
                    format!("`--limit {}` matches no host, or contains an unknown host or group", limit.written);
                self.problems.push(Problem::new(message).hint("`oregano inventory --graph` shows hosts and groups"));
            }
            return None;
        };
        let within: HashSet<&str> = within.into_iter().collect();
        let selected: HashSet<&str> = targets.iter().copied().filter(|name| within.contains(name)).collect();
        if selected.is_empty() {
            let problem = Problem::new(format!("no host is selected: `--limit {}` excludes all nodes", limit.written));
            self.problems.push(problem.hint("`oregano inventory --list` shows hosts and groups"));
            return None;
        }
        Some(selected)
    }

    fn select(&mut self, pattern: &str, place: Option<&Text>) -> Option<Vec<&'a str>> {
        match patterns::select(self.inventory, pattern) {
            Ok(hosts) if hosts.is_empty() => {
                let message = format!("no host is selected: the pattern `{pattern}` matches none");
                let problem = match place {
                    Some(text) => Problem::naming(&text.span, pattern, message),
                    None => Problem::new(message),
                };
                self.problems.push(problem.hint("`oregano inventory --list` shows hosts and groups"));
                None
            }
            Ok(hosts) => Some(hosts),
            Err(problem) => {
                let place = place.map(|text| Problem::naming(&text.span, pattern, "").place).unwrap_or_default();
                // A problem inside the pattern may already have a more exact place.
                self.problems.push(Problem { place: problem.place.clone().or(place), ..problem });
                None
            }
        }
    }

    /// The value of a variable that must be the same for every host: `Some(None)` if no host has it, `None` if there is a
    /// problem.
    fn run_wide(&mut self, name: &str) -> Option<Option<Text>> {
        let mut known: Option<(&str, Option<Text>)> = None;
        for host in self.inventory.hosts.keys() {
            let vars = self.variables.of(host);
            let mut reader = VariableReader::new(&vars, self.cache);
            let text = reader.node(name).and_then(|node| reader.text_of(&node, &format!("`{name}`")));
            let failed = !reader.problems.is_empty();
            self.collect(reader);
            // Every other host probably has the same variable, and would repeat the same problem.
            if failed {
                return None;
            }
            match &known {
                None => known = Some((host, text)),
                Some((first, other)) if other.as_ref().map(|t| &t.text) != text.as_ref().map(|t| &t.text) => {
                    // One of the two hosts may not have the variable, so the place is that of the host that has it.
                    let span = text.as_ref().or(other.as_ref()).map(|text| text.span.clone());
                    let message =
                        format!("`{name}` must be the same for all hosts, but differs for `{first}` and `{host}`");
                    let problem = span.map_or_else(|| Problem::new(&message), |span| Problem::hiding(&span, &message));
                    self.problems.push(problem.hint("set it once, in `[all:vars]`"));
                    return None;
                }
                Some(_) => {}
            }
        }
        Some(known.and_then(|(_, text)| text))
    }

    /// The host that provides the variables for the cluster: the first host of `masters`, or the first selected host.
    pub(super) fn cluster_host_among(&self, targets: &[&'a str], selected: &HashSet<&'a str>) -> Option<&'a str> {
        // `--limit` restricts only the nodes, so the objects of the cluster must not depend on it.
        let master = self.inventory.hosts_of("masters").first().copied();
        master.or_else(|| targets.iter().copied().find(|name| selected.contains(name)))
    }
}
