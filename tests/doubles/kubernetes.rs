//! An API server in this process that stores secrets as the real one does, and fails in the cases that a test chooses.
//! The unit tests and the quickstart include this file; it uses nothing of the crate.

#![allow(dead_code, reason = "each of them uses a part")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub query: String,
    pub user_agent: String,
    pub authorization: Option<String>,
    pub body: Value,
}

/// The objects of the only namespace, `openshift`, and a counter for resource versions.
#[derive(Debug, Default)]
pub struct Store {
    pub secrets: BTreeMap<String, Value>,
    pub version: u64,
    pub seen: Vec<Seen>,
}

/// A response that replaces the usual one.
pub type Answer = Option<(u16, Value)>;

/// A listening API server, stopped when dropped.
pub struct Double {
    pub url: String,
    pub store: Arc<Mutex<Store>>,
    task: JoinHandle<()>,
}

impl Double {
    /// `disturb` is called with each request and the current store, before the store responds. If it returns a
    /// response, that one is sent instead.
    pub async fn start(disturb: impl Fn(&Seen, &mut Store) -> Answer + Clone + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let store: Arc<Mutex<Store>> = Arc::default();
        let shared = Arc::clone(&store);
        let handler = move |request: Request| {
            let (shared, disturb) = (Arc::clone(&shared), disturb.clone());
            async move {
                let seen = read(request).await;
                let mut store = shared.lock().unwrap();
                store.seen.push(seen.clone());
                let answered = disturb(&seen, &mut store);
                let (code, body) = answered.unwrap_or_else(|| store.answer(&seen));
                answer(code, body)
            }
        };
        let app = axum::Router::new().fallback(handler);
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, store, task }
    }

    pub fn requests(&self) -> Vec<String> {
        let store = self.store.lock().unwrap();
        store.seen.iter().map(|seen| format!("{} {}", seen.method, seen.path)).collect()
    }

    pub fn content(&self, name: &str) -> Option<String> {
        let store = self.store.lock().unwrap();
        let data = store.secrets.get(name)?["data"][".dockerconfigjson"].as_str()?.to_owned();
        Some(String::from_utf8(STANDARD.decode(data).unwrap()).unwrap())
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Store {
    /// Stores a pull secret, as if another client had written it.
    pub fn put(&mut self, name: &str, content: &str) {
        let data = json!({".dockerconfigjson": STANDARD.encode(content), "other": "eA=="});
        let labels = json!({"team": "platform"});
        let metadata = json!({"name": name, "namespace": "openshift", "labels": labels, "annotations": {"a": "b"}});
        self.save(name, json!({"metadata": metadata, "type": "kubernetes.io/dockerconfigjson", "data": data}));
    }

    pub fn save(&mut self, name: &str, mut secret: Value) -> Value {
        self.version += 1;
        secret["apiVersion"] = json!("v1");
        secret["kind"] = json!("Secret");
        secret["metadata"]["name"] = json!(name);
        secret["metadata"]["namespace"] = json!("openshift");
        secret["metadata"]["resourceVersion"] = json!(self.version.to_string());
        secret["metadata"]["uid"] = json!("6b1f7a5e-0000-4000-8000-000000000001");
        self.secrets.insert(name.to_owned(), secret.clone());
        secret
    }

    /// The response to a request. A dry run stores nothing. As OpenShift 3.11, it does not know the option in the body.
    fn answer(&mut self, seen: &Seen) -> (u16, Value) {
        if seen.query.contains("dryRun=All") {
            let (secrets, version) = (self.secrets.clone(), self.version);
            return Store { secrets, version, seen: Vec::new() }.carry_out(seen);
        }
        self.carry_out(seen)
    }

    fn carry_out(&mut self, seen: &Seen) -> (u16, Value) {
        let parts: Vec<&str> = seen.path.trim_start_matches("/api/v1/namespaces/").split('/').collect();
        match (seen.method.as_str(), parts.as_slice()) {
            ("GET", ["openshift"]) => (200, json!({"kind": "Namespace", "metadata": {"name": "openshift"}})),
            ("GET", [name]) => status(404, "NotFound", &format!("namespaces \"{name}\" not found")),
            ("POST", [namespace, "secrets"]) if *namespace != "openshift" => {
                status(404, "NotFound", &format!("namespaces \"{namespace}\" not found"))
            }
            ("GET", [_, "secrets", name]) => match self.secrets.get(*name) {
                Some(secret) => (200, secret.clone()),
                None => status(404, "NotFound", &format!("secrets \"{name}\" not found")),
            },
            ("POST", [_, "secrets"]) => {
                let name = seen.body["metadata"]["name"].as_str().unwrap().to_owned();
                if self.secrets.contains_key(&name) {
                    return status(409, "AlreadyExists", "secrets already exists");
                }
                (201, self.save(&name, seen.body.clone()))
            }
            ("PATCH", [_, "secrets", name]) => {
                let Some(old) = self.secrets.get(*name) else { return status(404, "NotFound", "secrets not found") };
                let expected = &seen.body["metadata"]["resourceVersion"];
                if !expected.is_null() && *expected != old["metadata"]["resourceVersion"] {
                    return status(409, "Conflict", "the object has been modified");
                }
                let mut patched = old.clone();
                merge(&mut patched, &seen.body);
                (200, self.save(name, patched))
            }
            ("DELETE", [_, "secrets", name]) => {
                let Some(old) = self.secrets.get(*name).cloned() else {
                    return status(404, "NotFound", "secrets not found");
                };
                let expected = &seen.body["preconditions"]["resourceVersion"];
                if !expected.is_null() && *expected != old["metadata"]["resourceVersion"] {
                    return status(409, "Conflict", "the object has been modified");
                }
                self.secrets.remove(*name);
                (200, old)
            }
            // It has no API groups.
            ("GET", _) if seen.path.starts_with("/apis/") => status(404, "NotFound", "not found"),
            _ => status(405, "MethodNotAllowed", "not in this double"),
        }
    }
}

/// Applies a JSON merge patch (RFC 7386).
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, change) in changes {
        if change.is_null() {
            target.as_object_mut().unwrap().remove(name);
        } else {
            merge(&mut target[name], change);
        }
    }
}

pub fn status(code: u16, reason: &str, message: &str) -> (u16, Value) {
    let body = json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message});
    (code, body)
}

async fn read(request: Request) -> Seen {
    let (parts, body) = request.into_parts();
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let bytes = to_bytes(body, 2 << 20).await.unwrap();
    Seen {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        user_agent: header("user-agent").unwrap_or_default(),
        authorization: header("authorization"),
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
    }
}

fn answer(code: u16, body: Value) -> Response {
    (StatusCode::from_u16(code).unwrap(), Json(body)).into_response()
}
