//! One connection to an API server, as one user: the time limit of each request, and its retries while the server is
//! busy. It does not know the kinds of objects.

use std::time::Duration;

use kube::Client;

use super::error::{ApiError, Diagnosis};

/// The pauses before a request is sent again to a server that was too busy.
pub(super) const BUSY_PAUSES: [Duration; 3] =
    [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1)];

/// A client that has its credentials. Clones share their connections.
#[derive(Clone)]
pub(super) struct ApiClient {
    pub(super) client: Client,
    pub(super) timeout: Duration,
    pub(super) diagnosis: Diagnosis,
}

impl ApiClient {
    /// Sends a request, and retries it while the server is too busy, all within the time limit. Only for requests that
    /// change nothing, because a busy server may have done what it did not confirm.
    pub(super) async fn read<T, F>(&self, request: impl Fn() -> F) -> Result<T, ApiError>
    where
        F: Future<Output = kube::Result<T>>,
    {
        let retried = async {
            for pause in BUSY_PAUSES {
                match request().await.map_err(ApiError::Kube) {
                    Err(error) if error.is_busy() => tokio::time::sleep(pause).await,
                    other => return other,
                }
            }
            request().await.map_err(ApiError::Kube)
        };
        // The time limit includes the pauses, because users set it for the complete request.
        tokio::time::timeout(self.timeout, retried).await.unwrap_or(Err(ApiError::Timeout(self.timeout)))
    }

    /// Sends a request once, within the time limit.
    pub(super) async fn write<T>(&self, request: impl Future<Output = kube::Result<T>>) -> Result<T, ApiError> {
        // A busy server may have carried out a write that it did not confirm, so only the caller can decide about a
        // retry.
        match tokio::time::timeout(self.timeout, request).await {
            Ok(response) => response.map_err(ApiError::Kube),
            Err(_) => Err(ApiError::Timeout(self.timeout)),
        }
    }
}
