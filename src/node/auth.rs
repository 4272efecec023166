//! Logging in: keys first, then the password, as OpenSSH does. A password is sent at most once: a second
//! time would be a second failed login, and accounts get locked.

use std::path::Path;
use std::time::{Duration, Instant};

use ssh2::{ErrorCode, KeyboardInteractivePrompt, Prompt};

use super::Limits;
use super::connect::{Alone, Label, Line, apart, cut_short};
use super::identities::{Identities, KeyFile};
use super::known_hosts::fingerprint;
use super::protocol::tidy;
use super::watchdog::Cut;
use crate::failure::Failure;
use crate::secret::Secret;

/// `MaxAuthTries` of sshd: it hangs up at the sixth refusal, keys included.
const TRIES: usize = 6;

// Errors of libssh2.h.
const PASSWORD_EXPIRED: i32 = -15;
const FILE: i32 = -16;
const METHOD_NONE: i32 = -17;
const AUTHENTICATION_FAILED: i32 = -18;
const PUBLICKEY_UNVERIFIED: i32 = -19;
const AGENT_PROTOCOL: i32 = -42;
const ALGO_UNSUPPORTED: i32 = -51;

/// How long a login whose socket was shut down may take to come back, if no agent holds it up.
const GRACE: Duration = Duration::from_millis(500);

/// Logs in as the user of the connection. libssh2 waits for an agent without end, and a key in hardware waits
/// for a touch, so a login that may ask one goes on without us when its time is up.
pub(super) fn log_in(
    line: Line,
    label: &Label,
    identities: &Identities,
    limits: &Limits,
    deadline: Instant,
) -> Result<Line, Failure> {
    if identities.agent.is_none() {
        return attempt(&line, label, identities).map(|()| line);
    }
    let (name, connection, keys) = (label.0.to_owned(), label.1.clone(), identities.clone());
    let work = move || attempt(&line, &Label(&name, &connection), &keys).map(|()| line);
    let failed = || Failure::new(format!("could not log in to {label} as `{}`", label.1.user));
    let end = deadline.checked_add(GRACE).unwrap_or(deadline);
    apart(limits, end, work).map_err(|alone| match alone {
        Alone::Failed(cause) => failed().cause(cause),
        Alone::Cut(Cut::Abort) => failed().cause(cut_short(Cut::Abort, limits.timeout)),
        Alone::Cut(Cut::Deadline) => {
            identities.agent_is_silent();
            let waited = limits.timeout.as_secs_f64();
            failed()
                .cause(format!("the ssh-agent did not answer within {waited} s"))
                .hint("unlock it, or touch its key; or name a key file with `ansible_ssh_private_key_file`")
        }
    })?
}

fn attempt(line: &Line, label: &Label, identities: &Identities) -> Result<(), Failure> {
    let mut login = Login { line, label, identities, tried: Vec::new(), left: TRIES, hints: Vec::new() };
    match login.run() {
        Ok(()) => Ok(()),
        Err(Stop::In) => Ok(()),
        Err(Stop::Lost(cause)) => Err(login.failure(Some(cause))),
        Err(Stop::Out) => Err(login.failure(None)),
    }
}

struct Login<'a> {
    line: &'a Line,
    label: &'a Label<'a>,
    identities: &'a Identities,
    /// What was tried and how it ended, one line each.
    tried: Vec<String>,
    /// How many more refusals the server takes.
    left: usize,
    hints: Vec<String>,
}

/// Why no further key or password is tried.
enum Stop {
    /// Logged in.
    In,
    /// Nothing is left to try.
    Out,
    /// The connection is gone.
    Lost(String),
}

