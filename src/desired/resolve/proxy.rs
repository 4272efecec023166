//! Reads the proxy of a registry from its key `proxy` or from openshift-ansible's variables. The generated list of
//! hosts without a proxy is in `generated_no_proxy`.

use crate::desired::registry::{Proxy, ProxyOrigin, ProxySettings};
use crate::inventory::{Node, Problem, Value};
use crate::secret::Secret;

use super::generated_no_proxy::ProxyVariables;
use super::variable_reader::{Text, VariableReader};

const HTTP: &str = "openshift_http_proxy";
const HTTPS: &str = "openshift_https_proxy";
const NO_PROXY: &str = "openshift_no_proxy";
const GENERATE: &str = "openshift_generate_no_proxy_hosts";
/// Variables with the network of the cluster's services. The first one that is set is used.
const PORTAL_NETS: [&str; 2] = ["openshift_portal_net", "openshift_master_portal_net"];
const DEFAULT_PORTAL_NET: &str = "172.30.0.0/16";

/// The supported URL schemes of proxies.
const SCHEMES: [&str; 4] = ["http", "https", "socks5", "socks5h"];

/// The proxy for the registries of a host that do not set `proxy`.
pub(super) fn of_host(reader: &mut VariableReader<'_>) -> Proxy {
    let mut proxy = |name: &str| {
        let node = reader.node(name).filter(|node| !node.is_blank())?;
        let what = format!("`{name}`");
        let text = reader.text_of(&node, &what)?;
        url(reader, &text, &what)
    };
    let (http, https) = (proxy(HTTP), proxy(HTTPS));
    let no_proxy = reader.node(NO_PROXY).map(|node| names(&node)).unwrap_or_default();
    let generate = reader.flag(GENERATE).unwrap_or(true);
    // Without a URL, `openshift_no_proxy` selects no proxy, so the environment still decides.
    if http.is_none() && https.is_none() {
        return Proxy::Environment;
    }
    let portal_net = PORTAL_NETS.iter().find_map(|name| reader.node_or_none(name)).filter(|node| !node.is_blank());
    let portal_net = portal_net.map_or_else(|| DEFAULT_PORTAL_NET.to_owned(), |node| node.text);
    Proxy::Set(reader.cache.proxies(ProxyVariables { http, https, no_proxy, generate, portal_net }))
}

/// The `proxy` of an entry. `none` and an empty value mean a connection without a proxy.
pub(super) fn of_entry(reader: &mut VariableReader<'_>, node: &Node, what: &str) -> Option<Proxy> {
    if node.is_blank() || node.text.eq_ignore_ascii_case("none") {
        let none = ProxySettings { origin: ProxyOrigin::Registry, ..ProxySettings::default() };
        return Some(Proxy::Set(none.into()));
    }
    let text = reader.text_of(node, what)?;
    let url = url(reader, &text, what)?;
    let (http, https) = (Some(url.clone()), Some(url));
    let settings = ProxySettings { http, https, no_proxy: String::new(), origin: ProxyOrigin::Registry };
    Some(Proxy::Set(settings.into()))
}

/// A proxy URL with its scheme. As in curl, the default scheme is `http`. The URL may contain a password and is never
/// shown.
fn url(reader: &mut VariableReader<'_>, text: &Text, what: &str) -> Option<Secret> {
    let written = text.text.trim();
    let (scheme, rest) = written.split_once("://").unwrap_or(("http", written));
    let scheme = scheme.to_ascii_lowercase();
    // A single slash at the end is a common way to write a URL, and has no meaning for a proxy.
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    // The password may contain a colon, so the port is searched only after the last `@`.
    let (_, address) = rest.rsplit_once('@').unwrap_or(("", rest));
    let port = if address.starts_with('[') { address.rsplit_once("]:") } else { address.rsplit_once(':') };
    let (host, port) = port.unwrap_or((address, "80"));
    let fault = match () {
        () if !SCHEMES.contains(&scheme.as_str()) => "has a scheme that is not supported for proxies",
        () if rest.contains(|c: char| c.is_whitespace() || c.is_control()) => "contains white space",
        // In a URL, these characters end the host. A password with one of them would be cut, and a part of it used as
        // the host.
        () if rest.contains(['/', '?', '#']) => "has a path, or a user or password that contains `/`, `?` or `#`",
        () if host.is_empty() => "has no host",
        () if port.parse::<u16>().is_err() => "has a port that is not a number",
        () => return Some(Secret::new(format!("{scheme}://{rest}"))),
    };
    let problem = Problem::hiding(&text.span, format!("the proxy URL of {what} {fault}"));
    reader.problems.push(problem.hint(
        "write `http://[user:password@]host:port`, or use `https`, `socks5` or `socks5h`; write `/` in a password as `%2F`",
    ));
    None
}

/// The elements of a list, or the parts of a comma-separated text.
fn names(node: &Node) -> Vec<String> {
    let texts: Vec<&str> = match &node.value {
        Value::List(items) => items.iter().map(|item| item.text.as_str()).collect(),
        Value::Null => Vec::new(),
        _ => node.text.split(',').collect(),
    };
    texts.into_iter().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}
