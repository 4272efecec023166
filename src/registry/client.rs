//! HTTP clients: one for each way of connecting, which is whom TLS trusts and which proxies stand in between. All
//! inspections of a run share them, and tunnels share the TLS connectors and the names already looked up.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use native_tls::TlsConnector;
use reqwest::{Client, Url, redirect};

use super::proxy::{Proxies, Route, Via};
use super::resolver::Resolver;
use super::trust::{Connectors, TlsSetup, Trust};
use crate::desired::{Proxy, Registry, TlsPolicy};
use crate::secret::Secret;

/// Named in every request, so that a registry's log shows who asked.
const USER_AGENT: &str = concat!("oregano/", env!("CARGO_PKG_VERSION"));

/// Name, connection and TLS together: what is lost before a request was sent may be tried again.
const CONNECT: Duration = Duration::from_secs(10);

/// The clients of one run; each is built when first needed.
pub struct Clients {
    connectors: Arc<Connectors>,
    resolver: Resolver,
    proxies: Proxies,
    ways: Mutex<HashMap<(Trust, Proxy), Way>>,
}

/// A client, and what it is known to go through.
#[derive(Clone)]
pub(super) struct Way {
    pub client: Client,
    /// What logs in to the proxies.
    pub logins: Arc<[(String, Secret)]>,
    /// The folder of certs.d that counts for the registry.
    pub certificates: Option<PathBuf>,
    route: Route,
    resolver: Resolver,
}

/// Why there is no client for a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoClient {
    Tls(TlsSetup),
    /// The address of a tunnel, which is our own, is no URL.
    Tunnel,
}

impl Clients {
    /// No client yet. `home` is where the user's own `.config/containers/certs.d` lies.
    pub fn new(home: Option<&Path>) -> Self {
        Self::over(Arc::new(Connectors::new(home)), Resolver::system(), Proxies::Environment)
    }

    /// Clients whose every connection goes through a SOCKS5 proxy that resolves names (`socks5h://…`), whatever proxy
    /// a registry names: the other end of a tunnel knows it. What is costly is shared with these clients.
    #[must_use]
    pub fn through(&self, socks: &Secret) -> Self {
        Self::over(Arc::clone(&self.connectors), self.resolver.clone(), Proxies::Tunnel(socks.clone()))
    }

    #[cfg(test)]
    pub(super) fn with_proxies(proxies: Proxies) -> Self {
        Self::over(Arc::new(Connectors::new(None)), Resolver::system(), proxies)
    }

    pub(super) fn over(connectors: Arc<Connectors>, resolver: Resolver, proxies: Proxies) -> Self {
        Self { connectors, resolver, proxies, ways: Mutex::default() }
    }

    /// The way to a registry; `contacted` is the host behind its name.
    pub(super) fn way(&self, registry: &Registry, contacted: &str) -> Result<Way, NoClient> {
        let (trust, certificates) = self.connectors.trust(registry, contacted).map_err(NoClient::Tls)?;
        let proxy = match &self.proxies {
            Proxies::Tunnel(_) => Proxy::default(),
            _ => registry.proxy.clone(),
        };
        let policy = registry.tls;
        let key = (trust, proxy);
        if let Some(way) = self.ways.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Way { certificates, ..way.clone() });
        }
        let route = Route::new(&self.proxies, &key.1);
        let connector = self.connectors.get(&key.0).map_err(NoClient::Tls)?;
        let client = build(policy, connector, &route, self.resolver.clone())?;
        let way =
            Way { client, logins: route.logins().into(), certificates: None, route, resolver: self.resolver.clone() };
        // Who was slower takes the client that is there: its connections may be used already.
        let way = self.ways.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert(way).clone();
        Ok(Way { certificates, ..way })
    }
}

impl Way {
    /// What stands between here and the server of `url`.
    pub fn via(&self, url: &Url) -> Via {
        self.route.via(url)
    }

    /// What is wrong with the URL of the proxy before the server of `url`: a request there must not be sent.
    pub fn fault(&self, url: &Url) -> Option<String> {
        self.route.fault(url)
    }

    /// Where the server of `url` is; nowhere if something stands in between.
    pub async fn addresses(&self, url: &Url) -> Vec<SocketAddr> {
        match (self.via(url), url.port_or_known_default(), url.host_str()) {
            (Via::Nothing, Some(port), Some(host)) => {
                let bare = host.trim_start_matches('[').trim_end_matches(']');
                match bare.parse::<IpAddr>() {
                    Ok(address) => vec![SocketAddr::new(address, port)],
                    Err(_) => self.resolver.addresses(host, port).await,
                }
            }
            _ => Vec::new(),
        }
    }

    /// Whether a request to `url` waits for an address: that of the server, or of the proxy before it.
    pub fn waits_for_a_name(&self, url: &Url) -> bool {
        match self.via(url) {
            Via::Nothing => url.host_str().is_some_and(|host| self.resolver.waits_for(host)),
            Via::Proxy { host, .. } => self.resolver.waits_for(&host),
            Via::Tunnel => false,
        }
    }
}

fn build(policy: TlsPolicy, connector: TlsConnector, route: &Route, resolver: Resolver) -> Result<Client, NoClient> {
    // Neither redirects nor repeats behind our back: each may carry a password.
    let builder =
        Client::builder().user_agent(USER_AGENT).redirect(redirect::Policy::none()).retry(reqwest::retry::never());
    // Servers hang up on idle connections, some after 5 s; a request that meets that would look like a fault.
    let builder = builder.pool_idle_timeout(Duration::from_secs(4)).connect_timeout(CONNECT);
    let builder = builder.https_only(policy == TlsPolicy::Verify).tls_backend_preconfigured(connector);
    let builder = route.configure(builder.dns_resolver(resolver)).map_err(|_| NoClient::Tunnel)?;
    builder.build().map_err(|error| NoClient::Tls(TlsSetup::System(super::fault::innermost(&error))))
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
        let clients = Clients::over(Arc::new(Connectors::new(Some(home.path()))), Resolver::system(), Proxies::None);
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
                clients.way(registry, &registry.host).ok().unwrap();
                assert_eq!(clients.ways.lock().unwrap().len(), before + 1, "{pair:?}");
            }
        }
        // The proxied client has the connector of the first pair.
        assert_eq!(clients.connectors.count(), pairs.len() - 1);
    }
}
