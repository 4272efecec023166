//! A node, how to connect to it over SSH, and the nodes that send registry requests. This file contains only types;
//! `resolve` reads them from inventory variables.

use std::path::PathBuf;
use std::sync::Arc;

use crate::dockerconfig::Credential;
use crate::secret::Secret;

use super::registry::Registry;

/// Where registry requests are sent from (`--from`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Vantage {
    /// This machine.
    #[default]
    Controller,
    /// The first of the selected nodes that is reachable.
    FirstNode,
    /// The first node verifies all credentials. Every other node tests each distinct route to a registry.
    EveryNode,
    /// The image importer of OpenShift, with the pull secrets that are in the cluster now.
    Cluster,
}

/// A node that sends registry requests, through an SSH tunnel.
#[derive(Debug, Clone)]
pub struct VantagePoint {
    /// `inventory_hostname`.
    pub name: String,
    /// How to connect to it.
    pub connection: Connection,
    /// The registries that the variables of the node declare.
    pub registries: Arc<[Registry]>,
}

/// A node and the required content of its credential files.
#[derive(Debug, Clone)]
pub struct NodeTarget {
    /// `inventory_hostname`.
    pub name: String,
    /// How to connect to it.
    pub connection: Connection,
    /// Absolute paths of the managed files, without duplicates.
    pub files: Vec<String>,
    /// The entries that each of the files must contain.
    pub credentials: Arc<[Credential]>,
    /// The registries whose entries none of the files must contain (`oregano_retired_registries`).
    pub retired: Arc<[String]>,
}

/// How to connect to a node over SSH, and how to become root there.
#[derive(Debug, Clone)]
pub struct Connection {
    /// `ansible_host`, or the inventory name if it is not set: a DNS name or an IP address (IPv6 without brackets).
    pub address: String,
    /// `ansible_port`, or 22 if it is not set.
    pub port: u16,
    /// The SSH user.
    pub user: String,
    /// `ansible_password` or the password of `-k`.
    pub password: Option<Secret>,
    /// `ansible_ssh_private_key_file` or `--private-key`, with `~` expanded. If it is `None`, the agent and OpenSSH's
    /// default identities are used.
    pub private_key_file: Option<PathBuf>,
    /// Whether the host key must be in known_hosts.
    pub host_key_checking: HostKeyChecking,
    /// How the remote script becomes root.
    pub escalation: Escalation,
}

/// `host_key_checking` of Ansible's configuration, or `ansible_host_key_checking` of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HostKeyChecking {
    /// Only a key in known_hosts is accepted.
    #[default]
    Strict,
    /// The key of a host that is not in known_hosts is accepted, too. A changed or revoked key is rejected.
    AcceptUnknown,
}

/// `ansible_become` and its password.
#[derive(Debug, Clone)]
pub enum Escalation {
    /// The script runs as the SSH user.
    None,
    /// The script runs as root through `sudo`, without a terminal.
    Sudo {
        /// Sent only in response to sudo's own prompt. If it is `None`, sudo runs with `-n` and never prompts.
        password: Option<Secret>,
    },
}
