//! Access to an API server: which kubeconfig files are used (`kubeconfig_order`), what they select (`kubeconfig`),
//! which proxy is used (`proxy`), how a credential plugin is run (`credential_plugin`), and the token of the user
//! (`token`). It reads files and the environment. It sends no request to an API server.

pub(super) mod credential_plugin;
mod kubeconfig;
mod kubeconfig_order;
mod proxy;
mod token;

use kube::Config;

pub use self::kubeconfig_order::{AccessSource, find};
pub use self::token::token;
use crate::failure::Failure;

/// Named in every request, so that the audit log of the API server shows which program sent it.
const USER_AGENT: &str = concat!("oregano/", env!("CARGO_PKG_VERSION"));

/// The configuration of a client: server, certificates, credentials and proxy. No server is contacted. `context` is the
/// context of the kubeconfig that is used; `None` for its current context.
///
/// # Errors
/// If a file cannot be read or parsed, or the context does not lead to a server.
pub fn load(source: &AccessSource, context: Option<&str>) -> Result<Config, Failure> {
    let mut config = match source {
        AccessSource::Kubeconfig(paths) => kubeconfig::load(paths, context)?,
        AccessSource::ServiceAccount if context.is_some() => {
            return Err(Failure::new("`--context` cannot be used with the service account of this pod")
                .cause("no kubeconfig was found, and only a kubeconfig has contexts")
                .hint("pass `--kubeconfig FILE`, or leave out `--context`"));
        }
        AccessSource::ServiceAccount => Config::incluster()
            .map_err(|error| Failure::new("the service account of this pod cannot be used").cause(error.to_string()))?,
    };
    // A `proxy-url` in the kubeconfig takes precedence over the environment.
    if config.proxy_url.is_none() {
        config.proxy_url = proxy::from_environment(&config).and_then(|url| url.parse().ok());
    }
    if let (Ok(name), Ok(value)) = ("user-agent".parse(), USER_AGENT.parse()) {
        config.headers.push((name, value));
    }
    Ok(config)
}
