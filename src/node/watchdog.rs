//! Deadlines and interruption of connections to nodes. The timeout of libssh2 starts again with every wait, so a server
//! that sends single bytes can exceed it. The watchdog is a thread that shuts the socket down, which ends all
//! operations that wait on the socket. The same thread keeps idle sessions alive. It does not depend on what a
//! connection is used for.

use std::collections::BTreeMap;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often an idle session sends a packet. The `ClientAliveInterval` of sshd is rarely below 10 s. A packet within
/// that time prevents sshd from sending a request, to which an idle session would not respond.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(3);

/// Interrupts every connection that uses it, including connections that are opened later. Clones share their state.
#[derive(Clone, Default)]
pub struct Abort(Arc<Watchdog>);

/// Why a socket was shut down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interruption {
    /// Its deadline passed.
    Deadline,
    /// [`Abort::fire`].
    Abort,
}

/// The registration of a socket with the watchdog, until it is dropped.
pub(super) struct Watch {
    abort: Abort,
    id: u64,
}

#[derive(Default)]
struct Watchdog {
    state: Mutex<WatchdogState>,
    changed: Condvar,
}

#[derive(Default)]
struct WatchdogState {
    fired: bool,
    /// Whether the thread runs. It ends when there is nothing to do, so that an idle program does not keep a thread.
    running: bool,
    next: u64,
    watched: BTreeMap<u64, WatchedSocket>,
}

struct WatchedSocket {
    socket: Arc<TcpStream>,
    phase: SocketPhase,
    interruption: Option<Interruption>,
}

/// What the watchdog does with a socket, and when.
enum SocketPhase {
    /// It does nothing.
    Unlimited,
    /// It shuts the socket down at this moment.
    Deadline(Instant),
    /// No other thread uses the session; the next keepalive packet is due at this moment.
    Idle(ssh2::Session, Instant),
}

impl Abort {
    /// A new one that has not been fired.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shuts down every open socket; connections that are opened later fail immediately.
    pub fn fire(&self) {
        let mut state = self.0.lock();
        state.fired = true;
        // This shuts the sockets down itself, because the thread of the watchdog runs only while there is a deadline.
        for watched in state.watched.values_mut() {
            watched.shut_down(Interruption::Abort);
        }
    }

    /// Whether [`Abort::fire`] was called.
    pub fn is_fired(&self) -> bool {
        self.0.lock().fired
    }

    /// Registers `socket`, at first without a deadline.
    pub(super) fn watch(&self, socket: Arc<TcpStream>) -> Watch {
        let mut state = self.0.lock();
        let id = state.next;
        state.next += 1;
        let mut watched = WatchedSocket { socket, phase: SocketPhase::Unlimited, interruption: None };
        // A connection that is opened during an abort would otherwise run until its own deadline.
        if state.fired {
            watched.shut_down(Interruption::Abort);
        }
        state.watched.insert(id, watched);
        Watch { abort: self.clone(), id }
    }
}

impl std::fmt::Debug for Abort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Abort {{ fired: {} }}", self.is_fired())
    }
}

impl Watch {
    /// Shuts the socket down at `deadline`, which replaces the previous deadline.
    pub(super) fn set_deadline(&self, deadline: Instant) {
        self.set(SocketPhase::Deadline(deadline));
    }

    /// Removes the deadline.
    pub(super) fn clear_deadline(&self) {
        self.set(SocketPhase::Unlimited);
    }

    /// Removes the deadline, and keeps `session` alive until the next one is set. No other thread may use the session
    /// in the meantime: it would hold the lock of the session while it waits for the node, and the watchdog would wait
    /// for that lock.
    pub(super) fn keep_alive(&self, session: &ssh2::Session) {
        self.set(SocketPhase::Idle(session.clone(), Instant::now() + KEEPALIVE_INTERVAL));
    }

    /// Whether and why the socket was shut down.
    pub(super) fn interruption(&self) -> Option<Interruption> {
        self.abort.0.lock().watched.get(&self.id).and_then(|watched| watched.interruption)
    }

