//! HTTP clients: one for each combination of trusted certificates and proxies. All attempts of a run share them.
//! Clients for tunnels also share the TLS connectors and the resolved names.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use native_tls::TlsConnector;
use reqwest::{Client, Url, redirect};

use super::certificates::TlsSetupError;
use super::proxy::{Hop, ProxySelector, ProxySource};
use super::resolver::NameResolver;
use super::trust::{Connectors, TlsTrust};
use crate::desired::{Proxy, Registry, TlsPolicy};
use crate::secret::Secret;

/// Sent with every request, so that the log of a registry shows which program sent it.
const USER_AGENT: &str = concat!("oregano/", env!("CARGO_PKG_VERSION"));

/// The time limit for name resolution, connection and TLS handshake together. It is shorter than the timeout of a
/// request, because a request can be retried as long as nothing was sent over the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Some servers close idle connections after 5 s. A request on such a connection would fail although the server works.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// The clients of one run; each is built when it is first needed.
pub struct Clients {
    connectors: Arc<Connectors>,
    resolver: NameResolver,
    proxies: ProxySource,
    built: Mutex<HashMap<(TlsTrust, Proxy), RegistryClient>>,
}

/// A client for one registry, and information about its connections that messages need.
#[derive(Clone)]
pub struct RegistryClient {
    pub client: Client,
    /// User and password of each proxy that has a login.
    pub proxy_logins: Arc<[(String, Secret)]>,
    /// The folder of certs.d that is used for the registry.
    pub certificates: Option<PathBuf>,
    proxies: ProxySelector,
    resolver: NameResolver,
}

/// Why there is no client for a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientError {
    Tls(TlsSetupError),
    /// The address of a tunnel, which this program chose itself, is not a URL.
    Tunnel,
}

impl Clients {
    /// No clients yet. `home` contains the user's own `.config/containers/certs.d`.
    pub fn new(home: Option<&Path>) -> Self {
        Self::over(Arc::new(Connectors::new(home)), NameResolver::system(), ProxySource::Environment)
    }

    /// Clients whose connections all go through a SOCKS5 proxy that resolves names (`socks5h://…`). The proxy of a
    /// registry is ignored, because the far end of the tunnel applies it. TLS connectors and names are shared.
    #[must_use]
    pub fn through(&self, socks: &Secret) -> Self {
        Self::over(Arc::clone(&self.connectors), self.resolver.clone(), ProxySource::Tunnel(socks.clone()))
    }

    #[cfg(test)]
    pub(in crate::registry) fn with_proxies(proxies: ProxySource) -> Self {
        Self::over(Arc::new(Connectors::new(None)), NameResolver::system(), proxies)
    }

    pub(in crate::registry) fn over(connectors: Arc<Connectors>, resolver: NameResolver, proxies: ProxySource) -> Self {
        Self { connectors, resolver, proxies, built: Mutex::default() }
    }

    /// The client for a registry; `contacted` is the host that serves its name.
    pub(in crate::registry) fn client_for(
        &self,
        registry: &Registry,
        contacted: &str,
    ) -> Result<RegistryClient, ClientError> {
        // The folder is not part of the key: registries with equal certificates share a client, but each message names
        // the folder of its registry.
        let (trust, certificates) = self.connectors.trust(registry, contacted).map_err(ClientError::Tls)?;
        let proxy = match &self.proxies {
            // The clients of a tunnel are equal for all proxies, so they can share one connection pool.
            ProxySource::Tunnel(_) => Proxy::default(),
            _ => registry.proxy.clone(),
        };
        let policy = registry.tls;
        let key = (trust, proxy);
        if let Some(client) = self.built.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(RegistryClient { certificates, ..client.clone() });
        }
        let proxies = ProxySelector::new(&self.proxies, &key.1);
        let connector = self.connectors.get(&key.0).map_err(ClientError::Tls)?;
        let resolver = self.resolver.clone();
        let client = build(policy, connector, &proxies, resolver.clone())?;
        let proxy_logins = proxies.logins().into();
        let client = RegistryClient { client, proxy_logins, certificates: None, proxies, resolver };
        // Another task may have built the same client in the meantime. That client is kept, because it may already have
        // open connections.
        let client = self.built.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert(client).clone();
        Ok(RegistryClient { certificates, ..client })
    }
}

