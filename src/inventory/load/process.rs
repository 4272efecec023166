//! Runs a program until it ends, with limits on its time and output. Its child processes are stopped with it, and it
//! has no terminal for prompts.

use std::io::{Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::super::outside::{OutsideError, OutsideErrorKind};
use crate::secret::PASSWORD_VARIABLE;

/// The maximum size of the output, in bytes. Inventories and values are much smaller.
const MAX_OUTPUT: u64 = 512 << 20;

/// The interval at which a waiting thread checks whether this process is about to end.
const STOP_CHECK: Duration = Duration::from_millis(100);

/// The process groups of the running programs; `None` after [`stop`], when no program may start.
static RUNNING: Mutex<Option<Vec<i32>>> = Mutex::new(Some(Vec::new()));

/// Stops all running programs, and prevents new ones from starting. Called before a signal ends this process.
pub(super) fn stop() {
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).take();
    running.into_iter().flatten().for_each(kill);
}

/// Runs `work`, which may wait for another program without a time limit. Returns `None` after [`stop`]; the work then
/// ends together with this process.
pub(super) fn unless_stopped<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, ended) = channel();
    std::thread::spawn(move || done.send(work()));
    loop {
        match ended.recv_timeout(STOP_CHECK) {
            Ok(value) => return Some(value),
            Err(RecvTimeoutError::Timeout) if RUNNING.lock().unwrap_or_else(PoisonError::into_inner).is_some() => {}
            Err(_) => return None,
        }
    }
}

/// The output of a program, and how it ended.
pub(super) struct Output {
    /// Exit status or signal.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

/// Why a program gave no result. The reason is a verb phrase without its subject, such as "cannot be run: …".
#[derive(Debug, PartialEq)]
pub(super) struct ProcessError {
    kind: OutsideErrorKind,
    reason: String,
}

impl ProcessError {
    /// Converts the error to the error of a lookup about `subject`.
    pub fn with_subject(self, subject: &str) -> OutsideError {
        OutsideError::new(self.kind, format!("{subject} {}", self.reason))
    }
}

impl std::fmt::Display for ProcessError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.reason)
    }
}

fn other(reason: impl Into<String>) -> ProcessError {
    ProcessError { kind: OutsideErrorKind::Other, reason: reason.into() }
}

/// Runs a program with `input` as its standard input, and waits until it ends. After `limit` it is killed together with
/// its children.
///
/// # Errors
/// The program cannot be started, does not end in time, or prints too much.
pub(super) fn run(mut program: Command, input: &str, limit: Duration) -> Result<Output, ProcessError> {
    let deadline = Instant::now() + limit;
    // The lock is held until the new program is in the list. Otherwise `stop` could run between the start and the
    // registration, and would not kill the program.
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(groups) = running.as_mut() else { return Err(other("was interrupted")) };
    let mut child = program
        // No program that an inventory names may see the password of `oregano login`.
        .env_remove(PASSWORD_VARIABLE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // With its own process group, the program can be killed together with its children. Ctrl-C in the terminal does
        // not reach this group, so `stop` must kill it.
        .process_group(0)
        .spawn()
        .map_err(|error| ProcessError {
            kind: OutsideErrorKind::NotStarted,
            reason: format!("cannot be run: {error}"),
        })?;
    let group = i32::try_from(child.id()).map_err(|error| other(format!("has no process id: {error}")))?;
    groups.push(group);
    drop(running);
    write_input(child.stdin.take(), input.to_owned());
    let (done, ended) = channel();
    let stdout = collect(child.stdout.take(), done.clone());
    let stderr = collect(child.stderr.take(), done);
    // Waiting for the pipes needs no polling, and nearly all programs end as soon as their pipes are closed.
    let finished = await_both(&ended, deadline).and_then(|()| await_end(&mut child, deadline));
    // Killing the group also ends the children of the program, which would otherwise continue to run.
    if finished.is_none() {
        kill(group);
    }
    // The child has not been reaped, so its process ID cannot belong to another program yet.
    if let Some(groups) = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        groups.retain(|other| *other != group);
    }
    let status = child.wait().map_err(|error| other(format!("cannot be waited for: {error}")))?;
    if finished.is_none() {
        return Err(other(format!("did not end within {} s", limit.as_secs())));
    }
    // `join` does not block, because both threads have reported the end of their pipe.
    let (stdout, stderr) = (stdout.join().unwrap_or_default(), stderr.join().unwrap_or_default());
    if stdout.len().max(stderr.len()) as u64 > MAX_OUTPUT {
        return Err(other(format!("prints more than {} MB", MAX_OUTPUT >> 20)));
    }
    Ok(Output { status, stdout, stderr })
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

/// Reads a pipe to its end in a thread. The thread sends a message to `done` at the end.
fn collect<R: Read + Send + 'static>(pipe: Option<R>, done: std::sync::mpsc::Sender<()>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // Output before a read error is kept; the exit status shows whether the program failed.
            // One byte more than the limit shows that the program prints too much.
            let _ = pipe.take(MAX_OUTPUT + 1).read_to_end(&mut bytes);
        }
        let _ = done.send(());
        bytes
    })
}

