//! What kubeconfig files select: they are merged, and the current context leads to a server, a user and certificates.
//! It never shows a line of a kubeconfig, because any line may contain a token.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use kube::Config;
use kube::config::{AuthInfo, Cluster, Kubeconfig, KubeconfigError};
use openssl::x509::X509;
use zeroize::Zeroizing;

use super::Access;
use super::credentials::{self, Credentials};
use crate::failure::{Failure, without_errno};
use crate::go::{Padding, decode_base64};
use crate::secret::{Secret, SecretBytes};

/// What to do about a file that cannot be used.
const FIX_OR_CHOOSE: &str = "fix it, or choose another file with `--kubeconfig FILE`";

/// The maximum size of a kubeconfig and of each file that it names, in bytes. A file may be a device or a pipe without
/// an end.
const MAX_FILE: u64 = 16 << 20;

/// The contents of files of a node, or why each cannot be read.
pub type ReadFiles = HashMap<PathBuf, Result<SecretBytes, String>>;

/// The kubeconfig of a node, which was read there.
pub struct NodeKubeconfig<'a> {
    /// The name of the node.
    pub host: &'a str,
    /// Its absolute path.
    pub path: &'a PathBuf,
    /// Its content.
    pub content: &'a [u8],
}

/// The files that are merged into one kubeconfig, as messages name them.
struct FileNames<'a> {
    paths: &'a [PathBuf],
    place: KubeconfigPlace<'a>,
}

/// Where a kubeconfig and the files that it names are.
#[derive(Clone, Copy)]
enum KubeconfigPlace<'a> {
    /// On this machine.
    Here,
    /// On a node, with the files that were read there.
    Node(&'a str, &'a ReadFiles),
}

/// The parts of a kubeconfig that its current context selects.
struct Selection {
    cluster: Cluster,
    user: AuthInfo,
    /// The name of the user, if the context has one.
    user_name: Option<String>,
}

/// The files in messages: "kubeconfig `config`", and on which node they are.
impl std::fmt::Display for FileNames<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<String> = self.paths.iter().map(|path| format!("`{}`", path.display())).collect();
        write!(f, "kubeconfig {}", names.join(", "))?;
        match self.place {
            KubeconfigPlace::Here => Ok(()),
            KubeconfigPlace::Node(host, _) => write!(f, " on `{host}`"),
        }
    }
}

impl<'a> FileNames<'a> {
    fn failure(&self, fault: &str) -> Failure {
        let failure = Failure::new(format!("{self} {fault}"));
        match self.place {
            KubeconfigPlace::Here => failure.hint(FIX_OR_CHOOSE),
            KubeconfigPlace::Node(host, _) => failure.hint(other_kubeconfig(host)),
        }
    }

    fn of(path: &'a PathBuf) -> Self {
        Self { paths: std::slice::from_ref(path), place: KubeconfigPlace::Here }
    }

    /// The content of a file that the kubeconfig names, or why it cannot be read.
    fn bytes(&self, file: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        match self.place {
            KubeconfigPlace::Here => bytes(Path::new(file)).map(Zeroizing::new).map_err(|error| without_errno(&error)),
            KubeconfigPlace::Node(_, files) => match files.get(Path::new(file)) {
                Some(Ok(content)) => Ok(Zeroizing::new(content.expose().to_vec())),
                Some(Err(reason)) => Err(reason.clone()),
                None => Err("it was not read".to_owned()),
            },
        }
    }

    /// The content of a member, which is base64 and takes precedence, or of the file that another member names.
    fn pem(&self, what: &str, data: Option<&str>, file: Option<&str>) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        let unusable = |reason: &str| self.failure(&format!("has a {what} that cannot be used")).cause(reason);
        match (data.filter(|data| !data.is_empty()), file.filter(|file| !file.is_empty())) {
            (Some(data), _) => match decode_base64(data, Padding::Required) {
                Some(pem) => Ok(Some(pem)),
                None => Err(unusable("it is not base64")),
            },
            (None, Some(file)) => self.bytes(file).map(Some).map_err(|reason| unusable(&format!("`{file}`: {reason}"))),
            (None, None) => Ok(None),
        }
    }
}

