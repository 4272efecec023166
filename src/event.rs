//! What happened, as facts: no display policy. Each event is also one line of `--output json`, so the field
//! names are an interface (docs/json.md).

use indexmap::IndexMap;
use serde::Serialize;

use crate::desired::{Desired, NodeTarget, Registry, expiry};
use crate::dockerconfig::KeyChange;
use crate::facts::{OtherServer, RateLimit, RegistryFact, Verdict};
use crate::failure::Failure;
use crate::plan::{Action, FileStep, ModeChange, NodeStep, NodeWork, Plan, SecretStep};

/// Something that happened.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The inventory is read; these hosts are selected. Nothing has been contacted yet.
    Started(Started),
    /// Something to look at that stops nothing.
    Warning {
        /// What it is.
        message: String,
    },
    /// Something that stops the run or a part of it.
    Error(Failure),
    /// A credential was judged.
    Registry(RegistryRow),
    /// A secret was, or would be, written, or was right already.
    Cluster(ClusterRow),
    /// A node could not be worked on.
    Host(HostRow),
    /// A file was, or would be, written, or was right already.
    File(FileRow),
    /// How far the run is. Not part of the JSON output.
    #[serde(skip)]
    Progress(Progress),
    /// A signal asked the run to stop.
    Interrupted,
    /// The last event of every run.
    Recap(Recap),
}

/// The start of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Started {
    /// `validate`, `plan`, `apply` or `login`.
    pub command: Command,
    /// The selected hosts in inventory order.
    pub hosts: Vec<String>,
}

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    /// Prove the credentials, and nothing else.
    Validate,
    /// Show what `apply` would do.
    Plan,
    /// Do it.
    Apply,
    /// Prove one credential and put it into a file of this machine.
    Login,
}

/// A credential and its verdict.
#[derive(Debug, Clone, Serialize)]
pub struct RegistryRow {
    /// The key in files and secrets.
    pub host: String,
    /// The user.
    pub user: String,
    /// The test image in full; where only the login is proved, the registry.
    pub image: String,
    /// The verdict.
    pub verdict: Verdict,
    /// What was seen.
    pub cause: Option<String>,
    /// What to do now.
    pub hint: Option<String>,
    /// The node it was asked from; `None` if that was this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// When the credential says that it expires (RFC 3339); nobody has checked that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// What the registry says of its quota.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// Who failed, if that was not the registry itself: `token_server` or `redirect_target`.
    #[serde(flatten)]
    pub other_server: Option<OtherServer>,
}

/// What became of a secret or a file; of `plan`, what would become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was not there.
    Created,
    /// It differed.
    Updated,
    /// It was right already.
    Unchanged,
    /// It could not be brought about.
    Failed,
    /// It was not tried.
    Skipped,
}

/// A secret and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct ClusterRow {
    /// The kind of object: `Secret`.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The keys that change.
    pub changes: Vec<KeyChange>,
    /// What else the reader should know.
    pub notes: Vec<String>,
    /// Why it failed.
    #[serde(flatten)]
    pub failure: Option<Failure>,
}

/// A node that could not be worked on.
#[derive(Debug, Clone, Serialize)]
pub struct HostRow {
    /// `inventory_hostname`.
    pub host: String,
    /// Why there is no work on it.
    pub outcome: HostOutcome,
    /// The reason.
    #[serde(flatten)]
    pub failure: Option<Failure>,
}

/// How a node was left without work, or that it answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HostOutcome {
    /// It answered; its files follow.
    Reached,
    /// It could not be reached.
    Unreachable,
    /// It was reached, but the remote script could not do its work.
    Failed,
    /// The run was interrupted before.
    Skipped,
}

/// A file of a node and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct FileRow {
    /// `inventory_hostname`; `localhost` for a login.
    pub host: String,
    /// The path as the inventory, or `--to`, gives it.
    pub path: String,
    /// Other managed paths that are the same file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// The keys that change.
    pub changes: Vec<KeyChange>,
    /// The permission bits before and after, such as `["0644", "0600"]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<[String; 2]>,
    /// What else the reader should know.
    pub notes: Vec<String>,
    /// Why it failed.
    #[serde(flatten)]
    pub failure: Option<Failure>,
}

/// How many of the things of one stage are done.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Of what.
    pub stage: Stage,
    /// So many.
    pub done: usize,
    /// Of so many.
    pub total: usize,
}

/// The stages that take time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Registries are asked.
    Registries,
    /// Nodes other than the first are asked from.
    Vantage,
    /// Nodes are looked at.
    Observe,
    /// Nodes are written.
    Write,
}

/// The end of a run.
#[derive(Debug, Clone, Serialize, Default)]
pub struct Recap {
    /// Counts by inventory name, for all selected hosts, in inventory order.
    pub hosts: IndexMap<String, Counts>,
    /// One row for each image.
    pub registries: Vec<RegistryRow>,
    /// One row for each secret.
    pub cluster: Vec<ClusterSummary>,
    /// The exit status.
    pub status: u8,
}

