//! Reads objects that are in no namespace, and whose kind the API server may not have.

use k8s_openapi::{ListableResource, Metadata};
use kube::api::{GetParams, ListParams};
use kube::core::{ObjectMeta, Request};
use serde::de::DeserializeOwned;

use crate::cluster::client::{ApiClient, object};
use crate::cluster::error::ApiError;
use crate::failure::Failure;

/// The number of objects in one response. A node has a list of its images, so it has up to 50 kB.
const PAGE: u32 = 100;

impl ApiClient {
    /// One object that is in no namespace; `None` if it, or its kind, does not exist.
    pub(in crate::cluster) async fn read_kind<K>(&self, name: &str) -> Result<Option<K>, Failure>
    where
        K: kube::Resource<DynamicType = ()> + Metadata<Ty = ObjectMeta> + DeserializeOwned,
    {
        let read = async {
            let request = Request::new(K::url_path(&(), None)).get(name, &GetParams::default());
            object::<K>(&self.read(request.map_err(ApiError::unsent)?).await?, None, name)
        };
        match read.await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.code() == Some(404) => Ok(None),
            Err(error) => Err(self.unread::<K>(&format!("{} `{name}`", K::KIND), &error)),
        }
    }

    /// The facts of all objects of a kind that is in no namespace; `None` if the server does not have the kind.
    pub(super) async fn list_kind<K, F>(&self, fact: impl Fn(K) -> F) -> Result<Option<Vec<F>>, Failure>
    where
        K: kube::Resource<DynamicType = ()> + ListableResource + Clone + DeserializeOwned,
    {
        let collection = Request::new(K::url_path(&(), None));
        match self.list_facts(&collection, ListParams::default().limit(PAGE), |object| Some(fact(object))).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.code() == Some(404) => Ok(None),
            Err(error) => Err(self.unread::<K>(&format!("the list of {}s", K::KIND), &error)),
        }
    }

    /// The failure of a request for a kind that is in no namespace.
    fn unread<K: k8s_openapi::Resource>(&self, what: &str, error: &ApiError) -> Failure {
        if let Some(failure) = self.diagnosis().connection(error) {
            return failure;
        }
        let failure = Failure::new(format!("{what} cannot be read"));
        match (error.status(), error.code()) {
            (Some(status), _) if status.code == 403 => {
                let group = if K::GROUP.is_empty() { String::new() } else { format!(".{}", K::GROUP) };
                failure
                    .cause(self.diagnosis().response(status))
                    .hint(format!("grant the user `get` and `list` on {}{group} in a ClusterRole", K::URL_PATH_SEGMENT))
            }
            (Some(status), _) => failure
                .cause(self.diagnosis().response(status))
                .hint("try again; if the error persists, check the log of the API server"),
            (None, Some(code)) => failure
                .cause(self.diagnosis().non_kubernetes_response(code))
                .hint("try again; if the error persists, check `server` in the kubeconfig"),
            (None, None) => failure
                .cause(format!("the response of the API server is not {what}"))
                .hint("check `server` in the kubeconfig"),
        }
    }
}
