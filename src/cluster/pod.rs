//! What a pod pulls with: the secrets of its service account, as the API server shows them.

use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Api;

use super::diagnosis::{Doing, Named};
use super::link::Link;
use crate::failure::Failure;
use crate::lookup::{PullSecret, SecretContent};
use crate::secret::SecretBytes;

impl Link {
    /// What [`super::Cluster::pull_secrets`] does.
    pub async fn pull_secrets(&self, namespace: &str, service_account: &str) -> Result<Vec<PullSecret>, Failure> {
        let mut secrets = Vec::new();
        for name in self.names_of(namespace, service_account).await? {
            let found = self.get(Named { namespace, name: &name }).await?;
            secrets.push(PullSecret { content: found.map(content), name });
        }
        Ok(secrets)
    }

    /// The names under `imagePullSecrets`.
    async fn names_of(&self, namespace: &str, name: &str) -> Result<Vec<String>, Failure> {
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let found = self.call(|| api.get(name)).await.map_err(|fault| {
            let account = format!("service account `{name}` in namespace `{namespace}`");
            match fault.status() {
                Some(status) if fault.is("NotFound") => Failure::new(format!("{account} does not exist"))
                    .cause(self.words.told(status))
                    .hint("check the names, and that the kubeconfig is for this cluster"),
                Some(status) if fault.is("Forbidden") => Failure::new(format!("{account} cannot be read"))
                    .cause(self.words.told(status))
                    .hint(format!("allow the user get of serviceaccounts and secrets in `{namespace}`")),
                _ => self.words.failure(Doing::Read, Named { namespace, name }, &fault),
            }
        })?;
        let listed = found.image_pull_secrets.unwrap_or_default();
        Ok(listed.into_iter().map(|reference| reference.name).filter(|name| !name.is_empty()).collect())
    }
}

fn content(secret: Secret) -> SecretContent {
    let mut data = secret.data.unwrap_or_default();
    let mut take = |key: &str| data.remove(key).map(|bytes| SecretBytes::new(bytes.0));
    let (config, legacy) = (take(".dockerconfigjson"), take(".dockercfg"));
    SecretContent { type_: secret.type_.unwrap_or_else(|| "Opaque".to_owned()), config, legacy }
}
