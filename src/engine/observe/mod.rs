//! Gathers the facts from registries, cluster and nodes, all at the same time. It returns no error: something that
//! could not be observed is recorded as a fact, too.

mod cluster;
mod hint;
mod vantage;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

pub(super) use self::cluster::objects;
use self::vantage::RegistryObservations;
use crate::desired::{Desired, NodeTarget, Vantage};
use crate::engine::Engine;
use crate::engine::schedule::{self, Stop};
use crate::engine::trace;
use crate::event::{Event, HostOutcome, HostRow, Phase, Progress, RegistryRow};
use crate::facts::{Facts, NodeFact, RegistryFact};
use crate::failure::Failure;
use crate::node::{OpenFailure, Session};
use crate::registry::{self, Clients, ProgressEvent};
use crate::report::Journal;

/// The open session of each node of a window; `None` for a node without a session.
pub type Sessions = Vec<Option<Session>>;

/// The nodes from which registries could not be contacted, and whose failure is not reported yet. A later window shows
/// whether they can be reached for their files, and a node that cannot be reached must be reported only once.
#[derive(Default)]
pub struct UnusableNodes {
    pending: Vec<(String, OpenFailure)>,
}

/// Observes registries, cluster and the first window of nodes, all at the same time. Ctrl-C ends it immediately,
/// because nothing is being changed yet. A cluster that is known to be unusable is not contacted.
pub fn observe(
    engine: &Engine,
    desired: &Desired,
    unusable_cluster: Option<&Failure>,
    (window, unusable): (&[NodeTarget], &mut UnusableNodes),
    journal: &Journal,
) -> (Facts, Sessions) {
    let (observed, cluster, (nodes, sessions)) = std::thread::scope(|scope| {
        let observed = scope.spawn(|| match desired.vantage {
            Vantage::Controller => {
                let registries = engine.runtime.block_on(registries(engine, desired, journal));
                RegistryObservations { registries, ..RegistryObservations::default() }
            }
            // The importer contacts them when imports are proved.
            Vantage::Cluster => RegistryObservations::default(),
            Vantage::FirstNode | Vantage::EveryNode => vantage::observe(engine, desired, journal),
        });
        let cluster = scope.spawn(|| {
            let begin = Instant::now();
            let facts = engine.runtime.block_on(cluster::observe(engine, desired, unusable_cluster));
            if !desired.objects.is_empty() {
                trace::task("cluster", "http: the objects were read", begin, journal);
            }
            facts
        });
        let nodes = nodes(engine, window, journal);
        (observed.join(), cluster.join(), nodes)
    });
    let observed = observed.unwrap_or_else(|_| {
        journal.record(Event::Error(Failure::internal("the registries could not be contacted")));
        RegistryObservations { registries: vec![None; desired.registries.len()], ..RegistryObservations::default() }
    });
    let RegistryObservations { registries, contacted_from, paths, unusable: unusable_nodes } = observed;
    // The planner treats everything that has no fact as a failure.
    let cluster = cluster.unwrap_or_default();
    let facts = Facts { registries, contacted_from, paths, cluster, nodes };
    unusable.pending = unusable_nodes;
    if !unusable.pending.is_empty() {
        let later: HashSet<&str> = desired.nodes.iter().skip(window.len()).map(|node| node.name.as_str()).collect();
        unusable.report(window, &facts.nodes, |host| later.contains(host), journal);
    }
    (facts, sessions)
}

/// Observes a later window of nodes.
pub fn observe_nodes(
    engine: &Engine,
    window: &[NodeTarget],
    unusable: &mut UnusableNodes,
    journal: &Journal,
) -> (Vec<NodeFact>, Sessions) {
    let (facts, sessions) = nodes(engine, window, journal);
    let here: HashSet<&str> = window.iter().map(|node| node.name.as_str()).collect();
    unusable.report(window, &facts, |host| !here.contains(host), journal);
    (facts, sessions)
}

