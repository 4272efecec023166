//! The rule for a `config.json` or `.dockercfg`: merge the entries, and remove the permission bits of group and others.

use super::{Action, Change, FileTarget, ModeChange, Planned, Step, Target};
use crate::dockerconfig::{self, Credential, ParseError, Reader};
use crate::facts::{FileFact, FileState};
use crate::failure::Failure;

/// The permission bits that a file with passwords may have: those of its owner.
const OWNER_BITS: u32 = 0o700;

/// The planned change of one file of `host` that must contain `credentials`.
pub fn file(host: &str, fact: &FileFact, credentials: &[Credential], reader: Reader) -> Planned {
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
    let merged = match dockerconfig::merge(old.map(|old| old.expose()), credentials, reader) {
        Ok(merged) => merged,
        Err(error) => return Planned::without_content(step(Action::Fail(unmergeable(fact, &error)))),
    };
    let action = match (old, &merged.content, mode) {
        (None, Some(_), _) => Action::Create,
        // This arm includes a file that does not exist: without declared entries there is nothing to create.
        (_, None, None) => Action::Unchanged,
        _ => Action::Update,
    };
    let changes = merged.changes.into_iter().map(Change::Key).chain(mode.map(Change::Mode)).collect();
    let notes = merged.shadows.iter().map(ToString::to_string).collect();
    // If only the mode changes, the old bytes are written again, because a file is always replaced and never changed in
    // place.
    let content = merged.content.or_else(|| mode.and(old.cloned()));
    Planned { step: Step { changes, notes, ..step(action) }, content }
}

fn unmergeable(fact: &FileFact, error: &ParseError) -> Failure {
    Failure::new(format!("`{}` cannot be merged and stays unchanged", fact.path))
        .cause(error.to_string())
        .hint("fix it or move it aside, then run again")
}