/// What the files describe. It is assembled here, because the functions of the kube crate would also apply their own
/// interpretation of NO_PROXY, and panic at some texts.
pub(super) fn load(paths: &[PathBuf], context: Option<&str>) -> Result<Access, Failure> {
    access(read(paths)?, context, &FileNames { paths, place: KubeconfigPlace::Here })
}

/// The same for the content of one file.
pub(super) fn parse(path: &PathBuf, content: &[u8]) -> Result<Access, Failure> {
    let names = FileNames::of(path);
    access(parsed(&names, content)?, None, &names)
}

/// What the kubeconfig of a node describes. `files` are those that [`named_files`] returned.
///
/// # Errors
/// As those of [`load`](super::load), and if its user has a credential plugin, which could only run on the node.
pub fn of_node(kubeconfig: &NodeKubeconfig<'_>, files: &ReadFiles, context: Option<&str>) -> Result<Access, Failure> {
    let names = FileNames {
        paths: std::slice::from_ref(kubeconfig.path),
        place: KubeconfigPlace::Node(kubeconfig.host, files),
    };
    let mut access = access(parsed(&names, kubeconfig.content)?, context, &names)?;
    if access.config.proxy_url.is_some() {
        return Err(names.failure("has a `proxy-url`, which is not supported on a node"));
    }
    let token = match &access.credentials {
        Credentials::Plugin(plugin) => {
            let fault = format!("has the credential plugin `{}`, which this machine does not run", plugin.command);
            return Err(names.failure(&fault));
        }
        Credentials::TokenFile(path) => {
            let file = path.display().to_string();
            let unusable = |reason: String| {
                names.failure("has a token file that cannot be used").cause(format!("`{file}`: {reason}"))
            };
            let bytes = names.bytes(&file).map_err(unusable)?;
            let token = std::str::from_utf8(&bytes).map(|text| Secret::new(text.trim()));
            Some(token.map_err(|_| unusable("it is not UTF-8".to_owned()))?)
        }
        Credentials::None | Credentials::Basic(..) | Credentials::Token(_) => None,
    };
    if let Some(token) = token {
        access.credentials = Credentials::Token(token);
    }
    access.config.headers.push(super::user_agent());
    Ok(access)
}

/// The absolute paths of the files that the context of a node's kubeconfig needs.
///
/// # Errors
/// If the kubeconfig cannot be parsed, or the context does not lead to a server.
pub fn named_files(kubeconfig: &NodeKubeconfig<'_>, context: Option<&str>) -> Result<Vec<PathBuf>, Failure> {
    let none = ReadFiles::new();
    let names = FileNames {
        paths: std::slice::from_ref(kubeconfig.path),
        place: KubeconfigPlace::Node(kubeconfig.host, &none),
    };
    let Selection { cluster, user, .. } = select(parsed(&names, kubeconfig.content)?, context, &names)?;
    let files = [cluster.certificate_authority, user.client_certificate, user.client_key, user.token_file];
    Ok(files.into_iter().flatten().filter(|file| !file.is_empty()).map(PathBuf::from).collect())
}

/// What to do about a kubeconfig on a node that cannot be used.
pub fn other_kubeconfig(host: &str) -> String {
    format!("check the file, name another one of `{host}` in `oregano_master_kubeconfig`, or pass `--kubeconfig FILE`")
}

fn access(kubeconfig: Kubeconfig, context: Option<&str>, names: &FileNames<'_>) -> Result<Access, Failure> {
    let Selection { cluster, user, user_name } = select(kubeconfig, context, names)?;
    let fault = |fault: String| names.failure(&fault);
    let authority = names.pem(
        "certificate authority",
        cluster.certificate_authority_data.as_deref(),
        cluster.certificate_authority.as_deref(),
    )?;
    let key = credentials::secret(&user, "client-key-data");
    let key = key.as_ref().map(|key| key.expose());
    let identity = (
        names.pem("client certificate", user.client_certificate_data.as_deref(), user.client_certificate.as_deref())?,
        names.pem("client key", key, user.client_key.as_deref())?,
    );
    let is_tls = authority.is_some() || identity.0.is_some() || cluster.insecure_skip_tls_verify == Some(true);
    let mut config = Config::new(server(&cluster, is_tls).map_err(fault)?);
    config.root_cert = authority.as_ref().map(|pem| certificates(pem, names)).transpose()?;
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
    if let Some(proxy) = cluster.proxy_url.as_deref().filter(|proxy| !proxy.is_empty()) {
        // The message does not quote the value, because it may contain a password.
        let url = proxy.parse().map_err(|_| names.failure("has a `proxy-url` that is not a URL"))?;
        config.proxy_url = Some(url);
    }
    config.tls_server_name = cluster.tls_server_name.clone().filter(|name| !name.is_empty());
    config.headers = credentials::impersonation(&user).map_err(fault)?;
    let mut credentials = Credentials::of(&user, &cluster).map_err(fault)?;
    if let (Credentials::Plugin(plugin), Some(pem)) = (&mut credentials, &authority) {
        plugin.set_authority(pem);
    }
    config.auth_info = match identity {
        (Some(certificate), Some(key)) => super::client_certificate(&certificate, &key),
        (None, None) => AuthInfo::default(),
        (Some(_), None) => return Err(names.failure("has a client certificate without its key")),
        (None, Some(_)) => return Err(names.failure("has a client key without its certificate")),
    };
    let origin = format!("user `{}` in {names}", user_name.unwrap_or_default());
    Ok(Access { config, credentials, origin })
}

