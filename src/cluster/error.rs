//! Why the API server could not be used, and what to do about it. The server's messages about a secret can quote the
//! secret, so they are cut before the first brace, redacted and shortened. It sends no request.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::core::Status;

use super::access::credential_plugin::PluginError;
use super::route::Route;
use crate::desired::IMAGE_PULLER_ROLE;
use crate::facts::{ObjectKind, ObjectName};
use crate::failure::{self, Failure, TlsFault, shorten, single_line, without_errno};
use crate::process::ProcessError;
use crate::secret::{Redactor, Secret};

/// What the API server is needed for, which decides what a hint can recommend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterPurpose {
    /// `plan` and `apply`: the pull secret.
    Run,
    /// `restore`: the global pull secret.
    Restore,
    /// `explain`: the pull secrets of a pod.
    Explain,
    /// `login`: the token of the kubeconfig.
    Login,
}

impl ClusterPurpose {
    /// How to run without an API server.
    pub fn without_api(self) -> &'static str {
        match self {
            Self::Run => "to leave out the cluster, run with `--only nodes`",
            Self::Restore => "to choose the cluster, pass `--kubeconfig` and `--context`",
            Self::Explain => "to leave out the cluster, run without `--namespace`",
            Self::Login => "to log in without a kubeconfig, pipe the token in with `--password-stdin`",
        }
    }
}

/// A request that did not succeed.
#[derive(Debug)]
pub(super) enum ApiError {
    /// There was no response within this time, retries included.
    Timeout(Duration),
    /// There are no usable credentials, so nothing was sent, or the server rejected them because they have expired.
    Credentials(Failure),
    /// The server refused it.
    Refused(Box<Status>),
    /// The response has this status code, and is not one of the Kubernetes API, such as a web page.
    NotKubernetes(u16),
    /// The response reports success, and is not the object that was requested.
    OtherObject,
    /// The response has more than this number of bytes.
    TooLarge(usize),
    /// The error of the client.
    Client(kube::Error),
}

/// What a request does with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Read,
    List,
    Create,
    Update,
    Delete,
}

/// What messages about an API server need: how it is accessed, and what must not be shown.
#[derive(Debug, Clone)]
pub(super) struct Diagnosis {
    pub purpose: ClusterPurpose,
    pub server: String,
    /// The way through a node, if it is used.
    pub route: Option<Route>,
    /// `host:port` of the proxy, if one is used.
    pub proxy: Option<String>,
    /// The secrets of the run, and those of this connection.
    pub redactor: Arc<Mutex<Redactor>>,
}

impl Verb {
    /// The verb in sentences such as "cannot be read".
    fn participle(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::List => "listed",
            Self::Create => "created",
            Self::Update => "updated",
            Self::Delete => "deleted",
        }
    }

    /// The verb in the rules of a Role.
    fn of_role(self) -> &'static str {
        match self {
            Self::Read => "get",
            Self::List => "list",
            Self::Create => "create",
            Self::Update => "patch",
            Self::Delete => "delete",
        }
    }
}