impl Login<'_> {
    /// Ends early, with [`Stop::In`], as soon as something is accepted.
    fn run(&mut self) -> Result<(), Stop> {
        let Some(password) = &self.label.1.password else {
            self.keys()?;
            return Err(Stop::Out);
        };
        // Asking costs a round trip; only the choice between two ways to send a password needs it.
        let methods = self.methods()?;
        if offers(&methods, "publickey") {
            // The last try belongs to the password.
            self.left -= 1;
            self.keys()?;
            self.left += 1;
        }
        if self.password(password, &methods)? {
            return Err(Stop::Out);
        }
        // With `AuthenticationMethods publickey,password` the key had to come first.
        let methods = self.methods()?;
        if !self.password(password, &methods)? {
            self.tried.push(format!("password: not sent, the server takes only {}", tidy(&methods)));
        }
        Err(Stop::Out)
    }

    /// Sends the password by the one way that is offered; false if none is.
    fn password(&mut self, password: &Secret, methods: &str) -> Result<bool, Stop> {
        let user = &self.label.1.user;
        if offers(methods, "password") {
            let answer = self.line.ssh.userauth_password(user, password.expose());
            self.judge("password".to_owned(), answer)?;
        } else if offers(methods, "keyboard-interactive") {
            let mut once = Once(Some(password));
            let answer = self.line.ssh.userauth_keyboard_interactive(user, &mut once);
            self.judge("password (keyboard-interactive)".to_owned(), answer)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn keys(&mut self) -> Result<(), Stop> {
        match &self.label.1.private_key_file {
            Some(path) => self.named_key(path),
            None => self.any_key(),
        }
    }

    fn methods(&self) -> Result<String, Stop> {
        match self.line.ssh.auth_methods(&self.label.1.user) {
            Ok(_) if self.line.ssh.authenticated() => Err(Stop::In),
            Ok(methods) => Ok(methods.to_owned()),
            Err(error) => Err(Stop::Lost(self.line.why("login", &error.message()))),
        }
    }

    /// The one key that the inventory names. If it cannot be used, nothing else is: that is a mistake to mend.
    fn named_key(&mut self, path: &Path) -> Result<(), Stop> {
        let key = self.identities.key(path);
        let reason = match &*key {
            KeyFile::Missing => "no such file",
            KeyFile::Bad(reason) => reason,
            KeyFile::Plain(_) | KeyFile::Locked(_) => return self.file(path, &key),
        };
        self.tried.push(format!("key `{}`: {reason}", path.display()));
        self.hints.push("check `ansible_ssh_private_key_file`, or `--private-key`".to_owned());
        Err(Stop::Out)
    }

    /// The agent's keys, then the default identities.
    fn any_key(&mut self) -> Result<(), Stop> {
        self.agent(None)?;
        for path in &self.identities.files {
            let key = self.identities.key(path);
            if !matches!(*key, KeyFile::Missing) && self.left > 0 {
                self.file(path, &key)?;
            }
        }
        if self.tried.is_empty() && self.label.1.password.is_none() {
            self.tried.push("no key: no agent has one, and there is no default identity file".to_owned());
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, key: &KeyFile) -> Result<(), Stop> {
        let name = format!("key `{}`", path.display());
        match key {
            KeyFile::Missing => {}
            KeyFile::Bad(reason) => self.tried.push(format!("{name}: {reason}")),
            KeyFile::Plain(text) => {
                let answer = self.line.ssh.userauth_pubkey_memory(&self.label.1.user, None, text.expose(), None);
                self.judge(name, answer)?;
            }
            KeyFile::Locked(public) => {
                if self.label.1.private_key_file.is_some() {
                    self.agent(public.as_deref())?;
                }
                self.tried.push(format!("{name}: it is protected by a passphrase"));
                self.hints.push(format!("let an agent hold it: `ssh-add {}`", path.display()));
            }
        }
        Ok(())
    }

    /// The keys of the agent, or only the one whose public half is given.
    fn agent(&mut self, only: Option<&[u8]>) -> Result<(), Stop> {
        let Some(socket) = &self.identities.agent else { return Ok(()) };
        if self.identities.is_agent_silent() {
            self.tried.push(format!("agent {}: it gave another node no answer", socket.display()));
            return Ok(());
        }
        let failed = |error: ssh2::Error| format!("agent {}: {}", socket.display(), error.message());
        let opened = self.line.ssh.agent().and_then(|mut agent| {
            agent.set_identity_path(socket)?;
            agent.connect()?;
            agent.list_identities()?;
            let keys = agent.identities()?;
            Ok((agent, keys))
        });
        let (agent, keys) = match opened {
            Ok(opened) => opened,
            // The server is not to blame, and a key file may still do.
            Err(error) => {
                self.tried.push(failed(error));
                return Ok(());
            }
        };
        for key in keys.iter().filter(|key| only.is_none_or(|only| only == key.blob())) {
            if self.left == 0 {
                self.tried.push(format!("the agent holds {} keys, and sshd takes {TRIES} tries", keys.len()));
                self.hints.push("name the right key with `ansible_ssh_private_key_file`".to_owned());
                break;
            }
            let name = format!("agent key {} {}", tidy(key.comment()), fingerprint(key.blob()));
            self.judge(name, agent.userauth(&self.label.1.user, key))?;
        }
        Ok(())
    }

    /// Ends the login if this was it, or if the server is gone; otherwise notes how it went.
    fn judge(&mut self, what: String, answer: Result<(), ssh2::Error>) -> Result<(), Stop> {
        let error = match answer {
            Ok(()) => return Err(Stop::In),
            Err(error) => error,
        };
        match error.code() {
            ErrorCode::Session(AUTHENTICATION_FAILED | PUBLICKEY_UNVERIFIED) => {
                self.tried.push(format!("{what}: refused"));
                self.left = self.left.saturating_sub(1);
                return Ok(());
            }
            // The key or password is no good; the connection is.
            ErrorCode::Session(PASSWORD_EXPIRED | FILE | METHOD_NONE | AGENT_PROTOCOL | ALGO_UNSUPPORTED)
                if self.line.watch.cut().is_none() =>
            {
                self.tried.push(format!("{what}: {}", error.message()));
                return Ok(());
            }
            _ => {}
        }
        Err(Stop::Lost(self.line.why(&what, &format!("the server hung up ({})", error.message()))))
    }

    fn failure(&self, lost: Option<String>) -> Failure {
        let Label(_, connection) = self.label;
        let mut failure = Failure::new(format!("could not log in to {} as `{}`", self.label, connection.user));
        for tried in self.tried.iter().chain(&lost) {
            failure = failure.cause(tried.clone());
        }
        let advice = match (&connection.password, &connection.private_key_file) {
            (Some(_), _) => "check `ansible_user` and `ansible_password`",
            (None, Some(_)) => "check `ansible_user` and `ansible_ssh_private_key_file`",
            (None, None) => {
                "check `ansible_user`, and give a key with an agent or `ansible_ssh_private_key_file`, or a \
                 password with `ansible_password` or `-k`"
            }
        };
        match (self.hints.first(), self.line.watch.cut()) {
            (_, Some(_)) => failure,
            (Some(hint), None) => failure.hint(hint.clone()),
            (None, None) => failure.hint(advice),
        }
    }
}

fn offers(methods: &str, method: &str) -> bool {
    methods.split(',').any(|one| one == method)
}

/// Answers the first hidden prompt with the password, and all others with nothing.
struct Once<'a>(Option<&'a Secret>);

impl KeyboardInteractivePrompt for Once<'_> {
    fn prompt(&mut self, _user: &str, _instructions: &str, prompts: &[Prompt]) -> Vec<String> {
        let answer = |prompt: &Prompt| match prompt.echo {
            true => String::new(),
            false => self.0.take().map(|password| password.expose().to_owned()).unwrap_or_default(),
        };
        prompts.iter().map(answer).collect()
    }
}
