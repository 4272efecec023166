//! A tunnel through a node: a SOCKS5 listener on this machine whose connections start at the node, which also resolves
//! their names (`direct-tcpip` of RFC 4254, section 7.2). Nothing is installed on the node. Only after a failed connection
//! one command runs there, which finds out why it failed.

mod channel;
mod client;
mod event_loop;
mod failure_reason;
mod obstacle;
mod route;
mod socks;
mod state;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::obstacle::Obstacles;
pub use self::obstacle::{Obstacle, ObstacleReason};
use self::state::{ForwardPermission, TunnelAccount, TunnelState};
use super::protocol::Nonce;
use super::{HostKeys, Identities, Limits, OpenFailure};
use crate::desired::{Connection, Proxy};
use crate::facts::ServerAddress;
use crate::failure::{Failure, without_errno};
use crate::secret::Secret;

/// An open tunnel. Dropping it ends all its connections and threads.
pub struct Tunnel {
    state: Arc<TunnelState>,
    address: SocketAddr,
    /// The threads end when this is dropped, which closes the other end.
    end: Option<UnixStream>,
}

impl Tunnel {
    /// Logs in to the node `name`, and listens on a free port of this machine's loopback.
    ///
    /// # Errors
    /// [`OpenFailure::Unreachable`] if the login to the node fails, [`OpenFailure::Failed`] if this machine has no free
    /// port, no thread or no random numbers.
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
        // Only this machine can connect to the loopback address, and the system chooses a free port.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        // Several sessions wait for the same listener, so another one may accept the client first. Then `accept` must
        // not block.
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        // A socket pair wakes the threads out of `poll` when the tunnel is dropped.
        let (end, other_end) = UnixStream::pair().map_err(failed)?;
        let state = Arc::new(TunnelState {
            listener,
            end: other_end,
            accounts: Mutex::default(),
            failure: Mutex::default(),
            permission: Mutex::new(ForwardPermission::Unknown),
            obstacles: Obstacles::default(),
            threads: Mutex::default(),
            sessions: AtomicUsize::new(1),
            stalled: AtomicUsize::new(0),
            crowded: AtomicBool::new(false),
            name: name.to_owned(),
            connection: connection.clone(),
            keys: Arc::clone(keys),
            identities: identities.clone(),
            limits: limits.clone(),
        });
        // The first session is opened before any client exists, so that a node that cannot be reached fails at once.
        let ssh = state.connect().map_err(OpenFailure::Unreachable)?;
        event_loop::start(&state, Some(ssh), Vec::new()).map_err(failed)?;
        Ok(Self { state, address, end: Some(end) })
    }

    /// The tunnel as a proxy, `socks5h://user:password@127.0.0.1:PORT`; the login is random and valid for this tunnel
    /// only. Connections with it go through the proxy that `proxy` sets for the node. [`Proxy::Environment`] means no
    /// proxy, because the environment is that of this machine.
    ///
    /// # Errors
    /// If the system provides no random numbers.
    pub fn socks(&self, proxy: &Proxy) -> Result<Secret, Failure> {
        let mut accounts = lock(&self.state.accounts);
        // One account for each set of proxies: the login of a client selects its proxies.
        let account = match accounts.iter().position(|account| account.proxy == *proxy) {
            Some(known) => &accounts[known],
            None => {
                let pair = Nonce::random().zip(Nonce::random());
                let (user, password) = pair.ok_or_else(|| Failure::new("the system provides no random numbers"))?;
                let (user, password) = (Secret::new(user.text()), Secret::new(password.text()));
                accounts.push(TunnelAccount { user, password, proxy: proxy.clone() });
                &accounts[accounts.len() - 1]
            }
        };
        let (user, password) = (account.user.expose(), account.password.expose());
        // With `socks5h` the client sends the name instead of an address, so the node resolves it.
        Ok(Secret::new(format!("socks5h://{user}:{password}@{}", self.address)))
    }

    /// The failure of the node itself, if there is one. In that case, the results that were observed through the tunnel
    /// say nothing about a registry.
    pub fn failure(&self) -> Option<OpenFailure> {
        lock(&self.state.failure).clone()
    }

    /// The failure of a node whose sshd forbade every connection. It is final only after the last connection.
    pub fn forbids_all(&self) -> Option<OpenFailure> {
        self.state.forbids_all()
    }

    /// Whether so many other programs connected to the listener that a client of this program may have been dropped.
    pub fn is_crowded(&self) -> bool {
        self.state.crowded.load(Ordering::Relaxed)
    }

    /// The reason why connections to a server fail with the proxy that `proxy` sets; `None` if the last connection
    /// succeeded.
    pub fn obstacle(&self, proxy: &Proxy, server: &ServerAddress) -> Option<Obstacle> {
        let account = lock(&self.state.accounts).iter().position(|account| account.proxy == *proxy)?;
        self.state.obstacles.get(account, server)
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        // This wakes the threads. They must end before this function waits for them.
        self.end = None;
        loop {
            // A thread may have started another one before it ended, so the list is read again each time.
            let Some(thread) = lock(&self.state.threads).pop() else { return };
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tunnel").field("node", &self.state.name).finish_non_exhaustive()
    }
}

/// Locks a mutex, even if a thread panicked while it held the lock, because every value is valid at any time.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
