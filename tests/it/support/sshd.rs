//! Nodes: each is a real OpenSSH `sshd` that runs as root in separate mount and process namespaces. So every node has
//! its own /root, /var/lib/origin, accounts and sudo rules, and does not use those of the machine.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, OnceLock};

use tempfile::TempDir;

use super::network::Door;
use super::process::{
    NotReady, Process, as_root, command, last_descendant, on_free_port, program, root_prefix, run, shared_folder,
};

/// root; logs in with a key or the password.
pub const ROOT: &str = "root";
/// Has sudo for everything, without a password.
pub const SUDOER: &str = "oregano-test-sudoer";
/// Has sudo for everything, with the password.
pub const ASKED: &str = "oregano-test-asked";
/// Has sudo for everything, without a password but only on a terminal (RHEL 7's `requiretty`).
pub const REQUIRETTY: &str = "oregano-test-requiretty";
/// Has no sudo.
pub const PLAIN: &str = "oregano-test-plain";

/// The unusual properties of a node.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub shell: Shell,
    pub listen: Listen,
    /// The password of every account; random if it is not set.
    pub password: Option<String>,
    /// More lines for sshd_config, each with its line end. They come first, because sshd uses the first value of a keyword.
    pub config: &'static str,
    /// The arguments to put before its commands to run them in a separate network. The node is still reached on
    /// 127.0.0.1.
    pub network: Vec<String>,
}

/// The shell and tools that run the remote script.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shell {
    /// /bin/sh and the tools of the machine.
    #[default]
    System,
    /// busybox as /bin/sh, and only its applets (and sudo) on PATH.
    Busybox,
}

/// Where a node listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listen {
    /// On 127.0.0.1.
    #[default]
    Localhost,
    /// On all of 127.0.0.0/8: each address looks like a separate node, but all share their files.
    AllLoopback,
}

/// A running node.
pub struct Sshd {
    process: Process,
    /// The id of the first process of the namespaces, as seen from outside.
    init: Mutex<Option<u32>>,
    /// Forwards connections to a node in a separate network.
    door: Mutex<Option<Door>>,
    port: u16,
    host_key: String,
    password: String,
    /// Contains the files that the node was started with, and its log.
    _folder: TempDir,
}

impl Sshd {
    /// Starts an ordinary node.
    pub fn start() -> Self {
        Self::start_with(&Options::default())
    }

    /// Starts a node and waits until it listens.
    pub fn start_with(options: &Options) -> Self {
        on_free_port(|port| Self::try_start(options, port))
    }

