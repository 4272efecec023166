//! The changes that are needed, as stages of steps. Computing a plan has no side effects and cannot fail. A plan
//! contains no secret, so it can be printed, serialized and pasted into a ticket. `apply` carries it out. This module
//! does no I/O.

mod diff;
mod entries;
mod expansion;
mod file;
mod global_pull_secret;
mod image_puller;
mod imports;
mod marks;
mod names;
mod node;
mod object;
mod pods;
mod prune;
mod pull_secret;
pub mod rollout;
mod service_account;
mod undeclared;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::desired::{Desired, NodeTarget};
use crate::dockerconfig::KeyChange;
use crate::facts::{ClusterFact, Facts, NodeFact, ObjectName};
use crate::failure::Failure;

use imports::UsedSecrets;
use object::ObjectStage;

pub use diff::{CredentialView, Diff, EntryDiff, ModeDiff, Salt};
use entries::PlannedEntries;
pub use entries::{LeftEntries, RetiredCounts, WantedEntries};
pub use expansion::{
    Expansion, UnknownObjects, account_namespaces, binding_namespaces, declared_namespaces, expand, prerequisites,
    pruned_namespaces, selectors,
};
pub use file::file;
pub use global_pull_secret::WantedGlobal;
pub use image_puller::{PullerRole, SubjectChange, WantedBinding, WantedPuller};
pub use imports::{
    ImportCheck, ImportImage, ImportImages, ImportRegistries, ImportTime, import_namespaces, import_obstacles,
};
pub use node::{NodePlan, NodeWork};
pub use object::{Wanted, object};
pub use pods::pod_namespaces;
pub use prune::{PrunePlan, prune, prune_refusal};
pub use pull_secret::WantedSecret;
pub use service_account::{LinkChange, WantedAccount};
pub use undeclared::{MANAGED_KINDS, UndeclaredObject};

/// What a plan includes.
#[derive(Debug, Clone, Default)]
pub struct PlanRequest {
    /// Whether entries are removed.
    pub prune: Prune,
    /// For `--diff`: the random number of the run.
    pub diff: Option<Salt>,
    /// Whether the cluster may be transferred to another account.
    pub transfer: Transfer,
    /// Whether a secret may be deleted and created again.
    pub recreate: Recreate,
}

/// What happens to a secret that the API server does not change: an immutable one, and one whose type differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recreate {
    /// It is a failure.
    #[default]
    Refuse,
    /// It is deleted and created again with the same entries (`--recreate`).
    Permit,
}

/// What happens to the entries of retired registries, and to objects that are no longer declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prune {
    /// They are reported and stay.
    #[default]
    Keep,
    /// They are removed (`--prune`).
    Remove,
}

/// What happens to the entries of the global pull secret that say to whom the cluster belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transfer {
    /// They are never changed or removed.
    #[default]
    Refuse,
    /// They may be changed and removed (`--transfer-ownership`).
    Permit,
}

/// Everything that a run, or one window of its nodes, would do.
#[derive(Debug)]
pub struct Plan {
    /// Whether anything may be written.
    pub gate: Gate,
    /// The stages, in the order in which they are carried out. An object that fails closes the gate for everything after
    /// it.
    pub stages: Vec<Stage>,
}

/// Steps that may be carried out at the same time.
#[derive(Debug)]
pub enum Stage {
    /// Objects of the cluster that do not depend on one another, in the order of [`Desired::objects`]. Steps about
    /// something that is not known come first.
    Objects(Vec<Step>),
    /// The pools of OpenShift 4 whose nodes must get the global pull secret.
    AwaitPools(Vec<Step>),
    /// The imports of OpenShift that prove that image streams can use the pull secrets. They write nothing, and one that
    /// fails does not close the gate.
    Imports(Vec<ImportCheck>),
    /// The nodes of a window, in the order of the inventory.
    Batch(Vec<NodePlan>),
}

/// Whether writes are permitted: a single credential or object that cannot be used prevents all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Every verdict permits the run, and every object can be written.
    Open,
    /// Nothing is written.
    Closed,
}

