//! A registry in this process whose responses a test defines, and that records each request. The unit tests, the
//! integration tests and the quickstart include this file; it uses nothing of the crate.

#![allow(dead_code, reason = "each of them uses a part")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::Response;
use axum::http::header::{ACCEPT, AUTHORIZATION, HOST};
use axum::serve::Listener;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_native_tls::{TlsAcceptor, TlsStream};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    pub method: String,
    pub host: String,
    pub path: String,
    pub query: String,
    pub authorization: Option<String>,
    pub accept: Option<String>,
    pub body: String,
}

impl Received {
    /// Whether this is the right password of `alice`.
    pub fn is_alice(&self) -> bool {
        self.is_login("alice", "right")
    }

    /// Whether the request carries this user and password.
    pub fn is_login(&self, user: &str, password: &str) -> bool {
        self.authorization.as_deref() == Some(&basic(user, password))
    }
}

/// A listening registry, stopped when dropped.
pub struct Double {
    pub host: String,
    received: Arc<Mutex<Vec<Received>>>,
    task: JoinHandle<()>,
}

impl Double {
    pub async fn start(script: impl Fn(&Received) -> Response<Body> + Clone + Send + Sync + 'static) -> Self {
        Self::slow(|_| Duration::ZERO, script).await
    }

    /// A registry that responds slowly.
    pub async fn slow(
        pause: impl Fn(&Received) -> Duration + Clone + Send + Sync + 'static,
        script: impl Fn(&Received) -> Response<Body> + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::listening("127.0.0.1:0", pause, script).await
    }

    /// A registry at another address.
    pub async fn on(
        address: &str,
        script: impl Fn(&Received) -> Response<Body> + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::listening(address, |_| Duration::ZERO, script).await
    }

    /// A registry over TLS; certificate and key (PKCS #8) are PEM.
    pub async fn secure(
        certificate: &[u8],
        key: &[u8],
        script: impl Fn(&Received) -> Response<Body> + Clone + Send + Sync + 'static,
    ) -> Self {
        let identity = native_tls::Identity::from_pkcs8(certificate, key).unwrap();
        let acceptor = TlsAcceptor::from(native_tls::TlsAcceptor::new(identity).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self::serving(address, TlsListener::new(listener, acceptor), |_| Duration::ZERO, script)
    }

    async fn listening(
        address: &str,
        pause: impl Fn(&Received) -> Duration + Clone + Send + Sync + 'static,
        script: impl Fn(&Received) -> Response<Body> + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        Self::serving(listener.local_addr().unwrap(), listener, pause, script)
    }

    fn serving(
        address: SocketAddr,
        listener: impl Listener<Addr = SocketAddr>,
        pause: impl Fn(&Received) -> Duration + Clone + Send + Sync + 'static,
        script: impl Fn(&Received) -> Response<Body> + Clone + Send + Sync + 'static,
    ) -> Self {
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let log = Arc::clone(&received);
        let app = axum::Router::new().fallback(async move |request: Request| {
            let request = read(request).await;
            log.lock().unwrap().push(request.clone());
            let pause = pause(&request);
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            script(&request)
        });
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { host: address.to_string(), received, task }
    }

    /// Stops listening. Afterwards the port refuses connections.
    pub async fn stop(mut self) {
        self.task.abort();
        // The task ends with an error, because it was aborted. Its listener is closed then.
        let _ = (&mut self.task).await;
    }

    /// `METHOD path` of each request, in order.
    pub fn request_lines(&self) -> Vec<String> {
        self.requests().iter().map(|received| format!("{} {}", received.method, received.path)).collect()
    }

    pub fn requests(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// How many requests carried user and password, or an identity token.
    pub fn logins(&self) -> usize {
        let identities = self.requests().iter().filter(|received| received.body.contains("refresh_token=")).count();
        self.carrying("Basic ") + identities
    }

    /// How many requests carried a token.
    pub fn tokens(&self) -> usize {
        self.carrying("Bearer ")
    }

    fn carrying(&self, scheme: &str) -> usize {
        let all = self.requests();
        all.iter()
            .filter(|received| received.authorization.as_ref().is_some_and(|value| value.starts_with(scheme)))
            .count()
    }
}

/// Completes the handshakes of all connections at the same time, because a client may connect and send nothing.
struct TlsListener {
    accepted: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl TlsListener {
    fn new(listener: TcpListener, acceptor: TlsAcceptor) -> Self {
        let (done, accepted) = mpsc::channel(64);
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((stream, from)) = listener.accept().await {
                let (acceptor, done) = (acceptor.clone(), done.clone());
                tokio::spawn(async move {
                    // A client that rejects the certificate ends the handshake, which is what many tests expect.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let _ = done.send((stream, from)).await;
                    }
                });
            }
        });
        Self { accepted, address, task }
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        match self.accepted.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl Drop for TlsListener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(request: Request) -> Received {
    let (request, body) = request.into_parts();
    let header = |name| request.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    Received {
        method: request.method.to_string(),
        host: header(HOST).unwrap_or_default(),
        path: request.uri.path().to_owned(),
        query: request.uri.query().unwrap_or_default().to_owned(),
        authorization: header(AUTHORIZATION),
        accept: header(ACCEPT),
        body: String::from_utf8(to_bytes(body, 65_536).await.unwrap().to_vec()).unwrap(),
    }
}

pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

pub fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Body::from(body.to_owned())).unwrap()
}

