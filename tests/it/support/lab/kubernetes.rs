//! The Kubernetes API of an OpenShift 3.11 master over plain HTTP in this process: namespaces and secrets as
//! Kubernetes 1.11 serves them, without server-side apply. One user, who may do everything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// The only type of secret whose content is checked here.
const DOCKER_CONFIG: &str = "kubernetes.io/dockerconfigjson";
/// The key that a secret of that type must have.
const DOCKER_KEY: &str = ".dockerconfigjson";
/// What etcd takes.
const LARGEST: usize = 1_500_000;

/// A running API server; it takes no more connections once dropped.
pub struct Kubernetes {
    url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    token: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    namespaces: BTreeSet<String>,
    /// Whole objects by namespace and name.
    secrets: BTreeMap<(String, String), Value>,
    revision: u64,
    requests: Vec<String>,
}

/// An object, or a `Status`.
type Answer = Result<(u16, Value), (u16, Value)>;

impl Kubernetes {
    /// Starts an API server without namespaces, for the bearer of `token`.
    pub fn start(runtime: &Handle, token: &str) -> Self {
        let (listener, port) = super::listen(runtime);
        let shared = Arc::new(Shared { token: token.to_owned(), state: Mutex::default() });
        let answering = Arc::clone(&shared);
        let app = Router::new().fallback(async move |request: Request| {
            let (head, body) = request.into_parts();
            let body = to_bytes(body, LARGEST).await.unwrap_or_default();
            let (status, body) = answering.answer(&head.method, head.uri.path(), &head.headers, &body);
            let reply = Response::builder().status(status).header(CONTENT_TYPE, "application/json");
            reply.body(Body::from(body.to_string())).unwrap()
        });
        let task = runtime.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url: format!("http://127.0.0.1:{port}"), shared, task }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The text of a kubeconfig for this server.
    pub fn kubeconfig(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: lab\n  cluster:\n    server: {}\nusers:\n- name: lab\n  \
             user:\n    token: {}\ncontexts:\n- name: lab\n  context:\n    cluster: lab\n    user: lab\n\
             current-context: lab\n",
            self.url, self.shared.token
        )
    }

    /// Adds an empty namespace.
    pub fn add_namespace(&self, name: &str) {
        self.shared.state.lock().unwrap().namespaces.insert(name.to_owned());
    }

    /// Creates or replaces a secret with one key, as another client would.
    pub fn put_secret(&self, namespace: &str, name: &str, kind: &str, key: &str, content: &[u8]) {
        let mut state = self.shared.state.lock().unwrap();
        let mut object = json!({"metadata": {"name": name}, "type": kind, "data": {}});
        object["data"][key] = STANDARD.encode(content).into();
        state.store(namespace, name, object);
    }

    /// The decoded `.dockerconfigjson` of a secret; `None` if there is no such secret or key.
    pub fn secret(&self, namespace: &str, name: &str) -> Option<Vec<u8>> {
        let object = self.object(namespace, name)?;
        STANDARD.decode(object["data"][DOCKER_KEY].as_str()?).ok()
    }

    /// A secret as the API shows it.
    pub fn object(&self, namespace: &str, name: &str) -> Option<Value> {
        let state = self.shared.state.lock().unwrap();
        state.secrets.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// `METHOD path` of every request so far.
    pub fn requests(&self) -> Vec<String> {
        self.shared.state.lock().unwrap().requests.clone()
    }

    /// How many requests asked for a change.
    pub fn writes(&self) -> usize {
        self.requests().iter().filter(|request| !request.starts_with("GET ")).count()
    }
}

