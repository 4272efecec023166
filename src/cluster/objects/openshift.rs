//! The kinds of OpenShift 4 that are read, with only those fields that are used. They are custom resources, so the API
//! server may have none of them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::{ClusterResourceScope, ListableResource, Metadata, Resource};
use serde::Deserialize;

/// Implements the traits of k8s-openapi for a kind that is in no namespace.
macro_rules! kind {
    ($name:ident, $group:literal, $plural:literal) => {
        impl Resource for $name {
            const API_VERSION: &'static str = concat!($group, "/v1");
            const GROUP: &'static str = $group;
            const KIND: &'static str = stringify!($name);
            const VERSION: &'static str = "v1";
            const URL_PATH_SEGMENT: &'static str = $plural;
            type Scope = ClusterResourceScope;
        }

        impl ListableResource for $name {
            const LIST_KIND: &'static str = concat!(stringify!($name), "List");
        }

        impl Metadata for $name {
            type Ty = ObjectMeta;

            fn metadata(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn metadata_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

kind!(MachineConfigPool, "machineconfiguration.openshift.io", "machineconfigpools");
kind!(MachineConfig, "machineconfiguration.openshift.io", "machineconfigs");
kind!(ControllerConfig, "machineconfiguration.openshift.io", "controllerconfigs");
kind!(Infrastructure, "config.openshift.io", "infrastructures");

/// A pool of nodes that get the same MachineConfig.
#[derive(Deserialize, Clone, Debug)]
pub(super) struct MachineConfigPool {
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub spec: PoolSpec,
    #[serde(default)]
    pub status: PoolStatus,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PoolSpec {
    pub node_selector: Option<LabelSelector>,
    pub paused: bool,
    pub configuration: ConfigReference,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PoolStatus {
    pub configuration: ConfigReference,
    pub machine_count: u32,
    pub degraded_machine_count: u32,
    pub conditions: Option<Vec<StatusCondition>>,
}

/// The name of a MachineConfig.
#[derive(Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub(super) struct ConfigReference {
    pub name: Option<String>,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub(super) struct StatusCondition {
    #[serde(rename = "type")]
    pub type_: String,
    pub status: String,
    pub message: String,
}

/// The configuration of the machine config controller. There is only one, [`ControllerConfig::NAME`].
#[derive(Deserialize, Clone, Debug)]
pub(super) struct ControllerConfig {
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub status: ControllerStatus,
}

impl ControllerConfig {
    pub const NAME: &'static str = "machine-config-controller";
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub(super) struct ControllerStatus {
    pub conditions: Option<Vec<StatusCondition>>,
}

/// The configuration of nodes: an Ignition configuration, whose files contain secrets.
#[derive(Deserialize, Clone)]
pub(super) struct MachineConfig {
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub spec: MachineConfigSpec,
}

#[derive(Deserialize, Clone, Default)]
#[serde(default)]
pub(super) struct MachineConfigSpec {
    pub config: Option<Ignition>,
}

/// Versions 2 and 3 of Ignition have these fields in the same places.
#[derive(Deserialize, Clone, Default)]
#[serde(default)]
pub(super) struct Ignition {
    pub storage: IgnitionStorage,
}

#[derive(Deserialize, Clone, Default)]
#[serde(default)]
pub(super) struct IgnitionStorage {
    pub files: Vec<IgnitionFile>,
}

#[derive(Deserialize, Clone, Default)]
#[serde(default)]
pub(super) struct IgnitionFile {
    pub path: String,
    pub contents: Option<IgnitionContents>,
}

#[derive(Deserialize, Clone, Default)]
#[serde(default)]
pub(super) struct IgnitionContents {
    /// A URL, usually a `data:` URL.
    pub source: Option<String>,
    pub compression: Option<String>,
}

/// The infrastructure of the cluster. There is only one, [`Infrastructure::NAME`].
#[derive(Deserialize, Clone, Debug)]
pub(in crate::cluster) struct Infrastructure {
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub status: InfrastructureStatus,
}

impl Infrastructure {
    pub const NAME: &'static str = "cluster";
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::cluster) struct InfrastructureStatus {
    pub control_plane_topology: String,
    pub infrastructure_name: String,
}
