//! Asks the registries from where nodes stand: all credentials from the first node that can be reached, and each
//! way to a registry from every other one. A node that cannot be asked from is a fact of its own, and says nothing
//! of a registry.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use indexmap::IndexMap;

use super::hint::{compared, seen_from};
use crate::desired::{Authority, Desired, Proxy, Registry, TestLogin, TlsPolicy, Vantage, VantagePoint};
use crate::engine::Engine;
use crate::event::{Event, Phase, Progress, RegistryRow};
use crate::facts::{PathFact, RegistryFact, Verdict};
use crate::failure::Failure;
use crate::node::{OpenFailure, Tunnel};
use crate::registry::{self, Clients, Logins, ProgressEvent};
use crate::report::Journal;
use crate::schedule::{self, Stop};

/// What nodes saw.
#[derive(Default)]
pub(super) struct Seen {
    /// One for each registry of `Desired`; all `None` if no node could be asked from.
    pub(super) registries: Vec<Option<RegistryFact>>,
    /// The node that saw them.
    pub(super) asked_from: Option<String>,
    /// What the others saw.
    pub(super) paths: Vec<PathFact>,
    /// The nodes that could not be asked from, and why.
    pub(super) troubles: Vec<(String, OpenFailure)>,
}

/// What is asked of the nodes.
struct Round<'a> {
    engine: &'a Engine,
    desired: &'a Desired,
    journal: &'a Journal,
    /// Whose TLS connectors all tunnels share.
    clients: Clients,
    /// A login that was not accepted anywhere is tried nowhere else.
    logins: Arc<Logins>,
    /// Each warning is told once, from however many nodes it is heard.
    warned: Mutex<HashSet<String>>,
}

/// What makes two ways to a registry distinct: the host that is contacted, the proxy, and what TLS must show.
type Way<'a> = (String, &'a Proxy, TlsPolicy, Option<&'a Arc<Authority>>, Option<&'a String>);

/// Asks from the nodes that `desired` names. Ctrl-C ends it at once.
pub(super) fn ask(engine: &Engine, desired: &Desired, journal: &Journal) -> Seen {
    let _guard = engine.abort_nodes_at(Stop::Gently);
    let clients = Clients::new(engine.home.as_deref());
    let round = Round { engine, desired, journal, clients, logins: Arc::default(), warned: Mutex::default() };
    let mut seen = round.first();
    if desired.vantage == Vantage::EveryNode && seen.asked_from.is_some() {
        round.others(&mut seen);
    }
    seen
}

