//! Which host is in which group: the groups of a host, the hosts of a group, and the position of a group in the order
//! of precedence. It does not read variables.

use super::model::{ALL, Inventory, Membership};

impl Membership {
    fn of(inventory: &Inventory) -> Self {
        let mut membership = Self { groups: vec![Vec::new(); inventory.hosts.len()], ..Self::default() };
        let mut parents = vec![Vec::new(); inventory.groups.len()];
        for (at, group) in inventory.groups.values().enumerate() {
            let hosts: Vec<usize> = group.hosts.iter().filter_map(|name| inventory.hosts.get_index_of(name)).collect();
            for host in &hosts {
                membership.groups[*host].push(at);
            }
            let children: Vec<usize> =
                group.children.iter().filter_map(|name| inventory.groups.get_index_of(name)).collect();
            for child in &children {
                parents[*child].push(at);
            }
            membership.hosts.push(hosts);
            membership.children.push(children);
        }
        let order = membership.topological(&parents);
        membership.lineage = lineages(&order, &parents);
        membership.rank = membership.ranks(inventory, &order);
        membership
    }

    /// All groups, parents before children. Groups in a loop are omitted; `load` rejects inventories with loops.
    fn topological(&self, parents: &[Vec<usize>]) -> Vec<usize> {
        let mut open_parents: Vec<usize> = parents.iter().map(Vec::len).collect();
        let mut order: Vec<usize> = (0..parents.len()).filter(|group| open_parents[*group] == 0).collect();
        let mut next = 0;
        while let Some(group) = order.get(next).copied() {
            next += 1;
            for child in &self.children[group] {
                open_parents[*child] -= 1;
                // All parents of the child are in the order now, so the child may follow.
                if open_parents[*child] == 0 {
                    order.push(*child);
                }
            }
        }
        order
    }

    /// The rank of each group. `all` is the weakest; the others are ordered by depth (the longest path from `all`),
    /// priority and name.
    fn ranks(&self, inventory: &Inventory, order: &[usize]) -> Vec<usize> {
        // `order` has parents before children, so the depth of a parent is final when its children are visited.
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
            // `false` is less than `true`, so `all` stays the weakest group even if it has a priority.
            .map(|(at, (name, group))| (name != ALL, depth[at], group.priority.unwrap_or(1), name.as_str(), at))
            .collect();
        sorted.sort_unstable();
        let mut rank = vec![0; sorted.len()];
        for (place, (.., at)) in sorted.into_iter().enumerate() {
            rank[at] = place;
        }
        rank
    }

    /// All groups of a host, including their ancestors, the weakest first.
    fn chain(&self, host: usize) -> Vec<usize> {
        let direct = self.groups.get(host).map(Vec::as_slice).unwrap_or_default();
        let mut chain: Vec<usize> = direct.iter().flat_map(|group| self.lineage[*group].iter().copied()).collect();
        chain.sort_unstable_by_key(|group| self.rank[*group]);
        // Several groups of the host may have the same ancestors.
        chain.dedup();
        chain
    }

    /// The hosts of a group and of all its descendants, in inventory order.
    fn members(&self, group: usize) -> Vec<usize> {
        // A group may have several parents, but its hosts are added only once.
        let mut visited = vec![false; self.children.len()];
        let mut open = vec![group];
        let mut hosts = Vec::new();
        while let Some(group) = open.pop() {
            if !std::mem::replace(&mut visited[group], true) {
                hosts.extend_from_slice(&self.hosts[group]);
                open.extend_from_slice(&self.children[group]);
            }
        }
        // The indices are positions in the inventory, so sorting them restores the order of the inventory.
        hosts.sort_unstable();
        hosts.dedup();
        hosts
    }
}

/// For each group: the group and all its ancestors.
fn lineages(order: &[usize], parents: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut lineage: Vec<Vec<usize>> = (0..parents.len()).map(|group| vec![group]).collect();
    for group in order {
        // Parents come before their children in `order`, so the lineages of all parents are complete here.
        let mut all: Vec<usize> = parents[*group].iter().flat_map(|parent| lineage[*parent].iter().copied()).collect();
        all.push(*group);
        all.sort_unstable();
        all.dedup();
        lineage[*group] = all;
    }
    lineage
}

impl Inventory {
    fn membership(&self) -> &Membership {
        self.membership.get_or_init(|| Membership::of(self))
    }

    /// The names of the hosts in `group` and its descendants, in inventory order; empty if the group does not exist.
    pub fn hosts_of(&self, group: &str) -> Vec<&str> {
        self.members(group).into_iter().filter_map(|host| self.host_name(host)).collect()
    }

    /// The names of all groups of `host`, including `all`, the weakest first.
    pub fn groups_of(&self, host: &str) -> Vec<&str> {
        let name = |group: usize| self.groups.get_index(group).map(|(name, _)| name.as_str());
        self.chain(host).into_iter().filter_map(name).collect()
    }

    /// The indices of the hosts of a group in [`Inventory::hosts`], ascending.
    pub(super) fn members(&self, group: &str) -> Vec<usize> {
        self.groups.get_index_of(group).map(|group| self.membership().members(group)).unwrap_or_default()
    }

    pub(super) fn host_name(&self, at: usize) -> Option<&str> {
        self.hosts.get_index(at).map(|(name, _)| name.as_str())
    }

    /// The indices of the groups that `host` is directly in. Hosts with the same ones share their group variables.
    pub(super) fn direct_groups(&self, host: &str) -> &[usize] {
        let groups = self.hosts.get_index_of(host).and_then(|host| self.membership().groups.get(host));
        groups.map(Vec::as_slice).unwrap_or_default()
    }

    /// The indices of the groups of a host in [`Inventory::groups`], the weakest first.
    pub(super) fn chain(&self, host: &str) -> Vec<usize> {
        self.hosts.get_index_of(host).map(|host| self.membership().chain(host)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::load;
    use super::super::source::Source;

    #[test]
    fn groups_are_ordered_from_the_weakest_and_hosts_include_those_of_descendants() {
        let text = "a\n[west]\nb\n[east]\nb\nc\n[region:children]\nwest\neast\n[top:children]\nregion\n";
        let inventory = load::parse(&Source::new("hosts", text)).unwrap();
        assert_eq!(inventory.groups_of("b"), ["all", "top", "region", "east", "west"]);
        assert_eq!(inventory.groups_of("a"), ["all", "ungrouped"]);
        assert_eq!(inventory.hosts_of("top"), ["b", "c"]);
        assert_eq!(inventory.hosts_of("none"), Vec::<&str>::new());
        let direct: Vec<&str> =
            inventory.direct_groups("b").iter().map(|at| inventory.groups.keys().nth(*at).unwrap().as_str()).collect();
        assert_eq!(direct, ["west", "east"]);
    }

    #[test]
    fn a_group_is_below_its_deepest_parent() {
        let text = "[deep]\nh\n[middle:children]\ndeep\n[top:children]\nmiddle\ndeep\n";
        let inventory = load::parse(&Source::new("hosts", text)).unwrap();
        assert_eq!(inventory.groups_of("h"), ["all", "top", "middle", "deep"]);
    }
}
