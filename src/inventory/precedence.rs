//! Who is in what, and whose variables win: the groups of a host, the hosts of a group, and Ansible's
//! order of variables (`all`, groups by depth, priority and name, their `group_vars`, the host, its `host_vars`, `-e`).

use super::assemble::ALL;
use super::model::{Folder, Group, Inventory, Node, Vars};

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

    /// All variables as they were written, those of groups first, then those of hosts and of `-e`.
    pub fn written(&self) -> impl Iterator<Item = (&str, &Node)> {
        let groups = self.groups.values().map(|group| (&group.vars, &group.files));
        let hosts = self.hosts.values().map(|host| (&host.vars, &host.files));
        let owned = groups.chain(hosts);
        let owned = owned.flat_map(|(vars, files)| std::iter::once(vars).chain(files.iter().map(|files| &files.vars)));
        let all = owned.chain([&self.extra]).flat_map(Vars::iter);
        all.map(|(name, node)| (name.as_str(), node))
    }

    /// The places of the hosts of a group in [`Inventory::hosts`], ascending.
    pub(super) fn members(&self, group: &str) -> Vec<usize> {
        self.groups.get_index_of(group).map(|group| self.index().members(group)).unwrap_or_default()
    }

    pub(super) fn host_name(&self, at: usize) -> Option<&str> {
        self.hosts.get_index(at).map(|(name, _)| name.as_str())
    }

    /// The numbers of the groups that `host` is directly in: hosts with the same ones have the same group variables.
    pub(super) fn direct_groups(&self, host: &str) -> &[usize] {
        let groups = self.hosts.get_index_of(host).and_then(|host| self.index().groups.get(host));
        groups.map(Vec::as_slice).unwrap_or_default()
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

/// What a group itself sets, as `ansible-inventory --graph --vars` shows it, the strongest first. The `group_vars` of
/// the working directory are not among it.
pub(super) fn own_layers(group: &Group) -> Vec<&Vars> {
    let beside = group.files.iter().filter(|files| files.folder != Folder::Working);
    beside.rev().map(|files| &files.vars).chain([&group.vars]).collect()
}

/// Where some of the variables of a host stand.
#[derive(Debug, Clone, Copy)]
pub(super) enum Layer {
    /// `-e`.
    Extra,
    /// The host of this number itself, or the file of this number of its `host_vars`.
    Host(usize),
    HostFile(usize, usize),
    /// The group of this number itself, or the file of this number of its `group_vars`.
    Group(usize),
    GroupFile(usize, usize),
}

impl Layer {
    /// The variables that stand there.
    pub fn vars(self, inventory: &Inventory) -> Option<&Vars> {
        let host = |at: usize| inventory.hosts.get_index(at).map(|(_, host)| host);
        let group = |at: usize| inventory.groups.get_index(at).map(|(_, group)| group);
        match self {
            Self::Extra => Some(&inventory.extra),
            Self::Host(at) => host(at).map(|host| &host.vars),
            Self::HostFile(at, file) => host(at)?.files.get(file).map(|files| &files.vars),
            Self::Group(at) => group(at).map(|group| &group.vars),
            Self::GroupFile(at, file) => group(at)?.files.get(file).map(|files| &files.vars),
        }
    }
}

/// Where the variables of `host` stand, the strongest first; of an unknown host there are those of `-e` alone.
pub(super) fn layers(inventory: &Inventory, host: &str) -> Vec<Layer> {
    let mut layers = own(inventory, host);
    layers.extend(inherited(inventory, host));
    layers
}

/// Those of `-e` and of the host itself.
fn own(inventory: &Inventory, host: &str) -> Vec<Layer> {
    let mut layers = vec![Layer::Extra];
    if let Some((at, _, host)) = inventory.hosts.get_full(host) {
        layers.extend((0..host.files.len()).rev().map(|file| Layer::HostFile(at, file)));
        layers.push(Layer::Host(at));
    }
    layers
}

/// Those of its groups. Ansible's order, from the weakest: `all`, the other groups, the files of `all`, then the files
/// of the other groups, where a later folder beats a deeper group.
fn inherited(inventory: &Inventory, host: &str) -> impl Iterator<Item = Layer> {
    let files_of = |at: usize| inventory.groups.get_index(at).map_or(&[][..], |(_, group)| &group.files);
    let mut chain = inventory.chain(host);
    chain.reverse();
    let all = inventory.groups.get_index_of(ALL).filter(|all| chain.contains(all));
    let others = chain.iter().copied().filter(|at| Some(*at) != all);
    let mut files: Vec<(Folder, Layer)> = others
        .flat_map(|at| {
            files_of(at).iter().enumerate().map(move |(file, vars)| (vars.folder, Layer::GroupFile(at, file)))
        })
        .collect();
    files.sort_by_key(|(folder, _)| std::cmp::Reverse(*folder));
    let of_all: Vec<Layer> =
        all.iter().flat_map(|at| (0..files_of(*at).len()).rev().map(|file| Layer::GroupFile(*at, file))).collect();
    // The weakest of the chain is `all`.
    files.into_iter().map(|(_, layer)| layer).chain(of_all).chain(chain.into_iter().map(Layer::Group))
}

/// The variables of one host, looked up where they stand.
#[derive(Debug, Clone)]
pub struct Scope<'a> {
    /// The strongest first.
    layers: Vec<&'a Vars>,
    /// How many of them are those of `-e` and of the host itself.
    own: usize,
}

impl<'a> Scope<'a> {
    /// The variables of `host`; of an unknown host those of `-e` alone.
    pub fn new(inventory: &'a Inventory, host: &str) -> Self {
        let own = own(inventory, host);
        let layers = own.iter().copied().chain(inherited(inventory, host)).filter_map(|layer| layer.vars(inventory));
        Self { layers: layers.collect(), own: own.len() }
    }

    /// The variables of `-e` and of the host, then those of its groups; the strongest first in both.
    pub(super) fn layers(&self) -> (&[&'a Vars], &[&'a Vars]) {
        self.layers.split_at(self.own)
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
