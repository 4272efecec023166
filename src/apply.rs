//! Carries out a plan behind its gates: the pull secret first, then the nodes. It cannot fail: what did not
//! work is an outcome.

use std::collections::HashMap;

use crate::cluster::{self, Cluster};
use crate::desired::{Desired, NodeTarget, PullSecret};
use crate::dockerconfig::{self, Reader};
use crate::engine::Engine;
use crate::event::{ClusterRow, Event, Outcome, Progress, Stage, node_events};
use crate::facts::{Facts, FileState, NodeFact};
use crate::failure::Failure;
use crate::node::{NewContent, Session};
use crate::observe::Sessions;
use crate::plan::{Action, Gate, NodeStep, NodeWork, Plan, SecretStep, unmergeable_secret};
use crate::report::Journal;
use crate::schedule::{self, Stop};

/// What became of each file that was to be written, by path.
type Results = HashMap<String, Result<(), Failure>>;

/// Carries out `plan`, which was made of `desired` and `facts`. Says whether later windows may be written.
pub fn apply(
    engine: &Engine,
    plan: &Plan,
    desired: &Desired,
    facts: &Facts,
    sessions: Sessions,
    journal: &Journal,
) -> Gate {
    let _guard = engine.cancel.abort_at(Stop::Now, engine.limits.abort.clone(), engine.runtime.handle());
    let gate = match (plan.gate, &plan.secret, desired.pull_secret.as_ref().zip(engine.cluster.as_ref())) {
        (Gate::Open, Some(step), Some((wanted, cluster))) => write_secret(engine, cluster, step, wanted, journal),
        (Gate::Closed, Some(step), _) => {
            journal.record(unwritten_secret(step));
            Gate::Closed
        }
        (gate, _, _) => gate,
    };
    let total = plan.nodes.len();
    let mut done = 0;
    let work: Vec<_> = plan.nodes.iter().zip(&desired.nodes).zip(&facts.nodes).zip(sessions).collect();
    schedule::each(
        &engine.pool,
        work,
        |(((step, node), fact), session)| {
            let open = gate == Gate::Open && engine.cancel.level() == Stop::No;
            let results = if open {
                session.map(|session| write_node(step, node, fact, session))
            } else {
                // Ending the channel keeps the node as it is; there is nothing to report of it.
                session.map(Session::keep);
                None
            };
            node_events(step, |file| match results.as_ref().and_then(|results| results.get(&file.path)) {
                Some(Ok(())) => (Outcome::from(&file.action), None),
                Some(Err(failure)) => (Outcome::Failed, Some(failure.clone().scrubbed(&engine.redactor))),
                None if file.action == Action::Unchanged => (Outcome::Unchanged, None),
                None => (Outcome::Skipped, None),
            })
        },
        |events| {
            done += 1;
            match events {
                Some(events) => events.into_iter().for_each(|event| journal.record(event)),
                None => {
                    let host = plan.nodes.get(done - 1).map_or("", |step| step.host.as_str());
                    let failed = NodeStep {
                        host: host.to_owned(),
                        work: NodeWork::Failed(Failure::internal("the node could not be written")),
                    };
                    node_events(&failed, |_| (Outcome::Skipped, None))
                        .into_iter()
                        .for_each(|event| journal.record(event));
                }
            }
            if gate == Gate::Open {
                journal.record(Event::Progress(Progress { stage: Stage::Write, done, total }));
            }
        },
    );
    gate
}

/// Ends every channel and leaves the nodes as they are.
pub fn keep(engine: &Engine, sessions: Sessions) {
    schedule::each(&engine.pool, sessions, |session| session.map(Session::keep), |_| {});
}

/// Writes the pull secret; a failure closes the gate for the nodes.
fn write_secret(engine: &Engine, cluster: &Cluster, step: &SecretStep, wanted: &PullSecret, journal: &Journal) -> Gate {
    if engine.cancel.level() > Stop::No || step.action == Action::Unchanged {
        journal.record(unwritten_secret(step));
        return Gate::Open;
    }
    let merge = |content: Option<&[u8]>| {
        dockerconfig::merge(content, &wanted.credentials, Reader::PullSecret)
            .map(|merged| merged.content)
            .map_err(|error| unmergeable_secret(wanted, &error))
    };
    let written = engine.runtime.block_on(async {
        tokio::select! {
            written = cluster.write_secret(&wanted.namespace, &wanted.name, merge) => written,
            () = engine.cancel.reached(Stop::Now) => {
                Err(Failure::new("interrupted while the secret was being written").hint("run `plan` to see what stands there now"))
            }
        }
    });
    let (row, gate) = match written {
        Ok(written) => {
            let outcome = match written {
                cluster::Outcome::Created => Outcome::Created,
                cluster::Outcome::Updated => Outcome::Updated,
                cluster::Outcome::Unchanged => Outcome::Unchanged,
            };
            (ClusterRow::new(step, outcome, None), Gate::Open)
        }
        Err(failure) => (ClusterRow::new(step, Outcome::Failed, Some(&failure)), Gate::Closed),
    };
    journal.record(Event::Cluster(row));
    gate
}

/// The row of a secret that is not written in this run.
fn unwritten_secret(step: &SecretStep) -> Event {
    let row = match &step.action {
        Action::Fail(failure) => ClusterRow::new(step, Outcome::Failed, Some(failure)),
        Action::Unchanged => ClusterRow::new(step, Outcome::Unchanged, None),
        Action::Create | Action::Update => ClusterRow::new(step, Outcome::Skipped, None),
    };
    Event::Cluster(row)
}

/// Sends a node the new bytes of the files that change; keeps it as it is if none does.
fn write_node(step: &NodeStep, node: &NodeTarget, fact: &NodeFact, session: Session) -> Results {
    let (paths, contents): (Vec<String>, Vec<NewContent>) = new_contents(step, node, fact).into_iter().unzip();
    if contents.is_empty() {
        // Nothing was to be changed, so a channel that ends badly changes nothing.
        let _ = session.keep();
        return Results::new();
    }
    paths.into_iter().zip(session.write(contents)).collect()
}

fn new_contents(step: &NodeStep, node: &NodeTarget, fact: &NodeFact) -> Vec<(String, NewContent)> {
    let (NodeWork::Files(files), NodeFact::Observed(facts)) = (&step.work, fact) else { return Vec::new() };
    let changing = files.iter().zip(facts).filter(|(file, _)| matches!(file.action, Action::Create | Action::Update));
    changing
        .filter_map(|(file, fact)| {
            let old = match &fact.state {
                FileState::Present { content, .. } => Some(content.clone()),
                FileState::Absent | FileState::Unusable(_) => None,
            };
            let merged = dockerconfig::merge(old.as_ref().map(|old| old.expose()), &node.credentials, Reader::Node);
            // Where only the mode changes, the old bytes are written again.
            let new = merged.ok()?.content.or_else(|| old.clone())?;
            Some((file.path.clone(), NewContent { path: file.path.clone(), old, new }))
        })
        .collect()
}
