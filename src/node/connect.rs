//! Connects to a node: DNS, TCP, SSH handshake, and the check of the host key. It does not log in; `auth` does.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use ssh2::MethodType;

use super::Limits;
use super::error::{self, ConnectError};
use super::hint::{self, ConnectProblem, EarlyEnd};
use super::known_hosts::{HostKeyTrust, HostKeys, fingerprint, key_type};
use super::watchdog::{Interruption, Watch};
use crate::desired::{Connection, HostKeyChecking};
use crate::failure::{Failure, without_errno};

/// How often a detached thread is checked for an interruption.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The node as messages name it: `` `node1` (10.0.0.5:22) ``.
pub(super) struct NodeLabel<'a>(pub(super) &'a str, pub(super) &'a Connection);

/// An open SSH connection, under the watchdog.
pub(super) struct SshConnection {
    pub(super) ssh: ssh2::Session,
    pub(super) socket: Arc<TcpStream>,
    pub(super) watch: Watch,
    pub(super) timeout: Duration,
}

impl fmt::Display for NodeLabel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({})", self.0, authority(self.1))
    }
}

/// `address:port`, with brackets around an IPv6 address.
fn authority(connection: &Connection) -> String {
    let Connection { address, port, .. } = connection;
    // Without brackets the port of an IPv6 address would look like its last group.
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

impl SshConnection {
    /// Connects and checks the host key, all before `deadline`.
    pub(super) fn open(
        label: &NodeLabel,
        keys: &HostKeys,
        limits: &Limits,
        deadline: Instant,
    ) -> Result<Self, Failure> {
        let unreachable = |error: ConnectError| error::unreachable(label, error);
        let socket = connect_in_thread(label.1, limits, deadline).map_err(unreachable)?;
        // Each packet is a request that waits for its response, so delaying it to fill it costs a round trip.
        let _ = socket.set_nodelay(true);
        let socket = Arc::new(socket);
        let watch = limits.abort.watch(Arc::clone(&socket));
        watch.set_deadline(deadline);
        let ssh = ssh2::Session::new().map_err(|error| {
            unreachable(ConnectError::new(ConnectProblem::Other, "no SSH session could be created", error.message()))
        })?;
        let mut connection = Self { ssh, socket, watch, timeout: limits.timeout };
        connection.handshake(label, keys)?;
        Ok(connection)
    }

    fn handshake(&mut self, label: &NodeLabel, keys: &HostKeys) -> Result<(), Failure> {
        let known = keys.of(&label.1.address, label.1.port);
        // The watchdog enforces the exact deadline. This timeout is only needed if its thread cannot be started.
        let timeout = self.timeout.saturating_add(Duration::from_secs(1)).as_millis();
        self.ssh.set_timeout(u32::try_from(timeout).unwrap_or(u32::MAX));
        self.ssh.set_tcp_stream(Arc::clone(&self.socket));
        let done = self.ssh.method_pref(MethodType::HostKey, &known.preference()).and_then(|()| self.ssh.handshake());
        if let Err(error) = done {
            // libssh2 reports several error codes for a missing banner, but always this text.
            let (problem, summary) = match self.watch.interruption() {
                None if error.message().contains("banner") => (ConnectProblem::NotSsh, "no SSH server on this port"),
                None => (ConnectProblem::Handshake, "the SSH handshake failed"),
                Some(Interruption::Deadline) => (ConnectProblem::NoResponse, "no SSH handshake in time"),
                Some(Interruption::Abort) => (ConnectProblem::Interrupted, "interrupted"),
            };
            let cause = self.describe_error("SSH handshake", &error.message());
            return Err(error::unreachable(label, ConnectError { problem, summary: summary.to_owned(), cause }));
        }
        let Some((blob, _)) = self.ssh.host_key() else {
            let failure = Failure::new(format!("{label} presented no host key")).summary("no host key was presented");
            return Err(failure.hint(ConnectProblem::Handshake.hint()));
        };
        check_trust(label, blob, known.check(blob))
    }

    /// Why the connection ended, if an operation on it failed.
    pub(super) fn early_end(&self) -> EarlyEnd {
        match self.watch.interruption() {
            Some(Interruption::Deadline) => EarlyEnd::Deadline,
            Some(Interruption::Abort) => EarlyEnd::Interrupted,
            None => EarlyEnd::Closed,
        }
    }

    /// The text for an error of `task`. If the watchdog has shut the socket down, its reason is shown instead, because
    /// the error is only a consequence of that.
    pub(super) fn describe_error(&self, task: &str, error: &dyn fmt::Display) -> String {
        match self.watch.interruption() {
            Some(Interruption::Deadline) => {
                format!("{task}: {}", describe_interruption(Interruption::Deadline, self.timeout))
            }
            Some(Interruption::Abort) => describe_interruption(Interruption::Abort, self.timeout),
            None => format!("{task}: {error}"),
        }
    }
}

impl Drop for SshConnection {
    /// libssh2 closes every channel when it is dropped and waits for the response, unless the socket is shut down.
    fn drop(&mut self) {
        // This fails only if the connection has ended already.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}

/// The text for a deadline or an interruption.
pub(super) fn describe_interruption(interruption: Interruption, timeout: Duration) -> String {
    match interruption {
        Interruption::Deadline => format!("not finished within {} s", timeout.as_secs_f64()),
        Interruption::Abort => "interrupted".to_owned(),
    }
}

/// Resolves and connects. The system offers no means to end either from outside, so a detached thread does it.
fn connect_in_thread(connection: &Connection, limits: &Limits, deadline: Instant) -> Result<TcpStream, ConnectError> {
    let (address, port) = (connection.address.clone(), connection.port);
    let connected = run_detached(limits, deadline, move || connect(&address, port, deadline));
    connected.map_err(|error| match error {
        DetachedError::Interrupted(interruption) => {
            let (problem, summary) = match interruption {
                Interruption::Deadline => (ConnectProblem::NoResponse, "no connection in time"),
                Interruption::Abort => (ConnectProblem::Interrupted, "interrupted"),
            };
            ConnectError::new(problem, summary, describe_interruption(interruption, limits.timeout))
        }
        DetachedError::Failed(cause) => ConnectError::new(ConnectProblem::NoThread, cause.clone(), cause),
    })?
}

/// Why [`run_detached`] has no result.
pub(super) enum DetachedError {
    /// The thread was abandoned; its result will be dropped.
    Interrupted(Interruption),
    /// The thread could not be started, or ended without a result.
    Failed(String),
}

/// Runs `work` in a separate thread, which is abandoned when the deadline passes or the run is interrupted.
pub(super) fn run_detached<T: Send + 'static>(
    limits: &Limits,
    deadline: Instant,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, DetachedError> {
    let (send, receive) = mpsc::sync_channel(1);
    // The resolver of the system loads modules that need more stack than the other threads of this program have.
    let thread = std::thread::Builder::new().name("node-detached".to_owned()).stack_size(512 * 1024);
    // Sending fails only if the caller has stopped waiting, and then the result is not needed.
    let started = thread.spawn(move || drop(send.send(work())));
    started.map_err(|error| {
        DetachedError::Failed(format!("cannot start a thread to connect with: {}", without_errno(&error)))
    })?;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if limits.abort.is_fired() {
            return Err(DetachedError::Interrupted(Interruption::Abort));
        }
        if left.is_zero() {
            return Err(DetachedError::Interrupted(Interruption::Deadline));
        }
        // An abort does not wake this channel, so it is checked again after each interval.
        match receive.recv_timeout(left.min(POLL_INTERVAL)) {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Timeout) => {}
            // The sender is dropped without a value only if the thread has panicked.
            Err(RecvTimeoutError::Disconnected) => {
                return Err(DetachedError::Failed("the connecting thread ended early".to_owned()));
            }
        }
    }
}

fn connect(address: &str, port: u16, deadline: Instant) -> Result<TcpStream, ConnectError> {
    let addresses = resolve(address, port).map_err(|error| {
        let reason = without_errno(&error);
        let problem = problem(&error, ConnectProblem::UnresolvedName);
        let summary = format!("the name does not resolve: {reason}");
        ConnectError::new(problem, summary, format!("`{address}` does not resolve: {reason}"))
    })?;
    let no_address = format!("`{address}` has no address");
    let mut last = ConnectError::new(ConnectProblem::UnresolvedName, "the name has no address", no_address);
    for (at, target) in addresses.iter().enumerate() {
        // Each address gets only its share of the time, so that an address that does not respond leaves time for the
        // others.
        let share = u32::try_from(addresses.len() - at).unwrap_or(1);
        let left = deadline.saturating_duration_since(Instant::now()) / share;
        if left.is_zero() {
            break;
        }
        match TcpStream::connect_timeout(target, left) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = connect_error(target, &error, left),
        }
    }
    Err(last)
}

