//! The threads of a tunnel, one for each SSH session. A thread waits for the session's socket, the listener and all its
//! clients at the same time, and steps the clients. Only this thread uses libssh2 for the session.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ssh2::BlockDirections;

use super::channel::{SessionLost, SshSession};
use super::client::Client;
use super::lock;
use super::state::TunnelState;
use crate::failure::without_errno;
use crate::node::OpenFailure;
use crate::node::connect::SshConnection;

/// How many clients may be negotiating. If there are more, the oldest is dropped: other programs on this machine must not
/// be able to block the tunnel. This program itself never has so many at the same time.
const MAX_NEGOTIATING: usize = 512;
/// How many clients are accepted before the existing clients are served again.
const ACCEPTS_AT_ONCE: usize = 64;
/// How long a channel may take to open before waiting clients are moved to another session.
const STALL_TIMEOUT: Duration = Duration::from_millis(500);
/// How many sessions a tunnel may have: one more for each channel that does not open while clients wait.
const MAX_SESSIONS: usize = 16;

/// A session and its clients.
struct EventLoop {
    connection: SshConnection,
    state: Arc<TunnelState>,
    clients: Vec<Client>,
    opening: Option<(u64, Instant)>,
    next_id: u64,
    channels: ChannelState,
}

/// Whether the session can open channels.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ChannelState {
    Free,
    /// It waits for a channel that does not open.
    Stalled,
}

/// Whether the loop continues.
enum Wake {
    Continue,
    Stop,
}

/// Starts a thread that serves `clients` and new ones, with `connection` or with a session that it opens.
///
/// # Errors
/// If the system refuses the thread.
pub(super) fn start(
    state: &Arc<TunnelState>,
    connection: Option<SshConnection>,
    clients: Vec<Client>,
) -> std::io::Result<()> {
    let own = Arc::clone(state);
    // A small stack is enough, and a large fleet has many tunnels.
    let thread = std::thread::Builder::new().name("node-tunnel".to_owned()).stack_size(512 * 1024);
    let work = move || match connection.map_or_else(|| own.connect(), Ok) {
        Ok(connection) => EventLoop::new(connection, own, clients).run(),
        Err(failure) => {
            own.note_failure(OpenFailure::Unreachable(failure));
            // These clients would otherwise wait for a session that does not exist.
            drop(clients);
            reject_all(&own);
        }
    };
    lock(&state.threads).push(thread.spawn(work)?);
    Ok(())
}

/// Starts another session for `clients`; returns them if there are too many sessions already.
fn start_another(state: &Arc<TunnelState>, clients: Vec<Client>) -> Vec<Client> {
    if state.sessions.load(Ordering::Acquire) >= MAX_SESSIONS {
        return clients;
    }
    // The session is counted before its thread runs, so that `all_stalled` does not count too few sessions in the
    // meantime.
    state.sessions.fetch_add(1, Ordering::AcqRel);
    // Without a thread the clients are disconnected, as if the node were lost.
    if let Err(error) = start(state, None, clients) {
        state.note_lost(format!("no thread for another session: {}", without_errno(&error)));
    }
    Vec::new()
}

impl EventLoop {
    /// `clients` come from a session that cannot serve them.
    fn new(connection: SshConnection, state: Arc<TunnelState>, clients: Vec<Client>) -> Self {
        let (opening, channels) = (None, ChannelState::Free);
        let mut event_loop = Self { connection, state, clients, opening, next_id: 0, channels };
        for client in &mut event_loop.clients {
            // Numbers are unique only within one session.
            client.id = event_loop.next_id;
            event_loop.next_id += 1;
        }
        event_loop
    }

    /// Serves clients until the tunnel is dropped. If the session is lost, it rejects all clients until then.
    fn run(mut self) {
        let Err(SessionLost(cause)) = self.serve() else { return };
        self.state.note_lost(self.connection.describe_error("the tunnel", &cause));
        let Self { connection, state, clients, .. } = self;
        // The clients are disconnected immediately, so that they do not wait for their own timeouts.
        drop((clients, connection));
        reject_all(&state);
    }

    fn serve(&mut self) -> Result<(), SessionLost> {
        loop {
            // The steps are repeated until none makes progress: a channel that one client releases may be what another
            // waits for.
            while self.step_clients()? {}
            self.clients.retain(|client| !client.is_done());
            self.hand_over_waiting();
            if let Wake::Stop = self.wait()? {
                return Ok(());
            }
        }
    }

    fn step_clients(&mut self) -> Result<bool, SessionLost> {
        let now = Instant::now();
        // The field is copied and written back, because the clients are borrowed at the same time.
        let mut session = SshSession { ssh: &self.connection.ssh, opening: self.opening, state: &self.state };
        let mut progressed = false;
        for client in &mut self.clients {
            progressed |= client.step(&mut session, now)?;
        }
        self.opening = session.opening;
        Ok(progressed)
    }

    /// Moves clients that wait for a channel that does not open to another session.
    fn hand_over_waiting(&mut self) {
        let stalled = self.opening.is_some_and(|(_, since)| since.elapsed() >= STALL_TIMEOUT);
        match (self.channels, stalled) {
            (ChannelState::Free, true) => {
                self.channels = ChannelState::Stalled;
                self.state.mark_stalled();
            }
            (ChannelState::Stalled, false) => {
                self.channels = ChannelState::Free;
                self.state.mark_free();
            }
            _ => {}
        }
        if stalled && self.clients.iter().any(Client::is_waiting) {
            // Only clients without a channel can move, because a channel belongs to its session.
            let (waiting, others) = std::mem::take(&mut self.clients).into_iter().partition(Client::is_waiting);
            self.clients = others;
            self.clients.extend(start_another(&self.state, waiting));
        }
    }

