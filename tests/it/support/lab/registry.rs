//! The registries of the lab: the double of tests/doubles with one user, and the parts of the distribution API that are
//! needed to log in, to inspect an image, and to show every reason for a failure.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tokio::runtime::Handle;

use super::Login;
use super::registry_double::{Double, JSON, Received, reply};

/// How a registry expects its users to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// User and password with every request (RFC 7617).
    Basic,
    /// User and password at `/token`, and a token for the rest (distribution spec, auth/token.md).
    Token,
}

/// A running registry; it accepts no more connections once dropped.
pub struct Registry {
    double: Double,
    shared: Arc<Shared>,
}

struct Shared {
    auth: Auth,
    login: Login,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Manifests by their path below `/v2/`.
    manifests: HashMap<String, String>,
    /// The tokens that were issued, each with the scope it was requested for.
    tokens: HashMap<String, String>,
    logins: usize,
    failed_logins: usize,
}

impl Registry {
    /// Starts an empty registry from which `login` may pull every image.
    pub fn start(runtime: &Handle, auth: Auth, login: Login) -> Self {
        let shared = Arc::new(Shared { auth, login, state: Mutex::default() });
        let script = Arc::clone(&shared);
        let double = runtime.block_on(Double::start(move |request: &Received| script.respond(request)));
        Self { double, shared }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        &self.double.host
    }

    /// Adds an image without layers.
    pub fn add_image(&self, repository: &str, tag: &str) {
        let config = json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}});
        let config = config.to_string();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": JSON,
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": config.len(),
                "digest": digest(config.as_bytes()),
            },
            "layers": [],
        });
        let path = format!("{repository}/manifests/{tag}");
        self.shared.state.lock().unwrap().manifests.insert(path, manifest.to_string());
    }

    /// How often the right password was sent.
    pub fn logins(&self) -> usize {
        self.shared.state.lock().unwrap().logins
    }

    /// How often a wrong user or password was sent.
    pub fn failed_logins(&self) -> usize {
        self.shared.state.lock().unwrap().failed_logins
    }
}

impl Shared {
    fn respond(&self, request: &Received) -> Response<Body> {
        if request.path == "/token" && self.auth == Auth::Token {
            return self.give_token(request);
        }
        let Some(path) = request.path.strip_prefix("/v2/") else { return reply(404, &[], "404 page not found\n") };
        // As in the distribution registry, a client that is not logged in cannot find out which images exist.
        let permitted = match self.auth {
            Auth::Basic => self.judge(request),
            Auth::Token => self.has_token_for(request, path),
        };
        if !permitted {
            return self.challenge(request, path);
        }
        match self.state.lock().unwrap().manifests.get(path) {
            _ if path.is_empty() => reply(200, &[("content-type", "application/json")], "{}"),
            Some(manifest) => {
                let digest = digest(manifest.as_bytes());
                reply(200, &[("content-type", JSON), ("docker-content-digest", &digest)], manifest)
            }
            None => error(404, &[], "MANIFEST_UNKNOWN", "manifest unknown"),
        }
    }

    fn challenge(&self, request: &Received, path: &str) -> Response<Body> {
        let value = match self.auth {
            Auth::Basic => "Basic realm=\"lab\"".to_owned(),
            Auth::Token => {
                let scope = repository(path).map(|name| format!(",scope=\"repository:{name}:pull\""));
                let scope = scope.unwrap_or_default();
                format!("Bearer realm=\"http://{}/token\",service=\"lab\"{scope}", request.host)
            }
        };
        error(401, &[("www-authenticate", &value)], "UNAUTHORIZED", "authentication required")
    }

    /// Whether the request has a token that was issued for the repository of this path.
    fn has_token_for(&self, request: &Received, path: &str) -> bool {
        let token = request.authorization.as_deref().and_then(|value| value.strip_prefix("Bearer "));
        let state = self.state.lock().unwrap();
        let scope = token.and_then(|token| state.tokens.get(token));
        scope
            .is_some_and(|scope| repository(path).is_none_or(|name| scope.contains(&format!("repository:{name}:pull"))))
    }

    /// Whether user and password are right, which is counted; a request without them is not.
    fn judge(&self, request: &Received) -> bool {
        let given = request.authorization.as_deref().and_then(|value| value.strip_prefix("Basic "));
        let Some(given) = given else { return false };
        let Login { user, password } = self.login;
        let right = given == STANDARD.encode(format!("{user}:{password}"));
        let mut state = self.state.lock().unwrap();
        if right {
            state.logins += 1;
        } else {
            state.failed_logins += 1;
        }
        right
    }

    fn give_token(&self, request: &Received) -> Response<Body> {
        if !self.judge(request) {
            let challenge = [("www-authenticate", "Basic realm=\"lab\"")];
            return error(401, &challenge, "UNAUTHORIZED", "incorrect username or password");
        }
        let token = random_token();
        let scope = request.query.replace("%3A", ":").replace("%2F", "/");
        self.state.lock().unwrap().tokens.insert(token.clone(), scope);
        let body = json!({"token": token, "access_token": token, "expires_in": 300}).to_string();
        reply(200, &[("content-type", "application/json")], &body)
    }
}

/// The repository of a path such as `team/app/manifests/v1`.
fn repository(path: &str) -> Option<&str> {
    path.split_once("/manifests/").map(|(repository, _)| repository)
}

/// An error body (distribution spec, "Error Codes").
fn error(status: u16, headers: &[(&str, &str)], code: &str, message: &str) -> Response<Body> {
    let body = json!({"errors": [{"code": code, "message": message}]}).to_string();
    reply(status, &[headers, &[("content-type", "application/json")]].concat(), &body)
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&openssl::sha::sha256(bytes)))
}

fn random_token() -> String {
    let mut bytes = [0; 24];
    openssl::rand::rand_bytes(&mut bytes).unwrap();
    hex(&bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
