//! A credential file of this machine: the format in which it is read, and its replacement under a lock. It decides no change.

use std::path::Path;
use std::time::Duration;

use crate::authfile;
use crate::dockerconfig::{self, Reader};
use crate::engine::schedule::{Cancel, Stop};
use crate::event::StepRow;
use crate::facts::{FileFact, FileState};
use crate::plan::{Action, Planned, Step};
use crate::secret::SecretBytes;

/// The name of this machine in events, as in Ansible.
pub(super) const HERE: &str = "localhost";

/// The file name of the legacy format. It determines the format of a file without entries.
const LEGACY: &str = ".dockercfg";

/// The current state of the file.
pub(super) fn observe(path: &Path) -> FileFact {
    fact(path, authfile::observe(path))
}

fn fact(path: &Path, state: FileState) -> FileFact {
    FileFact { path: path.display().to_string(), aliases: Vec::new(), state }
}

/// The content of the file, if it exists and can be used.
pub(super) fn content(fact: &FileFact) -> Option<&[u8]> {
    match &fact.state {
        FileState::Present { content, .. } => Some(content.expose()),
        FileState::Absent | FileState::Unusable(_) => None,
    }
}

/// The format of the file: by its entries, else by its name.
pub(super) fn reader(fact: &FileFact) -> Reader {
    content(fact).and_then(dockerconfig::written_for).unwrap_or_else(|| {
        let is_legacy = Path::new(&fact.path).file_name().is_some_and(|name| name == LEGACY);
        if is_legacy { Reader::Legacy } else { Reader::Node }
    })
}

/// Observes the file again under its lock, plans its change with `plan`, and replaces it; returns the result. `planned` is
/// the step that was planned without the lock. `timeout` limits the wait for the lock.
pub(super) fn replace(
    path: &Path,
    timeout: Duration,
    cancel: &Cancel,
    planned: &Step,
    plan: impl Fn(&FileFact) -> Planned<SecretBytes>,
) -> StepRow {
    let stopped = || cancel.level() > Stop::No;
    let held = match authfile::hold(path, timeout, stopped) {
        Ok(held) => held,
        // The wait for the lock also ends after a signal, which is not a failure of the file.
        Err(_) if stopped() => return StepRow::not_done(planned),
        Err(failure) => return StepRow::failed(planned, failure),
    };
    let fact = fact(path, held.observe());
    let Planned { mut step, content } = plan(&fact);
    step.notes.extend(held.unlocked());
    let written = match (&step.action, content) {
        (Action::Fail(failure), _) => Err(failure.clone()),
        (_, Some(new)) => held.replace(&fact.state, &new),
        (_, None) => Ok(()),
    };
    match written {
        Ok(()) => StepRow::done(&step),
        Err(failure) => StepRow::failed(&step, failure),
    }
}
