//! Registries: Debian's `docker-registry` with every authentication scheme of real registries, and the token server of
//! the distribution project. Failed logins are counted in the logs of the servers.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::certificate::{self, Certificate, Flaw, Signer};
use super::http::{self, Response, basic};
use super::network::{Door, Network};
use super::process::{Process, command, on_free_port, program, run};

/// How a registry requires credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// No credentials are required.
    Anonymous,
    /// With a Basic challenge.
    Basic,
    /// With a Bearer challenge. The parameter is the transport of the token server. A user may pull and push only
    /// `<user>/…`; a token for anything else grants no access.
    Token(Transport),
    /// The same over TLS, but the registry names the token server with `http://`, as registries do behind a proxy that
    /// sends no `X-Forwarded-Proto`.
    TokenNamedHttp(Signer),
}

/// The transport of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Http,
    Tls(Signer),
    /// TLS with a certificate that no client may accept.
    Flawed(Flaw),
    /// TLS only for clients with a certificate of the same authority ([`Registry::client_certificate`]).
    Mutual,
}

/// A request in the access log of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub status: u16,
}

/// A running registry, with its token server if it has one.
pub struct Registry {
    auth: Auth,
    url: String,
    port: u16,
    ca: Option<PathBuf>,
    client: Option<http::Identity>,
    process: Process,
    tokens: Option<TokenServer>,
    _door: Option<Door>,
    _folder: TempDir,
}

struct TokenServer {
    process: Process,
    url: String,
    ca: Option<PathBuf>,
}

impl Registry {
    /// Starts an empty registry with these users and passwords.
    pub fn start(auth: Auth, transport: Transport, users: &[(&str, &str)]) -> Self {
        Self::start_with(auth, transport, users, |server| (command(server), None))
    }

    /// The same in a separate network, with a `Door` for [`Registry::push`]. It has no token server.
    pub fn start_inside(network: &Network, auth: Auth, transport: Transport, users: &[(&str, &str)]) -> Self {
        assert!(matches!(auth, Auth::Anonymous | Auth::Basic), "a token server in a separate network");
        Self::start_with(auth, transport, users, |server| (network.command(server), Some(network)))
    }

    fn start_with<'a>(
        auth: Auth,
        transport: Transport,
        users: &[(&str, &str)],
        how: impl Fn(&Path) -> (Command, Option<&'a Network>),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path();
        write_users(&home.join("htpasswd"), users);
        let tokens = match auth {
            Auth::Token(transport) => Some(TokenServer::start(home, transport)),
            Auth::TokenNamedHttp(signer) => Some(TokenServer::start(home, Transport::Tls(signer))),
            Auth::Anonymous | Auth::Basic => None,
        };
        let certificate = make_certificate(home, "registry", transport);
        fs::write(home.join("config.yml"), configuration(home, auth, tokens.as_ref(), certificate.as_ref(), transport))
            .unwrap();

        let (mut command, network) = how(&program("docker-registry"));
        command.arg("serve").arg(home.join("config.yml"));
        let process = Process::start(command, &home.join("registry.log"));
        let ready = process.wait_until(|| port(&process.log()).is_some());
        ready.unwrap_or_else(|error| panic!("{}", error.into_text()));
        let port = port(&process.log()).unwrap();
        let door = network.map(|network| network.door_to(port));
        let url = url(transport, door.as_ref().map_or(port, Door::port));
        let client = (transport == Transport::Mutual).then(|| certificate::make_client(&home.join("registry")));
        let ca = certificate.map(|certificate| certificate.ca);
        Self { auth, url, port, ca, client, process, tokens, _door: door, _folder: folder }
    }

