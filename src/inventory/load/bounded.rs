//! Reads a file or pipe, but at most a given number of bytes, because a device or a pipe may never end.

use std::fs::File;
use std::io::{self, Read as _};

/// All bytes of a file or pipe; `None` if it has more than `limit` bytes.
pub(super) fn bytes(file: &mut File, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    // One byte more than the limit distinguishes a file of exactly this size from a larger one.
    let length = file.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((length as u64 <= limit).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "1234").unwrap();
        let read = |limit| bytes(&mut File::open(&path).unwrap(), limit).unwrap();
        assert_eq!(read(4).as_deref(), Some(&b"1234"[..]));
        assert_eq!(read(3), None);
        assert_eq!(bytes(&mut File::open("/dev/zero").unwrap(), 16).unwrap(), None);
    }
}
