//! The variables of all hosts, and what their templates and encrypted values may reach.

use std::sync::{Arc, OnceLock};

use super::finding::Finding;
use super::model::Inventory;
use super::outside::{self, Outside};
use super::templates::{Engine, HostVars};

/// An inventory whose variables can be resolved. Cheap to clone.
#[derive(Clone)]
pub struct Variables {
    inventory: Arc<Inventory>,
    findings: Arc<[Finding]>,
    outside: Arc<dyn Outside>,
    engine: Arc<OnceLock<Engine>>,
}

impl Variables {
    /// The variables of `inventory`; `outside` answers what they ask of the world.
    pub fn new(inventory: Inventory, outside: Arc<dyn Outside>) -> Self {
        Self { inventory: Arc::new(inventory), findings: Arc::default(), outside, engine: Arc::default() }
    }

    /// The same variables, with what was suspicious when they were read.
    #[must_use]
    pub fn with_findings(self, findings: Vec<Finding>) -> Self {
        Self { findings: findings.into(), ..self }
    }

    /// What was accepted when the inventory was read, but is suspicious, in the order of the sources.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Hosts, groups, and variables as they were written.
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// The world outside.
    pub fn outside(&self) -> &dyn Outside {
        &*self.outside
    }

    /// The same variables in a world in which nothing can be asked: no file is read and no command run.
    pub fn offline(&self) -> Self {
        Self { outside: outside::Nothing::shared(), ..self.clone() }
    }

    /// The same variables, for which no command is run.
    pub fn without_commands(&self) -> Self {
        Self { outside: Arc::new(outside::NoCommands(Arc::clone(&self.outside))), ..self.clone() }
    }

    /// The template engine, which is made when the first template asks for it.
    pub(super) fn engine(&self) -> &Engine {
        self.engine.get_or_init(Engine::new)
    }

    /// The variables of one host; of an unknown host those of `-e` alone.
    pub fn of(&self, host: &str) -> HostVars<'_> {
        HostVars::new(self, host)
    }
}

// Values may be passwords.
impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "variables of {} hosts", self.inventory.hosts.len())
    }
}
