//! A registry over plain HTTP in this process, with one user: enough of the distribution API to log in, to
//! inspect an image, and to see every way in which that fails.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request};
use axum::http::header::{ALLOW, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, ETAG, WWW_AUTHENTICATE};
use axum::http::response::Builder;
use axum::http::{Method, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::Login;

/// How a registry wants to be logged in to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// User and password with every request (RFC 7617).
    Basic,
    /// User and password at `/token`, and a token for the rest (distribution spec, auth/token.md).
    Token,
}

/// The name of the registry at its token server.
const SERVICE: &str = "lab";
const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const JSON: &str = "application/json; charset=utf-8";

/// A running registry; it takes no more connections once dropped.
pub struct Registry {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    host: String,
    auth: Auth,
    login: Login,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By repository and tag.
    images: HashMap<(String, String), Vec<u8>>,
    /// Blobs of all images by digest.
    blobs: HashMap<String, Vec<u8>>,
    /// The repositories that each token may pull from.
    tokens: HashMap<String, Vec<String>>,
    logins: usize,
    failed_logins: usize,
    requests: Vec<String>,
}

/// What a path below `/v2/` names.
enum Resource<'a> {
    Base,
    Manifest { repository: &'a str, reference: &'a str },
    Blob { repository: &'a str, digest: &'a str },
    Tags { repository: &'a str },
}

impl Registry {
    /// Starts an empty registry that `login` may pull everything from.
    pub fn start(runtime: &Handle, auth: Auth, login: Login) -> Self {
        let (listener, port) = super::listen(runtime);
        let host = format!("127.0.0.1:{port}");
        let shared = Arc::new(Shared { host, auth, login, state: Mutex::default() });
        let answering = Arc::clone(&shared);
        let app = Router::new().fallback(async move |request: Request| answering.answer(&request));
        let task = runtime.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { shared, task }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        &self.shared.host
    }

    /// Adds an image without layers.
    pub fn add_image(&self, repository: &str, tag: &str) {
        let config = json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}});
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": config.len(),
                "digest": digest(&config),
            },
            "layers": [],
        });
        let mut state = self.shared.state.lock().unwrap();
        state.blobs.insert(digest(&config), config);
        state.images.insert((repository.to_owned(), tag.to_owned()), manifest.to_string().into_bytes());
    }

    /// How often the right password was given.
    pub fn logins(&self) -> usize {
        self.shared.state.lock().unwrap().logins
    }

    /// How often a wrong user or password was given.
    pub fn failed_logins(&self) -> usize {
        self.shared.state.lock().unwrap().failed_logins
    }

    /// `METHOD path` of every request so far.
    pub fn requests(&self) -> Vec<String> {
        self.shared.state.lock().unwrap().requests.clone()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn answer(&self, request: &Request) -> Response<Body> {
        let path = request.uri().path();
        self.state.lock().unwrap().requests.push(format!("{} {path}", request.method()));
        if path == "/token" && self.auth == Auth::Token {
            return self.give_token(request);
        }
        let Some(resource) = path.strip_prefix("/v2/").and_then(Resource::parse) else {
            return reply(404).header(CONTENT_TYPE, "text/plain").body("404 page not found\n".into()).unwrap();
        };
        // As in the distribution registry, who may not come in learns nothing of what is there.
        if let Some(refusal) = self.refuse(request, resource.repository()) {
            return refusal;
        }
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let unsupported = ("UNSUPPORTED", "The operation is unsupported.");
            return error(reply(405).header(ALLOW, "GET, HEAD"), unsupported, &Value::Null);
        }
        self.show(&resource)
    }

    fn show(&self, resource: &Resource) -> Response<Body> {
        let state = self.state.lock().unwrap();
        match resource {
            Resource::Base => content(JSON, b"{}"),
            Resource::Manifest { repository, reference } => match state.manifest(repository, reference) {
                Some(manifest) => content(MANIFEST, manifest),
                None => {
                    let unknown = ("MANIFEST_UNKNOWN", "manifest unknown");
                    error(reply(404), unknown, &json!({"Tag": reference}))
                }
            },
            Resource::Blob { digest, .. } => match state.blobs.get(*digest) {
                Some(blob) => content("application/octet-stream", blob),
                None => error(reply(404), ("BLOB_UNKNOWN", "blob unknown to registry"), &json!({"digest": digest})),
            },
            Resource::Tags { repository } => match state.tags(repository) {
                tags if tags.is_empty() => {
                    let unknown = ("NAME_UNKNOWN", "repository name not known to registry");
                    error(reply(404), unknown, &json!({"name": repository}))
                }
                tags => content(JSON, json!({"name": repository, "tags": tags}).to_string().as_bytes()),
            },
        }
    }

    /// The answer that asks for more; `None` if the request may see the repository.
    fn refuse(&self, request: &Request, repository: Option<&str>) -> Option<Response<Body>> {
        match self.auth {
            Auth::Basic => match self.judge(request) {
                Some(true) => None,
                Some(false) | None => Some(self.challenge("Basic realm=\"lab\"".to_owned(), repository)),
            },
            Auth::Token => self.check_token(request, repository).err().map(|fault| {
                let mut challenge = format!("Bearer realm=\"http://{}/token\",service=\"{SERVICE}\"", self.host);
                repository.iter().for_each(|name| challenge += &format!(",scope=\"repository:{name}:pull\""));
                fault.iter().for_each(|fault| challenge += &format!(",error=\"{fault}\""));
                self.challenge(challenge, repository)
            }),
        }
    }

    /// The fault as RFC 6750 names it; none where no token was given.
    fn check_token(&self, request: &Request, repository: Option<&str>) -> Result<(), Option<&'static str>> {
        let token = authorization(request).and_then(|value| value.strip_prefix("Bearer ")).ok_or(None)?;
        let state = self.state.lock().unwrap();
        let granted = state.tokens.get(token).ok_or(Some("invalid_token"))?;
        match repository {
            Some(name) if !granted.iter().any(|known| known == name) => Err(Some("insufficient_scope")),
            _ => Ok(()),
        }
    }

    fn challenge(&self, challenge: String, repository: Option<&str>) -> Response<Body> {
        let detail = repository
            .map_or(Value::Null, |name| json!([{"Type": "repository", "Class": "", "Name": name, "Action": "pull"}]));
        error(reply(401).header(WWW_AUTHENTICATE, challenge), ("UNAUTHORIZED", "authentication required"), &detail)
    }

    /// Whether user and password are right, which is counted; `None` if there are none.
    fn judge(&self, request: &Request) -> Option<bool> {
        let given = authorization(request)?.strip_prefix("Basic ")?;
        let Login { user, password } = self.login;
        let right = STANDARD.decode(given).is_ok_and(|pair| pair == format!("{user}:{password}").into_bytes());
        let mut state = self.state.lock().unwrap();
        if right {
            state.logins += 1;
        } else {
            state.failed_logins += 1;
        }
        Some(right)
    }

    fn give_token(&self, request: &Request) -> Response<Body> {
        if request.method() != Method::GET {
            return reply(405).header(ALLOW, "GET").body(Body::empty()).unwrap();
        }
        let query: Query<Vec<(String, String)>> = Query::try_from_uri(request.uri()).unwrap_or_default();
        if !query.iter().any(|(name, value)| name == "service" && value == SERVICE) {
            let invalid = ("UNSUPPORTED", "the service of this realm is `lab`");
            return error(reply(400), invalid, &Value::Null);
        }
        if self.judge(request) != Some(true) {
            let refusal = reply(401).header(WWW_AUTHENTICATE, "Basic realm=\"lab\"");
            return error(refusal, ("UNAUTHORIZED", "incorrect username or password"), &Value::Null);
        }
        let scopes = query.iter().filter(|(name, _)| name == "scope").flat_map(|(_, value)| value.split(' '));
        let token = random_token();
        self.state.lock().unwrap().tokens.insert(token.clone(), scopes.filter_map(pullable).collect());
        content(JSON, json!({"token": token, "access_token": token, "expires_in": 300}).to_string().as_bytes())
    }
}

