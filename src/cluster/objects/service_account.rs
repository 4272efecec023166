//! Service accounts: only the pull secrets that one gives to its pods, as `explain` needs them.

use k8s_openapi::api::core::v1::{Secret, ServiceAccount};

use crate::cluster::client::ApiClient;
use crate::cluster::error::{Subject, Verb};
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
            let found = self.get(Subject::secret(namespace, &name)).await?;
            secrets.push(PodSecret { content: found.map(content), name });
        }
        Ok(secrets)
    }

    /// The names under `imagePullSecrets`.
    async fn pull_secret_names(&self, namespace: &str, name: &str) -> Result<Vec<String>, Failure> {
        let found = self.get_object::<ServiceAccount>(Some(namespace), name).await.map_err(|error| {
            let account = format!("service account `{name}` in namespace `{namespace}`");
            match error.status() {
                Some(status) if error.has_reason("NotFound") => Failure::new(format!("{account} does not exist"))
                    .cause(self.diagnosis().response(status))
                    .hint("check the names, and that the kubeconfig is for this cluster"),
                // The general failure would name permissions on secrets only.
                Some(status) if error.has_reason("Forbidden") => Failure::new(format!("{account} cannot be read"))
                    .cause(self.diagnosis().response(status))
                    .hint(format!("grant the user `get` on serviceaccounts and secrets in `{namespace}`")),
                _ => self.diagnosis().failure(Verb::Read, Subject::secret(namespace, name), &error),
            }
        })?;
        let references = found.image_pull_secrets.unwrap_or_default();
        Ok(references.into_iter().map(|reference| reference.name).filter(|name| !name.is_empty()).collect())
    }
}

fn content(secret: Secret) -> SecretContent {
    let mut data = secret.data.unwrap_or_default();
    let mut take = |key: &str| data.remove(key).map(|bytes| SecretBytes::new(bytes.0));
    // Both keys are read, because the type of the secret decides which of them the kubelet uses.
    let (config, legacy) = (take(".dockerconfigjson"), take(".dockercfg"));
    SecretContent { type_: secret.type_.unwrap_or_else(|| "Opaque".to_owned()), config, legacy }
}