/// Reports a window of nodes that is not observed, because an earlier stage closed the gate. A pending node is reported
/// with its failure, and not a second time at the end of the run.
pub fn skip_nodes(window: &[NodeTarget], unusable: &mut UnusableNodes, journal: &Journal) {
    let here: HashSet<&str> = window.iter().map(|node| node.name.as_str()).collect();
    let (pending, rest): (Vec<_>, Vec<_>) =
        std::mem::take(&mut unusable.pending).into_iter().partition(|(host, _)| here.contains(host.as_str()));
    unusable.pending = rest;
    let mut pending: HashMap<String, OpenFailure> = pending.into_iter().collect();
    for node in window {
        let row = match pending.remove(&node.name) {
            Some(failure) => unusable_row(&node.name, &failure),
            None => HostRow::new(&node.name, HostOutcome::Skipped),
        };
        journal.record(Event::Host(row));
    }
}

fn unusable_row(host: &str, failure: &OpenFailure) -> HostRow {
    match failure {
        OpenFailure::Unreachable(failure) => HostRow::failed(host, HostOutcome::Unreachable, failure),
        OpenFailure::Failed(failure) => HostRow::failed(host, HostOutcome::Failed, failure),
    }
}

impl UnusableNodes {
    /// Reports each pending node. It does not report those that `stay` pending, and those whose row reports already
    /// that they could not be reached.
    fn report(&mut self, window: &[NodeTarget], facts: &[NodeFact], stay: impl Fn(&str) -> bool, journal: &Journal) {
        let unreachable = |host: &str| {
            let fact = window.iter().zip(facts).find(|(node, _)| node.name == host);
            matches!(fact, Some((_, NodeFact::Unreachable(_))))
        };
        for (host, failure) in std::mem::take(&mut self.pending) {
            match &failure {
                OpenFailure::Unreachable(_) if unreachable(&host) => {}
                OpenFailure::Unreachable(_) if stay(&host) => self.pending.push((host, failure)),
                _ => journal.record(Event::Host(unusable_row(&host, &failure))),
            }
        }
    }

    /// Reports the nodes that are still pending at the end of the run, because it was interrupted before their window.
    pub fn report_rest(mut self, journal: &Journal) {
        self.report(&[], &[], |_| false, journal);
    }
}

async fn registries(engine: &Engine, desired: &Desired, journal: &Journal) -> Vec<Option<RegistryFact>> {
    let total = desired.registries.len();
    let hosts = desired.registries.iter().map(|registry| &registry.host);
    hosts.for_each(|host| journal.record(Progress::begun(Phase::Registries, total, host)));
    let facts = Mutex::new(vec![None; total]);
    let on_event = |event: ProgressEvent<'_>| match event {
        ProgressEvent::Warning(message) => journal.record(Event::Warning { message: message.to_owned() }),
        ProgressEvent::Verdict(at, fact) => {
            facts.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(fact.clone());
            journal.record(Progress::ended(Phase::Registries, total, &desired.registries[at].host));
        }
        ProgressEvent::Exchange(exchange) => journal.record(trace::http(exchange, None)),
    };
    let (clients, logins) = (Arc::new(Clients::new(engine.home.as_deref())), Arc::default());
    let proving =
        registry::prove(&clients, &logins, &desired.registries, engine.limits.timeout, &engine.redactor, on_event);
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

fn nodes(engine: &Engine, nodes: &[NodeTarget], journal: &Journal) -> (Vec<NodeFact>, Sessions) {
    let _guard = engine.abort_nodes_at(Stop::Gently);
    let total = nodes.len();
    let (mut facts, mut sessions) = (Vec::with_capacity(total), Vec::with_capacity(total));
    schedule::each(
        &engine.pool,
        nodes.iter().collect(),
        |node| {
            if engine.cancel.level() > Stop::No {
                return (NodeFact::NotObserved, None);
            }
            journal.record(Progress::begun(Phase::Observe, total, &node.name));
            let opened = engine.open_node(node, &node.files, &mut trace::ssh(&node.name, journal));
            journal.record(Progress::ended(Phase::Observe, total, &node.name));
            match opened {
                Ok((files, session)) => (NodeFact::Observed(files), Some(session)),
                Err(_) if engine.cancel.level() > Stop::No => (NodeFact::NotObserved, None),
                Err(OpenFailure::Unreachable(failure)) => (NodeFact::Unreachable(failure), None),
                Err(OpenFailure::Failed(failure)) => (NodeFact::Failed(failure), None),
            }
        },
        |result| {
            let (fact, session) = result
                .unwrap_or_else(|| (NodeFact::Failed(Failure::internal("the node could not be looked at")), None));
            facts.push(fact);
            sessions.push(session);
        },
    );
    (facts, sessions)
}