    /// The port of the registry, in the network where it runs.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its name in an inventory, `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        self.url.split_once("://").unwrap().1
    }

    /// `127.0.0.1:PORT` of its token server.
    pub fn realm_host(&self) -> &str {
        let tokens = self.tokens.as_ref().expect("no token server");
        tokens.url.split_once("://").unwrap().1.split('/').next().unwrap()
    }

    /// The certificate that a client must trust: that of the authority, or the registry's own.
    pub fn ca_file(&self) -> &Path {
        self.ca.as_deref().expect("this registry speaks plain HTTP")
    }

    /// A certificate and its key that this registry accepts from clients; PEM files.
    pub fn client_certificate(&self) -> (&Path, &Path) {
        let (certificate, key) = self.client.as_ref().expect("this registry wants no client certificate");
        (certificate, key)
    }

    /// The certificate that a client must trust to connect to the token server.
    pub fn realm_ca_file(&self) -> &Path {
        self.tokens.as_ref().and_then(|tokens| tokens.ca.as_deref()).expect("no token server with TLS")
    }

    /// Pushes an image of minimum size and returns its digest.
    pub fn push(&self, repository: &str, tag: &str, user: &str, password: &str) -> String {
        let authorization = self.log_in(repository, user, password);
        let headers: Vec<(&str, &str)> = authorization.iter().map(|value| ("Authorization", value.as_str())).collect();
        let config = br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;

        let upload = format!("{}/v2/{repository}/blobs/uploads/", self.url);
        let answer = expect(202, self.request("POST", &upload, &headers, b""));
        let place = format!("{}&digest={}", answer.headers["location"], digest(config));
        expect(201, self.request("PUT", &place, &headers, config));

        let kind = "application/vnd.docker.distribution.manifest.v2+json";
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": kind,
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": config.len(),
                "digest": digest(config),
            },
            "layers": [],
        })
        .to_string();
        let headers = [&headers[..], &[("Content-Type", kind)]].concat();
        let place = format!("{}/v2/{repository}/manifests/{tag}", self.url);
        let answer = expect(201, self.request("PUT", &place, &headers, manifest.as_bytes()));
        answer.headers["docker-content-digest"].clone()
    }

    /// How many logins were refused so far because of a wrong user or password. A request without credentials is not
    /// counted.
    pub fn failed_logins(&self) -> usize {
        let log = self.tokens.as_ref().map_or_else(|| self.process.log(), |tokens| tokens.process.log());
        log.lines().filter(|line| line.contains("error authenticating user")).count()
    }

    /// The requests so far, except those of [`Registry::push`]. The server writes a line after it has sent the
    /// response, so the line of the last request may be missing for a moment.
    pub fn requests(&self) -> Vec<Request> {
        self.process.log().lines().filter(|line| !line.contains(http::USER_AGENT)).filter_map(parse_access).collect()
    }

    /// The log of the registry, followed by that of the token server.
    pub fn log(&self) -> String {
        let tokens = self.tokens.as_ref().map(|tokens| tokens.process.log());
        self.process.log() + &tokens.unwrap_or_default()
    }

    /// Switches the registry off; its port then refuses connections.
    pub fn stop(&self) {
        self.process.stop();
    }

    /// An identity token of a user, from its token server.
    pub fn identity_token(&self, user: &str, password: &str) -> String {
        self.token("offline_token=true", "refresh_token", user, password)
    }

    fn log_in(&self, repository: &str, user: &str, password: &str) -> Option<String> {
        match self.auth {
            Auth::Anonymous => None,
            Auth::Basic => Some(basic(user, password)),
            Auth::Token(_) | Auth::TokenNamedHttp(_) => {
                let scope = format!("scope=repository:{repository}:pull,push");
                Some(format!("Bearer {}", self.token(&scope, "access_token", user, password)))
            }
        }
    }

    /// The member of this `name` in the token server's response.
    fn token(&self, query: &str, name: &str, user: &str, password: &str) -> String {
        let realm = &self.tokens.as_ref().expect("no token server").url;
        let url = format!("{realm}?service=registry&{query}");
        let answer = expect(200, http::request("GET", &url, &[("Authorization", &basic(user, password))], b""));
        let answer: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        answer[name].as_str().unwrap().to_owned()
    }

    fn request(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        http::request_as(self.client.as_ref(), method, url, headers, body)
    }
}

impl TokenServer {
    fn start(home: &Path, transport: Transport) -> Self {
        let certificate = make_certificate(home, "realm", transport);
        let (key, trusted) = (home.join("token.key"), home.join("token.crt"));
        // The server can only read the old PEM format.
        run(Command::new("openssl").args(["ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out"]).arg(&key));
        run(Command::new("openssl")
            .args(["req", "-new", "-x509", "-days", "2", "-subj", "/CN=issuer", "-key"])
            .arg(&key)
            .arg("-out")
            .arg(&trusted));
        on_free_port(|port| {
            let mut command = command(&program("token-server"));
            command.args(["-issuer", "issuer", "-realm", "registry", "-addr", &format!("127.0.0.1:{port}")]);
            command.arg("-key").arg(&key).arg("-passwd").arg(home.join("htpasswd"));
            if let Some(certificate) = &certificate {
                command.arg("-tlscert").arg(&certificate.certificate).arg("-tlskey").arg(&certificate.key);
            }
            let process = Process::start(command, &home.join("tokens.log"));
            process.wait_until(|| process.listens_on(port))?;
            let ca = certificate.as_ref().map(|certificate| certificate.ca.clone());
            Ok(Self { process, url: format!("{}/token/", url(transport, port)), ca })
        })
    }
}

