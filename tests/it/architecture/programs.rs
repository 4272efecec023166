//! The programs that the tests call: each is installed by `tests/servers/install`, or part of every Debian system.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Programs of Debian's essential packages, which every Debian system has.
const ESSENTIAL: [&str; 21] = [
    "bash", "chmod", "chown", "cp", "env", "grep", "ln", "mkdir", "mkfifo", "mv", "readlink", "rm", "sh", "sleep",
    "stty", "tail", "tee", "timeout", "touch", "true", "xargs",
];

/// Words at the start of a line of a shell script that are no programs.
const KEYWORDS: [&str; 18] = [
    "case", "cd", "command", "do", "done", "echo", "elif", "else", "esac", "exec", "exit", "export", "fi", "for", "if",
    "set", "then", "while",
];

#[test]
fn every_program_that_the_tests_call_is_installed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let install = std::fs::read_to_string(root.join("tests/servers/install")).unwrap();
    let installed = installed(&install);
    let mut called: BTreeSet<(String, String)> = BTreeSet::new();
    for folder in ["tests", "benches", "examples"] {
        for file in files(&root.join(folder)) {
            let text = std::fs::read_to_string(&file).unwrap();
            let names = match file.extension().and_then(|extension| extension.to_str()) {
                Some("rs") => in_rust(&text),
                Some("sh") => in_shell(&text),
                _ => continue,
            };
            let file = file.strip_prefix(root).unwrap().display().to_string();
            called.extend(names.into_iter().map(|name| (name, file.clone())));
        }
    }
    assert!(called.len() > 30, "the search finds the calls: {called:?}");
    let known = |name: &str| ESSENTIAL.contains(&name) || installed.contains(name);
    let missing: Vec<_> = called.iter().filter(|(name, _)| !known(name)).collect();
    assert!(missing.is_empty(), "add these programs to tests/servers/install, or to the essential ones: {missing:?}");
}

/// The programs that the installer provides: the first words of its table, and those that it publishes itself.
fn installed(install: &str) -> BTreeSet<&str> {
    let (_, table) = install.split_once("programs='").unwrap();
    let (table, _) = table.split_once('\'').unwrap();
    let packages = table.lines().filter_map(|line| line.split_whitespace().next());
    let parts = install.lines().filter(|line| line.contains("_part ") || line.contains('='));
    let parts = parts.flat_map(|line| line.split_whitespace()).map(|word| word.split('=').next().unwrap_or(word));
    packages.chain(parts).collect()
}

/// The names in `Command::new("…")`, `program("…")` and `as_root("…")`.
fn in_rust(text: &str) -> Vec<String> {
    let calls = ["Command::new(\"", "program(\"", "as_root(\""];
    let names = calls.into_iter().flat_map(|call| text.split(call).skip(1));
    let names = names.filter_map(|rest| rest.split('"').next());
    names
        .filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)))
        .map(str::to_owned)
        .collect()
}

/// The first words of the lines of a script that are neither keywords nor assignments.
fn in_shell(text: &str) -> Vec<String> {
    let words = text.lines().map(str::trim_start).filter_map(|line| line.split_whitespace().next());
    let is_name = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !KEYWORDS.contains(word);
    words.filter(is_name).map(str::to_owned).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}
