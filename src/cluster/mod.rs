//! The Kubernetes edge: finds the API server, observes secrets and service accounts, and writes pull secrets. It knows
//! nothing of registries, nodes or inventories. It does not know what the content of a pull secret means, and does not
//! decide what is written.

pub mod access;
mod client;
mod error;
mod objects;
mod route;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use self::access::Access;
use self::access::credentials::Credentials;
use self::client::ApiClient;
pub use self::error::ClusterPurpose;
use self::error::Diagnosis;
pub use self::objects::secret::{DeleteResult, ExpectedSecret, SecretWrite, WriteResult, overwritten, unconfirmed};
pub use self::route::Route;
use crate::facts::{NamespaceFact, ObjectName, Observed, SecretFact};
use crate::failure::Failure;
use crate::lookup::PodSecret;
use crate::secret::Redactor;

/// Access to one API server, as one user.
pub struct Cluster(ApiClient);

impl Cluster {
    /// Sets up a client; nothing is contacted yet. A credential plugin that the kubeconfig names is run by the first
    /// request, and again when its credential has expired or is rejected. `timeout` limits the plugin and each request,
    /// together with the retries of requests that change nothing. With a `route`, the requests are sent over it. Must be
    /// called within a tokio runtime.
    ///
    /// # Errors
    /// If the credentials of the kubeconfig cannot be used.
    pub fn connect(
        mut access: Access,
        route: Option<Route>,
        timeout: Duration,
        redactor: &Redactor,
        purpose: ClusterPurpose,
    ) -> Result<Self, Failure> {
        let config = &mut access.config;
        // The default limit of the kube crate would not match `--timeout`.
        config.connect_timeout = Some(timeout);
        // `ApiClient` limits each complete request, so a separate limit for the response would only end it earlier.
        config.read_timeout = None;
        // `ApiClient` retries within the timeout and reports the response of the server; the kube crate does neither.
        config.default_retry = false;
        let diagnosis = Diagnosis {
            purpose,
            server: config.cluster_url.to_string().trim_end_matches('/').to_owned(),
            route: route.clone(),
            proxy: config.proxy_url.as_ref().and_then(|url| url.authority()).map(without_user_info),
            redactor: Arc::new(Mutex::new(redactor.clone())),
        };
        if let Credentials::Basic(_, secret) | Credentials::Token(secret) = &access.credentials {
            diagnosis.learn(secret);
        }
        let client = ApiClient::new(access, timeout, diagnosis);
        client.check()?;
        Ok(Self(client))
    }

    /// Observes a secret. A missing secret is a fact; a missing namespace is a failure.
    ///
    /// # Errors
    /// If the server cannot be reached in time, denies the request, or has no such namespace.
    pub async fn observe_secret(&self, name: &ObjectName) -> Result<Observed<SecretFact>, Failure> {
        self.0.observe_secret(name.into()).await
    }

    /// The namespaces that a label selector selects, in the order of the server.
    ///
    /// # Errors
    /// If the server cannot be reached in time, denies the request, or rejects the selector.
    pub async fn namespaces(&self, labels: &str) -> Result<Vec<NamespaceFact>, Failure> {
        self.0.namespaces(labels).await
    }

    /// Writes new content to the secret if it is still in the state that the caller expects: a compare-and-swap. Other
    /// data, labels and annotations are kept. The content is read back. The caller decides what to do after a conflict.
    ///
    /// # Errors
    /// If the secret cannot be read or written; the message states whether it may have been written.
    pub async fn write_secret(&self, name: &ObjectName, write: &SecretWrite<'_>) -> Result<WriteResult, Failure> {
        self.0.write_secret(name.into(), write).await
    }

    /// Deletes a secret if it still has this version.
    ///
    /// # Errors
    /// If the secret cannot be read or deleted; the message states whether it may have been deleted.
    pub async fn delete_secret(&self, name: &ObjectName, version: &str) -> Result<DeleteResult, Failure> {
        self.0.delete_secret(name.into(), version).await
    }

    /// The pull secrets that a pod gets from its service account, in their order. The list contains secrets that do not
    /// exist, because the kubelet skips them.
    ///
    /// # Errors
    /// If the server cannot be reached in time, denies a request, or has no such service account.
    pub async fn pull_secrets(&self, namespace: &str, service_account: &str) -> Result<Vec<PodSecret>, Failure> {
        self.0.pull_secrets(namespace, service_account).await
    }
}

/// `host:port` of a proxy that may be written as `user:password@host:port`; `…` where the port is not a number: such a
/// text is a password with an unescaped `/` or `#`, and must not be shown.
fn without_user_info(authority: &impl AsRef<str>) -> String {
    let text = authority.as_ref();
    let host = text.rsplit_once('@').map_or(text, |(_, host)| host);
    match host.rsplit_once(':') {
        // The last part is not a port, so it may be a piece of a password with an unescaped `/` or `#`.
        Some((_, port)) if !host.ends_with(']') && port.parse::<u16>().is_err() => "…".to_owned(),
        _ => host.to_owned(),
    }
}
