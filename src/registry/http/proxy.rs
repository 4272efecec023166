//! Proxies: which proxy a request uses, and how messages name it. The URL of a proxy may contain a login, which no
//! message shows. The rules of NO_PROXY are in `desired/no_proxy.rs`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use reqwest::{ClientBuilder, Url};
use zeroize::Zeroizing;

use crate::desired::{NoProxy, Proxy, ProxyOrigin, ProxySettings};
use crate::secret::Secret;

/// The source of the proxies for the clients of a run.
#[derive(Debug, Clone)]
pub enum ProxySource {
    /// The setting of each registry, or `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` if it has none.
    Environment,
    /// Only the setting of each registry, because a test must not depend on its environment.
    #[cfg(test)]
    None,
    /// All connections go to the SOCKS5 listener of the tunnel, and the far end of the tunnel applies the proxies.
    Tunnel(Secret),
}

/// How the requests of one client find their proxy.
#[derive(Clone)]
pub enum ProxySelector {
    Rules(Arc<ProxyRules>),
    Tunnel(Secret),
}

/// What is between this machine and a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hop {
    Direct,
    /// A proxy: its host, its URL without the login, and whether there is a login.
    Proxy {
        host: String,
        url: String,
        login: ProxyLogin,
    },
    /// A tunnel to a node. Messages do not name its listener, which is part of this program.
    Tunnel,
}

/// Whether the URL of a proxy contains a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyLogin {
    Given,
    Missing,
}

/// The proxies that the environment or an inventory sets.
#[derive(Default)]
pub struct ProxyRules {
    http: Option<ProxyUrl>,
    https: Option<ProxyUrl>,
    exceptions: NoProxy,
}

/// The URL of a proxy, or the error in it. The error does not quote the URL.
type ProxyUrl = Result<Url, String>;

impl ProxySelector {
    /// The rules for registries with this `proxy`.
    pub fn new(source: &ProxySource, proxy: &Proxy) -> Self {
        match (source, proxy) {
            (ProxySource::Tunnel(socks), _) => Self::Tunnel(socks.clone()),
            (_, Proxy::Set(settings)) => Self::Rules(Arc::new(ProxyRules::read(settings))),
            (ProxySource::Environment, Proxy::Environment) => {
                Self::Rules(Arc::new(ProxyRules::read(&environment(process_variable))))
            }
            #[cfg(test)]
            (ProxySource::None, Proxy::Environment) => Self::Rules(Arc::default()),
        }
    }

    /// Makes a client use these rules; fails only for a tunnel whose address is not a URL.
    pub fn configure(&self, builder: ClientBuilder) -> reqwest::Result<ClientBuilder> {
        Ok(match self {
            Self::Rules(rules) => {
                let rules = Arc::clone(rules);
                // The HTTP client ignores an invalid URL and would connect directly, so `url_error` is checked before
                // each request.
                builder.proxy(reqwest::Proxy::custom(move |url| rules.proxy(url).ok().flatten().cloned()))
            }
            Self::Tunnel(socks) => builder.proxy(reqwest::Proxy::all(socks.expose())?),
        })
    }

    /// The error in the URL of the proxy for `url`. A request must not be sent then, because the client would connect
    /// without a proxy.
    pub fn url_error(&self, url: &Url) -> Option<String> {
        match self {
            Self::Rules(rules) => rules.proxy(url).err().map(str::to_owned),
            Self::Tunnel(_) => None,
        }
    }

    /// User and password of each proxy that has a login. They are secrets, because a proxy may repeat them in an error
    /// message.
    pub fn logins(&self) -> Vec<(String, Secret)> {
        let Self::Rules(rules) = self else { return Vec::new() };
        let urls = rules.http.iter().chain(&rules.https).flatten();
        // The HTTP client decodes a login with this matcher, so the redacted text must be decoded the same way.
        let matchers = urls.map(|url| Matcher::builder().all(url.as_str()).build());
        matchers.filter_map(|matcher| login(&matcher.intercept(&"http://registry.invalid/".parse().ok()?)?)).collect()
    }

    /// What is between this machine and the server of `url`.
    pub fn hop(&self, url: &Url) -> Hop {
        match self {
            Self::Tunnel(_) => Hop::Tunnel,
            Self::Rules(rules) => rules.proxy(url).ok().flatten().map_or(Hop::Direct, |proxy| {
                let scheme = proxy.scheme();
                let host = proxy.host_str().unwrap_or_default();
                let port = proxy.port().map(|port| format!(":{port}")).unwrap_or_default();
                let has_login = !proxy.username().is_empty() || proxy.password().is_some();
                let login = if has_login { ProxyLogin::Given } else { ProxyLogin::Missing };
                Hop::Proxy { host: host.to_owned(), url: format!("{scheme}://{host}{port}"), login }
            }),
        }
    }
}

