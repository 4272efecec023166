//! A node: an SSH server in this process. It really runs the commands, with `/bin/sh -c` in a separate folder for each
//! node. There are no accounts, no sudo and no terminal.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::net::Shutdown;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{PrivateKey, PublicKey};
use russh::server::{self, Auth, ChannelOpenHandle, Config, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelMsg, ChannelReadHalf, MethodKind, MethodSet, Sig};
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;

/// How long a program may run after its connection has ended; the real sshd sets no limit.
const GRACE: Duration = Duration::from_secs(1);

/// The data type of standard error (RFC 4254, 5.2).
const STDERR: u32 = 1;

/// A running node; switched off when dropped.
pub struct Node {
    port: u16,
    host_key: String,
    shared: Arc<Shared>,
    /// A message closes the connections; dropping the sender switches the node off.
    power: Option<watch::Sender<()>>,
}

/// What all connections of a node share.
struct Shared {
    folder: PathBuf,
    user: String,
    password: String,
    authorized: Mutex<Vec<PublicKey>>,
    connections: AtomicUsize,
    failed_logins: AtomicUsize,
    commands: AtomicUsize,
    running: AtomicUsize,
}

impl Node {
    /// Starts a node whose only user logs in with `password`; `folder` is made if it is missing.
    pub fn start(runtime: &Handle, folder: &Path, user: &str, password: &str) -> Self {
        fs::create_dir_all(folder).unwrap();
        let (listener, port) = super::listen(runtime);
        let key = new_host_key();
        let host_key = key.public_key().to_openssh().unwrap();
        let shared = Arc::new(Shared {
            folder: folder.to_owned(),
            user: user.to_owned(),
            password: password.to_owned(),
            authorized: Mutex::default(),
            connections: AtomicUsize::new(0),
            failed_logins: AtomicUsize::new(0),
            commands: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
        });
        let (power, on) = watch::channel(());
        runtime.spawn(accept(listener, Arc::new(config(key)), Arc::clone(&shared), on));
        Self { port, host_key, shared, power: Some(power) }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where commands start, and their `HOME`.
    pub fn folder(&self) -> &Path {
        &self.shared.folder
    }

    /// The line for known_hosts, without a line end.
    pub fn host_key_line(&self) -> String {
        format!("[127.0.0.1]:{} {}", self.port, self.host_key)
    }

    /// Lets the user log in with a key, too: a line as in `id_ed25519.pub`.
    pub fn authorize(&self, public_key: &str) {
        self.shared.authorized.lock().unwrap().push(PublicKey::from_openssh(public_key).unwrap());
    }

    /// How many connections were opened so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many passwords were wrong so far.
    pub fn failed_logins(&self) -> usize {
        self.shared.failed_logins.load(Ordering::SeqCst)
    }

    /// How many commands were started so far.
    pub fn commands(&self) -> usize {
        self.shared.commands.load(Ordering::SeqCst)
    }

    /// How many commands run now.
    pub fn running(&self) -> usize {
        self.shared.running.load(Ordering::SeqCst)
    }

    /// Closes all connections without an SSH disconnect message, as a network failure does.
    pub fn cut_connections(&self) {
        if let Some(power) = &self.power {
            power.send_replace(());
        }
    }

    /// Switches the node off: its port refuses connections, and its commands are killed.
    pub fn stop(&mut self) {
        self.power = None;
        let patience = Instant::now() + 3 * GRACE;
        while self.running() > 0 && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
    }
}

fn new_host_key() -> PrivateKey {
    let mut seed = [0; 32];
    openssl::rand::rand_bytes(&mut seed).unwrap();
    PrivateKey::from(Ed25519Keypair::from_seed(&seed))
}

fn config(key: PrivateKey) -> Config {
    Config {
        keys: vec![key],
        methods: MethodSet::from(&[MethodKind::PublicKey, MethodKind::Password][..]),
        // The same limit as MaxAuthTries of sshd. No attacker can connect to this server, so there is no delay after a
        // failure.
        max_auth_attempts: 6,
        auth_rejection_time: Duration::ZERO,
        inactivity_timeout: None,
        ..Config::default()
    }
}

async fn accept(listener: TcpListener, config: Arc<Config>, shared: Arc<Shared>, mut on: watch::Receiver<()>) {
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                shared.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(connection(stream, Arc::clone(&config), Arc::clone(&shared), on.clone()));
            }
            message = on.changed() => if message.is_err() { return },
        }
    }
}