/// The URL of the server. As in kubectl, one without a scheme has `https` if anything about TLS is set.
fn server(cluster: &Cluster, is_tls: bool) -> Result<http::Uri, String> {
    let written = cluster.server.as_deref().filter(|server| !server.is_empty());
    let written = written.ok_or("does not set `server` for its cluster")?;
    let url = match (written.contains("://"), is_tls) {
        (true, _) => written.to_owned(),
        (false, true) => format!("https://{written}"),
        (false, false) => format!("http://{written}"),
    };
    let parsed = url.parse().ok().filter(|url: &http::Uri| {
        matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some_and(|host| !host.is_empty())
    });
    parsed.ok_or_else(|| format!("has a `server` that is not a URL: `{}`", written.escape_debug()))
}

fn read(paths: &[PathBuf]) -> Result<Kubeconfig, Failure> {
    // The first file that sets a value wins, so each further file is merged into the earlier ones.
    let mut merged = Kubeconfig::default();
    for path in paths {
        let names = FileNames::of(path);
        let content = bytes(path).map_err(|error| unreadable(&names, &error))?;
        merged = merged.merge(parsed(&names, &content)?).map_err(|error| invalid(&names, &error))?;
    }
    Ok(merged)
}

/// Parses the content of a single file.
fn parsed(names: &FileNames<'_>, content: &[u8]) -> Result<Kubeconfig, Failure> {
    let text = text(content).map_err(|error| unreadable(names, &error))?;
    let mut parsed = Kubeconfig::from_yaml(&text).map_err(|error| invalid(names, &error))?;
    let folder = names.paths.first().and_then(|path| path.parent());
    resolve_paths(&mut parsed, folder.unwrap_or(Path::new("")));
    Ok(parsed)
}

fn unreadable(names: &FileNames<'_>, error: &io::Error) -> Failure {
    names.failure("cannot be used").cause(without_errno(error))
}

/// The content of a file or a pipe, up to a limit.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::other(format!("it is larger than {} MiB", MAX_FILE >> 20)));
    }
    Ok(bytes)
}

/// The text of a file in UTF-8 or, with a byte order mark, in UTF-16, which PowerShell writes.
fn text(bytes: &[u8]) -> io::Result<String> {
    let units = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let text = String::from_utf16(&pairs.iter().map(|pair| unit(*pair)).collect::<Vec<_>>());
        text.ok().filter(|_| rest.is_empty()).ok_or_else(|| io::Error::other("it is not UTF-16"))
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => units(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => units(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] | rest => {
            String::from_utf8(rest.to_vec()).map_err(|_| io::Error::other("it is not UTF-8"))
        }
    }
}

/// Makes the paths of a kubeconfig relative to its folder, as kubectl does. A command without a slash is searched on
/// the PATH.
fn resolve_paths(config: &mut Kubeconfig, folder: &Path) {
    let clusters = config.clusters.iter_mut().filter_map(|named| named.cluster.as_mut());
    let mut paths: Vec<&mut String> = clusters.filter_map(|cluster| cluster.certificate_authority.as_mut()).collect();
    for user in config.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
        let command = user.exec.as_mut().and_then(|exec| exec.command.as_mut());
        let files = [&mut user.client_certificate, &mut user.client_key, &mut user.token_file];
        paths.extend(files.into_iter().flatten());
        paths.extend(command.filter(|command| command.contains('/')));
    }
    for path in paths.into_iter().filter(|path| !path.is_empty()) {
        // An absolute path replaces the folder.
        *path = folder.join(&*path).to_string_lossy().into_owned();
    }
}