/// Waits for the end of both pipes; `None` at the deadline.
fn await_both(ended: &Receiver<()>, deadline: Instant) -> Option<()> {
    for _ in 0..2 {
        // Both threads use the same channel, so the order in which the pipes end does not matter.
        ended.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()?;
    }
    Some(())
}

/// Waits for the end of the child; `None` at the deadline. Its output has been closed, so nearly all programs end
/// immediately.
fn await_end(child: &mut Child, deadline: Instant) -> Option<()> {
    let mut pause = Duration::from_micros(200);
    while matches!(child.try_wait(), Ok(None)) {
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
    Some(())
}

fn kill(group: i32) {
    // The group may have ended already, which is not an error.
    let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Result<Output, ProcessError> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", script]);
        run(shell, "", limit)
    }

    #[test]
    fn output_and_status_are_returned() {
        let output = shell("echo out; echo err >&2; exit 3", Duration::from_secs(20)).unwrap();
        assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
        assert_eq!(output.status.code(), Some(3));
    }

    #[test]
    fn no_program_sees_the_password_of_a_login() {
        // All tests share the environment of this process, so the variables are set for the child only.
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "echo $OREGANO_PASSWORD $OTHER"]).env(PASSWORD_VARIABLE, "hunter2").env("OTHER", "seen");
        assert_eq!(run(shell, "", Duration::from_secs(20)).unwrap().stdout, b"seen\n");
    }

    #[test]
    fn a_program_may_read_its_input_or_ignore_it() {
        let input = "x".repeat(1 << 20);
        let mut count = Command::new("/bin/sh");
        count.args(["-c", "wc -c"]);
        let output = run(count, &input, Duration::from_secs(20)).unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), input.len().to_string());
        assert!(run(Command::new("true"), &input, Duration::from_secs(20)).unwrap().status.success());
    }

    #[test]
    fn a_program_that_does_not_end_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", file.display());
        let started = Instant::now();
        assert_eq!(shell(&script, Duration::from_secs(1)).err().unwrap().to_string(), "did not end within 1 s");
        assert!(started.elapsed() < Duration::from_secs(20));
        let pid = std::fs::read_to_string(file).unwrap();
        let gone = || {
            let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
            state.is_empty() || state.contains(") Z ")
        };
        while !gone() && started.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(gone(), "the child of the script still runs");
    }

    #[test]
    fn a_missing_program_is_an_error() {
        let error = run(Command::new("/no/such"), "", Duration::from_secs(1)).err().unwrap();
        assert_eq!(error.kind, OutsideErrorKind::NotStarted);
        let error = error.to_string();
        assert!(error.starts_with("cannot be run: "), "{error}");
    }
}
