//! The desired state of a run: which credentials to verify, and which pull secret and node files must contain them. It
//! does no I/O. Each file contains the types for one subject; `resolve` creates them from inventory variables.

mod api_access;
mod backup;
mod cluster;
pub mod codes;
pub mod expiry;
mod global_pull_secret;
mod image;
mod image_puller;
mod kubernetes_name;
mod label_selector;
mod no_proxy;
mod node;
mod object_content;
mod plain_passwords;
mod platform;
mod registry;
mod registry_host;
mod request;
mod resolve;

use std::collections::HashSet;
use std::sync::Arc;

use indexmap::IndexSet;

use crate::inventory::Finding;
use crate::secret::Redactor;

pub use api_access::{ApiAccess, KubeconfigFile, Master};
pub use backup::{Backup, BackupName};
pub use cluster::{
    Adopt, LinkUse, LinkedAccount, NamespaceSelector, Namespaces, Object, Ownership, PullSecret, PullSecretFormat,
    PullSecretState, ServiceAccounts,
};
pub use global_pull_secret::{ContentSource, GLOBAL_NAME, GLOBAL_NAMESPACE, GlobalMode, GlobalPullSecret};
pub use image::{Image, full_name, is_domain, split_host};
pub use image_puller::{IMAGE_PULLER_ROLE, ImagePuller, ImagePullerState, Puller, RBAC_GROUP, Subject};
pub use no_proxy::NoProxy;
pub use node::{Connection, Escalation, HostKeyChecking, NodeTarget, Vantage, VantagePoint};
pub use object_content::{AccountLinks, ObjectContent};
pub use plain_passwords::{command_line_passwords, plain_passwords};
pub use platform::{Platform, Waits};
pub use registry::{
    Authority, Declaration, ImageChoice, Proxy, ProxyOrigin, ProxySettings, Registry, TestLogin, TlsPolicy,
};
pub use registry_host::{HostFault, host_fault};
pub use request::{Applies, ConnectionDefaults, DefaultEscalation, Limit, Request, Scope, UnsupportedDefault};
pub use resolve::{api_access, from_file, hosts, nodes, resolve, resolve_with_problems};

/// Everything that a run must verify and write, in inventory order.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    /// The credentials to verify: one element for each distinct pair of credential and test image.
    pub registries: Vec<Registry>,
    /// The declarations about objects of the cluster; empty with `--only nodes`.
    pub objects: Vec<Object>,
    /// How many of them, from the first one, are not declared: OpenShift 3.11 has them by default.
    pub default_objects: usize,
    /// `oregano_owner`: the name of the inventory, which its objects have in an annotation.
    pub owner: Option<String>,
    /// The registries whose entries `--prune` removes from the pull secrets of `objects`.
    pub retired: Arc<[String]>,
    /// What the cluster is; `None` if the inventory does not say it, and the API server decides.
    pub platform: Option<Platform>,
    /// How long a run waits for what the cluster does itself.
    pub waits: Waits,
    /// How the API server is reached; nothing with `--only nodes`.
    pub access: ApiAccess,
    /// The selected nodes; empty with `--only cluster`.
    pub nodes: Vec<NodeTarget>,
    /// Where registry requests are sent from.
    pub vantage: Vantage,
    /// The nodes that can send registry requests; empty if this machine sends them.
    pub vantage_points: Vec<VantagePoint>,
    /// Settings that are accepted but are probably mistakes. Every run shows these warnings.
    pub warnings: Vec<Finding>,
    /// Findings that only `inventory --check` shows. A run shows nothing or a separate message instead.
    pub notices: Vec<Finding>,
}

impl Desired {
    /// A warning for each setting that the user chose and that weakens security: a registry without TLS verification,
    /// or a node without host key verification.
    pub fn risks(&self) -> impl Iterator<Item = String> {
        let insecure = self.registries.iter().filter(|registry| registry.tls == TlsPolicy::Insecure);
        // A registry with several test images has several elements in this list, but is reported only once.
        let registries: IndexSet<String> = insecure.map(Registry::unverified_tls_warning).collect();
        let accepts_unknown = |connection: &&Connection| connection.host_key_checking == HostKeyChecking::AcceptUnknown;
        let unchecked = self.connections().filter(accepts_unknown).count();
        let nodes = (unchecked > 0).then(|| {
            format!(
                "host key checking is off for {unchecked} of {} nodes: anyone on the network path can impersonate a node \
                 that is not in known_hosts, and read the credentials",
                self.connections().count()
            )
        });
        registries.into_iter().chain(nodes)
    }

    /// The connection of each selected node, once.
    fn connections(&self) -> impl Iterator<Item = &Connection> {
        let nodes = self.nodes.iter().map(|node| &node.connection);
        // The nodes that send registry requests are usually also in `nodes`. They are added only if no files are
        // managed, because `nodes` is empty then.
        let senders = self.vantage_points.iter().filter(|_| self.nodes.is_empty()).map(|point| &point.connection);
        nodes.chain(senders)
    }

    /// A redactor for every secret of the run.
    pub fn redactor(&self) -> Redactor {
        let mut redactor = Redactor::default();
        for registry in &self.registries {
            redactor.learn_credential(&registry.user, &registry.password);
            registry.identity_token.iter().for_each(|token| redactor.learn(token));
        }
        let of_objects = self.objects.iter().flat_map(|object| match object {
            Object::GlobalPullSecret(global) => global.secrets(),
            // Their secrets are those of registries.
            Object::PullSecret(_) | Object::ImagePuller(_) => Vec::new(),
        });
        of_objects.for_each(|secret| redactor.learn(&secret));
        // Thousands of registries may share one proxy, whose credential is then added only once.
        let proxies: HashSet<&ProxySettings> = self.registries.iter().filter_map(|one| one.proxy.settings()).collect();
        for (user, password) in proxies.into_iter().flat_map(ProxySettings::credentials) {
            redactor.learn_credential(&user, &password);
        }
        let master = self.access.master.iter().filter_map(|master| master.connection.as_ref().ok());
        for connection in self.connections().chain(master) {
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
