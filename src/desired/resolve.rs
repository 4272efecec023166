//! Inventory and request to [`Desired`], or every problem at once.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::dockerconfig::Credential;
use crate::inventory::problem::nearest;
use crate::inventory::{Code, Finding, Inventory, Problem, Variables, patterns};

use super::entry::OREG_AUTH;
use super::lookup::{Lookup, Text};
use super::request::Request;
use super::shared::Shared;
use super::{Desired, NodeTarget, PullSecret, Registry, Vantage, VantagePoint, connection, registries};

/// The groups whose hosts get files, where `oregano_hosts` does not say otherwise.
const NODE_GROUPS: [&str; 4] = ["masters", "nodes", "new_masters", "new_nodes"];

/// Every variable with this prefix is ours; another name with it is a mistake.
const PREFIX: &str = "oregano_";
const HOSTS: &str = "oregano_hosts";
const OURS: [&str; 2] = [HOSTS, OREG_AUTH];

/// What the run asks for.
///
/// # Errors
/// Every problem that was found, each once, in the order of the inventory.
pub fn resolve(variables: &Variables, request: &Request) -> Result<Desired, Vec<Problem>> {
    match judge(variables, request) {
        (desired, problems) if problems.is_empty() => Ok(desired),
        (_, problems) => Err(problems),
    }
}

/// What could be understood of what the run asks for, and every problem, each once, in the order of the inventory.
pub fn judge(variables: &Variables, request: &Request) -> (Desired, Vec<Problem>) {
    let shared = Shared::new(variables);
    let mut resolver = Resolver {
        variables,
        shared: &shared,
        inventory: variables.inventory(),
        request,
        problems: Vec::new(),
        warnings: Findings::default(),
        notices: Findings::default(),
        registries: HashSet::new(),
        credentials: HashSet::new(),
    };
    let desired = resolver.run().unwrap_or_default();
    let desired = Desired { warnings: resolver.warnings.list, notices: resolver.notices.list, ..desired };
    let mut seen = HashSet::new();
    let mut problems: Vec<Problem> =
        resolver.problems.into_iter().filter(|problem| seen.insert(problem.render())).collect();
    problems
        .sort_by_key(|problem| problem.place.as_ref().map(|place| (place.span.source.name.clone(), place.span.start)));
    (desired, problems)
}

/// Findings, each once, however many hosts have it.
#[derive(Default)]
struct Findings {
    list: Vec<Finding>,
    seen: HashSet<String>,
}

impl Findings {
    fn add(&mut self, more: Vec<Finding>) {
        self.list.extend(more.into_iter().filter(|finding| self.seen.insert(finding.to_string())));
    }
}

/// What the variables of one host declare.
#[derive(Clone)]
struct Declared {
    registries: Arc<[Registry]>,
    credentials: Arc<[Credential]>,
}

struct Resolver<'a> {
    variables: &'a Variables,
    shared: &'a Shared<'a>,
    inventory: &'a Inventory,
    request: &'a Request,
    problems: Vec<Problem>,
    warnings: Findings,
    notices: Findings,
    // Equal lists are held once, however many hosts have them.
    registries: HashSet<Arc<[Registry]>>,
    credentials: HashSet<Arc<[Credential]>>,
}

impl<'a> Resolver<'a> {
    fn run(&mut self) -> Option<Desired> {
        self.refuse_unknown_variables();
        let targets = self.targets()?;
        let selected = self.limited(&targets)?;
        let owner = self.secret_owner(&targets, &selected)?;
        let scope = self.request.scope;
        let (mut nodes, mut vantage_points) = (Vec::new(), Vec::new());
        let mut registries: Vec<Registry> = Vec::new();
        let mut seen = HashSet::new();
        let mut secret = None;
        let outsider = (!targets.contains(&owner)).then_some(owner);
        for name in outsider.into_iter().chain(targets) {
            let vars = self.variables.of(name);
            let mut lookup = Lookup::new(&vars, self.shared);
            let declared = self.declared(&mut lookup);
            if selected.contains(name) {
                nodes.extend(self.node(&mut lookup, name, &declared));
                vantage_points.extend(self.vantage_point(&mut lookup, name, &declared));
            }
            self.take(lookup);
            if name == owner {
                secret = Some(Arc::clone(&declared.credentials));
            }
            registries.extend(declared.registries.iter().filter(|registry| seen.insert((*registry).clone())).cloned());
        }
        if registries.is_empty() && self.problems.is_empty() {
            let problem = Problem::new("the selected hosts have no registry credentials");
            self.problems.push(
                problem.hint(
                    "set `oreg_auth_user` and `oreg_auth_password`, or `openshift_additional_registry_credentials`",
                ),
            );
        }
        let pull_secret = secret.filter(|_| scope.has_cluster()).map(|credentials| PullSecret {
            namespace: "openshift".into(),
            name: "imagestreamsecret".into(),
            credentials,
        });
        let vantage = self.request.vantage;
        Some(Desired { registries, pull_secret, nodes, vantage, vantage_points, ..Desired::default() })
    }

