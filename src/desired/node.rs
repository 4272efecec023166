//! A node, how to reach it over SSH, and the nodes that registry requests are sent from: types only.

use std::path::PathBuf;
use std::sync::Arc;

use crate::dockerconfig::Credential;
use crate::secret::Secret;

use super::registry::Registry;

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
