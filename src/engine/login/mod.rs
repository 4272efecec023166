//! `oregano login`: verifies one credential and merges it into a credential file of this machine. The file is read before the
//! first request is sent, and written only if the credential is verified.

mod file;
mod target;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::cluster::ClusterPurpose;
use crate::cluster::access::{self, Search};
use crate::desired::expiry::{self, WARN_DAYS};
use crate::desired::{Authority, Declaration, Desired, ImageChoice, Proxy, Registry, TestLogin, TlsPolicy};
use crate::dockerconfig::{Credential, has_stray_line_end};
use crate::engine::local_file::{self, HERE};
use crate::engine::schedule::{Begin, Cancel, Stop};
use crate::engine::trace;
use crate::event::{Command, Event, RegistryRow, Started, StepRow};
use crate::failure::Failure;
use crate::options::Environment;
use crate::plan::Action;
use crate::registry::{self, Clients, ProgressEvent};
use crate::report::Journal;
use crate::secret::Secret;

use file::LoginFile;
pub use target::Target;

/// The maximum size of a file with certificate authorities, in bytes.
const LARGEST: u64 = 16 << 20;

/// The arguments of a login.
#[derive(Debug, Clone)]
pub struct Request {
    /// What to log in to.
    pub target: Target,
    /// The user name. It contains no colon.
    pub user: String,
    /// Where the password comes from.
    pub password: Password,
    /// The `email` of the new entry. Without it an existing email is kept.
    pub email: Option<String>,
    /// The full name of the image that proves the credential. Without it only a login is made.
    pub image: Option<String>,
    /// Whether the registry's certificate must be verified.
    pub tls: TlsPolicy,
    /// A file with certificate authorities that are trusted in addition to those of the machine.
    pub ca_file: Option<PathBuf>,
    /// The file to write the entry to.
    pub file: PathBuf,
    /// The time limit for the registry and for the lock of the file.
    pub timeout: Duration,
    /// `--kubeconfig`.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub context: Option<String>,
    /// The environment variables that a login uses.
    pub environment: Environment,
}

/// Where the password of a login comes from.
#[derive(Debug, Clone)]
pub enum Password {
    /// The user entered it or passed it to the program.
    Given {
        /// It is not empty, and programs send it unchanged.
        password: Secret,
        /// Where the password came from, for hints.
        origin: &'static str,
    },
    /// The token of the kubeconfig, which is read later.
    Token,
}

/// Logs in. All events are recorded in `journal`.
///
/// # Errors
/// If the credential is incomplete. Then neither the file nor the registry was accessed.
pub fn login(request: &Request, cancel: &Cancel, journal: &Journal) -> Result<(), Failure> {
    let registry = registry(request)?;
    let credential = Credential { key: request.target.key.clone(), ..registry.credential() };
    let desired = Desired { registries: vec![registry], ..Desired::default() };
    if cancel.begin() == Begin::Never {
        return Ok(());
    }
    journal.record(Event::Started(Started { command: Command::Login, hosts: vec![HERE.to_owned()] }));
    let expiring = expiry::warnings(&desired.registries, Timestamp::now(), WARN_DAYS);
    let line_end = has_stray_line_end(credential.password.expose())
        .then(|| "the password ends with a line break, which is a part of it".to_owned());
    desired.risks().chain(expiring).chain(line_end).for_each(|message| journal.record(Event::Warning { message }));
    let variable = request.environment.docker_auth_config.as_ref();
    let file = LoginFile { credential: &credential, variable };
    // No lock is taken yet, because the requests to the registry may last long. The file is observed again under the
    // lock.
    let step = file.plan(&local_file::observe(&request.file)).step;
    let end = |row: StepRow| journal.record(Event::Step(row));
    // This is checked before the login, so that no password is sent if the result could not be saved.
    if let Action::Fail(_) = &step.action {
        end(StepRow::done(&step));
        return Ok(());
    }
    if !prove(request, &desired, cancel, journal)? {
        end(StepRow::not_done(&step));
        return Ok(());
    }
    end(local_file::replace(&request.file, request.timeout, cancel, &step, |fact| file.plan(fact)));
    Ok(())
}

