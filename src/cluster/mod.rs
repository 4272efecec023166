//! The Kubernetes edge: finds the API server, observes secrets and service accounts, and writes pull secrets. It knows
//! nothing of registries, nodes or inventories. It does not know what the content of a pull secret means, and does not
//! decide what is written.

pub mod access;
mod client;
mod error;
mod objects;

#[cfg(test)]
pub(crate) mod tests;

use std::time::Duration;

use kube::Client;
use tokio::sync::OnceCell;

use self::access::credential_plugin;
use self::client::ApiClient;
pub use self::error::ClusterPurpose;
use self::error::{Diagnosis, SecretName};
pub use self::objects::secret::{ExpectedSecret, SecretWrite, WriteResult, overwritten, unconfirmed};
use crate::facts::PullSecretFact;
use crate::failure::Failure;
use crate::lookup::PodSecret;
use crate::secret::Redactor;

/// Access to one API server, as one user.
pub struct Cluster {
    config: kube::Config,
    timeout: Duration,
    diagnosis: Diagnosis,
    /// Set up by the first request if a credential plugin must be run for it, else by [`Cluster::connect`].
    client: OnceCell<ApiClient>,
}

impl Cluster {
    /// Sets up a client; nothing is contacted yet. A credential plugin that the kubeconfig names is run by the first
    /// request. `timeout` limits the plugin and each request, together with the retries of requests that change
    /// nothing. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If the credentials of the kubeconfig cannot be used.
    pub fn connect(
        mut config: kube::Config,
        timeout: Duration,
        redactor: &Redactor,
        purpose: ClusterPurpose,
    ) -> Result<Self, Failure> {
        // The default limit of the kube crate would not match `--timeout`.
        config.connect_timeout = Some(timeout);
        // `ApiClient` limits each complete request, so a separate limit for the response would only end it earlier.
        config.read_timeout = None;
        // `ApiClient` retries within the timeout and reports the response of the server; the kube crate does neither.
        config.default_retry = false;
        let diagnosis = Diagnosis {
            purpose,
            server: config.cluster_url.to_string().trim_end_matches('/').to_owned(),
            proxy: config.proxy_url.as_ref().and_then(|url| url.authority()).map(without_user_info),
            plugin: config.auth_info.exec.as_ref().and_then(|exec| exec.command.clone()),
            redactor: redactor.clone(),
        };
        let cluster = Self { config, timeout, diagnosis, client: OnceCell::new() };
        // A plugin can block, so the first request runs it, within the time limit.
        if credential_plugin::is_needed(&cluster.config) {
            return Ok(cluster);
        }
        let client = Client::try_from(cluster.config.clone());
        let client = client.map_err(|error| cluster.diagnosis.client_failure(&error))?;
        Ok(Self { client: OnceCell::new_with(Some(cluster.api_client(client))), ..cluster })
    }

    /// Observes the secret, and secrets that openshift-ansible created for any of `hosts`. A missing secret is a fact;
    /// a missing namespace is a failure.
    ///
    /// # Errors
    /// If the server cannot be reached in time, denies the request, or has no such namespace.
    pub async fn observe(&self, namespace: &str, name: &str, hosts: &[&str]) -> Result<PullSecretFact, Failure> {
        self.client().await?.observe(SecretName { namespace, name }, hosts).await
    }

    /// Writes new content to the secret if it is still in the state that the caller expects: a compare-and-swap. Other
    /// data, labels and annotations are kept. The content is read back. The caller decides what to do after a conflict.
    ///
    /// # Errors
    /// If the secret cannot be read or written; the message states whether it may have been written.
    pub async fn write_secret(
        &self,
        namespace: &str,
        name: &str,
        write: &SecretWrite<'_>,
    ) -> Result<WriteResult, Failure> {
        self.client().await?.write_secret(SecretName { namespace, name }, write).await
    }

    /// The pull secrets that a pod gets from its service account, in their order. The list contains secrets that do not
    /// exist, because the kubelet skips them.
    ///
    /// # Errors
    /// If the server cannot be reached in time, denies a request, or has no such service account.
    pub async fn pull_secrets(&self, namespace: &str, service_account: &str) -> Result<Vec<PodSecret>, Failure> {
        self.client().await?.pull_secrets(namespace, service_account).await
    }

    async fn client(&self) -> Result<&ApiClient, Failure> {
        let set_up = async || {
            let client = credential_plugin::run(&self.config, self.timeout, &self.diagnosis).await?;
            Ok(self.api_client(client))
        };
        // Simultaneous requests run the plugin once. A failure is not kept, so the next request runs it again.
        self.client.get_or_try_init(set_up).await
    }

    fn api_client(&self, client: Client) -> ApiClient {
        ApiClient { client, timeout: self.timeout, diagnosis: self.diagnosis.clone() }
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
