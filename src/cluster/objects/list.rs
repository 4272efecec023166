//! Lists, page by page.

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt as _, stream};
use http::header::{ACCEPT, HeaderValue};
use k8s_openapi::ListableResource;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Resource;
use kube::api::{ListParams, ObjectList};
use kube::core::Request;
use serde::de::DeserializeOwned;

use super::{collection, marks, revision, role_binding, secret, service_account};
use crate::cluster::client::{ApiClient, OnlyMetadata, list, metadata_list};
use crate::cluster::error::{ApiError, Verb};
use crate::facts::{MANAGED_LABEL, MetadataFact, ObjectFact, ObjectKind, ObjectName};
use crate::failure::Failure;

/// The number of objects in one response. The server limits how long it keeps the rest of a list.
pub(super) const PAGE: u32 = 500;

/// Up to this number, objects of one name are read one by one, and the objects of namespaces namespace by namespace: a
/// list of the cluster makes the API server read all objects of the kind.
pub(super) const FEW: usize = 8;

/// How often a list is started again because the server no longer has the rest of it.
const RESTARTS: u32 = 3;

/// Requests only the metadata of objects. An old server sends the complete objects, which is why both are accepted
/// (Kubernetes documentation, "API Concepts", section "Metadata-only fetches").
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1, application/json";

/// What a list contains of each object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Representation {
    /// The object.
    Complete,
    /// Its metadata.
    Metadata,
}

/// Where objects are listed.
#[derive(Debug, Clone, Copy)]
pub(super) enum ListScope<'a> {
    /// In one namespace.
    Namespace(&'a str),
    /// In the whole cluster. Only the objects of these namespaces are kept.
    Cluster(&'a HashSet<&'a str>),
}

impl<'a> ListScope<'a> {
    /// The namespace of a request; it is empty for the cluster.
    pub(super) fn namespace(self) -> &'a str {
        match self {
            Self::Namespace(name) => name,
            Self::Cluster(_) => "",
        }
    }

    /// Whether an object of this namespace is kept.
    pub(super) fn contains(self, namespace: &str) -> bool {
        match self {
            Self::Namespace(_) => true,
            Self::Cluster(names) => names.contains(namespace),
        }
    }
}

/// The objects of one name in some namespaces.
#[derive(Debug)]
pub(super) enum Listing {
    /// Those that exist, by namespace.
    Found(HashMap<String, ObjectFact>),
    /// The user may not list them in all namespaces, or they are too large for a list.
    Unavailable,
}

/// The names and facts of objects.
type Named = Vec<(ObjectName, ObjectFact)>;

/// The objects of one kind by namespace, or why they are not known.
pub type Listings = HashMap<String, Result<Named, Failure>>;

impl ApiClient {
    /// The facts of the objects of a scope that the parameters select, in the order of the server. Objects without a fact
    /// are left out.
    pub(super) async fn list_scope<K, F>(
        &self,
        kind: ObjectKind,
        scope: ListScope<'_>,
        parameters: ListParams,
        fact: impl Fn(K) -> Option<F>,
    ) -> Result<Vec<F>, ApiError>
    where
        K: Resource<DynamicType = ()> + ListableResource + Clone + DeserializeOwned,
    {
        let kept = |object: K| {
            let is_kept = scope.contains(object.meta().namespace.as_deref().unwrap_or_default());
            if is_kept { fact(object) } else { None }
        };
        self.list_facts(&collection(kind, scope.namespace()), parameters.limit(PAGE), kept).await
    }

    /// The facts of the objects of a collection that the parameters select, in the order of the server. Of each page, only
    /// the facts are kept. Objects without a fact are left out.
    pub(super) async fn list_facts<K, F>(
        &self,
        collection: &Request,
        parameters: ListParams,
        fact: impl Fn(K) -> Option<F>,
    ) -> Result<Vec<F>, ApiError>
    where
        K: ListableResource + Clone + DeserializeOwned,
    {
        self.pages(collection, parameters, Representation::Complete, list::<K>, fact).await
    }

