//! Writes the nodes of one batch: the files that change are written over the session that observed them. If another
//! program changed a file in the meantime, that file is observed, planned and written once more.

use std::collections::HashMap;
use std::time::Instant;

use crate::desired::NodeTarget;
use crate::dockerconfig::Reader;
use crate::engine::Engine;
use crate::engine::schedule::{self, Stop};
use crate::engine::trace;
use crate::event::{Event, HostOutcome, HostRow, Phase, Progress, StepRow, node_events};
use crate::facts::{FileFact, FileState, NodeFact};
use crate::failure::Failure;
use crate::node::{NewContent, OpenFailure, Session, WriteFailure};
use crate::plan::{self, Action, Gate, NodePlan, NodeWork, Step, WantedEntries};
use crate::report::Journal;
use crate::secret::SecretBytes;

/// What is done with the files of a node that another program changed after they were observed.
#[derive(Clone, Copy)]
enum OnConflict<'a> {
    /// The files are observed and planned once more, over a new connection.
    PlanAgain,
    /// This is that second time, after these conflicts. A further conflict is reported.
    GiveUp(&'a [FileConflict<'a>]),
}

/// A file that another program changed while it was being written.
struct FileConflict<'a> {
    step: Step,
    fact: &'a FileFact,
    /// When the other program changed the file.
    moment: Moment,
}

/// When another program changed a file.
#[derive(Clone)]
enum Moment {
    /// After it was read; it was not written.
    BeforeWrite,
    /// After it was written; this is how it differs from what was written.
    AfterWrite(String),
}

/// A node with everything that is needed to write it.
pub(super) struct NodeJob<'a> {
    pub(super) plan: &'a NodePlan,
    pub(super) target: &'a NodeTarget,
    pub(super) fact: &'a NodeFact,
    pub(super) session: Option<Session>,
}

/// Writes the nodes of one window in parallel; the events are recorded in the order of the inventory.
pub(super) fn batch(engine: &Engine, gate: Gate, jobs: Vec<NodeJob<'_>>, journal: &Journal) {
    let hosts: Vec<&str> = jobs.iter().map(|job| job.plan.host.as_str()).collect();
    let (total, mut done) = (hosts.len(), 0);
    schedule::each(
        &engine.pool,
        jobs,
        |job| {
            let (host, started) = (job.plan.host.as_str(), Instant::now());
            if gate == Gate::Closed {
                return node(engine, gate, job);
            }
            journal.record(Progress::begun(Phase::Write, total, host));
            let events = node(engine, gate, job);
            if events.iter().any(is_write) {
                trace::task(host, "ssh: the files were written and read back", started, journal);
            }
            journal.record(Progress::ended(Phase::Write, total, host));
            events
        },
        |events| {
            let lost = || {
                let failure = Failure::internal("the node could not be written");
                vec![Event::Host(HostRow::failed(hosts[done], HostOutcome::Failed, &failure))]
            };
            events.unwrap_or_else(lost).into_iter().for_each(|event| journal.record(event));
            done += 1;
        },
    );
}

fn is_write(event: &Event) -> bool {
    matches!(event, Event::Step(row) if row.outcome.is_change())
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
            if let Some(session) = session {
                session.keep();
            }
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
    on_conflict: OnConflict<'_>,
) -> Vec<StepRow> {
    let (mut steps, mut writes) = (Vec::new(), Vec::new());
    for fact in facts {
        // The new bytes are computed again from the same facts, because a plan contains no secret.
        let wanted = WantedEntries { credentials: &node.credentials, retired: &node.retired };
        let planned = plan::file(&node.name, fact, wanted, Reader::Node, &engine.plan);
        writes.extend(planned.content.map(|new| NewContent { path: fact.path.clone(), old: old_content(fact), new }));
        steps.push(planned.step);
    }
    let paths: Vec<String> = writes.iter().map(|write| write.path.clone()).collect();
    let results = if writes.is_empty() {
        session.keep();
        Vec::new()
    } else {
        session.write(writes)
    };
    let mut results: HashMap<String, Result<(), WriteFailure>> = paths.into_iter().zip(results).collect();
    let (mut rows, mut conflicts) = (Vec::new(), Vec::new());
    for (step, fact) in steps.into_iter().zip(facts) {
        match results.remove(&fact.path) {
            None => rows.push(written_before(&step, fact, on_conflict).unwrap_or_else(|| StepRow::not_done(&step))),
            Some(Ok(())) => rows.push(StepRow::done(&step)),
            Some(Err(WriteFailure::Failed(failure))) => {
                rows.push(StepRow::failed(&step, failure.scrubbed(&engine.redactor)));
            }
            Some(Err(WriteFailure::Conflict)) => {
                conflicts.push(FileConflict { step, fact, moment: Moment::BeforeWrite })
            }
            Some(Err(WriteFailure::Overwritten(difference))) => {
                conflicts.push(FileConflict { step, fact, moment: Moment::AfterWrite(difference) });
            }
        }
    }
    rows.extend(conflict_rows(engine, node, &conflicts, on_conflict));
    rows
}