/// The planned change of one object or file.
#[derive(Debug, Clone)]
pub struct Step {
    /// The object or file.
    pub target: Target,
    /// What happens.
    pub action: Action,
    /// The changes inside it, without values.
    pub changes: Vec<Change>,
    /// Additional information for the reader.
    pub notes: Vec<String>,
    /// The same about other objects, which are not read again when the step is carried out: pods, and the other secrets of
    /// the namespace.
    pub related_notes: Vec<String>,
    /// Entries that are not declared and that stay.
    pub left: LeftEntries,
    /// The entries before and after, if they were requested.
    pub diff: Option<Diff>,
}

/// What a step is about. Serialized, it names the event of the JSON output that reports the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Target {
    /// An object of the Kubernetes API.
    Object(ObjectName),
    /// A file of a node, or of this machine.
    File(FileTarget),
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileTarget {
    /// `inventory_hostname`; `localhost` for a login.
    pub host: String,
    /// The path as the inventory, or `--to`, gives it.
    pub path: String,
    /// Other managed paths that lead to the same file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
}

/// What happens to an object or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It does not exist yet.
    Create,
    /// It exists and differs.
    Update,
    /// It exists and differs, and the API server does not change it: it is deleted and created again.
    Recreate,
    /// It exists, and must not.
    Delete,
    /// It is already up to date.
    Unchanged,
    /// It is not written: what it stands for is proved.
    Prove,
    /// It cannot be brought to the desired state.
    Fail(Failure),
}

/// One change inside an object or a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Change {
    /// An entry of `auths` is added, updated or removed.
    Key(KeyChange),
    /// Permission bits are removed.
    Mode(ModeChange),
    /// A label or an annotation is set or removed.
    Metadata(MetadataChange),
    /// A secret is added to or removed from a service account.
    Link(LinkChange),
    /// A subject is added to or removed from a role binding.
    Subject(SubjectChange),
}

/// A label or an annotation of an object. Serialized as `{"kind": "label-set", "name": "oregano/managed"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum MetadataChange {
    /// A label is set.
    LabelSet {
        /// Its key.
        name: &'static str,
    },
    /// An annotation is set.
    AnnotationSet {
        /// Its key.
        name: &'static str,
    },
    /// An annotation is removed.
    AnnotationRemoved {
        /// Its key.
        name: &'static str,
    },
}

/// Permission bits that are removed. Serialized as `{"kind": "mode", "from": "0644", "to": "0600"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename = "mode")]
pub struct ModeChange {
    /// Such as `0o644`.
    #[serde(serialize_with = "octal")]
    pub from: u32,
    /// Such as `0o600`.
    #[serde(serialize_with = "octal")]
    pub to: u32,
}

/// A step, and the content that carries it out: the bytes of a file, or an [`ObjectContent`]. `apply` computes it again
/// from the facts, because a [`Plan`] contains no secret.
///
/// [`ObjectContent`]: crate::desired::ObjectContent
#[derive(Debug)]
pub struct Planned<C> {
    /// What happens.
    pub step: Step,
    /// The new content; `None` if nothing is written, or if the object is deleted.
    pub content: Option<C>,
}

impl Action {
    /// Whether the object or file is written or removed.
    pub fn is_change(&self) -> bool {
        match self {
            Self::Create | Self::Update | Self::Recreate | Self::Delete => true,
            Self::Unchanged | Self::Prove | Self::Fail(_) => false,
        }
    }
}

impl Step {
    /// A step without changes and notes.
    pub fn new(target: Target, action: Action) -> Self {
        let (changes, notes, left) = (Vec::new(), Vec::new(), LeftEntries::default());
        Self { target, action, changes, notes, related_notes: Vec::new(), left, diff: None }
    }

    /// A step about an object, without changes and notes.
    pub fn object(name: &ObjectName, action: Action) -> Self {
        Self::new(Target::Object(name.clone()), action)
    }
}

impl<C> Planned<C> {
    /// An object that needs no change.
    pub fn unchanged(name: &ObjectName) -> Self {
        Self::without_content(Step::object(name, Action::Unchanged))
    }

    /// An object that cannot be brought to the desired state.
    fn failed(name: &ObjectName, failure: Failure) -> Self {
        Self::without_content(Step::object(name, Action::Fail(failure)))
    }

