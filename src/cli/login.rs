//! The arguments of `oregano login`. A password is never one of them, because arguments appear in the process list and
//! in the history of the shell.

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use oregano::desired::TlsPolicy;
use oregano::dockerconfig::{password_fault, without_line_end};
use oregano::engine::login::{Password, Request, Target};
use oregano::inventory::Problem;
use oregano::options::Environment;
use oregano::secret::{PASSWORD_VARIABLE, Secret};
use zeroize::Zeroizing;

use super::credential_file;
use super::run::Confirmation;
use super::{MAX_TIMEOUT, TIMEOUT, usage_error};

/// The hint if there is no terminal to prompt on.
const NO_TERMINAL: &str = "pipe the password in with `--password-stdin`, or set OREGANO_PASSWORD";

/// The user name for a token. Any name is accepted; `oc registry login` writes this one.
const TOKEN_USER: &str = "user";

/// The arguments of `login`.
#[derive(Debug, Args)]
pub struct LoginArguments {
    /// The registry, or a repository path in it: host[:port][/path]
    #[arg(value_name = "REGISTRY")]
    registry: String,
    /// The user name; by default it is prompted for; with --kubeconfig-token any name is accepted
    #[arg(short, long, value_name = "USER")]
    username: Option<String>,
    /// Read the password from standard input; one line break at its end is removed
    #[arg(long)]
    password_stdin: bool,
    /// Use the token of the kubeconfig as the password, for the integrated registry of OpenShift
    #[arg(long, conflicts_with = "password_stdin")]
    kubeconfig_token: bool,
    /// The kubeconfig; default: KUBECONFIG (a list), ~/.kube/config, or the service account of the pod
    #[arg(long, value_name = "FILE", requires = "kubeconfig_token")]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig; default: its current context
    #[arg(long, value_name = "NAME", requires = "kubeconfig_token")]
    context: Option<String>,
    /// The file to save the credential in: config.json, auth.json, a pull secret, or .dockercfg
    #[arg(long, value_name = "FILE", alias = "authfile")]
    to: Option<PathBuf>,
    /// The `email` of the entry; by default an existing one is kept
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Also verify the credential by inspecting this image: a complete name, or a path below REGISTRY
    #[arg(long, value_name = "IMAGE")]
    test_image: Option<String>,
    /// `false`: do not verify certificates, and use HTTP if the port does not speak TLS
    #[arg(long, value_name = "BOOL", default_value = "true", action = clap::ArgAction::Set, num_args = 0..=1,
        require_equals = true, default_missing_value = "true")]
    tls_verify: bool,
    /// The same as --tls-verify=false
    #[arg(long, conflicts_with = "tls_verify", alias = "insecure-skip-tls-verify")]
    insecure: bool,
    /// Trust these certificate authorities (PEM), in addition to those of this machine
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Time limit in seconds for the registry, and for the lock of the file
    #[arg(short = 'T', long, value_name = "SECONDS", default_value_t = TIMEOUT,
        value_parser = clap::value_parser!(u64).range(1..=MAX_TIMEOUT))]
    timeout: u64,
    #[command(flatten)]
    confirmation: Confirmation,
    /// Only exists to reject it with an explanation.
    #[arg(short, long, hide = true, num_args = 0..=1, allow_hyphen_values = true, value_parser = discard,
        aliases = ["auth-basic", "creds"])]
    password: Option<Option<DiscardedPassword>>,
}

/// A password among the arguments, which is not stored.
#[derive(Debug, Clone, Copy)]
struct DiscardedPassword;

fn discard(_: &str) -> Result<DiscardedPassword, Infallible> {
    Ok(DiscardedPassword)
}

/// Why the arguments cannot be used.
pub enum Refusal {
    /// The command line is not valid.
    Usage(Box<clap::Error>),
    /// There is no password, or it is not valid.
    Problem(Problem),
}

/// The input for what the arguments leave open.
pub struct Console<'a> {
    /// Reads the standard input to its end.
    pub input: &'a dyn Fn() -> Result<String, Problem>,
    /// Reads a line from the terminal, after a prompt; `None` if there is no terminal.
    pub line: &'a dyn Fn(&str) -> Option<Result<String, Problem>>,
    /// Reads a secret from the terminal, after a prompt.
    pub secret: &'a dyn Fn(&str) -> Result<String, Problem>,
}

