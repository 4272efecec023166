//! Limits the number of simultaneous requests to one host, because many requests for one registry could look like an
//! attack.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The maximum number of simultaneous requests to one host.
const REQUESTS_PER_HOST: usize = 16;

/// The permits of each host that was contacted.
#[derive(Default)]
pub struct HostPermits(Mutex<HashMap<String, Arc<Semaphore>>>);

impl HostPermits {
    /// Waits for a permit to contact `host`; dropping it returns it.
    pub async fn acquire(&self, host: &str) -> Option<OwnedSemaphorePermit> {
        // The lock of the map is released before this call waits, because other hosts need the map in the meantime.
        let permits = {
            let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(hosts.entry(host.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(REQUESTS_PER_HOST))))
        };
        // The semaphore is never closed, so this only waits.
        permits.acquire_owned().await.ok()
    }
}
