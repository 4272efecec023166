//! Credential plugins (`exec`): what one is given, how it is run, and what its output means, by the rules of client-go
//! (Kubernetes documentation, "client-go credential plugins"). It does not decide when a plugin is run.

use std::io::{self, ErrorKind, IsTerminal as _};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use jiff::Timestamp;
use kube::config::{Cluster, ExecConfig, ExecInteractiveMode};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::process::{self, Input, Limits, Output, ProcessError};
use crate::secret::{Redactor, Secret};

/// The group of the versions of the interface. `v1alpha1` was removed from kubectl in 1.24.
const GROUP: &str = "client.authentication.k8s.io/";
/// The variable that describes to the plugin what is expected of it.
const VARIABLE: &str = "KUBERNETES_EXEC_INFO";
/// The name of the cluster's extension that is passed to the plugin.
const EXTENSION: &str = "client.authentication.k8s.io/exec";
/// The maximum size of what a plugin prints, in bytes.
const MAX_OUTPUT: u64 = 1 << 20;

/// A credential plugin, as a kubeconfig describes it.
#[derive(Clone)]
pub struct Plugin {
    /// The program: a path, or a name on the PATH.
    pub command: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    /// `client.authentication.k8s.io/v1` or `…/v1beta1`.
    version: String,
    interactive: ExecInteractiveMode,
    /// What the kubeconfig recommends if the program does not exist.
    install_hint: Option<String>,
    /// The description of the cluster, if the plugin is to get it.
    cluster: Option<Value>,
}

/// What a plugin has returned.
#[derive(Debug)]
pub struct PluginCredential {
    /// A bearer token.
    pub token: Option<Secret>,
    /// A client certificate and its key, in PEM.
    pub certificate: Option<(String, Secret)>,
    /// When the plugin must be run again.
    pub expires: Option<Timestamp>,
}

/// Why a plugin returned no credential.
#[derive(Debug)]
pub enum PluginError {
    /// The program does not exist. What the kubeconfig recommends then.
    Missing(Option<String>),
    /// It could not be run to its end.
    Process(ProcessError),
    /// It reported a failure: its exit status, and the end of its standard error.
    Failed(ExitStatus, Option<String>),
    /// Its output is no credential, for this reason, which quotes nothing of it.
    Unusable(String),
    /// It requires a terminal for its standard input.
    NoTerminal,
}

/// The arguments and the environment are not shown, because they may contain a secret.
impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin").field("command", &self.command).finish_non_exhaustive()
    }
}

impl Plugin {
    /// # Errors
    /// What is wrong with the user, as a part of a sentence about the kubeconfig.
    pub(super) fn new(exec: &ExecConfig, cluster: &Cluster) -> Result<Self, String> {
        let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let command = set(&exec.command).ok_or("has a credential plugin without `command`")?;
        let version = set(&exec.api_version).ok_or("has a credential plugin without `apiVersion`")?;
        let interactive = match (version.strip_prefix(GROUP), &exec.interactive_mode) {
            (Some("v1" | "v1beta1"), Some(mode)) => mode.clone(),
            (Some("v1beta1"), None) => ExecInteractiveMode::IfAvailable,
            (Some("v1"), None) => return Err("has a credential plugin without `interactiveMode`".to_owned()),
            _ => {
                return Err(format!(
                    "has a credential plugin with the `apiVersion` `{version}`, which is not supported: use `{GROUP}v1`"
                ));
            }
        };
        let environment = exec.env.iter().flatten().map(|variable| {
            let member = |name: &str| variable.get(name).cloned().unwrap_or_default();
            (member("name"), member("value"))
        });
        Ok(Self {
            command,
            arguments: exec.args.clone().unwrap_or_default(),
            environment: environment.filter(|(name, _)| !name.is_empty()).collect(),
            version,
            interactive,
            install_hint: set(&exec.install_hint),
            cluster: exec.provide_cluster_info.then(|| described(cluster)),
        })
    }

    /// Adds the certificates of the cluster to its description, in PEM.
    pub(super) fn set_authority(&mut self, pem: &[u8]) {
        use base64::Engine as _;
        if let Some(cluster) = &mut self.cluster {
            cluster["certificate-authority-data"] = base64::engine::general_purpose::STANDARD.encode(pem).into();
        }
    }

