//! Paths that lead to the same file, for example through a symbolic link: they become one fact, so that the file is
//! planned, written and reported once. The script determines which paths are the same; nothing is observed here.

use super::error;
use super::hint::Privileges;
use super::protocol::{ObservedFile, UnusableReason};
use crate::facts::{FileFact, FileFault, FileState};
use crate::secret::SecretBytes;

/// One fact for each file. Paths with the same key lead to the same file, and it can be written through any of them. An
/// inode with one link but two keys is mounted at a second path; replacing the file at one path would not change the
/// other.
pub(super) fn facts(paths: &[String], observed: Vec<ObservedFile>, privileges: Privileges) -> Vec<FileFact> {
    let mut facts: Vec<(Option<String>, Option<String>, FileFact)> = Vec::new();
    for (path, observed) in paths.iter().zip(observed) {
        let (key, inode, state) = match observed {
            ObservedFile::Present { mode, inode, key, mut content } => {
                let content = SecretBytes::new(std::mem::take(&mut *content));
                // Only a file with a link count of 1 is compared by inode. Hard links have one inode, too, but each
                // name can be replaced by a separate file.
                (Some(key), inode.ends_with(":1").then_some(inode), FileState::Present { content, mode })
            }
            ObservedFile::Absent { key } => (Some(key), None, FileState::Absent),
            ObservedFile::Unusable { reason, text } => {
                let fault = error::unusable(reason, &text, privileges);
                // For a mounted file the text is its inode, which connects it with the other path of the same file.
                (None, (reason == UnusableReason::Mounted).then_some(text), FileState::Unusable(fault))
            }
        };
        if let Some((.., fact)) = facts.iter_mut().find(|(known, ..)| key.is_some() && *known == key) {
            fact.aliases.push(path.clone());
        } else if let Some((.., fact)) = facts.iter_mut().find(|(_, known, _)| inode.is_some() && *known == inode) {
            fact.aliases.push(path.clone());
            // One inode under two keys, without a hard link, means that one of the paths is a bind mount. A rename
            // cannot replace both, so neither is written.
            let fault = error::unusable(UnusableReason::Mounted, "", privileges);
            let failure = fault.failure.cause(format!("`{path}` is the same file"));
            fact.state = FileState::Unusable(FileFault { access: fault.access, ..FileFault::from(failure) });
        } else {
            facts.push((key, inode, FileFact { path: path.clone(), aliases: Vec::new(), state }));
        }
    }
    facts.into_iter().map(|(.., fact)| fact).collect()
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn absent(key: &str) -> ObservedFile {
        ObservedFile::Absent { key: key.to_owned() }
    }

    #[test]
    fn paths_that_lead_to_one_file_are_one_fact() {
        let paths = ["/a", "/b", "/c", "/d", "/e"].map(str::to_owned);
        let unusable = || ObservedFile::Unusable { reason: UnusableReason::Directory, text: "-".to_owned() };
        let facts =
            super::facts(&paths, vec![absent("1"), absent("2"), absent("1"), unusable(), unusable()], Privileges::Root);
        let listed: Vec<_> = facts.iter().map(|fact| (fact.path.as_str(), fact.aliases.len())).collect();
        assert_eq!(listed, [("/a", 1), ("/b", 0), ("/d", 0), ("/e", 0)]);
        assert_eq!(facts[0].aliases, ["/c"]);
    }

    #[test]
    fn a_file_under_two_mounts_is_one_fact_that_cannot_be_written() {
        let present = |inode: &str, key: &str| ObservedFile::Present {
            mode: 0o600,
            inode: inode.to_owned(),
            key: key.to_owned(),
            content: Zeroizing::default(),
        };
        let mounted = ObservedFile::Unusable { reason: UnusableReason::Mounted, text: "7:2:1".to_owned() };
        let paths = ["/a", "/b", "/c", "/d", "/e", "/f"].map(str::to_owned);
        let observed = vec![
            present("7:1:1", "x"),
            present("7:1:1", "y"),
            present("7:2:1", "z"),
            mounted,
            // Hard links: each name can be replaced by a separate file.
            present("7:3:2", "v"),
            present("7:3:2", "w"),
        ];
        let facts = super::facts(&paths, observed, Privileges::Root);
        let listed: Vec<_> = facts
            .iter()
            .map(|fact| (fact.path.as_str(), fact.aliases.len(), matches!(fact.state, FileState::Unusable(_))))
            .collect();
        assert_eq!(listed, [("/a", 1, true), ("/c", 1, true), ("/e", 0, false), ("/f", 0, false)]);
    }
}