impl Round<'_> {
    fn is_cancelled(&self) -> bool {
        self.engine.cancel.level() > Stop::No
    }

    fn open(&self, point: &VantagePoint) -> Result<Tunnel, OpenFailure> {
        let Engine { host_keys, identities, limits, redactor, .. } = self.engine;
        Tunnel::open(&point.name, &point.connection, host_keys, identities, limits)
            .map_err(|failure| failure.scrubbed(redactor))
    }

    /// All registries, from the first node that will do.
    fn first(&self) -> Seen {
        let total = self.desired.registries.len();
        let mut seen = Seen { registries: vec![None; total], ..Seen::default() };
        self.progress(Phase::Registries, 0, total);
        let (first, others) = self.desired.vantage_points.split_at(1.min(self.desired.vantage_points.len()));
        // One after another, unreachable nodes would add up to hours.
        let forks = self.engine.pool.current_num_threads();
        for some in [first].into_iter().chain(others.chunks(forks)) {
            self.open_each(some, |point, tunnel| self.ask_first(point, tunnel, &mut seen));
            if seen.asked_from.is_some() || self.is_cancelled() {
                break;
            }
        }
        seen
    }

    /// All registries through `tunnel`, unless they were asked already.
    fn ask_first(&self, point: &VantagePoint, tunnel: Result<Tunnel, OpenFailure>, seen: &mut Seen) {
        if seen.asked_from.is_some() || self.is_cancelled() {
            return;
        }
        let registries = &self.desired.registries;
        let told = |done| self.progress(Phase::Registries, done, registries.len());
        match tunnel.and_then(|tunnel| self.prove(&tunnel, point, registries, told)) {
            Err(_) if self.is_cancelled() => {}
            Err(fault) => seen.troubles.push((point.name.clone(), fault)),
            Ok(facts) => {
                let pairs = registries.iter().zip(&facts);
                pairs.for_each(|(registry, fact)| self.tell(registry, fact.as_ref(), &point.name));
                (seen.registries, seen.asked_from) = (facts, Some(point.name.clone()));
            }
        }
    }

    /// Opens a tunnel to each; `next` has them in their order, each as soon as those before it are done with.
    fn open_each(
        &self,
        points: &[VantagePoint],
        mut next: impl FnMut(&VantagePoint, Result<Tunnel, OpenFailure>) + Send,
    ) {
        // The pool may be busy with the nodes themselves.
        if let [point] = points {
            return next(point, self.open(point));
        }
        let lost = || Err(OpenFailure::Failed(Failure::internal("the node could not be asked from")));
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

    /// Each way to a registry, from every node that was not asked from yet.
    fn others(&self, seen: &mut Seen) {
        let Seen { registries, asked_from, paths, troubles } = seen;
        let known: HashMap<&Registry, &RegistryFact> = self
            .desired
            .registries
            .iter()
            .zip(registries.iter())
            .filter_map(|(registry, fact)| Some((registry, fact.as_ref()?)))
            .collect();
        let asked: HashSet<String> =
            asked_from.iter().cloned().chain(troubles.iter().map(|(node, _)| node.clone())).collect();
        let points: Vec<&VantagePoint> =
            self.desired.vantage_points.iter().filter(|point| !asked.contains(&point.name)).collect();
        let (total, mut done) = (points.len(), 0);
        self.progress(Phase::Vantage, 0, total);
        schedule::each(
            &self.engine.pool,
            points.clone(),
            |point| self.paths(point, &known),
            |result| {
                let name = &points[done].name;
                done += 1;
                let lost = || Err(OpenFailure::Failed(Failure::internal("the node could not be asked from")));
                match result.unwrap_or_else(lost) {
                    Err(_) if self.is_cancelled() => {}
                    Err(fault) => troubles.push((name.clone(), fault)),
                    Ok(facts) => {
                        facts.iter().for_each(|path| self.tell(&path.registry, path.fact.as_ref(), name));
                        paths.extend(facts);
                    }
                }
                self.progress(Phase::Vantage, done, total);
            },
        );
    }

    /// What one node sees of its registries.
    fn paths(
        &self,
        point: &VantagePoint,
        known: &HashMap<&Registry, &RegistryFact>,
    ) -> Result<Vec<PathFact>, OpenFailure> {
        let registries = ways(&point.registries, |registry| known.get(registry).map(|fact| fact.verdict));
        let facts = if self.is_cancelled() {
            vec![None; registries.len()]
        } else {
            self.prove(&self.open(point)?, point, &registries, |_| {})?
        };
        let path = |(registry, fact): (Registry, Option<RegistryFact>)| {
            let trusted = known.get(&registry).is_some_and(|known| was_trusted(known.verdict));
            let fact = fact.map(|fact| if trusted { compared(&point.name, fact) } else { fact });
            PathFact { node: point.name.clone(), registry, fact }
        };
        Ok(registries.into_iter().zip(facts).map(path).collect())
    }

    /// Proves `registries` through a tunnel; `told` hears how many are done. Those with other proxies come after
    /// one another, so that a login that is refused is not tried by both.
    fn prove(
        &self,
        tunnel: &Tunnel,
        point: &VantagePoint,
        registries: &[Registry],
        told: impl Fn(usize),
    ) -> Result<Vec<Option<RegistryFact>>, OpenFailure> {
        let mut alike: IndexMap<&Proxy, Vec<usize>> = IndexMap::new();
        for (at, registry) in registries.iter().enumerate() {
            alike.entry(&registry.proxy).or_default().push(at);
        }
        let facts = Mutex::new((vec![None; registries.len()], 0));
        for (proxy, places) in alike {
            let Ok(socks) = tunnel.socks(proxy) else { continue };
            let clients = Arc::new(self.clients.through(&socks));
            let group: Vec<Registry> = places.iter().map(|at| registries[*at].clone()).collect();
            let on_event = |event: ProgressEvent<'_>| match event {
                ProgressEvent::Warning(message) => self.warn(message),
                ProgressEvent::Verdict(at, fact) => {
                    let failed = fact.failed_request.as_ref();
                    let obstacle = failed.and_then(|failed| tunnel.obstacle(proxy, &failed.address));
                    let mut facts = facts.lock().unwrap_or_else(PoisonError::into_inner);
                    facts.0[places[at]] = Some(seen_from(&point.name, &group[at], fact, obstacle.as_ref()));
                    facts.1 += 1;
                    told(facts.1);
                }
            };
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
            // Nothing that was seen through it counts then; when cancelled, it is cut off itself.
            if let Some(fault) = tunnel.fault() {
                return Err(fault);
            }
        }
        self.conclude(tunnel, point)?;
        Ok(facts.into_inner().unwrap_or_else(PoisonError::into_inner).0)
    }

    /// What shows of a tunnel only at its end.
    fn conclude(&self, tunnel: &Tunnel, point: &VantagePoint) -> Result<(), OpenFailure> {
        if tunnel.is_crowded() {
            self.warn(&format!(
                "somebody else on this machine crowds the tunnel through `{}`: what failed from there may be their \
                 doing, try again",
                point.name
            ));
        }
        match tunnel.forbids_all() {
            Some(fault) if !self.is_cancelled() => Err(fault),
            _ => Ok(()),
        }
    }

    fn warn(&self, message: &str) {
        if self.warned.lock().unwrap_or_else(PoisonError::into_inner).insert(message.to_owned()) {
            self.journal.record(Event::Warning { message: message.to_owned() });
        }
    }

    fn tell(&self, registry: &Registry, fact: Option<&RegistryFact>, node: &str) {
        if let Some(fact) = fact {
            self.journal.record(Event::Registry(RegistryRow::new(registry, fact, Some(node))));
        }
    }

    fn progress(&self, phase: Phase, done: usize, total: usize) {
        self.journal.record(Event::Progress(Progress { phase, done, total }));
    }
}

