//! Runs the real Ansible for comparison: `tests/oracles/commands.py` with the Python of Ansible's virtual environment.
//! The process is started at its first use. It ends, with everything that it started, when the tests end and its
//! standard input closes.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, Mutex};
use std::thread;

use serde_json::{Value, json};

use super::process::{command, program, shared_folder};

/// A command line of Ansible, such as `ansible-inventory -i hosts --list`, and its working directory.
pub struct Line<'a> {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// The working directory.
    pub cwd: &'a Path,
}

/// The output of a command line.
#[derive(Debug, Clone)]
pub struct Said {
    /// Its exit status; negative for a signal.
    pub status: i64,
    pub stdout: String,
    pub stderr: String,
}

/// Runs command lines in any order; the results are in the order of the lines.
pub fn run(lines: &[Line]) -> Vec<Said> {
    let requests = lines.iter().map(|line| json!({"argv": line.argv, "cwd": line.cwd, "env": {}}));
    let text = |answer: &Value, name: &str| answer[name].as_str().unwrap().to_owned();
    let said = |answer: Value| Said {
        status: answer["status"].as_i64().unwrap(),
        stdout: text(&answer, "stdout"),
        stderr: text(&answer, "stderr"),
    };
    ask(requests.collect()).into_iter().map(said).collect()
}

/// The values that Ansible reads from an INI inventory: `["int", "16"]` for `0x10`, `["refused", …]` for an error.
pub fn values(texts: &[String]) -> Vec<Value> {
    typed("values", texts)
}

/// The values that Ansible reads from YAML documents, with their types.
pub fn documents(texts: &[String]) -> Vec<Value> {
    typed("yaml", texts)
}

fn typed(what: &str, texts: &[String]) -> Vec<Value> {
    match ask(vec![json!({ what: texts })]).remove(0)["typed"].take() {
        Value::Array(answers) => answers,
        other => panic!("the oracle answered {other}"),
    }
}

/// The Python of Ansible's virtual environment.
pub fn python() -> PathBuf {
    program("ansible").canonicalize().unwrap().with_file_name("python3")
}

/// Runs a script of tests/oracles for all questions at once and returns its results. It may take two minutes.
pub fn answers(script: &str, questions: &[Value]) -> Vec<Value> {
    let home = tempfile::tempdir().unwrap();
    let mut command = command(&program("timeout"));
    command.args(["-k", "5", "120"]).arg(python()).arg(oracle(script));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", home.path()).env("LC_ALL", "C.UTF-8").current_dir(home.path());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(questions).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the oracle ended with {}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn oracle(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles").join(script)
}

/// A running oracle.
struct Oracle {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    log: PathBuf,
}

impl Oracle {
    fn start() -> Self {
        let python = python();
        let log = shared_folder().join("ansible-oracle.log");
        let mut child = Command::new(&python)
            .arg(oracle("commands.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", python.display()));
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output, log }
    }
}

/// The results of all requests, in their order.
fn ask(requests: Vec<Value>) -> Vec<Value> {
    static ORACLE: LazyLock<Mutex<Oracle>> = LazyLock::new(|| Mutex::new(Oracle::start()));
    let mut oracle = ORACLE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let Oracle { child, input, output, log } = &mut *oracle;
    let count = requests.len();
    let mut answers = vec![Value::Null; count];
    thread::scope(|scope| {
        scope.spawn(move || {
            for (id, mut request) in requests.into_iter().enumerate() {
                request["id"] = id.into();
                // This fails if the process has ended; its missing result then fails the test.
                let _ = writeln!(input, "{request}");
            }
        });
        for _ in 0..count {
            let mut line = String::new();
            if output.read_line(&mut line).unwrap() == 0 {
                let said = std::fs::read_to_string(&*log).unwrap_or_default();
                panic!("the oracle ended with {:?}; it said:\n{said}", child.wait());
            }
            let answer: Value = serde_json::from_str(&line).unwrap();
            let id = usize::try_from(answer["id"].as_u64().unwrap()).unwrap();
            answers[id] = answer;
        }
    });
    answers
}
