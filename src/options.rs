//! What the user asked for, once it is understood: plain values for the engine.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::desired::Request;
use crate::event::Command;
use crate::inventory::Sources;

/// A run as it was asked for. No `Debug`: `-e` may hold passwords.
#[derive(Clone)]
pub struct Options {
    /// What the run is for.
    pub command: Command,
    /// What the inventory is read from.
    pub sources: Sources,
    /// What the desired state depends on.
    pub request: Request,
    /// `--forks`: how many nodes are worked on at a time.
    pub forks: usize,
    /// `--timeout`: for a registry, an API request, and each of the two phases of a node.
    pub timeout: Duration,
    /// `--warn-days`: how long before a credential expires the run says so.
    pub warn_days: u16,
    /// `--kubeconfig`.
    pub kubeconfig: Option<PathBuf>,
    /// What was noticed while these options were made.
    pub warnings: Vec<String>,
    /// What the run takes from the environment.
    pub environment: Environment,
}

/// What a run takes from its environment; read once, at the start.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `KUBECONFIG`: a list of files.
    pub kubeconfig: Option<OsString>,
    /// `SSH_AUTH_SOCK`.
    pub ssh_agent: Option<PathBuf>,
}
