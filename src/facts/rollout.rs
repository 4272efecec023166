//! What was observed of the rollout of the global pull secret of OpenShift 4: the machine config operator renders it into a
//! MachineConfig for each pool, and updates the nodes of the pool one after another. Types only.

use std::collections::HashMap;

use super::{InfrastructureFact, Observed};
use crate::failure::Failure;
use crate::secret::SecretBytes;

/// The file that contains the global pull secret on each node.
pub const NODE_PULL_SECRET: &str = "/var/lib/kubelet/config.json";

/// What was observed for the global pull secret, apart from the secret itself.
#[derive(Debug, Clone)]
pub struct GlobalFact {
    /// Which cluster it is and where its control plane runs, or why it is not known.
    pub infrastructure: Result<InfrastructureFact, Failure>,
    /// The rollout of the current content.
    pub rollout: RolloutFact,
}

/// The state of a rollout at one point in time. Texts of the operator are redacted and short.
#[derive(Debug, Clone)]
pub struct RolloutFact {
    /// The MachineConfigPools; absent if the API server has no such kind.
    pub pools: Observed<Vec<PoolFact>>,
    /// The content of [`NODE_PULL_SECRET`] in each MachineConfig that is the target of a pool, by the name of the
    /// MachineConfig; absent if there is no such MachineConfig, or no such file in it.
    pub files: HashMap<String, Observed<SecretBytes>>,
    /// The nodes of the cluster.
    pub nodes: Observed<Vec<PoolNodeFact>>,
    /// The conditions of the ControllerConfig that are true; absent if there is no ControllerConfig.
    pub controller: Observed<Vec<Condition>>,
}

impl RolloutFact {
    /// A rollout that could not be observed.
    pub fn unknown(failure: Failure) -> Self {
        let pools = Observed::Unknown(failure);
        Self { pools, files: HashMap::new(), nodes: Observed::Absent, controller: Observed::Absent }
    }
}

/// A MachineConfigPool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolFact {
    /// Its name.
    pub name: String,
    /// Whether the operator updates its nodes.
    pub updates: PoolUpdates,
    /// `spec.configuration.name`: the MachineConfig that its nodes shall get; empty if there is none yet.
    pub target: String,
    /// `status.configuration.name`: the MachineConfig that all of its nodes had when the operator last found them
    /// updated and ready; empty if there is none yet.
    pub current: String,
    /// `status.machineCount`.
    pub machines: u32,
    /// `status.degradedMachineCount`.
    pub degraded_machines: u32,
    /// The conditions that are true.
    pub conditions: Vec<Condition>,
}

/// Whether the operator updates the nodes of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolUpdates {
    /// It does.
    Enabled,
    /// It does not, because `spec.paused` is set.
    Paused,
}

/// A condition whose status is `True`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Its type, such as `RenderDegraded`.
    pub name: String,
    /// Its message, which may be empty.
    pub message: String,
}

/// A node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolNodeFact {
    /// Its name.
    pub name: String,
    /// Its operating system.
    pub system: NodeSystem,
    /// The pools whose selectors match the node. The operator uses only one of them.
    pub matching_pools: Vec<String>,
    /// Whether pods can be scheduled on it.
    pub availability: Availability,
    /// The annotation `machineconfiguration.openshift.io/currentConfig`.
    pub current_config: Option<String>,
    /// The annotation `machineconfiguration.openshift.io/desiredConfig`.
    pub desired_config: Option<String>,
    /// The annotation `machineconfiguration.openshift.io/currentImage`, which only image mode uses.
    pub current_image: Option<String>,
    /// The annotation `machineconfiguration.openshift.io/desiredImage`, which only image mode uses.
    pub desired_image: Option<String>,
    /// The annotation `machineconfiguration.openshift.io/state`: `Done`, `Working`, `Degraded` or `Unreconcilable`.
    pub state: Option<String>,
    /// The annotation `machineconfiguration.openshift.io/reason`: why the state is not `Done`.
    pub reason: Option<String>,
}

/// The operating system of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeSystem {
    /// The label `kubernetes.io/os` is `windows`. The operator does not manage such a node.
    Windows,
    /// Anything else.
    Other,
}

/// Whether pods can be scheduled on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// It is ready.
    Ready,
    /// Its condition `Ready` is not `True`.
    NotReady,
    /// It is ready and cordoned (`spec.unschedulable`).
    Cordoned,
}