/// A manifest with its digest.
pub fn manifest() -> Response<Body> {
    let digest = format!("sha256:{}", "a".repeat(64));
    reply(200, &[("content-type", JSON), ("docker-content-digest", &digest)], "{}")
}

pub fn challenge_basic() -> Response<Body> {
    reply(401, &[("www-authenticate", r#"Basic realm="double""#)], UNAUTHORIZED)
}

pub fn challenge_bearer(received: &Received) -> Response<Body> {
    let challenge = format!(r#"Bearer realm="http://{}/token",service="double""#, received.host);
    reply(401, &[("www-authenticate", &challenge)], UNAUTHORIZED)
}

pub fn token() -> Response<Body> {
    reply(200, &[("content-type", "application/json")], r#"{"token":"opensesame"}"#)
}

/// A token that names its user.
pub fn token_for(subject: &str, number: u32) -> String {
    format!("e30.{}.sig{number}", URL_SAFE_NO_PAD.encode(format!(r#"{{"sub":"{subject}"}}"#)))
}

/// A registry with token authentication that serves its image for the right password.
pub fn bearer_registry(received: &Received) -> Response<Body> {
    match (received.path.as_str(), received.authorization.as_deref()) {
        ("/token", _) if received.is_alice() => token(),
        ("/token", _) => reply(401, &[], UNAUTHORIZED),
        (MANIFEST, Some("Bearer opensesame")) => manifest(),
        _ => challenge_bearer(received),
    }
}

/// A registry with Basic authentication that serves its image for the right password.
pub fn basic_registry(received: &Received) -> Response<Body> {
    match received.path.as_str() {
        MANIFEST if received.is_alice() => manifest(),
        "/v2/" if received.is_alice() => accepted(),
        _ => challenge_basic(),
    }
}

/// The response of `/v2/` to a request that is logged in.
pub fn accepted() -> Response<Body> {
    reply(200, &[("content-type", "application/json")], "{}")
}

pub const MANIFEST: &str = "/v2/team/app/manifests/v1";
pub const JSON: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub const UNAUTHORIZED: &str = r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;

pub type Script = fn(&Received) -> Response<Body>;

/// A registry with a token server; `script` determines the response to a request for the manifest with a login.
pub fn protected(script: Script) -> impl Fn(&Received) -> Response<Body> + Clone {
    move |received: &Received| match (received.path.as_str(), &received.authorization) {
        ("/token", Some(_)) => token(),
        (MANIFEST, Some(_)) => script(received),
        _ => challenge_bearer(received),
    }
}
