//! Which API server, and as whom: kubeconfig files or the service account of a pod. Reads files and
//! environment; contacts nobody. Never shows a line of a kubeconfig, since any may hold a token.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use kube::Config;
use kube::config::{AuthInfo, Cluster, ExecAuthCluster, Kubeconfig, KubeconfigError};
use openssl::x509::X509;

use super::diagnosis::Purpose;
use crate::failure::{Failure, without_errno};
use crate::secret::PASSWORD_VARIABLE;

/// The token of a pod's service account.
const POD_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
/// Set in every pod.
const POD_HOST: &str = "KUBERNETES_SERVICE_HOST";
/// Named in every request, so that an audit log shows who asked.
const USER_AGENT: &str = concat!("oregano/", env!("CARGO_PKG_VERSION"));

/// What to do about a file that does not do.
const ANOTHER: &str = "correct it, or give another with `--kubeconfig FILE`";

/// Where the way to the API server is described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Kubeconfig files, merged as kubectl does: the first that sets a value wins.
    Files(Vec<PathBuf>),
    /// The service account of the pod this runs in.
    InCluster,
}

/// Decides between `--kubeconfig`, the list in `KUBECONFIG`, `.kube/config` in `home`, and the pod's own
/// account, in this order. Files of the list that do not exist are passed over, as kubectl does.
///
/// # Errors
/// If there is none of them, or the file that was named does not exist.
pub fn locate(
    purpose: Purpose,
    flag: Option<&Path>,
    variable: Option<&OsStr>,
    home: Option<&Path>,
) -> Result<Source, Failure> {
    let without = purpose.without_api();
    if let Some(path) = flag {
        return existing(path).map(|path| Source::Files(vec![path])).ok_or_else(|| {
            Failure::new(format!("kubeconfig `{}` does not exist", path.display())).hint("check `--kubeconfig`")
        });
    }
    let listed: Vec<PathBuf> =
        std::env::split_paths(variable.unwrap_or_default()).filter(|path| !path.as_os_str().is_empty()).collect();
    if !listed.is_empty() {
        let found: Vec<PathBuf> = listed.iter().filter_map(|path| existing(path)).collect();
        return if found.is_empty() { Err(nothing_listed(&listed, without)) } else { Ok(Source::Files(found)) };
    }
    if let Some(path) = home.and_then(|home| existing(&home.join(".kube/config"))) {
        return Ok(Source::Files(vec![path]));
    }
    if std::env::var_os(POD_HOST).is_some() && Path::new(POD_TOKEN).exists() {
        return Ok(Source::InCluster);
    }
    Err(Failure::new("no kubeconfig was found")
        .cause("neither `--kubeconfig` nor `KUBECONFIG` is set, `~/.kube/config` does not exist, and this is not a pod")
        .hint(format!("give `--kubeconfig FILE` or set KUBECONFIG; {without}")))
}

fn existing(path: &Path) -> Option<PathBuf> {
    path.exists().then(|| path.to_owned())
}

fn nothing_listed(paths: &[PathBuf], without: &str) -> Failure {
    let names: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
    Failure::new(format!("no file named in KUBECONFIG exists: {}", names.join(", ")))
        .hint(format!("correct or unset KUBECONFIG, or give `--kubeconfig FILE`; {without}"))
}

/// What the client needs to know, with proxies as the environment has them. Contacts nobody.
///
/// # Errors
/// If a file cannot be read, or does not name a server.
pub fn load(source: &Source) -> Result<Config, Failure> {
    let mut config = match source {
        Source::Files(paths) => from_files(paths)?,
        Source::InCluster => Config::incluster()
            .map_err(|error| Failure::new("the service account of this pod cannot be used").cause(error.to_string()))?,
    };
    if config.proxy_url.is_none() {
        // kube compares NO_PROXY with the address of the proxy itself, and stops at an empty element of it.
        let proxy = Matcher::from_system().intercept(&config.cluster_url).map(|proxy| proxy_url(&proxy));
        config.proxy_url = proxy.and_then(|url| url.parse().ok());
    }
    if let (Ok(name), Ok(value)) = ("user-agent".parse(), USER_AGENT.parse()) {
        config.headers.push((name, value));
    }
    Ok(config)
}

