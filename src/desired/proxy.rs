//! Which proxy stands before a registry: its own `proxy`, or what openshift-ansible's variables say, with the list of
//! exceptions that its facts make (`set_proxy_facts` in openshift_facts).

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::inventory::{Node, Problem, Value, Variables};
use crate::secret::Secret;

use super::lookup::{Lookup, Text};
use super::{Proxy, ProxySettings};

const HTTP: &str = "openshift_http_proxy";
const HTTPS: &str = "openshift_https_proxy";
const NO_PROXY: &str = "openshift_no_proxy";
const GENERATE: &str = "openshift_generate_no_proxy_hosts";
/// The first that is set counts.
const PORTAL_NETS: [&str; 2] = ["openshift_portal_net", "openshift_master_portal_net"];
const DEFAULT_PORTAL_NET: &str = "172.30.0.0/16";

/// Exceptions of every cluster: the domain of its services.
const ALWAYS: [&str; 2] = [".cluster.local", ".svc"];
/// Where instances of clouds find what they are.
const METADATA: &str = "169.254.169.254";

/// The groups whose hosts need no proxy, and the variables with other names of a host.
const GROUPS: [&str; 6] = ["masters", "nodes", "etcd", "new_masters", "new_nodes", "new_etcd"];
const NAMES: [&str; 3] = ["openshift_hostname", "openshift_ip", "openshift_kubelet_name_override"];
/// Where Ansible reaches a host; an IP address there is likely the fact that `openshift_ip` would replace.
const ADDRESSES: [&str; 2] = ["ansible_host", "ansible_ssh_host"];

/// What a proxy is spoken to with.
const SCHEMES: [&str; 4] = ["http", "https", "socks5", "socks5h"];

/// What the variables of a host say.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    http: Option<Secret>,
    https: Option<Secret>,
    no_proxy: Vec<String>,
    generate: bool,
    portal_net: String,
}

impl Wanted {
    /// The proxies, with the names that `cluster` gives among the exceptions if they are wanted.
    pub fn settings<'a>(&self, cluster: impl FnOnce() -> &'a BTreeSet<String>) -> ProxySettings {
        let mut exceptions: BTreeSet<&str> = self.no_proxy.iter().map(String::as_str).chain(ALWAYS).collect();
        let service = first_address(&self.portal_net);
        if self.generate {
            exceptions.extend(cluster().iter().map(String::as_str));
            exceptions.insert(METADATA);
            exceptions.extend(service.as_deref());
        }
        let no_proxy = exceptions.into_iter().collect::<Vec<_>>().join(",");
        ProxySettings { http: self.http.clone(), https: self.https.clone(), no_proxy }
    }
}

/// The proxy of all registries of a host that name none.
pub(super) fn of_host(lookup: &mut Lookup<'_>) -> Proxy {
    let mut proxy = |name: &str| {
        let node = lookup.node(name).filter(|node| !node.is_blank())?;
        let what = format!("`{name}`");
        let text = lookup.text_of(&node, &what)?;
        url(lookup, &text, &what)
    };
    let (http, https) = (proxy(HTTP), proxy(HTTPS));
    let no_proxy = lookup.node(NO_PROXY).map(|node| names(&node)).unwrap_or_default();
    let generate = lookup.flag(GENERATE).unwrap_or(true);
    if http.is_none() && https.is_none() {
        return Proxy::Environment;
    }
    let portal_net = PORTAL_NETS.iter().find_map(|name| lookup.peek(name)).filter(|node| !node.is_blank());
    let portal_net = portal_net.map_or_else(|| DEFAULT_PORTAL_NET.to_owned(), |node| node.text);
    Proxy::Set(lookup.shared.proxies(Wanted { http, https, no_proxy, generate, portal_net }))
}

/// The proxy that an entry names, or that there is none.
pub(super) fn of_entry(lookup: &mut Lookup<'_>, node: &Node, what: &str) -> Option<Proxy> {
    if node.is_blank() || node.text.eq_ignore_ascii_case("none") {
        return Some(Proxy::Set(ProxySettings::default().into()));
    }
    let text = lookup.text_of(node, what)?;
    let url = url(lookup, &text, what)?;
    let settings = ProxySettings { http: Some(url.clone()), https: Some(url), no_proxy: String::new() };
    Some(Proxy::Set(settings.into()))
}