fn invalid(names: &FileNames<'_>, error: &KubeconfigError) -> Failure {
    let failure = names.failure("cannot be used");
    match error {
        // The text of the parser quotes the file, so only the position is shown.
        KubeconfigError::Parse(error) => match error.location() {
            Some(at) => failure.cause(format!("not a kubeconfig: line {}, column {}", at.line(), at.column())),
            None => failure.cause("not a kubeconfig"),
        },
        other => failure.cause(other.to_string()),
    }
}

/// `context` takes precedence over the current context of the files.
fn select(config: Kubeconfig, context: Option<&str>, names: &FileNames<'_>) -> Result<Selection, Failure> {
    // An empty name counts as unset, because a kubeconfig without contexts has `current-context: ""`.
    let current = config.current_context.filter(|name| !name.is_empty());
    let context_name = context.map(str::to_owned).or(current).ok_or_else(|| {
        let hint = "choose a context with `--context NAME`, or for all commands with `oc config use-context NAME`";
        names.failure("has no `current-context`").hint(hint)
    })?;
    let missing = |section: &str, name: &str| {
        let hint = "list the contexts with `oc config get-contexts`, and choose one with `--context NAME`";
        names.failure(&format!("has no {section} `{name}`")).hint(hint)
    };
    let context = config.contexts.into_iter().find(|entry| entry.name == context_name).and_then(|entry| entry.context);
    let context = context.ok_or_else(|| missing("context", &context_name))?;
    let cluster = config.clusters.into_iter().find(|entry| entry.name == context.cluster);
    let cluster = cluster.and_then(|entry| entry.cluster).ok_or_else(|| missing("cluster", &context.cluster))?;
    // kubectl, too, sends anonymous requests if the user of the context is not defined.
    let user = config.auth_infos.into_iter().find(|entry| Some(&entry.name) == context.user.as_ref());
    let user = user.and_then(|entry| entry.auth_info).unwrap_or_default();
    Ok(Selection { cluster, user, user_name: context.user })
}

