//! Service accounts: the secrets that one gives to its pods, and how new lists of them are stored.

use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use serde_json::{Value, json};

use super::{marks, revision};
use crate::cluster::client::ApiClient;
use crate::desired::AccountLinks;
use crate::facts::{AccountFact, ObjectKind, ObjectName, SecretReference};
use crate::failure::Failure;
use crate::lookup::{PodSecret, SecretContent};
use crate::secret::SecretBytes;

impl ApiClient {
    /// See [`crate::cluster::Cluster::pull_secrets`].
    pub(in crate::cluster) async fn pull_secrets(
        &self,
        namespace: &str,
        service_account: &str,
    ) -> Result<Vec<PodSecret>, Failure> {
        let mut secrets = Vec::new();
        for name in self.pull_secret_names(namespace, service_account).await? {
            // A secret that does not exist stays in the list, because the kubelet skips it and the user should see
            // that.
            let found = self.get::<Secret>(&ObjectName::secret(namespace, &name)).await?;
            secrets.push(PodSecret { content: found.map(content), name });
        }
        Ok(secrets)
    }

    /// The names under `imagePullSecrets`.
    async fn pull_secret_names(&self, namespace: &str, name: &str) -> Result<Vec<String>, Failure> {
        let account = ObjectName::new(ObjectKind::ServiceAccount, namespace, name);
        let found = self.get::<ServiceAccount>(&account).await?.ok_or_else(|| {
            Failure::new(format!("{account} does not exist"))
                .hint("check the names, and that the kubeconfig is for this cluster")
        })?;
        let references = found.image_pull_secrets.unwrap_or_default();
        Ok(references.into_iter().map(|reference| reference.name).filter(|name| !name.is_empty()).collect())
    }
}

/// The facts about a service account.
pub(super) fn fact(account: ServiceAccount) -> AccountFact {
    let pull = account.image_pull_secrets.unwrap_or_default();
    let mount = account.secrets.unwrap_or_default().into_iter().map(|reference| SecretReference {
        // Serializing a reference cannot fail: it has only texts.
        object: serde_json::to_value(&reference).unwrap_or_default(),
        name: reference.name.unwrap_or_default(),
    });
    AccountFact {
        revision: revision(&account.metadata),
        marks: marks::read(&account.metadata),
        image_pull_secrets: pull.into_iter().map(|reference| reference.name).collect(),
        secrets: mount.collect(),
    }
}

/// The change of a service account. Both lists are replaced completely, because `imagePullSecrets` is atomic, and a merge
/// patch replaces every list.
pub(super) fn patch(links: &AccountLinks) -> Value {
    let mut patch = json!({});
    if let Some(names) = &links.image_pull_secrets {
        patch["imagePullSecrets"] = names.iter().map(|name| json!({"name": name})).collect();
    }
    if let Some(references) = &links.secrets {
        patch["secrets"] = references.clone().into();
    }
    patch
}

fn content(secret: Secret) -> SecretContent {
    let mut data = secret.data.unwrap_or_default();
    let mut take = |key: &str| data.remove(key).map(|bytes| SecretBytes::new(bytes.0));
    // Both keys are read, because the type of the secret decides which of them the kubelet uses.
    let (config, legacy) = (take(".dockerconfigjson"), take(".dockercfg"));
    SecretContent { type_: secret.type_.unwrap_or_else(|| "Opaque".to_owned()), config, legacy }
}
