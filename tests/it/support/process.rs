//! Finds programs, starts processes with a log file, waits for them, and kills them by id when their handle is dropped.
//! It does not depend on particular servers.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{LazyLock, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use tokio::net::TcpSocket;

/// The maximum time until a server is ready, on a machine that is busy with other builds.
pub const READY: Duration = Duration::from_secs(60);

/// A server process and its log.
pub struct Process {
    child: Mutex<Child>,
    log: PathBuf,
}

/// Why a server did not become ready.
pub struct NotReady(String);

impl Process {
    /// Starts what [`command`] returned; both output streams go to the file `log`.
    pub fn start(mut command: Command, log: &Path) -> Self {
        let file = File::create(log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file).process_group(0);
        let name = format!("{command:?}");
        let child = spawn(command).unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self { child: Mutex::new(child), log: log.to_owned() }
    }

    /// The process id, which is also the id of its process group.
    pub fn id(&self) -> u32 {
        self.child.lock().unwrap().id()
    }

    /// The output of the server so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    /// Waits until `ready` returns true; fails when the process ends or [`READY`] has passed.
    pub fn wait_until(&self, ready: impl Fn() -> bool) -> Result<(), NotReady> {
        let start = Instant::now();
        loop {
            let ended = self.child.lock().unwrap().try_wait().unwrap();
            if let Some(status) = ended {
                return Err(NotReady(format!("the server ended with {status}; its log:\n{}", self.log())));
            }
            if ready() {
                return Ok(());
            }
            if start.elapsed() > READY {
                return Err(NotReady(format!("the server is not ready after {READY:?}; its log:\n{}", self.log())));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether this process listens on a loopback port, and not another one that opened the port first.
    pub fn listens_on(&self, port: u16) -> bool {
        let sockets = listening_sockets(port);
        let Ok(files) = fs::read_dir(format!("/proc/{}/fd", self.id())) else { return false };
        files.filter_map(|file| fs::read_link(file.ok()?.path()).ok()).any(|link| sockets.contains(&link))
    }

    /// Kills the process and its group, and waits for its end.
    pub fn stop(&self) {
        let mut child = self.child.lock().unwrap();
        if child.try_wait().unwrap().is_none() {
            kill("KILL", &format!("-{}", child.id()));
            child.wait().unwrap();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

impl NotReady {
    /// The reason, followed by the server's log.
    pub fn into_text(self) -> String {
        self.0
    }

    fn port_was_taken(&self) -> bool {
        self.0.to_lowercase().contains("address already in use")
    }
}

/// A command that is killed when the test binary ends, even if the binary itself is killed.
pub fn command(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// A command that runs as root, with sudo if the tests are not root themselves.
pub fn as_root(program: &str) -> Command {
    let mut words = root_prefix().iter().copied().chain([program]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    command
}

/// The arguments to put before a command that must run as root.
pub fn root_prefix() -> &'static [&'static str] {
    static PREFIX: LazyLock<Option<&[&str]>> = LazyLock::new(|| {
        if fs::metadata("/proc/self").unwrap().uid() == 0 {
            return Some(&[]);
        }
        let allowed = Command::new("sudo").args(["-n", "true"]).output().is_ok_and(|output| output.status.success());
        allowed.then_some(&["sudo", "-n"])
    });
    PREFIX.expect("the nodes of the tests are mount namespaces: run the tests as root, or let `sudo -n` work")
}

/// Follows the children of unshare (and sudo) to the first process of the new namespaces.
pub fn last_descendant(id: u32) -> u32 {
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    children.split_whitespace().next().map_or(id, |child| last_descendant(child.parse().unwrap()))
}

/// Runs a command, which must succeed, and returns its standard output.
pub fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } =
        command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    assert!(status.success(), "{command:?} ended with {status}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// Sends a signal (its name without `SIG`) to a process, or to a group (`-ID`).
pub fn kill(signal: &str, target: &str) -> ExitStatus {
    Command::new("kill").args(["-s", signal, "--", target]).stderr(Stdio::null()).status().unwrap()
}

/// Finds a server in the folder of tests/servers/install, or else on PATH or in the folders of the system.
pub fn program(name: &str) -> PathBuf {
    let mut folders = Vec::new();
    if ["etcd", "kube-apiserver", "kubectl"].contains(&name)
        && let Some(assets) = std::env::var_os("KUBEBUILDER_ASSETS")
    {
        folders.push(PathBuf::from(assets));
    }
    let cache = std::env::var_os("OREGANO_TEST_SERVERS").map(PathBuf::from).or_else(|| {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(std::env::home_dir()?.join(".cache")));
        Some(cache?.join("oregano/test-servers"))
    });
    folders.extend(cache.map(|cache| cache.join("bin")));
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    folders.extend(["/usr/sbin".into(), "/sbin".into()]);
    folders
        .iter()
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("no `{name}` on this machine: tests/servers/install brings it, tests/run calls that"))
}

/// Starts a server that does not accept port 0 on a free port; tries again if another process took that port first.
pub fn on_free_port<T>(start: impl Fn(u16) -> Result<T, NotReady>) -> T {
    for _ in 0..10 {
        match start(free_port()) {
            Ok(server) => return server,
            Err(error) if error.port_was_taken() => {}
            Err(NotReady(error)) => panic!("{error}"),
        }
    }
    panic!("ten ports in a row were taken by others");
}

/// A port that is free on every address. This test binary gets each port only once.
pub fn free_port() -> u16 {
    static GIVEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);
    loop {
        let port = TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
        if GIVEN.lock().unwrap().insert(port) {
            return port;
        }
    }
}

/// A port of 127.0.0.1 where connections are refused until this value is dropped. A port that is merely free can be taken
/// by another program, and Linux can connect a client to itself there.
pub struct ClosedPort(TcpSocket);

impl ClosedPort {
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        // Without `listen`, the kernel refuses connections to a bound port.
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        Self(socket)
    }

    pub fn number(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }
}

/// The peak of the resident memory of a process until it ends, in MiB, as the kernel counts it (`VmHWM`).
pub fn peak_memory(child: &mut Child) -> f64 {
    let file = format!("/proc/{}/status", child.id());
    let mut peak = 0.0;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(&file).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        peak = kib.map_or(peak, |kib| kib / 1024.0);
        thread::sleep(Duration::from_millis(2));
    }
    peak
}

/// Waits until `condition` is true, such as for a line in a log. The time limit is the one for servers.
pub fn eventually(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < READY, "still not so after {READY:?}: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a process has ended. It remains as a zombie until its parent has read its exit status.
pub fn is_gone(id: u32) -> bool {
    fs::read_to_string(format!("/proc/{id}/stat")).map_or(true, |state| state.contains(") Z "))
}

/// The user and system CPU time of all children that have ended, in milliseconds.
pub fn cpu_of_children() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    (usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1000.0
}

/// A folder for files that one run of the test binary shares and cannot remove when it ends.
pub fn shared_folder() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// Starts children from one thread that lives as long as the tests. The kernel sends the parent-death signal when the
/// thread that started a child ends, and the thread of a test ends before a shared server may end.
fn spawn(command: Command) -> io::Result<Child> {
    type Job = (Command, Sender<io::Result<Child>>);
    static STARTER: LazyLock<Mutex<Sender<Job>>> = LazyLock::new(|| {
        let (sender, receiver) = channel::<Job>();
        thread::spawn(move || {
            for (mut command, reply) in receiver {
                let _ = reply.send(command.spawn());
            }
        });
        Mutex::new(sender)
    });
    let (reply, child) = channel();
    STARTER.lock().unwrap().send((command, reply)).unwrap();
    child.recv().unwrap()
}

/// The link targets in /proc/PID/fd of all sockets that listen on the port.
fn listening_sockets(port: u16) -> HashSet<PathBuf> {
    let local_port = format!(":{port:04X}");
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let lines = tables.iter().flat_map(|table| table.lines().skip(1));
    lines
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let listening = columns.get(1)?.ends_with(&local_port) && columns.get(3) == Some(&"0A");
            listening.then(|| PathBuf::from(format!("socket:[{}]", columns[9])))
        })
        .collect()
}
