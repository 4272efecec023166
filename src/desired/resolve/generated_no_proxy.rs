//! The proxy settings from openshift-ansible's variables, with the generated list of hosts that are reached without a
//! proxy (`set_proxy_facts` in `roles/openshift_facts/library/openshift_facts.py`).

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::desired::registry::{ProxyOrigin, ProxySettings};
use crate::inventory::Variables;
use crate::secret::Secret;

/// The domains of a cluster's services. They are always in the list.
const ALWAYS: [&str; 2] = [".cluster.local", ".svc"];
/// The metadata service of cloud providers.
const METADATA: &str = "169.254.169.254";

/// The groups that contain the hosts of the cluster. The names of these hosts are in the list.
const GROUPS: [&str; 6] = ["masters", "nodes", "etcd", "new_masters", "new_nodes", "new_etcd"];
/// The variables with additional names of a host.
const NAMES: [&str; 3] = ["openshift_hostname", "openshift_ip", "openshift_kubelet_name_override"];
/// The variables with the address that Ansible connects to. openshift-ansible uses the fact `openshift.common.ip`,
/// which is not known here. An IP address in one of these variables is most likely the same.
const ADDRESSES: [&str; 2] = ["ansible_host", "ansible_ssh_host"];

/// The proxy variables of a host.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct ProxyVariables {
    pub http: Option<Secret>,
    pub https: Option<Secret>,
    pub no_proxy: Vec<String>,
    pub generate: bool,
    pub portal_net: String,
}

impl ProxyVariables {
    /// The proxy settings. `cluster_names` returns the names of all hosts of the cluster. It is called only if it is
    /// needed, because it is slow.
    pub fn settings<'a>(&self, cluster_names: impl FnOnce() -> &'a BTreeSet<String>) -> ProxySettings {
        let mut no_proxy: BTreeSet<&str> = self.no_proxy.iter().map(String::as_str).chain(ALWAYS).collect();
        // The API server has this address only inside the cluster, where a proxy is not needed and may not reach it.
        let service = first_address(&self.portal_net);
        if self.generate {
            no_proxy.extend(cluster_names().iter().map(String::as_str));
            no_proxy.insert(METADATA);
            no_proxy.extend(service.as_deref());
        }
        let no_proxy = no_proxy.into_iter().collect::<Vec<_>>().join(",");
        ProxySettings { http: self.http.clone(), https: self.https.clone(), no_proxy, origin: ProxyOrigin::Variables }
    }
}

/// All names and addresses of the hosts of the cluster that the inventory contains.
pub(super) fn cluster_names(variables: &Variables) -> BTreeSet<String> {
    let inventory = variables.inventory();
    let hosts: BTreeSet<&str> = GROUPS
        .into_iter()
        .filter(|group| inventory.groups.contains_key(*group))
        .flat_map(|group| inventory.hosts_of(group))
        .collect();
    // Evaluating variables for all hosts is slow, so variables that the inventory never sets are skipped.
    let mut set: Vec<&str> = NAMES.into_iter().chain(ADDRESSES).collect();
    set.retain(|name| inventory.written().any(|(other, _)| other == *name));
    let is_listed = |name: &str, text: &str| match ADDRESSES.contains(&name) {
        // openshift-ansible lists the IP address of the host here, so a name in `ansible_host` is not used.
        true => text.parse::<IpAddr>().is_ok(),
        false => !text.is_empty(),
    };
    let further_names = hosts.iter().filter(|_| !set.is_empty()).flat_map(|host| {
        let vars = variables.of(host);
        let values = set.iter().filter_map(|name| Some((name, vars.get(name).ok().flatten()?.text.trim().to_owned())));
        values.filter(|(name, text)| is_listed(name, text)).map(|(_, text)| text).collect::<Vec<_>>()
    });
    let further_names: BTreeSet<String> = further_names.collect();
    hosts.into_iter().map(str::to_owned).chain(further_names).collect()
}

/// The first usable address of a network, which is the cluster IP of the service `kubernetes`.
fn first_address(network: &str) -> Option<String> {
    let (address, bits) = network.trim().split_once('/')?;
    let bits: u32 = bits.parse().ok()?;
    match address.parse().ok()? {
        // A network with a single address has no address after its first one, and the shift below would overflow.
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
