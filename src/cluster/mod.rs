//! The Kubernetes edge: finds the API server, observes the pull secret and writes it. Knows nothing of
//! registries, nodes or inventories, and not what stands in a pull secret.

mod diagnosis;
pub mod kubeconfig;
mod pull_secret;

#[cfg(test)]
mod tests;

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use openssl::hash::{MessageDigest, hash};
use tokio::task::JoinSet;

use self::diagnosis::{Fault, Named, Words, missing_namespace};
pub use self::pull_secret::Outcome;
use crate::facts::{ClusterFact, Failure, StaleSecret};
use crate::secret::Redactor;

/// The pauses before a request that the server was too busy for is sent again.
const PAUSES: [Duration; 3] = [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1)];

/// A way to one API server, as one user. Clones share their connections.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    timeout: Duration,
    words: Words,
}

impl Cluster {
    /// Sets up a client; contacts nobody yet, unless the kubeconfig names a login plugin, which is run. Each
    /// request, its repeats included, has `timeout`. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If the login of the kubeconfig cannot be used.
    pub fn connect(mut config: kube::Config, timeout: Duration, redactor: &Redactor) -> Result<Self, Failure> {
        config.connect_timeout = Some(timeout);
        config.read_timeout = None;
        // Ours end in time and say what the server said.
        config.default_retry = false;
        let words = Words {
            server: config.cluster_url.to_string().trim_end_matches('/').to_owned(),
            proxy: config.proxy_url.as_ref().and_then(|url| url.authority()).map(without_login),
            plugin: config.auth_info.exec.as_ref().and_then(|exec| exec.command.clone()),
            redactor: redactor.clone(),
        };
        let client = Client::try_from(config).map_err(|error| words.broken(&error))?;
        Ok(Self { client, timeout, words })
    }

    /// Looks at the secret, and for secrets that openshift-ansible made for any of `hosts`. That there is no
    /// secret is a fact; that its namespace does not exist is a failure.
    pub async fn observe(&self, namespace: &str, name: &str, hosts: &[&str]) -> Result<ClusterFact, Failure> {
        let mut stale = JoinSet::new();
        for (index, host) in hosts.iter().enumerate() {
            let (cluster, namespace, host) = (self.clone(), namespace.to_owned(), (*host).to_owned());
            stale.spawn(async move { (index, cluster.stale(&namespace, host).await) });
        }
        let secret = self.get(Named { namespace, name }).await?;
        if secret.is_none() {
            self.check_namespace(namespace).await?;
        }
        let mut found = stale.join_all().await;
        found.sort_unstable_by_key(|(index, _)| *index);
        Ok(ClusterFact {
            secret: secret.as_ref().map(pull_secret::fact),
            stale: found.into_iter().filter_map(|(_, stale)| stale).collect(),
        })
    }

    /// A secret of openshift-ansible for `host`. Who may not look hears nothing of it: it is a hint, and no
    /// reason to ask for more rights.
    async fn stale(&self, namespace: &str, host: String) -> Option<StaleSecret> {
        let name = stale_name(&host)?;
        let api = self.secrets(namespace);
        self.call(|| api.get(&name)).await.ok()?;
        Some(StaleSecret { name, host })
    }

    async fn check_namespace(&self, namespace: &str) -> Result<(), Failure> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        match self.call(|| api.get(namespace)).await {
            Err(fault) if fault.is("NotFound") => Err(missing_namespace(namespace)),
            // Many users may not look at namespaces; the write will tell.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// One request with its deadline, repeated while the server is too busy.
    async fn call<T, F>(&self, request: impl Fn() -> F) -> Result<T, Fault>
    where
        F: Future<Output = kube::Result<T>>,
    {
        let repeated = async {
            for pause in PAUSES {
                match request().await.map_err(Fault::Kube) {
                    Err(fault) if is_busy(&fault) => tokio::time::sleep(pause).await,
                    other => return other,
                }
            }
            request().await.map_err(Fault::Kube)
        };
        tokio::time::timeout(self.timeout, repeated).await.unwrap_or(Err(Fault::Timeout(self.timeout)))
    }
}

/// `host:port` of a proxy that may be given as `user:password@host:port`.
fn without_login(authority: &impl AsRef<str>) -> String {
    let text = authority.as_ref();
    text.rsplit_once('@').map_or(text, |(_, host)| host).to_owned()
}

fn is_busy(fault: &Fault) -> bool {
    fault.status().is_some_and(|status| matches!(status.code, 429 | 503 | 504))
}

/// `o-a-<md5(host)>`; `None` where OpenSSL is not allowed to compute MD5 (FIPS).
fn stale_name(host: &str) -> Option<String> {
    let digest = hash(MessageDigest::md5(), host.as_bytes()).ok()?;
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("o-a-{hex}"))
}