impl ApiError {
    /// The status that the server responded with, if it responded.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Refused(status) => Some(status),
            _ => None,
        }
    }

    /// The status code of a response that is not a success.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Refused(status) => Some(status.code),
            Self::NotKubernetes(code) => Some(*code),
            _ => None,
        }
    }

    /// The error of a request that cannot be built, so nothing was sent.
    pub fn unsent(error: kube::core::request::Error) -> Self {
        Self::Client(kube::Error::BuildRequest(error))
    }

    /// Whether the server was too busy; a retry may succeed.
    pub fn is_busy(&self) -> bool {
        matches!(self.code(), Some(429 | 503 | 504))
    }

    /// How long the server demands to wait before the request is sent again.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.status()?.details.as_ref()?.retry_after_seconds;
        (seconds > 0).then(|| Duration::from_secs(seconds.into()))
    }

    /// Whether the server, or a webhook of it, supports no dry run. Servers before Kubernetes 1.13 reject the parameter,
    /// and only the message distinguishes this from other invalid requests.
    pub fn rejects_dry_run(&self) -> bool {
        let status = self.status().filter(|status| status.code == 400);
        status.is_some_and(|status| {
            let message = status.message.to_lowercase();
            message.contains("dryrun") || message.contains("dry run")
        })
    }

    /// Whether the request may have been carried out: it was sent, and not clearly refused.
    pub fn is_ambiguous(&self) -> bool {
        match self {
            Self::Timeout(_) | Self::OtherObject | Self::TooLarge(_) => true,
            Self::Credentials(_) | Self::Client(kube::Error::BuildRequest(_)) => false,
            // A response with a lower status means that the server has refused the request before it changed anything.
            Self::Refused(_) | Self::NotKubernetes(_) => self.code() >= Some(500),
            // This text of hyper-util is the only mark of a request that failed before it was sent.
            Self::Client(error) => !texts(error).iter().any(|text| text == "client error (Connect)"),
        }
    }

    /// Whether the server responded with this reason. The status code is not enough, because a router's web page can
    /// have the same one.
    pub fn has_reason(&self, reason: &str) -> bool {
        self.status().is_some_and(|status| status.reason == reason)
    }
}

impl Diagnosis {
    /// The failure of a request.
    pub fn failure(&self, verb: Verb, object: &ObjectName, error: &ApiError) -> Failure {
        if let Some(failure) = self.connection(error) {
            return failure;
        }
        match error.status() {
            Some(status) => self.denied(verb, object, status, self.response(status)),
            None => match error.code() {
                Some(code) => {
                    let status = Status { code, ..Status::default() };
                    self.denied(verb, object, &status, self.non_kubernetes_response(code))
                }
                None => self.not_kubernetes(format!("its response is not {object}")),
            },
        }
    }

    /// The failure of a request that does not depend on what was requested: other requests would probably fail, too.
    pub fn connection(&self, error: &ApiError) -> Option<Failure> {
        let without = self.purpose.without_api();
        Some(match error {
            ApiError::Timeout(limit) => self
                .unreachable(format!("no response within {limit:?}"))
                .hint(format!("check the route and the firewall to it, or raise `--timeout`; {without}")),
            ApiError::Credentials(failure) => failure.clone(),
            ApiError::Client(error) => self.client_failure(error),
            ApiError::TooLarge(limit) => {
                self.not_kubernetes(format!("its response is larger than {} MiB", limit >> 20))
            }
            ApiError::Refused(status) if status.code == 401 => self.rejected(self.response(status)),
            ApiError::NotKubernetes(401) => self.rejected(self.non_kubernetes_response(401)),
            ApiError::Refused(_) | ApiError::NotKubernetes(_) | ApiError::OtherObject => return None,
        })
    }

    /// A response that is no Kubernetes status.
    pub fn non_kubernetes_response(&self, code: u16) -> String {
        format!("{}: {code} without a Kubernetes status", self.server)
    }

    fn rejected(&self, response: String) -> Failure {
        Failure::new(format!("API server `{}` rejected the credentials", self.server))
            .cause(response)
            .hint("log in again (`oc login`), or check the token and client certificate in the kubeconfig")
    }

    /// Adds a secret that must not be shown.
    pub fn learn(&self, secret: &Secret) {
        self.redactor.lock().unwrap_or_else(PoisonError::into_inner).learn(secret);
    }

