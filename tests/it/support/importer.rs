//! The API of a real server together with the image importer of OpenShift, which no server here has: requests of
//! `image.openshift.io` are answered in this process, all others are forwarded. The importer chooses a credential among the
//! secrets of the real server as openshift-apiserver 4.22 was seen to do it.

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use super::http;
use super::kubernetes::{Kubernetes, User};

const GROUP: &str = "/apis/image.openshift.io";

/// An API server with an importer, stopped when dropped.
pub struct Importer {
    url: String,
    folder: tempfile::TempDir,
    _runtime: Runtime,
}

/// What the handler of a request needs.
struct Backend {
    url: String,
    /// `base64(user:password)` of the only login that registries accept.
    accepted: String,
}

impl Importer {
    /// An importer in front of `kubernetes`; every registry accepts only this login, `base64(user:password)`.
    pub fn start(kubernetes: &Kubernetes, accepted: &str) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let backend = Arc::new(Backend { url: kubernetes.url().to_owned(), accepted: accepted.to_owned() });
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let handler = move |request: Request| {
            let backend = Arc::clone(&backend);
            async move { respond(backend, request).await }
        };
        let app = axum::Router::new().fallback(handler);
        runtime.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, folder: tempfile::tempdir().unwrap(), _runtime: runtime }
    }

    /// A kubeconfig that logs the user in with a token.
    pub fn kubeconfig(&self, user: User) -> PathBuf {
        let path = self.folder.path().join(format!("{user:?}.kubeconfig"));
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": self.url}}],
            "users": [{"name": "user", "user": {"token": user.token()}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "user"}}],
            "current-context": "test",
        });
        std::fs::write(&path, config.to_string()).unwrap();
        path
    }
}

async fn respond(backend: Arc<Backend>, request: Request) -> axum::response::Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 4 << 20).await.unwrap();
    let header =
        |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (method, path) = (parts.method.to_string(), parts.uri.to_string());
    let (authorization, content_type) = (header("authorization"), header("content-type"));
    let response = tokio::task::spawn_blocking(move || {
        if let Some(rest) = path.strip_prefix(GROUP) {
            return backend.import(rest, &authorization, &body);
        }
        let headers = [("Authorization", &*authorization), ("Content-Type", &*content_type)];
        let response = http::request(&method, &format!("{}{path}", backend.url), &headers, &body);
        (response.status, response.body)
    });
    let (status, body) = response.await.unwrap();
    let response = axum::http::Response::builder().status(StatusCode::from_u16(status).unwrap());
    response.header("content-type", "application/json").body(Body::from(body)).unwrap()
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
