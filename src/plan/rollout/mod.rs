//! Whether the global pull secret of OpenShift 4 has arrived on every node, computed from what was observed. The status
//! of a pool is not sufficient: it still reports `Updated` between a write of the secret and the rendering of the new
//! MachineConfig, for a pool without nodes, and it does not report it while a node is cordoned. Therefore the entries of
//! the rendered file and the annotations of each node are compared. This module does no I/O.

mod progress;
mod steps;
mod text;
mod warnings;

use crate::dockerconfig::{self, EntryView, Reader, mask};
use crate::facts::{Availability, Condition, NodeSystem, Observed, PoolFact, PoolNodeFact, PoolUpdates, RolloutFact};
use crate::failure::Failure;
use crate::secret::SecretBytes;

pub use progress::Reached;
pub(super) use steps::steps;
pub use steps::{ended, pool_step};
pub use warnings::warnings;

/// The state of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    /// The pools, in the order of the API server.
    pub pools: Vec<PoolRollout>,
}

/// The state of one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolRollout {
    /// The name of the pool.
    pub name: String,
    /// The MachineConfig that its nodes shall get.
    pub target: String,
    /// The state.
    pub state: PoolState,
    /// Its nodes.
    pub nodes: Vec<NodeRollout>,
    /// Whether the operator updates its nodes.
    pub updates: PoolUpdates,
}

/// The state of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PoolState {
    /// Every node has the file.
    Done,
    /// It has no nodes, so there is nothing to update.
    Empty,
    /// It is expected to advance without intervention.
    Progressing(Pending),
    /// It does not advance before something is repaired or resumed.
    Blocked(Vec<Blocker>),
    /// It could not be observed.
    Unknown(Failure),
}

/// What a pool waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pending {
    /// The operator has not rendered the new content yet. The keys in which the target differs, masked.
    Rendering(Vec<String>),
    /// Some of its nodes are not updated yet.
    Nodes,
    /// All nodes are updated, and the operator has not reported it yet.
    Confirmation,
}

/// Why a pool does not advance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blocker {
    /// It is paused.
    Paused,
    /// These nodes are in several custom pools, so the operator does not update them.
    SharedNodes(Vec<String>),
    /// The operator cannot process the pull secret or its templates. Its message.
    Controller(String),
    /// The operator cannot render the MachineConfig of the pool. Its message.
    Rendering(String),
    /// The operator reports the pool as degraded. Its message, which may be empty.
    Degraded(String),
}

/// The state of one node of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRollout {
    /// Its name.
    pub name: String,
    /// How far it is.
    pub step: NodeStep,
    /// Whether pods can be scheduled on it. The operator updates only few nodes at the same time that are not available.
    pub availability: Availability,
}

/// How far a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeStep {
    /// The machine config daemon has not reported anything about it.
    Unmanaged,
    /// The operator has not selected it for the update yet.
    Waiting,
    /// It is being updated.
    Updating,
    /// The update failed. The reason that the machine config daemon reports, which may be empty.
    Failed(String),
    /// It has the target.
    Done,
}

/// A node that the operator does not update.
struct OutsideNode {
    name: String,
    reason: OutsideReason,
}

/// Why the operator does not update a node.
#[derive(Debug, PartialEq, Eq)]
enum OutsideReason {
    /// It is a Windows node.
    Windows,
    /// It is in no pool.
    NoPool,
    /// It is in these custom pools, and the operator permits only one.
    SeveralPools(Vec<String>),
}

/// The state of the rollout of the global pull secret with this content.
///
/// # Errors
/// If the pools are not known.
pub fn rollout(wanted: &SecretBytes, facts: &RolloutFact) -> Result<Rollout, Failure> {
    let pools = match &facts.pools {
        Observed::Present(pools) if !pools.is_empty() => pools,
        Observed::Present(_) | Observed::Absent => {
            return Err(Failure::new("the cluster has no MachineConfigPools")
                .hint("check that the kubeconfig is for an OpenShift 4 cluster with the machine config operator"));
        }
        Observed::Unknown(failure) => return Err(failure.clone()),
    };
    let nodes = facts.nodes.present().map(Vec::as_slice).unwrap_or_default();
    let pools = pools.iter().map(|pool| pool_rollout(pool, nodes, wanted, facts));
    Ok(Rollout { pools: pools.collect() })
}

impl Rollout {
    /// Whether every node that the operator should update has the file.
    pub fn is_done(&self) -> bool {
        self.pools.iter().all(PoolRollout::is_done)
    }