/// The files that are read as one, for messages.
struct Named<'a>(&'a [PathBuf]);

/// The parts of a kubeconfig that its current context selects.
struct Selected {
    cluster: Cluster,
    user: AuthInfo,
}

impl Named<'_> {
    fn fault(&self, fault: &str) -> Failure {
        let names: Vec<String> = self.0.iter().map(|path| format!("`{}`", path.display())).collect();
        Failure::new(format!("kubeconfig {} {fault}", names.join(", "))).hint(ANOTHER)
    }

    fn no_authority(&self, reason: &str) -> Failure {
        self.fault("has a certificate authority that cannot be used").cause(reason)
    }
}

/// Built by hand: the crate's own way would bring its reading of NO_PROXY along.
fn from_files(paths: &[PathBuf]) -> Result<Config, Failure> {
    let named = Named(paths);
    let Selected { cluster, user } = select(read(paths)?, &named)?;
    let server = cluster.server.as_deref().filter(|server| !server.is_empty());
    let server = server.ok_or_else(|| named.fault("names no `server` for its cluster"))?;
    let url = server.parse().map_err(|_| named.fault(&format!("has a `server` that is not a URL: `{server}`")))?;
    let mut config = Config::new(url);
    config.root_cert = authority(&cluster, &named)?;
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
    if let Some(proxy) = cluster.proxy_url.as_deref().filter(|proxy| !proxy.is_empty()) {
        // Its text may hold a password.
        let url = proxy.parse().map_err(|_| named.fault("has a `proxy-url` that is not a URL"))?;
        config.proxy_url = Some(url);
    }
    config.tls_server_name = cluster.tls_server_name;
    config.auth_info = user;
    Ok(config)
}

fn read(paths: &[PathBuf]) -> Result<Kubeconfig, Failure> {
    let mut merged = Kubeconfig::default();
    for path in paths {
        let next = Kubeconfig::read_from(path).map_err(|error| unreadable(path, &error))?;
        merged = merged.merge(next).map_err(|error| unreadable(path, &error))?;
    }
    Ok(merged)
}

fn unreadable(path: &Path, error: &KubeconfigError) -> Failure {
    let failure = Named(&[path.to_owned()]).fault("cannot be used");
    match error {
        KubeconfigError::ReadConfig(error, _) => failure.cause(without_errno(error)),
        // The parser's own text quotes the file.
        KubeconfigError::Parse(error) => match error.location() {
            Some(at) => failure.cause(format!("not a kubeconfig: line {}, column {}", at.line(), at.column())),
            None => failure.cause("not a kubeconfig"),
        },
        other => failure.cause(other.to_string()),
    }
}

fn select(config: Kubeconfig, named: &Named<'_>) -> Result<Selected, Failure> {
    let name = config
        .current_context
        .filter(|name| !name.is_empty())
        .ok_or_else(|| named.fault("has no `current-context`").hint("choose one with `oc config use-context NAME`"))?;
    let missing = |kind: &str, name: &str| {
        let hint = "look at `oc config get-contexts`, and choose one with `oc config use-context NAME`";
        named.fault(&format!("has no {kind} `{name}`")).hint(hint)
    };
    let context = config.contexts.into_iter().find(|entry| entry.name == name).and_then(|entry| entry.context);
    let context = context.ok_or_else(|| missing("context", &name))?;
    let cluster = config.clusters.into_iter().find(|entry| entry.name == context.cluster);
    let cluster = cluster.and_then(|entry| entry.cluster).ok_or_else(|| missing("cluster", &context.cluster))?;
    // Like kubectl: a user that is not there is nobody.
    let user = config.auth_infos.into_iter().find(|entry| Some(&entry.name) == context.user.as_ref());
    let mut user = user.and_then(|entry| entry.auth_info).unwrap_or_default();
    if let Some(exec) = &mut user.exec {
        exec.drop_env.get_or_insert_default().push(PASSWORD_VARIABLE.to_owned());
    }
    if let Some(exec) = user.exec.as_mut().filter(|exec| exec.provide_cluster_info) {
        let described = ExecAuthCluster::try_from(&cluster);
        exec.cluster = Some(described.map_err(|error| named.no_authority(&error.to_string()))?);
    }
    Ok(Selected { cluster, user })
}

