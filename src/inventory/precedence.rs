//! Who is in what, and whose variables win: the groups of a host, the hosts of a group, and Ansible's
//! order of variables (`all`, groups by depth, priority and name, the host, `-e`).

use super::assemble::ALL;
use super::model::{Inventory, Node, Vars};

/// The relations of an inventory by number, so that no question walks all hosts or all groups.
#[derive(Debug, Clone, Default)]
pub struct Index {
    /// For each group: its hosts and its children.
    hosts: Vec<Vec<usize>>,
    children: Vec<Vec<usize>>,
    /// For each group: itself and all its ancestors.
    lineage: Vec<Vec<usize>>,
    /// For each group: its place in the order of precedence, the weakest first.
    rank: Vec<usize>,
    /// For each host: the groups it is directly in.
    groups: Vec<Vec<usize>>,
}

impl Index {
    fn of(inventory: &Inventory) -> Self {
        let number = |name: &String| inventory.groups.get_index_of(name);
        let mut index = Self { groups: vec![Vec::new(); inventory.hosts.len()], ..Self::default() };
        let mut parents = vec![Vec::new(); inventory.groups.len()];
        for (at, group) in inventory.groups.values().enumerate() {
            let hosts: Vec<usize> = group.hosts.iter().filter_map(|name| inventory.hosts.get_index_of(name)).collect();
            for host in &hosts {
                index.groups[*host].push(at);
            }
            let children: Vec<usize> = group.children.iter().filter_map(number).collect();
            for child in &children {
                parents[*child].push(at);
            }
            index.hosts.push(hosts);
            index.children.push(children);
        }
        let order = index.topological(&parents);
        index.lineage = lineages(&order, &parents);
        index.rank = index.ranks(inventory, &order);
        index
    }

    /// Parents before children. A loop, which no loaded inventory has, is left out.
    fn topological(&self, parents: &[Vec<usize>]) -> Vec<usize> {
        let mut waiting: Vec<usize> = parents.iter().map(Vec::len).collect();
        let mut order: Vec<usize> = (0..parents.len()).filter(|group| waiting[*group] == 0).collect();
        let mut next = 0;
        while let Some(group) = order.get(next).copied() {
            next += 1;
            for child in &self.children[group] {
                waiting[*child] -= 1;
                if waiting[*child] == 0 {
                    order.push(*child);
                }
            }
        }
        order
    }

    /// `all` is the weakest; then by depth (the longest way from `all`), priority and name.
    fn ranks(&self, inventory: &Inventory, order: &[usize]) -> Vec<usize> {
        let mut depth = vec![0_usize; self.children.len()];
        for group in order {
            for child in &self.children[*group] {
                depth[*child] = depth[*child].max(depth[*group] + 1);
            }
        }
        let mut sorted: Vec<(bool, usize, i64, &str, usize)> = inventory
            .groups
            .iter()
            .enumerate()
            .map(|(at, (name, group))| (name != ALL, depth[at], group.priority.unwrap_or(1), name.as_str(), at))
            .collect();
        sorted.sort_unstable();
        let mut rank = vec![0; sorted.len()];
        for (place, (.., at)) in sorted.into_iter().enumerate() {
            rank[at] = place;
        }
        rank
    }

    /// All groups a host is in, ancestors included, the weakest first.
    fn chain(&self, host: usize) -> Vec<usize> {
        let direct = self.groups.get(host).map(Vec::as_slice).unwrap_or_default();
        let mut chain: Vec<usize> = direct.iter().flat_map(|group| self.lineage[*group].iter().copied()).collect();
        chain.sort_unstable_by_key(|group| self.rank[*group]);
        chain.dedup();
        chain
    }

    /// The hosts of a group and of all groups below it, in inventory order.
    fn members(&self, group: usize) -> Vec<usize> {
        let mut seen = vec![false; self.children.len()];
        let mut open = vec![group];
        let mut hosts = Vec::new();
        while let Some(group) = open.pop() {
            if !std::mem::replace(&mut seen[group], true) {
                hosts.extend_from_slice(&self.hosts[group]);
                open.extend_from_slice(&self.children[group]);
            }
        }
        hosts.sort_unstable();
        hosts.dedup();
        hosts
    }
}

/// For each group: itself and all its ancestors.
fn lineages(order: &[usize], parents: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut lineage: Vec<Vec<usize>> = (0..parents.len()).map(|group| vec![group]).collect();
    for group in order {
        let mut all: Vec<usize> = parents[*group].iter().flat_map(|parent| lineage[*parent].iter().copied()).collect();
        all.push(*group);
        all.sort_unstable();
        all.dedup();
        lineage[*group] = all;
    }
    lineage
}

impl Inventory {
    fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::of(self))
    }

    /// The names of the hosts in `group` and the groups below it, in inventory order; none if there is no
    /// such group.
    pub fn hosts_of(&self, group: &str) -> Vec<&str> {
        self.members(group).into_iter().filter_map(|host| self.host_name(host)).collect()
    }

    /// The names of all groups that `host` is in, `all` included, the weakest first.
    pub fn groups_of(&self, host: &str) -> Vec<&str> {
        let name = |group: usize| self.groups.get_index(group).map(|(name, _)| name.as_str());
        self.chain(host).into_iter().filter_map(name).collect()
    }

    /// The places of the hosts of a group in [`Inventory::hosts`], ascending.
    pub(super) fn members(&self, group: &str) -> Vec<usize> {
        self.groups.get_index_of(group).map(|group| self.index().members(group)).unwrap_or_default()
    }

    pub(super) fn host_name(&self, at: usize) -> Option<&str> {
        self.hosts.get_index(at).map(|(name, _)| name.as_str())
    }

    /// The places of the groups of a host in [`Inventory::groups`], the weakest first.
    pub(super) fn chain(&self, host: &str) -> Vec<usize> {
        self.hosts.get_index_of(host).map(|host| self.index().chain(host)).unwrap_or_default()
    }
}

/// All variables of `host`, templates unresolved. To read a few of them, [`Scope`] copies nothing.
pub fn vars_of(inventory: &Inventory, host: &str) -> Vars {
    let mut vars = Vars::new();
    for layer in Scope::new(inventory, host).layers.iter().rev() {
        vars.extend(layer.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    vars
}

/// The variables of one host, looked up where they stand.
#[derive(Debug, Clone)]
pub struct Scope<'a> {
    /// The strongest first.
    layers: Vec<&'a Vars>,
}

impl<'a> Scope<'a> {
    /// The variables of `host`; of an unknown host those of `-e` alone.
    pub fn new(inventory: &'a Inventory, host: &str) -> Self {
        let host_entry = inventory.hosts.get(host);
        let mut layers = vec![&inventory.extra];
        layers.extend(host_entry.map(|host| &host.vars));
        let chain = inventory.chain(host);
        let groups = chain.into_iter().rev().filter_map(|group| inventory.groups.get_index(group));
        layers.extend(groups.map(|(_, group)| &group.vars));
        Self { layers }
    }

    /// The variable as it was written, by precedence.
    pub fn raw(&self, name: &str) -> Option<&'a Node> {
        self.layers.iter().find_map(|layer| layer.get(name))
    }

    /// The names of all variables of the host; a name may come twice.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.layers.iter().flat_map(|layer| layer.keys().map(String::as_str))
    }
}
