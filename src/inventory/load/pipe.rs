//! Runs a shell command for `lookup('pipe', …)`, for a bounded time.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use zeroize::Zeroizing;

/// The most that a command may print, in bytes.
const MOST: u64 = 16 << 20;
/// How often it is looked whether a command that has closed its output has ended.
const PAUSE: Duration = Duration::from_millis(2);

/// What the output was, or why it could not be read.
type Printed = std::io::Result<Zeroizing<Vec<u8>>>;

/// What a shell command prints, run in `folder`. What it writes to standard error may hold secrets and is dropped.
/// A command that needs longer than `limit` is killed with all processes of its group.
///
/// # Errors
/// The reason, in lower case and without what was printed.
pub(super) fn run(command: &str, folder: &Path, limit: Duration) -> Result<String, String> {
    let deadline = Instant::now() + limit;
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command).current_dir(folder).process_group(0);
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = shell.spawn().map_err(|error| format!("the shell cannot be started: {error}"))?;
    let printed = reader(&mut child);
    let ended = finish(&mut child, &printed, deadline);
    let (bytes, status) = ended.map_err(|reason| {
        kill(&mut child);
        reason.unwrap_or_else(|| format!("the command did not end within {} s", limit.as_secs_f32()))
    })?;
    if !status.success() {
        return Err(format!("the command failed: {status}"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| "what the command printed is not UTF-8".to_owned())?;
    Ok(text.to_owned())
}

/// Reads all output in a thread, which ends when the last process that holds the output has ended.
fn reader(child: &mut Child) -> Receiver<Printed> {
    let (sender, receiver) = channel();
    let output = child.stdout.take();
    thread::spawn(move || {
        let mut bytes = Zeroizing::new(Vec::new());
        let read = output.map_or(Ok(0), |output| output.take(MOST + 1).read_to_end(&mut bytes));
        let _ = sender.send(read.map(|_| bytes));
    });
    receiver
}

/// The output and the status; no reason if the time is over.
fn finish(
    child: &mut Child,
    printed: &Receiver<Printed>,
    deadline: Instant,
) -> Result<(Zeroizing<Vec<u8>>, ExitStatus), Option<String>> {
    let left = || deadline.saturating_duration_since(Instant::now());
    let bytes = printed.recv_timeout(left()).map_err(|_| None)?;
    let bytes = bytes.map_err(|error| Some(format!("what the command prints cannot be read: {error}")))?;
    if bytes.len() as u64 > MOST {
        return Err(Some(format!("the command printed more than {} MiB", MOST >> 20)));
    }
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok((bytes, status)),
            Ok(None) if left().is_zero() => return Err(None),
            Ok(None) => thread::sleep(PAUSE.min(left())),
            Err(error) => return Err(Some(format!("the command cannot be waited for: {error}"))),
        }
    }
}

/// Ends the command and what it started.
fn kill(child: &mut Child) {
    if let Ok(id) = i32::try_from(child.id()) {
        let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
    }
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(command: &str, seconds: f32) -> Result<String, String> {
        run(command, Path::new("/"), Duration::from_secs_f32(seconds))
    }

    #[test]
    fn output_is_kept_as_it_is_and_errors_are_not_shown() {
        assert_eq!(within("pwd; cat; echo hunter2 >&2; echo", 30.0).unwrap(), "/\n\n");
        assert_eq!(within("echo hunter2; exit 3", 30.0).unwrap_err(), "the command failed: exit status: 3");
        assert_eq!(within("printf '\\377'", 30.0).unwrap_err(), "what the command printed is not UTF-8");
        let message = run("true", Path::new("/none"), Duration::from_secs(9)).unwrap_err();
        assert_eq!(message, "the shell cannot be started: No such file or directory (os error 2)");
    }

    #[test]
    fn a_command_that_does_not_end_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let trace = folder.path().join("trace");
        let late = format!("(sleep 2; touch {}) & wait", trace.display());
        for command in [late.as_str(), "exec >&-; sleep 60"] {
            let start = Instant::now();
            assert_eq!(within(command, 0.5).unwrap_err(), "the command did not end within 0.5 s");
            assert!(start.elapsed() < Duration::from_secs(20));
        }
        thread::sleep(Duration::from_secs(2));
        assert!(!trace.exists(), "a child of the command lived on");
    }

    #[test]
    fn a_command_that_prints_without_end_is_stopped() {
        assert_eq!(within("yes", 60.0).unwrap_err(), "the command printed more than 16 MiB");
    }
}
