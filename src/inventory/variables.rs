//! The variables of all hosts, and what their templates and encrypted values may access.

use std::sync::Arc;

use super::finding::Finding;
use super::model::Inventory;
use super::outside::{NoAccess, NoCommands, Outside};
use super::templates::{HostVars, Resources, new_resources};

/// An inventory with variables that can be resolved. Cloning is cheap.
#[derive(Clone)]
pub struct Variables {
    resources: Resources,
    findings: Arc<[Finding]>,
}

impl Variables {
    /// The variables of `inventory`. Their templates access files, programs and vault passwords through `outside`.
    pub fn new(inventory: Inventory, outside: Arc<dyn Outside>) -> Self {
        Self { resources: new_resources(inventory, outside), findings: Arc::default() }
    }

    /// The same variables with the findings of the code that read them.
    #[must_use]
    pub fn with_findings(self, findings: Vec<Finding>) -> Self {
        Self { findings: findings.into(), ..self }
    }

    /// The suspicious settings that were found while the inventory was read, in the order of the sources.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Hosts, groups, and variables with their templates.
    pub fn inventory(&self) -> &Inventory {
        self.resources.inventory()
    }

    /// The access to files, programs and vault passwords.
    pub fn outside(&self) -> &dyn Outside {
        &**self.resources.outside()
    }

    /// The same variables, with no access to anything outside the inventory.
    pub fn offline(&self) -> Self {
        self.with_outside(NoAccess::shared())
    }

    /// The same variables, without running commands.
    pub fn without_commands(&self) -> Self {
        self.with_outside(Arc::new(NoCommands(Arc::clone(self.resources.outside()))))
    }

    fn with_outside(&self, outside: Arc<dyn Outside>) -> Self {
        Self { resources: self.resources.with_outside(outside), findings: Arc::clone(&self.findings) }
    }

    /// The variables of one host. An unknown host has only those of `-e`.
    pub fn of(&self, host: &str) -> HostVars<'_> {
        HostVars::new(&self.resources, host)
    }
}

// Values may be passwords.
impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "variables of {} hosts", self.inventory().hosts.len())
    }
}