impl Drop for Kubernetes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn answer(&self, method: &Method, path: &str, headers: &HeaderMap, body: &[u8]) -> (u16, Value) {
        let mut state = self.state.lock().unwrap();
        state.requests.push(format!("{method} {path}"));
        let answer = self.admit(method, path, headers).and_then(|()| {
            let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
            state.route(method, &segments, headers, body)
        });
        answer.unwrap_or_else(|refusal| refusal)
    }

    /// A wrong token is not authenticated; a request without a token is `system:anonymous` and may read the version.
    fn admit(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), (u16, Value)> {
        match headers.get(AUTHORIZATION) {
            Some(value) if value.as_bytes() == format!("Bearer {}", self.token).as_bytes() => Ok(()),
            Some(_) => Err(status(401, "Unauthorized", "Unauthorized".to_owned(), &Value::Null)),
            None if path == "/version" => Ok(()),
            None => {
                let verb = method.as_str().to_lowercase();
                let message = format!("forbidden: User \"system:anonymous\" cannot {verb} path \"{path}\"");
                Err(status(403, "Forbidden", message, &json!({})))
            }
        }
    }
}

impl State {
    fn route(&mut self, method: &Method, path: &[&str], headers: &HeaderMap, body: &[u8]) -> Answer {
        match (method.as_str(), path) {
            ("GET", ["version"]) => Ok((200, version())),
            ("GET", ["api", "v1", "namespaces", name]) => self.namespace(name),
            ("GET", ["api", "v1", "namespaces", namespace, "secrets"]) => Ok((200, self.list(namespace))),
            ("POST", ["api", "v1", "namespaces", namespace, "secrets"]) => {
                self.create(namespace, parse(headers, body)?)
            }
            (method, ["api", "v1", "namespaces", namespace, "secrets", name]) => match method {
                "GET" => self.find(namespace, name).map(|secret| (200, secret.clone())),
                "PUT" => self.replace(namespace, name, parse(headers, body)?),
                "DELETE" => self.delete(namespace, name),
                "PATCH" => Err(refuse_patch(headers)),
                _ => Err(method_not_allowed()),
            },
            (_, ["api", "v1", "namespaces", ..]) => Err(method_not_allowed()),
            _ => {
                Err(status(404, "NotFound", "the server could not find the requested resource".to_owned(), &json!({})))
            }
        }
    }

    fn namespace(&self, name: &str) -> Answer {
        if !self.namespaces.contains(name) {
            return Err(not_found("namespaces", name));
        }
        let object = json!({
            "kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name},
            "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
        });
        Ok((200, object))
    }

    fn list(&self, namespace: &str) -> Value {
        let inside = self.secrets.iter().filter(|((of, _), _)| of == namespace);
        let items: Vec<&Value> = inside.map(|(_, secret)| secret).collect();
        let metadata = json!({"resourceVersion": self.revision.to_string()});
        json!({"kind": "SecretList", "apiVersion": "v1", "metadata": metadata, "items": items})
    }

    fn find(&self, namespace: &str, name: &str) -> Result<&Value, (u16, Value)> {
        self.secrets.get(&(namespace.to_owned(), name.to_owned())).ok_or_else(|| not_found("secrets", name))
    }

