//! The way to an API server through a node: a SOCKS5 listener of this program that requires a login. The node resolves
//! the name of the server; the TLS connection, and so the check of the certificate, is between this machine and the
//! server.

use std::sync::Arc;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::SocksV5;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ClientBuilder, ConfigExt as _};
use kube::{Client, Config};

use crate::failure::{Failure, TunnelFault, tunnel_fault};
use crate::secret::Secret;

/// A way through a node.
#[derive(Clone)]
pub struct Route {
    /// `socks5h://user:password@host:port`.
    pub socks: Secret,
    /// The name of the node.
    pub node: String,
    /// The path of the kubeconfig on the node.
    pub kubeconfig: String,
    /// Why the node cannot be used for any connection, as far as this is known. It keeps the tunnel open.
    pub failure: Arc<dyn Fn() -> Option<Failure> + Send + Sync>,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Route").field("node", &self.node).finish_non_exhaustive()
    }
}

impl Route {
    /// A client whose connections all use this way. The kube crate itself supports only SOCKS5 proxies without a login.
    pub(super) fn client(&self, config: Config) -> kube::Result<Client> {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        let socks: Uri = self.socks.expose().parse().unwrap_or_default();
        let authority = socks.authority().map_or("", |authority| authority.as_str());
        let (login, address) = authority.rsplit_once('@').unwrap_or_default();
        let (user, password) = login.split_once(':').unwrap_or_default();
        let listener: Uri = format!("socks5h://{address}").parse().unwrap_or_default();
        let socks = SocksV5::new(listener, connector).with_auth(user.to_owned(), password.to_owned());
        let connector = config.openssl_https_connector_with_connector(socks)?;
        let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build::<_, Body>(connector);
        // The last layer sees a request first.
        let builder = ClientBuilder::new(client, config.default_namespace.clone());
        let builder = builder.with_layer(&config.extra_headers_layer()?).with_layer(&config.base_uri_layer());
        Ok(builder.build())
    }

    /// The reason of a failed connection, and a hint. `text` is that of the HTTP client.
    pub(super) fn reason(&self, text: &str) -> (String, String) {
        let Self { node, kubeconfig, .. } = self;
        let reply = text.strip_prefix("socks error: ").unwrap_or(text);
        let server = format!("check `server` in `{kubeconfig}` on `{node}`");
        let (reason, hint) = match tunnel_fault(reply) {
            Some(TunnelFault::NoName) => {
                ("its name does not resolve there", format!("{server}, and the resolver and /etc/hosts of `{node}`"))
            }
            Some(TunnelFault::Refused) => {
                ("connection refused", format!("check that the API server is running; {server}"))
            }
            Some(TunnelFault::NoRoute) => ("no route to host", format!("{server}, and the routes of `{node}`")),
            Some(TunnelFault::TimedOut) => ("connection timed out", format!("{server}, and the firewall of `{node}`")),
            Some(TunnelFault::Forbidden) => (
                "sshd forbids forwarding to it (administratively prohibited)",
                format!("allow it with `AllowTcpForwarding` and `PermitOpen` in the sshd_config of `{node}`"),
            ),
            None => (reply, server),
        };
        (format!("through `{node}`: {reason}"), hint)
    }
}
