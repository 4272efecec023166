//! Creates the desired state from the variables of an inventory, or reports all problems in one run. All code that
//! reads inventory variables for the desired state is in this folder, with one file for each rule. It does no I/O:
//! files, commands and credential helpers are accessed only through `inventory::Outside`.

mod api_access;
mod cache;
mod cluster_objects;
mod connection;
mod credential_source;
mod credential_text;
mod declared_registry;
mod defaults;
mod duplicate_registries;
mod file_paths;
pub mod from_file;
mod generated_no_proxy;
mod global_pull_secret;
mod image_policy;
mod image_pullers;
mod insecure_registries;
mod kubernetes_name;
mod managed_hosts;
mod members;
mod platform;
mod proxy;
mod pull_secret_source;
mod pull_secrets;
mod registries;
mod registry_entry;
mod registry_host;
mod registry_notices;
mod retired_registries;
mod service_accounts;
mod shared_registries;
mod test_image;
mod user;
mod variable_reader;

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::dockerconfig::Credential;
use crate::inventory::problem::nearest;
use crate::inventory::{Finding, Inventory, Problem, Variables};

use super::Desired;
use super::api_access::ApiAccess;
use super::codes;
use super::node::{NodeTarget, Vantage, VantagePoint};
use super::plain_passwords::command_line_passwords;
use super::platform::{Platform, Waits};
use super::registry::{Registry, TestLogin};
use super::request::{Request, Scope};
use api_access::{KUBECONFIG, MASTER_KUBECONFIG};
use cache::ResolveCache;
use cluster_objects::{DeclaredObjects, OWNER};
use global_pull_secret::GLOBAL_PULL_SECRET;
use image_pullers::IMAGE_PULLERS;
use managed_hosts::HOSTS;
use platform::{PLATFORM, ROLLOUT_TIMEOUT, WAIT};
use pull_secrets::{PULL_SECRETS, default_secrets};
use registry_entry::OREG_AUTH;
use retired_registries::RETIRED;
use shared_registries::SharedRegistries;
use variable_reader::VariableReader;

/// The prefix of oregano's variables. Any unknown variable with this prefix is reported as a mistake.
const PREFIX: &str = "oregano_";
const OWN_VARIABLES: [&str; 12] = [
    GLOBAL_PULL_SECRET,
    HOSTS,
    IMAGE_PULLERS,
    KUBECONFIG,
    MASTER_KUBECONFIG,
    OREG_AUTH,
    OWNER,
    PLATFORM,
    PULL_SECRETS,
    RETIRED,
    ROLLOUT_TIMEOUT,
    WAIT,
];

/// The desired state for a request.
///
/// # Errors
/// All problems, each of them once, in inventory order.
pub fn resolve(variables: &Variables, request: &Request) -> Result<Desired, Vec<Problem>> {
    match resolve_with_problems(variables, request) {
        (desired, problems) if problems.is_empty() => Ok(desired),
        (_, problems) => Err(problems),
    }
}

/// The valid part of the desired state, and all problems. Each problem is listed once, in inventory order.
pub fn resolve_with_problems(variables: &Variables, request: &Request) -> (Desired, Vec<Problem>) {
    let cache = ResolveCache::new(variables);
    let mut resolver = Resolver::new(variables, &cache, request);
    // The warnings are kept even if there are problems, because `inventory --check` shows both.
    let desired = resolver.desired().unwrap_or_default();
    let desired = Desired { warnings: resolver.warnings.list, notices: resolver.notices.list, ..desired };
    (desired, in_inventory_order(resolver.problems))
}

/// The selected nodes and how to connect to them, without credentials: for a command that only reads from nodes.
///
/// # Errors
/// All problems of the host selection and of the connection variables.
pub fn nodes(variables: &Variables, request: &Request) -> Result<Vec<NodeTarget>, Vec<Problem>> {
    let cache = ResolveCache::new(variables);
    let mut resolver = Resolver::new(variables, &cache, request);
    let nodes = resolver.nodes().unwrap_or_default();
    if resolver.problems.is_empty() { Ok(nodes) } else { Err(in_inventory_order(resolver.problems)) }
}

