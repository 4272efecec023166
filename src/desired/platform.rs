//! What the cluster is, and how long a run waits for it. This file contains only types; `resolve` reads them from inventory
//! variables.

use std::time::Duration;

/// `oregano_platform`: what the cluster is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// OpenShift 3.11 (or OKD 3.11), installed by openshift-ansible.
    OpenShift3,
    /// OpenShift 4, whose machine config operator owns the files of its nodes.
    OpenShift4,
    /// Kubernetes without OpenShift.
    Kubernetes,
}

impl Platform {
    /// All platforms.
    pub const ALL: [Self; 3] = [Self::OpenShift3, Self::OpenShift4, Self::Kubernetes];

    /// Its name in inventories.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenShift3 => "openshift-3",
            Self::OpenShift4 => "openshift-4",
            Self::Kubernetes => "kubernetes",
        }
    }
}

/// How long a run waits for what the cluster does itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// `oregano_wait`: for service accounts that a controller creates in a new namespace.
    pub service_accounts: Duration,
    /// `oregano_rollout_timeout`: for the rollout of the global pull secret, while it makes no progress.
    pub rollout: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self { service_accounts: Duration::from_secs(60), rollout: Duration::from_secs(30 * 60) }
    }
}
