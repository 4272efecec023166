//! A tunnel through a node: a SOCKS5 listener on this machine whose connections begin at the node, which also
//! resolves their names (`direct-tcpip` of RFC 4254, 7.2). Nothing is installed there, and nothing runs there
//! but, where a connection fails, one command that says why.

mod connection;
mod obstacle;
mod pump;
mod reason;
mod route;
mod shared;
mod socks;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use self::obstacle::Obstacles;
pub use self::obstacle::{Obstacle, Trouble};
use self::shared::{Account, Forwarding, Shared, lock};
use super::protocol::Nonce;
use super::{HostKeys, Identities, Limits, OpenFailure};
use crate::desired::{Connection, Proxy};
use crate::facts::ServerAddress;
use crate::failure::{Failure, without_errno};
use crate::secret::Secret;

/// A way through a node, as long as this is held. Dropping it ends all connections and threads of it.
pub struct Tunnel {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// Its other end hears when this one is dropped.
    end: Option<UnixStream>,
}

impl Tunnel {
    /// Logs in to the node `name`, and listens on a free port of this machine's loopback.
    ///
    /// # Errors
    /// [`OpenFailure::Unreachable`] if the node cannot be logged in to, [`OpenFailure::Failed`] if this machine
    /// has no port, thread or randomness to give.
    pub fn open(
        name: &str,
        connection: &Connection,
        keys: &Arc<HostKeys>,
        identities: &Identities,
        limits: &Limits,
    ) -> Result<Self, OpenFailure> {
        let failed = |error: std::io::Error| {
            let failure = Failure::new(format!("could not listen for a tunnel through `{name}`"));
            OpenFailure::Failed(failure.cause(without_errno(&error)))
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (end, hung_up) = UnixStream::pair().map_err(failed)?;
        let shared = Arc::new(Shared {
            listener,
            end: hung_up,
            accounts: Mutex::default(),
            fault: Mutex::default(),
            forwarding: Mutex::new(Forwarding::Unknown),
            obstacles: Obstacles::default(),
            threads: Mutex::default(),
            sessions: AtomicUsize::new(1),
            stalled: AtomicUsize::new(0),
            crowded: AtomicBool::new(false),
            name: name.to_owned(),
            login: connection.clone(),
            keys: Arc::clone(keys),
            identities: identities.clone(),
            limits: limits.clone(),
        });
        let line = shared.connect().map_err(OpenFailure::Unreachable)?;
        Shared::serve(&shared, Some(line), Vec::new()).map_err(failed)?;
        Ok(Self { shared, address, end: Some(end) })
    }

    /// The tunnel as a proxy, `socks5h://user:password@127.0.0.1:PORT`; the login is random and holds for this
    /// tunnel only. What is connected to with it goes through the proxy that `proxy` sets for the node;
    /// [`Proxy::Environment`] means none, since the environment is this machine's.
    ///
    /// # Errors
    /// If the system has no random numbers to give.
    pub fn socks(&self, proxy: &Proxy) -> Result<Secret, Failure> {
        let mut accounts = lock(&self.shared.accounts);
        let account = match accounts.iter().position(|account| account.proxy == *proxy) {
            Some(known) => &accounts[known],
            None => {
                let pair = Nonce::random().zip(Nonce::random());
                let (user, password) = pair.ok_or_else(|| Failure::new("the system has no random numbers to give"))?;
                let (user, password) = (Secret::new(user.text()), Secret::new(password.text()));
                accounts.push(Account { user, password, proxy: proxy.clone() });
                &accounts[accounts.len() - 1]
            }
        };
        let (user, password) = (account.user.expose(), account.password.expose());
        Ok(Secret::new(format!("socks5h://{user}:{password}@{}", self.address)))
    }

    /// What is wrong with the node itself, if something is: then nothing that was seen through it says anything
    /// of a registry.
    pub fn fault(&self) -> Option<OpenFailure> {
        lock(&self.shared.fault).clone()
    }

    /// The same of a node whose sshd forbade all connections that were asked for. It counts once nothing else will be.
    pub fn forbids_all(&self) -> Option<OpenFailure> {
        self.shared.forbids_all()
    }

    /// Whether so many strangers came to its listener that one of those who come to it may have been turned away.
    pub fn is_crowded(&self) -> bool {
        self.shared.crowded.load(Ordering::Relaxed)
    }

    /// What stands in the way to a server with the proxy that `proxy` sets; nothing once there was a way.
    pub fn obstacle(&self, proxy: &Proxy, server: &ServerAddress) -> Option<Obstacle> {
        let account = lock(&self.shared.accounts).iter().position(|account| account.proxy == *proxy)?;
        self.shared.obstacles.of(account, server)
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.end = None;
        loop {
            // A thread may have begun another one before it heard.
            let Some(thread) = lock(&self.shared.threads).pop() else { return };
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tunnel").field("node", &self.shared.name).finish_non_exhaustive()
    }
}
