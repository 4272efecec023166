//! What the edges run on: threads, runtime, timeouts, cancellation, and the one connection to the cluster.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::OnceCell;

use crate::cluster::{Cluster, kubeconfig};
use crate::desired::Desired;
use crate::facts::Failure;
use crate::node::{Abort, HostKeys, Identities, Limits};
use crate::options::{Environment, Options};
use crate::schedule::{self, Cancel};
use crate::secret::Redactor;

/// Everything a run needs to do I/O.
pub struct Engine {
    /// HTTP runs here.
    pub runtime: tokio::runtime::Runtime,
    /// SSH runs here.
    pub pool: rayon::ThreadPool,
    /// `--timeout`.
    pub timeout: Duration,
    /// The same for nodes, and what cuts their connections. A session keeps the limits it was opened with.
    pub limits: Limits,
    /// Asks the run to stop.
    pub cancel: Cancel,
    /// Knows every secret of the run.
    pub redactor: Redactor,
    /// What known_hosts says.
    pub host_keys: HostKeys,
    /// Keys to log in with.
    pub identities: Identities,
    kubeconfig: Option<kube::Config>,
    cluster: OnceCell<Cluster>,
}

impl Engine {
    /// Prepares a run; nothing is contacted.
    ///
    /// # Errors
    /// If the run has a cluster part and no kubeconfig that can be read, or the system refuses threads.
    pub fn new(options: &Options, desired: &Desired, cancel: &Cancel) -> Result<Self, Failure> {
        let environment = &options.environment;
        let kubeconfig = match &desired.pull_secret {
            None => None,
            Some(_) => {
                let (flag, variable) = (options.kubeconfig.as_deref(), environment.kubeconfig.as_deref());
                let source = kubeconfig::locate(flag, variable, environment.home.as_deref())?;
                Some(kubeconfig::load(&source)?)
            }
        };
        let system = |error: &dyn std::error::Error| Failure::new("cannot start the threads").cause(error.to_string());
        Ok(Self {
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .map_err(|error| system(&error))?,
            pool: schedule::pool(options.forks.min(desired.nodes.len().max(1))).map_err(|error| system(&error))?,
            timeout: options.timeout,
            limits: Limits { timeout: options.timeout, abort: Abort::default() },
            cancel: cancel.clone(),
            redactor: desired.redactor(),
            host_keys: HostKeys::load(&known_hosts(environment)),
            identities: Identities::new(environment.ssh_agent.clone(), default_identities(environment)),
            kubeconfig,
            cluster: OnceCell::new(),
        })
    }

    /// The connection to the cluster, made when it is first needed.
    ///
    /// # Errors
    /// If the run has no cluster part, or the kubeconfig's login cannot be used.
    pub async fn cluster(&self) -> Result<&Cluster, Failure> {
        let config = self.kubeconfig.as_ref().ok_or_else(|| Failure::new("this run has no cluster part"))?;
        self.cluster.get_or_try_init(async || Cluster::connect(config.clone(), self.timeout, &self.redactor)).await
    }
}

/// The files OpenSSH reads by default (`UserKnownHostsFile`, `GlobalKnownHostsFile` of ssh_config(5)).
fn known_hosts(environment: &Environment) -> Vec<PathBuf> {
    let own = environment.home.as_ref().map(|home| home.join(".ssh/known_hosts"));
    own.into_iter().chain(["/etc/ssh/ssh_known_hosts".into()]).collect()
}

/// The key files OpenSSH tries by default, of those libssh2 can read (`IdentityFile` of ssh_config(5)).
fn default_identities(environment: &Environment) -> Vec<PathBuf> {
    let Some(home) = &environment.home else { return Vec::new() };
    ["id_rsa", "id_ecdsa", "id_ed25519"].iter().map(|name| home.join(".ssh").join(name)).collect()
}
