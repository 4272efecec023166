//! Runs inventory scripts. It decides which files are scripts, and reports failures. `script_output` parses the output.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rayon::prelude::*;

use super::super::assemble::Draft;
use super::super::problem::Problem;
use super::super::script_output;
use super::super::source::{Origin, Source};
use super::{paths, process};

/// How long a script may take.
const LIMIT: Duration = Duration::from_secs(60);
/// The maximum number of lines of a script's standard error that a message shows.
const SHOWN_LINES: usize = 3;
const SHOWN_CHARACTERS: usize = 200;

/// Whether a file is run instead of read. Ansible tries to run every executable file, and reads the file if the system
/// cannot run it. The system can run files that start with `#!`, and binaries.
pub(super) fn is_script(path: &Path) -> bool {
    let Ok(found) = std::fs::metadata(path) else { return false };
    if !found.is_file() || found.permissions().mode() & 0o111 == 0 {
        return false;
    }
    let mut start = [0; 4];
    // A file that cannot be opened is not a script. It is then read as text, which reports the reason.
    let length = File::open(path).and_then(|mut file| file.read(&mut start)).unwrap_or_default();
    start[..length].starts_with(b"#!") || start == *b"\x7fELF"
}

/// Adds the output of a script and its problems to the draft. It runs the script with `--list` and, if the output has
/// no `_meta`, with `--host NAME` for each host.
pub(super) fn read(path: &Path, draft: &mut Draft) {
    let listed = match run(path, &["--list"]) {
        Ok(listed) => listed,
        Err(problem) => return draft.problems.push(problem),
    };
    let hosts = script_output::read(&listed, draft);
    // Scripts may be slow, so they run in parallel.
    let outputs: Vec<Result<Arc<Source>, Problem>> =
        hosts.par_iter().map(|host| run(path, &["--host", host])).collect();
    // The outputs are added in the order of the hosts, so that the result does not depend on which run of the script
    // ends first.
    for (host, output) in hosts.iter().zip(outputs) {
        match output {
            Ok(output) => script_output::read_host(host, &output, draft),
            Err(problem) => draft.problems.push(problem),
        }
    }
}

/// Runs the script, and returns its output.
fn run(path: &Path, arguments: &[&str]) -> Result<Arc<Source>, Problem> {
    let name = format!("{} {}", path.display(), arguments.join(" "));
    let origin = paths::origin(path);
    // The path is absolute, because the system would search for a name without a slash on the PATH.
    let mut script = Command::new(origin.file.as_deref().unwrap_or_default());
    script.args(arguments);
    let output = process::run(script, "", LIMIT)
        .map_err(|reason| Problem::new(format!("the inventory script `{name}` {reason}")))?;
    if !output.status.success() {
        let end = match output.status.code() {
            Some(code) => format!("ended with exit status {code}"),
            None => "was killed by a signal".to_owned(),
        };
        let problem = Problem::new(format!("the inventory script `{name}` {end}"));
        return Err(match last_lines(&output.stderr) {
            Some(lines) => problem.hint(format!("its error output: {lines}")),
            None => problem.hint("it printed no error; run it manually to find the reason"),
        });
    }
    let text = String::from_utf8(output.stdout)
        .map_err(|_| Problem::new(format!("the inventory script `{name}` printed text that is not UTF-8")))?;
    Ok(Source::with_origin(name, text, Origin { mode: None, ..origin }))
}

/// The last lines of the standard error of a script, joined to one line. They usually contain the reason for a failure.
fn last_lines(stderr: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(stderr);
    // Control characters are removed, because they could change the terminal of the user.
    let plain =
        |line: &str| -> String { line.trim().chars().filter(|c| !c.is_control()).take(SHOWN_CHARACTERS).collect() };
    let mut lines: Vec<String> =
        text.lines().rev().map(plain).filter(|line| !line.is_empty()).take(SHOWN_LINES).collect();
    lines.reverse();
    (!lines.is_empty()).then(|| lines.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_output_of_scripts_is_limited() {
        assert_eq!(last_lines(b"Traceback\n  a\n\nb\x1b[31m!\r\nc\n").as_deref(), Some("a | b[31m! | c"));
        assert_eq!(last_lines(b" \n\n"), None);
        assert_eq!(last_lines("ä".repeat(500).as_bytes()).unwrap().chars().count(), SHOWN_CHARACTERS);
    }
}