/// How the API server is reached, for a command that only reads from the cluster.
///
/// # Errors
/// All problems of the host selection and of the variables that describe it.
pub fn api_access(variables: &Variables, request: &Request) -> Result<ApiAccess, Vec<Problem>> {
    let cache = ResolveCache::new(variables);
    let mut resolver = Resolver::new(variables, &cache, request);
    let access = resolver.cluster_host().map(|host| resolver.api_access(host)).unwrap_or_default();
    if resolver.problems.is_empty() { Ok(access) } else { Err(in_inventory_order(resolver.problems)) }
}

/// The names of the selected hosts, in inventory order, whatever part of the work is done.
///
/// # Errors
/// All problems of the host selection.
pub fn hosts(variables: &Variables, request: &Request) -> Result<Vec<String>, Vec<Problem>> {
    let cache = ResolveCache::new(variables);
    let mut resolver = Resolver::new(variables, &cache, request);
    match resolver.hosts() {
        Some(hosts) => Ok(hosts),
        None => Err(in_inventory_order(resolver.problems)),
    }
}

/// Removes repeated problems and sorts the rest in inventory order. Many hosts may share the variable that causes a
/// problem.
fn in_inventory_order(problems: Vec<Problem>) -> Vec<Problem> {
    let mut seen = HashSet::new();
    // The sort below is stable, so problems at the same place, and those without a place, keep the order in which they
    // occurred.
    let mut problems: Vec<Problem> = problems.into_iter().filter(|problem| seen.insert(problem.render())).collect();
    problems
        .sort_by_key(|problem| problem.place.as_ref().map(|place| (place.span.source.name.clone(), place.span.start)));
    problems
}

/// Findings without repetitions, even if many hosts have the same finding.
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

/// The registries that the variables of one host declare, and the entries that follow from them.
#[derive(Clone)]
struct HostRegistries {
    registries: Arc<[Registry]>,
    credentials: Arc<[Credential]>,
    retired: Arc<[String]>,
}

struct Resolver<'a> {
    variables: &'a Variables,
    cache: &'a ResolveCache<'a>,
    inventory: &'a Inventory,
    request: &'a Request,
    problems: Vec<Problem>,
    warnings: Findings,
    notices: Findings,
    // Most hosts have equal lists. Sharing them limits the memory that 10,000 nodes need.
    registries: HashSet<Arc<[Registry]>>,
    credentials: HashSet<Arc<[Credential]>>,
    retired: HashSet<Arc<[String]>>,
    known: SharedRegistries,
}

impl<'a> Resolver<'a> {
    fn new(variables: &'a Variables, cache: &'a ResolveCache<'a>, request: &'a Request) -> Self {
        Self {
            variables,
            cache,
            inventory: variables.inventory(),
            request,
            problems: Vec::new(),
            warnings: Findings::default(),
            notices: Findings::default(),
            known: SharedRegistries::default(),
            registries: HashSet::new(),
            credentials: HashSet::new(),
            retired: HashSet::new(),
        }
    }

    /// The names of the selected hosts.
    fn hosts(&mut self) -> Option<Vec<String>> {
        let targets = self.targets()?;
        let selected = self.limited(&targets)?;
        Some(targets.into_iter().filter(|name| selected.contains(name)).map(str::to_owned).collect())
    }

    /// The selected nodes without credentials.
    fn nodes(&mut self) -> Option<Vec<NodeTarget>> {
        let targets = self.targets()?;
        let selected = self.limited(&targets)?;
        let nothing = HostRegistries { registries: [].into(), credentials: [].into(), retired: [].into() };
        let mut nodes = Vec::new();
        for name in targets.into_iter().filter(|name| selected.contains(name)) {
            let vars = self.variables.of(name);
            let mut reader = VariableReader::new(&vars, self.cache);
            nodes.extend(self.node(&mut reader, name, &nothing));
            self.collect(reader);
        }
        Some(nodes)
    }

