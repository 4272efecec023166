//! Why the API server could not be used, and what to do. Its messages about secrets can quote the secret, so
//! they are cut before the first brace, scrubbed and kept short.

use std::time::Duration;

use kube::client::AuthError;
use kube::core::Status;

use crate::failure::{self, Failure, TlsFault, find, shorten, single_line, without_errno};
use crate::secret::Redactor;

/// What the API server is wanted for, which decides what a hint can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// `plan` and `apply`: the pull secret.
    Run,
    /// `explain`: the pull secrets of a pod.
    Explain,
    /// `login`: the token of the kubeconfig.
    Login,
}

impl Purpose {
    /// What to do where there is no API server.
    pub(super) fn without_api(self) -> &'static str {
        match self {
            Self::Run => "to leave out the cluster, run with `--only nodes`",
            Self::Explain => "to leave out the cluster, run without `--namespace`",
            Self::Login => "to do without it, pipe the token in with `--password-stdin`",
        }
    }

    /// What has to be allowed.
    fn rights(self) -> &'static str {
        match self {
            Self::Run => "get, create and update",
            Self::Explain | Self::Login => "get",
        }
    }
}

/// What kube makes of an error that holds no Status, such as a web page.
const UNPARSED: &str = "Failed to parse error data";

/// A request that did not succeed.
#[derive(Debug)]
pub(super) enum Fault {
    /// No answer within this time, repeats included.
    Timeout(Duration),
    /// What the client or the server said.
    Kube(kube::Error),
}

/// What was being done to a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    Read,
    Create,
    Update,
}

/// A secret, for messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
}

/// Who was asked, and what must not be shown.
#[derive(Debug, Clone)]
pub(super) struct Words {
    pub purpose: Purpose,
    pub server: String,
    /// `host:port` of the proxy in between.
    pub proxy: Option<String>,
    /// The command that the kubeconfig names for logging in.
    pub plugin: Option<String>,
    pub redactor: Redactor,
}

impl std::fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "secret `{}` in namespace `{}`", self.name, self.namespace)
    }
}

impl Fault {
    /// The server's own word, if that is what it is.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Kube(kube::Error::Api(status)) => Some(status),
            Self::Kube(_) | Self::Timeout(_) => None,
        }
    }

    /// Whether the server was too busy; another attempt may succeed.
    pub fn is_busy(&self) -> bool {
        self.status().is_some_and(|status| matches!(status.code, 429 | 503 | 504))
    }

    /// Whether what was asked for may have been done all the same: it was sent, and not clearly refused.
    pub fn leaves_open(&self) -> bool {
        match self {
            Self::Timeout(_) => true,
            Self::Kube(kube::Error::Api(status)) => status.code >= 500,
            Self::Kube(error) => {
                let unsent = chain(error).iter().any(|text| text == "client error (Connect)");
                !unsent && find::<AuthError>(error).is_none()
            }
        }
    }

    /// Whether the server says so: a web page with the same number, such as a router's, is not an answer.
    pub fn is(&self, reason: &str) -> bool {
        self.status().is_some_and(|status| status.reason == reason)
    }
}

impl Words {
    /// The failure that a fault comes to.
    pub fn failure(&self, doing: Doing, secret: Named<'_>, fault: &Fault) -> Failure {
        let without = self.purpose.without_api();
        match fault {
            Fault::Timeout(limit) => self
                .unreachable(format!("no answer within {limit:?}"))
                .hint(format!("check the route and the firewall to it, or raise `--timeout`; {without}")),
            Fault::Kube(kube::Error::Api(status)) => self.answered(doing, secret, status),
            Fault::Kube(error) => self.broken(error),
        }
    }

    /// The client could not even be set up.
    pub fn broken(&self, error: &kube::Error) -> Failure {
        let without = self.purpose.without_api();
        if let Some(auth) = find::<AuthError>(error) {
            return self.no_login(auth);
        }
        if let kube::Error::SerdeError(_) = error {
            return self.no_kubernetes("its answer is not one of the Kubernetes API".to_owned());
        }
        if !matches!(error, kube::Error::Service(_) | kube::Error::HyperError(_)) {
            return Failure::new(format!("API server `{}` cannot be used", self.server))
                .cause(self.foreign(&innermost(error)));
        }
        let (reason, hint) = match (tls_reason(error), &self.proxy) {
            (Some((what, hint)), _) => (what.to_owned(), hint),
            (None, Some(proxy)) => (
                format!("through proxy `{proxy}`: {}", innermost(error)),
                "check HTTPS_PROXY, NO_PROXY and the kubeconfig's `proxy-url`",
            ),
            (None, None) => (innermost(error), "check that it runs, and `server` in the kubeconfig"),
        };
        self.unreachable(self.foreign(&reason)).hint(format!("{hint}; {without}"))
    }

    /// What went wrong with the login, without what a plugin was given and what it printed: either may hold a secret.
    fn no_login(&self, error: &AuthError) -> Failure {
        let failure = Failure::new("the kubeconfig's login cannot be used");
        let plugin = format!("login plugin `{}`", self.plugin.as_deref().unwrap_or("?"));
        let run = format!("run `{}` by hand, or log in again", self.plugin.as_deref().unwrap_or("?"));
        match error {
            AuthError::AuthExecRun { out, .. } => {
                failure.cause(format!("{plugin} ended with {}", out.status)).hint(run)
            }
            AuthError::AuthExecStart(error) => {
                failure.cause(format!("{plugin} cannot be started: {}", without_errno(error))).hint(run)
            }
            AuthError::AuthExec(_) | AuthError::AuthExecParse(_) | AuthError::ParseTokenKey(_) => {
                failure.cause(format!("{plugin} gave no credential that can be used")).hint(run)
            }
            other => failure.cause(other.to_string()).hint("log in again (`oc login`), or give another kubeconfig"),
        }
    }

