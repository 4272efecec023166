//! The registry of tests/doubles for tests that are not async. It contains the runtime that the registry runs on.

use std::ops::Deref;

use axum::body::Body;
use axum::http::Response;
use tokio::runtime::{Builder, Runtime};

#[path = "../../doubles/registry.rs"]
pub mod registry;

use registry::Received;

/// A listening registry, stopped when dropped.
pub struct Double {
    double: registry::Double,
    /// Dropped last, because the registry runs on it.
    _runtime: Runtime,
}

impl Double {
    pub fn start(script: impl Fn(&Received) -> Response<Body> + Clone + Send + Sync + 'static) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { double: runtime.block_on(registry::Double::start(script)), _runtime: runtime }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> &str {
        self.host.rsplit_once(':').unwrap().1
    }
}

impl Deref for Double {
    type Target = registry::Double;

    fn deref(&self) -> &registry::Double {
        &self.double
    }
}