fn resolve(address: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    match address.parse::<IpAddr>() {
        Ok(ip) => Ok(vec![SocketAddr::new(ip, port)]),
        // Only a name needs the resolver of the system, which cannot be interrupted and may take minutes to respond.
        Err(_) => Ok((address, port).to_socket_addrs()?.collect()),
    }
}

fn connect_error(target: &SocketAddr, error: &io::Error, waited: Duration) -> ConnectError {
    let problem = problem(error, ConnectProblem::Other);
    let reason = without_errno(error);
    let (summary, cause) = match problem {
        ConnectProblem::Refused => {
            ("connection refused", format!("{target}: connection refused: nothing listens on this port"))
        }
        ConnectProblem::NoResponse => {
            ("no connection in time", format!("{target}: no response within {:.1} s", waited.as_secs_f64()))
        }
        _ => (reason.as_str(), format!("{target}: {reason}")),
    };
    ConnectError::new(problem, summary, cause)
}

/// The problem that a system error shows; `otherwise` if it shows none.
fn problem(error: &io::Error, otherwise: ConnectProblem) -> ConnectProblem {
    match error.kind() {
        // This is the text of the system for EMFILE. A resolver returns only the text and no error number.
        _ if error.to_string().contains("Too many open files") => ConnectProblem::TooManyFiles,
        io::ErrorKind::ConnectionRefused => ConnectProblem::Refused,
        io::ErrorKind::TimedOut => ConnectProblem::NoResponse,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => ConnectProblem::NoRoute,
        _ => otherwise,
    }
}