    fn create(&mut self, namespace: &str, secret: Value) -> Answer {
        let name = secret["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        check_namespace(&secret, namespace)?;
        if !self.namespaces.contains(namespace) {
            return Err(not_found("namespaces", namespace));
        }
        if name.is_empty() {
            return Err(invalid(&name, "metadata.name", "Required value: name or generateName is required"));
        }
        check_content(&name, &secret)?;
        if !secret["metadata"]["resourceVersion"].as_str().unwrap_or_default().is_empty() {
            let message = "resourceVersion should not be set on objects to be created";
            return Err(status(500, "InternalError", format!("Internal error occurred: {message}"), &json!({})));
        }
        if self.find(namespace, &name).is_ok() {
            let message = format!("secrets \"{name}\" already exists");
            return Err(status(409, "AlreadyExists", message, &json!({"name": name, "kind": "secrets"})));
        }
        Ok((201, self.store(namespace, &name, secret)))
    }

    fn replace(&mut self, namespace: &str, name: &str, secret: Value) -> Answer {
        check_namespace(&secret, namespace)?;
        let given = secret["metadata"]["name"].as_str().unwrap_or_default();
        if given != name {
            let fault = format!("the name of the object ({given}) does not match the name on the URL ({name})");
            return Err(bad_request(fault));
        }
        let old = self.find(namespace, name)?;
        // Without a version the secret is replaced whatever it was (AllowUnconditionalUpdate).
        let stale = |field: &str| {
            let given = secret["metadata"][field].as_str().unwrap_or_default();
            !given.is_empty() && old["metadata"][field].as_str() != Some(given)
        };
        if stale("resourceVersion") || stale("uid") {
            return Err(conflict(name));
        }
        if secret["type"] != old["type"] {
            let value = secret["type"].as_str().unwrap_or_default();
            return Err(invalid(name, "type", &format!("Invalid value: \"{value}\": field is immutable")));
        }
        check_content(name, &secret)?;
        Ok((200, self.store(namespace, name, secret)))
    }

    fn delete(&mut self, namespace: &str, name: &str) -> Answer {
        let uid = self.find(namespace, name)?["metadata"]["uid"].clone();
        self.secrets.remove(&(namespace.to_owned(), name.to_owned()));
        self.revision += 1;
        let details = json!({"name": name, "kind": "secrets", "uid": uid});
        let success = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
        });
        Ok((200, success))
    }

    /// Stores a secret under the next version; one that changes nothing keeps the version it had.
    fn store(&mut self, namespace: &str, name: &str, mut secret: Value) -> Value {
        let key = (namespace.to_owned(), name.to_owned());
        let old = self.secrets.get(&key);
        let kept = |field: &str| old.map(|old| old["metadata"][field].clone());
        let uid = kept("uid").unwrap_or_else(|| format!("00000000-0000-4000-8000-{:012x}", self.revision + 1).into());
        let created = kept("creationTimestamp").unwrap_or_else(|| "2020-01-01T00:00:00Z".into());
        secret["kind"] = "Secret".into();
        secret["apiVersion"] = "v1".into();
        let metadata = &mut secret["metadata"];
        metadata["namespace"] = namespace.into();
        metadata["selfLink"] = format!("/api/v1/namespaces/{namespace}/secrets/{name}").into();
        metadata["uid"] = uid;
        metadata["creationTimestamp"] = created;
        metadata["resourceVersion"] = kept("resourceVersion").unwrap_or_default();
        if old != Some(&secret) {
            self.revision += 1;
            secret["metadata"]["resourceVersion"] = self.revision.to_string().into();
            self.secrets.insert(key, secret.clone());
        }
        secret
    }
}

/// Decodes a secret as far as the real server does before it looks at what is stored.
fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Value, (u16, Value)> {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("application/json");
    if !media_type.starts_with("application/json") {
        return Err(unsupported("application/json, application/yaml, application/vnd.kubernetes.protobuf"));
    }
    let mut secret: Value = serde_json::from_slice(body)
        .map_err(|error| bad_request(format!("couldn't get version/kind; json parse error: {error}")))?;
    if !secret.is_object() || !secret["metadata"].is_object() {
        return Err(bad_request("the object provided is unrecognized (must be of type Secret)".to_owned()));
    }
    if secret["kind"] != "Secret" || secret["apiVersion"] != "v1" {
        let kind = secret["kind"].as_str().unwrap_or_default().to_owned();
        return Err(bad_request(format!("{kind} in version {} cannot be handled as a Secret", secret["apiVersion"])));
    }
    if secret["type"].as_str().unwrap_or_default().is_empty() {
        secret["type"] = "Opaque".into();
    }
    absorb_string_data(&mut secret);
    let values = secret["data"].as_object().into_iter().flat_map(Map::values);
    if values.into_iter().any(|value| decode(value).is_none()) {
        return Err(bad_request(
            "Secret in version \"v1\" cannot be handled as a Secret: illegal base64 data".to_owned(),
        ));
    }
    Ok(secret)
}

/// `stringData` is written only: it ends up in `data`.
fn absorb_string_data(secret: &mut Value) {
    let Some(Value::Object(given)) = secret.as_object_mut().and_then(|secret| secret.remove("stringData")) else {
        return;
    };
    for (key, value) in given {
        secret["data"][key] = STANDARD.encode(value.as_str().unwrap_or_default()).into();
    }
}