    /// A misspelt variable of ours would silently do nothing.
    fn refuse_unknown_variables(&mut self) {
        for (name, node) in self.inventory.written() {
            if name.starts_with(PREFIX) && !OURS.contains(&name) {
                let problem =
                    Problem::hiding(&node.span, format!("unknown variable `{name}`")).code(Code::UnknownVariable);
                self.problems.push(match nearest(name, OURS) {
                    Some(near) => problem.hint(format!("did you mean `{near}`?")),
                    None => problem.hint(format!("the variables with this prefix are: {}", OURS.join(", "))),
                });
            }
        }
    }

    /// The hosts that get files, before `--limit`, in inventory order.
    fn targets(&mut self) -> Option<Vec<&'a str>> {
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
                return self.in_order(&pattern, None);
            }
        };
        self.in_order(&pattern.text, Some(&pattern))
    }

    /// The hosts that a pattern selects, in the order of the inventory rather than of the pattern.
    fn in_order(&mut self, pattern: &str, place: Option<&Text>) -> Option<Vec<&'a str>> {
        let mut hosts = self.select(pattern, place)?;
        hosts.sort_by_cached_key(|host| self.inventory.hosts.get_index_of(*host));
        Some(hosts)
    }

    /// The targets that `--limit` leaves.
    fn limited(&mut self, targets: &[&'a str]) -> Option<HashSet<&'a str>> {
        let Some(limit) = &self.request.limit else { return Some(targets.iter().copied().collect()) };
        let before = self.problems.len();
        let Some(within) = self.select(&limit.pattern, None) else {
            if limit.written != limit.pattern {
                // A wrong file may hold anything: its lines are not shown.
                self.problems.truncate(before);
                let message = format!("`--limit {}` names what is neither host nor group, or no host", limit.written);
                self.problems.push(Problem::new(message).hint("`oregano inventory --graph` shows hosts and groups"));
            }
            return None;
        };
        let within: HashSet<&str> = within.into_iter().collect();
        let selected: HashSet<&str> = targets.iter().copied().filter(|name| within.contains(name)).collect();
        if selected.is_empty() {
            let problem =
                Problem::new(format!("no host is selected: `--limit {}` leaves none of the nodes", limit.written));
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
                    Some(text) => Problem::naming(&text.span, message),
                    None => Problem::new(message),
                };
                self.problems.push(problem.hint("`oregano inventory --list` shows hosts and groups"));
                None
            }
            Ok(hosts) => Some(hosts),
            Err(problem) => {
                let place = place.map(|text| Problem::naming(&text.span, "").place).unwrap_or_default();
                self.problems.push(Problem { place: problem.place.clone().or(place), ..problem });
                None
            }
        }
    }

    /// A variable that must be the same for every host; the outer `None` is a problem.
    fn run_wide(&mut self, name: &str) -> Option<Option<Text>> {
        let mut found: Option<(&str, Option<Text>)> = None;
        for host in self.inventory.hosts.keys() {
            let vars = self.variables.of(host);
            let mut lookup = Lookup::new(&vars, self.shared);
            let text = lookup.node(name).and_then(|node| lookup.text_of(&node, &format!("`{name}`")));
            let failed = !lookup.problems.is_empty();
            self.take(lookup);
            if failed {
                return None;
            }
            match &found {
                None => found = Some((host, text)),
                Some((first, other)) if other.as_ref().map(|t| &t.text) != text.as_ref().map(|t| &t.text) => {
                    let span = text.as_ref().or(other.as_ref()).map(|text| text.span.clone());
                    let message = format!("`{name}` holds for the whole run, but differs for `{first}` and `{host}`");
                    let problem = span.map_or_else(|| Problem::new(&message), |span| Problem::naming(&span, &message));
                    self.problems.push(problem.hint("set it once, in `[all:vars]`"));
                    return None;
                }
                Some(_) => {}
            }
        }
        Some(found.and_then(|(_, text)| text))
    }

    /// Whose variables the secret takes: the first host of `masters`, else the first selected host.
    fn secret_owner(&self, targets: &[&'a str], selected: &HashSet<&'a str>) -> Option<&'a str> {
        let master = self.inventory.hosts_of("masters").first().copied();
        master.or_else(|| targets.iter().copied().find(|name| selected.contains(name)))
    }

    fn declared(&mut self, lookup: &mut Lookup<'_>) -> Declared {
        let registries = registries::of_host(lookup);
        let credentials = credentials(&registries);
        Declared {
            credentials: once(&mut self.credentials, credentials),
            registries: once(&mut self.registries, registries),
        }
    }

    fn node(&self, lookup: &mut Lookup<'_>, name: &str, declared: &Declared) -> Option<NodeTarget> {
        if !self.request.scope.has_nodes() {
            return None;
        }
        let files = files(lookup);
        let connection = connection::of_host(lookup, name, self.request)?;
        Some(NodeTarget { name: name.to_owned(), connection, files, credentials: Arc::clone(&declared.credentials) })
    }

    fn vantage_point(&self, lookup: &mut Lookup<'_>, name: &str, declared: &Declared) -> Option<VantagePoint> {
        if self.request.vantage == Vantage::Controller {
            return None;
        }
        let connection = connection::of_host(lookup, name, self.request)?;
        Some(VantagePoint { name: name.to_owned(), connection, registries: Arc::clone(&declared.registries) })
    }

    fn take(&mut self, lookup: Lookup<'_>) {
        self.problems.extend(lookup.problems);
        self.warnings.add(lookup.warnings);
        self.notices.add(lookup.notices);
    }
}

