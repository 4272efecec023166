//! The connection to the API server: from this machine, or through the first master as openshift-ansible does it. The
//! master is contacted by the first use of the connection, and nothing that is read there is stored on this machine.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;

use crate::cluster::access::{self, Access, AccessSource, Masters, NodeKubeconfig, ReadFiles, Search};
use crate::cluster::{Cluster, ClusterPurpose, Route};
use crate::desired::{ApiAccess, Connection, HostKeyChecking, Proxy};
use crate::facts::{FileFact, FileState};
use crate::failure::Failure;
use crate::node::{self, HostKeys, Identities, Limits, OpenFailure, Tunnel};
use crate::options::Settings;
use crate::secret::Redactor;

/// A connection to the API server.
pub enum ApiConnection {
    /// From this machine.
    Direct(Box<Cluster>),
    /// Through the first master, since the first use.
    ThroughMaster(Arc<MasterAccess>, OnceCell<Result<Cluster, Failure>>),
}

/// How to reach the API server through the first master.
pub struct MasterAccess {
    name: String,
    connection: Connection,
    kubeconfig: String,
    context: Option<String>,
    timeout: Duration,
    purpose: ClusterPurpose,
    ssh: Ssh,
    redactor: Redactor,
}

/// What connections to nodes share.
#[derive(Clone)]
pub struct Ssh {
    /// The keys in known_hosts.
    pub host_keys: Arc<HostKeys>,
    /// Keys to log in with.
    pub identities: Identities,
    /// The time limit, and what interrupts connections.
    pub limits: Limits,
}

impl ApiConnection {
    /// The way to the API server that options, inventory and files of this machine select, and warnings about it.
    /// Nothing is contacted. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If there is no kubeconfig that can be used, or the variables of the master have problems.
    pub fn choose(
        settings: &Settings,
        purpose: ClusterPurpose,
        wanted: &ApiAccess,
        (ssh, redactor): (&Ssh, &Redactor),
    ) -> Result<(Self, Option<String>), Vec<Failure>> {
        let environment = &settings.environment;
        let search = Search {
            flag: settings.kubeconfig.as_deref(),
            inventory: wanted.kubeconfig.as_ref(),
            variable: environment.kubeconfig.as_deref(),
            home: environment.home.as_deref(),
            masters: if wanted.master.is_some() { Masters::Some } else { Masters::None },
        };
        let source = access::find(purpose, &search).map_err(|failure| vec![failure])?;
        if let (AccessSource::FirstMaster, Some(master)) = (&source, &wanted.master) {
            let connection = master.connection.clone();
            let connection = connection.map_err(|problems| problems.iter().map(Failure::from).collect::<Vec<_>>())?;
            let access = MasterAccess {
                name: master.name.clone(),
                connection,
                kubeconfig: master.kubeconfig.clone(),
                context: settings.context.clone(),
                timeout: settings.timeout,
                purpose,
                ssh: ssh.clone(),
                redactor: redactor.clone(),
            };
            let warning = unchecked_master(&access);
            return Ok((Self::ThroughMaster(Arc::new(access), OnceCell::new()), warning));
        }
        let access = access::load(&source, settings.context.as_deref()).map_err(|failure| vec![failure])?;
        let warning = server_outside_inventory(&source, &access, wanted);
        let cluster = Cluster::connect(access, None, settings.timeout, redactor, purpose);
        let cluster = cluster.map_err(|failure| vec![failure])?;
        Ok((Self::Direct(Box::new(cluster)), warning))
    }

    /// The cluster. The first call contacts the master, if the API server is reached through it.
    ///
    /// # Errors
    /// Why the master cannot be used for this. The failure is kept, so the master is contacted only once.
    pub async fn cluster(&self) -> Result<&Cluster, Failure> {
        match self {
            Self::Direct(cluster) => Ok(cluster),
            Self::ThroughMaster(access, cluster) => {
                let open = async || {
                    let access = Arc::clone(access);
                    let opened = tokio::task::spawn_blocking(move || access.open()).await;
                    opened.unwrap_or_else(|_| Err(Failure::internal("the API server could not be reached")))
                };
                cluster.get_or_init(open).await.as_ref().map_err(Clone::clone)
            }
        }
    }
}

/// The warning about a master that anyone on the network path can impersonate: its kubeconfig decides which certificate
/// of the API server is trusted.
fn unchecked_master(access: &MasterAccess) -> Option<String> {
    (access.connection.host_key_checking == HostKeyChecking::AcceptUnknown).then(|| {
        format!(
            "host key checking is off for master `{}`, whose kubeconfig is used: anyone on the network path can \
             impersonate it and the API server, and read the credentials",
            access.name
        )
    })
}