/// User and password of a proxy, decoded.
fn login(intercept: &Intercept) -> Option<(String, Secret)> {
    // The matcher has a separate form for the login of a SOCKS proxy, which sends no header.
    if let Some((user, password)) = intercept.raw_auth() {
        return Some((user.to_owned(), Secret::new(password)));
    }
    let value = intercept.basic_auth()?.to_str().ok()?.strip_prefix("Basic ")?;
    let pair = Zeroizing::new(STANDARD.decode(value).ok()?);
    let (user, password) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
    Some((user.to_owned(), Secret::new(password)))
}

/// The variables that may name a proxy or its exceptions. The first variable that is not empty is used, in the same
/// order as in Go (`httpproxy.FromEnvironment`), and so in skopeo and podman; curl prefers the lower-case name.
const HTTPS: &[&str] = &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const HTTP: &[&str] = &["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
const EXCEPTIONS: &[&str] = &["NO_PROXY", "no_proxy"];

/// The variable that sets the proxy for `url`, or the one to set if none does.
pub fn proxy_variable(url: &Url) -> &'static str {
    let names = if url.scheme() == "https" { HTTPS } else { HTTP };
    first_set(names, process_variable).map_or(names[0], |(name, _)| name)
}

/// The variable that sets the exceptions, or the one to set if none does.
pub fn exceptions_variable() -> &'static str {
    first_set(EXCEPTIONS, process_variable).map_or(EXCEPTIONS[0], |(name, _)| name)
}

/// The first variable that is not empty, and its value.
fn first_set(
    names: &'static [&'static str],
    variable: impl Fn(&str) -> Option<String>,
) -> Option<(&'static str, String)> {
    // An empty variable counts as unset, so the next spelling is used.
    let value = |name| variable(name).filter(|value| !value.trim().is_empty());
    names.iter().find_map(|name| Some((*name, value(name)?)))
}

fn process_variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The settings of the environment, whose variables `variable` reads. A CGI program (REQUEST_METHOD is set) has no
/// proxies, because a client could set HTTP_PROXY there with a `Proxy` header.
fn environment(variable: impl Fn(&str) -> Option<String>) -> ProxySettings {
    // In a CGI program, the header `Proxy` of a request arrives as HTTP_PROXY, so any client could choose the proxy.
    if variable("REQUEST_METHOD").is_some() {
        return ProxySettings::default();
    }
    let value = |names| first_set(names, &variable).map(|(_, value)| value);
    ProxySettings {
        http: value(HTTP).map(Secret::new),
        https: value(HTTPS).map(Secret::new),
        no_proxy: value(EXCEPTIONS).unwrap_or_default(),
        origin: ProxyOrigin::Environment,
    }
}

impl ProxyRules {
    fn read(settings: &ProxySettings) -> Self {
        let parsed = |text: &Option<Secret>| text.as_ref().map(proxy_url);
        let exceptions = NoProxy::parse(&settings.no_proxy);
        Self { http: parsed(&settings.http), https: parsed(&settings.https), exceptions }
    }

    /// The proxy for `url`, or the error in the URL of that proxy.
    fn proxy(&self, url: &Url) -> Result<Option<&Url>, &str> {
        let proxy = match url.scheme() {
            "https" => self.https.as_ref(),
            _ => self.http.as_ref(),
        };
        // An exception may name a port, so the default port of the scheme must be part of the comparison.
        let authority = || Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?));
        let proxy = proxy.filter(|_| !authority().is_some_and(|authority| self.exceptions.matches(&authority)));
        proxy.map(|parsed| parsed.as_ref().map_err(String::as_str)).transpose()
    }
}

