//! Runs the credential helper `docker-credential-NAME` on the PATH to get the credential of a server. The output is
//! never shown, because it contains the secret even if the helper fails.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::super::outside::{OutsideError, OutsideErrorKind};
use super::{MAX_OUTPUT, outside_error};
use crate::process::{self, Input, Limits};

/// The output of a helper, with exit status 1, if it has no credential (docker-credential-helpers,
/// `credentials/error.go`).
const NOT_FOUND: &str = "credentials not found in native keychain";

/// The output of `docker-credential-NAME get` for `server`, run in `folder`. A helper that takes longer than `limit` is
/// killed with its children.
///
/// # Errors
/// The reason, without any output of the helper.
pub(super) fn get(name: &str, server: &str, folder: &Path, limit: Duration) -> Result<String, OutsideError> {
    let program = format!("docker-credential-{name}");
    let mut command = Command::new(&program);
    command.arg("get").current_dir(folder);
    let limits = Limits { time: Some(limit), output: MAX_OUTPUT };
    let output = process::run(command, Input::Text(server), limits)
        .map_err(|error| outside_error(&format!("`{program}`"), &error))?;
    if output.status.success() {
        String::from_utf8(output.stdout).map_err(|_| format!("the output of `{program}` is not UTF-8").into())
    } else if output.stdout.trim_ascii() == NOT_FOUND.as_bytes() {
        // The exit status does not distinguish a missing credential from other failures, so the output is compared.
        Err(format!("`{program}` has no credential for `{server}`").into())
    } else {
        let message = format!("`{program}` failed: {}", output.status);
        Err(OutsideError::new(OutsideErrorKind::Failed(output.status.code()), message))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn output_and_failures_of_helpers() {
        let folder = tempfile::tempdir().unwrap();
        // A name with a slash is not searched on the PATH. The test does not change the PATH, because all tests share
        // it.
        let name = |script: &str| {
            let inner = folder.path().join(format!("docker-credential-{}", script.len()));
            std::fs::create_dir_all(folder.path().join("docker-credential-x")).unwrap();
            write(&inner, format!("#!/bin/sh\n{script}\n")).unwrap();
            set_permissions(&inner, Permissions::from_mode(0o700)).unwrap();
            format!("x/../docker-credential-{}", script.len())
        };
        let get_from = |script: &str| get(&name(script), "r.example.com", folder.path(), Duration::from_secs(30));
        let reason = |script: &str| get_from(script).unwrap_err().to_string().split_once("` ").unwrap().1.to_owned();
        assert_eq!(get_from("echo $1; cat").unwrap(), "get\nr.example.com");
        assert_eq!(reason(&format!("echo '{NOT_FOUND}'; exit 1")), "has no credential for `r.example.com`");
        assert_eq!(reason("echo hunter2; echo hunter2 >&2; exit 2"), "failed: exit status: 2");
        assert_eq!(get_from("exit 3").unwrap_err().kind, OutsideErrorKind::Failed(Some(3)));
        let missing = get("none-of-this-name", "r", folder.path(), Duration::from_secs(30)).unwrap_err();
        assert_eq!(missing.kind, OutsideErrorKind::NotStarted);
        let missing = missing.to_string();
        assert!(missing.starts_with("`docker-credential-none-of-this-name` cannot be run: "), "{missing}");
    }
}
