//! What the inventory asks for: registries to prove, the pull secret, and the files of every node.

mod cluster;
pub mod codes;
pub mod expiry;
mod image;
mod no_proxy;
mod node;
mod registry;
mod registry_host;
mod request;
mod resolve;

use std::collections::HashSet;

use indexmap::IndexSet;

use crate::inventory::Finding;
use crate::secret::Redactor;

pub use cluster::PullSecret;
pub use image::{Image, full_name, is_domain, split_host};
pub use no_proxy::Exceptions;
pub use node::{Connection, Escalation, HostKeyChecking, NodeTarget, Vantage, VantagePoint};
pub use registry::{
    Authority, Declaration, ImageChoice, Proxy, ProxyOrigin, ProxySettings, Registry, TestLogin, TlsPolicy,
};
pub use registry_host::host_fault;
pub use request::{Limit, Request, Scope};
pub use resolve::{from_file, judge, nodes, resolve};

/// Everything that a run is asked to bring about, in inventory order.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    /// The images to inspect, one for each distinct credential and image.
    pub registries: Vec<Registry>,
    /// The pull secret; `None` with `--only nodes`.
    pub pull_secret: Option<PullSecret>,
    /// The selected nodes; none with `--only cluster`.
    pub nodes: Vec<NodeTarget>,
    /// From where the registries are asked.
    pub vantage: Vantage,
    /// The nodes that registries may be asked from; none if that is done from here.
    pub vantage_points: Vec<VantagePoint>,
    /// What is accepted but should be looked at; every run tells it.
    pub warnings: Vec<Finding>,
    /// What only `inventory --check` tells, as a run tells it in its own way or not at all.
    pub notices: Vec<Finding>,
}

impl Desired {
    /// The same in windows of at most `size` nodes; registries and secret belong to the first one.
    pub fn windows(self, size: usize) -> Vec<Self> {
        let mut nodes = self.nodes.into_iter().peekable();
        let mut windows = vec![Self { nodes: nodes.by_ref().take(size).collect(), ..self }];
        while nodes.peek().is_some() {
            windows.push(Self { nodes: nodes.by_ref().take(size).collect(), ..Self::default() });
        }
        windows
    }

    /// What the user has chosen to risk: registries without verified TLS, and nodes whose host key is not checked.
    pub fn risks(&self) -> impl Iterator<Item = String> {
        let insecure = self.registries.iter().filter(|registry| registry.tls == TlsPolicy::Insecure);
        let hosts: IndexSet<&str> = insecure.map(|registry| registry.host.as_str()).collect();
        let trusting = |connection: &&Connection| connection.host_key_checking == HostKeyChecking::AcceptUnknown;
        let unchecked = self.connections().filter(trusting).count();
        let nodes = (unchecked > 0).then(|| {
            format!(
                "host key checking is off for {unchecked} of {} nodes: whoever stands in between can take the place of \
                 one that known_hosts does not know, and read the credentials",
                self.connections().count()
            )
        });
        let registries = hosts.into_iter().map(|host| {
            format!("registry `{host}` is used without verified TLS: whoever stands in between can read its password")
        });
        registries.chain(nodes)
    }

    /// How each selected node is reached. Nodes that registries are asked from are the same ones.
    fn connections(&self) -> impl Iterator<Item = &Connection> {
        let nodes = self.nodes.iter().map(|node| &node.connection);
        let asked = self.vantage_points.iter().filter(|_| self.nodes.is_empty()).map(|point| &point.connection);
        nodes.chain(asked)
    }

    /// A redactor that knows every secret of the run.
    pub fn redactor(&self) -> Redactor {
        let mut redactor = Redactor::default();
        for registry in &self.registries {
            redactor.learn_credential(&registry.user, &registry.password);
            registry.identity_token.iter().for_each(|token| redactor.learn(token));
        }
        let proxies: HashSet<&ProxySettings> = self.registries.iter().filter_map(|one| one.proxy.settings()).collect();
        for (user, password) in proxies.into_iter().flat_map(ProxySettings::logins) {
            redactor.learn_credential(&user, &password);
        }
        for connection in self.connections() {
            let escalation = match &connection.escalation {
                Escalation::Sudo { password } => password.as_ref(),
                Escalation::None => None,
            };
            for secret in connection.password.iter().chain(escalation) {
                redactor.learn(secret);
            }
        }
        redactor
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn only_the_first_window_has_registries_and_secret() {
        let node = |number: usize| NodeTarget {
            name: format!("node{number}"),
            connection: Connection {
                address: "127.0.0.1".into(),
                port: 22,
                user: "root".into(),
                password: None,
                private_key_file: None,
                host_key_checking: HostKeyChecking::Strict,
                escalation: Escalation::None,
            },
            files: Vec::new(),
            credentials: Arc::new([]),
        };
        let secret = PullSecret { namespace: "ns".into(), name: "s".into(), credentials: Arc::new([]) };
        let all = Desired {
            pull_secret: Some(secret),
            nodes: (0..5).map(node).collect(),
            vantage: Vantage::FirstNode,
            vantage_points: vec![VantagePoint {
                name: "node0".into(),
                connection: node(0).connection,
                registries: Arc::new([]),
            }],
            ..Desired::default()
        };
        let windows = all.windows(2);
        let names: Vec<Vec<_>> =
            windows.iter().map(|window| window.nodes.iter().map(|node| node.name.as_str()).collect()).collect();
        assert_eq!(names, [vec!["node0", "node1"], vec!["node2", "node3"], vec!["node4"]]);
        assert_eq!(windows.iter().filter(|window| window.pull_secret.is_some()).count(), 1);
        assert!(windows[0].pull_secret.is_some());
        let points: Vec<_> = windows.iter().map(|window| (window.vantage, window.vantage_points.len())).collect();
        assert_eq!(points, [(Vantage::FirstNode, 1), (Vantage::Controller, 0), (Vantage::Controller, 0)]);
        assert_eq!(Desired::default().windows(2).len(), 1);
    }
}
