//! Runs the programs that an inventory or a kubeconfig names, with limits on their time and output, and stops them at
//! the end of this process. It does not decide what is run, and prints nothing.

use std::io::{self, IsTerminal as _, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use crate::failure::{shorten, single_line};
use crate::secret::{PASSWORD_VARIABLE, Redactor};

/// The maximum size of standard error that is kept, in bytes: its end, which usually contains the reason for a failure.
const MAX_ERROR_OUTPUT: usize = 64 << 10;

/// The maximum number of lines of standard error that a message shows.
const SHOWN_LINES: usize = 3;

/// How long the standard error of a program that has ended is read. A program that it started, such as an agent or a
/// browser, may keep it open.
const REST_OF_ERROR_OUTPUT: Duration = Duration::from_millis(200);

/// The running programs; `None` after [`stop`], when no program may start.
static RUNNING: Mutex<Option<Vec<Started>>> = Mutex::new(Some(Vec::new()));

/// What a program reads as its standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    /// This text. The program has its own process group, so it cannot read from the terminal.
    Text(&'a str),
    /// The standard input of this process, because the program may prompt. It stays in the process group of this
    /// process: the system stops other groups that read from the terminal. If standard error is a terminal, the program
    /// writes its prompts there.
    Terminal,
}

/// How much a program may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long it may run; `None` for a program that waits for a person.
    pub time: Option<Duration>,
    /// The maximum size of its standard output, in bytes.
    pub output: u64,
}

/// A program that was started and has not been waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Started {
    id: i32,
    group: Group,
}

/// Which process group a program belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    /// Its own, which its children belong to, too.
    Own,
    /// That of this process.
    Ours,
}

/// Stops all running programs, and prevents new ones from starting. Called before this process ends.
pub fn stop() {
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).take();
    running.into_iter().flatten().for_each(Started::kill);
}

/// The output of a program, and how it ended.
pub struct Output {
    /// Exit status or signal.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// The end of standard error; empty if the program wrote to the terminal.
    stderr: Vec<u8>,
}

impl Output {
    /// The last lines of standard error, redacted, without control characters, joined to one short line. `None` if the
    /// program wrote nothing.
    pub fn last_lines(&self, redactor: &Redactor) -> Option<String> {
        last_lines(&self.stderr, redactor)
    }
}

/// Why a program gave no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessError {
    /// It cannot be started, for this reason.
    NotStarted(io::ErrorKind, String),
    /// It did not end within this time, and was killed.
    Timeout(Duration),
    /// It printed more than this number of bytes, and was killed.
    TooMuch(u64),
    /// This process is about to end.
    Stopped,
    /// Its end cannot be observed, for this reason.
    Lost(String),
}

/// A verb phrase without its subject, such as "cannot be run: …".
impl std::fmt::Display for ProcessError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotStarted(_, reason) => write!(f, "cannot be run: {reason}"),
            Self::Timeout(limit) if limit.subsec_nanos() == 0 => write!(f, "did not end within {} s", limit.as_secs()),
            Self::Timeout(limit) => write!(f, "did not end within {limit:?}"),
            Self::TooMuch(limit) if *limit < 1 << 20 => write!(f, "prints more than {} kB", limit >> 10),
            Self::TooMuch(limit) => write!(f, "prints more than {} MB", limit >> 20),
            Self::Stopped => f.write_str("was interrupted"),
            Self::Lost(reason) => write!(f, "cannot be waited for: {reason}"),
        }
    }
}

/// Runs a program and waits until it ends. At a limit it is killed together with its children.
///
/// # Errors
/// [`ProcessError`]
pub fn run(program: Command, input: Input<'_>, limits: Limits) -> Result<Output, ProcessError> {
    start(program, input)?.finish(limits)
}

