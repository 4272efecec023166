//! The protocol of the remote script: the nonce, the frames that it prints, and what they mean. `decoder` parses
//! frames, and `request` writes the command line and the order. It does no I/O. A frame is a line that begins with the
//! nonce of this run, so the output of a login shell is never mistaken for a frame.

mod decoder;
mod request;

use zeroize::Zeroizing;

pub(super) use self::decoder::Decoder;
pub(super) use self::request::{KEEP, PayloadItem, command, order};
use crate::failure::{shorten, single_line};

/// The largest file that is managed, in bytes; the script contains the same number.
pub(super) const LARGEST: usize = 1024 * 1024;

/// 128 random bits in hexadecimal, new for each connection.
#[derive(Clone)]
pub(super) struct Nonce(String);

/// A message of the script, or of sudo before it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// sudo prompts for the password.
    Prompt,
    /// The script has started.
    Begin,
    /// The node has no tool of this name, and the script ends.
    Missing(String),
    /// A file and its current state.
    File(usize, ObservedFile),
    /// Every file was printed; the script waits for an order.
    Ready,
    /// The result for a file of the order.
    Result(usize, WriteOutcome),
    /// The script has finished and cleaned up.
    Done,
    /// A line with the nonce that is not a valid frame.
    Malformed,
}

/// What is at a path. Paths with equal keys lead to the same file.
#[derive(PartialEq, Eq)]
pub(super) enum ObservedFile {
    /// A regular file.
    Present {
        /// Permission bits.
        mode: u32,
        /// Device, inode and number of links.
        inode: String,
        /// Device and inode of its directory, and its name.
        key: String,
        /// Every byte.
        content: Zeroizing<Vec<u8>>,
    },
    /// No file.
    Absent {
        /// Device and inode of the nearest existing directory, and the path below it.
        key: String,
    },
    /// Something that cannot be managed.
    Unusable {
        reason: UnusableReason,
        /// The message of the system, or the path that is the problem.
        text: String,
    },
}

/// Why a file cannot be managed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnusableReason {
    Directory,
    /// Neither a regular file nor a directory.
    Special,
    TooLarge,
    /// The path that it leads to contains a line break, which the protocol cannot express.
    LineBreak,
    /// A link into a directory that does not exist.
    DanglingLink,
    /// The file itself is a mount point.
    Mounted,
    /// A parent directory is not a directory.
    Blocked,
    /// The permissions do not allow this user to read it.
    Denied,
    Unreadable,
    /// Another program created, replaced or removed it while it was examined.
    Changing,
    /// Reading it failed after its first bytes.
    Incomplete,
}

/// The step of a write that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteStage {
    Directory,
    /// Creating the private directory.
    Temporary,
    /// The private directory does not have the right owner or mode.
    Private,
    Payload,
    Write,
    Owner,
    Mode,
    Lock,
    Compare,
    Rename,
}

/// The result of a write.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum WriteOutcome {
    /// The file was replaced; it is printed again next.
    Written,
    /// The file is no longer what was read.
    Changed,
    /// The process with this ID holds the lock.
    Locked(String),
    /// A step failed.
    Failed {
        stage: WriteStage,
        /// The message of the system.
        text: String,
    },
}

impl Nonce {
    /// A new one; `None` if the system has no random numbers.
    pub(super) fn random() -> Option<Self> {
        let mut bytes = [0; 16];
        // The nonce must not be predictable: a login shell that knows it could print a frame that looks like one of the
        // script.
        openssl::rand::rand_bytes(&mut bytes).ok()?;
        Some(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// 32 hexadecimal digits.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    #[cfg(test)]
    pub(super) fn fixed() -> Self {
        Self("0123456789abcdef0123456789abcdef".to_owned())
    }
}
/// Foreign text on one short line without control characters.
pub(super) fn tidy(text: &str) -> String {
    shorten(&single_line(text))
}
impl std::fmt::Debug for ObservedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Present { mode, key, content, .. } => write!(f, "Present({mode:o} {key} {} bytes)", content.len()),
            Self::Absent { key } => write!(f, "Absent({key})"),
            Self::Unusable { reason, text } => write!(f, "Unusable({reason:?} {text})"),
        }
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_made_short_and_plain() {
        assert_eq!(tidy("a\x1b[31mb\r\n\tc "), "a [31mb c");
        assert!(tidy(&"x".repeat(999)).len() < 310);
    }
}
