//! `oregano logout`: removes the entry of one registry from a credential file of this machine. It contacts no registry and
//! runs no credential helper.

use std::path::PathBuf;
use std::time::Duration;

use crate::dockerconfig::{self, is_of, mask, mask_user, more_specific};
use crate::engine::local_file::{self, HERE};
use crate::engine::schedule::{Begin, Cancel};
use crate::event::{Command, Event, Started, StepRow};
use crate::facts::FileFact;
use crate::lookup::{DOCKER_AUTH_CONFIG, variable_user};
use crate::plan::{self, Action, Change, LeftEntries, PlanRequest, Planned, Prune, Step, WantedEntries};
use crate::report::Journal;
use crate::secret::{Secret, SecretBytes};

/// The maximum number of keys that a note lists.
const MAX_LISTED: usize = 10;

/// The arguments of a logout.
#[derive(Debug, Clone)]
pub struct Request {
    /// The registry as in image names (`host[:port][/path]`), or any other key of the file.
    pub registry: String,
    /// The file.
    pub file: PathBuf,
    /// The time limit for the lock of the file.
    pub timeout: Duration,
    /// `DOCKER_AUTH_CONFIG`.
    pub variable: Option<Secret>,
}

/// Logs out. All events are recorded in `journal`. A file without the entry is not changed, which is not a failure.
pub fn logout(request: &Request, cancel: &Cancel, journal: &Journal) {
    if cancel.begin() == Begin::Never {
        return;
    }
    journal.record(Event::Started(Started { command: Command::Logout, hosts: vec![HERE.to_owned()] }));
    let step = plan(request, &local_file::observe(&request.file)).step;
    // The lock is taken only if there is something to remove, because taking it creates the directory.
    let row = match step.action {
        Action::Create | Action::Update | Action::Recreate | Action::Delete => {
            local_file::replace(&request.file, request.timeout, cancel, &step, |fact| plan(request, fact))
        }
        Action::Unchanged | Action::Prove | Action::Fail(_) => StepRow::done(&step),
    };
    journal.record(Event::Step(row));
}

fn plan(request: &Request, fact: &FileFact) -> Planned<SecretBytes> {
    let reader = local_file::reader(fact);
    let wanted = WantedEntries { credentials: &[], retired: std::slice::from_ref(&request.registry) };
    let removal = PlanRequest { prune: Prune::Remove, ..PlanRequest::default() };
    let mut planned = plan::file(HERE, fact, wanted, reader, &removal);
    let is_removed = planned.step.changes.iter().any(|change| matches!(change, Change::Key(_)));
    if planned.step.action == Action::Update && !is_removed {
        // A file without the entry is not written only because of its permission bits.
        planned = Planned { step: Step::new(planned.step.target, Action::Unchanged), content: None };
    }
    // These are about new entries, and about an inventory.
    planned.step.notes.clear();
    planned.step.left = LeftEntries::default();
    let is_absent = planned.step.action == Action::Unchanged;
    planned
        .step
        .notes
        .extend(is_absent.then(|| not_logged_in(request, fact)).into_iter().chain(left_notes(request, fact)));
    planned
}

/// The note that there is nothing to remove, with the keys that the file has.
fn not_logged_in(request: &Request, fact: &FileFact) -> String {
    let registry = shown(&request.registry);
    let Some(content) = local_file::content(fact) else { return "the file does not exist".to_owned() };
    let entries = dockerconfig::read(content).map(|file| file.entries).unwrap_or_default();
    let mut keys: Vec<String> = entries.iter().take(MAX_LISTED).map(|entry| shown(&entry.key)).collect();
    if entries.len() > MAX_LISTED {
        keys.push(format!("{} more", entries.len() - MAX_LISTED));
    }
    match keys.join(", ") {
        none if none.is_empty() => "the file has no entries".to_owned(),
        keys => format!("there is no entry for {registry}, but there are {keys}"),
    }
}

/// Notes about other credentials for the registry.
fn left_notes(request: &Request, fact: &FileFact) -> Vec<String> {
    let (registry, name) = (shown(&request.registry), &request.registry);
    let mut notes = Vec::new();
    if let Some(file) = local_file::content(fact).and_then(|content| dockerconfig::read(content).ok()) {
        let keys = more_specific(file.entries.iter().map(|entry| entry.key.as_str()), name);
        let keys: Vec<String> = keys.into_iter().filter(|key| !is_of(key, name)).map(shown).collect();
        if !keys.is_empty() {
            notes.push(format!("{} is kept, because it is an entry of its own", keys.join(", ")));
        }
        let of_host = file.cred_helpers.iter().find(|(host, helper)| is_of(host, name) && !helper.is_empty());
        if let Some(helper) = of_host.map(|(_, helper)| helper).or(file.creds_store.as_ref()) {
            notes.push(format!(
                "`docker-credential-{}` may have a credential for {registry}: `docker logout` or `podman logout` removes it there",
                helper.escape_debug()
            ));
        }
    }
    let host = name.split('/').next().unwrap_or_default();
    if let Some(user) = request.variable.as_ref().and_then(|variable| variable_user(variable, host)) {
        notes.push(format!(
            "`{DOCKER_AUTH_CONFIG}` still has an entry for `{}`, with the user `{}`, which docker 28.3 and later use",
            mask(host).escape_debug(),
            mask_user(&user).escape_debug()
        ));
    }
    notes
}

fn shown(key: &str) -> String {
    format!("`{}`", mask(key).escape_debug())
}
