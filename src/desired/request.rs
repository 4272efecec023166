//! The command-line options that the desired state depends on. This file contains only types; `cli` creates them.

use std::path::PathBuf;

use crate::inventory::Problem;
use crate::secret::Secret;

use super::backup::Backup;
use super::node::{HostKeyChecking, Vantage};

/// Which part of the work to do (`--only`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Scope {
    /// The cluster and the nodes.
    #[default]
    Everything,
    /// Only the files of the nodes.
    Nodes,
    /// Only the pull secret.
    Cluster,
    /// Only the global pull secret, which gets the content of this backup (`restore`).
    Restore(Backup),
    /// Only the registries: credentials are verified and nothing is written (`validate`).
    Registries,
}

impl Scope {
    /// Whether objects of the cluster are included.
    pub fn has_cluster(&self) -> bool {
        matches!(self, Self::Everything | Self::Cluster | Self::Restore(_))
    }

    /// Whether the nodes are included.
    pub fn has_nodes(&self) -> bool {
        matches!(self, Self::Everything | Self::Nodes)
    }
}

/// `--limit`.
#[derive(Debug, Clone)]
pub struct Limit {
    /// The value on the command line; it may contain `@file`.
    pub written: String,
    /// The value with each `@file` replaced by the lines of the file.
    pub pattern: String,
}

/// How the script on a node gets its privileges, for hosts that do not set `ansible_become`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DefaultEscalation {
    /// It runs as the user that logs in.
    #[default]
    None,
    /// It runs as root, with sudo (`--become`).
    Sudo,
}

/// The options that [`resolve`](super::resolve()) needs. As in Ansible, inventory variables override all of them.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The value of `--only`, or the part of the work that the command implies.
    pub scope: Scope,
    /// `--limit`. It restricts the nodes, but neither the registries nor the pull secret.
    pub limit: Option<Limit>,
    /// `--from`.
    pub vantage: Vantage,
    /// The user of `-u`, or the name of the local user.
    pub user: String,
    /// The host key setting for hosts that do not set `ansible_host_key_checking`.
    pub host_key_checking: HostKeyChecking,
    /// `--private-key`.
    pub private_key_file: Option<PathBuf>,
    /// `-k`, or the content of `--connection-password-file`.
    pub password: Option<Secret>,
    /// `--become`, or `become` of `ansible.cfg`.
    pub escalation: DefaultEscalation,
    /// `-K`, or the content of `--become-password-file`.
    pub become_password: Option<Secret>,
    /// The connection settings of `ansible.cfg` for hosts whose variables do not set them.
    pub connection: ConnectionDefaults,
    /// The home directory, which replaces `~` in the path of a key file.
    pub home: Option<PathBuf>,
}

/// The connection settings of `ansible.cfg`.
#[derive(Debug, Clone, Default)]
pub struct ConnectionDefaults {
    /// `remote_port`.
    pub port: Option<u16>,
    /// Settings that are not supported. They are rejected only if a host is contacted that they apply to.
    pub unsupported: Vec<UnsupportedDefault>,
}

/// A connection setting that is not supported.
#[derive(Debug, Clone)]
pub struct UnsupportedDefault {
    /// The hosts that it applies to.
    pub applies: Applies,
    /// The variables that replace it for a host.
    pub replaced_by: &'static [&'static str],
    /// The problem that names the setting.
    pub problem: Problem,
}

/// The hosts that a connection setting applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applies {
    /// All hosts.
    Always,
    /// The hosts with `become`.
    WithBecome,
    /// The hosts with `become` whose SSH user is not root yet.
    WithSudo,
}
