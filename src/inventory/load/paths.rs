//! Expands paths as Ansible does: `~`, environment variables, and relative paths. It reads no file.

use std::path::{Component, Path, PathBuf};

use super::super::source::Origin;

/// What Ansible calls `inventory_file` and `inventory_dir` for a source at `path`.
pub(super) fn origin(path: &Path) -> Origin {
    let path = absolute(path);
    let text = |path: &Path| path.display().to_string();
    Origin { mode: None, file: Some(text(&path)), folder: path.parent().map(text) }
}

/// The absolute path without `.` and `..`. As in Ansible, links are not followed.
fn absolute(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

/// Replaces a leading `~` and environment variables in a path, as Ansible does. A shell does not replace them if they are in a
/// file or follow a `=`. Variables that are not set stay unchanged.
pub(super) fn expand(written: &str) -> PathBuf {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    expand_with(written, &|name| std::env::var(name).ok(), home.as_deref())
}

/// The same for another environment and home folder.
pub fn expand_with(written: &str, env: &dyn Fn(&str) -> Option<String>, home: Option<&Path>) -> PathBuf {
    let mut path = String::with_capacity(written.len());
    let mut rest = written;
    while let Some(at) = rest.find('$') {
        path.push_str(&rest[..at]);
        let (name, length) = variable(&rest[at + 1..]);
        // As in Ansible, a variable that is not set stays in the path.
        match env(name).filter(|_| !name.is_empty()) {
            Some(value) => path.push_str(&value),
            None => path.push_str(&rest[at..at + 1 + length]),
        }
        rest = &rest[at + 1 + length..];
    }
    path.push_str(rest);
    // `~user` stays unchanged, because only the home folder of the current user is known.
    let below = path.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'));
    match (below, home) {
        (Some(below), Some(home)) => home.join(below.trim_start_matches('/')),
        _ => PathBuf::from(path),
    }
}

/// The name of the variable after a `$`, and the length of its reference: `NAME` or `{NAME}`.
fn variable(text: &str) -> (&str, usize) {
    if let Some((name, _)) = text.strip_prefix('{').and_then(|text| text.split_once('}')) {
        return (name, name.len() + 2);
    }
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    (&text[..end], end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_expanded_like_in_ansible() {
        let home = PathBuf::from(std::env::var_os("HOME").unwrap());
        assert_eq!(expand("~/hosts"), home.join("hosts"));
        assert_eq!(expand("${HOME}/a$HOME"), PathBuf::from(format!("{0}/a{0}", home.display())));
        for unchanged in ["~other/hosts", "a$", "$no_such_variable/x", "${no", "a~"] {
            assert_eq!(expand(unchanged), PathBuf::from(unchanged));
        }
        assert_eq!(absolute(Path::new("/a/./b/../c")), PathBuf::from("/a/c"));
        assert_eq!(origin(Path::new("/a/b/hosts")).folder.as_deref(), Some("/a/b"));
    }
}
