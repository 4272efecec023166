//! The SSH edge: looks at the managed files of one node and replaces them, over one connection, one channel
//! and one script; and lets others connect through a node. It knows paths and bytes, and nothing of what they mean.
//!
//! Blocking, for a pool of threads; a [`Session`] that waits between the two halves holds no thread, and
//! nothing on the node but an idle shell. Nothing is global but the watchdog's thread, which runs while a
//! deadline is set or a session waits.

mod auth;
mod connect;
mod identities;
mod known_hosts;
mod protocol;
mod session;
mod trouble;
mod tunnel;
mod watchdog;

#[cfg(test)]
mod script_tests;

use std::time::{Duration, Instant};

pub use identities::Identities;
pub use known_hosts::HostKeys;
pub use session::Session;
pub use tunnel::{Obstacle, Trouble, Tunnel};
pub use watchdog::Abort;

use crate::desired::Connection;
use crate::facts::FileFact;
use crate::failure::Failure;
use crate::secret::{Redactor, SecretBytes};

/// How long a node may take, and what interrupts it.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The time for each phase: to connect and look, and to write.
    pub timeout: Duration,
    /// Ends everything at once.
    pub abort: Abort,
}

/// Why a node could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenFailure {
    /// Something failed before the script's first line.
    Unreachable(Failure),
    /// sudo refused, or the script did not come to its end.
    Failed(Failure),
}

impl OpenFailure {
    /// The failure without the secrets that a node may have printed.
    #[must_use]
    pub fn scrubbed(self, redactor: &Redactor) -> Self {
        match self {
            Self::Unreachable(failure) => Self::Unreachable(failure.scrubbed(redactor)),
            Self::Failed(failure) => Self::Failed(failure.scrubbed(redactor)),
        }
    }
}

/// Why a file was not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteFailure {
    /// The file is not what was read any more.
    Conflict,
    /// Anything else; the message says if the file may have been written all the same.
    Failed(Failure),
}

/// New bytes for a file.
#[derive(Debug, Clone)]
pub struct NewContent {
    /// The path, as [`FileFact::path`] has it.
    pub path: String,
    /// What was read, which must still be there; `None` where nothing was.
    pub old: Option<SecretBytes>,
    /// What is to be there.
    pub new: SecretBytes,
}

/// Connects to the node `name` and looks at `files`, which are absolute paths. Nothing on the node is
/// created, touched or removed. The [`Session`] waits to be told what to do with them.
///
/// # Errors
/// [`OpenFailure`]; the connection is closed then.
pub fn open(
    name: &str,
    connection: &Connection,
    files: &[String],
    keys: &HostKeys,
    identities: &Identities,
    limits: &Limits,
) -> Result<(Vec<FileFact>, Session), OpenFailure> {
    let deadline = Instant::now().checked_add(limits.timeout).unwrap_or_else(far);
    let label = connect::Label(name, connection);
    let line = connect::Line::open(&label, keys, limits, deadline).map_err(OpenFailure::Unreachable)?;
    let line = auth::log_in(line, &label, identities, limits, deadline).map_err(OpenFailure::Unreachable)?;
    let mut session = Session::start(line, &label, files)?;
    let facts = session.observe()?;
    Ok((facts, session))
}

/// A moment that no run lives to see, for timeouts too large to be added to now.
fn far() -> Instant {
    Instant::now() + Duration::from_secs(365 * 24 * 3600)
}
