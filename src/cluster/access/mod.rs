//! Access to an API server: which kubeconfig files are used (`kubeconfig_order`), what they select (`kubeconfig`), how
//! the user authenticates (`credentials`, `credential_plugin`), which proxy is used (`proxy`), and the token of the user
//! (`token`), and why a server rejects the credentials (`rejected`). It reads files and the environment. It sends no request to an API server.

pub(super) mod credential_plugin;
pub(super) mod credentials;
mod kubeconfig;
mod kubeconfig_order;
mod proxy;
pub(super) mod rejected;
mod token;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::Config;
use kube::config::AuthInfo;
use serde_json::json;

use self::credentials::Credentials;
pub use self::kubeconfig::{NodeKubeconfig, ReadFiles, named_files, of_node, other_kubeconfig};
pub use self::kubeconfig_order::{AccessSource, Masters, Search, find};
pub use self::token::token;
use crate::failure::Failure;

/// Named in every request, so that the audit log of the API server shows which program sent it.
const USER_AGENT: &str = concat!("oregano/", env!("CARGO_PKG_VERSION"));

/// How an API server is reached, and as which user.
#[derive(Clone)]
pub struct Access {
    /// Server, certificates, proxy, and headers. Of the credentials it has only the client certificate.
    pub(super) config: Config,
    pub(super) credentials: Credentials,
    /// Whose credentials they are and where they come from, as in messages: "user `admin` in kubeconfig `config`".
    pub(super) origin: String,
}

/// The headers and the certificate are not shown, because they may contain a secret.
impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let server = &self.config.cluster_url;
        f.debug_struct("Access").field("server", server).field("credentials", &self.credentials).finish_non_exhaustive()
    }
}

impl Access {
    /// The host of the server, as in a URL.
    pub fn host(&self) -> &str {
        self.config.cluster_url.host().unwrap_or_default()
    }

    /// Access without credentials.
    #[cfg(test)]
    pub(crate) fn anonymous(config: Config) -> Self {
        Self { config, credentials: Credentials::None, origin: "user `none`".to_owned() }
    }
}

/// Reads how the API server is reached. No server is contacted, and no plugin is run. `context` is the context of the
/// kubeconfig that is used; `None` for its current context.
///
/// # Errors
/// If a file cannot be read or parsed, the context does not lead to a server, or its user cannot be used.
pub fn load(source: &AccessSource, context: Option<&str>) -> Result<Access, Failure> {
    let mut access = match source {
        AccessSource::Named(path) => kubeconfig::load(std::slice::from_ref(path), context)?,
        AccessSource::OfUser(paths) => kubeconfig::load(paths, context)?,
        AccessSource::FirstMaster => return Err(Failure::internal("the kubeconfig of the master was not read")),
        AccessSource::ServiceAccount if context.is_some() => {
            return Err(Failure::new("`--context` cannot be used with the service account of this pod")
                .cause("no kubeconfig was found, and only a kubeconfig has contexts")
                .hint("pass `--kubeconfig FILE`, or leave out `--context`"));
        }
        AccessSource::ServiceAccount => service_account()?,
    };
    let config = &mut access.config;
    // A `proxy-url` in the kubeconfig takes precedence over the environment.
    if config.proxy_url.is_none() {
        config.proxy_url = proxy::from_environment(config).and_then(|url| url.parse().ok());
    }
    config.headers.push(user_agent());
    Ok(access)
}

fn user_agent() -> (http::HeaderName, http::HeaderValue) {
    (http::header::USER_AGENT, http::HeaderValue::from_static(USER_AGENT))
}

/// The access that the content of one kubeconfig describes. Unlike [`load`], it does not use the environment.
///
/// # Errors
/// As those of [`load`].
pub fn parse(content: &[u8]) -> Result<Access, Failure> {
    kubeconfig::parse(&"kubeconfig".into(), content)
}

/// The service account of the pod that this process runs in.
fn service_account() -> Result<Access, Failure> {
    let config = Config::incluster();
    let mut config = config.map_err(|error| {
        Failure::new("the service account of this pod cannot be used").cause(error.to_string()).hint(
            "check `automountServiceAccountToken` of the pod and its service account, or pass `--kubeconfig FILE`",
        )
    })?;
    let token_file = std::mem::take(&mut config.auth_info).token_file;
    let credentials = token_file.map_or(Credentials::None, |file| Credentials::TokenFile(file.into()));
    Ok(Access { config, credentials, origin: "the service account of this pod".to_owned() })
}

/// A user with a client certificate and its key, both in PEM.
pub(super) fn client_certificate(certificate: &[u8], key: &[u8]) -> AuthInfo {
    let data =
        json!({"client-certificate-data": STANDARD.encode(certificate), "client-key-data": STANDARD.encode(key)});
    // The key has a type that can only be made through serde or with one more crate.
    serde_json::from_value(data).unwrap_or_default()
}
