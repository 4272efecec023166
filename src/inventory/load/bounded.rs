//! Reads a file or pipe up to a limit, because a device or a pipe may have no end.

use std::fs::File;
use std::io::{self, Read as _};

/// All bytes of a file or pipe; `None` if there are more than `limit`.
pub(super) fn bytes(file: &mut File, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let length = file.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((length as u64 <= limit).then_some(bytes))
}
