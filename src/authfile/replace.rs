//! The replacement of a file as a whole: a temporary file beside it, and one rename.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::Path;

use nix::unistd::geteuid;
use tempfile::{Builder, NamedTempFile};

use super::{Held, folder, look, name};
use crate::facts::FileState;
use crate::failure::{Failure, without_errno};
use crate::secret::SecretBytes;

/// The bits that a file with passwords may have: those of its owner.
const OWNER_BITS: u32 = 0o700;

/// How the names of temporary files begin.
pub(super) fn prefix(target: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(name(target));
    prefix.push(".oregano-login.");
    prefix
}

/// User and group of a file.
pub(super) type Owner = (u32, u32);

/// Who owns `target`, if it is there.
pub(super) fn owner(target: &Path) -> Option<Owner> {
    fs::symlink_metadata(target).ok().map(|metadata| (metadata.uid(), metadata.gid()))
}

/// Replaces the file that is `held`, if it still is what was `observed`, and its owner's.
pub(super) fn replace(held: &Held, observed: &FileState, new: &SecretBytes) -> Result<(), Failure> {
    let target = held.target.as_path();
    let failed = |error: io::Error| {
        Failure::new(format!("cannot write `{}`; it is left as it was", target.display()))
            .cause(without_errno(&error))
            .hint("see that its folder can be written to, or name another file with `--to FILE`")
    };
    let mut builder = Builder::new();
    let name = prefix(target);
    builder.prefix(&name).rand_bytes(16).permissions(Permissions::from_mode(0o600));
    let mut temporary = builder.tempfile_in(folder(target)).map_err(failed)?;
    temporary.write_all(new.expose()).map_err(failed)?;
    let (content, mode) = match observed {
        FileState::Present { content, mode } => (Some(content), mode & OWNER_BITS),
        FileState::Absent | FileState::Unusable(_) => (None, 0o600),
    };
    temporary.as_file().set_permissions(Permissions::from_mode(mode)).map_err(failed)?;
    temporary.as_file().sync_all().map_err(failed)?;
    // As late as can be: whoever takes no lock may have written while the disk was slow.
    let now = look(target)?;
    let now_owner = now.as_ref().map(|(_, metadata)| (metadata.uid(), metadata.gid()));
    if now.as_ref().map(|(now, _)| now) != content || now_owner != held.owner {
        return Err(changed(target));
    }
    // Until here it was nobody else's.
    if let Some((user, group)) = held.owner.filter(|_| geteuid().is_root()) {
        fchown(temporary.as_file(), Some(user), Some(group)).map_err(failed)?;
    }
    rename(temporary, target, observed).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => changed(target),
        _ => failed(error),
    })?;
    // The rename itself must survive a crash, too. It is done, whatever the file system says of this.
    let _ = held.folder.sync_all();
    Ok(())
}

/// Where nothing was, nothing is replaced.
fn rename(temporary: NamedTempFile, target: &Path, observed: &FileState) -> io::Result<()> {
    let renamed = match observed {
        FileState::Present { .. } => temporary.persist(target),
        FileState::Absent | FileState::Unusable(_) => temporary.persist_noclobber(target),
    };
    renamed.map(|_| ()).map_err(|error| error.error)
}

fn changed(target: &Path) -> Failure {
    Failure::new(format!("`{}` was changed by another program in the meantime; it is left as it is", target.display()))
        .hint("run again")
}