/// A proxy as a URL with its scheme; `http` where it names none, as in curl. It may hold a login and is never shown.
fn url(lookup: &mut Lookup<'_>, text: &Text, what: &str) -> Option<Secret> {
    let written = text.text.trim();
    let (scheme, rest) = written.split_once("://").unwrap_or(("http", written));
    let scheme = scheme.to_ascii_lowercase();
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (_, address) = rest.rsplit_once('@').unwrap_or(("", rest));
    let port = if address.starts_with('[') { address.rsplit_once("]:") } else { address.rsplit_once(':') };
    let (host, port) = port.unwrap_or((address, "80"));
    let fault = match () {
        () if !SCHEMES.contains(&scheme.as_str()) => "has a scheme that is not that of a proxy",
        () if rest.contains(|c: char| c.is_whitespace() || c.is_control()) => "has white space",
        () if rest.contains(['/', '?', '#']) => "has a path, or a login with a `/`, `?` or `#` in it",
        () if host.is_empty() => "names no host",
        () if port.parse::<u16>().is_err() => "has a port that is no number",
        () => return Some(Secret::new(format!("{scheme}://{rest}"))),
    };
    let problem = Problem::hiding(&text.span, format!("the proxy URL of {what} {fault}"));
    lookup.problems.push(problem.hint(
        "write `http://[user:password@]host:port`, or `https`, `socks5` or `socks5h`; in a login `%2F` stands for `/`",
    ));
    None
}

impl ProxySettings {
    /// User and password of each URL that has them, as they are written and without percent signs.
    pub(super) fn logins(&self) -> impl Iterator<Item = (String, Secret)> {
        let written = self.http.iter().chain(&self.https).filter_map(|url| {
            let (login, _) = url.expose().split_once("://")?.1.rsplit_once('@')?;
            login.split_once(':')
        });
        written.flat_map(|(user, password)| {
            [(user.to_owned(), Secret::new(password)), (decoded(user), Secret::new(decoded(password)))]
        })
    }
}

/// A part of a URL; what is no percent sign with two digits stays.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let digits = behind.get(..2).filter(|_| *first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The names of a list, or between commas.
fn names(node: &Node) -> Vec<String> {
    let texts: Vec<&str> = match &node.value {
        Value::List(items) => items.iter().map(|item| item.text.as_str()).collect(),
        Value::Null => Vec::new(),
        _ => node.text.split(',').collect(),
    };
    texts.into_iter().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Every name of every host of the cluster that the inventory knows.
pub(super) fn cluster_names(variables: &Variables) -> BTreeSet<String> {
    let inventory = variables.inventory();
    let hosts: BTreeSet<&str> = GROUPS
        .into_iter()
        .filter(|group| inventory.groups.contains_key(*group))
        .flat_map(|group| inventory.hosts_of(group))
        .collect();
    let mut set: Vec<&str> = NAMES.into_iter().chain(ADDRESSES).collect();
    set.retain(|name| inventory.written().any(|(other, _)| other == *name));
    let is_wanted = |name: &str, text: &str| match ADDRESSES.contains(&name) {
        true => text.parse::<IpAddr>().is_ok(),
        false => !text.is_empty(),
    };
    let others = hosts.iter().filter(|_| !set.is_empty()).flat_map(|host| {
        let vars = variables.of(host);
        let values = set.iter().filter_map(|name| Some((name, vars.get(name).ok().flatten()?.text.trim().to_owned())));
        values.filter(|(name, text)| is_wanted(name, text)).map(|(_, text)| text).collect::<Vec<_>>()
    });
    let others: BTreeSet<String> = others.collect();
    hosts.into_iter().map(str::to_owned).chain(others).collect()
}

/// The address of the service `kubernetes`: the first of the network.
fn first_address(network: &str) -> Option<String> {
    let (address, bits) = network.trim().split_once('/')?;
    let bits: u32 = bits.parse().ok()?;
    match address.parse().ok()? {
        IpAddr::V4(address) if bits < 32 => {
            let first = (u32::from(address) & !(u32::MAX >> bits)) + 1;
            Some(IpAddr::V4(first.into()).to_string())
        }
        IpAddr::V6(address) if bits < 128 => {
            let first = (u128::from(address) & !(u128::MAX >> bits)) + 1;
            Some(IpAddr::V6(first.into()).to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_of_a_url() {
        let http = Some(Secret::new("http://u%40x:p%2Fw%zz@proxy:3128"));
        let settings = ProxySettings { http, https: Some(Secret::new("http://proxy")), ..ProxySettings::default() };
        let logins: Vec<_> = settings.logins().collect();
        let login = |user: &str, password: &str| (user.to_owned(), Secret::new(password));
        assert_eq!(logins, [login("u%40x", "p%2Fw%zz"), login("u@x", "p/w%zz")]);
    }

    #[test]
    fn the_first_address_of_a_network() {
        for (network, first) in [
            ("172.30.0.0/16", Some("172.30.0.1")),
            ("172.30.17.9/16", Some("172.30.0.1")),
            ("0.0.0.0/0", Some("0.0.0.1")),
            ("fd01::/64", Some("fd01::1")),
            ("172.30.0.0/33", None),
            ("172.30.0.0", None),
            ("x/8", None),
        ] {
            assert_eq!(first_address(network).as_deref(), first, "{network}");
        }
    }
}
