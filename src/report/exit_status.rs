//! The exit statuses of the program, and which of them takes precedence for a run.

use super::Report;
use crate::event::{Command, Counts, ObjectSummary, Outcome};

/// The documented exit statuses. Precedence: 130, 1, 2 (credential or cluster), 4, 2 (node), 3, 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// The result is as the inventory declares it.
    Done = 0,
    /// The inventory or the configuration is invalid, or there was an internal error.
    Error = 1,
    /// A registry, an object or a node failed.
    Failed = 2,
    /// `plan`: changes are pending.
    ChangesPending = 3,
    /// A node could not be reached.
    Unreachable = 4,
    /// The command line cannot be understood (EX_USAGE of sysexits.h).
    Usage = 64,
    /// A signal interrupted the run.
    Interrupted = 130,
}

impl Report {
    /// The exit status for the events so far.
    pub fn status(&self) -> ExitStatus {
        let any = |holds: fn(Counts) -> bool| self.hosts.values().any(|tally| holds(tally.counts()));
        let written = |row: &ObjectSummary| row.outcome.is_change();
        let changed = any(|counts| counts.changed > 0) || self.objects.iter().any(written);
        match () {
            // The order is the documented precedence of the exit statuses.
            () if self.interrupted => ExitStatus::Interrupted,
            () if self.error => ExitStatus::Error,
            () if self.registries.iter().any(|row| !row.verdict.permits_run()) => ExitStatus::Failed,
            () if self.objects.iter().any(|row| row.outcome == Outcome::Failed) => ExitStatus::Failed,
            // Status 4 comes before the 2 of a node, but after the 2 of a credential or an object, which stops the
            // complete run.
            () if any(|counts| counts.unreachable > 0) => ExitStatus::Unreachable,
            () if any(|counts| counts.failed > 0) => ExitStatus::Failed,
            // After `apply`, the changes have been made, so only a plan reports them with its status.
            () if self.command == Some(Command::Plan) && changed => ExitStatus::ChangesPending,
            () => ExitStatus::Done,
        }
    }
}
