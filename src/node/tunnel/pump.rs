//! The thread of one SSH session: it waits on the session's socket, the listener and all clients at once, and
//! steps whoever may come further. libssh2 is used by this thread alone.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ssh2::BlockDirections;

use super::connection::{Connection, Lost, Wire};
use super::shared::Shared;
use crate::failure::without_errno;
use crate::node::connect::SshConnection;

/// How many clients may be about to say who they are. Of more, the one that came first makes room: whoever else is on
/// this machine must not keep us out. We ourselves are never so many at once.
const GREETERS: usize = 512;
/// How many are let in before the others are listened to again.
const AT_ONCE: usize = 64;
/// How long a channel may take to open before others stop waiting for it.
const STALL: Duration = Duration::from_millis(500);

/// A session and its clients.
pub(super) struct Pump {
    line: SshConnection,
    shared: Arc<Shared>,
    clients: Vec<Connection>,
    opening: Option<(u64, Instant)>,
    next: u64,
    pace: Pace,
}

/// How a session gets on with the channel that it is opening.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    Free,
    Stalled,
}

/// Whether there is more to do.
enum Woken {
    Go,
    Stop,
}

impl Pump {
    /// `clients` come from a session that cannot serve them.
    pub(super) fn new(line: SshConnection, shared: Arc<Shared>, clients: Vec<Connection>) -> Self {
        let mut pump = Self { line, shared, clients, opening: None, next: 0, pace: Pace::Free };
        for client in &mut pump.clients {
            client.id = pump.next;
            pump.next += 1;
        }
        pump
    }

    /// Serves until the tunnel is dropped; without a session, by turning everybody away.
    pub(super) fn run(mut self) {
        let Err(Lost(cause)) = self.serve() else { return };
        self.shared.lost(self.line.describe_error("the tunnel", &cause));
        let Self { line, shared, clients, .. } = self;
        drop((clients, line));
        turn_away(&shared);
    }

    fn serve(&mut self) -> Result<(), Lost> {
        loop {
            while self.step()? {}
            self.clients.retain(|client| !client.is_over());
            self.relieve();
            if let Woken::Stop = self.wait()? {
                return Ok(());
            }
        }
    }

    fn step(&mut self) -> Result<bool, Lost> {
        let now = Instant::now();
        let mut wire = Wire { ssh: &self.line.ssh, opening: self.opening, shared: &self.shared };
        let mut moved = false;
        for client in &mut self.clients {
            moved |= client.step(&mut wire, now)?;
        }
        self.opening = wire.opening;
        Ok(moved)
    }

    /// Hands those who wait for a channel that does not open to another session.
    fn relieve(&mut self) {
        let stalled = self.opening.is_some_and(|(_, since)| since.elapsed() >= STALL);
        match (self.pace, stalled) {
            (Pace::Free, true) => {
                self.pace = Pace::Stalled;
                self.shared.is_stalled();
            }
            (Pace::Stalled, false) => {
                self.pace = Pace::Free;
                self.shared.is_free();
            }
            _ => {}
        }
        if stalled && self.clients.iter().any(Connection::is_waiting) {
            let (waiting, others) = std::mem::take(&mut self.clients).into_iter().partition(Connection::is_waiting);
            self.clients = others;
            self.clients.extend(Shared::another(&self.shared, waiting));
        }
    }

    fn wait(&mut self) -> Result<Woken, Lost> {
        let accepts = self.pace == Pace::Free || self.shared.nobody_is_free();
        let mut descriptors = vec![
            PollFd::new(self.shared.end.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.line.socket.as_fd(), self.interest()),
            PollFd::new(self.shared.listener.as_fd(), if accepts { PollFlags::POLLIN } else { PollFlags::empty() }),
        ];
        let mut polled = Vec::new();
        for (at, client) in self.clients.iter().enumerate().filter(|(_, client)| !client.client_is_gone()) {
            let mut events = PollFlags::empty();
            events.set(PollFlags::POLLIN, client.wants_to_hear_client());
            events.set(PollFlags::POLLOUT, client.wants_to_tell_client());
            descriptors.push(PollFd::new(client.local.as_fd(), events));
            polled.push(at);
        }
        match poll(&mut descriptors, self.patience()) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(Lost(error.desc().to_owned())),
        }
        let told: Vec<PollFlags> = descriptors.iter().map(|one| one.revents().unwrap_or(PollFlags::empty())).collect();
        let broken = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
        if !told[0].is_empty() {
            return Ok(Woken::Stop);
        }
        // What was asked for is looked at first: the last bytes may still be there.
        if told[1].intersects(broken) && !told[1].intersects(PollFlags::POLLIN | PollFlags::POLLOUT) {
            return Err(Lost("the connection broke off".to_owned()));
        }
        for (at, told) in polled.into_iter().zip(&told[3..]) {
            if told.intersects(broken) && !told.contains(PollFlags::POLLIN) {
                self.clients[at].client_went();
            }
        }
        if told[2].contains(PollFlags::POLLIN) {
            self.accept()?;
        }
        Ok(Woken::Go)
    }

    /// What to wait for on the session's socket. Nobody reads it while no client wants to.
    fn interest(&self) -> PollFlags {
        let mut events = PollFlags::empty();
        events.set(PollFlags::POLLIN, self.clients.iter().any(Connection::wants_to_hear_node));
        let sending = matches!(self.line.ssh.block_directions(), BlockDirections::Outbound | BlockDirections::Both);
        events.set(PollFlags::POLLOUT, sending);
        events
    }

    fn patience(&self) -> PollTimeout {
        let stall = self.opening.filter(|_| self.pace == Pace::Free).map(|(_, since)| since + STALL);
        let Some(due) = self.clients.iter().filter_map(Connection::due).chain(stall).min() else {
            return PollTimeout::NONE;
        };
        // Rounded up, or the last millisecond would be spent in a busy loop.
        let left = due.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
    }

    fn accept(&mut self) -> Result<(), Lost> {
        for _ in 0..AT_ONCE {
            match self.shared.listener.accept() {
                Ok((local, _)) => self.welcome(local),
                // Nobody more, or another session was quicker.
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if passes(&error) => {}
                Err(error) => return Err(Lost(without_errno(&error))),
            }
        }
        Ok(())
    }

    fn welcome(&mut self, local: TcpStream) {
        if local.set_nonblocking(true).is_err() {
            return;
        }
        let _ = local.set_nodelay(true);
        let mut greeters = (0..self.clients.len()).filter(|at| self.clients[*at].greets());
        let first = greeters.next();
        if greeters.count() + 1 >= GREETERS
            && let Some(first) = first
        {
            self.clients.remove(first);
            self.shared.crowded.store(true, Ordering::Relaxed);
        }
        self.clients.push(Connection::new(self.next, local, Instant::now()));
        self.next += 1;
    }
}

/// Hangs up on whoever comes, so that nobody waits for what cannot be.
pub(super) fn turn_away(shared: &Shared) {
    loop {
        let listener = PollFd::new(shared.listener.as_fd(), PollFlags::POLLIN);
        let mut descriptors = [PollFd::new(shared.end.as_fd(), PollFlags::POLLIN), listener];
        let told = poll(&mut descriptors, PollTimeout::NONE);
        if told.is_err_and(|error| error != Errno::EINTR) || descriptors[0].any() == Some(true) {
            return;
        }
        loop {
            match shared.listener.accept() {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if passes(&error) => {}
                Err(_) => return,
            }
        }
    }
}

/// Whether a client that could not be accepted says nothing of the next one.
fn passes(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted)
}