    /// What removes the secrets from texts.
    pub fn redactor(&self) -> Redactor {
        self.redactor.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The failure of a client that could not be set up, or got no usable response.
    pub fn client_failure(&self, error: &kube::Error) -> Failure {
        let without = self.purpose.without_api();
        if !matches!(error, kube::Error::Service(_) | kube::Error::HyperError(_)) {
            return Failure::new(format!("API server `{}` cannot be used", self.server))
                .cause(self.server_text(&innermost(error)))
                .hint(format!("check `server` and the certificates in the kubeconfig; {without}"));
        }
        let tls = tls_reason(error);
        if let (None, Some(route)) = (tls, &self.route) {
            return self.through_node(route, &innermost(error));
        }
        let (reason, hint) = match (tls, &self.proxy) {
            (Some((reason, hint)), _) => (reason.to_owned(), hint),
            // Without the proxy in the cause, the reader would look for the fault at the API server.
            (None, Some(proxy)) => (
                format!("through proxy `{proxy}`: {}", innermost(error)),
                "check HTTPS_PROXY, NO_PROXY and `proxy-url` in the kubeconfig",
            ),
            (None, None) => (innermost(error), "check that it is running, and `server` in the kubeconfig"),
        };
        self.unreachable(self.server_text(&reason)).hint(format!("{hint}; {without}"))
    }

    /// The failure for credentials that cannot be sent.
    pub fn unusable_credentials(&self, reason: &str) -> Failure {
        Failure::new("the credentials of the kubeconfig cannot be used")
            .cause(reason)
            .hint("log in again (`oc login`), or use another kubeconfig")
    }

    /// Why a credential plugin returned no credential. It does not show its arguments or its standard output, because
    /// they may contain a secret.
    pub fn plugin_failure(&self, command: &str, error: &PluginError) -> Failure {
        let without = self.purpose.without_api();
        let failure = Failure::new("the credentials of the kubeconfig cannot be used");
        let plugin = format!("credential plugin `{command}`");
        let run = format!("run `{command}` by hand, or log in again");
        match error {
            PluginError::Missing(hint) => {
                let hint = hint.as_deref().map(|hint| shorten(&single_line(hint)));
                let install = "install it, or check `command` in the kubeconfig";
                failure.cause(format!("{plugin} does not exist")).hint(hint.as_deref().unwrap_or(install))
            }
            PluginError::Process(ProcessError::NotStarted(_, reason)) => {
                failure.cause(format!("{plugin} cannot be started: {}", without_errno(reason))).hint(run)
            }
            PluginError::Process(ProcessError::Timeout(limit)) => {
                Failure::new(format!("{plugin} of the kubeconfig did not finish within {limit:?}")).hint(format!(
                    "run `{command}` by hand to see whether it waits for input, or raise `--timeout`; {without}"
                ))
            }
            PluginError::Process(other) => failure.cause(format!("{plugin} {other}")).hint(run),
            PluginError::Failed(status, lines) => {
                let failure = failure.cause(format!("{plugin} ended with {status}")).hint(run);
                match lines {
                    Some(lines) => failure.cause(format!("its error output: {lines}")),
                    None => failure,
                }
            }
            PluginError::Unusable(reason) => {
                failure.cause(format!("{plugin} did not return a usable credential")).cause(reason).hint(run)
            }
            PluginError::NoTerminal => failure
                .cause(format!("{plugin} must be run in a terminal: its `interactiveMode` is `Always`"))
                .hint(format!("run this command in a terminal; {without}")),
        }
    }

    /// The failure of a connection through a node.
    fn through_node(&self, route: &Route, reason: &str) -> Failure {
        if let Some(failure) = (route.failure)() {
            let failure = failure.cause(format!("API server `{}` is reached through this node", self.server));
            return failure.further_hint(self.purpose.without_api());
        }
        let (reason, hint) = route.reason(reason);
        self.unreachable(self.server_text(&reason)).hint(hint).further_hint(self.purpose.without_api())
    }

    fn not_kubernetes(&self, reason: String) -> Failure {
        let without = self.purpose.without_api();
        Failure::new(format!("`{}` is not a Kubernetes API server", self.server))
            .cause(reason)
            .hint(format!("check `server` in the kubeconfig; {without}"))
    }

    fn unreachable(&self, reason: String) -> Failure {
        Failure::new(format!("API server `{}` cannot be reached", self.server)).cause(reason)
    }

    /// The failure of a request that the server did not carry out.
    fn denied(&self, verb: Verb, object: &ObjectName, status: &Status, response: String) -> Failure {
        let without = self.purpose.without_api();
        let ObjectName { kind, namespace, .. } = object;
        let denied = Failure::new(format!("{object} cannot be {}", verb.participle()));
        let (failure, hint) = match status.code {
            // Kubernetes refuses new objects in such a namespace with the same status as a missing permission.
            403 if is_terminating(status) => return terminating_namespace(namespace).cause(response),
            400..500 if is_admission_rule(status) => {
                let hint = "ask who maintains this rule to permit it";
                (denied, format!("{hint}, or remove namespace `{namespace}` from the inventory"))
            }
            // The server sends no field for these cases, only its message.
            403 if status.message.contains("status unknown for quota") => {
                (denied, format!("wait until the objects in namespace `{namespace}` are counted, and run again"))
            }
            403 if status.message.contains("exceeded quota") => {
                (denied, format!("raise the quota of namespace `{namespace}` for secrets"))
            }
            403 if status.message.contains("system:anonymous") => {
                (denied, "the kubeconfig contains no credentials for this server: log in (`oc login`)".to_owned())
            }
            403 if *kind == ObjectKind::Namespace => {
                let hint = "grant the user `list` on namespaces in a ClusterRole (docs/permissions.md), or name the namespaces in the inventory";
                (denied, hint.to_owned())
            }
            // The server refuses to give others more permissions than the user has, unless the user may `bind` the role.
            403 if status.message.contains("attempting to grant RBAC permissions") => {
                let role = IMAGE_PULLER_ROLE;
                let hint = format!(
                    "grant the user `bind` on the ClusterRole `{role}`, or `{role}` itself in namespace `{namespace}`"
                );
                (denied, hint)
            }
            400 if *kind == ObjectKind::Namespace => (denied, "correct `labels` in the inventory".to_owned()),
            403 => {
                let (verb, resource) = (verb.of_role(), resource(*kind));
                let role = match self.purpose {
                    ClusterPurpose::Run | ClusterPurpose::Restore => " (docs/permissions.md has the roles)",
                    ClusterPurpose::Explain | ClusterPurpose::Login => "",
                };
                (denied, format!("grant the user `{verb}` on {resource} in namespace `{namespace}`{role}; {without}"))
            }
            404 if is_missing_namespace(status) => return missing_namespace(namespace).cause(response),
            // An API server does not redirect, and it knows the path of secrets. So another web server has responded.
            300..=399 | 404 => return self.not_kubernetes(response),
            413 | 422 if *kind == ObjectKind::Secret && is_too_large(status) => (
                denied,
                "a secret holds at most 1 MiB: remove entries from it, or declare fewer `registries`".to_owned(),
            ),
            422 if *kind == ObjectKind::Secret => {
                (denied, "inspect the secret with `oc describe secret`; it may be immutable".to_owned())
            }
            _ => (denied, "try again; if the error persists, check the log of the API server".to_owned()),
        };
        failure.cause(response).hint(hint)
    }

    /// The message of a status that is part of a response.
    pub fn message(&self, status: &Status) -> String {
        let (reason, message) = (self.server_text(&status.reason), self.server_text(&status.message));
        if message.is_empty() { reason } else { message }
    }

    /// The response in one line: `https://api:6443: 403 Forbidden: secrets is forbidden: …`.
    pub fn response(&self, status: &Status) -> String {
        let (reason, message) = (self.server_text(&status.reason), self.server_text(&status.message));
        let line = format!("{}: {} {reason}", self.server, status.code).trim_end().to_owned();
        // Some servers repeat the reason as the message.
        if message.is_empty() || message == reason { line } else { format!("{line}: {message}") }
    }

    /// Text that the server chose: without quoted objects, redacted, on one line, and short.
    pub fn server_text(&self, text: &str) -> String {
        // The text is redacted before it is cut, because the cut could leave a part of a secret that no longer matches.
        let redactor = self.redactor();
        let redacted = redactor.scrub(text);
        let shown = redacted.split('{').next().unwrap_or_default();
        // Joining the lines can put together a secret that was split by a control character.
        let line = redactor.scrub(&single_line(shown));
        let ellipsis = if shown.len() < redacted.len() { "…" } else { "" };
        shorten(&format!("{line}{ellipsis}"))
    }
}

/// The failure for a namespace that does not exist.
pub(super) fn missing_namespace(namespace: &str) -> Failure {
    Failure::new(format!("namespace `{namespace}` does not exist")).hint(format!(
        "create it (`oc create namespace {namespace}`), or check that the kubeconfig is for this cluster"
    ))
}

/// The failure for a namespace in which nothing can be created.
pub(super) fn terminating_namespace(namespace: &str) -> Failure {
    Failure::new(format!("namespace `{namespace}` is being deleted"))
        .hint("wait until it is deleted, and create it again")
}

/// The name of a kind in the rules of a Role.
fn resource(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Secret => "secrets",
        ObjectKind::ServiceAccount => "serviceaccounts",
        ObjectKind::ImageStreamImport => "imagestreamimports",
        ObjectKind::RoleBinding => "rolebindings.rbac.authorization.k8s.io",
        ObjectKind::ClusterRole => "clusterroles.rbac.authorization.k8s.io",
        ObjectKind::Namespace => "namespaces",
        ObjectKind::MachineConfigPool => "machineconfigpools.machineconfiguration.openshift.io",
    }
}

