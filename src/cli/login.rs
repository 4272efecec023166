//! The arguments of `oregano login`. A password is never one of them: arguments stand in the process list and in the
//! shell's history.

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _};
use oregano::desired::TlsPolicy;
use oregano::inventory::Problem;
use oregano::inventory::load;
use oregano::login::{Password, Request, Target};
use oregano::options::Environment;
use oregano::secret::{PASSWORD_VARIABLE, Secret};

use super::{Cli, Global, MAX_TIMEOUT, TIMEOUT};

/// What to do where nobody can be asked.
const NO_TERMINAL: &str = "pipe the password in with `--password-stdin`, or set OREGANO_PASSWORD";

/// The user of a token, for which any name does: what `oc registry login` writes.
const TOKEN_USER: &str = "user";

/// The arguments of `login`.
#[derive(Debug, Args)]
pub struct Login {
    /// The registry, or a part of one: host[:port][/path]
    #[arg(value_name = "REGISTRY")]
    registry: String,
    /// The user; with --kubeconfig-token any will do, else the terminal is asked for it
    #[arg(short, long, value_name = "USER")]
    username: Option<String>,
    /// Read the password from standard input; one line end behind it does not count
    #[arg(long)]
    password_stdin: bool,
    /// Take the token of the kubeconfig's current context: the integrated registry of OpenShift wants it
    #[arg(long, conflicts_with = "password_stdin")]
    kubeconfig_token: bool,
    /// The kubeconfig; else KUBECONFIG (a list), ~/.kube/config, or the service account of the pod
    #[arg(long, value_name = "FILE", requires = "kubeconfig_token")]
    kubeconfig: Option<PathBuf>,
    /// The file that gets the credential: config.json, auth.json, a pull secret, or .dockercfg
    #[arg(long, value_name = "FILE", alias = "authfile")]
    to: Option<PathBuf>,
    /// The `email` of the entry; without it one that is there stays
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Prove the credential by inspecting this image, too: in full, or below REGISTRY
    #[arg(long, value_name = "IMAGE")]
    test_image: Option<String>,
    /// `false`: HTTPS without verification, and HTTP where the port does not speak TLS
    #[arg(long, value_name = "BOOL", default_value = "true", action = clap::ArgAction::Set)]
    tls_verify: bool,
    /// Certificates, in PEM, of authorities to trust besides those of this machine
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Seconds for the registry, and for the lock of the file
    #[arg(short = 'T', long, value_name = "SECONDS", default_value_t = TIMEOUT,
        value_parser = clap::value_parser!(u64).range(1..=MAX_TIMEOUT))]
    timeout: u64,
    /// Only there to say that there is no such thing.
    #[arg(short, long, hide = true, num_args = 0..=1, allow_hyphen_values = true, value_parser = forget,
        aliases = ["auth-basic", "creds"])]
    password: Option<Option<Forgotten>>,
}

/// A password that stood among the arguments.
#[derive(Debug, Clone, Copy)]
struct Forgotten;

fn forget(_: &str) -> Result<Forgotten, Infallible> {
    Ok(Forgotten)
}

/// Why there is nothing to do.
pub enum Refusal {
    /// The command line cannot be understood.
    Usage(Box<clap::Error>),
    /// The password cannot be had, or cannot be one.
    Problem(Problem),
}

/// Who answers what the arguments leave open.
pub struct Console<'a> {
    /// The standard input to its end.
    pub input: &'a dyn Fn() -> Result<String, Problem>,
    /// A line of the terminal, after a prompt; `None` where nobody sits at one.
    pub line: &'a dyn Fn(&str) -> Option<Result<String, Problem>>,
    /// A secret from the terminal, after a prompt.
    pub secret: &'a dyn Fn(&str) -> Result<String, Problem>,
}

