//! Contacts the registries from nodes: all credentials from the first node that can be reached, and each registry once
//! from every other node. A node that cannot be used for this is reported as a separate fact, which says nothing about
//! a registry.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use indexmap::IndexMap;

use super::hint::{compare, explain_for_node};
use crate::desired::{Authority, Desired, Proxy, Registry, TestLogin, TlsPolicy, Vantage, VantagePoint};
use crate::engine::Engine;
use crate::engine::schedule::{self, Stop};
use crate::engine::trace;
use crate::event::{Event, Phase, Progress, RegistryRow};
use crate::facts::{PathFact, RegistryFact, Verdict};
use crate::failure::Failure;
use crate::node::{OpenFailure, Tunnel};
use crate::registry::{self, Clients, Logins, ProgressEvent};
use crate::report::Journal;

/// The results of contacting the registries.
#[derive(Default)]
pub(super) struct RegistryObservations {
    /// One entry for each registry of `Desired`; all are `None` if no node was usable.
    pub(super) registries: Vec<Option<RegistryFact>>,
    /// The node from which they were contacted; `None` for this machine.
    pub(super) contacted_from: Option<String>,
    /// What the other nodes observed.
    pub(super) paths: Vec<PathFact>,
    /// The unusable nodes, and why each is unusable.
    pub(super) unusable: Vec<(String, OpenFailure)>,
}

/// What all observations of a run share.
struct NodeObserver<'a> {
    engine: &'a Engine,
    desired: &'a Desired,
    journal: &'a Journal,
    /// All tunnels share the TLS connectors of these clients.
    clients: Clients,
    /// The memory of the run: a login that was not accepted from one node is not sent from another.
    logins: Arc<Logins>,
    /// The warnings that were shown already. Each is shown only once, even if many nodes cause it.
    warned: Mutex<HashSet<String>>,
}

/// Registries with equal keys are contacted through the same connection: same host, same proxy, same requirements for
/// TLS.
type ConnectionKey<'a> = (String, &'a Proxy, TlsPolicy, Option<&'a Arc<Authority>>, Option<&'a String>);

/// Contacts the registries from the nodes that `desired` names. Ctrl-C ends it immediately.
pub(super) fn observe(engine: &Engine, desired: &Desired, journal: &Journal) -> RegistryObservations {
    let _guard = engine.abort_nodes_at(Stop::Gently);
    let clients = Clients::new(engine.home.as_deref());
    let observer = NodeObserver { engine, desired, journal, clients, logins: Arc::default(), warned: Mutex::default() };
    let mut observations = observer.observe_first_node();
    if desired.vantage == Vantage::EveryNode && observations.contacted_from.is_some() {
        observer.observe_other_nodes(&mut observations);
    }
    observations
}

