//! The proxies of the openshift-ansible variables, with the list of exceptions that its facts make (`set_proxy_facts`
//! in openshift_facts).

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::desired::registry::{ProxyOrigin, ProxySettings};
use crate::inventory::Variables;
use crate::secret::Secret;

/// Exceptions of every cluster: the domain of its services.
const ALWAYS: [&str; 2] = [".cluster.local", ".svc"];
/// Where instances of clouds find what they are.
const METADATA: &str = "169.254.169.254";

/// The groups whose hosts need no proxy, and the variables with other names of a host.
const GROUPS: [&str; 6] = ["masters", "nodes", "etcd", "new_masters", "new_nodes", "new_etcd"];
const NAMES: [&str; 3] = ["openshift_hostname", "openshift_ip", "openshift_kubelet_name_override"];
/// Where Ansible reaches a host; an IP address there is likely the fact that `openshift_ip` would replace.
const ADDRESSES: [&str; 2] = ["ansible_host", "ansible_ssh_host"];

/// What the variables of a host say.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct ProxyVariables {
    pub http: Option<Secret>,
    pub https: Option<Secret>,
    pub no_proxy: Vec<String>,
    pub generate: bool,
    pub portal_net: String,
}

impl ProxyVariables {
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
        ProxySettings { http: self.http.clone(), https: self.https.clone(), no_proxy, origin: ProxyOrigin::Variables }
    }
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