    fn set(&self, phase: SocketPhase) {
        let watchdog = &self.abort.0;
        let mut state = watchdog.lock();
        if let Some(watched) = state.watched.get_mut(&self.id) {
            watched.phase = phase;
        }
        // The flag changes under the same lock as the list, so a new deadline cannot be missed by a thread that is
        // about to end.
        if state.running {
            watchdog.changed.notify_one();
        } else {
            let watchdog = Arc::clone(watchdog);
            let thread = std::thread::Builder::new().name("node-watchdog".to_owned()).stack_size(256 * 1024);
            // If the thread cannot be started, the timeout of libssh2 still limits every single wait.
            state.running = thread.spawn(move || watchdog.run()).is_ok();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.abort.0.lock().watched.remove(&self.id);
    }
}

impl WatchedSocket {
    /// Does the work that is due at `now`; returns the time when more work is due.
    fn do_due_work(&mut self, now: Instant) -> Option<Instant> {
        match &mut self.phase {
            SocketPhase::Unlimited => None,
            SocketPhase::Deadline(deadline) if *deadline <= now => {
                self.shut_down(Interruption::Deadline);
                None
            }
            SocketPhase::Deadline(deadline) => Some(*deadline),
            SocketPhase::Idle(session, due) => {
                if *due <= now {
                    *due = now + KEEPALIVE_INTERVAL;
                    // A global request without a reply (RFC 4254, section 4) never waits. If the node is gone, the next
                    // use of the session fails. Keepalives are switched off again, because libssh2 would otherwise send
                    // more of them in the middle of a packet that is only partly sent.
                    session.set_keepalive(false, 1);
                    let _ = session.keepalive_send();
                    session.set_keepalive(false, 0);
                }
                Some(*due)
            }
        }
    }

    fn shut_down(&mut self, reason: Interruption) {
        if self.interruption.is_none() {
            self.interruption = Some(reason);
            // This fails if the socket is no longer connected; then nothing waits on it.
            let _ = self.socket.shutdown(Shutdown::Both);
        }
    }
}

impl Watchdog {
    fn lock(&self) -> MutexGuard<'_, WatchdogState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let mut next: Option<Instant> = None;
            // A socket that was shut down has no further work, and its passed deadline would make this loop run without
            // a pause.
            for watched in state.watched.values_mut().filter(|watched| watched.interruption.is_none()) {
                if let Some(due) = watched.do_due_work(now) {
                    next = Some(next.map_or(due, |next| next.min(due)));
                }
            }
            let Some(next) = next else {
                // The thread ends when nothing is due. The next deadline starts a new one.
                state.running = false;
                return;
            };
            let waited = self.changed.wait_timeout(state, next.saturating_duration_since(now));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::TcpListener;
    use std::time::Duration;

    fn pair() -> (Arc<TcpStream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Arc::new(ours), listener.accept().unwrap().0)
    }

    #[test]
    fn a_deadline_ends_a_waiting_read() {
        let (ours, _theirs) = pair();
        let abort = Abort::new();
        let watch = abort.watch(Arc::clone(&ours));
        let began = Instant::now();
        watch.set_deadline(began + Duration::from_millis(100));
        assert_eq!((&*ours).read(&mut [0]).unwrap(), 0);
        assert!(began.elapsed() >= Duration::from_millis(100));
        assert_eq!(watch.interruption(), Some(Interruption::Deadline));
    }

    #[test]
    fn a_deadline_can_be_replaced_and_removed() {
        let (ours, _theirs) = pair();
        let abort = Abort::new();
        let watch = abort.watch(ours);
        watch.set_deadline(Instant::now() + Duration::from_millis(50));
        watch.keep_alive(&ssh2::Session::new().unwrap());
        std::thread::sleep(Duration::from_millis(120));
        assert_eq!(watch.interruption(), None);
        watch.set_deadline(Instant::now() + Duration::from_millis(10));
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(watch.interruption(), Some(Interruption::Deadline));
    }

    #[test]
    fn an_abort_ends_all_connections_also_later_ones() {
        let (first, _one) = pair();
        let (second, _two) = pair();
        let abort = Abort::new();
        let watch = abort.watch(Arc::clone(&first));
        abort.clone().fire();
        assert_eq!((&*first).read(&mut [0]).unwrap(), 0);
        assert_eq!(watch.interruption(), Some(Interruption::Abort));
        assert_eq!(abort.watch(second).interruption(), Some(Interruption::Abort));
    }
}
