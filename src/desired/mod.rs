//! What the inventory asks for: registries to prove, the pull secret, and the files of every node.

mod authority;
mod connection;
mod credential;
mod defaults;
mod entry;
mod exceptions;
pub mod expiry;
pub mod from_file;
mod image;
mod insecure;
mod key;
mod login;
mod lookup;
mod policy;
mod proxy;
mod registries;
mod request;
mod resolve;
mod shared;

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexSet;

use crate::dockerconfig::Credential;
use crate::inventory::Finding;
use crate::secret::{Redactor, Secret};

pub use authority::Authority;
pub use exceptions::Exceptions;
pub use image::{Image, full_name, is_domain, split_host};
pub use key::host_fault;
pub use request::{Limit, Request, Scope};
pub use resolve::{judge, nodes, resolve};

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

/// One credential with the image that proves it. Two are equal if the same is proved by the same request,
/// wherever they were given.
#[derive(Debug, Clone)]
pub struct Registry {
    /// `host` as the inventory writes it; for `oreg_url` its `host[:port]`. The key in files and secrets.
    pub host: String,
    /// The user name; holds no colon.
    pub user: String,
    /// The password or token; empty where there is only an identity token.
    pub password: Secret,
    /// An OAuth2 refresh token, which takes the place of the password at a token server.
    pub identity_token: Option<Secret>,
    /// `email` of files and secrets; proves nothing.
    pub email: Option<String>,
    /// The test image in full, tag or digest included: `registry.example.com/openshift3/ose-pod:v3.11`.
    pub image: String,
    /// Who has chosen the test image.
    pub image_choice: ImageChoice,
    /// Whether the image is inspected at all (`test_login`, `oreg_test_login`).
    pub test_login: TestLogin,
    /// How far the registry's TLS is trusted.
    pub tls: TlsPolicy,
    /// `ca_file`: authorities that are trusted besides those of the machine.
    pub ca: Option<Arc<Authority>>,
    /// Which proxy stands in between.
    pub proxy: Proxy,
    /// `auth_server`: the one host, with port if it has one, that may get the password as a token server.
    pub auth_server: Option<String>,
    /// Where its settings are, for hints.
    pub declaration: Declaration,
    /// Where the password was given, for hints: the variable in backticks, and its `file:line:column`.
    pub origin: String,
}

impl Registry {
    /// What files and secrets hold for it.
    pub fn credential(&self) -> Credential {
        Credential {
            key: self.host.clone(),
            user: self.user.clone(),
            password: self.password.clone(),
            identity_token: self.identity_token.clone(),
            email: self.email.clone(),
        }
    }

    /// The request that proves it: all but what no request shows.
    fn request(&self) -> impl Eq + Hash {
        let Self { host, user, password, identity_token, image, test_login, tls, ca, proxy, auth_server, .. } = self;
        ((host, user, password, identity_token, image), (test_login, tls, ca, proxy, auth_server))
    }
}

impl PartialEq for Registry {
    fn eq(&self, other: &Self) -> bool {
        self.request() == other.request()
    }
}

impl Eq for Registry {}

impl Hash for Registry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.request().hash(state);
    }
}

/// Where a registry was declared, which decides by which names its settings go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declaration {
    /// `oreg_url`, `oreg_auth_user` and their like: the default registry.
    Default,
    /// An entry of `openshift_additional_registry_credentials`.
    Entry,
    /// The arguments of `oregano login`.
    CommandLine,
}

/// Who has chosen a test image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageChoice {
    /// The user, or `oreg_url`.
    Given,
    /// Nobody: an entry without `test_image` has that of the deployment type.
    Default,
}

/// `test_login` of a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TestLogin {
    /// Prove the credential by inspecting the test image.
    Inspect,
    /// Only log in, as `docker login` does: there is no test image.
    LoginOnly,
    /// `test_login: False`: nothing is contacted and nothing proved.
    Skip,
}

/// `tls_verify` of a registry, or what `openshift_docker_insecure_registries` says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsPolicy {
    /// HTTPS with a verified certificate; never HTTP, and never a token realm over HTTP.
    Verify,
    /// HTTPS unverified; HTTP where the port does not speak TLS; a token realm over HTTP is allowed.
    Insecure,
}