    fn wait(&mut self) -> Result<Wake, SessionLost> {
        // A stalled session leaves new clients to the others, unless all are stalled.
        let accepts = self.channels == ChannelState::Free || self.state.all_stalled();
        let mut descriptors = vec![
            PollFd::new(self.state.end.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.connection.socket.as_fd(), self.session_events()),
            PollFd::new(self.state.listener.as_fd(), if accepts { PollFlags::POLLIN } else { PollFlags::empty() }),
        ];
        let mut polled = Vec::new();
        // `poll` reports a closed socket at once, so a client that is gone would make the loop run without a pause.
        for (at, client) in self.clients.iter().enumerate().filter(|(_, client)| !client.is_gone()) {
            let mut events = PollFlags::empty();
            events.set(PollFlags::POLLIN, client.reads_from_client());
            events.set(PollFlags::POLLOUT, client.writes_to_client());
            descriptors.push(PollFd::new(client.socket.as_fd(), events));
            polled.push(at);
        }
        match poll(&mut descriptors, self.poll_timeout()) {
            // After a signal no event is set, and the loop continues.
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(SessionLost(error.desc().to_owned())),
        }
        let events: Vec<PollFlags> =
            descriptors.iter().map(|descriptor| descriptor.revents().unwrap_or(PollFlags::empty())).collect();
        let closed = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
        if !events[0].is_empty() {
            return Ok(Wake::Stop);
        }
        // A closed socket that can still be read may contain the last bytes, so those are read first.
        if events[1].intersects(closed) && !events[1].intersects(PollFlags::POLLIN | PollFlags::POLLOUT) {
            return Err(SessionLost("the connection was closed".to_owned()));
        }
        for (at, events) in polled.into_iter().zip(&events[3..]) {
            // The last bytes of the client are read before it counts as gone.
            if events.intersects(closed) && !events.contains(PollFlags::POLLIN) {
                self.clients[at].mark_gone();
            }
        }
        if events[2].contains(PollFlags::POLLIN) {
            self.accept()?;
        }
        Ok(Wake::Continue)
    }

    /// The events to wait for on the socket of the session. The socket is not read while no client waits for the node.
    fn session_events(&self) -> PollFlags {
        let mut events = PollFlags::empty();
        events.set(PollFlags::POLLIN, self.clients.iter().any(Client::waits_for_node));
        // libssh2 may hold a part of a packet that the socket did not accept, even if no client has bytes to send.
        let sending =
            matches!(self.connection.ssh.block_directions(), BlockDirections::Outbound | BlockDirections::Both);
        events.set(PollFlags::POLLOUT, sending);
        events
    }

    fn poll_timeout(&self) -> PollTimeout {
        // A session that is already stalled has nothing more to do at that time.
        let opening = self.opening.filter(|_| self.channels == ChannelState::Free);
        let stall = opening.map(|(_, since)| since + STALL_TIMEOUT);
        let Some(due) = self.clients.iter().filter_map(Client::due).chain(stall).min() else {
            return PollTimeout::NONE;
        };
        // The time is rounded up, because the loop would otherwise poll without a pause during the last millisecond.
        let left = due.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
    }

    fn accept(&mut self) -> Result<(), SessionLost> {
        for _ in 0..ACCEPTS_AT_ONCE {
            match self.state.listener.accept() {
                Ok((socket, _)) => self.add_client(socket),
                // There is no further client, or another session has accepted it.
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if concerns_one_client(&error) => {}
                Err(error) => return Err(SessionLost(without_errno(&error))),
            }
        }
        Ok(())
    }

    fn add_client(&mut self, socket: TcpStream) {
        // A blocking socket would stop all other clients of this session, so the client is dropped instead.
        if socket.set_nonblocking(true).is_err() {
            return;
        }
        // A TLS handshake consists of small packets, which must not wait for more bytes.
        let _ = socket.set_nodelay(true);
        // The list is in the order of acceptance, so the first client is the oldest.
        let mut negotiating = (0..self.clients.len()).filter(|at| self.clients[*at].is_negotiating());
        let oldest = negotiating.next();
        if negotiating.count() + 1 >= MAX_NEGOTIATING
            && let Some(oldest) = oldest
        {
            self.clients.remove(oldest);
            self.state.crowded.store(true, Ordering::Relaxed);
        }
        self.clients.push(Client::new(self.next_id, socket, Instant::now()));
        self.next_id += 1;
    }
}

/// Closes each new connection until the tunnel is dropped, so that no client waits for a session that is lost.
fn reject_all(state: &TunnelState) {
    loop {
        let listener = PollFd::new(state.listener.as_fd(), PollFlags::POLLIN);
        let mut descriptors = [PollFd::new(state.end.as_fd(), PollFlags::POLLIN), listener];
        let polled = poll(&mut descriptors, PollTimeout::NONE);
        if polled.is_err_and(|error| error != Errno::EINTR) || descriptors[0].any() == Some(true) {
            return;
        }
        loop {
            match state.listener.accept() {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if concerns_one_client(&error) => {}
                Err(_) => return,
            }
        }
    }
}

/// Whether an error of `accept` is about one client and says nothing about the next one.
fn concerns_one_client(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted)
}