impl State {
    fn manifest(&self, repository: &str, reference: &str) -> Option<&Vec<u8>> {
        let of_repository = self.images.iter().filter(|((name, _), _)| name == repository);
        of_repository
            .map(|((_, tag), manifest)| (tag, manifest))
            .find_map(|(tag, manifest)| (tag == reference || digest(manifest) == reference).then_some(manifest))
    }

    fn tags(&self, repository: &str) -> Vec<&str> {
        self.images.keys().filter(|(name, _)| name == repository).map(|(_, tag)| tag.as_str()).collect()
    }
}

impl<'a> Resource<'a> {
    /// Reads the path behind `/v2/`.
    fn parse(path: &'a str) -> Option<Self> {
        if path.is_empty() {
            return Some(Self::Base);
        }
        if let Some(repository) = path.strip_suffix("/tags/list") {
            return Some(Self::Tags { repository });
        }
        let (rest, last) = path.rsplit_once('/')?;
        match rest.rsplit_once('/')? {
            (repository, "manifests") => Some(Self::Manifest { repository, reference: last }),
            (repository, "blobs") => Some(Self::Blob { repository, digest: last }),
            _ => None,
        }
    }

    fn repository(&self) -> Option<&'a str> {
        match self {
            Self::Base => None,
            Self::Manifest { repository, .. } | Self::Blob { repository, .. } | Self::Tags { repository } => {
                Some(repository)
            }
        }
    }
}

/// The repository of a scope such as `repository:team/app:pull,push`, if it may be pulled with it.
fn pullable(scope: &str) -> Option<String> {
    let (name, actions) = scope.strip_prefix("repository:")?.rsplit_once(':')?;
    actions.split(',').any(|action| action == "pull").then(|| name.to_owned())
}

fn authorization(request: &Request) -> Option<&str> {
    request.headers().get(AUTHORIZATION)?.to_str().ok()
}

fn reply(status: u16) -> Builder {
    Response::builder().status(status).header("docker-distribution-api-version", "registry/2.0")
}

fn content(media_type: &str, bytes: &[u8]) -> Response<Body> {
    let digest = digest(bytes);
    let reply = reply(200).header(CONTENT_TYPE, media_type).header(CONTENT_LENGTH, bytes.len());
    let reply = if media_type == JSON {
        reply
    } else {
        reply.header(ETAG, format!("\"{digest}\"")).header("docker-content-digest", digest)
    };
    reply.body(bytes.to_vec().into()).unwrap()
}

/// An error envelope (distribution spec, "Error Codes").
fn error(reply: Builder, (code, message): (&str, &str), detail: &Value) -> Response<Body> {
    let body = json!({"errors": [{"code": code, "message": message, "detail": detail}]}).to_string();
    reply.header(CONTENT_TYPE, JSON).header(CONTENT_LENGTH, body.len()).body(body.into()).unwrap()
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
