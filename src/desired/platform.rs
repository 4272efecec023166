//! What the cluster is, and how long a run waits for it. `resolve` reads both from inventory variables; if they do not say
//! what the cluster is, only the API server shows it.

use std::time::Duration;

use jiff::SignedDuration;

use super::{Desired, NodeTarget, Object};
use crate::failure::Failure;

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

impl Desired {
    /// The desired state for a cluster whose platform the inventory does not say.
    ///
    /// # Errors
    /// If the inventory declares something that the platform does not have.
    pub fn for_platform(mut self, platform: Platform) -> Result<Self, Failure> {
        self.platform = Some(platform);
        if platform != Platform::OpenShift3 {
            self.objects.drain(..self.default_objects.min(self.objects.len()));
            self.default_objects = 0;
        }
        let unavailable = self.objects.iter().find_map(|object| match object {
            Object::GlobalPullSecret(_) if platform != Platform::OpenShift4 => Some("oregano_global_pull_secret"),
            Object::ImagePuller(_) if platform == Platform::Kubernetes => Some("oregano_image_pullers"),
            _ => None,
        });
        match unavailable {
            None => Ok(self),
            Some(variable) => Err(Failure::new(format!("`{variable}` does not fit the cluster"))
                .cause(format!("its API server is of the platform `{}`", platform.name()))
                .hint("remove it, use another kubeconfig, or set `oregano_platform` if the platform is another one")),
        }
    }

    /// Takes out the nodes whose files the machine config operator manages: all nodes of OpenShift 4.
    pub fn take_operator_managed_nodes(&mut self) -> Vec<NodeTarget> {
        match self.platform {
            Some(Platform::OpenShift4) => std::mem::take(&mut self.nodes),
            _ => Vec::new(),
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

impl Waits {
    /// A time as the inventory has it: `30m`, `1h 30m`.
    pub fn text(wait: Duration) -> String {
        // A wait is at most a day.
        SignedDuration::try_from(wait).map_or_else(|_| format!("{}s", wait.as_secs()), |wait| format!("{wait:#}"))
    }
}

impl Default for Waits {
    fn default() -> Self {
        Self { service_accounts: Duration::from_secs(60), rollout: Duration::from_secs(30 * 60) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_has_the_units_of_the_inventory() {
        for (seconds, text) in [(0, "0s"), (5, "5s"), (1800, "30m"), (5400, "1h 30m"), (86_400, "24h")] {
            assert_eq!(Waits::text(Duration::from_secs(seconds)), text);
        }
    }
}
