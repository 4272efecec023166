//! Proxies: which one a request goes through, and what people may be told of it. A proxy's URL may hold a login,
//! which no message shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use reqwest::{ClientBuilder, Url};
use zeroize::Zeroizing;

use crate::desired::{Proxy, ProxySettings};
use crate::secret::Secret;

/// Where the clients of a set take proxies from.
#[derive(Debug, Clone)]
pub(super) enum Proxies {
    /// From each registry, and where it names none from `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`.
    Environment,
    /// From each registry alone: a test must not depend on the environment it runs in.
    #[cfg(test)]
    None,
    /// The other end of a tunnel knows them: everything goes into its SOCKS5 listener.
    Tunnel(Secret),
}

/// The rules by which the requests of one client find their proxy.
#[derive(Clone)]
pub(super) enum Route {
    Environment(Arc<Matcher>),
    Set(Arc<Rules>),
    Tunnel(Secret),
}

/// What stands between here and a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Via {
    Nothing,
    /// A proxy: its host, its URL without the login, and whether that has one.
    Proxy {
        host: String,
        url: String,
        login: bool,
    },
    /// A tunnel to a node. Nothing of it is to be told: the listener is our own.
    Tunnel,
}

/// What an inventory says of proxies, understood.
#[derive(Default)]
pub(super) struct Rules {
    http: Option<Url>,
    https: Option<Url>,
    direct: Direct,
}

/// Who is reached without a proxy: hosts, domains and networks; those that name a port only there.
#[derive(Default)]
struct Direct {
    everywhere: Option<Matcher>,
    ports: BTreeMap<u16, Matcher>,
}

impl Route {
    /// The rules for registries with this `proxy`. The error says what is wrong with a proxy's URL, without the URL.
    pub fn new(proxies: &Proxies, proxy: &Proxy) -> Result<Self, String> {
        Ok(match (proxies, proxy) {
            (Proxies::Tunnel(socks), _) => Self::Tunnel(socks.clone()),
            (_, Proxy::Set(settings)) => Self::Set(Arc::new(Rules::read(settings)?)),
            (Proxies::Environment, Proxy::Environment) => Self::Environment(Arc::new(Matcher::from_system())),
            #[cfg(test)]
            (Proxies::None, Proxy::Environment) => Self::Set(Arc::default()),
        })
    }

    /// Lets a client go this way.
    pub fn configure(&self, builder: ClientBuilder) -> Result<ClientBuilder, String> {
        Ok(match self {
            // The HTTP client reads the environment by the same crate.
            Self::Environment(_) => builder,
            Self::Set(rules) => {
                let rules = Arc::clone(rules);
                builder.proxy(reqwest::Proxy::custom(move |url| rules.proxy(url).cloned()))
            }
            Self::Tunnel(socks) => {
                let socks = reqwest::Proxy::all(socks.expose());
                builder.proxy(socks.map_err(|_| "the tunnel's address is not a URL".to_owned())?)
            }
        })
    }

    /// User and password of each proxy that has a login: a proxy may echo them.
    pub fn logins(&self) -> Vec<(String, Secret)> {
        let anywhere = ["http://registry.invalid/", "https://registry.invalid/"];
        let uris = || anywhere.iter().filter_map(|url| url.parse().ok());
        match self {
            Self::Environment(matcher) => uris().filter_map(|uri| login(&matcher.intercept(&uri)?)).collect(),
            Self::Set(rules) => {
                let urls = rules.http.iter().chain(&rules.https);
                let matchers = urls.map(|url| Matcher::builder().all(url.as_str()).build());
                matchers.filter_map(|matcher| login(&matcher.intercept(&uris().next()?)?)).collect()
            }
            Self::Tunnel(_) => Vec::new(),
        }
    }

