//! Runs a shell command for `lookup('pipe', …)`, for a bounded time. What it writes to standard error may hold secrets
//! and is dropped.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::process;

/// What a shell command prints, run in `folder`. One that needs longer than `limit` is killed with its children.
///
/// # Errors
/// The reason, in lower case and without what was printed.
pub(super) fn run(command: &str, folder: &Path, limit: Duration) -> Result<String, String> {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command).current_dir(folder);
    let output = process::run(shell, "", limit).map_err(|reason| format!("the command {reason}"))?;
    if !output.status.success() {
        return Err(format!("the command failed: {}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| "what the command printed is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_kept_as_it_is_and_errors_are_not_shown() {
        let within = |command: &str| run(command, Path::new("/"), Duration::from_secs(30));
        assert_eq!(within("pwd; cat; echo hunter2 >&2; echo").unwrap(), "/\n\n");
        assert_eq!(within("echo hunter2; exit 3").unwrap_err(), "the command failed: exit status: 3");
        assert_eq!(within("printf '\\377'").unwrap_err(), "what the command printed is not UTF-8");
        let message = run("true", Path::new("/none"), Duration::from_secs(9)).unwrap_err();
        assert_eq!(message, "the command cannot be run: No such file or directory (os error 2)");
    }
}
