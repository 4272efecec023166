//! HTTP clients, one for each way of trusting TLS, and the proxies that they would use. Building one costs
//! tens of milliseconds (it reads the CA bundle), so all inspections of a run share them.

use std::sync::OnceLock;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{Client, Url, redirect};

use crate::desired::TlsPolicy;
use crate::secret::Secret;

/// Named in every request, so that a registry's log shows who asked.
const USER_AGENT: &str = concat!("oregano/", env!("CARGO_PKG_VERSION"));

/// The clients of one run; each is built when first needed. Proxies come from the environment.
pub struct Clients {
    verifying: OnceLock<Result<Client, String>>,
    trusting: OnceLock<Result<Client, String>>,
    proxies: Proxies,
    environment: Matcher,
}

/// Where proxies are taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Proxies {
    /// `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, as in curl.
    Environment,
    /// Nowhere: a test must not depend on the environment it runs in.
    #[cfg(test)]
    None,
    /// This one for every request: `socks5h://user:password@127.0.0.1:PORT` of a tunnel, for instance.
    All(String),
}

impl Clients {
    /// No client yet.
    pub fn new() -> Self {
        Self::with_proxies(Proxies::Environment)
    }

    /// Clients whose every connection goes through a SOCKS5 proxy that resolves names (`socks5h://…`), whatever proxy
    /// a registry names: the other end of a tunnel knows it.
    pub fn through(socks: &Secret) -> Self {
        Self::with_proxies(Proxies::All(socks.expose().to_owned()))
    }

    pub(super) fn with_proxies(proxies: Proxies) -> Self {
        let environment = Matcher::from_system();
        Self { verifying: OnceLock::new(), trusting: OnceLock::new(), proxies, environment }
    }

    /// The client for a TLS policy, or why TLS cannot be set up on this machine.
    pub(super) fn get(&self, policy: TlsPolicy) -> Result<&Client, String> {
        let client = match policy {
            TlsPolicy::Verify => self.verifying.get_or_init(|| build(policy, &self.proxies)),
            TlsPolicy::Insecure => self.trusting.get_or_init(|| build(policy, &self.proxies)),
        };
        client.as_ref().map_err(Clone::clone)
    }

    /// The proxy that requests to `url` go through, without its credentials.
    pub(super) fn proxy_for(&self, url: &Url) -> Option<String> {
        match &self.proxies {
            Proxies::Environment => {
                let intercept = self.environment.intercept(&url.as_str().parse().ok()?)?;
                Some(intercept.uri().to_string().trim_end_matches('/').to_owned())
            }
            #[cfg(test)]
            Proxies::None => None,
            // What is behind a tunnel is the business of its other end.
            Proxies::All(proxy) if proxy.starts_with("socks5h:") => None,
            Proxies::All(proxy) => Some(proxy.clone()),
        }
    }
}

impl Default for Clients {
    fn default() -> Self {
        Self::new()
    }
}

fn build(policy: TlsPolicy, proxies: &Proxies) -> Result<Client, String> {
    // Neither redirects nor repeats behind our back: each may carry a password.
    let builder =
        Client::builder().user_agent(USER_AGENT).redirect(redirect::Policy::none()).retry(reqwest::retry::never());
    // Servers hang up on idle connections, some after 5 s; a request that meets that would look like a fault.
    let builder = builder.pool_idle_timeout(Duration::from_secs(4));
    let builder = match policy {
        TlsPolicy::Verify => builder.https_only(true),
        TlsPolicy::Insecure => builder.tls_danger_accept_invalid_certs(true).tls_danger_accept_invalid_hostnames(true),
    };
    let builder = match proxies {
        Proxies::Environment => builder,
        #[cfg(test)]
        Proxies::None => builder.no_proxy(),
        Proxies::All(proxy) => builder.proxy(reqwest::Proxy::all(proxy).map_err(|error| error.to_string())?),
    };
    builder.build().map_err(|error| super::fault::innermost(&error))
}
