//! The rule for a `config.json` or `.dockercfg`: merge the entries, and remove the permission bits of group and others.

use super::entries::{self, PlannedEntries};
use super::{
    Action, Change, Diff, FileTarget, ModeChange, ModeDiff, PlanRequest, Planned, Step, Target, WantedEntries,
    format_mode,
};
use crate::dockerconfig::{ParseError, Reader};
use crate::facts::{FileFact, FileState};
use crate::failure::Failure;
use crate::secret::SecretBytes;

/// The permission bits that a file with passwords may have: those of its owner.
const OWNER_BITS: u32 = 0o700;

/// The mode of a new file.
const NEW_FILE: u32 = 0o600;

/// The planned change of one file of `host`.
pub fn file(
    host: &str,
    fact: &FileFact,
    wanted: WantedEntries<'_>,
    reader: Reader,
    request: &PlanRequest,
) -> Planned<SecretBytes> {
    let target = FileTarget { host: host.to_owned(), path: fact.path.clone(), aliases: fact.aliases.clone() };
    let step = |action| Step::new(Target::File(target), action);
    let (old, mode) = match &fact.state {
        // A file that cannot be read may have entries of other registries, so it is never replaced by a new one.
        FileState::Unusable(fault) => return Planned::without_content(step(Action::Fail(fault.failure(&fact.path)))),
        FileState::Absent => (None, None),
        FileState::Present { content, mode } => {
            let to = mode & OWNER_BITS;
            (Some(content), (to != *mode).then_some(ModeChange { from: *mode, to }))
        }
    };
    let planned = match entries::planned(old, wanted, reader, request) {
        Ok(planned) => planned,
        Err(error) => return Planned::without_content(step(Action::Fail(unmergeable(fact, &error)))),
    };
    let action = match (old, &planned.content, mode) {
        (None, Some(_), _) => Action::Create,
        // This arm includes a file that does not exist: without declared entries there is nothing to create.
        (_, None, None) => Action::Unchanged,
        _ => Action::Update,
    };
    let PlannedEntries { content, changes, notes, left, diff } = planned;
    let changes = changes.into_iter().chain(mode.map(Change::Mode)).collect();
    let new_file = (action == Action::Create).then(|| ModeDiff { before: None, after: format_mode(NEW_FILE) });
    let diff = diff.map(|diff| Diff { mode: mode.as_ref().map(ModeDiff::from).or(new_file), ..diff });
    let diff = diff.filter(|_| action != Action::Unchanged);
    // If only the mode changes, the old bytes are written again, because a file is always replaced and never changed in
    // place.
    let content = content.or_else(|| mode.and(old.cloned()));
    Planned { step: Step { changes, notes, left, diff, ..step(action) }, content }
}

fn unmergeable(fact: &FileFact, error: &ParseError) -> Failure {
    Failure::new(format!("`{}` cannot be merged and stays unchanged", fact.path))
        .cause(error.to_string())
        .hint("fix it or move it aside, then run again")
}
