//! Executable inventories: which files are, how they are asked, and what is told of one that fails.

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

/// A script that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);
/// What is shown of the errors that a script prints.
const SHOWN_LINES: usize = 3;
const SHOWN_CHARACTERS: usize = 200;

/// Whether a file is run rather than read. Ansible tries to run each executable file, and reads what the system
/// cannot run; a system runs what starts with `#!` and binaries.
pub(super) fn is_script(path: &Path) -> bool {
    let Ok(found) = std::fs::metadata(path) else { return false };
    if !found.is_file() || found.permissions().mode() & 0o111 == 0 {
        return false;
    }
    let mut start = [0; 4];
    let length = File::open(path).and_then(|mut file| file.read(&mut start)).unwrap_or_default();
    start[..length].starts_with(b"#!") || start == *b"\x7fELF"
}

/// Adds what a script says to the draft, its problems included: `--list`, and where that has no `_meta.hostvars`,
/// `--host NAME` for each host.
pub(super) fn read(path: &Path, draft: &mut Draft) {
    let listed = match ask(path, &["--list"]) {
        Ok(listed) => listed,
        Err(problem) => return draft.problems.push(problem),
    };
    let hosts = script_output::read(&listed, draft);
    let answers: Vec<Result<Arc<Source>, Problem>> =
        hosts.par_iter().map(|host| ask(path, &["--host", host])).collect();
    for (host, answer) in hosts.iter().zip(answers) {
        match answer {
            Ok(answer) => script_output::read_host(host, &answer, draft),
            Err(problem) => draft.problems.push(problem),
        }
    }
}

/// What the script prints.
fn ask(path: &Path, arguments: &[&str]) -> Result<Arc<Source>, Problem> {
    let name = format!("{} {}", path.display(), arguments.join(" "));
    let origin = paths::origin(path);
    let mut script = Command::new(origin.file.as_deref().unwrap_or_default());
    script.args(arguments);
    let output = process::run(script, "", LIMIT)
        .map_err(|reason| Problem::new(format!("the inventory script `{name}` {reason}")))?;
    if !output.status.success() {
        let end = match output.status.code() {
            Some(code) => format!("ended with status {code}"),
            None => "was ended by a signal".to_owned(),
        };
        let problem = Problem::new(format!("the inventory script `{name}` {end}"));
        return Err(match last_lines(&output.stderr) {
            Some(lines) => problem.hint(format!("it said: {lines}")),
            None => problem.hint("it printed no reason; run it by hand"),
        });
    }
    let text = String::from_utf8(output.stdout)
        .map_err(|_| Problem::new(format!("the inventory script `{name}` prints no UTF-8")))?;
    Ok(Source::from(name, text, Origin { mode: None, ..origin }))
}

/// The end of what a script printed as errors, where the reason usually stands, on one line.
fn last_lines(stderr: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(stderr);
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
    fn errors_of_scripts_are_bounded() {
        assert_eq!(last_lines(b"Traceback\n  a\n\nb\x1b[31m!\r\nc\n").as_deref(), Some("a | b[31m! | c"));
        assert_eq!(last_lines(b" \n\n"), None);
        assert_eq!(last_lines("ä".repeat(500).as_bytes()).unwrap().chars().count(), SHOWN_CHARACTERS);
    }
}