    /// What stands between here and the server of `url`.
    pub fn via(&self, url: &Url) -> Via {
        match self {
            Self::Tunnel(_) => Via::Tunnel,
            Self::Set(rules) => rules.proxy(url).map_or(Via::Nothing, |proxy| {
                let scheme = proxy.scheme();
                let host = proxy.host_str().unwrap_or_default();
                let port = proxy.port().map(|port| format!(":{port}")).unwrap_or_default();
                let login = !proxy.username().is_empty() || proxy.password().is_some();
                Via::Proxy { host: host.to_owned(), url: format!("{scheme}://{host}{port}"), login }
            }),
            Self::Environment(matcher) => {
                let intercept = url.as_str().parse().ok().and_then(|uri| matcher.intercept(&uri));
                intercept.map_or(Via::Nothing, |intercept| Via::Proxy {
                    host: intercept.uri().host().unwrap_or_default().to_owned(),
                    url: intercept.uri().to_string().trim_end_matches('/').to_owned(),
                    login: intercept.basic_auth().is_some(),
                })
            }
        }
    }
}

/// User and password of a proxy, decoded.
fn login(intercept: &Intercept) -> Option<(String, Secret)> {
    let value = intercept.basic_auth()?.to_str().ok()?.strip_prefix("Basic ")?;
    let pair = Zeroizing::new(STANDARD.decode(value).ok()?);
    let (user, password) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
    Some((user.to_owned(), Secret::new(password)))
}

impl Rules {
    fn read(settings: &ProxySettings) -> Result<Self, String> {
        let url = |text: &Option<Secret>| text.as_ref().map(proxy_url).transpose();
        Ok(Self { http: url(&settings.http)?, https: url(&settings.https)?, direct: Direct::read(&settings.no_proxy) })
    }

    /// The proxy that a request to `url` goes through.
    fn proxy(&self, url: &Url) -> Option<&Url> {
        let proxy = match url.scheme() {
            "https" => self.https.as_ref(),
            _ => self.http.as_ref(),
        };
        proxy.filter(|_| !self.direct.covers(url))
    }
}

impl Direct {
    /// Reads a list as curl reads NO_PROXY: a domain covers its subdomains, with a leading dot or without, `*` is
    /// everybody, networks have a prefix length; loopback is no exception unless it is named. As in Go's
    /// `golang.org/x/net/http/httpproxy`, an entry may name a port, and `*.example.com` is `.example.com`.
    fn read(list: &str) -> Self {
        let mut everywhere = Vec::new();
        let mut ports: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
        for entry in list.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty()) {
            let (host, port) = split_port(entry);
            let host = if host.starts_with("*.") { &host[1..] } else { host };
            match port {
                Some(port) => ports.entry(port).or_default().push(host),
                None => everywhere.push(host),
            }
        }
        let matcher = |hosts: &[&str]| Matcher::builder().all("http://proxy").no(hosts.join(",")).build();
        Self {
            everywhere: (!everywhere.is_empty()).then(|| matcher(&everywhere)),
            ports: ports.into_iter().map(|(port, hosts)| (port, matcher(&hosts))).collect(),
        }
    }

    fn covers(&self, url: &Url) -> bool {
        let Ok(uri) = url.as_str().parse() else { return false };
        let at_port = url.port_or_known_default().and_then(|port| self.ports.get(&port));
        self.everywhere.iter().chain(at_port).any(|direct| direct.intercept(&uri).is_none())
    }
}

/// `host:port`, `[address]:port` or neither; a bare IPv6 address has colons of its own.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    let (host, port) = match entry.rsplit_once(':') {
        Some((host, port)) if host.starts_with('[') || !host.contains(':') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    };
    (host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host), port)
}

