//! The kinds of Kubernetes objects that are read or written, one file for each kind. They know how an object is stored,
//! and not what its content means.

mod namespace;
pub(super) mod secret;
mod service_account;
pub(super) mod stale_secret;

use k8s_openapi::Metadata;
use kube::api::GetParams;
use kube::core::{ObjectMeta, Request};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use super::client::{ApiClient, object};
use super::error::{ApiError, SecretName};
use crate::facts::{Observed, PullSecretFact};
use crate::failure::Failure;

/// Requests for the objects of a kind, in a namespace or in the cluster.
fn collection<K: kube::Resource<DynamicType = ()>>(namespace: Option<&str>) -> Request {
    Request::new(K::url_path(&(), namespace))
}

impl ApiClient {
    /// Reads one object.
    async fn get_object<K>(&self, namespace: Option<&str>, name: &str) -> Result<K, ApiError>
    where
        K: kube::Resource<DynamicType = ()> + Metadata<Ty = ObjectMeta> + DeserializeOwned,
    {
        let request = collection::<K>(namespace).get(name, &GetParams::default()).map_err(ApiError::unsent)?;
        object(&self.read(request).await?, namespace, name)
    }

    /// See [`crate::cluster::Cluster::observe`].
    pub(in crate::cluster) async fn observe(
        &self,
        name: SecretName<'_>,
        hosts: &[&str],
    ) -> Result<PullSecretFact, Failure> {
        let mut stale = JoinSet::new();
        for (index, host) in hosts.iter().enumerate() {
            let (client, namespace, host) = (self.clone(), name.namespace.to_owned(), (*host).to_owned());
            // These requests do not depend on each other, so they are sent at the same time as the one for the secret
            // itself.
            stale.spawn(async move { (index, client.stale_secret(&namespace, host).await) });
        }
        let found = self.get(name).await?;
        // A missing secret is created later, but only in a namespace that exists. The response for both is the same
        // status.
        if found.is_none() {
            self.check_namespace(name.namespace).await?;
        }
        let mut stale = stale.join_all().await;
        // The tasks end in any order, but the result must not depend on which response arrives first.
        stale.sort_unstable_by_key(|(index, _)| *index);
        Ok(PullSecretFact {
            secret: found.as_ref().map_or(Observed::Absent, |found| Observed::Present(secret::fact(found))),
            stale: stale.into_iter().filter_map(|(_, stale)| stale).collect(),
        })
    }
}
