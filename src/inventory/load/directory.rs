//! Lists a folder that is an inventory source: which of its entries are sources, and in which order. It opens no file.

use std::path::{Path, PathBuf};

use super::super::problem::Problem;

/// Names that are never inventory sources.
const RESERVED: [&str; 3] = ["host_vars", "group_vars", "vars_plugins"];
/// Ansible's `INVENTORY_IGNORE_EXTS`.
const IGNORED: [&str; 12] =
    [".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry"];

/// The sources in a folder in the order in which Ansible reads them: by name.
///
/// # Errors
/// The folder cannot be listed, or contains no source.
pub(super) fn sources(folder: &Path) -> Result<Vec<PathBuf>, Problem> {
    let found = names(folder)
        .map_err(|error| Problem::new(format!("cannot list the inventory folder `{}`: {error}", folder.display())))?;
    let sources: Vec<PathBuf> = found.iter().filter(|name| is_source(name)).map(|name| folder.join(name)).collect();
    if sources.is_empty() {
        let message = format!("the inventory folder `{}` contains no inventory", folder.display());
        return Err(Problem::new(message).hint("hidden files, `.txt`, `.md`, `.cfg` and backups are ignored"));
    }
    Ok(sources)
}

/// The sorted names of all entries of a folder. Bytes that are not UTF-8 are replaced; opening such a file fails later
/// with a problem that contains its name.
pub(super) fn names(folder: &Path) -> std::io::Result<Vec<String>> {
    let entries = std::fs::read_dir(folder)?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<std::io::Result<Vec<String>>>()?;
    // The order decides which source overrides the others, so it must not depend on the file system.
    names.sort_unstable();
    Ok(names)
}

fn is_source(name: &str) -> bool {
    !name.starts_with('.') && !RESERVED.contains(&name) && !IGNORED.iter().any(|extension| name.ends_with(extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_names_as_in_ansible_are_ignored() {
        for name in ["hosts", "a.yml", "x.toml", "group_vars2", "txt"] {
            assert!(is_source(name), "{name}");
        }
        for name in [".hosts", "group_vars", "host_vars", "vars_plugins", "a.md", "a~", "a.pyc", "ansible.cfg"] {
            assert!(!is_source(name), "{name}");
        }
    }
}