impl RegistryClient {
    /// What is between this machine and the server of `url`.
    pub fn hop(&self, url: &Url) -> Hop {
        self.proxies.hop(url)
    }

    /// The error in the URL of the proxy for `url`; a request to `url` must not be sent then.
    pub fn proxy_url_error(&self, url: &Url) -> Option<String> {
        self.proxies.url_error(url)
    }

    /// The addresses of the server of `url`; empty if the connection uses a proxy or a tunnel.
    pub async fn addresses(&self, url: &Url) -> Vec<SocketAddr> {
        match (self.hop(url), url.port_or_known_default(), url.host_str()) {
            (Hop::Direct, Some(port), Some(host)) => {
                // An address needs no lookup, and a resolver would not accept the brackets of IPv6.
                let bare = host.trim_start_matches('[').trim_end_matches(']');
                match bare.parse::<IpAddr>() {
                    Ok(address) => vec![SocketAddr::new(address, port)],
                    Err(_) => self.resolver.addresses(host, port).await,
                }
            }
            _ => Vec::new(),
        }
    }

    /// Whether a request to `url` waits for name resolution: of the server, or of the proxy in between.
    pub fn waits_for_name(&self, url: &Url) -> bool {
        match self.hop(url) {
            Hop::Direct => url.host_str().is_some_and(|host| self.resolver.waits_for(host)),
            // The proxy resolves the name of the registry, so this machine only looks up the name of the proxy.
            Hop::Proxy { host, .. } => self.resolver.waits_for(&host),
            // The node resolves the name, and its resolver cannot be observed from here.
            Hop::Tunnel => false,
        }
    }
}

fn build(
    policy: TlsPolicy,
    connector: TlsConnector,
    proxies: &ProxySelector,
    resolver: NameResolver,
) -> Result<Client, ClientError> {
    // The library must neither follow redirects nor repeat requests: each request may carry a password.
    let builder =
        Client::builder().user_agent(USER_AGENT).redirect(redirect::Policy::none()).retry(reqwest::retry::never());
    let builder = builder.pool_idle_timeout(IDLE_TIMEOUT).connect_timeout(CONNECT_TIMEOUT);
    // This is a second safeguard: even after an error elsewhere, the client of a secure registry cannot use plain HTTP.
    let builder = builder.https_only(policy == TlsPolicy::Verify).tls_backend_preconfigured(connector);
    let builder = proxies.configure(builder.dns_resolver(resolver)).map_err(|_| ClientError::Tunnel)?;
    builder.build().map_err(|error| ClientError::Tls(TlsSetupError::System(super::connection_error::innermost(&error))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::{Authority, ProxySettings};
    use crate::registry::tests::registry;

    #[test]
    fn registries_with_equal_settings_share_a_client() {
        let home = tempfile::tempdir().unwrap();
        let (certificate, _) = crate::registry::tests::self_signed("DNS:r", 2);
        let pem = String::from_utf8(certificate.to_pem().unwrap()).unwrap();
        for host in ["c", "d"] {
            let folder = home.path().join(".config/containers/certs.d").join(host);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("ca.crt"), &pem).unwrap();
        }
        let clients =
            Clients::over(Arc::new(Connectors::new(Some(home.path()))), NameResolver::system(), ProxySource::None);
        let secure = |host: &str| Registry { tls: TlsPolicy::Verify, ..registry(host, host) };
        let settings = ProxySettings { https: Some(Secret::new("proxy:3128")), ..ProxySettings::default() };
        let proxied = |host| Registry { proxy: Proxy::Set(Arc::new(settings.clone())), ..secure(host) };
        let authority = Authority { file: "ca.pem".to_owned(), pem: pem.clone() };
        let private = |host| Registry { ca: Some(Arc::new(authority.clone())), ..secure(host) };
        let pairs = [
            [secure("a"), secure("b")],
            [registry("a", "x"), registry("c", "y")],
            [proxied("a"), proxied("b")],
            [private("a"), private("b")],
            [secure("c"), secure("d")],
        ];
        for (before, pair) in pairs.iter().enumerate() {
            for registry in pair {
                clients.client_for(registry, &registry.host).ok().unwrap();
                assert_eq!(clients.built.lock().unwrap().len(), before + 1, "{pair:?}");
            }
        }
        // The proxied client has the connector of the first pair.
        assert_eq!(clients.connectors.count(), pairs.len() - 1);
    }
}
