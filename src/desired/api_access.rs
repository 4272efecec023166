//! How an inventory says that the API server is reached. Which of the ways is used also depends on the options and on
//! files of this machine. This file contains only types; `resolve` reads them from inventory variables.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::node::Connection;
use crate::failure::Failure;
use crate::inventory::{Problem, Span};

/// What the inventory says about the way to the API server.
#[derive(Debug, Clone, Default)]
pub struct ApiAccess {
    /// `oregano_kubeconfig`.
    pub kubeconfig: Option<KubeconfigFile>,
    /// The first host of the group `masters`, through which openshift-ansible reaches the API.
    pub master: Option<Master>,
    /// The names and addresses of the masters, in lower case: those that the server of a kubeconfig may have.
    pub server_names: BTreeSet<String>,
}

/// A kubeconfig of this machine that the inventory names.
#[derive(Debug, Clone)]
pub struct KubeconfigFile {
    /// Its path; a relative one starts in the working directory.
    pub path: PathBuf,
    /// Where the inventory names it.
    pub span: Span,
}

/// A master, through which the API server can be reached.
#[derive(Debug, Clone)]
pub struct Master {
    /// `inventory_hostname`.
    pub name: String,
    /// How to connect to it, or the problems of its variables, which matter only if it is used.
    pub connection: Result<Connection, Vec<Problem>>,
    /// The absolute path of its kubeconfig.
    pub kubeconfig: String,
}

impl KubeconfigFile {
    /// The failure for a file that does not exist, with the place in the inventory.
    pub fn missing(&self) -> Failure {
        let path = self.path.display().to_string();
        let problem = Problem::naming(&self.span, &path, format!("kubeconfig `{path}` does not exist"));
        Failure::from(&problem.hint("correct `oregano_kubeconfig`; a relative path starts in the working directory"))
    }
}

impl ApiAccess {
    /// Whether this host of a URL is a master. The ways to write a name or an address are equal.
    pub fn is_master(&self, host: &str) -> bool {
        self.server_names.contains(&normalized(host))
    }
}

/// A name or address in the form that is compared.
pub(super) fn normalized(host: &str) -> String {
    host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase()
}