/// Starts a program. [`Running::finish`] waits for it.
///
/// # Errors
/// If the program cannot be started.
pub fn start(mut program: Command, input: Input<'_>) -> Result<Running, ProcessError> {
    // The lock is held until the new program is in the list. Otherwise `stop` could run between the start and the
    // registration, and would not kill the program.
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(all) = running.as_mut() else { return Err(ProcessError::Stopped) };
    // No program that an inventory or a kubeconfig names may see the password of `oregano login`.
    program.env_remove(PASSWORD_VARIABLE).stdout(Stdio::piped());
    let group = match input {
        Input::Text(_) => {
            // With its own process group, the program can be killed together with its children. Ctrl-C in the terminal
            // does not reach this group, so `stop` must kill it.
            program.stdin(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
            Group::Own
        }
        Input::Terminal => {
            // If standard error is a pipe, the program must not keep it open after the end of this process.
            let prompts = if io::stderr().is_terminal() { Stdio::inherit() } else { Stdio::piped() };
            program.stdin(Stdio::inherit()).stderr(prompts);
            Group::Ours
        }
    };
    let mut child = program.spawn().map_err(|error| ProcessError::NotStarted(error.kind(), error.to_string()))?;
    let id = i32::try_from(child.id()).map_err(|error| ProcessError::Lost(error.to_string()))?;
    let started = Started { id, group };
    all.push(started);
    drop(running);
    if let Input::Text(text) = input {
        write_input(child.stdin.take(), text.to_owned());
    }
    Ok(Running { child, started })
}

/// A program that has been started.
pub struct Running {
    child: Child,
    started: Started,
}

/// Kills a program when it is dropped, unless the program has ended before.
pub struct KillOnDrop(Started);

impl Running {
    /// A guard for a caller that may stop waiting while another thread is in [`Running::finish`].
    #[must_use]
    pub fn kill_on_drop(&self) -> KillOnDrop {
        KillOnDrop(self.started)
    }

    /// Waits until the program ends. At a limit it is killed together with its children.
    ///
    /// # Errors
    /// [`ProcessError`]
    pub fn finish(self, limits: Limits) -> Result<Output, ProcessError> {
        let Self { mut child, started } = self;
        let deadline = limits.time.and_then(|time| Instant::now().checked_add(time));
        let ((stdout, first), (stderr, second)) = (
            collect(child.stdout.take(), Keep::Start(limits.output)),
            collect(child.stderr.take(), Keep::End(MAX_ERROR_OUTPUT)),
        );
        // Waiting for the pipe needs no polling, and nearly all programs end as soon as their output is closed.
        let closed = await_pipe(&first, deadline);
        let too_much = stdout.length() > limits.output;
        let finished = closed.filter(|()| !too_much).and_then(|()| await_end(started, deadline));
        if finished.is_none() {
            started.kill();
        }
        // The child has not been reaped, so its process ID cannot belong to another program yet.
        let known = started.forget();
        let status = child.wait().map_err(|error| ProcessError::Lost(error.to_string()))?;
        match (known, finished, limits.time) {
            (Known::Stopped, ..) => Err(ProcessError::Stopped),
            _ if too_much => Err(ProcessError::TooMuch(limits.output)),
            (_, None, Some(time)) => Err(ProcessError::Timeout(time)),
            _ => {
                // What has arrived until then is enough.
                let _ = await_pipe(&second, Some(Instant::now() + REST_OF_ERROR_OUTPUT));
                Ok(Output { status, stdout: stdout.take(), stderr: stderr.take() })
            }
        }
    }
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        // A program that has ended is not in the list, and its process ID may belong to another one.
        if running.as_ref().is_some_and(|all| all.contains(&self.0)) {
            self.0.kill();
        }
    }
}

/// Whether the list of running programs is still kept.
#[derive(PartialEq, Eq)]
enum Known {
    Yes,
    Stopped,
}

impl Started {
    /// Removes the program from the list.
    fn forget(self) -> Known {
        match RUNNING.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(all) => {
                all.retain(|other| *other != self);
                Known::Yes
            }
            None => Known::Stopped,
        }
    }

    /// Kills the program and its children.
    fn kill(self) {
        // Each of them may have ended already, which is not an error.
        match self.group {
            Group::Own => drop(killpg(Pid::from_raw(self.id), Signal::SIGKILL)),
            // The children are in the group of this process, so they are found as its descendants.
            Group::Ours => kill_family(self.id),
        }
    }
}