/// One registry for each distinct way to one, with the credential that promises most; `verdict` says what is known of
/// it. Where that was not accepted, the way is asked without it: the memory of the run keeps it back.
fn ways(registries: &[Registry], verdict: impl Fn(&Registry) -> Option<Verdict>) -> Vec<Registry> {
    let mut best: IndexMap<Way<'_>, (Promise, &Registry)> = IndexMap::new();
    for registry in registries.iter().filter(|registry| registry.test_login != TestLogin::Skip) {
        let promise = Promise::of(verdict(registry));
        let way = (
            registry::contacted_host(registry),
            &registry.proxy,
            registry.tls,
            registry.ca.as_ref(),
            registry.auth_server.as_ref(),
        );
        let known = best.entry(way).or_insert((promise, registry));
        if promise > known.0 {
            *known = (promise, registry);
        }
    }
    best.into_values().map(|(_, registry)| registry.clone()).collect()
}

/// Whether the registry's certificate was accepted: somebody behind it answered.
fn was_trusted(verdict: Verdict) -> bool {
    use Verdict::{NoPermission, NotFound, NotProved, Proved, RateLimited, Refused};
    matches!(verdict, Proved | NotProved | Refused | NoPermission | NotFound | RateLimited)
}

/// What a credential promises to say of the way to its registry, least first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Promise {
    /// It is not sent again: only a way without any answer would show.
    Refused,
    /// Nobody knows yet.
    Open,
    /// The registry took it, or takes anybody.
    Answered,
    Proved,
}

impl Promise {
    fn of(verdict: Option<Verdict>) -> Self {
        match verdict {
            Some(Verdict::Proved) => Self::Proved,
            Some(Verdict::NotProved | Verdict::NotFound | Verdict::NoPermission) => Self::Answered,
            Some(Verdict::Refused) => Self::Refused,
            _ => Self::Open,
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
    fn one_registry_for_each_way_with_the_credential_that_promises_most() {
        use TlsPolicy::{Insecure, Verify};
        let mut skipped = registry("e.example.com", "u", Verify);
        skipped.test_login = TestLogin::Skip;
        let registries = [
            registry("a.example.com", "missing", Verify),
            registry("a.example.com", "good", Verify),
            registry("a.example.com", "better-late", Verify),
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
        let chosen = ways(&registries, verdict);
        let told: Vec<_> = chosen.iter().map(|registry| (registry.host.as_str(), registry.user.as_str())).collect();
        assert_eq!(
            told,
            [
                ("a.example.com", "good"),
                ("a.example.com", "other"),
                ("b.example.com", "wrong"),
                ("c.example.com", "unknown")
            ]
        );
    }
}
