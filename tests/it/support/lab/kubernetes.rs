//! The API of the lab's cluster: the double of tests/doubles with one user, who may do everything.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::runtime::Handle;

use super::kubernetes_double::{Answer, Double, Seen, Store, status};

/// A running API server; it accepts no more connections once dropped.
pub struct Kubernetes {
    double: Double,
    token: String,
}

impl Kubernetes {
    /// Starts an API server with an empty namespace `openshift`, for the bearer of `token`.
    pub fn start(runtime: &Handle, token: &str) -> Self {
        let expected = format!("Bearer {token}");
        let admit = move |seen: &Seen, _: &mut Store| admit(seen, &expected);
        Self { double: runtime.block_on(Double::start(admit)), token: token.to_owned() }
    }

    /// The text of a kubeconfig for this server.
    pub fn kubeconfig(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: lab\n  cluster:\n    server: {}\nusers:\n- name: lab\n  \
             user:\n    token: {}\ncontexts:\n- name: lab\n  context:\n    cluster: lab\n    user: lab\n\
             current-context: lab\n",
            self.double.url, self.token
        )
    }

    /// The decoded `.dockerconfigjson` of a secret in `openshift`; `None` if there is no such secret or key.
    pub fn secret(&self, name: &str) -> Option<Vec<u8>> {
        self.double.content(name).map(String::into_bytes)
    }

    /// How many requests were for a change.
    pub fn writes(&self) -> usize {
        self.double.requests().iter().filter(|request| !request.starts_with("GET ")).count()
    }
}

/// The response to a request without the token, or with content that the real server rejects; `None` for others.
fn admit(seen: &Seen, expected: &str) -> Answer {
    if seen.authorization.as_deref() != Some(expected) {
        return Some(status(401, "Unauthorized", "Unauthorized"));
    }
    let content = seen.body["data"][".dockerconfigjson"].as_str()?;
    let bytes = STANDARD.decode(content).unwrap_or_default();
    // As `ValidateSecret` of Kubernetes does for this type.
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(_)) => None,
        _ => Some(status(422, "Invalid", "data[.dockerconfigjson]: Invalid value: it is not a JSON object")),
    }
}
