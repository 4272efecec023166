//! The kinds of Kubernetes objects that are read or written, one file for each kind. They know how an object is stored,
//! and not what its content means.

mod marks;
mod namespace;
pub(super) mod secret;
mod service_account;

use k8s_openapi::Metadata;
use kube::api::{GetParams, ListParams, ObjectList};
use kube::core::{ObjectMeta, Request};
use serde::de::DeserializeOwned;

use super::client::{ApiClient, list, object};
use super::error::{ApiError, Subject};
use crate::facts::{Observed, SecretFact};
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

    /// Reads one page of a list.
    async fn list_page<K>(&self, namespace: Option<&str>, parameters: &ListParams) -> Result<ObjectList<K>, ApiError>
    where
        K: kube::Resource<DynamicType = ()> + k8s_openapi::ListableResource + Clone + DeserializeOwned,
    {
        let request = collection::<K>(namespace).list(parameters).map_err(ApiError::unsent)?;
        list(&self.read_list(request).await?)
    }

    /// See [`crate::cluster::Cluster::observe_secret`].
    pub(in crate::cluster) async fn observe_secret(&self, name: Subject<'_>) -> Result<Observed<SecretFact>, Failure> {
        match self.get(name).await? {
            Some(found) => Ok(Observed::Present(secret::fact(&found))),
            // A missing secret is created later, but only in a namespace that exists. The response for both is the same
            // status.
            None => self.check_namespace(name.namespace).await.map(|()| Observed::Absent),
        }
    }
}