impl NodeObserver<'_> {
    fn is_cancelled(&self) -> bool {
        self.engine.cancel.level() > Stop::No
    }

    fn open(&self, point: &VantagePoint) -> Result<Tunnel, OpenFailure> {
        let Engine { host_keys, identities, limits, redactor, .. } = self.engine;
        Tunnel::open(&point.name, &point.connection, host_keys, identities, limits)
            .map_err(|failure| failure.scrubbed(redactor))
    }

    /// Contacts all registries from the first usable node.
    fn observe_first_node(&self) -> RegistryObservations {
        let total = self.desired.registries.len();
        let mut observations =
            RegistryObservations { registries: vec![None; total], ..RegistryObservations::default() };
        let hosts = self.desired.registries.iter().map(|registry| &registry.host);
        hosts.for_each(|host| self.journal.record(Progress::begun(Phase::Registries, total, host)));
        let (first, others) = self.desired.vantage_points.split_at(1.min(self.desired.vantage_points.len()));
        // After the first node, several tunnels are opened at the same time, because the timeouts of unreachable nodes
        // could otherwise add up to hours.
        let forks = self.engine.pool.current_num_threads();
        for some in [first].into_iter().chain(others.chunks(forks)) {
            self.open_each(some, |point, tunnel| self.try_first(point, tunnel, &mut observations));
            if observations.contacted_from.is_some() || self.is_cancelled() {
                break;
            }
        }
        observations
    }

    /// Contacts all registries through `tunnel`, unless an earlier node was usable.
    fn try_first(
        &self,
        point: &VantagePoint,
        tunnel: Result<Tunnel, OpenFailure>,
        observations: &mut RegistryObservations,
    ) {
        if observations.contacted_from.is_some() || self.is_cancelled() {
            return;
        }
        let registries = &self.desired.registries;
        let on_done = |host: &str| self.journal.record(Progress::ended(Phase::Registries, registries.len(), host));
        match tunnel.and_then(|tunnel| self.prove(&tunnel, point, registries, on_done)) {
            Err(_) if self.is_cancelled() => {}
            Err(failure) => observations.unusable.push((point.name.clone(), failure)),
            Ok(facts) => {
                let pairs = registries.iter().zip(&facts);
                pairs.for_each(|(registry, fact)| self.report(registry, fact.as_ref(), &point.name));
                (observations.registries, observations.contacted_from) = (facts, Some(point.name.clone()));
            }
        }
    }

    /// Opens a tunnel through each node, and passes them to `next` in the order of `points`, each as soon as possible.
    fn open_each(
        &self,
        points: &[VantagePoint],
        mut next: impl FnMut(&VantagePoint, Result<Tunnel, OpenFailure>) + Send,
    ) {
        // The pool may be busy with the files of the nodes, so a single tunnel is opened in this thread.
        if let [point] = points {
            return next(point, self.open(point));
        }
        let lost = || Err(OpenFailure::Failed(Failure::internal("registries could not be contacted from the node")));
        let mut left = points.iter();
        schedule::each(
            &self.engine.pool,
            points.iter().collect(),
            |point| self.open(point),
            |tunnel| {
                if let Some(point) = left.next() {
                    next(point, tunnel.unwrap_or_else(lost));
                }
            },
        );
    }

    /// Contacts each registry once from every node that was not used yet.
    fn observe_other_nodes(&self, observations: &mut RegistryObservations) {
        let RegistryObservations { registries, contacted_from, paths, unusable } = observations;
        let known: HashMap<&Registry, &RegistryFact> = self
            .desired
            .registries
            .iter()
            .zip(registries.iter())
            .filter_map(|(registry, fact)| Some((registry, fact.as_ref()?)))
            .collect();
        let used: HashSet<String> =
            contacted_from.iter().cloned().chain(unusable.iter().map(|(node, _)| node.clone())).collect();
        let points: Vec<&VantagePoint> =
            self.desired.vantage_points.iter().filter(|point| !used.contains(&point.name)).collect();
        let (total, mut done) = (points.len(), 0);
        schedule::each(
            &self.engine.pool,
            points.clone(),
            |point| {
                self.journal.record(Progress::begun(Phase::Vantage, total, &point.name));
                let paths = self.paths(point, &known);
                self.journal.record(Progress::ended(Phase::Vantage, total, &point.name));
                paths
            },
            |result| {
                let name = &points[done].name;
                done += 1;
                let lost =
                    || Err(OpenFailure::Failed(Failure::internal("registries could not be contacted from the node")));
                match result.unwrap_or_else(lost) {
                    Err(_) if self.is_cancelled() => {}
                    Err(failure) => unusable.push((name.clone(), failure)),
                    Ok(facts) => {
                        facts.iter().for_each(|path| self.report(&path.registry, path.fact.as_ref(), name));
                        paths.extend(facts);
                    }
                }
            },
        );
    }

    /// Contacts the registries of one node through its tunnel.
    fn paths(
        &self,
        point: &VantagePoint,
        known: &HashMap<&Registry, &RegistryFact>,
    ) -> Result<Vec<PathFact>, OpenFailure> {
        let registries =
            one_for_each_connection(&point.registries, |registry| known.get(registry).map(|fact| fact.verdict));
        let facts = if self.is_cancelled() {
            vec![None; registries.len()]
        } else {
            self.prove(&self.open(point)?, point, &registries, |_| {})?
        };
        let path = |(registry, fact): (Registry, Option<RegistryFact>)| {
            let trusted = known.get(&registry).is_some_and(|known| certificate_was_accepted(known.verdict));
            let fact = fact.map(|fact| if trusted { compare(&point.name, fact) } else { fact });
            PathFact { node: point.name.clone(), registry, fact }
        };
        Ok(registries.into_iter().zip(facts).map(path).collect())
    }

    /// Proves `registries` through a tunnel; `on_done` gets the host of each verdict. Groups with different proxies
    /// are proved one after another, so that two of them do not send the same wrong login.
    fn prove(
        &self,
        tunnel: &Tunnel,
        point: &VantagePoint,
        registries: &[Registry],
        on_done: impl Fn(&str),
    ) -> Result<Vec<Option<RegistryFact>>, OpenFailure> {
        let mut groups: IndexMap<&Proxy, Vec<usize>> = IndexMap::new();
        for (at, registry) in registries.iter().enumerate() {
            groups.entry(&registry.proxy).or_default().push(at);
        }
        let facts = Mutex::new(vec![None; registries.len()]);
        for (proxy, indices) in groups {
            // Without random numbers there is no login for the tunnel. These registries get no fact, which stops the
            // run.
            let Ok(socks) = tunnel.socks(proxy) else { continue };
            let clients = Arc::new(self.clients.through(&socks));
            let group: Vec<Registry> = indices.iter().map(|at| registries[*at].clone()).collect();
            let on_event = |event: ProgressEvent<'_>| match event {
                ProgressEvent::Warning(message) => self.warn(message),
                ProgressEvent::Verdict(at, fact) => {
                    let failed = fact.failed_request.as_ref();
                    let obstacle = failed.and_then(|failed| tunnel.obstacle(proxy, &failed.address));
                    let mut facts = facts.lock().unwrap_or_else(PoisonError::into_inner);
                    facts[indices[at]] = Some(explain_for_node(&point.name, &group[at], fact, obstacle.as_ref()));
                    on_done(&group[at].host);
                }
                ProgressEvent::Exchange(exchange) => self.journal.record(trace::http(exchange, Some(&point.name))),
            };
            // Dropping the future ends all requests immediately.
            let Engine { limits, redactor, cancel, runtime, .. } = self.engine;
            let proving = registry::prove(&clients, &self.logins, &group, limits.timeout, redactor, on_event);
            runtime.block_on(async {
                tokio::select! {
                    _ = proving => {}
                    () = cancel.reached(Stop::Gently) => {}
                }
            });
            if self.is_cancelled() {
                break;
            }
            // If the node failed, no result that was observed through it is valid. Cancelling the run makes the tunnel
            // fail, too, so the check for a cancellation comes first.
            if let Some(failure) = tunnel.failure() {
                return Err(failure);
            }
        }
        self.check_at_end(tunnel, point)?;
        Ok(facts.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Checks the conditions of a tunnel that are known only when all requests have ended.
    fn check_at_end(&self, tunnel: &Tunnel, point: &VantagePoint) -> Result<(), OpenFailure> {
        if tunnel.is_crowded() {
            self.warn(&format!(
                "another program on this machine makes many connections to the tunnel through `{}`, which may have \
                 caused the failures from there: try again",
                point.name
            ));
        }
        match tunnel.forbids_all() {
            Some(failure) if !self.is_cancelled() => Err(failure),
            _ => Ok(()),
        }
    }

    fn warn(&self, message: &str) {
        if self.warned.lock().unwrap_or_else(PoisonError::into_inner).insert(message.to_owned()) {
            self.journal.record(Event::Warning { message: message.to_owned() });
        }
    }

    fn report(&self, registry: &Registry, fact: Option<&RegistryFact>, node: &str) {
        if let Some(fact) = fact {
            self.journal.record(Event::Registry(RegistryRow::new(registry, fact, Some(node))));
        }
    }
}