    /// Whether waiting is useless: each pool is done, or is paused, or has nodes that the operator does not update.
    pub fn is_stuck(&self) -> bool {
        let permanent = |blocker: &Blocker| matches!(blocker, Blocker::Paused | Blocker::SharedNodes(_));
        self.pools.iter().all(|pool| match &pool.state {
            PoolState::Blocked(blockers) => blockers.iter().any(permanent),
            _ => pool.is_done(),
        })
    }
}

impl PoolRollout {
    /// Whether every node has the file.
    pub fn is_done(&self) -> bool {
        matches!(self.state, PoolState::Done | PoolState::Empty)
    }

    /// The nodes that do not have the target.
    pub fn behind(&self) -> impl Iterator<Item = &NodeRollout> {
        self.nodes.iter().filter(|node| node.step != NodeStep::Done)
    }

    /// The nodes that are not available.
    fn unavailable(&self) -> impl Iterator<Item = &NodeRollout> {
        self.nodes.iter().filter(|node| node.availability != Availability::Ready)
    }
}

/// The nodes that the operator does not update.
fn outside(nodes: &[PoolNodeFact]) -> impl Iterator<Item = OutsideNode> {
    nodes.iter().filter_map(|node| Some(OutsideNode { name: node.name.clone(), reason: primary_pool(node).err()? }))
}

/// The pool to which the operator assigns a node (machine-config-operator, pkg/helpers, `GetPoolsForNode`): a custom pool
/// is preferred to `worker`, and `master` to all others.
fn primary_pool(node: &PoolNodeFact) -> Result<&str, OutsideReason> {
    if node.system == NodeSystem::Windows {
        return Err(OutsideReason::Windows);
    }
    let pools = || node.matching_pools.iter().map(String::as_str);
    let custom: Vec<&str> = pools().filter(|name| !["master", "worker"].contains(name)).collect();
    if custom.len() > 1 {
        return Err(OutsideReason::SeveralPools(custom.into_iter().map(str::to_owned).collect()));
    }
    let master = pools().find(|name| *name == "master");
    master.or(custom.first().copied()).or(pools().next()).ok_or(OutsideReason::NoPool)
}

fn pool_rollout(pool: &PoolFact, nodes: &[PoolNodeFact], wanted: &SecretBytes, facts: &RolloutFact) -> PoolRollout {
    let outdated = match facts.files.get(&pool.target) {
        Some(Observed::Present(content)) => Ok(outdated_keys(wanted, Some(content))),
        Some(Observed::Absent) | None => Ok(outdated_keys(wanted, None)),
        Some(Observed::Unknown(failure)) => Err(failure.clone()),
    };
    let members = nodes.iter().filter(|node| primary_pool(node) == Ok(pool.name.as_str()));
    let nodes: Vec<NodeRollout> = members
        .map(|node| match node_rollout(node, &pool.target) {
            // It has the MachineConfig of the old content.
            done if done.step == NodeStep::Done && outdated.as_ref().is_ok_and(|keys| !keys.is_empty()) => {
                NodeRollout { step: NodeStep::Waiting, ..done }
            }
            other => other,
        })
        .collect();
    let state = state(pool, &nodes, outdated, facts);
    PoolRollout { name: pool.name.clone(), target: pool.target.clone(), state, nodes, updates: pool.updates }
}

fn state(
    pool: &PoolFact,
    nodes: &[NodeRollout],
    outdated: Result<Vec<String>, Failure>,
    facts: &RolloutFact,
) -> PoolState {
    let shared = shared_nodes(&pool.name, facts);
    if shared.is_none() && nodes.is_empty() && pool.machines == 0 {
        return PoolState::Empty;
    }
    let mut blockers = blockers(pool, nodes, &facts.controller);
    blockers.extend(shared.map(Blocker::SharedNodes));
    let pending = match (outdated, &facts.nodes) {
        (Ok(keys), _) if !keys.is_empty() => Ok(Some(Pending::Rendering(keys))),
        (Err(failure), _) => Err(failure),
        (Ok(_), Observed::Unknown(failure)) => Err(failure.clone()),
        (Ok(_), _) => Ok(pending(pool, nodes)),
    };
    // A paused pool whose nodes have the file already is done.
    if pool.updates == PoolUpdates::Paused && !matches!(pending, Ok(None)) {
        blockers.insert(0, Blocker::Paused);
    }
    match pending {
        _ if !blockers.is_empty() => PoolState::Blocked(blockers),
        Err(failure) => PoolState::Unknown(failure),
        Ok(Some(pending)) => PoolState::Progressing(pending),
        Ok(None) => PoolState::Done,
    }
}