fn write_users(file: &Path, users: &[(&str, &str)]) {
    fs::write(file, "").unwrap();
    for (user, password) in users {
        // From its standard input, htpasswd reads only one line.
        let is_one_line = !password.contains('\n');
        let mut child = Command::new(program("htpasswd"))
            .args([if is_one_line { "-i" } else { "-b" }, "-B", "-C", "4"])
            .arg(file)
            .arg(user)
            .args((!is_one_line).then_some(password))
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        if is_one_line {
            child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
        }
        assert!(child.wait().unwrap().success(), "htpasswd refused the user {user}");
    }
}

fn make_certificate(home: &Path, name: &str, transport: Transport) -> Option<Certificate> {
    let folder = home.join(name);
    fs::create_dir(&folder).unwrap();
    match transport {
        Transport::Http => None,
        Transport::Tls(signer) => Some(certificate::make(&folder, signer)),
        Transport::Flawed(flaw) => Some(certificate::make_flawed(&folder, flaw)),
        Transport::Mutual => Some(certificate::make(&folder, Signer::Authority)),
    }
}

/// The configuration is written as JSON, which is valid YAML and needs no rules for quotes.
fn configuration(
    home: &Path,
    auth: Auth,
    tokens: Option<&TokenServer>,
    certificate: Option<&Certificate>,
    transport: Transport,
) -> String {
    let mut config = serde_json::json!({
        "version": "0.1",
        "log": {"level": "info", "formatter": "json"},
        "storage": {"inmemory": {}, "maintenance": {"uploadpurging": {"enabled": false}}},
        "http": {"addr": "127.0.0.1:0", "secret": "not-shared-with-anyone"},
    });
    match auth {
        Auth::Anonymous => {}
        Auth::Basic => {
            config["auth"] = serde_json::json!({"htpasswd": {"realm": "registry", "path": home.join("htpasswd")}})
        }
        Auth::Token(_) | Auth::TokenNamedHttp(_) => {
            let url = &tokens.unwrap().url;
            let realm = match auth {
                Auth::TokenNamedHttp(_) => url.replacen("https:", "http:", 1),
                _ => url.clone(),
            };
            let trusted = home.join("token.crt");
            config["auth"] = serde_json::json!({"token": {
                "realm": realm, "service": "registry", "issuer": "issuer", "rootcertbundle": trusted,
            }});
        }
    }
    if let Some(certificate) = certificate {
        config["http"]["tls"] = serde_json::json!({"certificate": certificate.certificate, "key": certificate.key});
        if transport == Transport::Mutual {
            config["http"]["tls"]["clientcas"] = serde_json::json!([certificate.ca]);
        }
    }
    config.to_string()
}

fn url(transport: Transport, port: u16) -> String {
    let scheme = if transport == Transport::Http { "http" } else { "https" };
    format!("{scheme}://127.0.0.1:{port}")
}

/// The port that the kernel assigned, from the log of the registry.
fn port(log: &str) -> Option<u16> {
    let (_, rest) = log.split_once("listening on 127.0.0.1:")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Reads `127.0.0.1 - - [time] "GET /v2/ HTTP/1.1" 401 87 "" "agent"`.
fn parse_access(line: &str) -> Option<Request> {
    let mut parts = line.strip_prefix("127.0.0.1 - ")?.split('"').skip(1);
    let (request, rest) = (parts.next()?, parts.next()?);
    let mut words = request.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    Some(Request { method, path, status: rest.split_whitespace().next()?.parse().ok()? })
}

fn digest(bytes: &[u8]) -> String {
    let digest = openssl::hash::hash(openssl::hash::MessageDigest::sha256(), bytes).unwrap();
    digest.iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

fn expect(status: u16, answer: Response) -> Response {
    assert_eq!(answer.status, status, "{}", String::from_utf8_lossy(&answer.body));
    answer
}