/// The list that equals this one, if there is one already.
fn once<T: Eq + Hash>(known: &mut HashSet<Arc<[T]>>, list: Vec<T>) -> Arc<[T]> {
    if let Some(known) = known.get(list.as_slice()) {
        return Arc::clone(known);
    }
    let list: Arc<[T]> = list.into();
    known.insert(Arc::clone(&list));
    list
}

/// What files and secrets hold: an entry for each registry, however many images prove it, and for each token server.
fn credentials(registries: &[Registry]) -> Vec<Credential> {
    let mut found: IndexMap<&str, Credential> = IndexMap::new();
    for registry in registries {
        found.entry(&registry.host).or_insert_with(|| registry.credential());
    }
    for (registry, server) in registries.iter().filter_map(|registry| Some((registry, registry.auth_server.as_ref()?)))
    {
        found.entry(server).or_insert_with(|| Credential { key: server.clone(), ..registry.credential() });
    }
    found.into_values().collect()
}

/// The paths of a host: `docker_auth_credentials_path` alone, or the kubelet's and root's own.
fn files(lookup: &mut Lookup<'_>) -> Vec<String> {
    if lookup.raw("docker_auth_credentials_path").is_some() {
        let folder = folder(lookup, "docker_auth_credentials_path");
        return folder.map(|folder| format!("{folder}/config.json")).into_iter().collect();
    }
    let folder = if lookup.raw("openshift_data_dir").is_some() {
        folder(lookup, "openshift_data_dir")
    } else {
        Some("/var/lib/origin".to_owned())
    };
    let kubelet = folder.map(|folder| format!("{folder}/.docker/config.json"));
    let mut files: Vec<String> = kubelet.into_iter().collect();
    let root = "/root/.docker/config.json".to_owned();
    if !files.contains(&root) {
        files.push(root);
    }
    files
}

/// An absolute folder without a trailing slash.
fn folder(lookup: &mut Lookup<'_>, name: &str) -> Option<String> {
    let text = lookup.text(name)?;
    let fault = match &text.text {
        path if !path.starts_with('/') => "is not an absolute path",
        path if path.contains(char::is_control) => "has a control character",
        path => return Some(path.trim_end_matches('/').to_owned()),
    };
    lookup.problems.push(Problem::hiding(&text.span, format!("`{name}` {fault}")));
    None
}