impl Login {
    /// What is asked for. `var` reads a variable of the environment.
    ///
    /// # Errors
    /// If the arguments cannot be used, or there is no password that can.
    pub fn request(
        self,
        global: &Global,
        environment: Environment,
        var: impl Fn(&str) -> Option<OsString>,
        console: &Console<'_>,
    ) -> Result<Request, Refusal> {
        if let Some(option) = global.of_inventory() {
            return Err(usage(&format!("{option} is of no use to a login, which reads no inventory")));
        }
        if self.password.is_some() {
            return Err(usage(
                "a password is not taken as an argument: it would stand in the process list and in the shell's history\n\
                 hint: pipe it in with --password-stdin, set OREGANO_PASSWORD, or type it when you are asked",
            ));
        }
        let target = Target::parse(&self.registry);
        let target = target.map_err(|fault| usage(&format!("REGISTRY is not host[:port][/path]: {fault}")))?;
        let image = self.test_image.as_deref().map(|image| target.image(image)).transpose();
        let image = image.map_err(|fault| usage(&format!("--test-image cannot be used: {fault}")))?;
        let user = self.user(console)?;
        check("--username", &user)?;
        if user.contains(':') {
            return Err(usage(
                "--username has a colon, which ends the user name: what stands behind it may be a password",
            ));
        }
        self.email.iter().try_for_each(|email| check("--email", email))?;
        // The shell has replaced variables already, but leaves a `~` behind an `=`.
        let home = environment.home.clone();
        let expand = |path: PathBuf| match path.to_str() {
            Some(text) => load::expand_with(text, &|_| None, home.as_deref()),
            None => path,
        };
        let path = |name: &str| var(name).filter(|value| !value.is_empty());
        let named = self.to.clone().or_else(|| path("REGISTRY_AUTH_FILE").map(PathBuf::from)).map(&expand);
        let file = named.or_else(|| docker_file(home.as_deref(), path));
        let file = file.ok_or_else(|| usage("there is no home folder: name the file with --to FILE"))?;
        let password = match (self.password_stdin, self.kubeconfig_token, var(PASSWORD_VARIABLE)) {
            (true, ..) => given(without_line_end((console.input)()), "standard input")?,
            (_, true, _) => Password::Token,
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
            tls: if self.tls_verify { TlsPolicy::Verify } else { TlsPolicy::Insecure },
            ca_file: self.ca_file.map(expand),
            file,
            timeout: Duration::from_secs(self.timeout),
            kubeconfig: self.kubeconfig,
            environment,
        })
    }

    /// The user, who is asked for where standard input is not the password.
    fn user(&self, console: &Console<'_>) -> Result<String, Refusal> {
        let asked = || if self.password_stdin { None } else { (console.line)("Username: ") };
        match (&self.username, self.kubeconfig_token) {
            (Some(user), _) => Ok(user.clone()),
            (None, true) => Ok(TOKEN_USER.to_owned()),
            (None, false) => {
                let missing = || usage("--username <USER> is needed: there is no terminal to ask for it on");
                asked().ok_or_else(missing)?.map_err(Refusal::Problem)
            }
        }
    }
}

/// The file that docker takes; none without a home folder.
fn docker_file(home: Option<&Path>, var: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = var("DOCKER_CONFIG").map(PathBuf::from).or_else(|| Some(home?.join(".docker")))?;
    Some(folder.join("config.json"))
}

/// One line end goes, as with docker: it is `echo`'s.
fn without_line_end(text: Result<String, Problem>) -> Result<String, Problem> {
    let mut text = text?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

fn given(text: Result<String, Problem>, origin: &'static str) -> Result<Password, Refusal> {
    let password = Secret::new(text.map_err(Refusal::Problem)?);
    let fault = match password.expose() {
        "" => "is empty",
        text if text.contains(char::is_control) => "has a line end or another control character",
        _ => return Ok(Password::Given { password, origin }),
    };
    Err(Refusal::Problem(Problem::new(format!("the password from {origin} {fault}"))))
}

fn empty() -> Problem {
    Problem::new(format!("`{PASSWORD_VARIABLE}` is empty")).hint("set it to the password, or unset it to be asked")
}

fn not_text() -> Problem {
    Problem::new(format!("`{PASSWORD_VARIABLE}` is not UTF-8"))
}

fn check(option: &str, text: &str) -> Result<(), Refusal> {
    match text {
        "" => Err(usage(&format!("{option} is empty"))),
        _ if text.contains(char::is_control) => Err(usage(&format!("{option} has a control character"))),
        _ => Ok(()),
    }
}

fn usage(message: &str) -> Refusal {
    let kind = ErrorKind::ValueValidation;
    let mut cli = Cli::command();
    cli.build();
    let error = cli.find_subcommand_mut("login").map(|login| login.error(kind, message));
    Refusal::Usage(Box::new(error.unwrap_or_else(|| Cli::command().error(kind, message))))
}