fn decode(value: &Value) -> Option<Vec<u8>> {
    STANDARD.decode(value.as_str()?).ok()
}

fn check_namespace(secret: &Value, namespace: &str) -> Result<(), (u16, Value)> {
    match secret["metadata"]["namespace"].as_str() {
        Some(given) if !given.is_empty() && given != namespace => Err(bad_request(
            "the namespace of the provided object does not match the namespace sent on the request".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// `ValidateSecret` of Kubernetes, as far as pull secrets go.
fn check_content(name: &str, secret: &Value) -> Result<(), (u16, Value)> {
    if secret["type"] != DOCKER_CONFIG {
        return Ok(());
    }
    let field = format!("data[{DOCKER_KEY}]");
    let Some(content) = decode(&secret["data"][DOCKER_KEY]) else {
        return Err(invalid(name, &field, "Required value"));
    };
    match serde_json::from_slice(&content) {
        Ok(Value::Object(_)) => Ok(()),
        Ok(_) => Err(invalid(name, &field, "Invalid value: \"<secret contents redacted>\": it is not a JSON object")),
        Err(error) => Err(invalid(name, &field, &format!("Invalid value: \"<secret contents redacted>\": {error}"))),
    }
}

fn version() -> Value {
    json!({
        "major": "1", "minor": "11+", "gitVersion": "v1.11.0+d4cacc0", "gitCommit": "d4cacc0", "gitTreeState": "",
        "buildDate": "2020-01-01T00:00:00Z", "goVersion": "go1.10.8", "compiler": "gc", "platform": "linux/amd64",
    })
}

/// Kubernetes 1.11 knows no `application/apply-patch+yaml`. The patches it knows are not needed here.
fn refuse_patch(headers: &HeaderMap) -> (u16, Value) {
    const KNOWN: [&str; 3] =
        ["application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json"];
    match headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) {
        Some(given) if KNOWN.contains(&given) => method_not_allowed(),
        _ => unsupported(&KNOWN.join(", ")),
    }
}

fn unsupported(accepted: &str) -> (u16, Value) {
    let fault = "the body of the request was in an unknown format - accepted media types include";
    status(415, "UnsupportedMediaType", format!("{fault}: {accepted}"), &json!({}))
}

fn method_not_allowed() -> (u16, Value) {
    let message = "the server does not allow this method on the requested resource";
    status(405, "MethodNotAllowed", message.to_owned(), &json!({}))
}

fn bad_request(message: String) -> (u16, Value) {
    status(400, "BadRequest", message, &Value::Null)
}

fn not_found(kind: &str, name: &str) -> (u16, Value) {
    status(404, "NotFound", format!("{kind} \"{name}\" not found"), &json!({"name": name, "kind": kind}))
}

fn conflict(name: &str) -> (u16, Value) {
    let message = format!(
        "Operation cannot be fulfilled on secrets \"{name}\": the object has been modified; please apply your changes \
         to the latest version and try again"
    );
    status(409, "Conflict", message, &json!({"name": name, "kind": "secrets"}))
}

fn invalid(name: &str, field: &str, fault: &str) -> (u16, Value) {
    let reason = if fault.starts_with("Required") { "FieldValueRequired" } else { "FieldValueInvalid" };
    let causes = json!([{"reason": reason, "message": fault, "field": field}]);
    let details = json!({"name": name, "kind": "Secret", "causes": causes});
    status(422, "Invalid", format!("Secret \"{name}\" is invalid: {field}: {fault}"), &details)
}

/// A failure as `metav1.Status`.
fn status(code: u16, reason: &str, message: String, details: &Value) -> (u16, Value) {
    let mut body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"});
    body["message"] = message.into();
    body["reason"] = reason.into();
    if !details.is_null() {
        body["details"] = details.clone();
    }
    body["code"] = code.into();
    (code, body)
}
