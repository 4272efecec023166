//! From a name to an SSH session whose host key is trusted: DNS, TCP, handshake. Logging in is `auth`.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use ssh2::MethodType;

use super::Limits;
use super::known_hosts::{HostKeys, Trust, fingerprint, kind};
use super::trouble;
use super::watchdog::{Cut, Watch};
use crate::desired::{Connection, HostKeyChecking};
use crate::failure::{Failure, without_errno};

/// How long an interruption may go unnoticed while nothing but the system's connect is at work.
const GLANCE: Duration = Duration::from_millis(50);

/// The node as messages name it: `` `node1` (10.0.0.5:22) ``.
pub(super) struct Label<'a>(pub(super) &'a str, pub(super) &'a Connection);

/// An open connection, and what ends it in time.
pub(super) struct Line {
    pub(super) ssh: ssh2::Session,
    pub(super) socket: Arc<TcpStream>,
    pub(super) watch: Watch,
    pub(super) timeout: Duration,
}

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({})", self.0, place(self.1))
    }
}

/// `address:port`, with brackets around an IPv6 address.
fn place(connection: &Connection) -> String {
    let Connection { address, port, .. } = connection;
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

impl Line {
    /// Connects and checks the host key, all before `deadline`.
    pub(super) fn open(label: &Label, keys: &HostKeys, limits: &Limits, deadline: Instant) -> Result<Self, Failure> {
        let unreachable = |cause: String| trouble::unreachable(label, cause);
        let socket = dial(label.1, limits, deadline).map_err(unreachable)?;
        // One packet for one question: waiting to fill it costs a round trip.
        let _ = socket.set_nodelay(true);
        let socket = Arc::new(socket);
        let watch = limits.abort.watch(Arc::clone(&socket));
        watch.until(deadline);
        let ssh = ssh2::Session::new().map_err(|error| unreachable(error.message().to_owned()))?;
        let mut line = Self { ssh, socket, watch, timeout: limits.timeout };
        line.shake_hands(label, keys)?;
        Ok(line)
    }

    fn shake_hands(&mut self, label: &Label, keys: &HostKeys) -> Result<(), Failure> {
        let known = keys.of(&label.1.address, label.1.port);
        // The watchdog is exact; this is for the day it cannot be started.
        let patience = self.timeout.saturating_add(Duration::from_secs(1)).as_millis();
        self.ssh.set_timeout(u32::try_from(patience).unwrap_or(u32::MAX));
        self.ssh.set_tcp_stream(Arc::clone(&self.socket));
        let done = self.ssh.method_pref(MethodType::HostKey, &known.preference()).and_then(|()| self.ssh.handshake());
        if let Err(error) = done {
            return Err(trouble::unreachable(label, self.why("SSH handshake", &error.message())));
        }
        let Some((blob, _)) = self.ssh.host_key() else {
            return Err(Failure::new(format!("{label} shows no host key")));
        };
        verdict(label, blob, known.check(blob))
    }

    /// What to say of an error while `doing`: the deadline or the interruption, if that is the true cause.
    pub(super) fn why(&self, doing: &str, error: &dyn fmt::Display) -> String {
        match self.watch.cut() {
            Some(Cut::Deadline) => format!("{doing}: {}", cut_short(Cut::Deadline, self.timeout)),
            Some(Cut::Abort) => cut_short(Cut::Abort, self.timeout),
            None => format!("{doing}: {error}"),
        }
    }
}

impl Drop for Line {
    /// libssh2 says goodbye to every channel and waits for the answer; without a socket it does not.
    fn drop(&mut self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}

/// A deadline or interruption in words.
pub(super) fn cut_short(cut: Cut, timeout: Duration) -> String {
    match cut {
        Cut::Deadline => format!("not done within {} s", timeout.as_secs_f64()),
        Cut::Abort => "interrupted".to_owned(),
    }
}

/// Resolves and connects; nothing can end either from outside.
fn dial(connection: &Connection, limits: &Limits, deadline: Instant) -> Result<TcpStream, String> {
    let (address, port) = (connection.address.clone(), connection.port);
    let dialled = apart(limits, deadline, move || connect(&address, port, deadline));
    dialled.map_err(|alone| match alone {
        Alone::Cut(cut) => cut_short(cut, limits.timeout),
        Alone::Failed(cause) => cause,
    })?
}

/// Why nothing came of [`apart`].
pub(super) enum Alone {
    /// The thread was left behind; what it comes to is dropped.
    Cut(Cut),
    /// There is no such thread, for this reason.
    Failed(String),
}

/// Does `work` in a thread of its own, which is left behind when time is up or the run interrupted.
pub(super) fn apart<T: Send + 'static>(
    limits: &Limits,
    deadline: Instant,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Alone> {
    let (send, receive) = mpsc::sync_channel(1);
    // Resolvers come with modules of the system that are not written for small stacks.
    let thread = std::thread::Builder::new().name("node-apart".to_owned()).stack_size(512 * 1024);
    let started = thread.spawn(move || drop(send.send(work())));
    started.map_err(|error| Alone::Failed(format!("no thread to connect with: {}", without_errno(&error))))?;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if limits.abort.is_fired() {
            return Err(Alone::Cut(Cut::Abort));
        }
        if left.is_zero() {
            return Err(Alone::Cut(Cut::Deadline));
        }
        match receive.recv_timeout(left.min(GLANCE)) {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Alone::Failed("the connecting thread ended early".to_owned()));
            }
        }
    }
}