    /// A step that writes nothing.
    fn without_content(step: Step) -> Self {
        Self { step, content: None }
    }
}

/// `0644`.
pub fn format_mode(mode: u32) -> String {
    format!("{mode:04o}")
}

// serde's `serialize_with` prescribes this signature.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field by reference")]
fn octal<S: serde::Serializer>(mode: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{mode:04o}"))
}

/// Compares the desired state with the facts: the objects, then `nodes`, which are the first window of
/// [`Desired::nodes`] and have the facts in `facts.nodes`.
pub fn plan(desired: &Desired, nodes: &[NodeTarget], facts: &Facts, request: &PlanRequest) -> Plan {
    let expansion = expand(desired, &facts.cluster);
    let objects =
        object_stages(&ImportRegistries::new(desired, &facts.registries), &expansion, &facts.cluster, request);
    let pools = pool_steps(&expansion, &facts.cluster, request);
    let verdicts = facts.registries.iter().chain(facts.paths.iter().map(|path| &path.fact));
    // A missing verdict closes the gate, too: the run was interrupted before the credential was checked.
    let proved = verdicts.into_iter().all(|fact| fact.as_ref().is_some_and(|fact| fact.verdict.permits_run()));
    // The files of nodes do not affect the gate: a node that fails does not stop the work on the other nodes.
    let possible = objects.iter().flatten().chain(&pools).all(|step| !matches!(step.action, Action::Fail(_)));
    let gate = if proved && possible { Gate::Open } else { Gate::Closed };
    // The objects come before the nodes, because one failed object must prevent every write on a node.
    let objects = objects.into_iter().filter(|steps| !steps.is_empty()).map(Stage::Objects);
    let pools = Some(pools).filter(|steps| !steps.is_empty()).map(Stage::AwaitPools);
    let imports = imports::checks(&desired.registries, &expansion, &facts.cluster.imports);
    let imports = (!imports.is_empty()).then_some(Stage::Imports(imports));
    let nodes = batch(gate, nodes, &facts.nodes, request).stages;
    // A rollout that does not end closes the gate, and the imports need only the objects.
    Plan { gate, stages: objects.chain(imports).chain(pools).chain(nodes).collect() }
}

impl Plan {
    /// The steps of all targets.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.stages.iter().flat_map(|stage| match stage {
            Stage::Objects(steps) | Stage::AwaitPools(steps) => steps.iter().collect::<Vec<_>>(),
            Stage::Imports(_) => Vec::new(),
            Stage::Batch(nodes) => nodes.iter().flat_map(NodePlan::steps).collect(),
        })
    }
}

/// The plan of a later window of nodes; `gate` is the state after the earlier stages.
pub fn batch(gate: Gate, nodes: &[NodeTarget], facts: &[NodeFact], request: &PlanRequest) -> Plan {
    let nodes: Vec<NodePlan> = nodes.iter().zip(facts).map(|(node, fact)| node::node(node, fact, request)).collect();
    Plan { gate, stages: if nodes.is_empty() { Vec::new() } else { vec![Stage::Batch(nodes)] } }
}

/// The steps of the objects, by stage: first those for what is not known or declared twice, then one for each object.
fn object_stages(
    registries: &ImportRegistries<'_>,
    expansion: &Expansion<'_>,
    facts: &ClusterFact,
    request: &PlanRequest,
) -> Vec<Vec<Step>> {
    let unknown = expansion
        .unknown
        .iter()
        .map(|UnknownObjects { what, failure }| Step::object(what, Action::Fail(failure.clone())));
    let twice = expansion.twice.iter().map(|name| {
        let failure = Failure::new(format!("{name} is declared twice"));
        let failure = failure.hint("change the labels or `except` of one of the two declarations, or its name");
        Step::object(name, Action::Fail(failure))
    });
    let mut stages = BTreeMap::from([(ObjectStage::SecretsAndBindings, unknown.chain(twice).collect::<Vec<_>>())]);
    let planned = expansion.wanted.iter().filter_map(|wanted| {
        let planned = object(wanted, facts.objects.get(wanted.name()), request)?;
        Some((wanted, planned))
    });
    let planned: Vec<_> = planned.collect();
    let after =
        UsedSecrets::new(&facts.imports, facts.imports.secrets.iter(), planned.iter().map(|(_, planned)| planned));
    for (wanted, Planned { step, .. }) in planned {
        let is_failed = matches!(step.action, Action::Fail(_));
        let imports = if is_failed { Vec::new() } else { imports::notes(registries, wanted, &after, &facts.imports) };
        let pods = if is_failed { Vec::new() } else { pods::notes(wanted, &step, facts) };
        let step = Step { related_notes: imports.into_iter().chain(pods).collect(), ..step };
        stages.entry(wanted.stage()).or_default().push(step);
    }
    stages.into_values().collect()
}

