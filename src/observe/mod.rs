//! Gathers the facts from registries, cluster and nodes, all at the same time. It cannot fail: what could not
//! be seen is a fact.

mod hint;
mod vantage;

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use self::vantage::Seen;
use crate::desired::{Desired, NodeTarget, Vantage};
use crate::engine::Engine;
use crate::event::{Event, HostOutcome, HostRow, Progress, RegistryRow, Stage};
use crate::facts::{ClusterFact, Facts, NodeFact, RegistryFact};
use crate::failure::Failure;
use crate::node::{self, OpenFailure, Session};
use crate::registry::{self, Clients, News};
use crate::report::Journal;
use crate::schedule::{self, Stop};

/// The open channel of each node, in the order of `Desired`; `None` where there is none.
pub type Sessions = Vec<Option<Session>>;

/// The nodes that could not be asked from, and of which a later window will tell whether they can be reached at all.
#[derive(Default)]
pub struct Troubles(Vec<(String, OpenFailure)>);

/// Looks at everything `desired` speaks of; `later` are the windows behind it. Ctrl-C ends it at once: nothing is being
/// changed yet.
pub fn observe(
    engine: &Engine,
    desired: &Desired,
    later: &[Desired],
    held: &mut Troubles,
    journal: &Journal,
) -> (Facts, Sessions) {
    let (seen, cluster, (nodes, sessions)) = std::thread::scope(|scope| {
        let seen = scope.spawn(|| match desired.vantage {
            Vantage::Controller => {
                Seen { registries: engine.runtime.block_on(registries(engine, desired, journal)), ..Seen::default() }
            }
            Vantage::FirstNode | Vantage::EveryNode => vantage::ask(engine, desired, journal),
        });
        let cluster = scope.spawn(|| engine.runtime.block_on(cluster(engine, desired)));
        let nodes = nodes(engine, &desired.nodes, journal);
        (seen.join(), cluster.join(), nodes)
    });
    let Seen { registries, asked_from, paths, troubles } = seen.unwrap_or_else(|_| {
        journal.record(Event::Error(Failure::internal("the registries could not be asked")));
        Seen { registries: vec![None; desired.registries.len()], ..Seen::default() }
    });
    let lost = || desired.pull_secret.as_ref().map(|_| Err(Failure::internal("the cluster could not be looked at")));
    let cluster = cluster.unwrap_or_else(|_| lost());
    let facts = Facts { registries, asked_from, paths, cluster, nodes };
    held.0.extend(troubles);
    held.tell(desired, later, &facts, journal);
    (facts, sessions)
}

impl Troubles {
    /// Tells which nodes could not be asked from, but for those of which it is or will be told anyway that they could
    /// not be reached.
    fn tell(&mut self, desired: &Desired, later: &[Desired], facts: &Facts, journal: &Journal) {
        let unreachable = |host: &str| {
            let fact = desired.nodes.iter().zip(&facts.nodes).find(|(node, _)| node.name == host);
            matches!(fact, Some((_, NodeFact::Unreachable(_))))
        };
        let later: HashSet<&str> =
            later.iter().flat_map(|window| &window.nodes).map(|node| node.name.as_str()).collect();
        for (host, fault) in std::mem::take(&mut self.0) {
            let (outcome, failure) = match &fault {
                OpenFailure::Unreachable(_) if unreachable(&host) => continue,
                OpenFailure::Unreachable(_) if later.contains(host.as_str()) => {
                    self.0.push((host, fault));
                    continue;
                }
                OpenFailure::Unreachable(failure) => (HostOutcome::Unreachable, failure),
                OpenFailure::Failed(failure) => (HostOutcome::Failed, failure),
            };
            journal.record(Event::Host(HostRow { host, outcome, failure: Some(failure.clone()) }));
        }
    }
}

async fn registries(engine: &Engine, desired: &Desired, journal: &Journal) -> Vec<Option<RegistryFact>> {
    let total = desired.registries.len();
    journal.record(Event::Progress(Progress { stage: Stage::Registries, done: 0, total }));
    let facts = Mutex::new(vec![None; total]);
    let done = AtomicUsize::new(0);
    let hear = |news: News<'_>| match news {
        News::Warning(message) => journal.record(Event::Warning { message: message.to_owned() }),
        News::Judged(at, fact) => {
            facts.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(fact.clone());
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            journal.record(Event::Progress(Progress { stage: Stage::Registries, done, total }));
        }
    };
    let (clients, logins) = (Arc::new(Clients::new(engine.home.as_deref())), Arc::default());
    let proving =
        registry::prove(&clients, &logins, &desired.registries, engine.limits.timeout, &engine.redactor, hear);
    tokio::select! {
        _ = proving => {}
        () = engine.cancel.reached(Stop::Gently) => {}
    }
    let facts = facts.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (registry, fact) in desired.registries.iter().zip(&facts) {
        if let Some(fact) = fact {
            journal.record(Event::Registry(RegistryRow::new(registry, fact, None)));
        }
    }
    facts
}

async fn cluster(engine: &Engine, desired: &Desired) -> Option<Result<ClusterFact, Failure>> {
    let (wanted, cluster) = desired.pull_secret.as_ref().zip(engine.cluster.as_ref())?;
    let hosts: Vec<&str> = wanted.credentials.iter().map(|credential| credential.key.as_str()).collect();
    Some(tokio::select! {
        fact = cluster.observe(&wanted.namespace, &wanted.name, &hosts) => fact,
        () = engine.cancel.reached(Stop::Gently) => Err(Failure::new("interrupted before the cluster was looked at")),
    })
}

fn nodes(engine: &Engine, nodes: &[NodeTarget], journal: &Journal) -> (Vec<NodeFact>, Sessions) {
    let limits = &engine.limits;
    let _guard = engine.cancel.abort_at(Stop::Gently, limits.abort.clone(), engine.runtime.handle());
    let total = nodes.len();
    journal.record(Event::Progress(Progress { stage: Stage::Observe, done: 0, total }));
    let (mut facts, mut sessions) = (Vec::with_capacity(total), Vec::with_capacity(total));
    schedule::each(
        &engine.pool,
        nodes.iter().collect(),
        |node| {
            if engine.cancel.level() > Stop::No {
                return (NodeFact::NotObserved, None);
            }
            match node::open(&node.name, &node.connection, &node.files, &engine.host_keys, &engine.identities, limits) {
                Ok((files, session)) => (NodeFact::Observed(files), Some(session)),
                Err(_) if engine.cancel.level() > Stop::No => (NodeFact::NotObserved, None),
                Err(OpenFailure::Unreachable(failure)) => {
                    (NodeFact::Unreachable(failure.scrubbed(&engine.redactor)), None)
                }
                Err(OpenFailure::Failed(failure)) => (NodeFact::Failed(failure.scrubbed(&engine.redactor)), None),
            }
        },
        |result| {
            let (fact, session) = result
                .unwrap_or_else(|| (NodeFact::Failed(Failure::internal("the node could not be looked at")), None));
            facts.push(fact);
            sessions.push(session);
            journal.record(Event::Progress(Progress { stage: Stage::Observe, done: facts.len(), total }));
        },
    );
    (facts, sessions)
}
