//! The variables of a host as Ansible shows them: flattened by precedence, sorted by name, without those that
//! Ansible sets itself. Writes nothing.

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

/// Variables by name, sorted; each name once.
pub(super) type Flat<'a> = Vec<(&'a str, &'a Node)>;

/// Flattens host after host. What the groups of a host give is put together once for all hosts of the same groups.
pub(super) struct Flattener<'a> {
    inventory: &'a Inventory,
    groups: HashMap<&'a [usize], Flat<'a>>,
}

impl<'a> Flattener<'a> {
    pub fn new(inventory: &'a Inventory) -> Self {
        Self { inventory, groups: HashMap::new() }
    }

    /// All variables of the host, those of `-e` included.
    pub fn host(&mut self, host: &str) -> Flat<'a> {
        let scope = Scope::new(self.inventory, host);
        let (own, groups) = scope.layers();
        let own = merged(own);
        let inherited = self.groups.entry(self.inventory.direct_groups(host)).or_insert_with(|| merged(groups));
        united(&own, inherited)
    }
}

/// The variables of the group itself.
pub(super) fn of_group(group: &Group) -> Flat<'_> {
    merged(&precedence::own_layers(group))
}

/// The strongest layer comes first and wins.
fn merged<'a>(layers: &[&'a Vars]) -> Flat<'a> {
    let all = layers.iter().flat_map(|layer| layer.iter().map(|(name, node)| (name.as_str(), node)));
    let mut flat: Flat<'a> = all.filter(|(name, _)| INTERNAL.binary_search(name).is_err()).collect();
    // Stable, so that of one name the strongest stays first.
    flat.sort_by_key(|(name, _)| *name);
    flat.dedup_by_key(|(name, _)| *name);
    flat
}

/// Two sorted lists as one; `strong` wins.
fn united<'a>(strong: &[(&'a str, &'a Node)], weak: &[(&'a str, &'a Node)]) -> Flat<'a> {
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
        assert!(INTERNAL.is_sorted(), "they are searched by halves");
    }
}