    /// The host that provides the variables for the cluster.
    fn cluster_host(&mut self) -> Option<&'a str> {
        let targets = self.targets()?;
        let selected = self.limited(&targets)?;
        self.cluster_host_among(&targets, &selected)
    }

    /// The desired state; `None` if no hosts are selected.
    fn desired(&mut self) -> Option<Desired> {
        self.reject_unknown_variables();
        self.warnings.add(command_line_passwords(self.inventory));
        let targets = self.targets()?;
        let selected = self.limited(&targets)?;
        let cluster_host = self.cluster_host_among(&targets, &selected)?;
        let scope = &self.request.scope;
        let (mut nodes, mut vantage_points) = (Vec::new(), Vec::new());
        let mut registries: Vec<Registry> = Vec::new();
        let mut seen = HashSet::new();
        let (mut own, mut default_objects) = (DeclaredObjects::default(), 0);
        let (mut platform, mut waits) = (None, Waits::default());
        let mut retired: Arc<[String]> = [].into();
        let access = if scope.has_cluster() { self.api_access(cluster_host) } else { ApiAccess::default() };
        // The host that provides the variables for the cluster may be a master that `oregano_hosts` excludes.
        let other_host = (!targets.contains(&cluster_host)).then_some(cluster_host);
        for name in other_host.into_iter().chain(targets) {
            let vars = self.variables.of(name);
            let mut reader = VariableReader::new(&vars, self.cache);
            let declared = self.declared(&mut reader);
            if name == cluster_host {
                (platform, waits) = (platform::of_host(&mut reader), platform::waits(&mut reader));
                if matches!(scope, Scope::Restore(_)) {
                    // No other platform has what is put back, so the API server need not show its platform.
                    platform = platform.or(Some(Platform::OpenShift4));
                }
                // `validate` verifies the credentials of the secrets, too.
                if *scope != Scope::Nodes {
                    (own, default_objects) = self.objects(&mut reader, &declared, platform);
                    retired = Arc::clone(&declared.retired);
                }
            }
            if selected.contains(name) {
                nodes.extend(self.node(&mut reader, name, &declared));
                vantage_points.extend(self.vantage_point(&mut reader, name, &declared));
            }
            self.collect(reader);
            if !matches!(scope, Scope::Restore(_)) {
                registries
                    .extend(declared.registries.iter().filter(|registry| seen.insert((*registry).clone())).cloned());
            }
        }
        let DeclaredObjects { objects, owner, registries: of_secrets } = own;
        registries.extend(not_verified_yet(of_secrets, &registries));
        // An invalid registry is missing from the list, too, and its own problem is the one to report.
        if registries.is_empty() && objects.is_empty() && self.problems.is_empty() {
            let problem = Problem::new("the selected hosts have no registry credentials");
            self.problems.push(
                problem.hint(
                    "set `oreg_auth_user` and `oreg_auth_password`, or `openshift_additional_registry_credentials`",
                ),
            );
        }
        let vantage = self.request.vantage;
        let cluster =
            Desired { objects, default_objects, owner, retired, platform, waits, access, ..Desired::default() };
        Some(Desired { registries, nodes, vantage, vantage_points, ..cluster })
    }

    /// The objects of the host whose variables describe the cluster, none if the cluster is not part of the run; and how
    /// many of them are defaults.
    fn objects(
        &self,
        reader: &mut VariableReader<'_>,
        declared: &HostRegistries,
        platform: Option<Platform>,
    ) -> (DeclaredObjects, usize) {
        let DeclaredObjects { objects, owner, registries } =
            cluster_objects::of_host(reader, declared, platform, &self.request.scope);
        if !self.request.scope.has_cluster() {
            return (DeclaredObjects { objects: Vec::new(), owner, registries }, 0);
        }
        let defaults = match platform {
            _ if matches!(self.request.scope, Scope::Restore(_)) => Vec::new(),
            // Only openshift-ansible 3.11 creates these secrets.
            Some(Platform::OpenShift4 | Platform::Kubernetes) => Vec::new(),
            Some(Platform::OpenShift3) | None => default_secrets(&objects, &declared.credentials),
        };
        let count = defaults.len();
        let objects = defaults.into_iter().chain(objects).collect();
        (DeclaredObjects { objects, owner, registries }, count)
    }

    /// Reports unknown variables with oregano's prefix: a misspelled variable would have no effect, and no message
    /// would report that.
    fn reject_unknown_variables(&mut self) {
        for (name, node) in self.inventory.written() {
            if name.starts_with(PREFIX) && !OWN_VARIABLES.contains(&name) {
                let problem =
                    Problem::hiding(&node.span, format!("unknown variable `{name}`")).code(codes::UNKNOWN_VARIABLE);
                self.problems.push(match nearest(name, OWN_VARIABLES) {
                    Some(near) => problem.hint(format!("did you mean `{near}`?")),
                    None => problem.hint(format!("the variables with this prefix are: {}", OWN_VARIABLES.join(", "))),
                });
            }
        }
    }

    fn declared(&mut self, reader: &mut VariableReader<'_>) -> HostRegistries {
        if let Some(known) = self.known.find(reader) {
            return known;
        }
        reader.start_recording();
        let declared = self.resolved(reader);
        let names = reader.recorded();
        self.known.keep(reader, names, &declared);
        declared
    }

    fn resolved(&mut self, reader: &mut VariableReader<'_>) -> HostRegistries {
        let registries = registries::of_host(reader);
        let credentials = credentials(&registries);
        let retired = retired_registries::of_host(reader, &registries);
        HostRegistries {
            retired: shared_list(&mut self.retired, retired),
            credentials: shared_list(&mut self.credentials, credentials),
            registries: shared_list(&mut self.registries, registries),
        }
    }

    fn node(&self, reader: &mut VariableReader<'_>, name: &str, declared: &HostRegistries) -> Option<NodeTarget> {
        if !self.request.scope.has_nodes() {
            return None;
        }
        let files = file_paths::of_host(reader);
        let connection = connection::of_host(reader, name, self.request)?;
        let (credentials, retired) = (Arc::clone(&declared.credentials), Arc::clone(&declared.retired));
        Some(NodeTarget { name: name.to_owned(), connection, files, credentials, retired })
    }

    fn vantage_point(
        &self,
        reader: &mut VariableReader<'_>,
        name: &str,
        declared: &HostRegistries,
    ) -> Option<VantagePoint> {
        if matches!(self.request.vantage, Vantage::Controller | Vantage::Cluster) {
            return None;
        }
        let connection = connection::of_host(reader, name, self.request)?;
        Some(VantagePoint { name: name.to_owned(), connection, registries: Arc::clone(&declared.registries) })
    }

    /// Collects the problems and findings of a reader.
    fn collect(&mut self, reader: VariableReader<'_>) {
        self.problems.extend(reader.problems);
        self.warnings.add(reader.warnings);
        self.notices.add(reader.notices);
    }
}

