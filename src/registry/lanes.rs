//! How much is asked of one host at the same time: many credentials of one registry must not look like an attack.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many may ask one host at the same time.
const LANES: usize = 16;

/// The lanes to each host, as far as they were needed.
#[derive(Default)]
pub(super) struct Lanes(Mutex<HashMap<String, Arc<Semaphore>>>);

impl Lanes {
    /// Waits for a lane to `host`; it is free again when the permit is dropped.
    pub async fn enter(&self, host: &str) -> Option<OwnedSemaphorePermit> {
        let lanes = {
            let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(hosts.entry(host.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(LANES))))
        };
        // Closed never, so this only waits.
        lanes.acquire_owned().await.ok()
    }
}
