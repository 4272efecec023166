//! `oregano login`: proves one credential and merges it into an auth file of this machine. The file is looked at
//! before the registry is asked, and written only after that.

mod target;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::authfile::{self, Held};
use crate::cluster::{ClusterPurpose, access};
use crate::desired::expiry::{self, WARN_DAYS};
use crate::desired::{Authority, Declaration, Desired, ImageChoice, Proxy, Registry, TestLogin, TlsPolicy};
use crate::dockerconfig::{self, Credential, HUB, HUB_KEY, Reader, mask};
use crate::event::{Command, Event, RegistryRow, Started, StepRow};
use crate::facts::{FileFact, FileState};
use crate::failure::Failure;
use crate::options::Environment;
use crate::plan::{self, Action, Planned, Step};
use crate::registry::{self, Clients, ProgressEvent};
use crate::report::Journal;
use crate::schedule::{Cancel, Stop};
use crate::secret::Secret;

pub use target::Target;

/// The one host of a login.
const HERE: &str = "localhost";

/// The name of the legacy format, which tells what a file without entries is.
const LEGACY: &str = ".dockercfg";

/// The largest file with authorities that is read, in bytes.
const LARGEST: u64 = 16 << 20;

/// A login as it was asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// What to log in to.
    pub target: Target,
    /// The user name; holds no colon.
    pub user: String,
    /// Where the password comes from.
    pub password: Password,
    /// `email` of the new entry; without it one that is there stays.
    pub email: Option<String>,
    /// The image in full that proves the credential; without it the login alone does.
    pub image: Option<String>,
    /// How far the registry's TLS is trusted.
    pub tls: TlsPolicy,
    /// A file with authorities that are trusted besides those of the machine.
    pub ca_file: Option<PathBuf>,
    /// The file that gets the entry.
    pub file: PathBuf,
    /// For the registry, and for the lock of the file.
    pub timeout: Duration,
    /// `--kubeconfig`.
    pub kubeconfig: Option<PathBuf>,
    /// What the login takes from the environment.
    pub environment: Environment,
}

/// Where the password of a login comes from.
#[derive(Debug, Clone)]
pub enum Password {
    /// It was given.
    Given {
        /// Neither empty nor with control characters.
        password: Secret,
        /// By which way, for hints.
        origin: &'static str,
    },
    /// It is the token of the kubeconfig, which is not read yet.
    Token,
}

/// Logs in. What happens is written down in `journal`.
///
/// # Errors
/// If the credential cannot be put together, so that nothing was looked at.
pub fn login(request: &Request, cancel: &Cancel, journal: &Journal) -> Result<(), Failure> {
    let registry = registry(request)?;
    let credential = Credential { key: request.target.key.clone(), ..registry.credential() };
    let desired = Desired { registries: vec![registry], ..Desired::default() };
    cancel.begin();
    journal.record(Event::Started(Started { command: Command::Login, hosts: vec![HERE.to_owned()] }));
    let expiring = expiry::warnings(&desired.registries, Timestamp::now(), WARN_DAYS);
    desired.risks().chain(expiring).for_each(|message| journal.record(Event::Warning { message }));
    let file = SavedLogin { path: &request.file, credential: &credential };
    let (Planned { step, .. }, _) = file.plan(authfile::observe(&request.file));
    let end = |row: StepRow| journal.record(Event::Step(row));
    if let Action::Fail(_) = &step.action {
        end(StepRow::done(&step));
        return Ok(());
    }
    if !prove(request, &desired, cancel, journal)? {
        end(StepRow::not_done(&step));
        return Ok(());
    }
    let stopped = || cancel.level() > Stop::No;
    match authfile::hold(&request.file, request.timeout, stopped) {
        Ok(held) => {
            let (step, written) = file.write(&held);
            end(match written {
                Ok(()) => StepRow::done(&step),
                Err(failure) => StepRow::failed(&step, failure),
            });
        }
        Err(_) if stopped() => end(StepRow::not_done(&step)),
        Err(failure) => end(StepRow::failed(&step, failure)),
    }
    Ok(())
}

/// What is to be proved.
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
    let source = access::find(ClusterPurpose::Login, flag, variable, request.environment.home.as_deref())?;
    access::token(&access::load(&source)?)
}