    /// The login plugin could not even be run.
    pub fn no_plugin(&self, reason: &str) -> Failure {
        Failure::new("the kubeconfig's login cannot be used").cause(reason)
    }

    /// The login plugin still runs, and is given up.
    pub fn silent_plugin(&self, limit: Duration) -> Failure {
        let without = self.purpose.without_api();
        let plugin = self.plugin.as_deref().unwrap_or("?");
        Failure::new(format!("the login plugin `{plugin}` of the kubeconfig did not answer within {limit:?}"))
            .hint(format!("run `{plugin}` by hand, as it may wait for a login, or raise `--timeout`; {without}"))
    }

    fn no_kubernetes(&self, reason: String) -> Failure {
        let without = self.purpose.without_api();
        Failure::new(format!("`{}` is no Kubernetes API", self.server))
            .cause(reason)
            .hint(format!("check `server` in the kubeconfig; {without}"))
    }

    fn unreachable(&self, reason: String) -> Failure {
        Failure::new(format!("API server `{}` cannot be reached", self.server)).cause(reason)
    }

    fn answered(&self, doing: Doing, secret: Named<'_>, status: &Status) -> Failure {
        let without = self.purpose.without_api();
        let Named { namespace, .. } = secret;
        let done = match doing {
            Doing::Read => "read",
            Doing::Create => "created",
            Doing::Update => "updated",
        };
        let denied = Failure::new(format!("{secret} cannot be {done}"));
        let (failure, hint) = match status.code {
            401 => (
                Failure::new(format!("API server `{}` did not accept the login", self.server)),
                "log in again (`oc login`), or check token and client certificate in the kubeconfig".to_owned(),
            ),
            403 if is_terminating(status) => (
                Failure::new(format!("namespace `{namespace}` is being deleted")),
                "wait until it is gone, and create it again".to_owned(),
            ),
            403 if status.message.contains("exceeded quota") => {
                (denied, format!("raise the quota of namespace `{namespace}` for secrets"))
            }
            403 if status.message.contains("system:anonymous") => {
                (denied, "the kubeconfig holds no login for this server: log in (`oc login`)".to_owned())
            }
            403 => (denied, format!("allow the user {} of secrets in `{namespace}`; {without}", self.purpose.rights())),
            404 if is_missing_namespace(status) => return missing_namespace(namespace).cause(self.told(status)),
            300..=399 | 404 => return self.no_kubernetes(self.told(status)),
            422 => (denied, "look at the secret with `oc describe`; it may be immutable".to_owned()),
            _ => (denied, "try again; if it stays, look at the API server's log".to_owned()),
        };
        failure.cause(self.told(status)).hint(hint)
    }

    /// `https://api:6443: 403 Forbidden: secrets is forbidden: …`.
    pub fn told(&self, status: &Status) -> String {
        if status.reason == UNPARSED {
            return format!("{}: {} without a word of Kubernetes", self.server, status.code);
        }
        let (reason, message) = (self.foreign(&status.reason), self.foreign(&status.message));
        let said = format!("{}: {} {reason}", self.server, status.code).trim_end().to_owned();
        if message.is_empty() || message == reason { said } else { format!("{said}: {message}") }
    }

    /// Text that a server chose: never an object, one line, short.
    fn foreign(&self, text: &str) -> String {
        let scrubbed = self.redactor.scrub(text);
        let shown = scrubbed.split('{').next().unwrap_or_default();
        let line = self.redactor.scrub(&single_line(shown));
        let cut = if shown.len() < scrubbed.len() { "…" } else { "" };
        shorten(&format!("{line}{cut}"))
    }
}

/// Nothing can be put into it.
pub(super) fn missing_namespace(namespace: &str) -> Failure {
    Failure::new(format!("namespace `{namespace}` does not exist")).hint(format!(
        "create it (`oc create namespace {namespace}`), or check that the kubeconfig is for this cluster"
    ))
}

/// Whether the server says that the namespace does not exist: of a path that it does not know it says `NotFound` too.
pub(super) fn is_missing_namespace(status: &Status) -> bool {
    let kind = status.details.as_ref().is_some_and(|details| details.kind == "namespaces");
    status.reason == "NotFound" && (kind || status.message.starts_with("namespaces "))
}

fn is_terminating(status: &Status) -> bool {
    let caused =
        status.details.iter().flat_map(|details| &details.causes).any(|cause| cause.reason == "NamespaceTerminating");
    // OpenShift 3.11 sends no causes.
    caused || status.message.contains("because it is being terminated")
}

/// What is wrong with TLS, and what to do.
fn tls_reason(error: &kube::Error) -> Option<(&'static str, &'static str)> {
    const CA: &str = "check `certificate-authority` of the kubeconfig";
    const SERVER: &str = "check `server` in the kubeconfig";
    let chain = chain(error);
    let ssl = chain.iter().find(|text| text.contains("SSL routines"))?;
    Some(match failure::tls_fault(&[ssl])? {
        TlsFault::UnknownIssuer => ("the certificate's issuer is unknown here", CA),
        TlsFault::SelfSigned => ("the certificate is self-signed", CA),
        TlsFault::Expired => ("the certificate has expired", "renew it; check the clock here"),
        TlsFault::NotYetValid => ("the certificate is not yet valid", "check the clock here"),
        TlsFault::WrongName => ("the certificate is for another host name", SERVER),
        TlsFault::WrongAddress => ("the certificate is not for this IP address", SERVER),
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
    let last = chain(error).pop().unwrap_or_default();
    without_errno(&last).to_lowercase()
}

fn chain(error: &kube::Error) -> Vec<String> {
    failure::chain(error).map(ToString::to_string).collect()
}
