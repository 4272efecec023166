//! What the command line asks for, as far as the desired state depends on it.

use std::path::PathBuf;

use crate::secret::Secret;

use super::node::{HostKeyChecking, Vantage};

/// Which part of the work is wanted (`--only`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// The cluster and the nodes.
    #[default]
    Everything,
    /// The files of the nodes only.
    Nodes,
    /// The pull secret only.
    Cluster,
    /// Neither: only the registries are asked (`validate`).
    Registries,
}

impl Scope {
    /// Whether the pull secret is part of it.
    pub fn has_cluster(self) -> bool {
        matches!(self, Self::Everything | Self::Cluster)
    }

    /// Whether the nodes are part of it.
    pub fn has_nodes(self) -> bool {
        matches!(self, Self::Everything | Self::Nodes)
    }
}

/// `--limit`.
#[derive(Debug, Clone)]
pub struct Limit {
    /// As it was given, `@file` included.
    pub written: String,
    /// With the lines of its files.
    pub pattern: String,
}

/// The options that [`resolve`](super::resolve()) needs. Inventory variables win over all of them, as in Ansible.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `--only`, and whether the command has a cluster and nodes at all.
    pub scope: Scope,
    /// `--limit`: restricts the nodes, and neither the registries nor the secret.
    pub limit: Option<Limit>,
    /// `--from`.
    pub vantage: Vantage,
    /// `-u`, else the name of the local user.
    pub user: String,
    /// Where the inventory does not say otherwise.
    pub host_key_checking: HostKeyChecking,
    /// `--private-key`.
    pub private_key_file: Option<PathBuf>,
    /// `-k`.
    pub password: Option<Secret>,
    /// `-K`.
    pub become_password: Option<Secret>,
    /// The home folder that `~` in a key file stands for.
    pub home: Option<PathBuf>,
}