fn connect(address: &str, port: u16, deadline: Instant) -> Result<TcpStream, String> {
    let addresses =
        lookup(address, port).map_err(|error| format!("`{address}` does not resolve: {}", without_errno(&error)))?;
    let mut last = format!("`{address}` has no address");
    for (at, target) in addresses.iter().enumerate() {
        // A dead address must leave time for the others.
        let share = u32::try_from(addresses.len() - at).unwrap_or(1);
        let left = deadline.saturating_duration_since(Instant::now()) / share;
        if left.is_zero() {
            break;
        }
        match TcpStream::connect_timeout(target, left) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = describe(target, &error, left),
        }
    }
    Err(last)
}

fn lookup(address: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    match address.parse::<IpAddr>() {
        Ok(ip) => Ok(vec![SocketAddr::new(ip, port)]),
        Err(_) => Ok((address, port).to_socket_addrs()?.collect()),
    }
}

fn describe(target: &SocketAddr, error: &io::Error, waited: Duration) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("{target}: connection refused: nothing listens there"),
        io::ErrorKind::TimedOut => format!("{target}: no answer within {:.1} s", waited.as_secs_f64()),
        _ => format!("{target}: {}", without_errno(error)),
    }
}

fn verdict(label: &Label, blob: &[u8], trust: Trust) -> Result<(), Failure> {
    let shown = format!("it shows {} {}", kind(blob), fingerprint(blob));
    let Connection { address, port, .. } = label.1;
    let failure = match trust {
        Trust::Trusted => return Ok(()),
        Trust::Unknown(_) if label.1.host_key_checking == HostKeyChecking::AcceptUnknown => return Ok(()),
        Trust::Unknown(others) => {
            let port = if *port == 22 { String::new() } else { format!("-p {port} ") };
            let mut failure = Failure::new(format!("the host key of {label} is not known")).cause(shown);
            if !others.is_empty() {
                failure = failure.cause(format!("known_hosts has only its keys of type {}", others.join(", ")));
            }
            failure.hint(format!(
                "run `ssh-keyscan {port}{address} >> ~/.ssh/known_hosts`, and compare the fingerprint with the \
                 one that the node itself shows: `ssh-keygen -lf /etc/ssh/ssh_host_{}_key.pub`",
                short(&kind(blob))
            ))
        }
        Trust::Changed { place: line, fingerprint } => {
            let name = if *port == 22 { address.clone() } else { place_of(address, *port) };
            Failure::new(format!("the host key of {label} has changed: this may be an attack"))
                .cause(shown)
                .cause(format!("{line} has {fingerprint}"))
                .hint(format!(
                    "log in only if you know why; if the node was installed anew, remove the old key with \
                     `ssh-keygen -R '{name}'`"
                ))
        }
        Trust::Revoked { place: line } => {
            Failure::new(format!("the host key of {label} is revoked")).cause(shown).cause(format!("{line} revokes it"))
        }
    };
    Err(failure)
}

/// The name of a host on another port in known_hosts.
fn place_of(address: &str, port: u16) -> String {
    format!("[{address}]:{port}")
}

/// `ed25519` of `ssh-ed25519`, as the files under /etc/ssh are named.
fn short(kind: &str) -> &str {
    match kind {
        "ssh-rsa" => "rsa",
        kind if kind.starts_with("ecdsa-") => "ecdsa",
        kind => kind.trim_start_matches("ssh-"),
    }
}
