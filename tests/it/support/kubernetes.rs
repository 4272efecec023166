//! A Kubernetes API: etcd and kube-apiserver, with one user for each set of permissions. No other part of a cluster
//! runs: no node, and no controller, which `controllers.rs` adds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError, TryLockError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::certificate::{self, Certificate, Signer};
use super::http::{self, Response};
use super::process::{NotReady, Process, command, eventually, free_port, on_free_port, program, shared_folder};

/// A user of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// Has all permissions.
    Admin,
    /// May get, create and update secrets in `openshift` and in the namespaces of
    /// [`Kubernetes::namespace`], and nothing else.
    Writer,
    /// Can log in, and has no other permission.
    Reader,
}

/// A running API server with its etcd.
pub struct Kubernetes {
    /// Stopped first.
    apiserver: Process,
    etcd: Process,
    url: String,
    /// The address of etcd.
    store: String,
    certificate: Certificate,
    folder: PathBuf,
    /// The folder of a private server, removed with it. The folder of the shared server is removed by a later run.
    _folder: Option<TempDir>,
}

impl Kubernetes {
    /// The server that all tests share. Each test has its own namespace there, see
    /// [`Kubernetes::namespace`].
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Kubernetes> = LazyLock::new(|| Kubernetes::start_shared(SHARED_PREFIXES[0]));
        &SHARED
    }

    fn start_shared(prefix: &str) -> Self {
        remove_leftovers();
        let folder = shared_folder().join(format!("{prefix}{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self::start(folder, None)
    }

    /// A shared server with an empty namespace `openshift`, which no other test uses until the guard is dropped. There are
    /// two of them, so that two tests can run at the same time. The other namespaces stay, so each test needs its own.
    pub fn shared_openshift() -> (&'static Self, MutexGuard<'static, ()>) {
        static SECOND: LazyLock<Kubernetes> = LazyLock::new(|| Kubernetes::start_shared(SHARED_PREFIXES[1]));
        static USED: [Mutex<()>; 2] = [Mutex::new(()), Mutex::new(())];
        let (shared, guard) = match USED[0].try_lock() {
            Ok(guard) => (Self::shared(), guard),
            // If a test panicked while it used the namespace, the lock is poisoned, but the next test can still use it.
            Err(TryLockError::Poisoned(lock)) => (Self::shared(), lock.into_inner()),
            Err(TryLockError::WouldBlock) => (&*SECOND, USED[1].lock().unwrap_or_else(PoisonError::into_inner)),
        };
        let emptied = shared.api("DELETE", "/api/v1/namespaces/openshift/secrets", None);
        assert_eq!(emptied.status, 200, "{}", String::from_utf8_lossy(&emptied.body));
        (shared, guard)
    }

    /// A separate server for one test, which may disturb it, for example by stopping it.
    pub fn private() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::start(folder.path().to_owned(), Some(folder))
    }

    fn start(folder: PathBuf, owned: Option<TempDir>) -> Self {
        let certificate = certificate::make(&folder, Signer::Authority);
        fs::write(folder.join("tokens.csv"), tokens()).unwrap();
        let (etcd, store) = on_free_port(|port| start_etcd(&folder, port));
        let (apiserver, url) = on_free_port(|port| start_apiserver(&folder, &certificate, &store, port));
        let server = Self { apiserver, etcd, url, store, certificate, folder, _folder: owned };
        for user in [User::Admin, User::Writer, User::Reader] {
            let config = kubeconfig(&server.url, &server.certificate.ca, user);
            fs::write(server.kubeconfig(user), config.to_string()).unwrap();
        }
        server.namespace("openshift");
        server
    }

    /// Its address, `https://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A kubeconfig that logs the user in with a token and trusts the server's authority.
    pub fn kubeconfig(&self, user: User) -> PathBuf {
        self.folder.join(format!("{}.kubeconfig", user.name()))
    }

    /// A file in the folder of the server.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A client certificate for a user without permissions, `client`, and its key, both in PEM.
    pub fn client_certificate(&self) -> (String, String) {
        let (certificate, key) = certificate::make_client(&self.folder);
        (fs::read_to_string(certificate).unwrap(), fs::read_to_string(key).unwrap())
    }

    /// A client certificate of 2020, and its key, both in PEM.
    pub fn expired_client_certificate(&self) -> (String, String) {
        certificate::make_expired_client(&self.folder)
    }

    /// Creates a namespace, and waits until the writer has its permissions there.
    pub fn namespace(&self, name: &str) {
        let metadata = json!({"name": "writer", "namespace": name});
        let role = "rbac.authorization.k8s.io/v1";
        self.create("/api/v1/namespaces", &json!({"metadata": {"name": name}}));
        self.create(
            &format!("/apis/{role}/namespaces/{name}/roles"),
            &json!({"metadata": metadata, "rules": [
                {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "create", "patch"]},
            ]}),
        );
        self.create(
            &format!("/apis/{role}/namespaces/{name}/rolebindings"),
            &json!({
                "metadata": metadata,
                "subjects": [{"kind": "User", "name": "writer"}],
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "writer"},
            }),
        );
        let secret = format!("/api/v1/namespaces/{name}/secrets/none");
        eventually("the writer may read secrets", || self.api_as(User::Writer, "GET", &secret, None).status == 404);
    }

    /// Runs kubectl as the admin.
    pub fn kubectl(&self, arguments: &[&str]) -> Output {
        Command::new(program("kubectl"))
            .arg("--kubeconfig")
            .arg(self.kubeconfig(User::Admin))
            .arg("--cache-dir")
            .arg(self.folder.join("kubectl-cache"))
            .args(arguments)
            .output()
            .unwrap()
    }

    /// A secret as the API returns it.
    pub fn secret(&self, namespace: &str, name: &str) -> Option<Value> {
        let answer = self.api("GET", &format!("/api/v1/namespaces/{namespace}/secrets/{name}"), None);
        match answer.status {
            404 => None,
            200 => Some(serde_json::from_slice(&answer.body).unwrap()),
            other => panic!("{other}: {}", String::from_utf8_lossy(&answer.body)),
        }
    }

    /// The `.dockerconfigjson` of a secret, decoded.
    pub fn secret_json(&self, namespace: &str, name: &str) -> Option<Value> {
        let secret = self.secret(namespace, name)?;
        let text = secret["data"][".dockerconfigjson"].as_str().expect("a secret of type dockerconfigjson");
        Some(serde_json::from_slice(&STANDARD.decode(text).unwrap()).unwrap())
    }

    /// Creates a secret of type dockerconfigjson with this text as its content.
    pub fn create_secret(&self, namespace: &str, name: &str, content: &str) {
        self.create(
            &format!("/api/v1/namespaces/{namespace}/secrets"),
            &json!({
                "metadata": {"name": name},
                "type": "kubernetes.io/dockerconfigjson",
                "data": {".dockerconfigjson": STANDARD.encode(content)},
            }),
        );
    }

    /// Creates an object in the collection at this path.
    pub fn create(&self, path: &str, object: &Value) {
        let answer = self.api("POST", path, Some(object));
        assert_eq!(answer.status, 201, "{path}: {}", String::from_utf8_lossy(&answer.body));
    }

    /// Changes the object at this path with a merge patch.
    pub fn patch(&self, path: &str, patch: &Value) {
        let answer = self.api("PATCH", path, Some(patch));
        assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    }

    /// The object at this path.
    pub fn get(&self, path: &str) -> Value {
        let answer = self.api("GET", path, None);
        assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// Sends a request to the API as the admin.
    pub fn api(&self, method: &str, path: &str, body: Option<&Value>) -> Response {
        self.api_as(User::Admin, method, path, body)
    }

    /// Sends a request to the API as this user.
    pub fn api_as(&self, user: User, method: &str, path: &str, body: Option<&Value>) -> Response {
        let content_type = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let headers = [("Authorization", &*format!("Bearer {}", user.token())), ("Content-Type", content_type)];
        let body = body.map(Value::to_string).unwrap_or_default();
        http::request(method, &format!("{}{path}", self.url), &headers, body.as_bytes())
    }

    /// Whether the server has responded to such a request, according to its log.
    pub fn has_answered(&self, method: &str, path: &str) -> bool {
        let request = format!("verb=\"{method}\" URI=\"{path}");
        self.apiserver.log().split(&request).skip(1).any(|rest| rest.starts_with(['"', '?']))
    }

    /// How many such requests the server has refused or accepted with this status, according to its log.
    pub fn count(&self, method: &str, path: &str, status: u16) -> usize {
        let request = format!("verb=\"{method}\" URI=\"{path}");
        let log = self.apiserver.log();
        let lines = log.lines().filter(|line| line.contains(&request));
        lines.filter(|line| line.contains(&format!(" resp={status}"))).count()
    }

    /// Kills the API server, and then its etcd.
    pub fn stop(&self) {
        self.stop_apiserver();
        self.etcd.stop();
    }

    /// Kills the API server. Its etcd continues to run.
    pub fn stop_apiserver(&self) {
        self.apiserver.stop();
    }

    /// Starts the API server again after [`Kubernetes::stop_apiserver`], on the same port and with the same etcd.
    pub fn start_apiserver(&mut self) {
        let port = self.url.rsplit_once(':').unwrap().1.parse().unwrap();
        let started = start_apiserver(&self.folder, &self.certificate, &self.store, port);
        self.apiserver = started.unwrap_or_else(|error| panic!("{}", error.into_text())).0;
    }

    /// Sends a request to etcd, past the API server (etcd documentation, "gRPC gateway").
    pub fn etcd(&self, method: &str, body: &Value) -> Value {
        let answer = http::request("POST", &format!("{}/v3/kv/{method}", self.store), &[], body.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{method}: {}", String::from_utf8_lossy(&answer.body));
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// Removes the history from etcd, as the API server does every five minutes.
    pub fn compact(&self) {
        let any = self.etcd("range", &json!({"key": STANDARD.encode("/")}));
        self.etcd("compaction", &json!({"revision": any["header"]["revision"], "physical": true}));
    }
}

impl User {
    fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Writer => "writer",
            Self::Reader => "reader",
        }
    }

    /// The bearer token of the user.
    pub fn token(self) -> String {
        format!("token-of-{}", self.name())
    }
}

