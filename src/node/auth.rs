//! SSH login: keys first, then the password, as OpenSSH does. A password is sent at most once, because a second attempt
//! would be a second failed login, and too many of them lock an account.

use std::path::Path;
use std::time::{Duration, Instant};

use ssh2::{ErrorCode, KeyboardInteractivePrompt, Prompt};

use super::Limits;
use super::connect::{DetachedError, NodeLabel, SshConnection, describe_interruption, run_detached};
use super::hint::{ConnectProblem, EarlyEnd};
use super::identities::{Identities, KeyFile};
use super::known_hosts::fingerprint;
use super::protocol::tidy;
use super::watchdog::Interruption;
use crate::failure::Failure;
use crate::secret::Secret;

/// `MaxAuthTries` of sshd: it closes the connection at the sixth failed attempt, keys included.
const MAX_ATTEMPTS: usize = 6;

// Error codes of libssh2.h.
const PASSWORD_EXPIRED: i32 = -15;
const FILE: i32 = -16;
const METHOD_NONE: i32 = -17;
const AUTHENTICATION_FAILED: i32 = -18;
const PUBLICKEY_UNVERIFIED: i32 = -19;
const AGENT_PROTOCOL: i32 = -42;
const ALGO_UNSUPPORTED: i32 = -51;

/// How long a login may take to return after its socket was shut down, if no agent delays it.
const GRACE: Duration = Duration::from_millis(500);

/// Logs in as the user of the connection. libssh2 waits for an agent without a time limit, and a hardware key waits
/// until the user touches it, so a login that may use an agent runs in a thread that can be abandoned.
pub(super) fn log_in(
    connection: SshConnection,
    label: &NodeLabel,
    identities: &Identities,
    limits: &Limits,
    deadline: Instant,
) -> Result<SshConnection, Failure> {
    // Only an agent can block longer than the watchdog permits, because the watchdog shuts down only the socket to the
    // node.
    if identities.agent.is_none() {
        return authenticate(&connection, label, identities).map(|()| connection);
    }
    let (name, settings, keys) = (label.0.to_owned(), label.1.clone(), identities.clone());
    let work = move || authenticate(&connection, &NodeLabel(&name, &settings), &keys).map(|()| connection);
    let failed = || Failure::new(format!("could not log in to {label} as `{}`", label.1.user));
    // At the deadline the watchdog ends a login that waits for the node. If the login has not ended shortly afterwards,
    // it waits for the agent.
    let end = deadline.checked_add(GRACE).unwrap_or(deadline);
    run_detached(limits, end, work).map_err(|error| match error {
        DetachedError::Failed(cause) => failed().cause(cause).hint(ConnectProblem::NoThread.hint()),
        DetachedError::Interrupted(Interruption::Abort) => {
            let failure = failed().cause(describe_interruption(Interruption::Abort, limits.timeout));
            failure.hint(EarlyEnd::Interrupted.hint())
        }
        DetachedError::Interrupted(Interruption::Deadline) => {
            // Otherwise every other node would wait for the same agent until its own deadline.
            identities.mark_agent_unresponsive();
            let waited = limits.timeout.as_secs_f64();
            failed()
                .summary("the SSH agent did not respond in time")
                .cause(format!("the SSH agent did not respond within {waited} s"))
                .hint("unlock it, or touch its key; or set a key file with `ansible_ssh_private_key_file`")
        }
    })?
}

fn authenticate(connection: &SshConnection, label: &NodeLabel, identities: &Identities) -> Result<(), Failure> {
    let attempts_left = MAX_ATTEMPTS;
    let mut login =
        LoginAttempts { connection, label, identities, tried: Vec::new(), attempts_left, hints: Vec::new() };
    match login.run() {
        Ok(()) | Err(LoginEnd::LoggedIn) => Ok(()),
        Err(LoginEnd::ConnectionLost(cause)) => Err(login.failure(Some(cause))),
        Err(LoginEnd::Exhausted) => Err(login.failure(None)),
    }
}

/// The attempts to log in over one connection.
struct LoginAttempts<'a> {
    connection: &'a SshConnection,
    label: &'a NodeLabel<'a>,
    identities: &'a Identities,
    /// What was tried and the result, one line each.
    tried: Vec<String>,
    /// How many more failed attempts the server accepts.
    attempts_left: usize,
    hints: Vec<String>,
}

/// Why no further key or password is tried.
enum LoginEnd {
    /// An attempt was accepted.
    LoggedIn,
    /// Nothing is left to try.
    Exhausted,
    /// The connection is closed, for this reason.
    ConnectionLost(String),
}

/// Whether a password was sent.
enum PasswordAttempt {
    Sent,
    /// The server offers no method for it.
    NotOffered,
}

