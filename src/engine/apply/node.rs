//! Writes the nodes of one batch: the files that change are written over the session that observed them. If another
//! program changed a file in the meantime, that file is observed, planned and written once more.

use crate::desired::NodeTarget;
use crate::dockerconfig::Reader;
use crate::engine::Engine;
use crate::engine::schedule::{self, Stop};
use crate::event::{Event, HostOutcome, HostRow, Phase, Progress, StepRow, node_events};
use crate::facts::{FileFact, FileState, NodeFact};
use crate::failure::Failure;
use crate::node::{NewContent, OpenFailure, Session, WriteFailure};
use crate::plan::{self, Action, Gate, NodePlan, NodeWork, Step, Target};
use crate::report::Journal;
use crate::secret::SecretBytes;

/// What is done with the files of a node that changed after they were observed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnConflict {
    /// The files are observed and planned once more, over a new connection.
    PlanAgain,
    /// The files are reported as failed.
    GiveUp,
}

/// A node with everything that is needed to write it.
pub(super) struct NodeJob<'a> {
    pub(super) plan: &'a NodePlan,
    pub(super) target: &'a NodeTarget,
    pub(super) fact: &'a NodeFact,
    pub(super) session: Option<Session>,
}

/// Writes the nodes of one window in parallel; the events are recorded in the order of the inventory.
pub(super) fn batch(engine: &Engine, gate: Gate, jobs: Vec<NodeJob<'_>>, journal: &Journal) -> Gate {
    let hosts: Vec<&str> = jobs.iter().map(|job| job.plan.host.as_str()).collect();
    let (total, mut done) = (hosts.len(), 0);
    schedule::each(
        &engine.pool,
        jobs,
        |job| node(engine, gate, job),
        |events| {
            let lost = || {
                let failure = Failure::internal("the node could not be written");
                vec![Event::Host(HostRow::failed(hosts[done], HostOutcome::Failed, &failure))]
            };
            events.unwrap_or_else(lost).into_iter().for_each(|event| journal.record(event));
            done += 1;
            if gate == Gate::Open {
                journal.record(Event::Progress(Progress { phase: Phase::Write, done, total }));
            }
        },
    );
    gate
}

/// Writes one node if the gate is open, and returns its events.
fn node(engine: &Engine, gate: Gate, job: NodeJob<'_>) -> Vec<Event> {
    let NodeJob { plan, target, fact, session } = job;
    let permitted = gate == Gate::Open && engine.cancel.level() == Stop::No;
    let changes = |steps: &[Step]| steps.iter().any(|step| matches!(step.action, Action::Create | Action::Update));
    let rows = match (&plan.work, fact, session) {
        (NodeWork::Files(steps), NodeFact::Observed(facts), Some(session)) if permitted && changes(steps) => {
            write_files(engine, target, facts, session, OnConflict::PlanAgain)
        }
        (_, _, session) => {
            // Nothing is written, so an error at the end of the session has no effect on the node.
            session.map(Session::keep);
            return node_events(plan, StepRow::not_done);
        }
    };
    let host = Event::Host(HostRow::new(&plan.host, HostOutcome::Reached));
    std::iter::once(host).chain(rows.into_iter().map(Event::Step)).collect()
}

/// Sends the new bytes of the files that change; returns one row for each of `facts`.
fn write_files(
    engine: &Engine,
    node: &NodeTarget,
    facts: &[FileFact],
    session: Session,
    on_conflict: OnConflict,
) -> Vec<StepRow> {
    let (mut steps, mut writes) = (Vec::new(), Vec::new());
    for fact in facts {
        // The new bytes are computed again from the same facts, because a plan contains no secret.
        let planned = plan::file(&node.name, fact, &node.credentials, Reader::Node);
        writes.extend(planned.content.map(|new| NewContent { path: fact.path.clone(), old: old_content(fact), new }));
        steps.push(planned.step);
    }
    let paths: Vec<String> = writes.iter().map(|write| write.path.clone()).collect();
    let results =
        if writes.is_empty() { session.keep().map(|()| Vec::new()).unwrap_or_default() } else { session.write(writes) };
    let mut results: Vec<(String, Result<(), WriteFailure>)> = paths.into_iter().zip(results).collect();
    let mut again = match on_conflict {
        OnConflict::PlanAgain => {
            let conflicts = |path: &str| {
                results.iter().any(|(written, result)| written == path && matches!(result, Err(WriteFailure::Conflict)))
            };
            let files = facts.iter().filter(|fact| conflicts(&fact.path)).collect();
            plan_again(engine, node, files)
        }
        // A second conflict is not tried again, because another program probably keeps writing the file.
        OnConflict::GiveUp => Vec::new(),
    };
    let row = |(step, fact): (&Step, &FileFact)| {
        let is_it = |row: &StepRow| matches!(&row.target, Target::File(file) if file.path == fact.path);
        if let Some(at) = again.iter().position(is_it) {
            return again.swap_remove(at);
        }
        let Some(at) = results.iter().position(|(path, _)| *path == fact.path) else {
            return StepRow::not_done(step);
        };
        match results.swap_remove(at).1 {
            Ok(()) => StepRow::done(step),
            Err(WriteFailure::Conflict) => StepRow::failed(step, changed_again(&fact.path)),
            Err(WriteFailure::Failed(failure)) => StepRow::failed(step, failure.scrubbed(&engine.redactor)),
        }
    };
    steps.iter().zip(facts).map(row).collect()
}

/// Observes, plans and writes the files that another program changed in the meantime, and returns their rows. Returns
/// none if the node cannot be reached again; then the conflict is reported.
fn plan_again(engine: &Engine, node: &NodeTarget, files: Vec<&FileFact>) -> Vec<StepRow> {
    if files.is_empty() || engine.cancel.level() > Stop::No {
        return Vec::new();
    }
    // The aliases are included, because only together do they show that the paths lead to one file.
    let paths: Vec<String> =
        files.iter().flat_map(|fact| std::iter::once(&fact.path).chain(&fact.aliases)).cloned().collect();
    match engine.open_node(node, &paths) {
        Ok((facts, session)) => write_files(engine, node, &facts, session, OnConflict::GiveUp),
        Err(OpenFailure::Unreachable(_) | OpenFailure::Failed(_)) => Vec::new(),
    }
}

fn changed_again(path: &str) -> Failure {
    Failure::new(format!("`{path}` was changed by another program after it was read, and was not written"))
        .hint("find out what else writes it, then run again")
}

fn old_content(fact: &FileFact) -> Option<SecretBytes> {
    match &fact.state {
        FileState::Present { content, .. } => Some(content.clone()),
        FileState::Absent | FileState::Unusable(_) => None,
    }
}