/// The row of a file that is up to date when it is observed once more, but that this run has written before: the other
/// program kept its entries, so the write counts.
fn written_before(step: &Step, fact: &FileFact, on_conflict: OnConflict<'_>) -> Option<StepRow> {
    let (Action::Unchanged, OnConflict::GiveUp(conflicts)) = (&step.action, on_conflict) else { return None };
    let conflict = conflicts.iter().find(|conflict| conflict.fact.path == fact.path)?;
    matches!(conflict.moment, Moment::AfterWrite(_)).then(|| StepRow::done(&conflict.step))
}

/// The rows of files that another program changed while they were being written: they are observed, planned and written
/// once more.
fn conflict_rows(
    engine: &Engine,
    node: &NodeTarget,
    conflicts: &[FileConflict<'_>],
    on_conflict: OnConflict<'_>,
) -> Vec<StepRow> {
    let failed = |reason: Option<&Failure>| {
        let row = |conflict: &FileConflict<'_>| StepRow::failed(&conflict.step, changed(conflict, reason));
        conflicts.iter().map(row).collect()
    };
    if conflicts.is_empty() || matches!(on_conflict, OnConflict::GiveUp(_)) {
        return failed(None);
    }
    if engine.cancel.level() > Stop::No {
        let row = |conflict: &FileConflict<'_>| match conflict.moment {
            Moment::BeforeWrite => StepRow::not_done(&conflict.step),
            Moment::AfterWrite(_) => StepRow::failed(&conflict.step, changed(conflict, None)),
        };
        return conflicts.iter().map(row).collect();
    }
    // With their aliases: the change may have made one file of several paths, or several files of one.
    let facts = conflicts.iter().map(|conflict| conflict.fact);
    let paths: Vec<String> = facts.flat_map(|fact| std::iter::once(&fact.path).chain(&fact.aliases)).cloned().collect();
    match engine.open_node(node, &paths, &mut |_| {}) {
        Ok((facts, session)) => write_files(engine, node, &facts, session, OnConflict::GiveUp(conflicts)),
        Err(OpenFailure::Unreachable(reason) | OpenFailure::Failed(reason)) => failed(Some(&reason)),
    }
}

/// The failure of a file that another program has changed. `reason` is why it could not be planned again.
fn changed(conflict: &FileConflict<'_>, reason: Option<&Failure>) -> Failure {
    let path = &conflict.fact.path;
    let failure = match &conflict.moment {
        Moment::BeforeWrite => {
            Failure::new(format!("`{path}` was changed by another program after it was read, and was not written"))
        }
        Moment::AfterWrite(difference) => {
            Failure::new(format!("`{path}` was changed by another program after it was written")).cause(difference)
        }
    };
    match reason {
        None => failure.hint("find out what else writes it, then run again"),
        Some(Failure { message, causes, hint, .. }) => {
            let failure = causes.iter().fold(failure.cause(message), Failure::cause);
            failure.hint(hint.as_deref().unwrap_or("run again"))
        }
    }
}

fn old_content(fact: &FileFact) -> Option<SecretBytes> {
    match &fact.state {
        FileState::Present { content, .. } => Some(content.clone()),
        FileState::Absent | FileState::Unusable(_) => None,
    }
}
