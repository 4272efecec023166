//! Runs a program to its end: bounded in time and output, with its children, and without a terminal to ask on.

use std::io::{Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::secret::PASSWORD_VARIABLE;

/// More output than this is neither an inventory nor a value.
const MAX_OUTPUT: u64 = 512 << 20;

/// How often a wait looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(100);

/// The process groups of the programs that run now; `None` once they were stopped, and none may start.
static RUNNING: Mutex<Option<Vec<i32>>> = Mutex::new(Some(Vec::new()));

/// Ends all programs that run, and lets no other start: for a process that was told to end.
pub(super) fn stop() {
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).take();
    running.into_iter().flatten().for_each(kill);
}

/// What `work` gives, which may wait for another program for as long as it likes; `None` once this process was told to
/// end, which then also ends the work.
pub(super) fn unless_stopped<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, ended) = channel();
    std::thread::spawn(move || done.send(work()));
    loop {
        match ended.recv_timeout(LOOK) {
            Ok(value) => return Some(value),
            Err(RecvTimeoutError::Timeout) if RUNNING.lock().unwrap_or_else(PoisonError::into_inner).is_some() => {}
            Err(_) => return None,
        }
    }
}

/// What a program left behind.
pub(super) struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it printed as errors.
    pub stderr: Vec<u8>,
}

/// Runs a program that reads `input`, and waits for its end, but not longer than `limit`: then it and its children are
/// killed.
///
/// # Errors
/// In lower case: it cannot be started, does not end in time, or prints beyond measure.
pub(super) fn run(mut program: Command, input: &str, limit: Duration) -> Result<Output, String> {
    let deadline = Instant::now() + limit;
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(groups) = running.as_mut() else { return Err("was interrupted".to_owned()) };
    let mut child = program
        .env_remove(PASSWORD_VARIABLE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("cannot be run: {error}"))?;
    let group = i32::try_from(child.id()).map_err(|error| format!("has no process id: {error}"))?;
    groups.push(group);
    drop(running);
    feed(child.stdin.take(), input.to_owned());
    let (done, ended) = channel();
    let stdout = collect(child.stdout.take(), done.clone());
    let stderr = collect(child.stderr.take(), done);
    let finished = await_both(&ended, deadline).and_then(|()| await_end(&mut child, deadline));
    if finished.is_none() {
        kill(group);
    }
    // It is not waited for yet, so the number is still its own.
    if let Some(groups) = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        groups.retain(|other| *other != group);
    }
    let status = child.wait().map_err(|error| format!("cannot be waited for: {error}"))?;
    if finished.is_none() {
        return Err(format!("did not end within {} s", limit.as_secs()));
    }
    let (stdout, stderr) = (stdout.join().unwrap_or_default(), stderr.join().unwrap_or_default());
    if stdout.len().max(stderr.len()) as u64 > MAX_OUTPUT {
        return Err(format!("prints more than {} MB", MAX_OUTPUT >> 20));
    }
    Ok(Output { status, stdout, stderr })
}

/// Writes to a program that may never read it; the thread ends with the program at the latest.
fn feed(stdin: Option<ChildStdin>, input: String) {
    let Some(mut stdin) = stdin else { return };
    if !input.is_empty() {
        // Who does not read it all may still answer: the exit status tells.
        std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    }
}

/// Reads a pipe to its end, and says so.
fn collect<R: Read + Send + 'static>(pipe: Option<R>, done: std::sync::mpsc::Sender<()>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // What was printed before a fault is kept: the exit status tells the fault.
            let _ = pipe.take(MAX_OUTPUT + 1).read_to_end(&mut bytes);
        }
        let _ = done.send(());
        bytes
    })
}

/// Whether both pipes came to their end in time.
fn await_both(ended: &Receiver<()>, deadline: Instant) -> Option<()> {
    for _ in 0..2 {
        ended.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()?;
    }
    Some(())
}

/// Whether the child ended in time. It has closed its output, so this takes no time but for odd programs.
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
    let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Result<Output, String> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", script]);
        run(shell, "", limit)
    }

    #[test]
    fn output_and_status_are_told() {
        let output = shell("echo out; echo err >&2; exit 3", Duration::from_secs(20)).unwrap();
        assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
        assert_eq!(output.status.code(), Some(3));
    }

    #[test]
    fn no_program_sees_the_password_of_a_login() {
        // The environment belongs to all tests: what a program would inherit is given to it.
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "echo $OREGANO_PASSWORD $OTHER"]).env(PASSWORD_VARIABLE, "hunter2").env("OTHER", "seen");
        assert_eq!(run(shell, "", Duration::from_secs(20)).unwrap().stdout, b"seen\n");
    }

    #[test]
    fn input_is_read_or_not() {
        let input = "x".repeat(1 << 20);
        let mut count = Command::new("/bin/sh");
        count.args(["-c", "wc -c"]);
        let output = run(count, &input, Duration::from_secs(20)).unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), input.len().to_string());
        assert!(run(Command::new("true"), &input, Duration::from_secs(20)).unwrap().status.success());
    }

    #[test]
    fn what_does_not_end_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", file.display());
        let started = Instant::now();
        assert_eq!(shell(&script, Duration::from_secs(1)).err().unwrap(), "did not end within 1 s");
        assert!(started.elapsed() < Duration::from_secs(20));
        let pid = std::fs::read_to_string(file).unwrap();
        let gone = || {
            let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
            state.is_empty() || state.contains(") Z ")
        };
        while !gone() && started.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(gone(), "the child of the script lives on");
    }

    #[test]
    fn a_missing_program_is_told() {
        let error = run(Command::new("/no/such"), "", Duration::from_secs(1)).err().unwrap();
        assert!(error.starts_with("cannot be run: "), "{error}");
    }
}