impl LoginAttempts<'_> {
    /// Ends early, with [`LoginEnd::LoggedIn`], as soon as an attempt is accepted.
    fn run(&mut self) -> Result<(), LoginEnd> {
        let Some(password) = &self.label.1.password else {
            self.keys()?;
            return Err(LoginEnd::Exhausted);
        };
        // Requesting the list of methods costs a round trip. The list is only needed to choose between the two methods
        // for a password.
        let methods = self.methods()?;
        if offers(&methods, "publickey") {
            // The last attempt is reserved for the password.
            self.attempts_left -= 1;
            self.keys()?;
            self.attempts_left += 1;
        }
        // A second attempt with the same password would count as another failed login.
        if let PasswordAttempt::Sent = self.password(password, &methods)? {
            return Err(LoginEnd::Exhausted);
        }
        // With `AuthenticationMethods publickey,password` the server offers the password only after it accepted a key.
        let methods = self.methods()?;
        if let PasswordAttempt::NotOffered = self.password(password, &methods)? {
            self.tried.push(format!("password: not sent, because the server only accepts {}", tidy(&methods)));
        }
        Err(LoginEnd::Exhausted)
    }

    /// Sends the password by one of the methods that are offered.
    fn password(&mut self, password: &Secret, methods: &str) -> Result<PasswordAttempt, LoginEnd> {
        let user = &self.label.1.user;
        if offers(methods, "password") {
            let result = self.connection.ssh.userauth_password(user, password.expose());
            self.record("password".to_owned(), result)?;
        } else if offers(methods, "keyboard-interactive") {
            let mut prompter = PasswordOnce(Some(password));
            let result = self.connection.ssh.userauth_keyboard_interactive(user, &mut prompter);
            self.record("password (keyboard-interactive)".to_owned(), result)?;
        } else {
            return Ok(PasswordAttempt::NotOffered);
        }
        Ok(PasswordAttempt::Sent)
    }

    fn keys(&mut self) -> Result<(), LoginEnd> {
        match &self.label.1.private_key_file {
            Some(path) => self.configured_key(path),
            None => self.default_keys(),
        }
    }

    fn methods(&self) -> Result<String, LoginEnd> {
        match self.connection.ssh.auth_methods(&self.label.1.user) {
            // libssh2 requests the list with the method `none`, and a server that requires no credential accepts this
            // as the login.
            Ok(_) if self.connection.ssh.authenticated() => Err(LoginEnd::LoggedIn),
            Ok(methods) => Ok(methods.to_owned()),
            Err(error) => Err(LoginEnd::ConnectionLost(self.connection.describe_error("login", &error.message()))),
        }
    }

    /// Tries the one key that the inventory names. If it cannot be used, nothing else is tried, because the inventory
    /// contains a mistake.
    fn configured_key(&mut self, path: &Path) -> Result<(), LoginEnd> {
        let key = self.identities.key(path);
        let reason = match &*key {
            KeyFile::Missing => "no such file",
            KeyFile::Unusable(reason) => reason,
            KeyFile::Plain(_) | KeyFile::Encrypted(_) => return self.file(path, &key),
        };
        self.tried.push(format!("key `{}`: {reason}", path.display()));
        self.hints.push("check `ansible_ssh_private_key_file`, or `--private-key`".to_owned());
        Err(LoginEnd::Exhausted)
    }

    /// Tries the keys of the agent, then the default key files.
    fn default_keys(&mut self) -> Result<(), LoginEnd> {
        self.agent(None)?;
        for path in &self.identities.files {
            let key = self.identities.key(path);
            // Most users have only some of the default files, so a missing one is not worth a line in the failure.
            if !matches!(*key, KeyFile::Missing) && self.attempts_left > 0 {
                self.file(path, &key)?;
            }
        }
        // With a password, the attempt that uses it explains the failure.
        if self.tried.is_empty() && self.label.1.password.is_none() {
            self.tried.push("no key: the SSH agent has none, and no default key file exists".to_owned());
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, key: &KeyFile) -> Result<(), LoginEnd> {
        let name = format!("key `{}`", path.display());
        match key {
            KeyFile::Missing => {}
            KeyFile::Unusable(reason) => self.tried.push(format!("{name}: {reason}")),
            KeyFile::Plain(text) => {
                let user = &self.label.1.user;
                let result = self.connection.ssh.userauth_pubkey_memory(user, None, text.expose(), None);
                self.record(name, result)?;
            }
            KeyFile::Encrypted(public) => {
                // Without a configured key file, the agent has offered all its keys already.
                if self.label.1.private_key_file.is_some() {
                    self.agent(public.as_deref())?;
                }
                self.tried.push(format!("{name}: it is protected by a passphrase"));
                self.hints.push(format!("add it to an SSH agent: `ssh-add {}`", path.display()));
            }
        }
        Ok(())
    }

    /// Tries the keys of the agent, or only the one with the public key `only`.
    fn agent(&mut self, only: Option<&[u8]>) -> Result<(), LoginEnd> {
        let Some(socket) = &self.identities.agent else { return Ok(()) };
        if self.identities.is_agent_unresponsive() {
            self.tried
                .push(format!("agent {}: skipped, because it did not respond for another node", socket.display()));
            return Ok(());
        }
        let failed = |error: ssh2::Error| format!("agent {}: {}", socket.display(), error.message());
        let opened = self.connection.ssh.agent().and_then(|mut agent| {
            agent.set_identity_path(socket)?;
            agent.connect()?;
            agent.list_identities()?;
            let keys = agent.identities()?;
            Ok((agent, keys))
        });
        let (agent, keys) = match opened {
            Ok(opened) => opened,
            // The error is about the agent and not about the server, so a key file may still be accepted.
            Err(error) => {
                self.tried.push(failed(error));
                return Ok(());
            }
        };
        for key in keys.iter().filter(|key| only.is_none_or(|only| only == key.blob())) {
            if self.attempts_left == 0 {
                let count = keys.len();
                self.tried.push(format!("the agent has {count} keys, and sshd only permits {MAX_ATTEMPTS} attempts"));
                self.hints.push("set the right key with `ansible_ssh_private_key_file`".to_owned());
                break;
            }
            let name = format!("agent key {} {}", tidy(key.comment()), fingerprint(key.blob()));
            // Each key that is offered counts as an attempt of sshd (`MaxAuthTries`), even if the server does not know
            // the key.
            self.record(name, agent.userauth(&self.label.1.user, key))?;
        }
        Ok(())
    }

    /// Ends the login if the attempt was accepted or the connection is lost; otherwise records why it failed.
    fn record(&mut self, attempt: String, result: Result<(), ssh2::Error>) -> Result<(), LoginEnd> {
        let error = match result {
            Ok(()) => return Err(LoginEnd::LoggedIn),
            Err(error) => error,
        };
        match error.code() {
            ErrorCode::Session(AUTHENTICATION_FAILED | PUBLICKEY_UNVERIFIED) => {
                self.tried.push(format!("{attempt}: refused"));
                self.attempts_left = self.attempts_left.saturating_sub(1);
                return Ok(());
            }
            // These errors concern the key or the password. The connection can still be used.
            ErrorCode::Session(PASSWORD_EXPIRED | FILE | METHOD_NONE | AGENT_PROTOCOL | ALGO_UNSUPPORTED)
                if self.connection.watch.interruption().is_none() =>
            {
                self.tried.push(format!("{attempt}: {}", error.message()));
                return Ok(());
            }
            _ => {}
        }
        let reason = format!("the server closed the connection ({})", error.message());
        Err(LoginEnd::ConnectionLost(self.connection.describe_error(&attempt, &reason)))
    }

    fn failure(&self, lost: Option<String>) -> Failure {
        let NodeLabel(_, settings) = self.label;
        let user = &settings.user;
        let mut failure = Failure::new(format!("could not log in to {} as `{user}`", self.label));
        failure = failure.summary(match (self.connection.watch.interruption(), &lost) {
            (Some(Interruption::Deadline), _) => format!("the login as `{user}` did not end in time"),
            (Some(Interruption::Abort), _) => "interrupted".to_owned(),
            (None, Some(_)) => format!("the server closed the connection during the login as `{user}`"),
            (None, None) => format!("the login as `{user}` was refused"),
        });
        for tried in self.tried.iter().chain(&lost) {
            failure = failure.cause(tried.clone());
        }
        let general = match (&settings.password, &settings.private_key_file) {
            (Some(_), _) => "check `ansible_user` and `ansible_password`",
            (None, Some(_)) => "check `ansible_user` and `ansible_ssh_private_key_file`",
            (None, None) => {
                "check `ansible_user`, and provide a key (SSH agent or `ansible_ssh_private_key_file`) or a password \
                 (`ansible_password` or `-k`)"
            }
        };
        match (self.hints.first(), self.connection.watch.interruption()) {
            // After a timeout or an abort the credentials were not necessarily wrong, so a hint about them would
            // mislead.
            (_, Some(_)) => failure.hint(self.connection.early_end().hint()),
            (Some(hint), None) => failure.hint(hint.clone()),
            (None, None) => failure.hint(general),
        }
    }
}

fn offers(methods: &str, method: &str) -> bool {
    methods.split(',').any(|one| one == method)
}

/// Responds to the first hidden prompt with the password, and to all others with an empty text.
struct PasswordOnce<'a>(Option<&'a Secret>);

impl KeyboardInteractivePrompt for PasswordOnce<'_> {
    fn prompt(&mut self, _user: &str, _instructions: &str, prompts: &[Prompt]) -> Vec<String> {
        let response = |prompt: &Prompt| match prompt.echo {
            // A prompt that shows its input is not for a password, so the password must not appear there.
            true => String::new(),
            // The server may prompt again after a wrong password. It then receives an empty text instead of the same
            // password.
            false => self.0.take().map(|password| password.expose().to_owned()).unwrap_or_default(),
        };
        prompts.iter().map(response).collect()
    }
}