    fn try_start(options: &Options, port: u16) -> Result<Self, NotReady> {
        let folder = tempfile::tempdir().unwrap();
        let node = folder.path().join("node");
        fs::create_dir(&node).unwrap();
        let password = options.password.clone().unwrap_or_else(random_password);
        let host_key = write_node(&node, options, port, &password);

        let apart = !options.network.is_empty();
        let mut command = command(Path::new("env"));
        command
            .args(if apart { options.network.clone() } else { root_prefix().iter().map(ToString::to_string).collect() })
            .args(["unshare", "--mount", "--propagation", "private", "--pid", "--fork"])
            .args(["--kill-child=KILL", "--mount-proc", "sh", "-c", include_str!("node.sh"), "node"])
            .arg(&node)
            .arg(if options.shell == Shell::Busybox { "busybox" } else { "system" })
            .arg(program("sshd"))
            .arg(if apart { "door" } else { "daemon" });
        let log = folder.path().join("log");
        let process = Process::start(command, &log);
        let listens = if apart { "ready".to_owned() } else { format!("Server listening on {} port", address(options)) };
        process.wait_until(|| process.log().contains(&listens))?;
        let init = last_descendant(process.id());
        let door = apart.then(|| {
            let id = init.to_string();
            let inside = ["nsenter", "--target", &id, "--mount", "--pid", "--net", "--"];
            let sshd = program("sshd").display().to_string();
            let serve = [&sshd, "-i", "-e", "-f", "/run/node/sshd_config"];
            let words = root_prefix().iter().chain(&inside).map(ToString::to_string);
            Door::open(port, words.chain(serve.map(ToString::to_string)).collect(), &log)
        });
        let (init, door) = (Mutex::new(Some(init)), Mutex::new(door));
        Ok(Self { process, init, door, port, host_key, password, _folder: folder })
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The password of every account.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The private key that every account of every node accepts.
    pub fn key_file(&self) -> PathBuf {
        client_key().to_owned()
    }

    /// The known_hosts line for this node when it is reached as `host`, without a line end.
    pub fn known_hosts_line(&self, host: &str) -> String {
        format!("[{host}]:{} {}", self.port, self.host_key)
    }

    /// Runs a POSIX shell script inside the node as root, independent of sshd.
    pub fn sh(&self, script: &str) -> Output {
        self.sh_with(script, &[], b"")
    }

    /// The content of a file of the node; links are followed. `None` if there is no file.
    pub fn read(&self, path: &str) -> Option<Vec<u8>> {
        let output = self.sh_with(r#"[ -e "$1" ] || exit 9; cat -- "$1""#, &[path], b"");
        match output.status.code() {
            Some(9) => None,
            _ => Some(succeeded(output)),
        }
    }

    /// Writes a file of the node with a mode such as 0o600; missing folders are created with 0700.
    pub fn write(&self, path: &str, content: &[u8], mode: u32) {
        let script = r#"umask 077; mkdir -p -- "$(dirname -- "$1")"; cat >"$1" && chmod "$2" "$1""#;
        succeeded(self.sh_with(script, &[path, &format!("{mode:o}")], content));
    }

    /// The permission bits of a file or folder; links are followed. `None` if it does not exist.
    pub fn mode(&self, path: &str) -> Option<u32> {
        Some(u32::from_str_radix(&self.stat("%a", path)?, 8).unwrap())
    }

    /// Owner and group of a file or folder by name, such as `root:root`.
    pub fn owner(&self, path: &str) -> Option<String> {
        self.stat("%U:%G", path)
    }

    /// Makes everything below a folder read-only, also for root.
    pub fn set_readonly(&self, folder: &str) {
        let script = r#"mkdir -p -- "$1" && mount --bind "$1" "$1" && mount -o remount,ro,bind "$1""#;
        succeeded(self.sh_with(script, &[folder], b""));
    }

    /// Makes the first use of a tool wait until [`Sshd::release`]. This works once for each tool of a node.
    pub fn hold(&self, tool: &str) {
        let script = r#"set -e
            tool=$(readlink -f "$(command -v "$1")")
            mkdir "/run/hold-$1"
            cd "/run/hold-$1"
            cp "$tool" "$1"
            cat >gate
            chmod 755 gate
            mount --bind gate "$tool""#;
        let gate = format!(
            "#!/bin/sh\nhere=/run/hold-{tool}\n\
             ! mkdir $here/used 2>/dev/null || while [ ! -e $here/go ]; do sleep 0.02; done\n\
             exec $here/{tool} \"$@\"\n"
        );
        succeeded(self.sh_with(script, &[tool], gate.as_bytes()));
    }

    /// Whether a tool that [`Sshd::hold`] makes wait was used.
    pub fn holds(&self, tool: &str) -> bool {
        self.sh(&format!("[ -e /run/hold-{tool}/used ]")).status.success()
    }

    /// Lets the waiting tool continue.
    pub fn release(&self, tool: &str) {
        succeeded(self.sh(&format!(": >/run/hold-{tool}/go")));
    }

    /// Closes every connection, as a network failure does; the commands that were started continue to run.
    pub fn kill_connections(&self) {
        // A connection may end by itself between the two commands.
        self.sh("for id in $(pgrep -x sshd); do [ $id = 1 ] || kill -s KILL $id; done");
    }

    /// Kills everything that runs on the node except the listening sshd, as a crash of the node does.
    pub fn kill_everything(&self) {
        self.sh("kill -s KILL -- -1");
    }

    /// The log of sshd.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// How many connections were opened so far.
    pub fn connections(&self) -> usize {
        self.log().lines().filter(|line| line.starts_with("Connection from ")).count()
    }

    /// How many commands were started so far.
    pub fn sessions(&self) -> usize {
        self.log().lines().filter(|line| line.starts_with("Starting session: ")).count()
    }

    /// Switches the node off; its port then refuses connections.
    pub fn stop(&self) {
        drop(self.door.lock().unwrap().take());
        if let Some(init) = self.init.lock().unwrap().take() {
            run(as_root("kill").args(["-s", "KILL", "--", &init.to_string()]));
        }
        self.process.stop();
    }

    fn stat(&self, format: &str, path: &str) -> Option<String> {
        let output = self.sh_with(r#"[ -e "$2" ] || exit 9; stat -L -c "$1" -- "$2""#, &[format, path], b"");
        match output.status.code() {
            Some(9) => None,
            _ => Some(String::from_utf8(succeeded(output)).unwrap().trim_end().to_owned()),
        }
    }

    fn sh_with(&self, script: &str, arguments: &[&str], input: &[u8]) -> Output {
        let init = self.init.lock().unwrap().expect("the node is switched off");
        let mut child = as_root("nsenter")
            .args(["--target", &init.to_string(), "--mount", "--pid", "--"])
            .args(["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"])
            .args(["/bin/sh", "-c", &format!("cd /\n{script}"), "sh"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The key that the tests log in with, created once for each build folder.
fn client_key() -> &'static Path {
    static KEY: OnceLock<PathBuf> = OnceLock::new();
    KEY.get_or_init(|| {
        let home = shared_folder().join("client-key");
        if !home.join("id").exists() {
            let new = tempfile::tempdir_in(shared_folder()).unwrap();
            generate_key(&new.path().join("id"));
            // Another test binary may have created the key first; then that one is used.
            let _ = fs::rename(new.path(), &home);
        }
        home.join("id")
    })
}

fn generate_key(file: &Path) {
    run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "oregano-test", "-f"]).arg(file));
}

/// Writes the files that node.sh reads; returns type and text of the host key.
fn write_node(node: &Path, options: &Options, port: u16, password: &str) -> String {
    let put = |name: &str, text: String| fs::write(node.join(name), text).unwrap();
    generate_key(&node.join("host_key"));
    fs::copy(client_key().with_extension("pub"), node.join("authorized_keys")).unwrap();

    let busybox = options.shell == Shell::Busybox;
    put(
        "sshd_config",
        format!(
            "{}Port {port}\nListenAddress {}\nHostKey /run/node/host_key\nAuthorizedKeysFile /run/node/authorized_keys\n\
             PidFile none\nUsePAM no\nStrictModes no\nUseDNS no\nPermitRootLogin yes\nPasswordAuthentication yes\n\
             KbdInteractiveAuthentication no\nMaxStartups 20000\nPerSourceMaxStartups none\nLogLevel VERBOSE\n{}",
            options.config,
            address(options),
            if busybox { "SetEnv PATH=/run/node/bin\n" } else { "" },
        ),
    );

    let hash = hash(password);
    let mut passwd = "root:x:0:0:root:/root:/bin/sh\n\
                      sshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n\
                      nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"
        .to_owned();
    let mut group = "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n".to_owned();
    let mut shadow = format!("root:{hash}:20000::::::\n");
    for (id, name) in (61001..).zip([SUDOER, ASKED, REQUIRETTY, PLAIN]) {
        passwd += &format!("{name}:x:{id}:{id}::/home/{name}:/bin/sh\n");
        group += &format!("{name}:x:{id}:\n");
        shadow += &format!("{name}:{hash}:20000::::::\n");
    }
    put("passwd", passwd);
    put("group", group);
    put("shadow", shadow);
    let path = if busybox { "/run/node/bin" } else { "/usr/sbin:/usr/bin:/sbin:/bin" };
    put(
        "sudoers",
        format!(
            "Defaults secure_path=\"{path}\"\nDefaults:{REQUIRETTY} requiretty\nroot ALL=(ALL) ALL\n\
             {SUDOER} ALL=(ALL) NOPASSWD: ALL\n{REQUIRETTY} ALL=(ALL) NOPASSWD: ALL\n{ASKED} ALL=(ALL) ALL\n"
        ),
    );

    let public = fs::read_to_string(node.join("host_key.pub")).unwrap();
    public.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

fn random_password() -> String {
    run(Command::new("openssl").args(["rand", "-hex", "12"])).trim_end().to_owned()
}

fn hash(password: &str) -> String {
    let mut child = Command::new("openssl")
        .args(["passwd", "-6", "-stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
    String::from_utf8(succeeded(child.wait_with_output().unwrap())).unwrap().trim_end().to_owned()
}

fn address(options: &Options) -> &'static str {
    match options.listen {
        Listen::Localhost => "127.0.0.1",
        // The port can be reached from the network. The key and the random password still prevent access.
        Listen::AllLoopback => "0.0.0.0",
    }
}

fn succeeded(output: Output) -> Vec<u8> {
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    output.stdout
}