/// One registry for each distinct connection, with the credential that is most likely to be accepted; `verdict` is the
/// result from the first node. If no credential was accepted, the connection is still tested, but the credential is not
/// sent, because the memory of the run prevents that.
fn one_for_each_connection(registries: &[Registry], verdict: impl Fn(&Registry) -> Option<Verdict>) -> Vec<Registry> {
    let mut best: IndexMap<ConnectionKey<'_>, (Usefulness, &Registry)> = IndexMap::new();
    for registry in registries.iter().filter(|registry| registry.test_login != TestLogin::Skip) {
        let usefulness = Usefulness::of(verdict(registry));
        let key = (
            registry::contacted_host(registry),
            &registry.proxy,
            registry.tls,
            registry.ca.as_ref(),
            registry.auth_server.as_ref(),
        );
        let known = best.entry(key).or_insert((usefulness, registry));
        if usefulness > known.0 {
            *known = (usefulness, registry);
        }
    }
    best.into_values().map(|(_, registry)| registry.clone()).collect()
}

/// Whether the certificate of the registry was accepted: these verdicts require a response.
fn certificate_was_accepted(verdict: Verdict) -> bool {
    use Verdict::{NoPermission, NotFound, NotProved, Proved, RateLimited, Refused};
    matches!(verdict, Proved | NotProved | Refused | NoPermission | NotFound | RateLimited)
}