/// Whether the server reports that the namespace does not exist. The reason is not enough, because the server responds
/// with `NotFound` for a path that it does not know, too.
pub(super) fn is_missing_namespace(status: &Status) -> bool {
    let details = status.details.as_ref().is_some_and(|details| details.kind == "namespaces");
    status.reason == "NotFound" && (details || status.message.starts_with("namespaces "))
}

fn is_terminating(status: &Status) -> bool {
    let listed =
        status.details.iter().flat_map(|details| &details.causes).any(|cause| cause.reason == "NamespaceTerminating");
    // OpenShift 3.11 sends no list of causes.
    listed || status.message.contains("because it is being terminated")
}

/// Whether a webhook or a ValidatingAdmissionPolicy has denied the request. It chooses the status code, which can be that
/// of a missing permission, and only the message of the server says so.
fn is_admission_rule(status: &Status) -> bool {
    let denies = |rule, verb| status.message.contains(rule) && status.message.contains(verb);
    denies("admission webhook", "denied the request") || denies("ValidatingAdmissionPolicy", "denied request")
}

/// Whether the object, or the request, has more bytes than the server stores.
fn is_too_large(status: &Status) -> bool {
    let mut causes = status.details.iter().flat_map(|details| &details.causes);
    status.code == 413 || causes.any(|cause| cause.reason == "FieldValueTooLong")
}

