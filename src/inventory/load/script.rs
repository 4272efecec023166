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
use super::paths;
use crate::process::{self, Input, Limits};
use crate::secret::Redactor;

/// How long a script may take.
const LIMIT: Duration = Duration::from_secs(60);
/// The maximum size of the output of a script, in bytes. Inventories are much smaller.
const MAX_OUTPUT: u64 = 512 << 20;

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
    let output = process::run(script, Input::Text(""), Limits { time: Some(LIMIT), output: MAX_OUTPUT })
        .map_err(|reason| Problem::new(format!("the inventory script `{name}` {reason}")))?;
    if !output.status.success() {
        let end = match output.status.code() {
            Some(code) => format!("ended with exit status {code}"),
            None => "was killed by a signal".to_owned(),
        };
        let problem = Problem::new(format!("the inventory script `{name}` {end}"));
        return Err(match output.last_lines(&Redactor::default()) {
            Some(lines) => problem.hint(format!("its error output: {lines}")),
            None => problem.hint("it printed no error; run it manually to find the reason"),
        });
    }
    let text = String::from_utf8(output.stdout)
        .map_err(|_| Problem::new(format!("the inventory script `{name}` printed text that is not UTF-8")))?;
    Ok(Source::with_origin(name, text, Origin { mode: None, ..origin }))
}