    /// Runs the plugin, at most for `limit`. It is killed at the limit, and when the future is dropped.
    pub(in crate::cluster) async fn run(
        &self,
        limit: Duration,
        redactor: &Redactor,
    ) -> Result<PluginCredential, PluginError> {
        let (command, input) = self.command(io::stdin().is_terminal())?;
        let running = process::start(command, input).map_err(|error| match error {
            ProcessError::NotStarted(ErrorKind::NotFound, _) => PluginError::Missing(self.install_hint.clone()),
            other => PluginError::Process(other),
        })?;
        let _guard = running.kill_on_drop();
        let (sender, receiver) = oneshot::channel();
        let limits = Limits { time: Some(limit), output: MAX_OUTPUT };
        // A thread of the runtime would delay the end of the program until the plugin ends.
        std::thread::spawn(move || sender.send(running.finish(limits)));
        let ended = receiver.await.unwrap_or(Err(ProcessError::Stopped)).map_err(PluginError::Process)?;
        self.credential(&ended, redactor)
    }

    /// The command, and its standard input.
    fn command(&self, has_terminal: bool) -> Result<(Command, Input<'static>), PluginError> {
        let interactive = match (&self.interactive, has_terminal) {
            (ExecInteractiveMode::Always, false) => return Err(PluginError::NoTerminal),
            (ExecInteractiveMode::Always | ExecInteractiveMode::IfAvailable, terminal) => terminal,
            (ExecInteractiveMode::Never, _) => false,
        };
        let mut spec = json!({"interactive": interactive});
        if let Some(cluster) = &self.cluster {
            spec["cluster"] = cluster.clone();
        }
        let info = json!({"kind": "ExecCredential", "apiVersion": self.version, "spec": spec});
        let mut command = Command::new(&self.command);
        command.args(&self.arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.env(VARIABLE, info.to_string());
        Ok((command, if interactive { Input::Terminal } else { Input::Text("") }))
    }

    fn credential(&self, output: &Output, redactor: &Redactor) -> Result<PluginCredential, PluginError> {
        if !output.status.success() {
            return Err(PluginError::Failed(output.status, output.last_lines(redactor)));
        }
        credential(&output.stdout, &self.version).map_err(PluginError::Unusable)
    }
}

/// The `ExecCredential` that a plugin prints.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential {
    kind: Option<String>,
    api_version: Option<String>,
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    expiration_timestamp: Option<String>,
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

/// Parses the output of a plugin for this version of the interface.
fn credential(stdout: &[u8], version: &str) -> Result<PluginCredential, String> {
    // kubectl reads YAML, too.
    let parsed: Option<ExecCredential> =
        serde_json::from_slice(stdout).ok().or_else(|| serde_yaml::from_slice(stdout).ok());
    let parsed = parsed.ok_or("its output is not an ExecCredential")?;
    if parsed.kind.is_some_and(|kind| kind != "ExecCredential") {
        return Err("its output is not an ExecCredential".to_owned());
    }
    if parsed.api_version.as_deref() != Some(version) {
        return Err(format!("its output does not have the `apiVersion` `{version}` of the kubeconfig"));
    }
    let status = parsed.status.ok_or("its output has no `status`")?;
    let set = |text: Option<String>| text.filter(|text| !text.is_empty());
    let certificate = match (set(status.client_certificate_data), set(status.client_key_data).map(Secret::new)) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => return Err("its output has only one of `clientCertificateData` and `clientKeyData`".to_owned()),
    };
    let token = set(status.token).map(|token| Secret::new(token.trim())).filter(|token| !token.expose().is_empty());
    if token.is_none() && certificate.is_none() {
        return Err("its output has neither a token nor a client certificate".to_owned());
    }
    let expires = set(status.expiration_timestamp).map(|time| time.parse()).transpose();
    let expires = expires.map_err(|_| "its output has an `expirationTimestamp` that is not a time of RFC 3339")?;
    Ok(PluginCredential { token, certificate, expires })
}