/// The reason of a TLS failure, and a hint.
fn tls_reason(error: &kube::Error) -> Option<(&'static str, &'static str)> {
    const CA: &str = "check `certificate-authority` in the kubeconfig";
    const SERVER: &str = "check `server` in the kubeconfig";
    let texts = texts(error);
    // Only the text of OpenSSL's error distinguishes the reasons.
    let ssl = texts.iter().find(|text| text.contains("SSL routines"))?;
    Some(match failure::tls_fault(&[ssl])? {
        TlsFault::UnknownIssuer => ("the issuer of its certificate is not trusted", CA),
        TlsFault::SelfSigned => ("its certificate is self-signed", CA),
        TlsFault::Expired => {
            ("its certificate has expired", "renew the certificate, or correct the clock of this machine")
        }
        TlsFault::NotYetValid => ("its certificate is not yet valid", "correct the clock of this machine"),
        TlsFault::WrongName => ("its certificate is for another host name", SERVER),
        TlsFault::WrongAddress => ("its certificate is not for this IP address", SERVER),
        TlsFault::NotTls => ("the port does not speak TLS", SERVER),
        TlsFault::ClientCertificate => {
            ("the server ended the TLS handshake", "check the client certificate in the kubeconfig")
        }
        TlsFault::Handshake if ssl.contains("alert") => {
            ("the server ended the TLS handshake", "check the client certificate in the kubeconfig")
        }
        TlsFault::Handshake | TlsFault::HungUp => return None,
    })
}

fn innermost(error: &kube::Error) -> String {
    let last = texts(error).pop().unwrap_or_default();
    without_errno(&last).to_lowercase()
}

/// The texts of the error and of its sources, outermost first.
fn texts(error: &kube::Error) -> Vec<String> {
    failure::chain(error).map(ToString::to_string).collect()
}
