//! The kinds of Kubernetes objects that are read or written, one file for each kind. They know how an object is stored,
//! and not what its content means.

mod cluster_scoped;
mod ignition;
pub(super) mod import;
pub(super) mod list;
mod marks;
mod namespace;
mod observe;
pub(super) mod openshift;
mod pod;
pub(super) mod recreate;
mod role_binding;
mod rollout;
mod secret;
mod service_account;
pub(super) mod write;

use k8s_openapi::Metadata;
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, RoleBinding};
use kube::Resource;
use kube::api::GetParams;
use kube::core::{ObjectMeta, Request};
use serde::de::DeserializeOwned;

use self::openshift::MachineConfigPool;
use super::client::{ApiClient, object};
use super::error::{ApiError, Verb};
use crate::facts::{ObjectFact, ObjectKind, ObjectName, Observed, Revision};
use crate::failure::Failure;

/// Requests for the objects of a kind, in a namespace, or in the cluster if it is empty.
fn collection(kind: ObjectKind, namespace: &str) -> Request {
    let namespace = Some(namespace).filter(|namespace| !namespace.is_empty());
    Request::new(match kind {
        ObjectKind::Secret => Secret::url_path(&(), namespace),
        ObjectKind::ServiceAccount => ServiceAccount::url_path(&(), namespace),
        ObjectKind::ImageStreamImport => {
            format!("/apis/image.openshift.io/v1/namespaces/{}/imagestreamimports", namespace.unwrap_or_default())
        }
        ObjectKind::RoleBinding => RoleBinding::url_path(&(), namespace),
        ObjectKind::ClusterRole => ClusterRole::url_path(&(), None),
        ObjectKind::Namespace => Namespace::url_path(&(), None),
        ObjectKind::MachineConfigPool => MachineConfigPool::url_path(&(), None),
    })
}

/// The revision of an object that the server stores. The API server sets both on every object.
fn revision(metadata: &ObjectMeta) -> Revision {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    Revision { uid: text(&metadata.uid), version: text(&metadata.resource_version) }
}

impl ApiClient {
    /// Reads one object.
    async fn get_object<K>(&self, kind: ObjectKind, namespace: &str, name: &str) -> Result<K, ApiError>
    where
        K: Resource<DynamicType = ()> + Metadata<Ty = ObjectMeta> + DeserializeOwned,
    {
        let request = collection(kind, namespace).get(name, &GetParams::default()).map_err(ApiError::unsent)?;
        let namespace = Some(namespace).filter(|namespace| !namespace.is_empty());
        object(&self.read(request).await?, namespace, name)
    }

    /// The object, if it exists.
    async fn get<K>(&self, name: &ObjectName) -> Result<Option<K>, Failure>
    where
        K: Resource<DynamicType = ()> + Metadata<Ty = ObjectMeta> + DeserializeOwned,
    {
        match self.get_object(name.kind, &name.namespace, &name.name).await {
            Ok(found) => Ok(Some(found)),
            // The status 404 is not enough, because a web page of a router can have it, too.
            Err(error) if error.has_reason("NotFound") => Ok(None),
            Err(error) => Err(self.diagnosis().failure(Verb::Read, name, &error)),
        }
    }

    /// See [`crate::cluster::Cluster::observe`].
    pub(in crate::cluster) async fn observe(&self, name: &ObjectName) -> Result<Observed<ObjectFact>, Failure> {
        let found = match name.kind {
            ObjectKind::Secret => self.get(name).await?.map(|found| ObjectFact::Secret(secret::fact(found))),
            ObjectKind::ServiceAccount => {
                self.get(name).await?.map(|found| ObjectFact::ServiceAccount(service_account::fact(found)))
            }
            ObjectKind::RoleBinding => {
                self.get(name).await?.map(|found| ObjectFact::RoleBinding(role_binding::fact(found)))
            }
            ObjectKind::ClusterRole => {
                let found = self.get::<ClusterRole>(name).await?;
                found.map(|found| ObjectFact::ClusterRole(revision(&found.metadata)))
            }
            ObjectKind::Namespace | ObjectKind::ImageStreamImport | ObjectKind::MachineConfigPool => {
                return Err(Failure::internal("only declared objects are observed"));
            }
        };
        match found {
            Some(found) => Ok(Observed::Present(found)),
            None if name.namespace.is_empty() => Ok(Observed::Absent),
            // A missing object is created later, but only in a namespace that exists. The response for both is the same
            // status.
            None => self.check_namespace(&name.namespace).await.map(|()| Observed::Absent),
        }
    }
}
