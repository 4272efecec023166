//! Proxies: which one a request goes through, and what people may be told of it. A proxy's URL may hold a login,
//! which no message shows.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use reqwest::{ClientBuilder, Url};
use zeroize::Zeroizing;

use crate::desired::{NoProxy, Proxy, ProxyOrigin, ProxySettings};
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
    http: Option<Named>,
    https: Option<Named>,
    exceptions: NoProxy,
}

/// The URL of a proxy, or what is wrong with it, without the URL.
type Named = Result<Url, String>;

impl Route {
    /// The rules for registries with this `proxy`.
    pub fn new(proxies: &Proxies, proxy: &Proxy) -> Self {
        match (proxies, proxy) {
            (Proxies::Tunnel(socks), _) => Self::Tunnel(socks.clone()),
            (_, Proxy::Set(settings)) => Self::Set(Arc::new(Rules::read(settings))),
            (Proxies::Environment, Proxy::Environment) => Self::Set(Arc::new(Rules::read(&environment(process)))),
            #[cfg(test)]
            (Proxies::None, Proxy::Environment) => Self::Set(Arc::default()),
        }
    }

    /// Lets a client go this way; fails only for a tunnel whose address is no URL.
    pub fn configure(&self, builder: ClientBuilder) -> reqwest::Result<ClientBuilder> {
        Ok(match self {
            Self::Set(rules) => {
                let rules = Arc::clone(rules);
                builder.proxy(reqwest::Proxy::custom(move |url| rules.proxy(url).ok().flatten().cloned()))
            }
            Self::Tunnel(socks) => builder.proxy(reqwest::Proxy::all(socks.expose())?),
        })
    }

    /// What is wrong with the URL of the proxy that a request to `url` would go through: it must not be sent, since
    /// the client would go without a proxy.
    pub fn fault(&self, url: &Url) -> Option<String> {
        match self {
            Self::Set(rules) => rules.proxy(url).err().map(str::to_owned),
            Self::Tunnel(_) => None,
        }
    }

    /// User and password of each proxy that has a login: a proxy may echo them.
    pub fn logins(&self) -> Vec<(String, Secret)> {
        let Self::Set(rules) = self else { return Vec::new() };
        let urls = rules.http.iter().chain(&rules.https).flatten();
        let matchers = urls.map(|url| Matcher::builder().all(url.as_str()).build());
        matchers.filter_map(|matcher| login(&matcher.intercept(&"http://registry.invalid/".parse().ok()?)?)).collect()
    }

