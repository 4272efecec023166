//! An API server in front of a real one, to which it forwards the requests. A test can hold a request, or respond to it.

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use super::http;
use super::kubernetes::{Kubernetes, User};

/// A request as it arrived.
pub struct Forwarded {
    pub method: String,
    /// With its query.
    pub path: String,
    pub authorization: String,
    content_type: String,
    pub body: Vec<u8>,
}

/// A status code, and the JSON of a body.
pub type Answer = (u16, Vec<u8>);

/// A relay, stopped when dropped.
pub struct Relay {
    url: String,
    folder: tempfile::TempDir,
    _runtime: Runtime,
}

impl Relay {
    /// A relay in front of `kubernetes`. `script` is called with each request, and may block. Without an answer of it, the
    /// request is forwarded.
    pub fn start(
        kubernetes: &Kubernetes,
        script: impl Fn(&Forwarded) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (backend, script) = (kubernetes.url().to_owned(), Arc::new(script));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let handler = move |request: Request| {
            let (backend, script) = (backend.clone(), Arc::clone(&script));
            async move {
                let request = read(request).await;
                let work = move || script(&request).unwrap_or_else(|| forward(&backend, &request));
                let (status, body) = tokio::task::spawn_blocking(work).await.unwrap();
                let response = axum::http::Response::builder().status(StatusCode::from_u16(status).unwrap());
                response.header("content-type", "application/json").body(Body::from(body)).unwrap()
            }
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

async fn read(request: Request) -> Forwarded {
    let (parts, body) = request.into_parts();
    let header =
        |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    Forwarded {
        method: parts.method.to_string(),
        path: parts.uri.to_string(),
        authorization: header("authorization"),
        content_type: header("content-type"),
        body: to_bytes(body, 4 << 20).await.unwrap().to_vec(),
    }
}

fn forward(backend: &str, request: &Forwarded) -> Answer {
    let headers = [("Authorization", &*request.authorization), ("Content-Type", &*request.content_type)];
    let response = http::request(&request.method, &format!("{backend}{}", request.path), &headers, &request.body);
    (response.status, response.body)
}
