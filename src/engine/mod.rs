//! What all edges share: threads, runtime, timeouts, cancellation, and the connection to the cluster.

pub mod api;
pub mod apply;
pub mod explain;
mod local_file;
pub mod login;
pub mod logout;
pub mod observe;
mod platform;
pub mod schedule;
mod trace;

use std::path::PathBuf;
use std::sync::Arc;

use crate::authfile::Backups;
use crate::cluster::ClusterPurpose;
use crate::desired::{ApiAccess, Desired, NodeTarget, Scope};
use crate::facts::FileFact;
use crate::failure::Failure;
use crate::node::{self, Abort, HostKeys, Identities, Limits, OpenFailure, Session, SshStep};
use crate::options::{Environment, Settings};
use crate::plan::PlanRequest;
use crate::secret::Redactor;

use self::api::{ApiConnection, Ssh};
pub use self::platform::decide;
use self::schedule::{CallGuard, Cancel, Stop};

/// Everything a run needs to do I/O.
pub struct Engine {
    /// Runs everything that uses HTTP.
    pub runtime: tokio::runtime::Runtime,
    /// Runs everything that uses SSH.
    pub pool: rayon::ThreadPool,
    /// `--timeout`, and the handle that closes the connections to nodes. A session keeps the limits with which it was
    /// opened.
    pub limits: Limits,
    /// The home folder of the user, for configuration files in it.
    pub home: Option<PathBuf>,
    /// Where backups are; `None` if the user has no home folder.
    pub backups: Option<Backups>,
    /// Receives the requests to stop the run.
    pub cancel: Cancel,
    /// Masks every secret of the run in text from servers and nodes.
    pub redactor: Redactor,
    /// The keys in known_hosts.
    pub host_keys: Arc<HostKeys>,
    /// Keys to log in with.
    pub identities: Identities,
    /// What a plan includes, also one that is made again after a conflict.
    pub plan: PlanRequest,
    /// Access to the API server; `None` if the run does not use a cluster.
    pub cluster: Option<ApiConnection>,
    /// Warnings about the way to the API server.
    pub warnings: Vec<String>,
}

impl Engine {
    /// Prepares a run; nothing is contacted.
    ///
    /// # Errors
    /// If the run has objects and there is no usable kubeconfig, or the system cannot start threads.
    pub fn new(
        settings: &Settings,
        plan: &PlanRequest,
        desired: &Desired,
        cancel: &Cancel,
    ) -> Result<Self, Vec<Failure>> {
        let environment = &settings.environment;
        let system =
            |error: &dyn std::error::Error| vec![Failure::new("cannot start the threads").cause(error.to_string())];
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| system(&error))?;
        let nodes = desired.nodes.len().max(desired.vantage_points.len());
        let mut engine = Self {
            runtime,
            pool: schedule::pool(settings.forks.min(nodes.max(1))).map_err(|error| system(&error))?,
            limits: Limits { timeout: settings.timeout, abort: Abort::default() },
            home: environment.home.clone(),
            backups: Backups::of_user(environment.state_home.as_deref(), environment.home.as_deref()),
            cancel: cancel.clone(),
            redactor: desired.redactor(),
            host_keys: Arc::new(HostKeys::load(&known_hosts(environment))),
            identities: Identities::new(environment.ssh_agent.clone(), default_identities(environment)),
            plan: plan.clone(),
            cluster: None,
            warnings: Vec::new(),
        };
        if !desired.objects.is_empty() {
            let purpose = match settings.request.scope {
                Scope::Restore(_) => ClusterPurpose::Restore,
                Scope::Everything | Scope::Nodes | Scope::Cluster | Scope::Registries => ClusterPurpose::Run,
            };
            engine.use_cluster(settings, purpose, &desired.access)?;
        }
        Ok(engine)
    }

    /// Chooses how the API server is reached; nothing is contacted.
    ///
    /// # Errors
    /// As those of [`ApiConnection::choose`].
    pub fn use_cluster(
        &mut self,
        settings: &Settings,
        purpose: ClusterPurpose,
        access: &ApiAccess,
    ) -> Result<(), Vec<Failure>> {
        let Self { host_keys, identities, limits, .. } = &*self;
        let ssh = Ssh { host_keys: Arc::clone(host_keys), identities: identities.clone(), limits: limits.clone() };
        let _inside = self.runtime.enter();
        let (connection, warning) = ApiConnection::choose(settings, purpose, access, (&ssh, &self.redactor))?;
        self.cluster = Some(connection);
        self.warnings.extend(warning);
        Ok(())
    }

    /// Connects to a node and reads the state of `files`; `on_step` gets each completed step. See [`node::open`].
    ///
    /// # Errors
    /// [`OpenFailure`], without secrets.
    pub fn open_node(
        &self,
        node: &NodeTarget,
        files: &[String],
        on_step: &mut dyn FnMut(SshStep),
    ) -> Result<(Vec<FileFact>, Session), OpenFailure> {
        let Self { host_keys, identities, limits, redactor, .. } = self;
        node::open(&node.name, &node.connection, files, (host_keys, identities, limits), on_step)
            .map_err(|failure| failure.scrubbed(redactor))
    }

    /// Aborts the connections to nodes once the run is canceled at `level`, unless the guard is dropped before.
    pub fn abort_nodes_at(&self, level: Stop) -> CallGuard {
        let abort = self.limits.abort.clone();
        self.cancel.call_at(level, move || abort.fire(), self.runtime.handle())
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
