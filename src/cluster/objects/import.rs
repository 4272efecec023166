//! Image imports of OpenShift: which pull secrets the importer finds in a namespace, and the import of an image that
//! stores nothing (`ImageStreamImport` with `spec.import: false`), which proves that it can use one of them.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use serde::Deserialize;
use serde_json::{Value, json};

use super::list::{ListScope, by_namespace};
use super::{collection, secret};
use crate::cluster::PlatformFault;
use crate::cluster::client::ApiClient;
use crate::cluster::error::{ApiError, Verb};
use crate::desired::{PullSecretFormat, TlsPolicy};
use crate::facts::{EXCLUDE_SECRET_ANNOTATION, ImportSecret, ImportUse, Importer, ObjectKind, ObjectName};
use crate::failure::Failure;

/// The API group of image streams.
const GROUP: &str = "image.openshift.io";

/// The pull secrets of namespaces, or why they are not known.
pub type ImportSecrets = HashMap<String, Result<Vec<ImportSecret>, Failure>>;

/// What the importer reports about an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportResult {
    /// It has read the image.
    Imported,
    /// It has not; the message of the server, without secrets.
    Failed(String),
}

/// The result of one request for several images.
#[derive(Debug)]
pub enum ImportReport {
    /// One result for each image.
    Results(Vec<ImportResult>),
    /// The user may not import images, so nothing is known. The failure names the permission.
    Denied(Failure),
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Response {
    kind: String,
    status: ResponseStatus,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ResponseStatus {
    images: Vec<ImportedImage>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ImportedImage {
    status: kube::core::Status,
}

impl ApiClient {
    /// See [`crate::cluster::Cluster::importer`].
    pub(in crate::cluster) async fn importer(&self) -> Importer {
        match self.has_group(GROUP).await {
            Ok(true) => Importer::Present,
            Ok(false) => Importer::Absent,
            Err(PlatformFault::Unusable(failure) | PlatformFault::Unknown(failure)) => Importer::Unknown(failure),
        }
    }

    /// See [`crate::cluster::Cluster::import_secrets`].
    pub(in crate::cluster) async fn import_secrets(
        &self,
        namespaces: &[String],
        requests: usize,
        matters: &impl Fn(&ImportSecret) -> bool,
    ) -> ImportSecrets {
        let list = async |scope: ListScope<'_>| self.pull_secrets_in(scope, matters).await;
        let failure = |namespace: &str, error: &ApiError| {
            self.diagnosis().failure(Verb::List, &ObjectName::secret(namespace, "*"), error)
        };
        by_namespace(namespaces, requests, list, failure).await
    }

    /// The pull secrets of both types; each with its namespace.
    async fn pull_secrets_in(
        &self,
        scope: ListScope<'_>,
        matters: &impl Fn(&ImportSecret) -> bool,
    ) -> Result<Vec<(String, ImportSecret)>, ApiError> {
        let mut found = Vec::new();
        for format in [PullSecretFormat::DockerConfigJson, PullSecretFormat::Dockercfg] {
            let parameters = ListParams::default().fields(&format!("type={}", format.type_name()));
            let fact = |secret| import_secret(secret).filter(|(_, secret)| matters(secret));
            found.extend(self.list_scope(ObjectKind::Secret, scope, parameters, fact).await?);
        }
        Ok(found)
    }

    /// See [`crate::cluster::Cluster::import`].
    pub(in crate::cluster) async fn import(
        &self,
        namespace: &str,
        images: &[(&str, TlsPolicy)],
    ) -> Result<ImportReport, Failure> {
        let name = ObjectName::new(ObjectKind::ImageStreamImport, namespace, images.first().map_or("", |one| one.0));
        match self.request_import(namespace, images).await {
            Ok(results) => Ok(ImportReport::Results(results)),
            Err(error) => {
                if let ApiError::Timeout(limit) = error {
                    // The server responds only after it has imported the images.
                    return Err(Failure::new(format!(
                        "the imports in namespace `{namespace}` did not end within {limit:?}"
                    ))
                    .hint("check whether the cluster can reach the registries, or raise `--timeout`"));
                }
                let failure = self.diagnosis().failure(Verb::Create, &name, &error);
                if error.code() == Some(403) { Ok(ImportReport::Denied(failure)) } else { Err(failure) }
            }
        }
    }

    async fn request_import(
        &self,
        namespace: &str,
        images: &[(&str, TlsPolicy)],
    ) -> Result<Vec<ImportResult>, ApiError> {
        let body = import_request(namespace, images).to_string().into_bytes();
        let request =
            collection(ObjectKind::ImageStreamImport, namespace).create(&kube::api::PostParams::default(), body);
        // Nothing is stored, so it may be sent again.
        let body = self.read(request.map_err(ApiError::unsent)?).await?;
        let response: Response = serde_json::from_slice(&body).map_err(|_| ApiError::OtherObject)?;
        if response.kind != "ImageStreamImport" || response.status.images.len() != images.len() {
            return Err(ApiError::OtherObject);
        }
        let result = |image: ImportedImage| {
            // The server has status 201 for failed imports, too.
            if image.status.is_success() {
                ImportResult::Imported
            } else {
                ImportResult::Failed(self.diagnosis().message(&image.status))
            }
        };
        Ok(response.status.images.into_iter().map(result).collect())
    }
}

fn import_request(namespace: &str, images: &[(&str, TlsPolicy)]) -> Value {
    let images = images.iter().map(|(name, tls)| {
        json!({
            "from": {"kind": "DockerImage", "name": name},
            "importPolicy": {"insecure": *tls == TlsPolicy::Insecure},
        })
    });
    json!({
        "apiVersion": format!("{GROUP}/v1"),
        "kind": "ImageStreamImport",
        "metadata": {"name": "oregano", "namespace": namespace},
        "spec": {"import": false, "images": images.collect::<Vec<_>>()},
    })
}

fn import_secret(secret: Secret) -> Option<(String, ImportSecret)> {
    let metadata = &secret.metadata;
    let (namespace, name) = (metadata.namespace.clone()?, metadata.name.clone()?);
    let annotation = metadata.annotations.as_ref().and_then(|all| all.get(EXCLUDE_SECRET_ANNOTATION));
    let import_use =
        if annotation.is_some_and(|value| value == "true") { ImportUse::Excluded } else { ImportUse::Used };
    Some((namespace, ImportSecret { name, import_use, fact: secret::fact(secret) }))
}