/// Kills a process and its descendants. The process is stopped first, so that it starts no further ones.
fn kill_family(id: i32) {
    let _ = kill(Pid::from_raw(id), Signal::SIGSTOP);
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    for thread in threads {
        let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        children.split_whitespace().filter_map(|child| child.parse().ok()).for_each(kill_family);
    }
    let _ = kill(Pid::from_raw(id), Signal::SIGKILL);
}

/// Writes the input of a program in a separate thread, because the program may never read it. The thread ends with the
/// program.
fn write_input(stdin: Option<ChildStdin>, input: String) {
    let Some(mut stdin) = stdin else { return };
    // Without input, `stdin` is dropped here. This closes the pipe, so that a program that reads its input does not
    // wait.
    if !input.is_empty() {
        // A program that closes its input early may still succeed; the exit status shows that.
        std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    }
}

/// Which part of an output is kept.
#[derive(Clone, Copy)]
enum Keep {
    /// The first bytes, and one more, which shows that there are too many. Then the pipe is closed.
    Start(u64),
    /// The last bytes.
    End(usize),
}

/// The bytes that a pipe has provided so far.
#[derive(Clone, Default)]
struct Collected(Arc<Mutex<Vec<u8>>>);

impl Collected {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn length(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    /// Adds bytes. Returns whether more are needed.
    fn add(&self, bytes: &[u8], keep: Keep) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(bytes);
        match keep {
            Keep::Start(most) => all.len() as u64 <= most,
            Keep::End(most) => {
                let surplus = all.len().saturating_sub(most);
                all.drain(..surplus);
                true
            }
        }
    }
}

/// Reads a pipe in a thread. The receiver gets a message at its end.
fn collect<R: Read + Send + 'static>(pipe: Option<R>, keep: Keep) -> (Collected, Receiver<()>) {
    let (collected, (done, ended)) = (Collected::default(), channel());
    if let Some(pipe) = pipe {
        let collected = collected.clone();
        std::thread::spawn(move || read(pipe, &collected, keep, &done));
    }
    (collected, ended)
}

fn read(mut pipe: impl Read, collected: &Collected, keep: Keep, done: &Sender<()>) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match pipe.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(length) if length > 0 && collected.add(&buffer[..length], keep) => {}
            // Output before a read error is kept; the exit status shows whether the program failed.
            Ok(_) | Err(_) => break,
        }
    }
    let _ = done.send(());
}

/// Waits for the end of a pipe; `None` at the deadline.
fn await_pipe(ended: &Receiver<()>, deadline: Option<Instant>) -> Option<()> {
    match deadline {
        Some(deadline) => match ended.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Err(RecvTimeoutError::Timeout) => None,
            // Without a sender there is no pipe.
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Some(()),
        },
        None => {
            // Without a sender there is no pipe.
            let _ = ended.recv();
            Some(())
        }
    }
}

/// Waits until the child has ended, and leaves it to be reaped later; `None` at the deadline. Its output has been closed,
/// so nearly all programs end immediately.
fn await_end(child: Started, deadline: Option<Instant>) -> Option<()> {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    let mut pause = Duration::from_micros(200);
    while matches!(waitid(Id::Pid(Pid::from_raw(child.id)), flags), Ok(WaitStatus::StillAlive)) {
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
    Some(())
}

/// See [`Output::last_lines`].
fn last_lines(stderr: &[u8], redactor: &Redactor) -> Option<String> {
    // The text is redacted before it is cut, because a part of a secret would not be found. Joining the words of a line
    // can put together a secret that was split by a control character.
    let text = redactor.scrub(&String::from_utf8_lossy(stderr));
    let mut lines: Vec<String> = text
        .lines()
        .rev()
        .map(|line| redactor.scrub(&single_line(line)))
        .filter(|line| !line.is_empty())
        .take(SHOWN_LINES)
        .collect();
    lines.reverse();
    (!lines.is_empty()).then(|| shorten(&lines.join(" | ")))
}

#[cfg(test)]
mod tests;
