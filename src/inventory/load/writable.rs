//! Finds files and folders of an inventory that all users can write to. Such a user could add a host that receives the
//! passwords, or a lookup that runs a command.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::super::code;
use super::super::finding::Finding;
use super::super::problem::Problem;

/// The permission bit that allows all users to write.
const OTHERS_WRITE: u32 = 0o002;

/// One finding for each of the files and of their folders that all users can write to.
pub(super) fn findings<'a>(files: impl Iterator<Item = &'a Path>) -> Vec<Finding> {
    // A pipe or device is not stored anywhere, so its folder has no meaning.
    let files: BTreeSet<&Path> = files.filter(|path| metadata(path).is_some_and(|found| !is_special(&found))).collect();
    let folders: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
    let all: BTreeSet<&Path> = files.union(&folders).copied().collect();
    let open = all
        .into_iter()
        .filter(|path| metadata(path).is_some_and(|found| found.permissions().mode() & OTHERS_WRITE != 0));
    open.map(finding).collect()
}

fn finding(path: &Path) -> Finding {
    let path = here(path).display();
    let problem = Problem::new(format!("all users can write to `{path}`, which the inventory is read from"));
    let hint =
        format!("run `chmod o-w {path}`: another user could add a host or a command that receives the passwords");
    Finding::new(code::WRITABLE_BY_OTHERS, problem.hint(hint))
}

fn is_special(found: &Metadata) -> bool {
    !found.is_file() && !found.is_dir()
}

fn metadata(path: &Path) -> Option<Metadata> {
    std::fs::metadata(here(path)).ok()
}

/// The folder of a relative path without a folder is the working directory.
fn here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn files_and_folders_that_all_users_can_write_to_are_found_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mode = |name: &str, mode| std::fs::set_permissions(path(name), Permissions::from_mode(mode)).unwrap();
        std::fs::create_dir(path("group_vars")).unwrap();
        for name in ["hosts", "group_vars/all", "group_vars/web"] {
            std::fs::write(path(name), "").unwrap();
        }
        mode("hosts", 0o660);
        mode("group_vars/all", 0o602);
        mode("group_vars", 0o1777);
        let files = [path("hosts"), path("group_vars/all"), path("group_vars/web"), "/dev/null".into(), path("none")];
        let found = findings(files.iter().map(std::path::PathBuf::as_path));
        let expected = ["group_vars", "group_vars/all"];
        let expected = expected.map(|name| format!("all users can write to `{}`, which", path(name).display()));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found.iter().zip(expected).all(|(found, start)| found.problem.message.starts_with(&start)),
            "{found:?}"
        );
    }
}
