//! The Kubernetes edge: finds the API server, observes and writes objects. It knows nothing of registries, nodes or
//! inventories. It does not know what the content of a pull secret means, and does not decide what is written.

pub mod access;
mod client;
mod error;
mod objects;
mod platform;
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
pub use self::objects::import::{ImportReport, ImportResult, ImportSecrets};
pub use self::objects::list::Listings;
pub use self::objects::recreate::copy_of;
pub use self::objects::write::{
    DryRun, EarlierRequest, ObjectWrite, WriteResult, not_read_back, overwritten, possibly_written, still_there,
};
pub use self::platform::PlatformFault;
pub use self::route::Route;
use crate::desired::TlsPolicy;
use crate::facts::{
    ApiPlatform, ImportSecret, Importer, InfrastructureFact, NamespaceFact, ObjectFact, ObjectKind, ObjectName,
    Objects, Observed, PodsByNamespace, RolloutFact,
};
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

    /// Observes an object. A missing object is a fact; a missing namespace is a failure.
    ///
    /// # Errors
    /// If the server cannot be reached in time, denies the request, or has no such namespace.
    pub async fn observe(&self, name: &ObjectName) -> Result<Observed<ObjectFact>, Failure> {
        self.0.observe(name).await
    }

    /// Observes many objects with at most this number of requests at the same time. What could not be observed is a fact.
    pub async fn observe_all(&self, names: Vec<ObjectName>, requests: usize) -> Objects {
        self.0.observe_all(names, requests).await
    }

    /// The namespaces that a label selector selects, in the order of the server; all of them for an empty selector.
    ///
    /// # Errors
    /// If the server cannot be reached in time, denies the request, or rejects the selector.
    pub async fn namespaces(&self, labels: &str) -> Result<Vec<NamespaceFact>, Failure> {
        self.0.namespaces(labels).await
    }

    /// All objects of a kind in each of these namespaces, with at most this number of requests at the same time. What
    /// could not be listed is a fact.
    pub async fn all_of(&self, kind: ObjectKind, namespaces: &[String], requests: usize) -> Listings {
        self.0.all_of(kind, namespaces, requests).await
    }

    /// The pods of each of these namespaces that have not ended, with at most this number of requests at the same time. What
    /// could not be listed is a fact.
    pub async fn pods(&self, namespaces: &[String], requests: usize) -> PodsByNamespace {
        self.0.pods(namespaces, requests).await
    }

    /// Whether the cluster has the image importer of OpenShift.
    pub async fn importer(&self) -> Importer {
        self.0.importer().await
    }

    /// The pull secrets of each of these namespaces that `matters` accepts, with at most this number of requests at the same
    /// time. What could not be listed is a fact.
    pub async fn import_secrets(
        &self,
        namespaces: &[String],
        requests: usize,
        matters: impl Fn(&ImportSecret) -> bool,
    ) -> ImportSecrets {
        self.0.import_secrets(namespaces, requests, &matters).await
    }

    /// Lets the importer of OpenShift read images with the pull secrets of a namespace. Nothing is stored.
    ///
    /// # Errors
    /// If the server cannot be reached in time, or its response is not about these images.
    pub async fn import(&self, namespace: &str, images: &[(&str, TlsPolicy)]) -> Result<ImportReport, Failure> {
        self.0.import(namespace, images).await
    }

    /// The metadata of those objects of a kind that have the label `oregano/managed` in each of these namespaces, with at
    /// most this number of requests at the same time. What could not be listed is a fact.
    pub async fn managed(&self, kind: ObjectKind, namespaces: &[String], requests: usize) -> Listings {
        self.0.managed(kind, namespaces, requests).await
    }

    /// Writes an object if it is still in the state that the caller expects: a compare-and-swap. Everything that the new
    /// content does not contain stays. The caller decides what to do after a conflict, and reads the object back.
    ///
    /// # Errors
    /// If the object cannot be written; the message states whether it may have been written.
    pub async fn write(&self, name: &ObjectName, write: ObjectWrite<'_>) -> Result<WriteResult, Failure> {
        self.0.write_object(name, write).await
    }

    /// Checks that the server would accept the write (`dryRun=All`): permissions, quotas and webhooks are checked,
    /// and nothing is stored.
    ///
    /// # Errors
    /// Why the object cannot be written.
    pub async fn check_write(&self, name: &ObjectName, write: ObjectWrite<'_>) -> Result<DryRun, Failure> {
        self.0.check_write(name, write).await
    }

    /// The platform that the API server belongs to. Only single API groups are requested, because the complete discovery
    /// fails if one aggregated API server does not run.
    ///
    /// # Errors
    /// If the server cannot be reached in time, or its responses do not show the platform.
    pub async fn platform(&self) -> Result<ApiPlatform, PlatformFault> {
        self.0.platform().await
    }

    /// Which OpenShift 4 cluster it is, and where its control plane runs.
    ///
    /// # Errors
    /// If the server cannot be reached in time, denies the request, or does not know it.
    pub async fn infrastructure(&self) -> Result<InfrastructureFact, Failure> {
        self.0.infrastructure().await
    }

    /// Observes the rollout of the global pull secret of OpenShift 4. What cannot be observed is a part of the fact. The
    /// MachineConfigs that were read for the `earlier` fact are not read again.
    pub async fn observe_rollout(&self, earlier: Option<&RolloutFact>) -> RolloutFact {
        self.0.observe_rollout(earlier).await
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
