//! What kubeconfig files select: they are merged, and the current context leads to a server, a user and certificates.
//! It never shows a line of a kubeconfig, because any line may contain a token.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::Config;
use kube::config::{AuthInfo, Cluster, ExecAuthCluster, Kubeconfig, KubeconfigError};
use openssl::x509::X509;

use crate::failure::{Failure, without_errno};
use crate::secret::PASSWORD_VARIABLE;

/// What to do about a file that cannot be used.
const FIX_OR_CHOOSE: &str = "fix it, or choose another file with `--kubeconfig FILE`";

/// The files that are merged into one kubeconfig, as messages name them.
struct FileNames<'a>(&'a [PathBuf]);

/// The parts of a kubeconfig that its current context selects.
struct Selection {
    cluster: Cluster,
    user: AuthInfo,
}

impl FileNames<'_> {
    fn failure(&self, fault: &str) -> Failure {
        let names: Vec<String> = self.0.iter().map(|path| format!("`{}`", path.display())).collect();
        Failure::new(format!("kubeconfig {} {fault}", names.join(", "))).hint(FIX_OR_CHOOSE)
    }

    fn unusable_authority(&self, reason: &str) -> Failure {
        self.failure("has a certificate authority that cannot be used").cause(reason)
    }
}

/// The configuration that the files describe. It is assembled here, because the function of the kube crate would also
/// apply its own interpretation of NO_PROXY.
pub(super) fn load(paths: &[PathBuf], context: Option<&str>) -> Result<Config, Failure> {
    let names = FileNames(paths);
    let Selection { cluster, user } = select(read(paths)?, context, &names)?;
    let server = cluster.server.as_deref().filter(|server| !server.is_empty());
    let server = server.ok_or_else(|| names.failure("does not set `server` for its cluster"))?;
    let url = server.parse().map_err(|_| names.failure(&format!("has a `server` that is not a URL: `{server}`")))?;
    // The kube crate could build this from the kubeconfig, but it would apply its own interpretation of NO_PROXY.
    let mut config = Config::new(url);
    config.root_cert = authority(&cluster, &names)?;
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
    if let Some(proxy) = cluster.proxy_url.as_deref().filter(|proxy| !proxy.is_empty()) {
        // The message does not quote the value, because it may contain a password.
        let url = proxy.parse().map_err(|_| names.failure("has a `proxy-url` that is not a URL"))?;
        config.proxy_url = Some(url);
    }
    config.tls_server_name = cluster.tls_server_name;
    config.auth_info = user;
    Ok(config)
}

fn read(paths: &[PathBuf]) -> Result<Kubeconfig, Failure> {
    // The first file that sets a value wins, so each further file is merged into the earlier ones.
    let mut merged = Kubeconfig::default();
    for path in paths {
        let next = Kubeconfig::read_from(path).map_err(|error| unreadable(path, &error))?;
        merged = merged.merge(next).map_err(|error| unreadable(path, &error))?;
    }
    Ok(merged)
}

fn unreadable(path: &PathBuf, error: &KubeconfigError) -> Failure {
    let failure = FileNames(std::slice::from_ref(path)).failure("cannot be used");
    match error {
        KubeconfigError::ReadConfig(error, _) => failure.cause(without_errno(error)),
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
    let mut user = user.and_then(|entry| entry.auth_info).unwrap_or_default();
    if let Some(exec) = &mut user.exec {
        // The plugin must not be able to read the password for `oregano login`.
        exec.drop_env.get_or_insert_default().push(PASSWORD_VARIABLE.to_owned());
    }
    if let Some(exec) = user.exec.as_mut().filter(|exec| exec.provide_cluster_info) {
        let described = ExecAuthCluster::try_from(&cluster);
        exec.cluster = Some(described.map_err(|error| names.unusable_authority(&error.to_string()))?);
    }
    Ok(Selection { cluster, user })
}

/// The certificate authorities, in DER, that the API server's certificate must be issued by; `None` for the system's.
fn authority(cluster: &Cluster, names: &FileNames<'_>) -> Result<Option<Vec<Vec<u8>>>, Failure> {
    let pem = match (cluster.certificate_authority_data.as_deref(), cluster.certificate_authority.as_deref()) {
        // Inline data takes precedence over a file, as in kubectl.
        (Some(data), _) if !data.is_empty() => {
            STANDARD.decode(data).map_err(|_| names.unusable_authority("`certificate-authority-data` is not base64"))?
        }
        (_, Some(path)) if !path.is_empty() => std::fs::read(path)
            .map_err(|error| names.unusable_authority(&format!("`{path}`: {}", without_errno(&error))))?,
        _ => return Ok(None),
    };
    let certificates = X509::stack_from_pem(&pem).unwrap_or_default();
    // Without this check no authority would be trusted, and the failure would look like a wrong certificate of the
    // server.
    if certificates.is_empty() {
        return Err(names.unusable_authority("it does not contain a PEM certificate"));
    }
    let ders = certificates.iter().map(|certificate| certificate.to_der()).collect::<Result<_, _>>();
    ders.map(Some).map_err(|error| names.unusable_authority(&error.to_string()))
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
        assert_eq!(config.unwrap().cluster_url.to_string(), "https://api.example.com:6443/");
    }

    #[test]
    fn a_named_context_wins_over_the_current_one() {
        let dir = tempfile::tempdir().unwrap();
        let other = COMPLETE.replace("current-context: c", "current-context: gone");
        let path = [file(&dir, "a", &other)];
        assert_eq!(load(&path, Some("c")).unwrap().cluster_url.to_string(), "https://api.example.com:6443/");
        for context in [None, Some("none"), Some("")] {
            let failure = load(&path, context).unwrap_err();
            assert!(failure.message.contains("no context `"), "{failure:?}");
            assert!(failure.hint.unwrap().contains("--context"));
        }
    }

    #[test]
    fn a_credential_plugin_does_not_see_the_password_for_a_registry() {
        let dir = tempfile::tempdir().unwrap();
        let plugin = "exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, interactiveMode: Never}";
        let config = load(&[file(&dir, "a", &COMPLETE.replace("token: sesame", plugin))], None).unwrap();
        assert_eq!(config.auth_info.exec.unwrap().drop_env.unwrap(), [PASSWORD_VARIABLE]);
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
}
