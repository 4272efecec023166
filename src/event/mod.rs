//! The events of a run, as data without any formatting. Each event is also one line of `--output json`, so the field
//! names are an interface (docs/json.md).

mod verdict_message;

use std::time::Duration;

use indexmap::IndexMap;
use serde::Serialize;

use crate::facts::ObjectName;
use crate::failure::Failure;
use crate::plan::rollout::{PoolRollout, PoolState};
use crate::plan::{Action, Change, Diff, NodePlan, NodeWork, Plan, Stage, Step, Target};

pub use crate::options::Command;
pub use verdict_message::RegistryRow;
#[cfg(test)]
pub(crate) use verdict_message::row as registry_row;

/// The JSON Schema (draft 2020-12) of a line of the JSON output.
pub const SCHEMA: &str = include_str!("events.schema.json");

/// Something that happened.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The inventory is read; these hosts are selected. Nothing has been contacted yet.
    Started(Started),
    /// Something that the user should know and that does not stop the run.
    Warning {
        /// The text of the warning.
        message: String,
    },
    /// Something that stops the run or a part of it.
    Error(Failure),
    /// A credential has a verdict.
    Registry(RegistryRow),
    /// A node was reached, or no work on it is possible.
    Host(HostRow),
    /// The state of a pool has changed while its rollout is followed.
    Pool(PoolRow),
    /// The progress of the run. It is not part of the JSON output.
    #[serde(skip)]
    Progress(Progress),
    /// A step of a connection, for `-vv`. It is not part of the JSON output.
    #[serde(skip)]
    Trace(Trace),
    /// A signal requested the run to stop.
    Interrupted,
    /// The last event of every run.
    Recap(Recap),
    /// An object or a file was, or would be, written, or is up to date. Its event name, `object` or `file`, comes from
    /// the target.
    #[serde(untagged)]
    Step(StepRow),
}

/// The start of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Started {
    /// `validate`, `plan`, `apply`, `login` or `logout`.
    pub command: Command,
    /// The selected hosts in inventory order.
    pub hosts: Vec<String>,
}

/// The result for an object or a file; for `plan`, what the result would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It did not exist.
    Created,
    /// It differed.
    Updated,
    /// It differed, and was deleted and created again, because it cannot be changed.
    Recreated,
    /// It existed, and must not exist.
    Deleted,
    /// It was already up to date.
    Unchanged,
    /// It was proved to work; nothing was written.
    Proved,
    /// No proof was attempted, or its result is not known.
    #[serde(rename = "not-proved")]
    NotProved,
    /// It could not be brought to the desired state.
    Failed,
    /// It was not tried.
    Skipped,
}

impl Outcome {
    /// Whether something was, or would be, changed.
    pub fn is_change(self) -> bool {
        match self {
            Self::Created | Self::Updated | Self::Recreated | Self::Deleted => true,
            Self::Unchanged | Self::Proved | Self::NotProved | Self::Failed | Self::Skipped => false,
        }
    }
}

/// An object or a file and its result.
#[derive(Debug, Clone, Serialize)]
pub struct StepRow {
    /// The object or file.
    #[serde(flatten)]
    pub target: Target,
    /// Its result.
    pub outcome: Outcome,
    /// What changes in it.
    pub changes: Vec<Change>,
    /// Additional information for the reader.
    pub notes: Vec<String>,
    /// Keys of retired registries whose entries stay, because `--prune` is not given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<String>,
    /// Other keys that the inventory does not declare. Their entries stay.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undeclared: Vec<String>,
    /// The entries before and after (`--diff`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<Diff>,
    /// Why it failed.
    #[serde(flatten)]
    pub failure: Option<Failure>,
}

/// Whether a node was reached.
#[derive(Debug, Clone, Serialize)]
pub struct HostRow {
    /// `inventory_hostname`.
    pub host: String,
    /// The result.
    pub outcome: HostOutcome,
    /// Why it could not be used.
    #[serde(flatten)]
    pub failure: Option<Failure>,
}