/// A proxy's URL; without a scheme it is `http`, as everywhere.
fn proxy_url(text: &Secret) -> Result<Url, String> {
    let text = text.expose().trim();
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    // What the parser says never quotes what it has read.
    let url = Url::parse(&Zeroizing::new(full)).map_err(|error| error.to_string())?;
    if !["http", "https", "socks5", "socks5h"].contains(&url.scheme()) {
        return Err("its scheme must be http, https, socks5 or socks5h".to_owned());
    }
    // Most likely a password that is not escaped; what is taken for the host then would be a part of it.
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err("it goes on behind host and port: `/`, `?` and `#` of a login must be escaped".to_owned());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(no_proxy: &str) -> Rules {
        let secret = |text| Some(Secret::new(text));
        let (http, https) = (secret("proxy:3128"), secret("https://eve:p%40ss@proxy:3129"));
        Rules::read(&ProxySettings { http, https, no_proxy: no_proxy.to_owned() }).unwrap()
    }

    #[test]
    fn who_is_reached_directly() {
        let cases = [
            ("", "https://r.example.com/", false),
            ("example.com", "https://r.example.com/", true),
            ("example.com", "https://example.com/", true),
            (".example.com", "https://r.example.com/", true),
            (".example.com", "https://example.com/", true),
            ("*.example.com", "https://r.example.com/", true),
            ("example.com", "https://notexample.com/", false),
            ("EXAMPLE.com", "https://r.Example.COM/", true),
            ("r.example.com:5000", "https://r.example.com:5000/", true),
            ("r.example.com:5000", "https://r.example.com/", false),
            ("r.example.com:443", "https://r.example.com/", true),
            (".example.com:5000", "https://r.example.com:5000/", true),
            ("10.0.0.7", "https://10.0.0.7/", true),
            ("10.0.0.7:5000", "https://10.0.0.7/", false),
            ("10.0.0.0/8", "https://10.1.2.3:5000/", true),
            ("10.0.0.0/8", "https://11.1.2.3/", false),
            ("fd00::/8", "https://[fd00::7]/", true),
            ("::1", "https://[::1]:5000/", true),
            ("[::1]", "https://[::1]:5000/", true),
            ("[::1]:5000", "https://[::1]:5000/", true),
            ("[::1]:5000", "https://[::1]/", false),
            ("*", "https://r.example.com/", true),
            ("a.com, b.com c.com", "https://c.com/", true),
            ("", "https://127.0.0.1/", false),
            ("localhost", "https://localhost:5000/", true),
        ];
        for (list, url, direct) in cases {
            let found = rules(list).proxy(&Url::parse(url).unwrap()).is_none();
            assert_eq!(found, direct, "{list:?} and {url}");
        }
    }

    #[test]
    fn what_is_told_holds_no_login() {
        let route = Route::Set(Arc::new(rules("")));
        let via = |url: &str| route.via(&Url::parse(url).unwrap());
        let proxy = |url: &str, login| Via::Proxy { host: "proxy".to_owned(), url: url.to_owned(), login };
        assert_eq!(via("http://r/"), proxy("http://proxy:3128", false));
        assert_eq!(via("https://r/"), proxy("https://proxy:3129", true));
        let eve = ("eve".to_owned(), Secret::new("p@ss"));
        assert_eq!(route.logins(), [eve]);
        let socks = Route::Tunnel(Secret::new("socks5h://user:secret@127.0.0.1:1"));
        assert_eq!(socks.via(&Url::parse("https://r/").unwrap()), Via::Tunnel);
    }

    #[test]
    fn what_is_wrong_with_a_url_does_not_quote_it() {
        let cases = [
            ("http://eve:hunter2@proxy:99999", "invalid port number"),
            ("ftp://eve:hunter2@proxy", "its scheme must be"),
            ("http://eve:hunter2/x@proxy:3128", "invalid port number"),
            ("http://eve:12/hunter2@proxy:3128", "it goes on behind host and port"),
            ("eve:hunter2@", "empty host"),
            ("", "empty host"),
        ];
        for (text, expected) in cases {
            let error = proxy_url(&Secret::new(text)).unwrap_err();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{text}: {error}");
        }
        assert_eq!(proxy_url(&Secret::new(" eve:p@ss@proxy:3128 ")).unwrap().as_str(), "http://eve:p%40ss@proxy:3128/");
    }
}
