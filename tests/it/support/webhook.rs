//! A validating admission webhook: an HTTPS server in this process, which a real API server asks before it writes a secret.

use std::fs;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::certificate::{self, Certificate, Signer};
use super::double::Double;
use super::double::registry::reply;
use super::kubernetes::Kubernetes;
use super::process::eventually;

const CONFIGURATIONS: &str = "validatingwebhookconfigurations";
const VERSION: &str = "admissionregistration.k8s.io/v1";

/// Whether a webhook declares that it can be asked about a dry run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SideEffects {
    None,
    /// The API server then rejects dry runs. Only configurations from before Kubernetes 1.22 can contain it.
    Some,
}

/// A listening webhook, stopped when dropped.
pub struct Webhook {
    double: Double,
    certificate: Certificate,
    _folder: TempDir,
}

impl Webhook {
    /// `review` gets the request of each review, and returns the status with which the write is denied.
    pub fn start(review: impl Fn(&Value) -> Option<Value> + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificate = certificate::make(folder.path(), Signer::Authority);
        let review = Arc::new(review);
        let double = Double::secure(&certificate, move |received| {
            let request: Value = serde_json::from_str(&received.body).unwrap();
            let request = &request["request"];
            let denied = review(request);
            let mut response = json!({"uid": request["uid"], "allowed": denied.is_none()});
            if let Some(status) = denied {
                response["status"] = status;
            }
            let response =
                json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response});
            reply(200, &[("content-type", "application/json")], &response.to_string())
        });
        Self { double, certificate, _folder: folder }
    }

    /// Lets the API server ask this webhook, under this name, about every secret in the namespaces, and waits until it
    /// does.
    pub fn register(&self, kubernetes: &Kubernetes, name: &str, namespaces: &[&str], side_effects: SideEffects) {
        let rule = json!({
            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["secrets"],
        });
        let url = format!("https://{}/", self.double.host);
        let selected = json!([{"key": "kubernetes.io/metadata.name", "operator": "In", "values": namespaces}]);
        let mut configuration = json!({
            "apiVersion": VERSION,
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [{
                "name": name,
                "clientConfig": {"url": url, "caBundle": STANDARD.encode(fs::read(&self.certificate.ca).unwrap())},
                "rules": [rule],
                "namespaceSelector": {"matchExpressions": selected},
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }],
        });
        match side_effects {
            SideEffects::None => kubernetes.create(&format!("/apis/{VERSION}/{CONFIGURATIONS}"), &configuration),
            SideEffects::Some => {
                configuration["webhooks"][0]["sideEffects"] = "Some".into();
                configuration["metadata"]["uid"] = "6b1f7a5e-0000-4000-8000-000000000001".into();
                configuration["metadata"]["creationTimestamp"] = "2021-01-01T00:00:00Z".into();
                let key = STANDARD.encode(format!("/registry/{CONFIGURATIONS}/{name}"));
                kubernetes.etcd("put", &json!({"key": key, "value": STANDARD.encode(configuration.to_string())}));
            }
        }
        for namespace in namespaces {
            let path = format!("/api/v1/namespaces/{namespace}/secrets?dryRun=All");
            let before = self.double.requests().len();
            eventually("the webhook is in effect", || {
                let answer = kubernetes.api("POST", &path, Some(&json!({"metadata": {"name": "probe"}})));
                match side_effects {
                    SideEffects::None => self.double.requests().len() > before,
                    SideEffects::Some => answer.status == 400,
                }
            });
        }
    }
}
