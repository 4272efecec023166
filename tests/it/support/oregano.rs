//! Runs the built binary as a user does, but isolated: its home, its temporary folder and its environment belong to the
//! test, so that no key, agent, kubeconfig or proxy of the machine is found.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::process::{eventually, kill, peak_memory};
use super::schema;

/// The maximum duration of a run in a test, on any machine.
const LIMIT: Duration = Duration::from_secs(60);

/// The maximum time in which a run must end after a signal, on a busy machine. In the tests that use it, the run waits
/// for something that would take longer to end by itself.
const AT_ONCE: Duration = Duration::from_secs(20);

/// A user with a separate home who runs oregano.
pub struct Oregano {
    folder: TempDir,
    environment: Vec<(OsString, OsString)>,
}

/// Whether a run writes its results and its messages to the same file.
#[derive(Clone, Copy)]
enum Streams {
    Apart,
    Together,
}

/// A run on a terminal that has ended.
pub struct Session {
    /// The exit status.
    pub status: Option<i32>,
    /// What the terminal showed.
    pub shown: String,
    /// The output of `stty -a` on the terminal afterwards.
    pub settings: String,
}

/// A run that may not have ended; it is killed when dropped.
pub struct Running {
    child: Child,
    /// Contains the files with both output streams.
    outputs: TempDir,
    command: String,
}

/// A run that has ended.
#[derive(Debug)]
pub struct Finished {
    /// The exit status; a run that a signal ended fails the test.
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Oregano {
    /// A user with an empty home.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "tmp"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder, environment: Vec::new() }
    }

    /// The user's home folder, where runs start too.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// The folder for temporary files, empty unless a run left something behind.
    pub fn temporary(&self) -> PathBuf {
        self.folder.path().join("tmp")
    }

    /// Sets a variable for all following runs.
    pub fn env(&mut self, name: &str, value: impl AsRef<OsStr>) -> &mut Self {
        self.environment.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Adds a line to the user's known_hosts.
    pub fn trust(&self, line: &str) {
        let file = self.home().join(".ssh/known_hosts");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let mut file = OpenOptions::new().create(true).append(true).open(file).unwrap();
        writeln!(file, "{line}").unwrap();
    }

    /// Writes a file below the user's home and returns its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let file = self.home().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, content).unwrap();
        file
    }