/// The steps of the pools, which follow the rollout of the global pull secret; none if it is not declared.
fn pool_steps(expansion: &Expansion<'_>, facts: &ClusterFact, request: &PlanRequest) -> Vec<Step> {
    let global = expansion.wanted.iter().find(|wanted| matches!(wanted, Wanted::GlobalPullSecret(_)));
    let observed = global.and_then(|wanted| Some((wanted, facts.objects.get(wanted.name())?, facts.global.as_ref()?)));
    observed.map_or_else(Vec::new, |(wanted, found, global)| {
        let planned = object(wanted, Some(found), request);
        planned.map_or_else(Vec::new, |planned| rollout::steps(&planned, found, &global.rollout))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::desired::{
        Connection, Escalation, HostKeyChecking, Namespaces, Object, Ownership, PullSecret, PullSecretState,
        ServiceAccounts,
    };
    use crate::facts::Observed;

    fn node(number: usize) -> NodeTarget {
        NodeTarget {
            name: format!("node{number}"),
            connection: Connection {
                address: "127.0.0.1".into(),
                port: 22,
                user: "root".into(),
                password: None,
                private_key_file: None,
                host_key_checking: HostKeyChecking::Strict,
                escalation: Escalation::None,
            },
            files: Vec::new(),
            credentials: Arc::new([]),
            retired: Arc::new([]),
        }
    }

    fn hosts(plan: &Plan) -> Vec<Vec<&str>> {
        let mut found = Vec::new();
        for stage in &plan.stages {
            found.push(match stage {
                Stage::Objects(steps) => vec!["objects"; steps.len()],
                Stage::AwaitPools(steps) => vec!["pools"; steps.len()],
                Stage::Imports(checks) => vec!["imports"; checks.len()],
                Stage::Batch(nodes) => nodes.iter().map(|node| node.host.as_str()).collect(),
            });
        }
        found
    }

    #[test]
    fn only_the_first_window_has_the_objects() {
        let secret = PullSecret {
            name: "s".into(),
            namespaces: Namespaces::Named(vec!["ns".into()]),
            state: PullSecretState::Absent,
            ownership: Ownership::Shared,
            service_accounts: ServiceAccounts::default(),
        };
        let request = PlanRequest::default();
        let desired = Desired {
            objects: vec![Object::PullSecret(secret)],
            nodes: (0..5).map(node).collect(),
            ..Desired::default()
        };
        let unobserved = || NodeFact::NotObserved;
        let windows: Vec<&[NodeTarget]> = desired.nodes.chunks(2).collect();
        let facts = Facts {
            cluster: ClusterFact {
                objects: [(ObjectName::secret("ns", "s"), Observed::Absent)].into(),
                accounts: [("ns".to_owned(), Ok(Vec::new()))].into(),
                ..ClusterFact::default()
            },
            nodes: vec![unobserved(), unobserved()],
            ..Facts::default()
        };
        assert_eq!(hosts(&plan(&desired, windows[0], &facts, &request)), [vec!["objects"], vec!["node0", "node1"]]);
        assert_eq!(hosts(&batch(Gate::Open, windows[1], &facts.nodes, &request)), [["node2", "node3"]]);
        assert_eq!(hosts(&batch(Gate::Closed, windows[2], &[unobserved()], &request)), [["node4"]]);
        // Without nodes (`--only cluster`) there is no batch.
        assert_eq!(hosts(&plan(&desired, &[], &facts, &request)), [["objects"]]);
    }
}