/// What is not done yet, if the target has the wanted entries.
fn pending(pool: &PoolFact, nodes: &[NodeRollout]) -> Option<Pending> {
    if nodes.iter().any(|node| node.step != NodeStep::Done) {
        return Some(Pending::Nodes);
    }
    // The operator confirms the target only when all nodes are available. A node that is not available, and has reported
    // the target, has the file.
    let unavailable = nodes.iter().any(|node| node.availability != Availability::Ready);
    (pool.current != pool.target && !unavailable).then_some(Pending::Confirmation)
}

/// The nodes that are in this custom pool and in another one.
fn shared_nodes(pool: &str, facts: &RolloutFact) -> Option<Vec<String>> {
    let shared = |node: &&PoolNodeFact| match primary_pool(node) {
        Err(OutsideReason::SeveralPools(pools)) => pools.iter().any(|name| name == pool),
        _ => false,
    };
    let nodes = facts.nodes.present().into_iter().flatten().filter(shared);
    let names: Vec<String> = nodes.map(|node| node.name.clone()).collect();
    (!names.is_empty()).then_some(names)
}

/// What the operator reports as broken.
fn blockers(pool: &PoolFact, nodes: &[NodeRollout], controller: &Observed<Vec<Condition>>) -> Vec<Blocker> {
    let controller = controller.present().map(Vec::as_slice).unwrap_or_default();
    let failing = message(controller, "TemplateControllerFailing").map(Blocker::Controller);
    let rendering = message(&pool.conditions, "RenderDegraded").map(Blocker::Rendering);
    let node_failed = nodes.iter().any(|node| matches!(node.step, NodeStep::Failed(_)));
    let conditions = ["NodeDegraded", "Degraded"].map(|name| message(&pool.conditions, name));
    let reported = conditions.iter().any(Option::is_some) || pool.degraded_machines > 0;
    // `Degraded` repeats the other conditions, and `NodeDegraded` the reasons of the nodes.
    let degraded = match (node_failed, rendering.is_some()) {
        (true, _) => Some(Blocker::Degraded(String::new())),
        (false, false) if reported => {
            let messages = conditions.into_iter().flatten();
            Some(Blocker::Degraded(messages.into_iter().find(|message| !message.is_empty()).unwrap_or_default()))
        }
        (false, _) => None,
    };
    [failing, rendering, degraded].into_iter().flatten().collect()
}

/// The message of a condition, if it is true.
fn message(conditions: &[Condition], name: &str) -> Option<String> {
    conditions.iter().find(|condition| condition.name == name).map(|condition| condition.message.clone())
}

/// The keys in which a rendered file differs from the secret, masked: those of entries that the file does not have with
/// the same credential, and those of entries that are no longer in the secret. The `email` of an entry and members
/// without a meaning for the nodes are not compared.
fn outdated_keys(wanted: &SecretBytes, file: Option<&SecretBytes>) -> Vec<String> {
    let entries = |content: &SecretBytes| dockerconfig::entries(content.expose(), Reader::PullSecret);
    let (wanted, found) = (entries(wanted), file.map(entries).unwrap_or_default());
    let differs = |entry: &&EntryView| {
        let rendered = found.iter().find(|other| other.key == entry.key);
        rendered.is_none_or(|rendered| rendered.credential != entry.credential)
    };
    let is_left = |entry: &&EntryView| !is_of_operator(&entry.key) && wanted.iter().all(|other| other.key != entry.key);
    let keys = wanted.iter().filter(differs).chain(found.iter().filter(is_left));
    keys.map(|entry| mask(&entry.key)).collect()
}

/// Whether the operator adds the entry when it renders the file: that of the registry inside a cluster that was installed
/// without an external one (machine-config-operator, feature gate `NoRegistryClusterInstall`).
fn is_of_operator(key: &str) -> bool {
    key == "localhost:22625" || key.starts_with("api-int.") && key.ends_with(":22625")
}

fn node_rollout(node: &PoolNodeFact, target: &str) -> NodeRollout {
    let is_target = |config: &Option<String>| config.as_deref() == Some(target);
    let state = node.state.as_deref();
    let step = match (&node.current_config, &node.desired_config) {
        _ if matches!(state, Some("Degraded" | "Unreconcilable")) => {
            NodeStep::Failed(node.reason.clone().unwrap_or_default())
        }
        (None, _) | (_, None) => NodeStep::Unmanaged,
        (_, desired) if !is_target(desired) => NodeStep::Waiting,
        // In image mode, a node also has to change to the image that was built from the MachineConfig.
        (current, _) if is_target(current) && node.current_image == node.desired_image && state == Some("Done") => {
            NodeStep::Done
        }
        _ => NodeStep::Updating,
    };
    NodeRollout { name: node.name.clone(), step, availability: node.availability }
}
