//! The objects that are shared when variables are resolved: the inventory, the engine, and the access to files,
//! programs and vault passwords.

use std::sync::{Arc, LazyLock};

use super::engine::Engine;
use crate::inventory::model::Inventory;
use crate::inventory::outside::Outside;

/// The shared objects. Cloning is cheap.
#[derive(Clone)]
pub(in crate::inventory) struct Resources {
    inventory: Arc<Inventory>,
    outside: Arc<dyn Outside>,
    engine: Arc<LazyLock<Engine>>,
}

impl Resources {
    /// The resources of an inventory. The engine is built with the first template, because building it takes milliseconds
    /// and most inventories have none.
    pub(super) fn new(inventory: Inventory, outside: Arc<dyn Outside>, new_engine: fn() -> Engine) -> Self {
        Self { inventory: Arc::new(inventory), outside, engine: Arc::new(LazyLock::new(new_engine)) }
    }

    /// Hosts, groups, and variables with their templates.
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// Files, programs, the environment and vault passwords.
    pub fn outside(&self) -> &Arc<dyn Outside> {
        &self.outside
    }

    /// The same inventory and engine with another access to files and programs.
    #[must_use]
    pub fn with_outside(&self, outside: Arc<dyn Outside>) -> Self {
        Self { outside, ..self.clone() }
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }
}
