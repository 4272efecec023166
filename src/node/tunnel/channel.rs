//! The SSH session of a tunnel and its channels, reduced to the operations that clients need. No function here blocks.

use std::io::{self, ErrorKind, Read};
use std::time::Instant;

use ssh2::{Channel, ErrorCode};

use super::state::TunnelState;

/// LIBSSH2_ERROR_EAGAIN of libssh2.h: the call would block.
pub(super) const AGAIN: ErrorCode = ErrorCode::Session(-37);
/// LIBSSH2_ERROR_CHANNEL_FAILURE of libssh2.h: the node did not open the channel.
pub(super) const CHANNEL_FAILURE: ErrorCode = ErrorCode::Session(-21);

/// The SSH connection is lost, for this reason.
pub(super) struct SessionLost(pub(super) String);

/// The SSH session and the state that a step uses.
pub(super) struct SshSession<'a> {
    pub(super) ssh: &'a ssh2::Session,
    /// The client that is opening a channel, and since when. libssh2 opens one channel at a time, and an opening channel
    /// cannot be cancelled.
    pub(super) opening: Option<(u64, Instant)>,
    pub(super) state: &'a TunnelState,
}

/// Whether a step made progress.
pub(super) type Progressed = bool;

/// What was read from a channel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadResult {
    Nothing,
    Bytes,
    Eof,
}

/// Appends all bytes that can be read without waiting.
pub(super) fn receive(channel: &mut Channel, into: &mut Vec<u8>) -> Result<ReadResult, SessionLost> {
    let mut bytes = [0; 8 * 1024];
    match channel.read(&mut bytes) {
        // Reading 0 bytes does not always mean the end of the channel; only `eof` shows it.
        Ok(0) if channel.eof() => Ok(ReadResult::Eof),
        Ok(0) => Ok(ReadResult::Nothing),
        Ok(length) => {
            into.extend_from_slice(&bytes[..length]);
            Ok(ReadResult::Bytes)
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(ReadResult::Nothing),
        Err(error) => Err(lost(&error)),
    }
}

pub(super) fn lost(error: &io::Error) -> SessionLost {
    SessionLost(error.to_string())
}
