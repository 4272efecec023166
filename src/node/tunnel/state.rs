//! The state that all SSH sessions of a tunnel share: the listener, the accounts that may use it, how to log in to the
//! node, and the failure of the node.

use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use super::lock;
use super::obstacle::{ObstacleReason, Obstacles};
use super::route::{ForwardRequest, NodeRoute};
use super::socks::SocksTarget;
use crate::desired::{Connection, Proxy};
use crate::failure::Failure;
use crate::node::connect::{NodeLabel, SshConnection};
use crate::node::{HostKeys, Identities, Limits, OpenFailure, auth, distant_future};
use crate::secret::Secret;

/// What the threads of a tunnel share.
pub(super) struct TunnelState {
    pub(super) listener: TcpListener,
    /// Closed when the tunnel is dropped.
    pub(super) end: UnixStream,
    pub(super) accounts: Mutex<Vec<TunnelAccount>>,
    pub(super) failure: Mutex<Option<OpenFailure>>,
    pub(super) permission: Mutex<ForwardPermission>,
    pub(super) obstacles: Obstacles,
    pub(super) threads: Mutex<Vec<JoinHandle<()>>>,
    pub(super) sessions: AtomicUsize,
    /// How many sessions wait for a channel that does not open.
    pub(super) stalled: AtomicUsize,
    /// Whether a client was dropped before it logged in, because there were too many.
    pub(super) crowded: AtomicBool,
    pub(super) name: String,
    pub(super) connection: Connection,
    pub(super) keys: Arc<HostKeys>,
    pub(super) identities: Identities,
    pub(super) limits: Limits,
}

/// What sshd permits this user to connect to, according to the connections that were tried.
pub(super) enum ForwardPermission {
    /// Nothing was tried yet.
    Unknown,
    /// At least one connection, even if the server there did not respond.
    Permitted,
    /// Nothing so far; this was the first server that was forbidden.
    Forbidden(SocksTarget),
}

/// A login for the tunnel. There is one for each set of proxies, because the login selects the proxies.
pub(super) struct TunnelAccount {
    pub(super) user: Secret,
    pub(super) password: Secret,
    pub(super) proxy: Proxy,
}

impl TunnelState {
    fn label(&self) -> NodeLabel<'_> {
        NodeLabel(&self.name, &self.connection)
    }

    /// Opens an SSH session and logs in. The time limit applies only to that.
    pub(super) fn connect(&self) -> Result<SshConnection, Failure> {
        let deadline = Instant::now().checked_add(self.limits.timeout).unwrap_or_else(distant_future);
        let label = self.label();
        let ssh = SshConnection::open(&label, &self.keys, &self.limits, deadline)?;
        let ssh = auth::log_in(ssh, &label, &self.identities, &self.limits, deadline)?;
        // The session stays open as long as the tunnel, which has no time limit.
        ssh.watch.clear_deadline();
        // One thread serves all clients of the session, so no call may block from this point on.
        ssh.ssh.set_blocking(false);
        Ok(ssh)
    }

    /// Notes that a session waits for a channel that does not open.
    pub(super) fn mark_stalled(&self) {
        self.stalled.fetch_add(1, Ordering::AcqRel);
    }

    /// Notes that the channel has opened, or has failed to open.
    pub(super) fn mark_free(&self) {
        self.stalled.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether every session waits for a channel that does not open.
    pub(super) fn all_stalled(&self) -> bool {
        self.stalled.load(Ordering::Acquire) >= self.sessions.load(Ordering::Acquire)
    }

    /// The number of the account with this login.
    pub(super) fn account(&self, user: &[u8], password: &[u8]) -> Option<usize> {
        // The comparison takes the same time for every wrong login of the same length, so that timing reveals nothing.
        let same = |own: &Secret, given: &[u8]| {
            let own = own.expose().as_bytes();
            own.len() == given.len() && openssl::memcmp::eq(own, given)
        };
        // The operator is `&` and not `&&`, so the password is compared even if the user name is wrong.
        lock(&self.accounts).iter().position(|account| same(&account.user, user) & same(&account.password, password))
    }

    /// The request of an account to connect to `target`, with its route.
    pub(super) fn request(&self, account: usize, target: SocksTarget) -> ForwardRequest {
        let accounts = lock(&self.accounts);
        let route = accounts.get(account).map_or(NodeRoute::Direct, |account| NodeRoute::of(&account.proxy, &target));
        ForwardRequest { account, target, route }
    }

    /// Notes that sshd permits this user to connect to some server.
    pub(super) fn note_permitted(&self) {
        *lock(&self.permission) = ForwardPermission::Permitted;
    }

    /// Notes that sshd forbids a connection.
    pub(super) fn note_forbidden(&self, request: &ForwardRequest) {
        self.obstacles.note(request, ObstacleReason::Forbidden);
        let mut permission = lock(&self.permission);
        // One connection that was permitted shows that sshd does not forbid everything (`PermitOpen` can allow some
        // servers).
        if let ForwardPermission::Unknown = *permission {
            *permission = ForwardPermission::Forbidden(request.first_hop().clone());
        }
    }

    /// The failure of a node whose sshd forbade every connection that was tried.
    pub(super) fn forbids_all(&self) -> Option<OpenFailure> {
        let permission = lock(&self.permission);
        let ForwardPermission::Forbidden(target) = &*permission else { return None };
        // `AllowTcpForwarding` can depend on the user (`Match User`), so the hint names it.
        let user = &self.connection.user;
        let failure =
            Failure::new(format!("sshd of {} forbids TCP forwarding to `{}`", self.label(), target.authority()))
                .summary("sshd forbids TCP forwarding");
        Some(OpenFailure::Failed(failure.hint(format!(
            "allow it for `{user}` with `AllowTcpForwarding local` in its sshd_config (check `PermitOpen` there, and \
             `restrict` in authorized_keys), or choose other nodes with `--from` and `--limit`"
        ))))
    }

    /// Notes that the connection to the node is lost.
    pub(super) fn note_lost(&self, cause: String) {
        let failure = Failure::new(format!("lost {} while it forwarded connections", self.label()))
            .summary("the connection was lost while registries were contacted");
        self.note_failure(OpenFailure::Unreachable(failure.cause(cause)));
    }

    /// Notes a failure of the node. Only the first is kept, because it causes the others.
    pub(super) fn note_failure(&self, failure: OpenFailure) {
        lock(&self.failure).get_or_insert(failure);
    }
}
