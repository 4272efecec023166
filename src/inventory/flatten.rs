//! The variables of a host as Ansible lists them: merged by precedence, sorted by name, and without those that Ansible sets
//! itself. Prints nothing.

use std::collections::HashMap;

use super::model::{Group, Inventory, Node, Vars};
use super::precedence::{self, Scope};

/// Variables that Ansible sets itself and never lists.
const INTERNAL: [&str; 33] = [
    "ansible_async_path",
    "ansible_collection_name",
    "ansible_config_file",
    "ansible_dependent_role_names",
    "ansible_diff_mode",
    "ansible_facts",
    "ansible_forks",
    "ansible_inventory_sources",
    "ansible_limit",
    "ansible_play_batch",
    "ansible_play_hosts",
    "ansible_play_hosts_all",
    "ansible_play_role_names",
    "ansible_playbook_python",
    "ansible_role_name",
    "ansible_role_names",
    "ansible_run_tags",
    "ansible_skip_tags",
    "ansible_verbosity",
    "ansible_version",
    "group_names",
    "groups",
    "hostvars",
    "inventory_dir",
    "inventory_file",
    "inventory_hostname",
    "inventory_hostname_short",
    "play_hosts",
    "playbook_dir",
    "role_name",
    "role_names",
    "role_path",
    "role_uuid",
];

/// Variables sorted by name. Each name occurs once.
pub(super) type Flat<'a> = Vec<(&'a str, &'a Node)>;

/// Merges the variables of hosts. The variables from groups are merged only once for all hosts in the same groups,
/// because an inventory may contain thousands of such hosts.
pub(super) struct Flattener<'a> {
    inventory: &'a Inventory,
    groups: HashMap<&'a [usize], Flat<'a>>,
}

impl<'a> Flattener<'a> {
    pub fn new(inventory: &'a Inventory) -> Self {
        Self { inventory, groups: HashMap::new() }
    }

    /// All variables of the host, including those of `-e`.
    pub fn host(&mut self, host: &str) -> Flat<'a> {
        let scope = Scope::new(self.inventory, host);
        let (own, groups) = scope.layers();
        let own = merge_layers(own);
        // Hosts that are directly in the same groups inherit the same variables.
        let inherited = self.groups.entry(self.inventory.direct_groups(host)).or_insert_with(|| merge_layers(groups));
        merge_sorted(&own, inherited)
    }
}

/// The variables that are set for the group itself.
pub(super) fn of_group(group: &Group) -> Flat<'_> {
    merge_layers(&precedence::own_layers(group))
}

/// Merges the variables of several layers. The first layer is the strongest: its values are used if a name is repeated.
fn merge_layers<'a>(layers: &[&'a Vars]) -> Flat<'a> {
    let all = layers.iter().flat_map(|layer| layer.iter().map(|(name, node)| (name.as_str(), node)));
    // The filter runs for each variable of each host, so it uses a binary search. A test checks that the names are
    // sorted.
    let mut flat: Flat<'a> = all.filter(|(name, _)| INTERNAL.binary_search(name).is_err()).collect();
    // The sort is stable, so that for each name the strongest value stays first.
    flat.sort_by_key(|(name, _)| *name);
    flat.dedup_by_key(|(name, _)| *name);
    flat
}

/// Merges two sorted lists. If both contain a name, the value in `strong` is used.
fn merge_sorted<'a>(strong: &[(&'a str, &'a Node)], weak: &[(&'a str, &'a Node)]) -> Flat<'a> {
    let mut flat = Vec::with_capacity(strong.len() + weak.len());
    let mut weak = weak.iter().peekable();
    for entry in strong {
        while let Some(before) = weak.next_if(|(name, _)| *name < entry.0) {
            flat.push(*before);
        }
        weak.next_if(|(name, _)| *name == entry.0);
        flat.push(*entry);
    }
    flat.extend(weak);
    flat
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_internal_names_are_sorted() {
        assert!(INTERNAL.is_sorted(), "they are found by binary search");
    }
}
