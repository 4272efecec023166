//! Why a file with credentials of this machine cannot be used or replaced: closed sets of reasons, each with a hint. It
//! does no I/O.

use std::path::{Path, PathBuf};

use crate::facts::{FileAccess, FileFault};
use crate::failure::Failure;

const OTHER_FILE: &str = "name another file with `--to FILE`";

/// Why a file cannot be used. The texts are those of the system.
#[derive(Debug)]
pub(super) enum Unusable {
    Directory,
    /// Neither a regular file nor a directory.
    Special,
    TooLarge,
    /// More links than the kernel follows.
    TooManyLinks,
    /// A link of another user, who must not choose where a password is written.
    ForeignLink,
    /// It is not known what is there.
    Unexamined(String),
    Unread(FileAccess, String),
    /// This user may not enter the folder.
    Closed(FileAccess, PathBuf),
    /// A user who owns the file could read the password.
    OtherUser,
}

impl Unusable {
    pub(super) fn fault(self) -> FileFault {
        let access = match &self {
            Self::Unread(access, _) | Self::Closed(access, _) => *access,
            _ => FileAccess::Granted,
        };
        let failure = match self {
            Self::Directory => Failure::new("is a directory").hint(OTHER_FILE),
            Self::Special => Failure::new("is not a regular file").hint(OTHER_FILE),
            Self::TooLarge => Failure::new("is too large for a file with credentials").hint(OTHER_FILE),
            Self::TooManyLinks => Failure::new("leads through too many links").hint(OTHER_FILE),
            Self::ForeignLink => Failure::new("is a link of another user").hint("name the file that it leads to"),
            Self::Unexamined(text) => Failure::new("cannot be examined").cause(text).hint(OTHER_FILE),
            Self::Unread(_, text) => Failure::new("cannot be read").cause(text).hint(OTHER_FILE),
            Self::Closed(_, folder) => {
                let folder = folder.display();
                Failure::new(format!("can be neither read nor written: this user may not enter `{folder}`"))
                    .hint(format!("`chmod u+x {folder}` if it is yours, or {OTHER_FILE}"))
            }
            Self::OtherUser => Failure::new("belongs to another user").hint("run as that user, or name another file"),
        };
        FileFault { access, ..FileFault::from(failure) }
    }
}

/// Why a file cannot be locked or replaced. The texts are those of the system.
#[derive(Debug)]
pub(super) enum Unwritten {
    /// The folder cannot be created.
    Uncreated(String),
    /// The folder cannot be opened.
    Unopened(String),
    /// Another process has the lock.
    Locked,
    /// A signal arrived during the wait for the lock.
    Interrupted,
    /// Another program has written the file.
    Changed,
    /// The new file cannot be written.
    Failed(String),
}

impl Unwritten {
    pub(super) fn failure(self, target: &Path, folder: &Path) -> Failure {
        let (target, folder) = (target.display(), folder.display());
        match self {
            Self::Uncreated(text) => {
                Failure::new(format!("folder `{folder}` cannot be created")).cause(text).hint(OTHER_FILE)
            }
            Self::Unopened(text) => {
                Failure::new(format!("folder `{folder}` cannot be opened")).cause(text).hint(OTHER_FILE)
            }
            Self::Locked => Failure::new(format!("folder `{folder}` is locked by another process"))
                .hint("run again once it has ended"),
            Self::Interrupted => Failure::new("interrupted before the write").hint("nothing was changed: run again"),
            Self::Changed => {
                Failure::new(format!("`{target}` was changed by another program in the meantime; it stays unchanged"))
                    .hint("run again")
            }
            Self::Failed(text) => Failure::new(format!("cannot write `{target}`; it stays unchanged"))
                .cause(text)
                .hint(format!("make its folder writable, or {OTHER_FILE}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All values of a closed set. `next` is a match, so a new variant does not compile until it is added here.
    fn all<T>(first: T, next: impl Fn(&T) -> Option<T>) -> Vec<T> {
        let mut all = vec![first];
        while let Some(following) = next(&all[all.len() - 1]) {
            all.push(following);
        }
        all
    }

    fn is_hint(hint: Option<&String>) -> bool {
        hint.is_some_and(|hint| hint.len() > 8 && !hint.ends_with('.'))
    }

    #[test]
    fn every_file_that_cannot_be_used_has_a_hint() {
        use Unusable::*;
        let text = || "Input/output error".to_owned();
        let reasons = all(Directory, |reason| match reason {
            Directory => Some(Special),
            Special => Some(TooLarge),
            TooLarge => Some(TooManyLinks),
            TooManyLinks => Some(ForeignLink),
            ForeignLink => Some(Unexamined(text())),
            Unexamined(_) => Some(Unread(FileAccess::OnlyRoot, text())),
            Unread(..) => Some(Closed(FileAccess::OnlyRoot, "/a".into())),
            Closed(..) => Some(OtherUser),
            OtherUser => None,
        });
        for reason in reasons {
            let name = format!("{reason:?}");
            let fault = reason.fault();
            assert!(is_hint(fault.failure.hint.as_ref()), "{name}: {fault:?}");
        }
    }

    #[test]
    fn every_file_that_cannot_be_written_has_a_hint() {
        use Unwritten::*;
        let text = || "Input/output error".to_owned();
        let reasons = all(Uncreated(text()), |reason| match reason {
            Uncreated(_) => Some(Unopened(text())),
            Unopened(_) => Some(Locked),
            Locked => Some(Interrupted),
            Interrupted => Some(Changed),
            Changed => Some(Failed(text())),
            Failed(_) => None,
        });
        for reason in reasons {
            let name = format!("{reason:?}");
            let failure = reason.failure(Path::new("/a/b"), Path::new("/a"));
            assert!(is_hint(failure.hint.as_ref()), "{name}: {failure:?}");
        }
    }
}