/// The certificates, in DER, that the API server's certificate must descend from.
fn authority(cluster: &Cluster, named: &Named<'_>) -> Result<Option<Vec<Vec<u8>>>, Failure> {
    let pem = match (cluster.certificate_authority_data.as_deref(), cluster.certificate_authority.as_deref()) {
        (Some(data), _) if !data.is_empty() => {
            STANDARD.decode(data).map_err(|_| named.no_authority("`certificate-authority-data` is not base64"))?
        }
        (_, Some(path)) if !path.is_empty() => {
            std::fs::read(path).map_err(|error| named.no_authority(&format!("`{path}`: {}", without_errno(&error))))?
        }
        _ => return Ok(None),
    };
    let certificates = X509::stack_from_pem(&pem).unwrap_or_default();
    if certificates.is_empty() {
        return Err(named.no_authority("it holds no certificate in PEM"));
    }
    let ders = certificates.iter().map(|certificate| certificate.to_der()).collect::<Result<_, _>>();
    ders.map(Some).map_err(|error| named.no_authority(&error.to_string()))
}

/// A proxy of the environment as kube takes it: with its login as percent-encoded user information.
fn proxy_url(proxy: &Intercept) -> String {
    let login = match (proxy.basic_auth(), proxy.raw_auth()) {
        (Some(header), _) => header
            .to_str()
            .ok()
            .and_then(|value| STANDARD.decode(value.strip_prefix("Basic ")?).ok())
            .map(|pair| format!("{}@", percent_encode(&pair))),
        (None, Some((user, password))) => Some(format!("{}@", percent_encode(format!("{user}:{password}").as_bytes()))),
        (None, None) => None,
    };
    // kube knows one spelling of it; the name is resolved by the proxy in either.
    let scheme = proxy.uri().scheme_str().map(|scheme| if scheme == "socks5h" { "socks5" } else { scheme });
    let host = proxy.uri().authority().map(|authority| authority.as_str()).unwrap_or_default();
    format!("{}://{}{host}", scheme.unwrap_or("http"), login.unwrap_or_default())
}