/// The result for a node, without its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HostOutcome {
    /// It was observed; its files follow.
    Reached,
    /// It could not be reached.
    Unreachable,
    /// It was reached, but the remote script could not do its work.
    Failed,
    /// The run ended before it was observed.
    Skipped,
}

/// How far a pool of nodes is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PoolRow {
    /// The name of the pool.
    pub pool: String,
    /// Its state.
    pub state: RolloutState,
    /// How many of its nodes have the global pull secret.
    pub updated: usize,
    /// How many nodes it has.
    pub nodes: usize,
    /// The state in words.
    pub message: String,
    /// The nodes that are behind, and why: one line for each reason.
    pub behind: Vec<String>,
}

/// The state of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RolloutState {
    /// Every node is updated, or there is none.
    Done,
    /// It is expected to advance.
    Progressing,
    /// It does not advance before something is repaired or resumed.
    Blocked,
    /// It could not be observed.
    Unknown,
}

/// The progress of one phase of the run.
#[derive(Debug, Clone)]
pub struct Progress {
    /// The phase.
    pub phase: Phase,
    /// How many steps the phase has.
    pub total: usize,
    /// What happened.
    pub step: ProgressStep,
}

/// The beginning or the end of a step. Each names the node, or the registry.
#[derive(Debug, Clone)]
pub enum ProgressStep {
    /// It has begun.
    Begun(String),
    /// It has ended, with any result.
    Ended(String),
}

/// A completed step of a connection.
#[derive(Debug, Clone)]
pub struct Trace {
    /// The node, the registry or the object that it is about.
    pub subject: String,
    /// What was done, without secrets.
    pub text: String,
    /// How long it took.
    pub took: Duration,
}

/// The phases that take time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Credentials are verified.
    Registries,
    /// Registries are contacted from the nodes after the first one.
    Vantage,
    /// Objects are written.
    Objects,
    /// The machine config operator updates nodes.
    Rollout,
    /// Nodes are observed.
    Observe,
    /// Nodes are written.
    Write,
}

/// The end of a run.
#[derive(Debug, Clone, Serialize, Default, PartialEq)]
pub struct Recap {
    /// Counts by inventory name, for all selected hosts, in inventory order.
    pub hosts: IndexMap<String, Counts>,
    /// One row for each image.
    pub registries: Vec<RegistryRow>,
    /// One row for each object.
    pub objects: Vec<ObjectSummary>,
    /// The exit status.
    pub status: u8,
}

/// The columns of Ansible's recap. `ok` counts the connection and each file, `changed` counts files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// The connection, and each file that is up to date or was written.
    pub ok: usize,
    /// Files that were, or would be, written.
    pub changed: usize,
    /// 1 if the node could not be reached.
    pub unreachable: usize,
    /// Files that failed, plus 1 if the node itself failed.
    pub failed: usize,
    /// Files that were not tried, plus 1 if the node was not observed.
    pub skipped: usize,
    /// Always 0.
    pub rescued: usize,
    /// Always 0.
    pub ignored: usize,
}

/// An object in the recap.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct ObjectSummary {
    /// The object.
    #[serde(flatten)]
    pub object: ObjectName,
    /// Its result.
    pub outcome: Outcome,
}

impl Progress {
    /// The event for a step that has begun.
    pub fn begun(phase: Phase, total: usize, name: &str) -> Event {
        Event::Progress(Self { phase, total, step: ProgressStep::Begun(name.to_owned()) })
    }

    /// The event for a step that has ended.
    pub fn ended(phase: Phase, total: usize, name: &str) -> Event {
        Event::Progress(Self { phase, total, step: ProgressStep::Ended(name.to_owned()) })
    }
}

impl PoolRow {
    /// The row of a pool.
    pub fn new(pool: &PoolRollout) -> Self {
        let state = match &pool.state {
            PoolState::Done | PoolState::Empty => RolloutState::Done,
            PoolState::Progressing(_) => RolloutState::Progressing,
            PoolState::Blocked(_) => RolloutState::Blocked,
            PoolState::Unknown(_) => RolloutState::Unknown,
        };
        Self {
            pool: pool.name.clone(),
            state,
            updated: pool.nodes.len() - pool.behind().count(),
            nodes: pool.nodes.len(),
            message: pool.summary(),
            behind: pool.nodes_behind(),
        }
    }
}