/// The certificates of a file, and nothing else that it may hold.
fn authority(file: &Path) -> Result<Authority, Failure> {
    let file_name = file.display().to_string();
    let fault = |cause: &str| {
        Failure::new(format!("`{file_name}` holds no certificate authority that can be used"))
            .cause(cause)
            .hint("give a file with certificates in PEM as `--ca-file`")
    };
    // Opening a pipe would wait for its other end.
    if std::fs::metadata(file).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(fault("it is not a regular file"));
    }
    let mut text = Vec::new();
    let read = File::open(file).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut text));
    match read {
        Err(error) => Err(fault(&error.to_string())),
        Ok(length) if length as u64 > LARGEST => Err(fault(&format!("it is larger than {} MiB", LARGEST >> 20))),
        Ok(_) => Authority::from_pem(&file_name, &text).map_err(|why| fault(&format!("it {why}"))),
    }
}

/// Asks the registry; says whether the credential may be saved. No verdict, after a signal, is no.
fn prove(request: &Request, desired: &Desired, cancel: &Cancel, journal: &Journal) -> Result<bool, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::internal("there is no runtime").cause(error.to_string()))?;
    let (registries, redactor) = (&desired.registries, desired.redactor());
    let (clients, logins) = (Arc::new(Clients::new(request.environment.home.as_deref())), Arc::default());
    let on_event = |event: ProgressEvent<'_>| {
        if let ProgressEvent::Warning(message) = event {
            journal.record(Event::Warning { message: message.to_owned() });
        }
    };
    let facts = runtime.block_on(async {
        tokio::select! {
            facts = registry::prove(&clients, &logins, registries, request.timeout, &redactor, on_event) => facts,
            () = cancel.reached(Stop::Gently) => Vec::new(),
        }
    });
    // A resolver that does not answer would hold the end back.
    runtime.shutdown_background();
    for (registry, fact) in registries.iter().zip(&facts) {
        journal.record(Event::Registry(RegistryRow::new(registry, fact, None)));
    }
    Ok(facts.first().is_some_and(|fact| fact.verdict.permits_run()))
}

/// The file and what it must hold.
struct SavedLogin<'a> {
    path: &'a Path,
    credential: &'a Credential,
}

impl SavedLogin<'_> {
    /// What happens to the file as it was found, and what was found.
    fn plan(&self, state: FileState) -> (Planned, FileFact) {
        let fact = FileFact { path: self.path.display().to_string(), aliases: Vec::new(), state };
        let mut planned = plan::file(HERE, &fact, slice::from_ref(self.credential), self.reader(&fact));
        planned.step.notes.extend(self.overridden(&fact).into_iter().chain(self.of_docker()));
        (planned, fact)
    }

    /// Observes the file again under its lock, and replaces it.
    fn write(&self, held: &Held) -> (Step, Result<(), Failure>) {
        let (Planned { mut step, content }, fact) = self.plan(held.observe());
        step.notes.extend(held.unlocked());
        let written = match (&step.action, content) {
            (Action::Fail(failure), _) => Err(failure.clone()),
            (_, Some(new)) => held.replace(&fact.state, &new),
            (_, None) => Ok(()),
        };
        (step, written)
    }

    /// The format of the file: what its entries tell, else its name.
    fn reader(&self, fact: &FileFact) -> Reader {
        content(fact).and_then(dockerconfig::written_for).unwrap_or_else(|| {
            if self.path.file_name().is_some_and(|name| name == LEGACY) { Reader::Legacy } else { Reader::Node }
        })
    }

    /// What docker makes of a key with a path (`ConvertToHostname` of docker/cli); the other readers take it as it is.
    fn of_docker(&self) -> Option<String> {
        let key = &self.credential.key;
        let (host, _) = key.split_once('/').filter(|_| key != HUB_KEY)?;
        Some(match host {
            HUB => format!("docker knows no paths, and looks for `{HUB_KEY}` alone"),
            _ => format!("docker knows no paths: it takes the entry for all of `{host}`, unless that has its own"),
        })
    }

    /// Entries that are preferred to the new one for a part of its images.
    fn overridden(&self, fact: &FileFact) -> Option<String> {
        let file = dockerconfig::read(content(fact)?).ok()?;
        let keys = file.entries.iter().map(|entry| entry.key.as_str());
        let keys: Vec<String> = dockerconfig::more_specific(keys, &self.credential.key)
            .into_iter()
            .map(|key| format!("`{}`", mask(key).escape_debug()))
            .collect();
        let message = "stays, and podman, skopeo and CRI-O prefer it to the new entry for the images below it";
        (!keys.is_empty()).then(|| format!("{} {message}", keys.join(", ")))
    }
}

fn content(fact: &FileFact) -> Option<&[u8]> {
    match &fact.state {
        FileState::Present { content, .. } => Some(content.expose()),
        FileState::Absent | FileState::Unusable(_) => None,
    }
}