fn percent_encode(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|&byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(dir: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    const WHOLE: &str = "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n\
                         clusters: [{name: k, cluster: {server: 'https://api.example.com:6443'}}]\n\
                         users: [{name: u, user: {token: sesame}}]\n";

    #[test]
    fn the_flag_wins_then_the_list_then_the_home() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (file(&dir, "one", ""), file(&dir, "two", ""));
        let home = file(&dir, ".kube/config", "");
        let list = std::env::join_paths([&one, &dir.path().join("missing"), &two]).unwrap();
        let files = |paths: &[&PathBuf]| Ok(Source::Files(paths.iter().map(|&path| path.clone()).collect()));
        assert_eq!(locate(Purpose::Run, Some(&two), Some(&list), Some(dir.path())), files(&[&two]));
        assert_eq!(locate(Purpose::Run, None, Some(&list), Some(dir.path())), files(&[&one, &two]));
        assert_eq!(locate(Purpose::Run, None, Some(OsStr::new("")), Some(dir.path())), files(&[&home]));
        assert_eq!(locate(Purpose::Run, None, Some(OsStr::new("::")), Some(dir.path())), files(&[&home]));
        assert_eq!(locate(Purpose::Run, None, None, Some(dir.path())), files(&[&home]));
    }

    #[test]
    fn nothing_found_says_what_to_do() {
        let nowhere = Path::new("/dev/null/none");
        let flag = locate(Purpose::Run, Some(&nowhere.join("k")), None, None).unwrap_err();
        assert_eq!(flag.message, "kubeconfig `/dev/null/none/k` does not exist");
        let list = locate(Purpose::Run, None, Some(OsStr::new("/dev/null/none/a:/dev/null/none/b")), None).unwrap_err();
        assert!(list.message.contains("`/dev/null/none/a`, `/dev/null/none/b`"));
        let none = locate(Purpose::Run, None, None, Some(nowhere)).unwrap_err();
        let hint = none.hint.unwrap();
        assert!(["--kubeconfig", "KUBECONFIG", "--only nodes"].iter().all(|way| hint.contains(way)));
        for purpose in [Purpose::Explain, Purpose::Login] {
            let hint = locate(purpose, None, None, Some(nowhere)).unwrap_err().hint.unwrap();
            assert!(!hint.contains("--only") && hint.contains(purpose.without_api()), "{hint}");
        }
    }

    #[test]
    fn files_are_merged_and_the_first_wins() {
        let dir = tempfile::tempdir().unwrap();
        let first = file(&dir, "a", "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]");
        let config = from_files(&[first, file(&dir, "b", &WHOLE.replace("current-context: c", "current-context: x"))]);
        assert_eq!(config.unwrap().cluster_url.to_string(), "https://api.example.com:6443/");
    }

    #[test]
    fn a_login_plugin_does_not_see_the_password_of_a_login() {
        let dir = tempfile::tempdir().unwrap();
        let plugin = "exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, interactiveMode: Never}";
        let config = from_files(&[file(&dir, "a", &WHOLE.replace("token: sesame", plugin))]).unwrap();
        assert_eq!(config.auth_info.exec.unwrap().drop_env.unwrap(), [PASSWORD_VARIABLE]);
    }

    #[test]
    fn faults_are_named_and_no_line_is_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let cases = [
            ("users: [{name: sesame", "cannot be used"),
            ("[]", "cannot be used"),
            ("", "has no `current-context`"),
            ("current-context: ''", "has no `current-context`"),
            ("current-context: sesam", "no context `sesam`"),
            (&WHOLE.replace("{name: k, ", "{name: other, "), "no cluster `k`"),
            (&WHOLE.replace("https://api.example.com:6443", ""), "names no `server`"),
            (&WHOLE.replace("https://api.example.com:6443", "a b"), "not a URL"),
            (&WHOLE.replace("server:", "certificate-authority-data: '?', server:"), "certificate authority"),
            (&WHOLE.replace("server:", "certificate-authority-data: c2VzYW1l, server:"), "certificate authority"),
            (&WHOLE.replace("server:", "certificate-authority: /dev/null/none, server:"), "certificate authority"),
        ];
        for (text, expected) in cases {
            let path = file(&dir, "config", text);
            let failure = from_files(std::slice::from_ref(&path)).unwrap_err();
            assert!(failure.message.contains(expected), "{text}: {failure:?}");
            assert!(failure.message.contains(path.to_str().unwrap()) && failure.hint.is_some(), "{failure:?}");
            assert!(!format!("{failure:?}").contains("sesame"), "{failure:?}");
            assert!(!failure.causes.concat().contains("os error"), "{failure:?}");
        }
    }

    #[test]
    fn a_proxy_keeps_its_login() {
        let cases = [
            ("http://proxy:3128", "http://proxy:3128"),
            ("proxy:3128", "http://proxy:3128"),
            ("http://us%40er:p%3Aw%2F@proxy:3128", "http://us%40er:p:w%2F@proxy:3128"),
            ("socks5h://proxy:1080", "socks5://proxy:1080"),
        ];
        for (given, expected) in cases {
            let matcher = Matcher::builder().all(given).no("other.example.com,").build();
            let proxy = matcher.intercept(&"https://api.example.com:6443".parse().unwrap()).unwrap();
            assert_eq!(proxy_url(&proxy), expected);
            assert!(matcher.intercept(&"https://api.other.example.com".parse().unwrap()).is_none());
        }
    }
}
