//! Lists, page by page.

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt as _, stream};
use k8s_openapi::ListableResource;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Resource;
use kube::api::{ListParams, ObjectList};
use kube::core::Request;
use serde::de::DeserializeOwned;

use super::{collection, secret, service_account};
use crate::cluster::client::{ApiClient, list};
use crate::cluster::error::{ApiError, Verb};
use crate::facts::{ObjectFact, ObjectKind, ObjectName};
use crate::failure::Failure;

/// The number of objects in one response. The server limits how long it keeps the rest of a list.
const PAGE: u32 = 500;

/// Up to this number, objects of one name are read one by one, and the objects of namespaces namespace by namespace: a
/// list of the cluster makes the API server read all objects of the kind.
pub(super) const FEW: usize = 8;

/// How often a list is started again because the server no longer has the rest of it.
const RESTARTS: u32 = 3;

/// The objects of one name in all namespaces.
#[derive(Debug)]
pub(super) enum Listing {
    /// Those that exist, by namespace.
    Found(HashMap<String, ObjectFact>),
    /// The user may not list them in all namespaces, or they are too large for a list.
    Unavailable,
}

/// The service accounts of namespaces, or why they are not known.
pub type Accounts = HashMap<String, Result<Vec<(ObjectName, ObjectFact)>, Failure>>;

impl ApiClient {
    /// All objects that the parameters select, in the order of the server.
    pub(super) async fn list_all<K>(
        &self,
        kind: ObjectKind,
        namespace: &str,
        parameters: &ListParams,
    ) -> Result<Vec<K>, ApiError>
    where
        K: Resource<DynamicType = ()> + ListableResource + Clone + DeserializeOwned,
    {
        self.list_facts(&collection(kind, namespace), parameters.clone().limit(PAGE), |object| object).await
    }

    /// The facts of all objects of a collection that the parameters select, in the order of the server. Only the facts of
    /// a page are kept.
    pub(super) async fn list_facts<K, F>(
        &self,
        collection: &Request,
        mut parameters: ListParams,
        mut fact: impl FnMut(K) -> F,
    ) -> Result<Vec<F>, ApiError>
    where
        K: ListableResource + Clone + DeserializeOwned,
    {
        let mut restarts = 0;
        let mut found = Vec::new();
        loop {
            let request = collection.list(&parameters).map_err(ApiError::unsent)?;
            let page = match self.read_list(request).await {
                // The server keeps a list only for some minutes, and the rest of another one would not fit to the first
                // pages (Kubernetes documentation, "API Concepts", section "Retrieving large results sets in chunks").
                Err(error) if error.code() == Some(410) && restarts < RESTARTS => {
                    restarts += 1;
                    parameters.continue_token = None;
                    found.clear();
                    continue;
                }
                body => list::<K>(&body?)?,
            };
            let ObjectList { items, metadata, .. } = page;
            found.extend(items.into_iter().map(&mut fact));
            match metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => parameters.continue_token = Some(token),
                None => return Ok(found),
            }
        }
    }

    /// The objects of one kind and name in all namespaces.
    pub(super) async fn everywhere(&self, kind: ObjectKind, name: &str) -> Result<Listing, Failure> {
        let parameters = ListParams::default().fields(&format!("metadata.name={name}"));
        let found = match kind {
            ObjectKind::Secret => {
                self.facts::<Secret>(kind, &parameters, |found| ObjectFact::Secret(secret::fact(found))).await
            }
            ObjectKind::ServiceAccount => {
                let fact = |found| ObjectFact::ServiceAccount(service_account::fact(found));
                self.facts::<ServiceAccount>(kind, &parameters, fact).await
            }
            ObjectKind::Namespace | ObjectKind::ImageStreamImport | ObjectKind::MachineConfigPool => {
                return Ok(Listing::Unavailable);
            }
        };
        match found {
            Ok(found) => Ok(Listing::Found(found)),
            Err(error) if error.code() == Some(403) || matches!(error, ApiError::TooLarge(_)) => {
                Ok(Listing::Unavailable)
            }
            Err(error) => {
                let name = ObjectName::new(kind, "", name);
                Err(self.diagnosis().failure(Verb::List, &name, &error))
            }
        }
    }

    /// The service accounts of each of these namespaces. Those of many namespaces cost one list, if the user may send it.
    pub(in crate::cluster) async fn accounts(&self, namespaces: &[String], requests: usize) -> Accounts {
        let wanted: HashSet<&str> = namespaces.iter().map(String::as_str).collect();
        if namespaces.len() > FEW
            && let Ok(found) = self.account_list("").await
        {
            let mut accounts: Accounts = namespaces.iter().map(|name| (name.clone(), Ok(Vec::new()))).collect();
            for account in found {
                let namespace = account.0.namespace.clone();
                if wanted.contains(namespace.as_str())
                    && let Some(Ok(accounts)) = accounts.get_mut(&namespace)
                {
                    accounts.push(account);
                }
            }
            return accounts;
        }
        let lists = stream::iter(namespaces).map(async |namespace| {
            let found = self.account_list(namespace).await.map_err(|error| {
                let all = ObjectName::new(ObjectKind::ServiceAccount, namespace, "*");
                self.diagnosis().failure(Verb::List, &all, &error)
            });
            (namespace.clone(), found)
        });
        lists.buffer_unordered(requests).collect().await
    }

    /// The service accounts of a namespace, or of the cluster if it is empty.
    async fn account_list(&self, namespace: &str) -> Result<Vec<(ObjectName, ObjectFact)>, ApiError> {
        let kind = ObjectKind::ServiceAccount;
        let found = self.list_all::<ServiceAccount>(kind, namespace, &ListParams::default()).await?;
        let account = |account: ServiceAccount| {
            let metadata = &account.metadata;
            let name = ObjectName::new(kind, metadata.namespace.clone()?, metadata.name.clone()?);
            Some((name, ObjectFact::ServiceAccount(service_account::fact(account))))
        };
        Ok(found.into_iter().filter_map(account).collect())
    }

    /// The facts of a list over all namespaces, by namespace.
    async fn facts<K>(
        &self,
        kind: ObjectKind,
        parameters: &ListParams,
        fact: impl Fn(K) -> ObjectFact,
    ) -> Result<HashMap<String, ObjectFact>, ApiError>
    where
        K: Resource<DynamicType = ()> + ListableResource + Clone + DeserializeOwned,
    {
        let found = self.list_all::<K>(kind, "", parameters).await?;
        let by_namespace = |object: K| Some((object.meta().namespace.clone()?, fact(object)));
        Ok(found.into_iter().filter_map(by_namespace).collect())
    }
}