/// How much a credential can show about the connection to its registry, in ascending order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Usefulness {
    /// The credential is not sent again, so the test can only show a failed connection.
    Refused,
    /// There is no verdict yet.
    Unknown,
    /// The registry accepted it, or did not require it.
    Responded,
    Proved,
}

impl Usefulness {
    fn of(verdict: Option<Verdict>) -> Self {
        match verdict {
            Some(Verdict::Proved) => Self::Proved,
            Some(Verdict::NotProved | Verdict::NotFound | Verdict::NoPermission) => Self::Responded,
            Some(Verdict::Refused) => Self::Refused,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::desired::{Declaration, ImageChoice};
    use crate::secret::Secret;

    pub(in super::super) fn registry(host: &str, user: &str, tls: TlsPolicy) -> Registry {
        Registry {
            host: host.to_owned(),
            user: user.to_owned(),
            password: Secret::new("p"),
            identity_token: None,
            email: None,
            image: format!("{host}/a/b:1"),
            test_login: TestLogin::Inspect,
            tls,
            ca: None,
            proxy: Proxy::Environment,
            auth_server: None,
            declaration: Declaration::Entry,
            image_choice: ImageChoice::Given,
            origin: String::new(),
        }
    }

    #[test]
    fn one_registry_for_each_connection_with_the_most_useful_credential() {
        use TlsPolicy::{Insecure, Verify};
        let mut skipped = registry("e.example.com", "u", Verify);
        skipped.test_login = TestLogin::Skip;
        let registries = [
            registry("a.example.com", "missing", Verify),
            registry("a.example.com", "good", Verify),
            registry("a.example.com", "also-good", Verify),
            registry("a.example.com", "other", Insecure),
            registry("b.example.com", "wrong", Verify),
            registry("c.example.com", "wrong", Verify),
            registry("c.example.com", "unknown", Verify),
            skipped,
        ];
        let verdict = |registry: &Registry| match registry.user.as_str() {
            "missing" => Some(Verdict::NotFound),
            "wrong" => Some(Verdict::Refused),
            "unknown" => Some(Verdict::Timeout),
            _ => Some(Verdict::Proved),
        };
        let chosen = one_for_each_connection(&registries, verdict);
        let names: Vec<_> = chosen.iter().map(|registry| (registry.host.as_str(), registry.user.as_str())).collect();
        assert_eq!(
            names,
            [
                ("a.example.com", "good"),
                ("a.example.com", "other"),
                ("b.example.com", "wrong"),
                ("c.example.com", "unknown")
            ]
        );
    }
}