/// The folders of the shared servers; the id of the process follows.
const SHARED_PREFIXES: [&str; 2] = ["kubernetes-", "second-kubernetes-"];

/// Removes the folders of shared servers whose test binary has ended.
fn remove_leftovers() {
    for entry in fs::read_dir(shared_folder()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap_or_default();
        if let Some(id) = SHARED_PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix))
            && !Path::new("/proc").join(id).exists()
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The users of the API server: token, user, id, groups.
fn tokens() -> String {
    let admin = format!("{},admin,1,system:masters\n", User::Admin.token());
    [User::Writer, User::Reader]
        .iter()
        .zip(2..)
        .fold(admin, |text, (user, id)| text + &format!("{},{},{id}\n", user.token(), user.name()))
}

fn kubeconfig(url: &str, ca: &Path, user: User) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": ca}}],
        "users": [{"name": user.name(), "user": {"token": user.token()}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": user.name()}}],
        "current-context": "test",
    })
}

fn start_etcd(folder: &Path, port: u16) -> Result<(Process, String), NotReady> {
    let client = format!("http://127.0.0.1:{port}");
    let peer = format!("http://127.0.0.1:{}", free_port());
    let mut command = command(&program("etcd"));
    command.arg("--data-dir").arg(folder.join(format!("etcd-{port}"))).args([
        "--listen-client-urls",
        &client,
        "--advertise-client-urls",
        &client,
        "--listen-peer-urls",
        &peer,
        "--initial-advertise-peer-urls",
        &peer,
        "--initial-cluster",
        &format!("default={peer}"),
        "--unsafe-no-fsync",
    ]);
    let process = Process::start(command, &folder.join("etcd.log"));
    let health = format!("{client}/health");
    process.wait_until(|| {
        process.listens_on(port) && http::try_request("GET", &health, &[], b"").is_ok_and(|answer| answer.status == 200)
    })?;
    Ok((process, client))
}

