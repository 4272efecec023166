//! The requests that a command can make: types only. `cli` creates the values, and the engine reads them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::desired::Request;
use crate::inventory::Sources;
use crate::lookup::Account;
use crate::plan::PlanRequest;
use crate::secret::Secret;

/// The command of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    /// Verify the credentials, and change nothing.
    Validate,
    /// Show what `apply` would do.
    Plan,
    /// Verify the credentials, and write the pull secret and the files of the nodes.
    Apply,
    /// Verify one credential and save it in a file of this machine.
    Login,
    /// Remove the credential of one registry from a file of this machine.
    Logout,
}

impl Command {
    /// Whether the command is about one file of this machine, and not about hosts of an inventory.
    pub fn is_about_one_file(self) -> bool {
        matches!(self, Self::Login | Self::Logout)
    }
}

/// What a command does instead of a run. Only the inventory is read, and nothing is contacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inspection {
    /// `--list-hosts`: print the selected hosts.
    ListHosts,
    /// `--syntax-check`: report what would stop the run before anything is contacted.
    SyntaxCheck,
}

/// A run of `validate`, `plan` or `apply`. It has no `Debug`, because the settings may contain passwords.
#[derive(Clone)]
pub struct Options {
    /// The command.
    pub command: Command,
    /// `--warn-days`: how many days before a credential expires the run reports it.
    pub warn_days: u16,
    /// `--prune` and `--diff`.
    pub plan: PlanRequest,
    /// How to access inventory, nodes and cluster.
    pub settings: Settings,
}

/// How a command reads the inventory and accesses nodes and cluster. It has no `Debug`, because `-e` may contain
/// passwords.
#[derive(Clone)]
pub struct Settings {
    /// The sources of the inventory.
    pub sources: Sources,
    /// The options that determine the desired state.
    pub request: Request,
    /// `--forks`: the maximum number of nodes that are worked on at the same time.
    pub forks: usize,
    /// `--timeout`: the time limit for a registry, for an API request, and for each of the two phases of a node.
    pub timeout: Duration,
    /// `--kubeconfig`.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub context: Option<String>,
    /// Warnings about the settings themselves.
    pub warnings: Vec<String>,
    /// The values from the environment.
    pub environment: Environment,
}

/// A question for `explain`. It has no `Debug`, because the settings may contain passwords.
#[derive(Clone)]
pub struct Question {
    /// The image.
    pub image: String,
    /// `--file`: the files that are read; if it is empty, the default files of the consumers.
    pub files: Vec<String>,
    /// Where these files are.
    pub place: Where,
    /// The pod whose pull secrets the kubelet tries first.
    pub pod: Option<Pod>,
    /// How to access inventory, nodes and cluster.
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

/// The pod whose pull secrets are used.
#[derive(Debug, Clone)]
pub struct Pod {
    /// `--namespace`.
    pub namespace: String,
    /// `--service-account`.
    pub service_account: String,
}

/// The values that a run uses from the environment of the process. The HTTP clients read the proxy variables later.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `XDG_STATE_HOME`.
    pub state_home: Option<PathBuf>,
    /// `KUBECONFIG`: a list of files.
    pub kubeconfig: Option<OsString>,
    /// `SSH_AUTH_SOCK`.
    pub ssh_agent: Option<PathBuf>,
    /// `DOCKER_AUTH_CONFIG`.
    pub docker_auth_config: Option<Secret>,
}