    /// Runs oregano until it ends.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Finished {
        self.start(arguments).wait()
    }

    /// Runs oregano with this text on its standard input.
    pub fn run_with_input<A: AsRef<OsStr>>(&self, arguments: &[A], input: &str) -> Finished {
        self.start_with_input(arguments, input).wait()
    }

    /// Starts oregano with this text on its standard input.
    pub fn start_with_input<A: AsRef<OsStr>>(&self, arguments: &[A], input: &str) -> Running {
        self.start_with(arguments, Some(input), Streams::Apart)
    }

    /// Runs oregano on a new terminal, types a line as soon as it prompts for one without echo, and returns what the
    /// terminal showed. The exit status must be 0.
    pub fn type_at_prompt(&self, arguments: &[&str], line: &str) -> String {
        let session = self.sit_at(arguments, "", &format!("{line}\n"));
        assert_eq!(session.status, Some(0), "{}", session.shown);
        session.shown
    }

    /// Runs oregano on a new terminal: types `open` immediately, and `hidden` as soon as the terminal has no echo.
    pub fn sit_at(&self, arguments: &[&str], open: &str, hidden: &str) -> Session {
        let outputs = tempfile::tempdir().unwrap();
        let [shown, terminal, after] = ["shown", "terminal", "after"].map(|name| outputs.path().join(name));
        let words: Vec<String> = arguments.iter().map(|word| format!("'{word}'")).collect();
        let (oregano, words) = (env!("CARGO_BIN_EXE_oregano"), words.join(" "));
        let (first, last) = (terminal.display(), after.display());
        let mut child = self
            .user(Command::new("timeout"))
            .args([&LIMIT.as_secs().to_string(), "script", "--quiet", "--return", "--flush", "--command"])
            .arg(format!("tty >'{first}'; '{oregano}' {words}; status=$?; stty -a >'{last}'; exit $status"))
            .arg(&shown)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let read = |file: &Path| String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).into_owned();
        let mut keyboard = child.stdin.take().unwrap();
        write!(keyboard, "{open}").unwrap();
        eventually("the terminal echoes nothing", || {
            let stty = Command::new("stty").args(["-a", "-F", read(&terminal).trim()]).output().unwrap();
            String::from_utf8_lossy(&stty.stdout).contains(" -echo ")
        });
        write!(keyboard, "{hidden}").unwrap();
        drop(keyboard);
        let status = child.wait().unwrap().code();
        Session { status, shown: read(&shown), settings: read(&after) }
    }

    /// A command that runs as this user, in the home folder.
    fn user(&self, mut command: Command) -> Command {
        command
            .current_dir(self.home())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home())
            .env("TMPDIR", self.temporary())
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A shell that runs a script as this user, in the home folder.
    pub fn shell(&self, script: &str) -> Command {
        let mut command = self.user(Command::new("bash"));
        command.args(["-c", script]);
        command
    }

    /// Starts oregano; the test can act while it runs.
    pub fn start<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Running {
        self.start_with(arguments, None, Streams::Apart)
    }

    /// Starts oregano with both output streams in `stdout`, in the order in which a terminal shows them.
    pub fn start_on_one_stream<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Running {
        self.start_with(arguments, None, Streams::Together)
    }

    fn start_with<A: AsRef<OsStr>>(&self, arguments: &[A], input: Option<&str>, streams: Streams) -> Running {
        let outputs = tempfile::tempdir().unwrap();
        let output = |name: &str| File::create(outputs.path().join(name)).unwrap();
        let (stdout, apart) = (output("stdout"), output("stderr"));
        let stderr = match streams {
            Streams::Apart => apart,
            // Both streams share one position in the file, so neither overwrites the other.
            Streams::Together => stdout.try_clone().unwrap(),
        };
        let mut command = self.user(Command::new(env!("CARGO_BIN_EXE_oregano")));
        command
            .args(arguments)
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0);
        let mut child = command.spawn().unwrap();
        if let Some(input) = input {
            // This fails if the program ends before it has read everything; it is then judged by its exit status.
            let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        }
        let words: Vec<_> = arguments.iter().map(|word| word.as_ref().to_string_lossy()).collect();
        Running { child, outputs, command: words.join(" ") }
    }
}

impl Default for Oregano {
    fn default() -> Self {
        Self::new()
    }
}

impl Running {
    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, and returns the peak of its resident memory in MiB.
    pub fn peak_memory(&mut self) -> f64 {
        peak_memory(&mut self.child)
    }

    /// Sends a signal, such as `INT`.
    pub fn signal(&self, name: &str) {
        assert!(kill(name, &self.id().to_string()).success(), "`oregano {}` has ended already", self.command);
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal. The run must then end with 130, whatever it waits for.
    #[track_caller]
    pub fn end_at_once(self, signal: &str) -> Finished {
        let start = Instant::now();
        self.signal(signal);
        let run = self.wait().expect(130);
        assert!(start.elapsed() < AT_ONCE, "it took {:?}", start.elapsed());
        run
    }

    /// The standard output so far.
    pub fn stdout(&self) -> String {
        self.output("stdout")
    }

    /// The standard error so far.
    pub fn stderr(&self) -> String {
        self.output("stderr")
    }

    /// Waits until the run ends.
    pub fn wait(mut self) -> Finished {
        let start = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if start.elapsed() > LIMIT => self.fail(&format!("runs for more than {LIMIT:?}")),
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        let status = ExitStatus::code(&status).unwrap_or_else(|| self.fail(&format!("ended with {status}")));
        let finished = Finished { status, stdout: self.stdout(), stderr: self.stderr() };
        schema::check(&finished.stdout);
        finished
    }

    fn fail(&self, what: &str) -> ! {
        panic!("`oregano {}` {what}\nstdout:\n{}\nstderr:\n{}", self.command, self.stdout(), self.stderr())
    }

    fn output(&self, name: &str) -> String {
        let bytes = fs::read(Path::new(self.outputs.path()).join(name)).unwrap();
        String::from_utf8(bytes).expect("oregano writes UTF-8")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            kill("KILL", &format!("-{}", self.id()));
            self.child.wait().unwrap();
        }
    }
}

impl Finished {
    /// Fails the test, with the output, unless the exit status is this one.
    #[track_caller]
    pub fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, status, "\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// The lines of `--output json`, each of which must be JSON.
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("not JSON ({error}): {line}"));
        self.stdout.lines().map(parse).collect()
    }
}
