//! Ansible's order of precedence for variables, from the weakest: the group `all`, other groups by depth, priority and
//! name, their `group_vars`, the host, its `host_vars`, `-e`. It does not resolve templates.

use super::model::{ALL, Folder, Group, Inventory, Node, Vars};

impl Inventory {
    /// All variables as they are written: those of groups first, then those of hosts and of `-e`.
    pub fn written(&self) -> impl Iterator<Item = (&str, &Node)> {
        let groups = self.groups.values().map(|group| (&group.vars, &group.files));
        let hosts = self.hosts.values().map(|host| (&host.vars, &host.files));
        let owned = groups.chain(hosts);
        let owned = owned.flat_map(|(vars, files)| std::iter::once(vars).chain(files.iter().map(|files| &files.vars)));
        let all = owned.chain([&self.extra]).flat_map(Vars::iter);
        all.map(|(name, node)| (name.as_str(), node))
    }
}

/// All variables of `host`, with unresolved templates. [`Scope`] reads single variables without copies.
pub fn vars_of(inventory: &Inventory, host: &str) -> Vars {
    let mut vars = Vars::new();
    for layer in Scope::new(inventory, host).layers.iter().rev() {
        vars.extend(layer.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    vars
}

/// The variables that are set for the group, as `ansible-inventory --graph --vars` shows them, the strongest first.
/// They do not include the `group_vars` of the working directory.
pub(super) fn own_layers(group: &Group) -> Vec<&Vars> {
    let from_files = group.files.iter().filter(|files| files.folder != Folder::Working);
    from_files.rev().map(|files| &files.vars).chain([&group.vars]).collect()
}

/// One set of variables that apply to a host.
#[derive(Debug, Clone, Copy)]
pub(super) enum Layer {
    /// `-e`.
    Extra,
    /// The variables of the host with this index.
    Host(usize),
    /// The variables from `host_vars`: index of the host, and index in [`Host::files`](super::model::Host::files).
    HostFile(usize, usize),
    /// The variables of the group with this index.
    Group(usize),
    /// The variables from `group_vars`: index of the group, and index in [`Group::files`].
    GroupFile(usize, usize),
}

impl Layer {
    /// The variables of this layer.
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

/// The layers of variables of `host`, the strongest first. An unknown host has only those of `-e`.
pub(super) fn layers(inventory: &Inventory, host: &str) -> Vec<Layer> {
    let mut layers = own(inventory, host);
    layers.extend(inherited(inventory, host));
    layers
}

/// The layers of `-e` and of the host itself.
fn own(inventory: &Inventory, host: &str) -> Vec<Layer> {
    let mut layers = vec![Layer::Extra];
    if let Some((at, _, host)) = inventory.hosts.get_full(host) {
        // `files` starts with the weakest folder, but the layers start with the strongest.
        layers.extend((0..host.files.len()).rev().map(|file| Layer::HostFile(at, file)));
        layers.push(Layer::Host(at));
    }
    layers
}

/// The layers of the host's groups. Ansible's order, from the weakest, is: `all`, the other groups, the files of `all`,
/// the files of the other groups. A file in a later folder overrides a file of a deeper group.
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
    // The sort is stable, so the files of one folder stay in the order of their groups.
    files.sort_by_key(|(folder, _)| std::cmp::Reverse(*folder));
    let files_of_all: Vec<Layer> =
        all.iter().flat_map(|at| (0..files_of(*at).len()).rev().map(|file| Layer::GroupFile(*at, file))).collect();
    // `all` is the weakest group of the chain, so it comes last here.
    files.into_iter().map(|(_, layer)| layer).chain(files_of_all).chain(chain.into_iter().map(Layer::Group))
}

/// The variables of one host, without copies.
#[derive(Debug, Clone)]
pub struct Scope<'a> {
    /// The layers, the strongest first.
    layers: Vec<&'a Vars>,
    /// The number of layers that belong to `-e` and to the host.
    own: usize,
}

impl<'a> Scope<'a> {
    /// The variables of `host`. An unknown host has only those of `-e`.
    pub fn new(inventory: &'a Inventory, host: &str) -> Self {
        let own = own(inventory, host);
        let layers = own.iter().copied().chain(inherited(inventory, host)).filter_map(|layer| layer.vars(inventory));
        Self { layers: layers.collect(), own: own.len() }
    }

    /// The layers of `-e` and of the host, and the layers of its groups. In both lists, the strongest layer is first.
    pub(super) fn layers(&self) -> (&[&'a Vars], &[&'a Vars]) {
        self.layers.split_at(self.own)
    }

    /// The variable as written, from the strongest layer that sets it.
    pub fn raw(&self, name: &str) -> Option<&'a Node> {
        self.layers.iter().find_map(|layer| layer.get(name))
    }

    /// The names of all variables of the host, with repetitions.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.layers.iter().flat_map(|layer| layer.keys().map(String::as_str))
    }
}
