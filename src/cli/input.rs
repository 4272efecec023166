//! Input from the terminal or from standard input. A signal ends the wait and restores the settings of the terminal. It
//! does not decide what is prompted for.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, ErrorKind, IsTerminal as _, Read as _, Write as _};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use nix::sys::termios::{self, SetArg, Termios};
use oregano::engine::schedule::{Cancel, Stop};
use oregano::inventory::Problem;
use oregano::inventory::load::passwords::{self, PasswordKind};
use oregano::secret::Secret;
use tokio::sync::oneshot;

const TERMINAL: &str = "/dev/tty";

/// The longest input, in bytes. A token has a few thousand.
const MAX_INPUT: u64 = 1 << 20;

/// The settings of the terminal before a prompt for a secret.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// How a command reads the secrets that its arguments require.
pub struct Input<'a> {
    /// Reads a secret from the terminal after showing its argument.
    pub prompt: &'a dyn Fn(&str) -> Result<String, Problem>,
    /// Reads a password file.
    pub file: &'a dyn Fn(PasswordKind, PathBuf) -> Result<Secret, Problem>,
}

/// Reads a password file. A pipe or a script may block without a time limit.
pub fn file(kind: PasswordKind, path: PathBuf, cancel: &Cancel) -> Result<Secret, Problem> {
    let name = path.display().to_string();
    let read = until_signal(cancel, move || Ok(passwords::connection_password(kind, &path)));
    read.map_err(|error| Problem::new(format!("cannot read the {kind} password file `{name}`: {error}")))?
}

/// Reads a secret from the terminal.
pub fn secret(prompt: &str, cancel: &Cancel) -> Result<String, Problem> {
    // The settings are saved before the prompt starts, because the thread of an interrupted prompt cannot restore them
    // anymore.
    let settings = File::open(TERMINAL).ok().and_then(|terminal| termios::tcgetattr(terminal).ok());
    *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = settings;
    let prompt = prompt.to_owned();
    let typed = until_signal(cancel, move || rpassword::prompt_password(prompt));
    restore();
    typed.map_err(|error| unreadable("a password", &error))
}

/// Reads a line from the terminal, which shows what is typed; `None` if standard input is not a terminal.
pub fn line(prompt: &str, cancel: &Cancel) -> Option<Result<String, Problem>> {
    // A script must fail instead of waiting for a person, even if it has a controlling terminal.
    if !io::stdin().is_terminal() {
        return None;
    }
    let prompt = prompt.to_owned();
    let read = move || {
        let mut terminal = OpenOptions::new().read(true).write(true).open(TERMINAL)?;
        terminal.write_all(prompt.as_bytes())?;
        let mut line = String::new();
        BufReader::new(terminal.take(MAX_INPUT)).read_line(&mut line)?;
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    };
    Some(until_signal(cancel, read).map_err(|error| unreadable("a user name", &error)))
}

/// Reads the standard input to its end, up to a limit that no password reaches.
pub fn standard(cancel: &Cancel) -> Result<String, Problem> {
    let read = || {
        let mut text = String::new();
        io::stdin().lock().take(MAX_INPUT).read_to_string(&mut text).map(|_| text)
    };
    until_signal(cancel, read)
        .map_err(|error| Problem::new(format!("cannot read a password from standard input: {error}")))
}

/// Restores the settings of the terminal after a prompt that was interrupted.
pub fn restore() {
    // The lock is held until the settings are restored, because a caller that finds nothing to restore may end the
    // process.
    let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
    if let (Some(settings), Ok(terminal)) = (before.take(), File::open(TERMINAL)) {
        // This fails if the terminal no longer exists; then there is nothing to restore.
        let _ = termios::tcsetattr(terminal, SetArg::TCSANOW, &settings);
    }
}

fn unreadable(what: &str, error: &io::Error) -> Problem {
    match error.raw_os_error().map(nix::errno::Errno::from_raw) {
        Some(nix::errno::Errno::ENXIO | nix::errno::Errno::ENOENT | nix::errno::Errno::ENOTTY) => {
            Problem::new(format!("cannot prompt for {what}: there is no terminal"))
        }
        Some(errno) => Problem::new(format!("cannot read {what} from the terminal: {}", errno.desc())),
        None => Problem::new(format!("cannot read {what} from the terminal: {error}")),
    }
}

/// Runs `work`, which may block without a time limit, in a thread that is abandoned after a signal.
fn until_signal<T: Send + 'static>(
    cancel: &Cancel,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (done, result) = oneshot::channel();
    // A blocked read cannot be cancelled, so it runs in a thread that ends with the process.
    std::thread::spawn(move || done.send(work()));
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let result = runtime.block_on(async {
        tokio::select! {
            result = result => result.unwrap_or_else(|_| Err(io::Error::other("the reading thread ended early"))),
            () = cancel.reached(Stop::Gently) => Err(ErrorKind::Interrupted.into()),
        }
    });
    // At a prompt without echo, Ctrl-C is a character. The reader raises the signal, and our handler may run later.
    let raised = result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Interrupted);
    if raised && cancel.level() == Stop::No {
        cancel.signal();
    }
    result
}
