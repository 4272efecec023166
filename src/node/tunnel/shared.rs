//! What all sessions of a tunnel share: the listener, who may use it, the way to the node, and what is wrong
//! with it.

use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use super::connection::Connection;
use super::obstacle::{Obstacles, Trouble};
use super::pump::{self, Pump};
use super::route::{Route, Way};
use super::socks::Target;
use crate::desired::{Connection as Login, Proxy};
use crate::failure::{Failure, without_errno};
use crate::node::connect::{NodeLabel, SshConnection};
use crate::node::{HostKeys, Identities, Limits, OpenFailure, auth, distant_future};
use crate::secret::Secret;

/// How many sessions a tunnel may have: one more for each channel that does not open while others wait.
const SESSIONS: usize = 16;

/// What a tunnel's threads share.
pub(super) struct Shared {
    pub(super) listener: TcpListener,
    /// Hung up on when the tunnel is dropped.
    pub(super) end: UnixStream,
    pub(super) accounts: Mutex<Vec<Account>>,
    pub(super) fault: Mutex<Option<OpenFailure>>,
    pub(super) forwarding: Mutex<Forwarding>,
    pub(super) obstacles: Obstacles,
    pub(super) threads: Mutex<Vec<JoinHandle<()>>>,
    pub(super) sessions: AtomicUsize,
    pub(super) stalled: AtomicUsize,
    /// Whether somebody had to make room without having said who it is.
    pub(super) crowded: AtomicBool,
    pub(super) name: String,
    pub(super) login: Login,
    pub(super) keys: Arc<HostKeys>,
    pub(super) identities: Identities,
    pub(super) limits: Limits,
}

/// What sshd was seen to let this user connect to.
pub(super) enum Forwarding {
    /// Nothing was asked for yet.
    Unknown,
    /// Something, be it that nobody answered there.
    Allowed,
    /// Nothing, beginning with this.
    Forbidden(Target),
}

/// Who may use the tunnel: one login for each way of using proxies.
pub(super) struct Account {
    pub(super) user: Secret,
    pub(super) password: Secret,
    pub(super) proxy: Proxy,
}

impl Shared {
    fn label(&self) -> NodeLabel<'_> {
        NodeLabel(&self.name, &self.login)
    }

    /// A session that is logged in; the deadline is for that alone.
    pub(super) fn connect(&self) -> Result<SshConnection, Failure> {
        let deadline = Instant::now().checked_add(self.limits.timeout).unwrap_or_else(distant_future);
        let label = self.label();
        let line = SshConnection::open(&label, &self.keys, &self.limits, deadline)?;
        let line = auth::log_in(line, &label, &self.identities, &self.limits, deadline)?;
        line.watch.clear_deadline();
        line.ssh.set_blocking(false);
        Ok(line)
    }

    /// Serves `clients`, and whoever comes, with `line`, or with a session of its own.
    pub(super) fn serve(
        shared: &Arc<Self>,
        line: Option<SshConnection>,
        clients: Vec<Connection>,
    ) -> std::io::Result<()> {
        let own = Arc::clone(shared);
        let thread = std::thread::Builder::new().name("node-tunnel".to_owned()).stack_size(512 * 1024);
        let work = move || match line.map_or_else(|| own.connect(), Ok) {
            Ok(line) => Pump::new(line, own, clients).run(),
            Err(failure) => {
                own.note(OpenFailure::Unreachable(failure));
                drop(clients);
                pump::turn_away(&own);
            }
        };
        lock(&shared.threads).push(thread.spawn(work)?);
        Ok(())
    }

    /// Opens another session for `clients`; gives them back where there are too many already.
    pub(super) fn another(shared: &Arc<Self>, clients: Vec<Connection>) -> Vec<Connection> {
        if shared.sessions.load(Ordering::Acquire) >= SESSIONS {
            return clients;
        }
        shared.sessions.fetch_add(1, Ordering::AcqRel);
        // Without a thread they are hung up on, as when the node is lost.
        if let Err(error) = Self::serve(shared, None, clients) {
            shared.lost(format!("no thread for another session: {}", without_errno(&error)));
        }
        Vec::new()
    }

    pub(super) fn is_stalled(&self) {
        self.stalled.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn is_free(&self) {
        self.stalled.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether every session is stuck with a channel that does not open.
    pub(super) fn nobody_is_free(&self) -> bool {
        self.stalled.load(Ordering::Acquire) >= self.sessions.load(Ordering::Acquire)
    }

    /// The number of the account with this login.
    pub(super) fn account(&self, user: &[u8], password: &[u8]) -> Option<usize> {
        // In a time that does not tell how much of it is right.
        let same = |own: &Secret, given: &[u8]| {
            let own = own.expose().as_bytes();
            own.len() == given.len() && openssl::memcmp::eq(own, given)
        };
        lock(&self.accounts).iter().position(|account| same(&account.user, user) & same(&account.password, password))
    }

    /// The way of an account to `target`.
    pub(super) fn way(&self, account: usize, target: Target) -> Way {
        let accounts = lock(&self.accounts);
        let route = accounts.get(account).map_or(Route::Direct, |account| Route::of(&account.proxy, &target));
        Way { account, target, route }
    }

    /// sshd lets this user connect to something.
    pub(super) fn allowed(&self) {
        *lock(&self.forwarding) = Forwarding::Allowed;
    }

    /// sshd does not let this user take that way.
    pub(super) fn forbidden(&self, way: &Way) {
        self.obstacles.note(way, Trouble::Forbidden);
        let mut forwarding = lock(&self.forwarding);
        if let Forwarding::Unknown = *forwarding {
            *forwarding = Forwarding::Forbidden(way.first().clone());
        }
    }

    /// The fault of a node whose sshd forbade whatever was asked for.
    pub(super) fn forbids_all(&self) -> Option<OpenFailure> {
        let forwarding = lock(&self.forwarding);
        let Forwarding::Forbidden(target) = &*forwarding else { return None };
        let user = &self.login.user;
        let failure =
            Failure::new(format!("sshd of {} forbids TCP forwarding to `{}`", self.label(), target.authority()));
        Some(OpenFailure::Failed(failure.hint(format!(
            "allow it for `{user}` with `AllowTcpForwarding local` in its sshd_config (look for `PermitOpen`, too, and \
             `restrict` in authorized_keys), or ask from elsewhere with `--from` and `--limit`"
        ))))
    }

    /// The connection to the node broke off.
    pub(super) fn lost(&self, cause: String) {
        let failure = Failure::new(format!("lost {} while registries were asked from it", self.label()));
        self.note(OpenFailure::Unreachable(failure.cause(cause)));
    }

    /// The first fault is the cause of the others.
    fn note(&self, fault: OpenFailure) {
        lock(&self.fault).get_or_insert(fault);
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
