//! Secrets that openshift-ansible created for single registries, named `o-a-<md5(host)>`. They are only observed.

use k8s_openapi::api::core::v1::Secret;
use openssl::hash::{MessageDigest, hash};

use crate::cluster::client::ApiClient;
use crate::facts::StaleSecret;

impl ApiClient {
    /// The secret of openshift-ansible for `host`, if it exists. If the user may not read it, this is not a failure:
    /// the secret only leads to a note, which does not justify more permissions.
    pub(super) async fn stale_secret(&self, namespace: &str, host: String) -> Option<StaleSecret> {
        let name = stale_name(&host)?;
        // Every failure counts as absent: the secret only leads to a note, which does not justify more permissions.
        self.get_object::<Secret>(Some(namespace), &name).await.ok()?;
        Some(StaleSecret { name, host })
    }
}

/// `o-a-<md5(host)>`; `None` where OpenSSL does not permit MD5 (FIPS mode).
pub(in crate::cluster) fn stale_name(host: &str) -> Option<String> {
    // openshift-ansible chose this hash for the name. It protects nothing here.
    let digest = hash(MessageDigest::md5(), host.as_bytes()).ok()?;
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("o-a-{hex}"))
}