/// Parses the URL of a proxy; without a scheme it is `http`.
fn proxy_url(text: &Secret) -> ProxyUrl {
    let text = text.expose().trim();
    // Without a scheme the parser would take `proxy:` as the scheme.
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    // The errors of the parser never quote its input.
    let url = Url::parse(&Zeroizing::new(full)).map_err(|error| error.to_string())?;
    if !["http", "https", "socks5", "socks5h"].contains(&url.scheme()) {
        return Err("its scheme must be http, https, socks5 or socks5h".to_owned());
    }
    // Most likely the login contains a password that is not percent-encoded, so the parser took a part of it as the
    // host.
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err("it has text after host and port: percent-encode `/`, `?` and `#` in a login".to_owned());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(no_proxy: &str) -> ProxyRules {
        let secret = |text| Some(Secret::new(text));
        let (http, https) = (secret("proxy:3128"), secret("https://eve:p%40ss@proxy:3129"));
        ProxyRules::read(&ProxySettings { http, https, no_proxy: no_proxy.to_owned(), ..ProxySettings::default() })
    }

    #[test]
    fn an_exception_with_a_port_applies_to_the_port_of_the_scheme() {
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
    fn messages_contain_no_login() {
        let proxies = ProxySelector::Rules(Arc::new(rules("")));
        let hop = |url: &str| proxies.hop(&Url::parse(url).unwrap());
        let proxy = |url: &str, login| Hop::Proxy { host: "proxy".to_owned(), url: url.to_owned(), login };
        assert_eq!(hop("http://r/"), proxy("http://proxy:3128", ProxyLogin::Missing));
        assert_eq!(hop("https://r/"), proxy("https://proxy:3129", ProxyLogin::Given));
        let eve = ("eve".to_owned(), Secret::new("p@ss"));
        assert_eq!(proxies.logins(), [eve]);
        let socks = ProxySelector::Tunnel(Secret::new("socks5h://user:secret@127.0.0.1:1"));
        assert_eq!(socks.hop(&Url::parse("https://r/").unwrap()), Hop::Tunnel);
    }

    fn value(variables: &[(&str, &str)], name: &str) -> Option<String> {
        variables.iter().find(|(known, _)| *known == name).map(|(_, to)| (*to).to_owned())
    }

    #[test]
    fn an_invalid_proxy_url_affects_only_requests_that_would_use_it() {
        let broken = |name| [(name, "http://proxy:x"), ("HTTP_PROXY", "http://proxy:1"), ("NO_PROXY", "excepted")];
        for name in ["HTTPS_PROXY", "ALL_PROXY"] {
            let variables = broken(name);
            let rules = ProxyRules::read(&environment(|name| value(&variables, name)));
            let proxies = ProxySelector::Rules(Arc::new(rules));
            let url_error = |url: &str| proxies.url_error(&Url::parse(url).unwrap());
            assert_eq!(url_error("https://r/").as_deref(), Some("invalid port number"), "{name}");
            assert_eq!((url_error("http://r/"), url_error("https://excepted/")), (None, None), "{name}");
            assert_eq!(first_set(HTTPS, |name| value(&variables, name)).unwrap().0, name);
            assert_eq!(proxies.logins(), []);
        }
    }

    #[test]
    fn the_environment_is_read_as_an_inventory_is() {
        let proxies = |variables: &[(&str, &str)]| {
            ProxySelector::Rules(Arc::new(ProxyRules::read(&environment(|name| value(variables, name)))))
        };
        let hop = |variables: &[(&str, &str)]| match proxies(variables).hop(&Url::parse("https://r/").unwrap()) {
            Hop::Proxy { url, .. } => url,
            other => format!("{other:?}"),
        };
        assert_eq!(hop(&[("https_proxy", "a:1"), ("HTTPS_PROXY", "b:1"), ("ALL_PROXY", "c:1")]), "http://b:1");
        assert_eq!(hop(&[("https_proxy", "a:1"), ("ALL_PROXY", "c:1")]), "http://a:1");
        assert_eq!(hop(&[("HTTPS_PROXY", ""), ("all_proxy", "socks5://c:1")]), "socks5://c:1");
        assert_eq!(hop(&[("HTTPS_PROXY", " "), ("https_proxy", "a:1"), ("ALL_PROXY", "c:1")]), "http://a:1");
        assert_eq!(hop(&[("HTTPS_PROXY", "a:1"), ("NO_PROXY", ""), ("no_proxy", "r")]), "Direct");
        assert_eq!(hop(&[("HTTPS_PROXY", "a:1"), ("no_proxy", "r")]), "Direct");
        assert_eq!(hop(&[("HTTPS_PROXY", "a:1"), ("REQUEST_METHOD", "GET")]), "Direct");
        // A login that is not percent-encoded must not become a part of the host.
        let unescaped = [("HTTPS_PROXY", "http://eve:p@hunter2@127.0.0.1:1"), ("HTTP_PROXY", "socks5://u:w@s:1")];
        assert_eq!(hop(&unescaped), "http://127.0.0.1:1");
        let login = |user: &str, password: &str| (user.to_owned(), Secret::new(password));
        assert_eq!(proxies(&unescaped).logins(), [login("u", "w"), login("eve", "p@hunter2")]);
        for url in ["http://eve:hunter2/!x@127.0.0.1:1", "http://eve:hunter2#x@127.0.0.1:1"] {
            let error = proxies(&[("HTTPS_PROXY", url)]).url_error(&Url::parse("https://r/").unwrap()).unwrap();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn the_error_of_a_url_does_not_quote_it() {
        let cases = [
            ("http://eve:hunter2@proxy:99999", "invalid port number"),
            ("ftp://eve:hunter2@proxy", "its scheme must be"),
            ("http://eve:hunter2/x@proxy:3128", "invalid port number"),
            ("http://eve:12/hunter2@proxy:3128", "it has text after host and port"),
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