/// The registry and the credential to verify.
fn registry(request: &Request) -> Result<Registry, Failure> {
    let (password, origin) = match &request.password {
        Password::Given { password, origin } => (password.clone(), (*origin).to_owned()),
        Password::Token => (token(request)?, "the kubeconfig".to_owned()),
    };
    Ok(Registry {
        host: request.target.name.clone(),
        user: request.user.clone(),
        password,
        identity_token: None,
        email: request.email.clone(),
        image: request.image.clone().unwrap_or_else(|| request.target.name.clone()),
        image_choice: ImageChoice::Given,
        // Unlike the inventory, the command line has no default test image, because a login may be for any registry.
        test_login: if request.image.is_some() { TestLogin::Inspect } else { TestLogin::LoginOnly },
        tls: request.tls,
        ca: request.ca_file.as_deref().map(authority).transpose()?.map(Arc::new),
        proxy: Proxy::Environment,
        auth_server: None,
        declaration: Declaration::CommandLine,
        origin,
    })
}

fn token(request: &Request) -> Result<Secret, Failure> {
    let (flag, variable) = (request.kubeconfig.as_deref(), request.environment.kubeconfig.as_deref());
    let search = Search { flag, variable, home: request.environment.home.as_deref(), ..Search::default() };
    let source = access::find(ClusterPurpose::Login, &search)?;
    access::token(&access::load(&source, request.context.as_deref())?)
}

/// The certificate authorities of a file.
fn authority(file: &Path) -> Result<Authority, Failure> {
    let file_name = file.display().to_string();
    let fault = |cause: &str| {
        Failure::new(format!("`{file_name}` has no usable certificate authority"))
            .cause(cause)
            .hint("set `--ca-file` to a file with certificates in PEM format")
    };
    // Opening a pipe would block until another process opens its other end.
    if std::fs::metadata(file).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(fault("it is not a regular file"));
    }
    let mut text = Vec::new();
    // One byte more than the limit is read, which shows whether the file is larger than the limit.
    let read = File::open(file).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut text));
    match read {
        Err(error) => Err(fault(&error.to_string())),
        Ok(length) if length as u64 > LARGEST => Err(fault(&format!("it is larger than {} MiB", LARGEST >> 20))),
        Ok(_) => Authority::from_pem(&file_name, &text).map_err(|why| fault(&format!("it {why}"))),
    }
}

/// Verifies the credential. Returns whether it may be saved; after a signal there is no verdict, so it may not be
/// saved.
fn prove(request: &Request, desired: &Desired, cancel: &Cancel, journal: &Journal) -> Result<bool, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::internal("there is no runtime").cause(error.to_string()))?;
    let (registries, redactor) = (&desired.registries, desired.redactor());
    let (clients, logins) = (Arc::new(Clients::new(request.environment.home.as_deref())), Arc::default());
    let on_event = |event: ProgressEvent<'_>| {
        if let ProgressEvent::Exchange(exchange) = event {
            journal.record(trace::http(exchange, None));
        }
        if let ProgressEvent::Warning(message) = event {
            journal.record(Event::Warning { message: message.to_owned() });
        }
    };
    let facts = runtime.block_on(async {
        tokio::select! {
            facts = registry::prove(&clients, &logins, registries, request.timeout, &redactor, on_event) => facts,
            // Nothing has been written yet, so already the first signal aborts the requests.
            () = cancel.reached(Stop::Gently) => Vec::new(),
        }
    });
    // Dropping the runtime would wait for a DNS lookup without a response.
    runtime.shutdown_background();
    // After a signal, `facts` is empty, so no row is recorded and the caller does not save the credential.
    for (registry, fact) in registries.iter().zip(&facts) {
        journal.record(Event::Registry(RegistryRow::new(registry, fact, None)));
    }
    Ok(facts.first().is_some_and(|fact| fact.verdict.permits_run()))
}
