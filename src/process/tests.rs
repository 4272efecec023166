//! Tests of running programs, with /bin/sh.

use super::*;

const SOON: Duration = Duration::from_secs(20);
const LIMITS: Limits = Limits { time: Some(SOON), output: 1 << 20 };

fn shell(script: &str, limit: Duration) -> Result<Output, ProcessError> {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script]);
    run(shell, Input::Text(""), Limits { time: Some(limit), output: 1 << 20 })
}

#[test]
fn output_and_status_are_returned() {
    let output = shell("echo out; echo err >&2; exit 3", SOON).unwrap();
    assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn no_program_sees_the_password_of_a_login() {
    // All tests share the environment of this process, so the variables are set for the child only.
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "echo $OREGANO_PASSWORD $OTHER"]).env(PASSWORD_VARIABLE, "hunter2").env("OTHER", "seen");
    assert_eq!(run(shell, Input::Text(""), LIMITS).unwrap().stdout, b"seen\n");
}

#[test]
fn a_program_may_read_its_input_or_ignore_it() {
    let input = "x".repeat(1 << 20);
    let mut count = Command::new("/bin/sh");
    count.args(["-c", "wc -c"]);
    let output = run(count, Input::Text(&input), LIMITS).unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), input.len().to_string());
    assert!(run(Command::new("true"), Input::Text(&input), LIMITS).unwrap().status.success());
}

/// Whether a process has ended, once it is known.
fn is_gone(pid: &str) -> bool {
    let started = Instant::now();
    let gone = || {
        let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        state.is_empty() || state.contains(") Z ")
    };
    while !gone() && started.elapsed() < SOON {
        std::thread::sleep(Duration::from_millis(10));
    }
    gone()
}

#[test]
fn a_program_that_does_not_end_is_killed_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    for input in [Input::Text(""), Input::Terminal] {
        let mut program = Command::new("/bin/sh");
        // The child has a child, too, and the shell waits for it.
        let script = format!("sh -c 'sleep 600 & echo $! > {}; wait'; true", file.display());
        let limits = Limits { time: Some(Duration::from_secs(1)), output: 1 << 20 };
        let started = Instant::now();
        program.args(["-c", &script]);
        assert_eq!(run(program, input, limits).err().unwrap().to_string(), "did not end within 1 s");
        assert!(started.elapsed() < SOON);
        assert!(is_gone(&std::fs::read_to_string(&file).unwrap()), "{input:?}: the child of the script still runs");
    }
}

#[test]
fn a_program_is_killed_when_its_guard_is_dropped() {
    let mut program = Command::new("/bin/sh");
    program.args(["-c", "sleep 600 & echo $!; wait"]);
    let running = start(program, Input::Text("")).unwrap();
    let guard = running.kill_on_drop();
    let started = Instant::now();
    let waiting = std::thread::spawn(move || running.finish(LIMITS).unwrap());
    drop(guard);
    assert!(!waiting.join().unwrap().status.success());
    assert!(started.elapsed() < SOON);
}

#[test]
fn a_program_that_prints_too_much_is_killed() {
    let started = Instant::now();
    let limits = Limits { time: Some(SOON * 4), output: 1 << 20 };
    let mut yes = Command::new("/bin/sh");
    yes.args(["-c", "trap '' PIPE; yes; sleep 600"]);
    assert_eq!(run(yes, Input::Text(""), limits).err(), Some(ProcessError::TooMuch(1 << 20)));
    // Of standard error the end is kept, and a program may write any amount to it.
    let output = shell("yes | head -n 1000000 >&2; echo end >&2", SOON).unwrap();
    assert_eq!(
        (output.stderr.len(), output.last_lines(&Redactor::default()).unwrap().as_str()),
        (MAX_ERROR_OUTPUT, "y | y | end")
    );
    assert!(started.elapsed() < SOON * 2);
}

#[test]
fn a_program_that_leaves_another_one_running_has_ended() {
    let started = Instant::now();
    let output = shell("sleep 20 >/dev/null & echo $!; echo done >&2", Duration::from_secs(120)).unwrap();
    assert!(started.elapsed() < Duration::from_secs(15), "it waited for the standard error of the other one");
    assert_eq!(output.last_lines(&Redactor::default()).as_deref(), Some("done"));
    let pid = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

#[test]
fn the_error_output_in_messages_is_limited() {
    let none = Redactor::default();
    assert_eq!(last_lines(b"Traceback\n  a\n\nb\x1b[31m!\r\nc\n", &none).as_deref(), Some("a | b [31m! | c"));
    assert_eq!(last_lines(b" \n\n", &none), None);
    assert!(last_lines("ä".repeat(5000).as_bytes(), &none).unwrap().chars().count() <= 300);
    let mut redactor = Redactor::default();
    redactor.learn(&crate::secret::Secret::new("hunter2"));
    let text = format!("{} hunter2", "ä".repeat(294));
    assert!(!last_lines(text.as_bytes(), &redactor).unwrap().contains("hun"));
}

#[test]
fn a_missing_program_is_an_error() {
    let error = run(Command::new("/no/such"), Input::Text(""), LIMITS).err().unwrap();
    assert!(matches!(error, ProcessError::NotStarted(io::ErrorKind::NotFound, _)), "{error:?}");
    let error = error.to_string();
    assert!(error.starts_with("cannot be run: "), "{error}");
}
