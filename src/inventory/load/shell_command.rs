//! Runs a shell command for `lookup('pipe', …)`, with a time limit. Its standard error may contain secrets and is dropped.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::super::outside::{OutsideError, OutsideErrorKind};
use super::{MAX_OUTPUT, outside_error};
use crate::process::{self, Input, Limits};

/// The output of a shell command that runs in `folder`. If it takes longer than `limit`, it is killed with its children.
///
/// # Errors
/// The reason, without any output of the command.
pub(super) fn run(command: &str, folder: &Path, limit: Duration) -> Result<String, OutsideError> {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command).current_dir(folder);
    let limits = Limits { time: Some(limit), output: MAX_OUTPUT };
    let output = process::run(shell, Input::Text(""), limits).map_err(|error| outside_error("the command", &error))?;
    if !output.status.success() {
        let message = format!("the command failed: {}", output.status);
        return Err(OutsideError::new(OutsideErrorKind::Failed(output.status.code()), message));
    }
    String::from_utf8(output.stdout).map_err(|_| "the output of the command is not UTF-8".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_kept_unchanged_and_standard_error_is_not_shown() {
        let within = |command: &str| run(command, Path::new("/"), Duration::from_secs(30));
        assert_eq!(within("pwd; cat; echo hunter2 >&2; echo").unwrap(), "/\n\n");
        assert_eq!(within("echo hunter2; exit 3").unwrap_err().to_string(), "the command failed: exit status: 3");
        assert_eq!(within("printf '\\377'").unwrap_err().to_string(), "the output of the command is not UTF-8");
        let error = run("true", Path::new("/none"), Duration::from_secs(9)).unwrap_err();
        assert_eq!(error.to_string(), "the command cannot be run: No such file or directory (os error 2)");
        assert_eq!(error.kind, OutsideErrorKind::NotStarted);
    }

    #[test]
    fn the_exit_status_is_reported_as_a_fact() {
        let kind = |command: &str| run(command, Path::new("/"), Duration::from_secs(30)).unwrap_err().kind;
        assert_eq!(kind("no-such-command-on-this-machine"), OutsideErrorKind::Failed(Some(127)));
        assert_eq!(kind("kill -9 $$"), OutsideErrorKind::Failed(None));
        assert_eq!(kind("printf '\\377'"), OutsideErrorKind::Other);
    }
}
