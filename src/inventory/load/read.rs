//! Reads files as text. Every file of an inventory is read by [`text`], which also decrypts it if it is encrypted. It
//! parses nothing.

use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use super::super::problem::Problem;
use super::super::source::{Origin, Source};
use super::bounded;
use super::paths::origin;
use super::system::LocalSystem;

/// The maximum size of an inventory file, in bytes. A larger file is a device or a mistake.
const MAX_FILE: u64 = 512 << 20;

/// The text of a file, decrypted if it is encrypted, with its permissions and its absolute path as `inventory_file`. Messages
/// call the file `what`.
pub(super) fn text(path: &Path, what: &str, system: &LocalSystem) -> Result<Arc<Source>, Problem> {
    system.record(path);
    let name = path.display();
    let cannot = |error: io::Error| Problem::new(format!("cannot read the {what} `{name}`: {error}"));
    let mut file = File::open(path).map_err(cannot)?;
    // The permissions are those of the open file, because the path may refer to another file by now.
    let mode = file.metadata().map_err(cannot)?.permissions().mode() & 0o7777;
    let Some(bytes) = bounded::bytes(&mut file, MAX_FILE).map_err(cannot)? else {
        return Err(Problem::new(format!("the {what} `{name}` is larger than {} MB", MAX_FILE >> 20)));
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
        Problem::new(format!("`{name}`: line {} is not UTF-8", line + 1)).hint("save the file as UTF-8")
    })?;
    let (text, mode) = match system.decrypt_file(&text) {
        Ok(None) => (text, Some(mode)),
        // The permissions of an encrypted file are not checked, because users who can read the file cannot decrypt it.
        Ok(Some(plain)) => (plain.expose().to_owned(), None),
        Err(fault) => {
            return Err(fault.add_hint(Problem::new(format!("cannot decrypt the {what} `{name}`: {fault}"))));
        }
    };
    Ok(Source::with_origin(name.to_string(), text, Origin { mode, ..origin(path) }))
}