/// The certificates, in DER.
fn certificates(pem: &[u8], names: &FileNames<'_>) -> Result<Vec<Vec<u8>>, Failure> {
    let unusable = |reason: &str| names.failure("has a certificate authority that cannot be used").cause(reason);
    let certificates = X509::stack_from_pem(pem).unwrap_or_default();
    // Without this check no authority would be trusted, and the failure would look like a wrong certificate of the
    // server.
    if certificates.is_empty() {
        return Err(unusable("it does not contain a PEM certificate"));
    }
    let ders = certificates.iter().map(|certificate| certificate.to_der()).collect::<Result<_, _>>();
    ders.map_err(|error| unusable(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(dir: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    const COMPLETE: &str = "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n\
                            clusters: [{name: k, cluster: {server: 'https://api.example.com:6443'}}]\n\
                            users: [{name: u, user: {token: sesame}}]\n";

    #[test]
    fn files_are_merged_and_the_first_wins() {
        let dir = tempfile::tempdir().unwrap();
        let first = file(&dir, "a", "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]");
        let config =
            load(&[first, file(&dir, "b", &COMPLETE.replace("current-context: c", "current-context: x"))], None);
        assert_eq!(config.unwrap().config.cluster_url.to_string(), "https://api.example.com:6443/");
    }

    #[test]
    fn a_named_context_wins_over_the_current_one() {
        let dir = tempfile::tempdir().unwrap();
        let other = COMPLETE.replace("current-context: c", "current-context: gone");
        let path = [file(&dir, "a", &other)];
        assert_eq!(load(&path, Some("c")).unwrap().config.cluster_url.to_string(), "https://api.example.com:6443/");
        for context in [None, Some("none"), Some("")] {
            let failure = load(&path, context).unwrap_err();
            assert!(failure.message.contains("no context `"), "{failure:?}");
            assert!(failure.hint.unwrap().contains("--context"));
        }
    }

    #[test]
    fn failures_name_the_file_and_quote_no_line() {
        let dir = tempfile::tempdir().unwrap();
        let cases = [
            ("users: [{name: sesame", "cannot be used"),
            ("[]", "cannot be used"),
            ("", "has no `current-context`"),
            ("current-context: ''", "has no `current-context`"),
            ("current-context: sesam", "no context `sesam`"),
            (&COMPLETE.replace("{name: k, ", "{name: other, "), "no cluster `k`"),
            (&COMPLETE.replace("https://api.example.com:6443", ""), "does not set `server`"),
            (&COMPLETE.replace("https://api.example.com:6443", "a b"), "not a URL"),
            (&COMPLETE.replace("server:", "certificate-authority-data: '?', server:"), "certificate authority"),
            (&COMPLETE.replace("server:", "certificate-authority-data: c2VzYW1l, server:"), "certificate authority"),
            (&COMPLETE.replace("server:", "certificate-authority: /dev/null/none, server:"), "certificate authority"),
        ];
        for (text, expected) in cases {
            let path = file(&dir, "config", text);
            let failure = load(std::slice::from_ref(&path), None).unwrap_err();
            assert!(failure.message.contains(expected), "{text}: {failure:?}");
            assert!(failure.message.contains(path.to_str().unwrap()) && failure.hint.is_some(), "{failure:?}");
            assert!(!format!("{failure:?}").contains("sesame"), "{failure:?}");
            assert!(!failure.causes.concat().contains("os error"), "{failure:?}");
        }
    }

    #[test]
    fn a_kubeconfig_may_be_utf_16_with_a_byte_order_mark() {
        let units: Vec<u16> = COMPLETE.encode_utf16().collect();
        let little: Vec<u8> =
            [0xff, 0xfe].into_iter().chain(units.iter().flat_map(|unit| unit.to_le_bytes())).collect();
        let big: Vec<u8> = [0xfe, 0xff].into_iter().chain(units.iter().flat_map(|unit| unit.to_be_bytes())).collect();
        let utf_8 = [b"\xef\xbb\xbf", COMPLETE.as_bytes()].concat();
        for bytes in [&little, &big, &utf_8] {
            assert!(super::super::parse(bytes).is_ok());
        }
        for (bytes, reason) in
            [(&little[..little.len() - 1], "not UTF-16"), (&big[..3], "not UTF-16"), (b"\xff", "not UTF-8")]
        {
            assert!(super::super::parse(bytes).unwrap_err().causes[0].contains(reason));
        }
        assert!(load(&["/dev/zero".into()], None).unwrap_err().causes[0].contains("larger than 16 MiB"));
    }

    #[test]
    fn a_server_without_a_scheme_has_the_one_that_kubectl_uses() {
        let of = |server: &str, more: &str| {
            let text = COMPLETE.replace("'https://api.example.com:6443'", &format!("'{server}'{more}"));
            super::super::parse(text.as_bytes()).map(|access| access.config.cluster_url.to_string())
        };
        assert_eq!(of("127.0.0.1:8080", ""), Ok("http://127.0.0.1:8080/".to_owned()));
        assert_eq!(of("localhost", ", insecure-skip-tls-verify: true"), Ok("https://localhost/".to_owned()));
        for server in ["https://", "ftp://a", "unix:///a", "/a", "https://a b", "a b", "https://[::1", ":6443"] {
            let failure = of(server, "").unwrap_err();
            assert!(failure.message.contains("has a `server` that is not a URL"), "{failure:?}");
        }
    }

    #[test]
    fn paths_are_relative_to_the_folder_of_their_file() {
        let dir = tempfile::tempdir().unwrap();
        let plugin = "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, interactiveMode: Never}";
        let access = |user: &str| load(&[file(&dir, "a", &COMPLETE.replace("token: sesame", user))], None).unwrap();
        let root = dir.path().display();
        assert_eq!(format!("{:?}", access("tokenFile: t").credentials), format!("TokenFile(\"{root}/t\")"));
        assert_eq!(format!("{:?}", access("tokenFile: /t").credentials), "TokenFile(\"/t\")");
        for (command, expected) in [("./plugin", format!("{root}/./plugin")), ("plugin", "plugin".to_owned())] {
            let Credentials::Plugin(plugin) = access(&plugin.replace("./plugin", command)).credentials else {
                panic!()
            };
            assert_eq!(plugin.command, expected);
        }
    }
}
