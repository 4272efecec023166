//! Carries out a plan behind its gates: the pull secret first, then the nodes. It cannot fail: what did not
//! work is an outcome.

use std::collections::HashMap;
use std::time::Duration;

use crate::cluster::{self, Cluster, ExpectedSecret, SecretWrite, WriteResult};
use crate::desired::{Desired, NodeTarget, PullSecret};
use crate::dockerconfig::{self, Reader};
use crate::engine::Engine;
use crate::event::{ClusterRow, Event, Outcome, Progress, Stage, node_events};
use crate::facts::{Facts, FileState, NodeFact, SecretFact};
use crate::failure::Failure;
use crate::node::{NewContent, Session};
use crate::observe::Sessions;
use crate::plan::{self, Action, Gate, NodeStep, NodeWork, Plan, SecretStep};
use crate::report::Journal;
use crate::schedule::{self, Stop};
use crate::secret::SecretBytes;

/// How often a secret is written at most while something else keeps changing it.
const WRITE_ATTEMPTS: u32 = 10;
/// The pause after the first conflict; it grows by as much after each further one.
const CONFLICT_PAUSE: Duration = Duration::from_millis(20);

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
        (Gate::Open, Some(step), Some((wanted, cluster))) => {
            write_secret(engine, cluster, step, wanted, facts, journal)
        }
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
fn write_secret(
    engine: &Engine,
    cluster: &Cluster,
    step: &SecretStep,
    wanted: &PullSecret,
    facts: &Facts,
    journal: &Journal,
) -> Gate {
    if engine.cancel.level() > Stop::No || step.action == Action::Unchanged {
        journal.record(unwritten_secret(step));
        return Gate::Open;
    }
    let found = facts.cluster.as_ref().and_then(|fact| fact.as_ref().ok()?.secret.as_ref());
    let (step, failure) = engine.runtime.block_on(async {
        tokio::select! {
            written = write_planned(cluster, wanted, step, found) => written,
            () = engine.cancel.reached(Stop::Now) => {
                let failure = Failure::new("interrupted while the secret was being written");
                (step.clone(), Some(failure.hint("run `plan` to see its current content")))
            }
        }
    });
    let (outcome, gate) = match (&failure, &step.action) {
        (Some(_), _) | (None, Action::Fail(_)) => (Outcome::Failed, Gate::Closed),
        (None, action) => (Outcome::from(action), Gate::Open),
    };
    journal.record(Event::Cluster(ClusterRow::new(&step, outcome, failure.as_ref())));
    gate
}

/// Writes the secret as `step` plans it. When something else has changed the secret since it was observed, its new
/// state is planned by the same pure function, and that step is carried out. Returns the step that was really carried
/// out, and why it failed if it did.
async fn write_planned(
    cluster: &Cluster,
    wanted: &PullSecret,
    step: &SecretStep,
    found: Option<&SecretFact>,
) -> (SecretStep, Option<Failure>) {
    let PullSecret { namespace, name, .. } = wanted;
    let plan_again = |found: Option<&SecretFact>| {
        // The notes are about other secrets, which have not changed.
        SecretStep { notes: step.notes.clone(), ..plan::secret_step(wanted, found) }
    };
    let (mut step, mut conflict): (SecretStep, Option<Option<SecretFact>>) = (step.clone(), None);
    for attempt in 0..WRITE_ATTEMPTS {
        tokio::time::sleep(CONFLICT_PAUSE * attempt).await;
        let found = conflict.as_ref().map_or(found, Option::as_ref);
        let content = match &step.action {
            Action::Create | Action::Update => new_content(wanted, found),
            Action::Unchanged => None,
            Action::Fail(failure) => return (step.clone(), Some(failure.clone())),
        };
        let Some(content) = content else { return (step, None) };
        let write = SecretWrite { expected: ExpectedSecret::of(found), content: &content };
        match cluster.write_secret(namespace, name, &write).await {
            Ok(WriteResult::Written) => return (step, None),
            Ok(WriteResult::Overwritten(found)) => {
                // Another program may have changed the secret and kept our entries. Only then the write counts.
                let kept = plan_again(found.as_ref()).action == Action::Unchanged;
                return (step, (!kept).then(|| cluster::overwritten(namespace, name)));
            }
            Ok(WriteResult::Conflict(found)) => {
                step = plan_again(found.as_ref());
                conflict = Some(found);
            }
            Err(failure) => return (step, Some(failure)),
        }
    }
    let message = format!(
        "secret `{name}` in namespace `{namespace}` was changed by another client during each of {WRITE_ATTEMPTS} attempts"
    );
    let hint =
        format!("find out what keeps writing it: `oc get secret {name} -n {namespace} -o yaml` lists the managers");
    (step, Some(Failure::new(message).hint(hint)))
}

fn new_content(wanted: &PullSecret, found: Option<&SecretFact>) -> Option<SecretBytes> {
    let old = found.and_then(|secret| secret.content.as_ref()).map(|bytes| bytes.expose());
    dockerconfig::merge(old, &wanted.credentials, Reader::PullSecret).ok()?.content
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

#[cfg(test)]
mod tests;