/// Serves one connection until either side ends it, or the node is cut off.
async fn connection(stream: TcpStream, config: Arc<Config>, shared: Arc<Shared>, mut on: watch::Receiver<()>) {
    on.mark_unchanged();
    let stream = stream.into_std().unwrap();
    stream.set_nodelay(true).unwrap();
    let socket = stream.try_clone().unwrap();
    let stream = TcpStream::from_std(stream).unwrap();
    let visitor = Visitor { shared, channels: HashMap::new(), present: watch::channel(()).0 };
    let serve = async {
        if let Ok(session) = server::run_stream(config, stream, visitor).await {
            let _ = session.await;
        }
    };
    tokio::pin!(serve);
    tokio::select! {
        () = &mut serve => {}
        _ = on.changed() => {
            let _ = socket.shutdown(Shutdown::Both);
            serve.await;
        }
    }
}

/// The handler of one connection.
struct Visitor {
    shared: Arc<Shared>,
    /// Open channels on which nothing runs yet.
    channels: HashMap<ChannelId, Channel<Msg>>,
    /// The receivers are notified when the connection ends.
    present: watch::Sender<()>,
}

impl Visitor {
    fn knows(&self, user: &str, key: &PublicKey) -> Auth {
        let authorized = self.shared.authorized.lock().unwrap();
        let known = user == self.shared.user && authorized.iter().any(|known| known.key_data() == key.key_data());
        if known { Auth::Accept } else { Auth::reject() }
    }
}

