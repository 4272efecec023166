//! Networks that this machine cannot reach: each is a network namespace that has only a loopback interface. Processes
//! inside can reach only one another. A `Door` forwards connections of a test: it listens on this machine's loopback,
//! and starts a program inside for each connection, with the connection as its input and output.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tempfile::TempDir;

use super::process::{Process, command, last_descendant, root_prefix, run};

/// A separate network. It is removed when this is dropped.
pub struct Network {
    process: Process,
    folder: TempDir,
}

/// A state of a TCP socket, with its number in /proc/net/tcp (include/net/tcp_states.h of Linux).
#[derive(Clone, Copy)]
pub enum SocketState {
    Established = 1,
    /// No response to the connection request yet.
    SynSent = 2,
}

/// Forwards connections into a network.
pub struct Door {
    port: u16,
    open: Arc<AtomicBool>,
    porter: Option<JoinHandle<()>>,
}

/// A program inside that has printed its first line.
pub struct Guest {
    child: Child,
    pub line: String,
}

impl Network {
    /// A network without any process, whose loopback interface is up.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command(Path::new("env"));
        command.args(root_prefix()).args(["unshare", "--net", "sh", "-c"]);
        command.arg("ip link set lo up && echo ready && exec sleep infinity");
        let process = Process::start(command, &folder.path().join("network.log"));
        let ready = process.wait_until(|| process.log().contains("ready"));
        ready.unwrap_or_else(|error| panic!("{}", error.into_text()));
        Self { process, folder }
    }

    /// The arguments to put before a command that runs inside, as root.
    pub fn prefix(&self) -> Vec<String> {
        let id = last_descendant(self.process.id()).to_string();
        let words = ["nsenter", "--target", &id, "--net", "--"];
        root_prefix().iter().chain(&words).map(|word| (*word).to_owned()).collect()
    }

    /// A command that runs inside and is killed when the test binary ends.
    pub fn command(&self, program: &Path) -> Command {
        let mut inside = command(Path::new("env"));
        inside.args(self.prefix()).arg(program);
        inside
    }

    /// Runs a shell script inside, as root.
    pub fn sh(&self, script: &str) -> String {
        run(self.command(Path::new("sh")).args(["-c", script]))
    }

    /// How many sockets inside are connected, or are being connected, to this port.
    pub fn connections(&self, port: u16, state: SocketState) -> usize {
        let remote = format!(":{port:04X} {:02X} ", state as u8);
        self.sh("cat /proc/net/tcp").lines().filter(|line| line.contains(&remote)).count()
    }

    /// Starts a Python program inside and waits for its first line.
    pub fn python(&self, program: &str) -> Guest {
        let mut child =
            self.command(Path::new("python3")).args(["-c", program]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Guest { child, line: line.trim_end().to_owned() }
    }

    /// Opens a port inside that accepts connections and never responds.
    pub fn silence(&self) -> Guest {
        self.python(
            "import socket, time; s = socket.create_server(('127.0.0.1', 0)); \
             print(s.getsockname()[1], flush=True); time.sleep(600)",
        )
    }

    /// Forwards connections to a port of 127.0.0.1 inside.
    pub fn door_to(&self, port: u16) -> Door {
        let pass = format!("exec 3<>/dev/tcp/127.0.0.1/{port} 4<&0; cat <&4 >&3 & cat <&3; kill $!");
        let words = self.prefix().into_iter().chain(["bash".to_owned(), "-c".to_owned(), pass]);
        Door::open(0, words.collect(), &self.folder.path().join("door.log"))
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

impl Door {
    /// Listens on a port of 127.0.0.1, 0 for any, and starts `words` for each connection; its errors go to `log`.
    pub fn open(port: u16, words: Vec<String>, log: &Path) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (open, log) = (Arc::new(AtomicBool::new(true)), log.to_owned());
        let is_open = Arc::clone(&open);
        let porter = std::thread::spawn(move || {
            let mut guests: Vec<Child> = Vec::new();
            while let Ok((stream, _)) = listener.accept() {
                if !is_open.load(Ordering::Acquire) {
                    break;
                }
                guests.push(usher(stream, &words, &log));
                guests.retain_mut(|guest| guest.try_wait().unwrap().is_none());
            }
            for mut guest in guests {
                let _ = guest.kill();
                let _ = guest.wait();
            }
        });
        Self { port, open, porter: Some(porter) }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops listening, and ends the programs that it started.
    pub fn close(&mut self) {
        self.open.store(false, Ordering::Release);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(porter) = self.porter.take() {
            porter.join().unwrap();
        }
    }
}

fn usher(stream: TcpStream, words: &[String], log: &Path) -> Child {
    let errors: File = OpenOptions::new().create(true).append(true).open(log).unwrap();
    let output = stream.try_clone().unwrap();
    Command::new(&words[0])
        .args(&words[1..])
        .stdin(OwnedFd::from(stream))
        .stdout(OwnedFd::from(output))
        .stderr(errors)
        .spawn()
        .unwrap()
}

impl Drop for Door {
    fn drop(&mut self) {
        self.close();
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