/// The warning about a kubeconfig of the user, which was not chosen for this inventory, for a server outside of it.
fn server_outside_inventory(source: &AccessSource, access: &Access, wanted: &ApiAccess) -> Option<String> {
    let (AccessSource::OfUser(files), Some(master)) = (source, &wanted.master) else { return None };
    let host = access.host();
    let files: Vec<String> = files.iter().map(|file| format!("`{}`", file.display())).collect();
    (!wanted.is_master(host)).then(|| {
        format!(
            "the server `{host}` of kubeconfig {} is none of the inventory's masters (the first is `{}`): if it is the \
             right cluster, name the file in `oregano_kubeconfig` or with `--kubeconfig`",
            files.join(", "),
            master.name
        )
    })
}

impl MasterAccess {
    /// Reads the kubeconfig, and opens a tunnel to the API server. It blocks.
    fn open(&self) -> Result<Cluster, Failure> {
        self.connect().map_err(|failure| failure.further_hint(self.purpose.without_api()))
    }

    fn connect(&self) -> Result<Cluster, Failure> {
        let access = self.access()?;
        let Ssh { host_keys, identities, limits } = &self.ssh;
        let tunnel = Tunnel::open(&self.name, &self.connection, host_keys, identities, limits);
        let tunnel = tunnel.map_err(|failure| self.unusable(failure))?;
        // The master itself needs no proxy to reach its API server.
        let socks = tunnel.socks(&Proxy::Environment)?;
        let (node, redactor) = (self.name.clone(), self.redactor.clone());
        let failure = move || {
            let failure = tunnel.failure().or_else(|| tunnel.forbids_all())?;
            Some(reason(failure.scrubbed(&redactor)))
        };
        let route = Route { socks, node, kubeconfig: self.kubeconfig.clone(), failure: Arc::new(failure) };
        Cluster::connect(access, Some(route), self.timeout, &self.redactor, self.purpose)
    }

    fn access(&self) -> Result<Access, Failure> {
        let path = PathBuf::from(&self.kubeconfig);
        let mut read = self.read(std::slice::from_ref(&path))?;
        let content = read.remove(&path).unwrap_or_else(|| Err("it was not read".to_owned()));
        let content = content.map_err(|cause| {
            let message = format!("kubeconfig `{}` on `{}` cannot be read", self.kubeconfig, self.name);
            Failure::new(message).cause(cause).hint(access::other_kubeconfig(&self.name))
        })?;
        let kubeconfig = NodeKubeconfig { host: &self.name, path: &path, content: content.expose() };
        let named = access::named_files(&kubeconfig, self.context.as_deref())?;
        // The kubeconfig of openshift-ansible contains everything, so a second connection is rarely needed.
        let files = if named.is_empty() { ReadFiles::new() } else { self.read(&named)? };
        access::of_node(&kubeconfig, &files, self.context.as_deref())
    }

    /// The content of each file of the master, or why it cannot be read.
    fn read(&self, paths: &[PathBuf]) -> Result<ReadFiles, Failure> {
        let files: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        let Ssh { host_keys, identities, limits } = &self.ssh;
        let opened = node::open(&self.name, &self.connection, &files, (host_keys, identities, limits), &mut |_| {});
        let (facts, session) = opened.map_err(|failure| self.unusable(failure))?;
        session.keep();
        let mut contents = ReadFiles::new();
        for FileFact { path, aliases, state } in facts {
            let content = match state {
                FileState::Present { content, .. } => Ok(content),
                FileState::Absent => Err("it does not exist".to_owned()),
                FileState::Unusable(fault) => Err(format!("it {}", fault.text())),
            };
            let paths = std::iter::once(path).chain(aliases).map(PathBuf::from);
            contents.extend(paths.map(|path| (path, content.clone())));
        }
        Ok(contents)
    }

    fn unusable(&self, failure: OpenFailure) -> Failure {
        let failure = reason(failure.scrubbed(&self.redactor));
        let why = "the API server is reached through the first master, because this machine has no kubeconfig";
        failure.cause(why).further_hint("to do without the master, pass `--kubeconfig FILE`")
    }
}

/// The failure, whether or not the node was reached.
fn reason(failure: OpenFailure) -> Failure {
    match failure {
        OpenFailure::Unreachable(failure) | OpenFailure::Failed(failure) => failure,
    }
}
