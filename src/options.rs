//! What a command was requested to do: types only. `cli` makes the values, the engine reads them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::desired::Request;
use crate::inventory::Sources;
use crate::lookup::Account;

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    /// Verify the credentials, and nothing else.
    Validate,
    /// Show what `apply` would do.
    Plan,
    /// Do it.
    Apply,
    /// Verify one credential and save it in a file of this machine.
    Login,
}

/// A run of `validate`, `plan` or `apply`. No `Debug`: the settings may hold passwords.
#[derive(Clone)]
pub struct Options {
    /// What the run is for.
    pub command: Command,
    /// `--warn-days`: how many days before a credential expires the run reports it.
    pub warn_days: u16,
    /// How inventory, nodes and cluster are reached.
    pub settings: Settings,
}

/// How a command reads the inventory and reaches nodes and cluster. No `Debug`: `-e` may hold passwords.
#[derive(Clone)]
pub struct Settings {
    /// What the inventory is read from.
    pub sources: Sources,
    /// What the desired state depends on.
    pub request: Request,
    /// `--forks`: the maximum number of nodes that are worked on at the same time.
    pub forks: usize,
    /// `--timeout`: for a registry, an API request, and each of the two phases of a node.
    pub timeout: Duration,
    /// `--kubeconfig`.
    pub kubeconfig: Option<PathBuf>,
    /// Warnings about the settings themselves.
    pub warnings: Vec<String>,
    /// What the run takes from the environment.
    pub environment: Environment,
}

/// A question for `explain`. No `Debug`: the settings may hold passwords.
#[derive(Clone)]
pub struct Question {
    /// The image.
    pub image: String,
    /// `--file`: the files that are read; the default files of the consumers if there are none.
    pub files: Vec<String>,
    /// Where they are.
    pub place: Where,
    /// The pod whose pull secrets the kubelet tries first.
    pub pod: Option<Pod>,
    /// How inventory, nodes and cluster are reached.
    pub settings: Settings,
}

/// Where credential files are read.
#[derive(Debug, Clone)]
pub enum Where {
    /// On this machine, for this account.
    Here(Account),
    /// On the nodes of the inventory that `--limit` selects.
    Nodes,
}

/// What decides which pull secrets a pod uses.
#[derive(Debug, Clone)]
pub struct Pod {
    /// `--namespace`.
    pub namespace: String,
    /// `--service-account`.
    pub service_account: String,
}

/// What a run takes from the environment of the process. Proxy variables are read later, by the HTTP clients.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `KUBECONFIG`: a list of files.
    pub kubeconfig: Option<OsString>,
    /// `SSH_AUTH_SOCK`.
    pub ssh_agent: Option<PathBuf>,
}
