//! The registry and the raw server of tests/doubles for tests that are not async. Each contains the runtime that it runs
//! on.

use std::ops::Deref;

use axum::body::Body;
use axum::http::Response;
use tokio::runtime::{Builder, Runtime};

#[path = "../../doubles/registry.rs"]
pub mod registry;

#[path = "../../doubles/raw.rs"]
pub mod raw;

use super::certificate::Certificate;
use raw::{Connection, Reaction};
use registry::Received;

/// A listening registry, stopped when dropped.
pub struct Double {
    double: registry::Double,
    /// Dropped last, because the registry runs on it.
    _runtime: Runtime,
}

impl Double {
    pub fn start(script: impl Fn(&Received) -> Response<Body> + Clone + Send + Sync + 'static) -> Self {
        let runtime = runtime();
        Self { double: runtime.block_on(registry::Double::start(script)), _runtime: runtime }
    }

    /// The same over TLS.
    pub fn secure(
        certificate: &Certificate,
        script: impl Fn(&Received) -> Response<Body> + Clone + Send + Sync + 'static,
    ) -> Self {
        let [certificate, key] = [&certificate.certificate, &certificate.key].map(|file| std::fs::read(file).unwrap());
        let runtime = runtime();
        let double = runtime.block_on(registry::Double::secure(&certificate, &key, script));
        Self { double, _runtime: runtime }
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

/// A listening raw server, stopped when dropped.
pub struct RawServer {
    server: raw::RawServer,
    /// Dropped last, because the server runs on it.
    _runtime: Runtime,
}

impl RawServer {
    pub fn start(script: impl Fn(&Connection) -> Reaction + Send + Sync + 'static) -> Self {
        let runtime = runtime();
        Self { server: runtime.block_on(raw::RawServer::start(script)), _runtime: runtime }
    }
}

impl Deref for RawServer {
    type Target = raw::RawServer;

    fn deref(&self) -> &raw::RawServer {
        &self.server
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
