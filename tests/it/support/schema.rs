//! Validates every line of JSON output that a test reads against the schema of `oregano schema events`, which must
//! describe all of them. The validator is the jsonschema package of Python.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

use super::process::program;

/// The validator, which ends when this process closes its standard input.
struct Validator {
    _child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

static VALIDATOR: LazyLock<Mutex<Validator>> = LazyLock::new(|| Mutex::new(Validator::start()));

impl Validator {
    fn start() -> Self {
        // The program is in the virtual environment that contains the package.
        let python = std::fs::canonicalize(program("jsonschema")).unwrap().with_file_name("python3");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut child = Command::new(python)
            .arg(root.join("tests/oracles/events.py"))
            .arg(root.join("src/event/events.schema.json"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { _child: child, input, output }
    }

    fn errors(&mut self, line: &str) -> Vec<String> {
        writeln!(self.input, "{line}").unwrap();
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("the validator failed ({error}): {answer}"))
    }
}

/// The errors in a line of the JSON output; empty if the line matches the schema.
pub fn errors(line: &str) -> Vec<String> {
    VALIDATOR.lock().unwrap_or_else(PoisonError::into_inner).errors(line)
}

/// Fails the test if one of the lines of JSON output does not match the schema.
#[track_caller]
pub fn check(stdout: &str) {
    for line in stdout.lines().filter(|line| line.starts_with(r#"{"version":"#)) {
        let errors = errors(line);
        assert!(errors.is_empty(), "the schema of events does not describe this line: {line}\n{errors:#?}");
    }
}
