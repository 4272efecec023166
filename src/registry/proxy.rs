//! Proxies: which one a request goes through, and what people may be told of it. A proxy's URL may hold a login,
//! which no message shows.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use reqwest::{ClientBuilder, Url};
use zeroize::Zeroizing;

use crate::desired::{Exceptions, Proxy, ProxySettings};
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

/// What the environment or an inventory says of proxies, understood.
#[derive(Default)]
pub(super) struct Rules {
    http: Option<Url>,
    https: Option<Url>,
    exceptions: Exceptions,
}

impl Route {
    /// The rules for registries with this `proxy`. The error says what is wrong with a proxy's URL, without the URL.
    pub fn new(proxies: &Proxies, proxy: &Proxy) -> Result<Self, String> {
        Ok(match (proxies, proxy) {
            (Proxies::Tunnel(socks), _) => Self::Tunnel(socks.clone()),
            (_, Proxy::Set(settings)) => Self::Set(Arc::new(Rules::read(settings)?)),
            (Proxies::Environment, Proxy::Environment) => {
                Self::Set(Arc::new(Rules::read(&environment(|name| std::env::var(name).ok()))?))
            }
            #[cfg(test)]
            (Proxies::None, Proxy::Environment) => Self::Set(Arc::default()),
        })
    }

    /// Lets a client go this way.
    pub fn configure(&self, builder: ClientBuilder) -> Result<ClientBuilder, String> {
        Ok(match self {
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
        let Self::Set(rules) = self else { return Vec::new() };
        let urls = rules.http.iter().chain(&rules.https);
        let matchers = urls.map(|url| Matcher::builder().all(url.as_str()).build());
        matchers.filter_map(|matcher| login(&matcher.intercept(&"http://registry.invalid/".parse().ok()?)?)).collect()
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
        }
    }
}

/// User and password of a proxy, decoded.
fn login(intercept: &Intercept) -> Option<(String, Secret)> {
    if let Some((user, password)) = intercept.raw_auth() {
        return Some((user.to_owned(), Secret::new(password)));
    }
    let value = intercept.basic_auth()?.to_str().ok()?.strip_prefix("Basic ")?;
    let pair = Zeroizing::new(STANDARD.decode(value).ok()?);
    let (user, password) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
    Some((user.to_owned(), Secret::new(password)))
}

/// What the environment says, by the rules of curl: the capital name counts first, and a CGI program has no proxies,
/// since HTTP_PROXY is a header of its client there. `variable` knows the variables.
fn environment(variable: impl Fn(&str) -> Option<String>) -> ProxySettings {
    if variable("REQUEST_METHOD").is_some() {
        return ProxySettings::default();
    }
    let named = |name: &str| variable(name).or_else(|| variable(&name.to_ascii_lowercase()));
    let url = |name: &str| named(name).filter(|url| !url.trim().is_empty()).map(Secret::new);
    let all = || url("ALL_PROXY");
    ProxySettings {
        http: url("HTTP_PROXY").or_else(all),
        https: url("HTTPS_PROXY").or_else(all),
        no_proxy: named("NO_PROXY").unwrap_or_default(),
    }
}

impl Rules {
    fn read(settings: &ProxySettings) -> Result<Self, String> {
        let url = |text: &Option<Secret>| text.as_ref().map(proxy_url).transpose();
        let exceptions = Exceptions::read(&settings.no_proxy);
        Ok(Self { http: url(&settings.http)?, https: url(&settings.https)?, exceptions })
    }

    /// The proxy that a request to `url` goes through.
    fn proxy(&self, url: &Url) -> Option<&Url> {
        let proxy = match url.scheme() {
            "https" => self.https.as_ref(),
            _ => self.http.as_ref(),
        };
        let authority = || Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?));
        proxy.filter(|_| !authority().is_some_and(|authority| self.exceptions.covers(&authority)))
    }
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
    fn exceptions_count_the_port_of_the_scheme() {
        let rules = rules("r.example.com:443, s.example.com:80");
        for (url, direct) in [
            ("https://r.example.com/", true),
            ("https://r.example.com:5000/", false),
            ("http://r.example.com/", false),
            ("http://s.example.com/", true),
        ] {
            assert_eq!(rules.proxy(&Url::parse(url).unwrap()).is_none(), direct, "{url}");
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
    fn the_environment_is_read_as_an_inventory_is() {
        let route = |variables: &[(&str, &str)]| {
            let variable =
                |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, to)| (*to).to_owned());
            Rules::read(&environment(variable)).map(|rules| Route::Set(Arc::new(rules)))
        };
        let via = |variables: &[(&str, &str)]| match route(variables).unwrap().via(&Url::parse("https://r/").unwrap()) {
            Via::Proxy { url, .. } => url,
            other => format!("{other:?}"),
        };
        assert_eq!(via(&[("https_proxy", "a:1"), ("HTTPS_PROXY", "b:1"), ("ALL_PROXY", "c:1")]), "http://b:1");
        assert_eq!(via(&[("https_proxy", "a:1"), ("ALL_PROXY", "c:1")]), "http://a:1");
        assert_eq!(via(&[("HTTPS_PROXY", ""), ("all_proxy", "socks5://c:1")]), "socks5://c:1");
        assert_eq!(via(&[("HTTPS_PROXY", "a:1"), ("no_proxy", "r")]), "Nothing");
        assert_eq!(via(&[("HTTPS_PROXY", "a:1"), ("REQUEST_METHOD", "GET")]), "Nothing");
        // A login that is not escaped is no part of the host.
        let unescaped = [("HTTPS_PROXY", "http://eve:p@hunter2@127.0.0.1:1"), ("HTTP_PROXY", "socks5://u:w@s:1")];
        assert_eq!(via(&unescaped), "http://127.0.0.1:1");
        let login = |user: &str, password: &str| (user.to_owned(), Secret::new(password));
        assert_eq!(route(&unescaped).unwrap().logins(), [login("u", "w"), login("eve", "p@hunter2")]);
        for url in ["http://eve:hunter2/!x@127.0.0.1:1", "http://eve:hunter2#x@127.0.0.1:1"] {
            let error = route(&[("HTTPS_PROXY", url)]).err().unwrap();
            assert!(!error.contains("hunter2"), "{error}");
        }
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
