//! One connection to an API server, as one user: requests with their deadlines and repeats, and what is observed
//! through them.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use openssl::hash::{MessageDigest, hash};
use tokio::task::JoinSet;

use super::diagnosis::{Fault, Named, Words, is_missing_namespace, missing_namespace};
use super::pull_secret;
use crate::facts::{ClusterFact, StaleSecret};
use crate::failure::Failure;

/// The pauses before a request that the server was too busy for is sent again.
pub(super) const PAUSES: [Duration; 3] =
    [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1)];

/// A client that is logged in. Clones share their connections.
#[derive(Clone)]
pub(super) struct Link {
    pub client: Client,
    pub timeout: Duration,
    pub words: Words,
}

impl Link {
    /// What [`super::Cluster::observe`] does.
    pub async fn observe(&self, namespace: &str, name: &str, hosts: &[&str]) -> Result<ClusterFact, Failure> {
        let mut stale = JoinSet::new();
        for (index, host) in hosts.iter().enumerate() {
            let (link, namespace, host) = (self.clone(), namespace.to_owned(), (*host).to_owned());
            stale.spawn(async move { (index, link.stale(&namespace, host).await) });
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
            Err(fault) if fault.status().is_some_and(is_missing_namespace) => Err(missing_namespace(namespace)),
            // Many users may not look at namespaces; the write will tell.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// One request with its deadline, repeated while the server is too busy: only for one that changes nothing,
    /// since what a busy server did not answer it may have done.
    pub async fn call<T, F>(&self, request: impl Fn() -> F) -> Result<T, Fault>
    where
        F: Future<Output = kube::Result<T>>,
    {
        let repeated = async {
            for pause in PAUSES {
                match request().await.map_err(Fault::Kube) {
                    Err(fault) if fault.is_busy() => tokio::time::sleep(pause).await,
                    other => return other,
                }
            }
            request().await.map_err(Fault::Kube)
        };
        tokio::time::timeout(self.timeout, repeated).await.unwrap_or(Err(Fault::Timeout(self.timeout)))
    }

    /// One request with its deadline, sent once.
    pub async fn once<T>(&self, request: impl Future<Output = kube::Result<T>>) -> Result<T, Fault> {
        let answer = tokio::time::timeout(self.timeout, request).await;
        answer.map_or(Err(Fault::Timeout(self.timeout)), |answer| answer.map_err(Fault::Kube))
    }
}

/// `o-a-<md5(host)>`; `None` where OpenSSL is not allowed to compute MD5 (FIPS).
pub(super) fn stale_name(host: &str) -> Option<String> {
    let digest = hash(MessageDigest::md5(), host.as_bytes()).ok()?;
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("o-a-{hex}"))
}