impl Handler for Visitor {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, russh::Error> {
        if user == self.shared.user && password == self.shared.password {
            return Ok(Auth::Accept);
        }
        self.shared.failed_logins.fetch_add(1, Ordering::SeqCst);
        Ok(Auth::reject())
    }

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, russh::Error> {
        Ok(self.knows(user, offer.public_key))
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        Ok(self.knows(user, key.public_key))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        self.channels.insert(channel.id(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(&mut self, id: ChannelId, command: &[u8], session: &mut Session) -> Result<(), russh::Error> {
        let Some(channel) = self.channels.remove(&id) else { return session.channel_failure(id) };
        let Ok(program) = Program::start(command, &self.shared) else { return session.channel_failure(id) };
        session.channel_success(id)?;
        tokio::spawn(attend(program, channel, session.handle(), self.present.subscribe()));
        Ok(())
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        session.channel_failure(id)
    }

    async fn subsystem_request(&mut self, id: ChannelId, _: &str, session: &mut Session) -> Result<(), russh::Error> {
        session.channel_failure(id)
    }

    async fn env_request(
        &mut self,
        id: ChannelId,
        _: &str,
        _: &str,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_failure(id)
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        _: &str,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: &[(russh::Pty, u32)],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_failure(id)
    }
}

/// A running command in a separate process group; killed when dropped.
struct Program {
    child: Child,
    /// The task that serves a pipe takes it out of this field.
    pipes: Option<(pipe::Sender, pipe::Receiver, pipe::Receiver)>,
    shared: Arc<Shared>,
}

impl Program {
    fn start(command: &[u8], shared: &Arc<Shared>) -> io::Result<Self> {
        let mut child = Command::new("/bin/sh")
            .arg("-c")
            .arg(OsStr::from_bytes(command))
            .current_dir(&shared.folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()))
            .env("HOME", &shared.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        shared.commands.fetch_add(1, Ordering::SeqCst);
        shared.running.fetch_add(1, Ordering::SeqCst);
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let mut program = Self { child, pipes: None, shared: Arc::clone(shared) };
        if let (Some(stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) {
            program.pipes = Some((
                pipe::Sender::from_owned_fd(stdin.into())?,
                pipe::Receiver::from_owned_fd(stdout.into())?,
                pipe::Receiver::from_owned_fd(stderr.into())?,
            ));
        }
        Ok(program)
    }

    async fn ended(&mut self) -> io::Result<ExitStatus> {
        // The signal handler is installed before the first check, so that the end of a program is never missed.
        let mut ends = signal(SignalKind::child())?;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ends.recv().await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let group = self.child.id().to_string();
            let _ = Command::new("/bin/sh").args(["-c", "kill -KILL \"-$0\"", &group]).status();
            let _ = self.child.wait();
        }
        self.shared.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Connects a program with its channel, until the program has ended and all its output is sent. If the client
/// disconnects before that, the pipes of the program are closed, as with sshd, and it has [`GRACE`] to end.
async fn attend(mut program: Program, channel: Channel<Msg>, handle: server::Handle, mut present: watch::Receiver<()>) {
    let Some((stdin, stdout, stderr)) = program.pipes.take() else { return };
    let id = channel.id();
    let (incoming, outgoing) = channel.split();
    let speak = async {
        // Reading both at the same time: a program that fills one pipe must not wait for the other.
        let _ = tokio::join!(outgoing.data(stdout), outgoing.extended_data(STDERR, stderr));
        program.ended().await
    };
    let left = async {
        let _ = present.changed().await;
        // Input that was sent before the disconnect still reaches the program, if the program reads it.
        tokio::time::sleep(GRACE).await;
    };
    let status = tokio::select! {
        status = speak => status.ok(),
        () = listen(incoming, stdin) => None,
        () = left => None,
    };
    match status {
        Some(status) => {
            let _ = outgoing.eof().await;
            report(id, status, &handle).await;
            let _ = outgoing.close().await;
        }
        None => drop(tokio::time::timeout(GRACE, program.ended()).await),
    }
}

/// Forwards the input of a channel. Returns when the channel is closed; the end of the input does not close the
/// channel.
async fn listen(incoming: ChannelReadHalf, stdin: pipe::Sender) {
    // russh stops serving the connection, including output, while a channel does not accept its input. A program that
    // reads only as fast as its output is accepted would then wait without end, so unread input is buffered.
    let (queue, queued) = mpsc::unbounded_channel();
    tokio::join!(receive(incoming, queue), feed(queued, stdin));
}

async fn receive(mut incoming: ChannelReadHalf, queue: UnboundedSender<Vec<u8>>) {
    let mut queue = Some(queue);
    while let Some(message) = incoming.wait().await {
        match (message, &queue) {
            // If the program has closed its input, the rest is discarded.
            (ChannelMsg::Data { data }, Some(open)) => drop(open.send(data.to_vec())),
            (ChannelMsg::Eof, _) => queue = None,
            (ChannelMsg::Close, _) => return,
            _ => {}
        }
    }
}

async fn feed(mut queued: UnboundedReceiver<Vec<u8>>, mut stdin: pipe::Sender) {
    while let Some(data) = queued.recv().await {
        if stdin.write_all(&data).await.is_err() {
            return;
        }
    }
}

/// Sends the exit status or signal of a program (RFC 4254, 6.10).
async fn report(id: ChannelId, status: ExitStatus, handle: &server::Handle) {
    let _ = match (status.code(), status.signal()) {
        (Some(code), _) => handle.exit_status_request(id, code.unsigned_abs()).await,
        (None, signal) => {
            let name = match signal {
                Some(1) => Sig::HUP,
                Some(2) => Sig::INT,
                Some(6) => Sig::ABRT,
                Some(9) => Sig::KILL,
                Some(11) => Sig::SEGV,
                Some(13) => Sig::PIPE,
                _ => Sig::TERM,
            };
            handle.exit_signal_request(id, name, false, String::new(), String::new()).await
        }
    };
}