/// The description of the cluster that a plugin gets, without the certificates.
fn described(cluster: &Cluster) -> Value {
    let mut described = json!({"server": cluster.server});
    let texts = [("tls-server-name", &cluster.tls_server_name), ("proxy-url", &cluster.proxy_url)];
    for (name, text) in texts {
        if let Some(text) = text.as_ref().filter(|text| !text.is_empty()) {
            described[name] = text.as_str().into();
        }
    }
    let switches = [
        ("insecure-skip-tls-verify", cluster.insecure_skip_tls_verify),
        ("disable-compression", cluster.disable_compression),
    ];
    for (name, _) in switches.into_iter().filter(|(_, set)| *set == Some(true)) {
        described[name] = true.into();
    }
    let mut extensions = cluster.extensions.iter().flatten();
    if let Some(named) = extensions.find(|named| named.name == EXTENSION) {
        described["config"] = named.extension.clone();
    }
    described
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "client.authentication.k8s.io/v1";

    fn plugin(exec: &str) -> Result<Plugin, String> {
        Plugin::new(&serde_yaml::from_str(exec).unwrap(), &Cluster::default())
    }

    #[test]
    fn incomplete_plugins_are_refused_as_by_kubectl() {
        for (exec, fault) in [
            (format!("{{apiVersion: {V1}, interactiveMode: Never}}"), "without `command`"),
            ("{command: p, interactiveMode: Never}".to_owned(), "without `apiVersion`"),
            (format!("{{command: p, apiVersion: {V1}}}"), "without `interactiveMode`"),
            (format!("{{command: p, apiVersion: {V1}alpha1}}"), "which is not supported"),
            ("{command: p, apiVersion: v1}".to_owned(), "which is not supported"),
        ] {
            assert!(plugin(&exec).unwrap_err().contains(fault), "{exec}");
        }
        assert!(plugin(&format!("{{command: p, apiVersion: {V1}beta1}}")).is_ok());
    }

    #[test]
    fn a_plugin_may_prompt_only_on_a_terminal() {
        let input = |mode: &str, has_terminal| {
            let plugin = plugin(&format!("{{command: p, apiVersion: {V1}, interactiveMode: {mode}}}")).unwrap();
            plugin.command(has_terminal).map(|(command, input)| {
                let info = command.get_envs().find(|(name, _)| *name == VARIABLE).unwrap().1.unwrap();
                let info: Value = serde_json::from_str(info.to_str().unwrap()).unwrap();
                assert_eq!(info["spec"]["interactive"], input == Input::Terminal);
                input
            })
        };
        for (mode, with, without) in [
            ("Never", Input::Text(""), Some(Input::Text(""))),
            ("IfAvailable", Input::Terminal, Some(Input::Text(""))),
            ("Always", Input::Terminal, None),
        ] {
            assert_eq!((input(mode, true).ok(), input(mode, false).ok()), (Some(with), without), "{mode}");
        }
    }

    #[test]
    fn the_output_must_be_complete() {
        let of =
            |status: &str| credential(format!("{{kind: ExecCredential, apiVersion: {V1}, {status}}}").as_bytes(), V1);
        let token = of("status: {token: ' a ', expirationTimestamp: '2030-01-01T01:00:00+01:00'}").unwrap();
        assert_eq!(token.token, Some(Secret::new("a")));
        assert_eq!(token.expires.unwrap().to_string(), "2030-01-01T00:00:00Z");
        assert!(of("status: {clientCertificateData: c, clientKeyData: k}").unwrap().certificate.is_some());
        assert!(credential(br#"{"apiVersion":"client.authentication.k8s.io/v1","status":{"token":"a"}}"#, V1).is_ok());
        for (status, fault) in [
            ("a: 1", "no `status`"),
            ("status: {}", "neither a token nor"),
            ("status: {token: ''}", "neither a token nor"),
            ("status: {token: \"\\n\"}", "neither a token nor"),
            ("status: {clientKeyData: sesame}", "only one of"),
            ("status: {token: a, expirationTimestamp: sesame}", "`expirationTimestamp`"),
            ("status: sesame", "not an ExecCredential"),
        ] {
            let error = of(status).unwrap_err();
            assert!(error.contains(fault) && !error.contains("sesame"), "{status}: {error}");
        }
        for text in ["sesame", "", "[]", "{}", "apiVersion: client.authentication.k8s.io/v1beta1\nstatus: {token: a}"] {
            assert!(!credential(text.as_bytes(), V1).unwrap_err().contains("sesame"));
        }
        assert!(credential(format!("kind: Secret\napiVersion: {V1}").as_bytes(), V1).is_err());
    }
}