/// Returns a failure unless known_hosts trusts the host key.
fn check_trust(label: &NodeLabel, blob: &[u8], trust: HostKeyTrust) -> Result<(), Failure> {
    let presented = format!("it presented {} {}", key_type(blob), fingerprint(blob));
    let Connection { address, port, .. } = label.1;
    let hint = hint::host_key(&trust, address, *port, &key_type(blob));
    let failure = match trust {
        HostKeyTrust::Trusted => return Ok(()),
        // Accepting unknown keys covers neither a changed nor a revoked key: those may be an attack.
        HostKeyTrust::Unknown(_) if label.1.host_key_checking == HostKeyChecking::AcceptUnknown => return Ok(()),
        HostKeyTrust::Unknown(others) => {
            let failure = Failure::new(format!("the host key of {label} is not known"))
                .summary("the host key is not known")
                .cause(presented);
            match others.is_empty() {
                true => failure,
                false => failure.cause(format!("known_hosts only has its keys of type {}", others.join(", "))),
            }
        }
        HostKeyTrust::Changed { location, fingerprint } => {
            Failure::new(format!("the host key of {label} has changed: this may be an attack"))
                .summary("the host key has changed: this may be an attack")
                .cause(presented)
                .cause(format!("{location} has {fingerprint}"))
        }
        HostKeyTrust::Revoked { location } => Failure::new(format!("the host key of {label} is revoked"))
            .summary("the host key is revoked")
            .cause(presented)
            .cause(format!("{location} revokes it")),
    };
    Err(Failure { hint, ..failure })
}
