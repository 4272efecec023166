//! Deadlines and interruption. libssh2's own timeout counts every wait anew, so that a trickling server
//! outlives it; here a thread shuts the socket down, and whatever waits on it returns at once. The same thread
//! keeps sessions alive while they wait without anybody's thread.

use std::collections::BTreeMap;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often a resting session is heard of. sshd's `ClientAliveInterval` is hardly ever below 10 s; then one
/// packet in that time is enough, and spares it asking.
const BREATH: Duration = Duration::from_secs(3);

/// Interrupts every connection that was opened with it, at once and for good. Clones are the same one.
#[derive(Clone, Default)]
pub struct Abort(Arc<Shared>);

/// Why a socket was shut down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Its deadline passed.
    Deadline,
    /// [`Abort::fire`].
    Abort,
}

/// A socket under watch, until this is dropped.
pub(super) struct Watch {
    abort: Abort,
    id: u64,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    fired: bool,
    /// Whether the thread runs. It ends when nothing is left to do, so that an idle program has none.
    running: bool,
    next: u64,
    watched: BTreeMap<u64, Watched>,
}

struct Watched {
    socket: Arc<TcpStream>,
    phase: Phase,
    cut: Option<Cut>,
}

/// What is to be done about a socket, and when.
enum Phase {
    /// Nothing.
    Open,
    /// It is shut down at this moment.
    Until(Instant),
    /// Nobody uses the session until then; the next sign of life is due at this moment.
    Rest(ssh2::Session, Instant),
}

impl Abort {
    /// One that has not been fired.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shuts every open socket down; what is opened later fails at once.
    pub fn fire(&self) {
        let mut state = self.0.lock();
        state.fired = true;
        for watched in state.watched.values_mut() {
            watched.cut(Cut::Abort);
        }
    }

    /// Whether [`Abort::fire`] was called.
    pub fn is_fired(&self) -> bool {
        self.0.lock().fired
    }

    /// Puts `socket` under watch, for now without a deadline.
    pub(super) fn watch(&self, socket: Arc<TcpStream>) -> Watch {
        let mut state = self.0.lock();
        let id = state.next;
        state.next += 1;
        let mut watched = Watched { socket, phase: Phase::Open, cut: None };
        if state.fired {
            watched.cut(Cut::Abort);
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
    /// Shuts the socket down at `deadline`, instead of at the one set before.
    pub(super) fn until(&self, deadline: Instant) {
        self.set(Phase::Until(deadline));
    }

    /// Takes the deadline away.
    pub(super) fn endlessly(&self) {
        self.set(Phase::Open);
    }

    /// Takes the deadline away, and keeps `session` alive until the next one is set. Nobody else may use it
    /// meanwhile: its lock would be held while it waits for the node.
    pub(super) fn rest(&self, session: &ssh2::Session) {
        self.set(Phase::Rest(session.clone(), Instant::now() + BREATH));
    }

    /// Whether and why the socket was shut down.
    pub(super) fn cut(&self) -> Option<Cut> {
        self.abort.0.lock().watched.get(&self.id).and_then(|watched| watched.cut)
    }

    fn set(&self, phase: Phase) {
        let shared = &self.abort.0;
        let mut state = shared.lock();
        if let Some(watched) = state.watched.get_mut(&self.id) {
            watched.phase = phase;
        }
        if state.running {
            shared.changed.notify_one();
        } else {
            let shared = Arc::clone(shared);
            let thread = std::thread::Builder::new().name("node-watchdog".to_owned()).stack_size(256 * 1024);
            // Without a thread libssh2's own timeout still bounds every single wait.
            state.running = thread.spawn(move || shared.run()).is_ok();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.abort.0.lock().watched.remove(&self.id);
    }
}

impl Watched {
    /// Does what is due, and says when there is more to do.
    fn attend(&mut self, now: Instant) -> Option<Instant> {
        match &mut self.phase {
            Phase::Open => None,
            Phase::Until(deadline) if *deadline <= now => {
                self.cut(Cut::Deadline);
                None
            }
            Phase::Until(deadline) => Some(*deadline),
            Phase::Rest(session, due) => {
                if *due <= now {
                    *due = now + BREATH;
                    // A global request that wants no reply (RFC 4254, 4). It never waits, and where the node is
                    // gone, whoever uses the session next is told. Left on, libssh2 would send more of them in
                    // the middle of a packet that is stuck.
                    session.set_keepalive(false, 1);
                    let _ = session.keepalive_send();
                    session.set_keepalive(false, 0);
                }
                Some(*due)
            }
        }
    }

    fn cut(&mut self, why: Cut) {
        if self.cut.is_none() {
            self.cut = Some(why);
            // A socket that is not connected any more has nobody waiting on it.
            let _ = self.socket.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let mut next: Option<Instant> = None;
            for watched in state.watched.values_mut().filter(|watched| watched.cut.is_none()) {
                if let Some(due) = watched.attend(now) {
                    next = Some(next.map_or(due, |next| next.min(due)));
                }
            }
            let Some(next) = next else {
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
        watch.until(began + Duration::from_millis(100));
        assert_eq!((&*ours).read(&mut [0]).unwrap(), 0);
        assert!(began.elapsed() >= Duration::from_millis(100));
        assert_eq!(watch.cut(), Some(Cut::Deadline));
    }

    #[test]
    fn a_deadline_can_be_put_off_and_taken_away() {
        let (ours, _theirs) = pair();
        let abort = Abort::new();
        let watch = abort.watch(ours);
        watch.until(Instant::now() + Duration::from_millis(50));
        watch.rest(&ssh2::Session::new().unwrap());
        std::thread::sleep(Duration::from_millis(120));
        assert_eq!(watch.cut(), None);
        watch.until(Instant::now() + Duration::from_millis(10));
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(watch.cut(), Some(Cut::Deadline));
    }

    #[test]
    fn an_interruption_ends_all_and_holds() {
        let (first, _one) = pair();
        let (second, _two) = pair();
        let abort = Abort::new();
        let watch = abort.watch(Arc::clone(&first));
        abort.clone().fire();
        assert_eq!((&*first).read(&mut [0]).unwrap(), 0);
        assert_eq!(watch.cut(), Some(Cut::Abort));
        assert_eq!(abort.watch(second).cut(), Some(Cut::Abort));
    }
}
