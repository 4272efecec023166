//! The SSH edge: observes the managed files of one node and replaces them, over one connection, one channel and one
//! script. It also provides a tunnel through a node. It handles paths and bytes, and does not interpret the content.
//!
//! All functions block, so they run on a pool of threads. A [`Session`] that waits between observing and writing uses
//! no thread on this machine, and only an idle shell on the node. The only global state is the thread of the watchdog,
//! which runs while a deadline is set or a session waits.

mod auth;
mod connect;
mod error;
mod hint;
mod identities;
mod known_hosts;
mod protocol;
mod same_file;
mod session;
mod sudo;
mod tunnel;
mod watchdog;

#[cfg(test)]
mod script_tests;

use std::time::{Duration, Instant};

pub use identities::Identities;
pub use known_hosts::HostKeys;
pub use session::Session;
pub use tunnel::{Obstacle, ObstacleReason, Tunnel};
pub use watchdog::Abort;

use crate::desired::Connection;
use crate::facts::FileFact;
use crate::failure::Failure;
use crate::secret::{Redactor, SecretBytes};

/// The time limit of a node, and what interrupts its connections.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The time for each phase: connecting and observing, and writing.
    pub timeout: Duration,
    /// Ends all connections immediately.
    pub abort: Abort,
}

/// A completed step of [`open`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SshStep {
    /// There is a connection, and the host key is trusted.
    Connected,
    /// The login succeeded.
    LoggedIn,
    /// The script runs, with sudo if it is needed.
    Started,
    /// The files were read.
    Observed,
}

/// Why a node could not be observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenFailure {
    /// Something failed before the first line of the script.
    Unreachable(Failure),
    /// sudo refused, or the script did not finish.
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
    /// The file is no longer what was observed, and was not written.
    Conflict,
    /// The file was written, and is no longer what was written, for this reason.
    Overwritten(String),
    /// Any other failure; the message states whether the file may have been written.
    Failed(Failure),
}

/// New content for a file.
#[derive(Debug, Clone)]
pub struct NewContent {
    /// The path, as in [`FileFact::path`].
    pub path: String,
    /// The bytes that were observed, and that the file must still have; `None` if the file did not exist.
    pub old: Option<SecretBytes>,
    /// The bytes that the file gets.
    pub new: SecretBytes,
}

/// Connects to the node `name` and observes `files`, which are absolute paths. Nothing on the node is created, touched
/// or removed. The [`Session`] then waits for [`Session::keep`] or [`Session::write`]. `on_step` gets each completed step.
///
/// # Errors
/// [`OpenFailure`]; the connection is closed then.
pub fn open(
    name: &str,
    connection: &Connection,
    files: &[String],
    (keys, identities, limits): (&HostKeys, &Identities, &Limits),
    on_step: &mut dyn FnMut(SshStep),
) -> Result<(Vec<FileFact>, Session), OpenFailure> {
    // The addition fails only for a timeout that the clock cannot represent, which then means that there is no limit.
    let deadline = Instant::now().checked_add(limits.timeout).unwrap_or_else(distant_future);
    let label = connect::NodeLabel(name, connection);
    let opened = connect::SshConnection::open(&label, keys, limits, deadline);
    let opened = opened.map_err(OpenFailure::Unreachable)?;
    on_step(SshStep::Connected);
    let opened = auth::log_in(opened, &label, identities, limits, deadline).map_err(OpenFailure::Unreachable)?;
    on_step(SshStep::LoggedIn);
    let mut session = Session::start(opened, &label, files)?;
    on_step(SshStep::Started);
    // The files are read on the same channel as the one that writes them later, so no second login is needed.
    let facts = session.observe()?;
    on_step(SshStep::Observed);
    Ok((facts, session))
}

/// A time in the distant future, for timeouts that are too large to be added to the current time.
fn distant_future() -> Instant {
    Instant::now() + Duration::from_secs(365 * 24 * 3600)
}
