//! The API of a real server together with the image importer of OpenShift, which no server here has: requests of
//! `image.openshift.io` are answered in this process, all others are forwarded. The importer chooses a credential among the
//! secrets of the real server as openshift-apiserver 4.22 was seen to do it.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::http;
use super::kubernetes::{Kubernetes, User};
use super::relay::Relay;

const GROUP: &str = "/apis/image.openshift.io";

/// An API server with an importer, stopped when dropped.
pub struct Importer(Relay);

/// What the handler of a request needs.
struct Backend {
    url: String,
    /// `base64(user:password)` of the only login that registries accept.
    accepted: String,
}

impl Importer {
    /// An importer in front of `kubernetes`; every registry accepts only this login, `base64(user:password)`.
    pub fn start(kubernetes: &Kubernetes, accepted: &str) -> Self {
        let backend = Backend { url: kubernetes.url().to_owned(), accepted: accepted.to_owned() };
        Self(Relay::start(kubernetes, move |request| {
            let path = request.path.strip_prefix(GROUP)?;
            Some(backend.import(path, &request.authorization, &request.body))
        }))
    }

    /// A kubeconfig that logs the user in with a token.
    pub fn kubeconfig(&self, user: User) -> PathBuf {
        self.0.kubeconfig(user)
    }
}

impl Backend {
    fn import(&self, path: &str, authorization: &str, body: &[u8]) -> (u16, Vec<u8>) {
        if path.is_empty() {
            return (200, json!({"kind": "APIGroup", "name": "image.openshift.io"}).to_string().into_bytes());
        }
        if authorization != format!("Bearer {}", User::Admin.token()) {
            let message = "imagestreamimports.image.openshift.io is forbidden: User \"writer\" cannot create resource \
                           \"imagestreamimports\" in API group \"image.openshift.io\"";
            let status =
                json!({"kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden", "message": message});
            return (403, status.to_string().into_bytes());
        }
        let mut import: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(import["spec"]["import"], false, "the import would store an image stream");
        let namespace = path.split('/').nth(3).unwrap().to_owned();
        let secrets = self.secrets(&namespace, authorization);
        let images = import["spec"]["images"].as_array().unwrap().clone();
        let statuses = images.iter().map(|image| {
            let name = image["from"]["name"].as_str().unwrap();
            let credential = choose(name, &secrets);
            if credential == Ok(Some(self.accepted.clone())) {
                json!({"status": {"status": "Success"}, "image": {}})
            } else {
                let message = format!("you may not have access to the container image \"{name}\"");
                json!({"status": {"status": "Failure", "reason": "Unauthorized", "message": message, "code": 401}})
            }
        });
        import["status"] = json!({"images": statuses.collect::<Vec<_>>()});
        (201, import.to_string().into_bytes())
    }

    /// The contents of the pull secrets of a namespace that are not excluded, in the order of their names.
    fn secrets(&self, namespace: &str, authorization: &str) -> Vec<Value> {
        let url = format!("{}/api/v1/namespaces/{namespace}/secrets", self.url);
        let response = http::request("GET", &url, &[("Authorization", authorization)], b"");
        let list: Value = serde_json::from_slice(&response.body).unwrap();
        let mut items = list["items"].as_array().unwrap().clone();
        items.retain(|item| item["metadata"]["annotations"]["openshift.io/image.excludeSecret"] != "true");
        items.sort_by_key(|item| item["metadata"]["name"].as_str().unwrap().to_owned());
        let content = |item: &Value| {
            let decode = |key: &str| {
                let data = STANDARD.decode(item["data"][key].as_str()?).ok()?;
                serde_json::from_slice::<Value>(&data).ok()
            };
            match item["type"].as_str()? {
                "kubernetes.io/dockerconfigjson" => Some(decode(".dockerconfigjson")?["auths"].clone()),
                "kubernetes.io/dockercfg" => decode(".dockercfg"),
                _ => None,
            }
        };
        items.iter().filter_map(content).collect()
    }
}

/// The `auth` that is used for an image: that of the longest key, and of the first secret with it.
///
/// # Errors
/// If a secret is broken.
fn choose(image: &str, secrets: &[Value]) -> Result<Option<String>, ()> {
    let mut best: Option<(usize, String)> = None;
    for secret in secrets {
        for (key, entry) in secret.as_object().ok_or(())? {
            let auth = entry.as_object().ok_or(())?.get("auth").and_then(Value::as_str).unwrap_or_default();
            STANDARD.decode(auth).map_err(|_| ())?;
            let key = key.trim_start_matches("https://").trim_start_matches("http://");
            let key = key.trim_end_matches('/').trim_end_matches("/v1").trim_end_matches("/v2");
            let is_better = best.as_ref().is_none_or(|(length, _)| key.len() > *length);
            if image.starts_with(key) && is_better {
                best = Some((key.len(), auth.to_owned()));
            }
        }
    }
    Ok(best.map(|(_, auth)| auth))
}