impl LoginArguments {
    /// The login request. `var` reads a variable of the environment.
    ///
    /// # Errors
    /// If the arguments or the password cannot be used.
    pub fn request(
        self,
        environment: Environment,
        var: impl Fn(&str) -> Option<OsString>,
        console: &Console<'_>,
    ) -> Result<Request, Refusal> {
        if self.password.is_some() {
            return Err(usage(
                "a password is not accepted as an argument: it would appear in the process list and in the shell's history\n\
                 hint: pipe it in with --password-stdin, set OREGANO_PASSWORD, or type it at the prompt",
            ));
        }
        let target = Target::parse(&self.registry);
        let target = target.map_err(|fault| usage(&format!("REGISTRY is not host[:port][/path]: {fault}")))?;
        let image = self.test_image.as_deref().map(|image| target.image(image)).transpose();
        let image = image.map_err(|fault| usage(&format!("--test-image cannot be used: {fault}")))?;
        let user = self.user(console)?;
        check("--username", &user)?;
        // `auth` is split at the first colon, so a part of the user name would become a part of the password.
        if user.contains(':') {
            return Err(usage(
                "--username contains a colon, which ends a user name: the part after it may be a password",
            ));
        }
        self.email.iter().try_for_each(|email| check("--email", email))?;
        let home = environment.home.clone();
        let file = credential_file::path(self.to.clone(), &environment, &var);
        let file = file.ok_or_else(|| usage("there is no home directory: specify the file with --to FILE"))?;
        // The password is read last, so that invalid arguments are reported before the user types it.
        let password = match (self.password_stdin, self.kubeconfig_token, var(PASSWORD_VARIABLE)) {
            // The order of these sources is the one that the help of `login` documents.
            (true, ..) => {
                let text = (console.input)().map(Zeroizing::new);
                given(text.map(|text| without_line_end(&text).to_owned()), "standard input")?
            }
            (_, true, _) => Password::Token,
            // An empty variable is an error and not a missing one, because a prompt would make a script wait for input.
            (.., Some(text)) if text.is_empty() => return Err(Refusal::Problem(empty())),
            (.., Some(text)) => given(text.into_string().map_err(|_| not_text()), "`OREGANO_PASSWORD`")?,
            (.., None) => {
                let typed = (console.secret)(&format!("Password of `{user}` for `{}`: ", target.name));
                given(typed.map_err(|problem| problem.hint(NO_TERMINAL)), "the terminal")?
            }
        };
        Ok(Request {
            target,
            user,
            password,
            email: self.email,
            image,
            tls: if self.tls_verify && !self.insecure { TlsPolicy::Verify } else { TlsPolicy::Insecure },
            ca_file: self.ca_file.map(|path| credential_file::expand(path, home.as_deref())),
            file,
            timeout: Duration::from_secs(self.timeout),
            kubeconfig: self.kubeconfig,
            context: self.context,
            environment,
        })
    }

    /// The user name. It is prompted for, unless standard input provides the password.
    fn user(&self, console: &Console<'_>) -> Result<String, Refusal> {
        // A pipe with the password must not be read for the user name, because the password would be shown as the user.
        let prompted = || if self.password_stdin { None } else { (console.line)("Username: ") };
        match (&self.username, self.kubeconfig_token) {
            (Some(user), _) => Ok(user.clone()),
            (None, true) => Ok(TOKEN_USER.to_owned()),
            (None, false) => {
                let missing = || usage("--username <USER> is required: there is no terminal to prompt on");
                prompted().ok_or_else(missing)?.map_err(Refusal::Problem)
            }
        }
    }
}

fn given(text: Result<String, Problem>, origin: &'static str) -> Result<Password, Refusal> {
    let password = Secret::new(text.map_err(Refusal::Problem)?);
    match password_fault(password.expose()) {
        None => Ok(Password::Given { password, origin }),
        Some(fault) => Err(Refusal::Problem(Problem::new(format!("the password from {origin} {fault}")))),
    }
}

fn empty() -> Problem {
    Problem::new(format!("`{PASSWORD_VARIABLE}` is empty")).hint("set it to the password, or unset it to be prompted")
}

fn not_text() -> Problem {
    Problem::new(format!("`{PASSWORD_VARIABLE}` is not UTF-8"))
}

fn check(option: &str, text: &str) -> Result<(), Refusal> {
    match text {
        "" => Err(usage(&format!("{option} is empty"))),
        _ if text.contains(char::is_control) => Err(usage(&format!("{option} contains a control character"))),
        _ => Ok(()),
    }
}

fn usage(message: &str) -> Refusal {
    Refusal::Usage(Box::new(usage_error("login", message)))
}