    /// The same for a representation of the objects; `page` reads one page of the list.
    async fn pages<T: Clone, F>(
        &self,
        collection: &Request,
        mut parameters: ListParams,
        representation: Representation,
        page: impl Fn(&[u8]) -> Result<ObjectList<T>, ApiError>,
        fact: impl Fn(T) -> Option<F>,
    ) -> Result<Vec<F>, ApiError> {
        let mut restarts = 0;
        let mut found = Vec::new();
        loop {
            let mut request = collection.list(&parameters).map_err(ApiError::unsent)?;
            if representation == Representation::Metadata {
                request.headers_mut().insert(ACCEPT, HeaderValue::from_static(METADATA));
            }
            let page = match self.read_list(request).await {
                // The server keeps a list only for some minutes, and the rest of another one would not fit to the first
                // pages (Kubernetes documentation, "API Concepts", section "Retrieving large results sets in chunks").
                Err(error) if error.code() == Some(410) && restarts < RESTARTS => {
                    restarts += 1;
                    parameters.continue_token = None;
                    found.clear();
                    continue;
                }
                body => page(&body?)?,
            };
            let ObjectList { items, metadata, .. } = page;
            found.extend(items.into_iter().filter_map(&fact));
            match metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => parameters.continue_token = Some(token),
                None => return Ok(found),
            }
        }
    }

    /// The objects of one kind and name in these namespaces, with one list of the cluster.
    pub(super) async fn everywhere(
        &self,
        kind: ObjectKind,
        name: &str,
        namespaces: &HashSet<&str>,
    ) -> Result<Listing, Failure> {
        let parameters = ListParams::default().fields(&format!("metadata.name={name}"));
        match self.facts(kind, ListScope::Cluster(namespaces), parameters).await {
            Ok(found) => Ok(Listing::Found(found.into_iter().map(|(name, fact)| (name.namespace, fact)).collect())),
            Err(error) if is_unavailable(&error) => Ok(Listing::Unavailable),
            Err(error) => {
                let name = ObjectName::new(kind, "", name);
                Err(self.diagnosis().failure(Verb::List, &name, &error))
            }
        }
    }

    /// All objects of a kind in each of these namespaces. Those of many namespaces cost one list, if the user may send it.
    pub(in crate::cluster) async fn all_of(
        &self,
        kind: ObjectKind,
        namespaces: &[String],
        requests: usize,
    ) -> Listings {
        let list = async |scope: ListScope<'_>| self.facts(kind, scope, ListParams::default()).await;
        self.listings(kind, namespaces, requests, list).await
    }

    /// See [`crate::cluster::Cluster::managed`].
    pub(in crate::cluster) async fn managed(
        &self,
        kind: ObjectKind,
        namespaces: &[String],
        requests: usize,
    ) -> Listings {
        let list = async |scope: ListScope<'_>| {
            let parameters = ListParams::default().labels(&format!("{MANAGED_LABEL}=true")).limit(PAGE);
            let fact = |object| metadata(kind, object).filter(|(name, _)| scope.contains(&name.namespace));
            let all = collection(kind, scope.namespace());
            self.pages(&all, parameters, Representation::Metadata, metadata_list, fact).await
        };
        self.listings(kind, namespaces, requests, list).await
    }

    /// The objects of a kind that `list` finds in each of these namespaces.
    async fn listings(
        &self,
        kind: ObjectKind,
        namespaces: &[String],
        requests: usize,
        list: impl AsyncFn(ListScope<'_>) -> Result<Named, ApiError>,
    ) -> Listings {
        let list = async |scope: ListScope<'_>| {
            let found = list(scope).await?;
            Ok(found.into_iter().map(|object| (object.0.namespace.clone(), object)).collect())
        };
        let failure = |namespace: &str, error: &ApiError| {
            self.diagnosis().failure(Verb::List, &ObjectName::new(kind, namespace, "*"), error)
        };
        by_namespace(namespaces, requests, list, failure).await
    }

    /// The facts of the objects of a kind.
    async fn facts(&self, kind: ObjectKind, scope: ListScope<'_>, parameters: ListParams) -> Result<Named, ApiError> {
        match kind {
            ObjectKind::Secret => {
                let fact = |found: Secret| Some((name(kind, &found)?, ObjectFact::Secret(secret::fact(found))));
                self.list_scope(kind, scope, parameters, fact).await
            }
            ObjectKind::ServiceAccount => {
                let fact = |found: ServiceAccount| {
                    Some((name(kind, &found)?, ObjectFact::ServiceAccount(service_account::fact(found))))
                };
                self.list_scope(kind, scope, parameters, fact).await
            }
            ObjectKind::RoleBinding => {
                let fact = |found: RoleBinding| {
                    Some((name(kind, &found)?, ObjectFact::RoleBinding(role_binding::fact(found))))
                };
                self.list_scope(kind, scope, parameters, fact).await
            }
            // There is no list of them by namespace.
            ObjectKind::ClusterRole
            | ObjectKind::Namespace
            | ObjectKind::ImageStreamImport
            | ObjectKind::MachineConfigPool => Ok(Vec::new()),
        }
    }
}

/// Whether the objects of single namespaces may be listed although a list of the cluster is not possible.
fn is_unavailable(error: &ApiError) -> bool {
    error.code() == Some(403) || matches!(error, ApiError::TooLarge(_))
}

/// What `list` finds in each of these namespaces, or why it is not known. `list` returns each object with its namespace.
pub(super) async fn by_namespace<T>(
    namespaces: &[String],
    requests: usize,
    list: impl AsyncFn(ListScope<'_>) -> Result<Vec<(String, T)>, ApiError>,
    failure: impl Fn(&str, &ApiError) -> Failure,
) -> HashMap<String, Result<Vec<T>, Failure>> {
    if namespaces.len() > FEW {
        match list(ListScope::Cluster(&namespaces.iter().map(String::as_str).collect())).await {
            Ok(found) => {
                let mut all: HashMap<_, _> = namespaces.iter().map(|name| (name.clone(), Ok(Vec::new()))).collect();
                for (namespace, object) in found {
                    if let Some(Ok(objects)) = all.get_mut(&namespace) {
                        objects.push(object);
                    }
                }
                return all;
            }
            Err(error) if is_unavailable(&error) => {}
            // One request for each namespace would only keep a server busy that has a problem.
            Err(error) => {
                return namespaces.iter().map(|name| (name.clone(), Err(failure(name, &error)))).collect();
            }
        }
    }
    let lists = stream::iter(namespaces).map(async |namespace| {
        let found = list(ListScope::Namespace(namespace))
            .await
            .map(|found| found.into_iter().map(|(_, object)| object).collect());
        (namespace.clone(), found.map_err(|error| failure(namespace, &error)))
    });
    lists.buffer_unordered(requests).collect().await
}

/// The metadata of an object, by its name.
fn metadata(kind: ObjectKind, OnlyMetadata { metadata }: OnlyMetadata) -> Option<(ObjectName, ObjectFact)> {
    let (revision, marks) = (revision(&metadata), marks::read(&metadata));
    let name = ObjectName::new(kind, metadata.namespace?, metadata.name?);
    Some((name, ObjectFact::Metadata(MetadataFact { revision, marks })))
}

/// The name of an object. The API server sets both parts on every object.
fn name(kind: ObjectKind, object: &impl Resource) -> Option<ObjectName> {
    let metadata = object.meta();
    Some(ObjectName::new(kind, metadata.namespace.clone()?, metadata.name.clone()?))
}
