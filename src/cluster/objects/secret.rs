//! Pull secrets: what is read from one, and how a new content is stored. It does not know what the content means.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use super::{marks, revision};
use crate::desired::{Ownership, PullSecretFormat};
use crate::facts::SecretFact;
use crate::secret::SecretBytes;

/// The facts about a secret.
pub(super) fn fact(secret: Secret) -> SecretFact {
    // The API server sets this type if the creator of the secret named none.
    let type_ = secret.type_.unwrap_or_else(|| "Opaque".to_owned());
    let content = PullSecretFormat::of_type(&type_).and_then(|format| secret.data?.remove(format.data_key()));
    SecretFact {
        revision: revision(&secret.metadata),
        immutable: secret.immutable == Some(true),
        content: content.map(|bytes| SecretBytes::new(bytes.0)),
        marks: marks::read(&secret.metadata),
        type_,
    }
}

/// A new secret, without its name.
pub(super) fn new(format: PullSecretFormat, content: &SecretBytes, ownership: &Ownership) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": marks::new(ownership),
        "type": format.type_name(),
        "data": data(format, content),
    })
}

/// The change of a secret. The other keys of its data stay.
pub(super) fn patch(format: PullSecretFormat, content: &SecretBytes, ownership: &Ownership) -> Value {
    json!({"metadata": marks::patch(ownership), "data": data(format, content)})
}

fn data(format: PullSecretFormat, content: &SecretBytes) -> Value {
    json!({format.data_key(): ByteString(content.expose().to_vec())})
}