/// The registries of secrets whose login no other registry verifies. A registry with a test image verifies more than a
/// login.
fn not_verified_yet(of_secrets: Vec<Registry>, verified: &[Registry]) -> Vec<Registry> {
    let login = |registry: &Registry| {
        let Registry { host, user, password, identity_token, .. } = registry.clone();
        (host, user, password, identity_token)
    };
    let verified: HashSet<_> = verified.iter().map(login).collect();
    let mut seen = HashSet::new();
    let needed =
        |registry: &Registry| registry.test_login == TestLogin::Inspect || !verified.contains(&login(registry));
    of_secrets.into_iter().filter(|registry| needed(registry) && seen.insert(registry.clone())).collect()
}

/// Returns the equal list that is already stored, or stores and returns this one.
fn shared_list<T: Eq + Hash>(known: &mut HashSet<Arc<[T]>>, list: Vec<T>) -> Arc<[T]> {
    if let Some(known) = known.get(list.as_slice()) {
        return Arc::clone(known);
    }
    let list: Arc<[T]> = list.into();
    known.insert(Arc::clone(&list));
    list
}

/// The entries of files and secrets: one for each registry, even if it has several test images, and one for each token
/// server.
fn credentials(registries: &[Registry]) -> Vec<Credential> {
    let mut entries: IndexMap<&str, Credential> = IndexMap::new();
    for registry in registries {
        entries.entry(&registry.host).or_insert_with(|| registry.credential());
    }
    // Token servers come after all registries, so that a declared registry is not replaced by a token server with the
    // same key.
    for (registry, server) in registries.iter().filter_map(|registry| Some((registry, registry.auth_server.as_ref()?)))
    {
        entries.entry(server).or_insert_with(|| Credential { key: server.clone(), ..registry.credential() });
    }
    entries.into_values().collect()
}