    /// What stands between here and the server of `url`.
    pub fn via(&self, url: &Url) -> Via {
        match self {
            Self::Tunnel(_) => Via::Tunnel,
            Self::Set(rules) => rules.proxy(url).ok().flatten().map_or(Via::Nothing, |proxy| {
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

/// The variables that may name a proxy or its exceptions. The first that is not empty counts, as in Go
/// (`httpproxy.FromEnvironment`) and therefore in skopeo and podman; curl asks for the small name first.
const HTTPS: &[&str] = &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const HTTP: &[&str] = &["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
const EXCEPTIONS: &[&str] = &["NO_PROXY", "no_proxy"];

/// The variable that names the proxy of a request to `url`, or that could.
pub(super) fn proxy_variable(url: &Url) -> &'static str {
    let names = if url.scheme() == "https" { HTTPS } else { HTTP };
    counting(names, process).map_or(names[0], |(name, _)| name)
}

/// The variable that names the exceptions, or that could.
pub(super) fn exceptions_variable() -> &'static str {
    counting(EXCEPTIONS, process).map_or(EXCEPTIONS[0], |(name, _)| name)
}

/// The first variable that says anything, and what it says.
fn counting(
    names: &'static [&'static str],
    variable: impl Fn(&str) -> Option<String>,
) -> Option<(&'static str, String)> {
    let said = |name| variable(name).filter(|value| !value.trim().is_empty());
    names.iter().find_map(|name| Some((*name, said(name)?)))
}

fn process(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What the environment says. A CGI program has no proxies, since HTTP_PROXY is a header of its client there.
/// `variable` knows the variables.
fn environment(variable: impl Fn(&str) -> Option<String>) -> ProxySettings {
    if variable("REQUEST_METHOD").is_some() {
        return ProxySettings::default();
    }
    let said = |names| counting(names, &variable).map(|(_, value)| value);
    ProxySettings {
        http: said(HTTP).map(Secret::new),
        https: said(HTTPS).map(Secret::new),
        no_proxy: said(EXCEPTIONS).unwrap_or_default(),
        origin: ProxyOrigin::Environment,
    }
}

impl Rules {
    fn read(settings: &ProxySettings) -> Self {
        let named = |text: &Option<Secret>| text.as_ref().map(proxy_url);
        let exceptions = NoProxy::parse(&settings.no_proxy);
        Self { http: named(&settings.http), https: named(&settings.https), exceptions }
    }

    /// The proxy that a request to `url` goes through, or what is wrong with its URL.
    fn proxy(&self, url: &Url) -> Result<Option<&Url>, &str> {
        let proxy = match url.scheme() {
            "https" => self.https.as_ref(),
            _ => self.http.as_ref(),
        };
        let authority = || Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?));
        let proxy = proxy.filter(|_| !authority().is_some_and(|authority| self.exceptions.matches(&authority)));
        proxy.map(|named| named.as_ref().map_err(String::as_str)).transpose()
    }
}

/// A proxy's URL; without a scheme it is `http`, as everywhere.
fn proxy_url(text: &Secret) -> Named {
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
        Rules::read(&ProxySettings { http, https, no_proxy: no_proxy.to_owned(), ..ProxySettings::default() })
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
            assert_eq!(rules.proxy(&Url::parse(url).unwrap()).unwrap().is_none(), direct, "{url}");
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

    fn value(variables: &[(&str, &str)], name: &str) -> Option<String> {
        variables.iter().find(|(known, _)| *known == name).map(|(_, to)| (*to).to_owned())
    }

    #[test]
    fn a_url_that_cannot_be_used_is_a_fault_of_what_would_use_it() {
        let broken = |name| [(name, "http://proxy:x"), ("HTTP_PROXY", "http://proxy:1"), ("NO_PROXY", "spared")];
        for name in ["HTTPS_PROXY", "ALL_PROXY"] {
            let variables = broken(name);
            let route = Route::Set(Arc::new(Rules::read(&environment(|name| value(&variables, name)))));
            let fault = |url: &str| route.fault(&Url::parse(url).unwrap());
            assert_eq!(fault("https://r/").as_deref(), Some("invalid port number"), "{name}");
            assert_eq!((fault("http://r/"), fault("https://spared/")), (None, None), "{name}");
            assert_eq!(counting(HTTPS, |name| value(&variables, name)).unwrap().0, name);
            assert_eq!(route.logins(), []);
        }
    }

    #[test]
    fn the_environment_is_read_as_an_inventory_is() {
        let route =
            |variables: &[(&str, &str)]| Route::Set(Arc::new(Rules::read(&environment(|name| value(variables, name)))));
        let via = |variables: &[(&str, &str)]| match route(variables).via(&Url::parse("https://r/").unwrap()) {
            Via::Proxy { url, .. } => url,
            other => format!("{other:?}"),
        };
        assert_eq!(via(&[("https_proxy", "a:1"), ("HTTPS_PROXY", "b:1"), ("ALL_PROXY", "c:1")]), "http://b:1");
        assert_eq!(via(&[("https_proxy", "a:1"), ("ALL_PROXY", "c:1")]), "http://a:1");
        assert_eq!(via(&[("HTTPS_PROXY", ""), ("all_proxy", "socks5://c:1")]), "socks5://c:1");
        assert_eq!(via(&[("HTTPS_PROXY", " "), ("https_proxy", "a:1"), ("ALL_PROXY", "c:1")]), "http://a:1");
        assert_eq!(via(&[("HTTPS_PROXY", "a:1"), ("NO_PROXY", ""), ("no_proxy", "r")]), "Nothing");
        assert_eq!(via(&[("HTTPS_PROXY", "a:1"), ("no_proxy", "r")]), "Nothing");
        assert_eq!(via(&[("HTTPS_PROXY", "a:1"), ("REQUEST_METHOD", "GET")]), "Nothing");
        // A login that is not escaped is no part of the host.
        let unescaped = [("HTTPS_PROXY", "http://eve:p@hunter2@127.0.0.1:1"), ("HTTP_PROXY", "socks5://u:w@s:1")];
        assert_eq!(via(&unescaped), "http://127.0.0.1:1");
        let login = |user: &str, password: &str| (user.to_owned(), Secret::new(password));
        assert_eq!(route(&unescaped).logins(), [login("u", "w"), login("eve", "p@hunter2")]);
        for url in ["http://eve:hunter2/!x@127.0.0.1:1", "http://eve:hunter2#x@127.0.0.1:1"] {
            let error = route(&[("HTTPS_PROXY", url)]).fault(&Url::parse("https://r/").unwrap()).unwrap();
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
