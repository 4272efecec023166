//! Asks a credential helper, `docker-credential-NAME` on the PATH, for what it keeps of a server. What it prints holds the
//! secret, also where it fails, and is never shown.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::process;

/// What a helper prints, with status 1, where it has nothing (docker-credential-helpers, `credentials/error.go`).
const NOT_FOUND: &str = "credentials not found in native keychain";

/// What `docker-credential-NAME get` prints for `server`, run in `folder`. One that needs longer than `limit` is killed
/// with its children.
///
/// # Errors
/// The reason, in lower case and without what was printed.
pub(super) fn get(name: &str, server: &str, folder: &Path, limit: Duration) -> Result<String, String> {
    let program = format!("docker-credential-{name}");
    let mut command = Command::new(&program);
    command.arg("get").current_dir(folder);
    let output = process::run(command, server, limit).map_err(|reason| format!("`{program}` {reason}"))?;
    if output.status.success() {
        String::from_utf8(output.stdout).map_err(|_| format!("what `{program}` printed is not UTF-8"))
    } else if output.stdout.trim_ascii() == NOT_FOUND.as_bytes() {
        Err(format!("`{program}` has no credential for `{server}`"))
    } else {
        Err(format!("`{program}` failed: {}", output.status))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_helpers_say() {
        let folder = tempfile::tempdir().unwrap();
        // A name with a slash is no concern of the PATH, which belongs to all tests.
        let name = |script: &str| {
            let inner = folder.path().join(format!("docker-credential-{}", script.len()));
            std::fs::create_dir_all(folder.path().join("docker-credential-x")).unwrap();
            write(&inner, format!("#!/bin/sh\n{script}\n")).unwrap();
            set_permissions(&inner, Permissions::from_mode(0o700)).unwrap();
            format!("x/../docker-credential-{}", script.len())
        };
        let ask = |script: &str| {
            let told = get(&name(script), "r.example.com", folder.path(), Duration::from_secs(30));
            told.map_err(|reason| reason.split_once("` ").unwrap().1.to_owned())
        };
        assert_eq!(ask("echo $1; cat").unwrap(), "get\nr.example.com");
        assert_eq!(ask(&format!("echo '{NOT_FOUND}'; exit 1")).unwrap_err(), "has no credential for `r.example.com`");
        assert_eq!(ask("echo hunter2; echo hunter2 >&2; exit 2").unwrap_err(), "failed: exit status: 2");
        let missing = get("none-of-this-name", "r", folder.path(), Duration::from_secs(30)).unwrap_err();
        assert!(missing.starts_with("`docker-credential-none-of-this-name` cannot be run: "), "{missing}");
    }
}