fn start_apiserver(
    folder: &Path,
    certificate: &Certificate,
    etcd: &str,
    port: u16,
) -> Result<(Process, String), NotReady> {
    let url = format!("https://127.0.0.1:{port}");
    let mut command = command(&program("kube-apiserver"));
    command
        .args(["--etcd-servers", etcd, "--bind-address", "127.0.0.1", "--secure-port", &port.to_string()])
        .args(["--authorization-mode", "RBAC", "--service-cluster-ip-range", "10.0.0.0/24"])
        // The log then contains one line for each request.
        .arg("--v=3")
        // Without the controllers no namespace has the service account that this plugin requires.
        .args(["--disable-admission-plugins", "ServiceAccount"])
        .args(["--service-account-issuer", "https://kubernetes.default.svc"])
        .arg("--service-account-key-file")
        .arg(&certificate.certificate)
        .arg("--service-account-signing-key-file")
        .arg(&certificate.key)
        .arg("--tls-cert-file")
        .arg(&certificate.certificate)
        .arg("--tls-private-key-file")
        .arg(&certificate.key)
        .arg("--cert-dir")
        .arg(folder.join("certs"))
        .arg("--client-ca-file")
        .arg(&certificate.ca)
        .arg("--token-auth-file")
        .arg(folder.join("tokens.csv"));
    let process = Process::start(command, &folder.join("kube-apiserver.log"));
    let ready = format!("{url}/readyz");
    process.wait_until(|| {
        // Until all parts are ready, the response lists them.
        process.listens_on(port) && http::try_request("GET", &ready, &[], b"").is_ok_and(|answer| answer.body == b"ok")
    })?;
    Ok((process, url))
}