/// Which proxy stands between here and a registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Proxy {
    /// What HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY of the environment say.
    #[default]
    Environment,
    /// What the inventory says: `proxy` of the registry, or `openshift_http_proxy` and its like.
    Set(Arc<ProxySettings>),
}

impl Proxy {
    /// What the inventory says, if it says anything.
    pub fn settings(&self) -> Option<&ProxySettings> {
        match self {
            Self::Environment => None,
            Self::Set(settings) => Some(settings),
        }
    }
}

/// Proxies as URLs, which may hold a login. With neither of them the way is direct.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProxySettings {
    /// For registries over plain HTTP.
    pub http: Option<Secret>,
    /// For registries over HTTPS.
    pub https: Option<Secret>,
    /// Hosts, domains and networks without a proxy, with commas in between, as in NO_PROXY.
    pub no_proxy: String,
}

// The exceptions name every host of a cluster, and every host hashes them.
impl Hash for ProxySettings {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.http, &self.https).hash(state);
    }
}

/// From where registries are asked (`--from`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Vantage {
    /// This machine.
    #[default]
    Controller,
    /// The first of the selected nodes that can be reached.
    FirstNode,
    /// All credentials from the first node, and each distinct way to a registry from every other one.
    EveryNode,
}

/// A node that registries are asked from, through an SSH tunnel.
#[derive(Debug, Clone)]
pub struct VantagePoint {
    /// `inventory_hostname`.
    pub name: String,
    /// How to reach it.
    pub connection: Connection,
    /// What the variables of the node declare.
    pub registries: Arc<[Registry]>,
}

/// A secret of type `kubernetes.io/dockerconfigjson`.
#[derive(Debug, Clone)]
pub struct PullSecret {
    /// The namespace it lives in.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The entries it must have.
    pub credentials: Arc<[Credential]>,
}

/// A node and what its files must hold.
#[derive(Debug, Clone)]
pub struct NodeTarget {
    /// `inventory_hostname`.
    pub name: String,
    /// How to reach it.
    pub connection: Connection,
    /// Absolute paths of the files to manage, without duplicates.
    pub files: Vec<String>,
    /// The entries each of the files must have.
    pub credentials: Arc<[Credential]>,
}

/// How to reach a node over SSH, and as whom to act there.
#[derive(Debug, Clone)]
pub struct Connection {
    /// `ansible_host`, else the inventory name: a DNS name or an IP address (IPv6 without brackets).
    pub address: String,
    /// `ansible_port`, else 22.
    pub port: u16,
    /// The login user.
    pub user: String,
    /// `ansible_password` or `-k`.
    pub password: Option<Secret>,
    /// `ansible_ssh_private_key_file` or `--private-key`, with `~` expanded. With `None` the agent and the
    /// default identities of OpenSSH are tried.
    pub private_key_file: Option<PathBuf>,
    /// Whether the node must show a known host key.
    pub host_key_checking: HostKeyChecking,
    /// How the remote script gains root.
    pub escalation: Escalation,
}

/// `host_key_checking` of Ansible's configuration, or `ansible_host_key_checking` of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HostKeyChecking {
    /// Only a key that known_hosts has is trusted.
    #[default]
    Strict,
    /// A key of a host that known_hosts does not know is trusted, too; one that has changed or is revoked is not.
    AcceptUnknown,
}

impl HostKeyChecking {
    /// What Ansible's boolean setting asks for.
    pub fn from_setting(checked: bool) -> Self {
        if checked { Self::Strict } else { Self::AcceptUnknown }
    }
}

/// `ansible_become` and its password.
#[derive(Debug, Clone)]
pub enum Escalation {
    /// The script runs as the login user.
    None,
    /// `sudo` without a terminal, to root.
    Sudo {
        /// Sent only after sudo's own prompt; without one, sudo is told never to ask (`-n`).
        password: Option<Secret>,
    },
}

#[cfg(test)]
mod tests {
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