/// The columns of Ansible's recap. `ok` counts the connection and each file, `changed` counts files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// The connection, and each file that is right or was brought about.
    pub ok: usize,
    /// Files that were, or would be, written.
    pub changed: usize,
    /// 1 if the node could not be reached.
    pub unreachable: usize,
    /// Files that failed, or 1 if the whole node did.
    pub failed: usize,
    /// Files that were not tried.
    pub skipped: usize,
    /// Always 0.
    pub rescued: usize,
    /// Always 0.
    pub ignored: usize,
}

/// A secret in the recap.
#[derive(Debug, Clone, Serialize)]
pub struct ClusterSummary {
    /// The kind of object: `Secret`.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What became of it.
    pub outcome: Outcome,
}

impl RegistryRow {
    /// The row of one registry, asked from the node `from`, or from here.
    pub fn new(registry: &Registry, fact: &RegistryFact, from: Option<&str>) -> Self {
        Self {
            host: registry.host.clone(),
            user: registry.user.clone(),
            image: registry.image.clone(),
            verdict: fact.verdict,
            cause: fact.cause.clone(),
            hint: fact.hint.clone(),
            from: from.map(str::to_owned),
            expires: expiry::of(registry).map(|at| at.to_string()),
            rate_limit: fact.rate_limit,
            other_server: fact.other_server.clone(),
        }
    }
}

impl From<&Action> for Outcome {
    fn from(action: &Action) -> Self {
        match action {
            Action::Create => Self::Created,
            Action::Update => Self::Updated,
            Action::Unchanged => Self::Unchanged,
            Action::Fail(_) => Self::Failed,
        }
    }
}

impl ClusterRow {
    /// The row of a step with the outcome it had.
    pub fn new(step: &SecretStep, outcome: Outcome, failure: Option<&Failure>) -> Self {
        Self {
            kind: "Secret",
            namespace: step.namespace.clone(),
            name: step.name.clone(),
            outcome,
            changes: step.changes.clone(),
            notes: step.notes.clone(),
            failure: failure.cloned(),
        }
    }
}

impl FileRow {
    /// The row of a step with the outcome it had.
    pub fn new(host: &str, step: &FileStep, outcome: Outcome, failure: Option<&Failure>) -> Self {
        let octal = |mode: u32| format!("{mode:04o}");
        Self {
            host: host.to_owned(),
            path: step.path.clone(),
            aliases: step.aliases.clone(),
            outcome,
            changes: step.changes.clone(),
            mode: step.mode.map(|ModeChange { from, to }| [octal(from), octal(to)]),
            notes: step.notes.clone(),
            failure: failure.cloned(),
        }
    }
}

/// The events of a plan that is not applied: what would happen.
pub fn preview(plan: &Plan) -> Vec<Event> {
    let mut events: Vec<Event> = plan.secret.iter().map(planned_secret).collect();
    events.extend(plan.nodes.iter().flat_map(|node| node_events(node, |step| (Outcome::from(&step.action), None))));
    events
}

/// The events of nodes that are not even looked at, because an earlier window closed the gate.
pub fn unobserved(desired: &Desired) -> Vec<Event> {
    let row = |node: &NodeTarget| HostRow { host: node.name.clone(), outcome: HostOutcome::Skipped, failure: None };
    desired.nodes.iter().map(|node| Event::Host(row(node))).collect()
}

/// The row of a secret as it is planned.
fn planned_secret(step: &SecretStep) -> Event {
    let failure = match &step.action {
        Action::Fail(failure) => Some(failure),
        _ => None,
    };
    Event::Cluster(ClusterRow::new(step, Outcome::from(&step.action), failure))
}

/// The events of one node: `result` gives the outcome of each file that could be planned.
pub fn node_events(node: &NodeStep, mut result: impl FnMut(&FileStep) -> (Outcome, Option<Failure>)) -> Vec<Event> {
    let row = |outcome, failure: Option<&Failure>| {
        Event::Host(HostRow { host: node.host.clone(), outcome, failure: failure.cloned() })
    };
    match &node.work {
        NodeWork::Unreachable(failure) => vec![row(HostOutcome::Unreachable, Some(failure))],
        NodeWork::Failed(failure) => vec![row(HostOutcome::Failed, Some(failure))],
        NodeWork::NotObserved => vec![row(HostOutcome::Skipped, None)],
        NodeWork::Files(files) => {
            let mut events = vec![row(HostOutcome::Reached, None)];
            events.extend(files.iter().map(|step| {
                let (outcome, failure) = match &step.action {
                    Action::Fail(failure) => (Outcome::Failed, Some(failure.clone())),
                    _ => result(step),
                };
                Event::File(FileRow::new(&node.host, step, outcome, failure.as_ref()))
            }));
            events
        }
    }
}