impl HostRow {
    /// The row of a node that was observed, or that was skipped.
    pub fn new(host: &str, outcome: HostOutcome) -> Self {
        Self { host: host.to_owned(), outcome, failure: None }
    }

    /// The row of a node that cannot be used.
    pub fn failed(host: &str, outcome: HostOutcome, failure: &Failure) -> Self {
        Self { failure: Some(failure.clone()), ..Self::new(host, outcome) }
    }
}

impl StepRow {
    /// The row of a step that was carried out, or that would be.
    pub fn done(step: &Step) -> Self {
        match &step.action {
            Action::Create => Self::new(step, Outcome::Created),
            Action::Update => Self::new(step, Outcome::Updated),
            Action::Recreate => Self::new(step, Outcome::Recreated),
            Action::Delete => Self::new(step, Outcome::Deleted),
            Action::Unchanged => Self::new(step, Outcome::Unchanged),
            Action::Prove => Self::new(step, Outcome::Proved),
            Action::Fail(failure) => Self::failed(step, failure.clone()),
        }
    }

    /// The row of a step that is not carried out in this run.
    pub fn not_done(step: &Step) -> Self {
        match &step.action {
            Action::Create | Action::Update | Action::Recreate | Action::Delete => Self::new(step, Outcome::Skipped),
            Action::Prove => Self::new(step, Outcome::NotProved),
            // These results are known from the plan and do not depend on whether anything is written.
            Action::Unchanged | Action::Fail(_) => Self::done(step),
        }
    }

    /// The row of a step that was tried and failed.
    pub fn failed(step: &Step, failure: Failure) -> Self {
        Self { failure: Some(failure), ..Self::new(step, Outcome::Failed) }
    }

    /// Turns it into the row of a step that failed after it was carried out.
    pub fn fail(&mut self, failure: Failure) {
        self.outcome = Outcome::Failed;
        self.failure = Some(failure);
    }

    fn new(step: &Step, outcome: Outcome) -> Self {
        Self {
            target: step.target.clone(),
            outcome,
            changes: step.changes.clone(),
            notes: step.notes.iter().chain(&step.related_notes).cloned().collect(),
            retired: step.left.retired.clone(),
            undeclared: step.left.undeclared.clone(),
            diff: step.diff.clone(),
            failure: None,
        }
    }
}

/// The events of a plan that is only shown.
pub fn preview(plan: &Plan) -> Vec<Event> {
    let stage = |stage: &Stage| match stage {
        Stage::Objects(steps) | Stage::AwaitPools(steps) => {
            steps.iter().map(|step| Event::Step(StepRow::done(step))).collect::<Vec<_>>()
        }
        Stage::Imports(_) => Vec::new(),
        Stage::Batch(nodes) => nodes.iter().flat_map(|node| node_events(node, StepRow::done)).collect(),
    };
    plan.stages.iter().flat_map(stage).collect()
}

/// The events of one node; `row` gives the row of each of its steps.
pub fn node_events(node: &NodePlan, row: impl Fn(&Step) -> StepRow) -> Vec<Event> {
    let host = match &node.work {
        NodeWork::Unreachable(failure) => HostRow::failed(&node.host, HostOutcome::Unreachable, failure),
        NodeWork::Failed(failure) => HostRow::failed(&node.host, HostOutcome::Failed, failure),
        NodeWork::NotObserved => HostRow::new(&node.host, HostOutcome::Skipped),
        NodeWork::Files(_) => HostRow::new(&node.host, HostOutcome::Reached),
    };
    // The event of the host comes before those of its files, so that a reader can decide with one line whether files
    // follow.
    std::iter::once(Event::Host(host)).chain(node.steps().iter().map(|step| Event::Step(row(step)))).collect()
}
