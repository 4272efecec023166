//! The documents name files that exist: paths of this repository in their text, and the targets of their links. Knows no
//! wording.

use std::fs;
use std::path::{Path, PathBuf};

/// The folders whose files the documents name.
const FOLDERS: [&str; 5] = ["src/", "tests/", "docs/", "benches/", "inventories/"];

#[test]
fn every_path_in_the_documents_exists() {
    let missing = documents().into_iter().flat_map(|document| {
        let text = fs::read_to_string(root().join(&document)).unwrap();
        let missing = paths(&text).into_iter().filter(|path| !root().join(path).exists());
        missing.map(|path| format!("{}: {path}", document.display())).collect::<Vec<_>>()
    });
    let missing: Vec<String> = missing.collect();
    assert!(missing.is_empty(), "documents name files that do not exist: {missing:#?}");
}

#[test]
fn every_link_in_the_documents_leads_somewhere() {
    let broken: Vec<String> = documents().iter().flat_map(|document| broken_links(document)).collect();
    assert!(broken.is_empty(), "links that lead nowhere: {broken:#?}");
}

#[test]
fn the_index_lists_every_document() {
    let index = fs::read_to_string(root().join("docs/README.md")).unwrap();
    for document in documents() {
        let name = document.file_name().unwrap().to_str().unwrap().to_owned();
        let listed = !document.starts_with("docs") || name == "README.md" || index.contains(&format!("]({name})"));
        assert!(listed, "docs/README.md does not list {name}");
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Markdown files of the root and of docs/, relative to the root.
fn documents() -> Vec<PathBuf> {
    let list = |folder: &str| {
        let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().file_name());
        entries.map(move |name| Path::new(folder).join(name)).collect::<Vec<_>>()
    };
    let mut found = [list(""), list("docs")].concat();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    found.sort();
    found
}

/// The paths of this repository in a text, without a final full stop. A pattern such as `tests/cases/desired/*.yaml`
/// counts as its folder, and `NAME` stands for any name.
fn paths(text: &str) -> Vec<&str> {
    let is_path = |c: char| c.is_ascii_alphanumeric() || "_-./*".contains(c);
    let tokens = text.split(|c: char| !is_path(c)).filter(|token| FOLDERS.iter().any(|start| token.starts_with(start)));
    tokens
        .filter(|token| !token.contains("NAME"))
        .map(|token| token.split('*').next().unwrap_or_default().trim_end_matches('.'))
        .collect()
}

fn broken_links(document: &Path) -> Vec<String> {
    let text = without_blocks(&fs::read_to_string(root().join(document)).unwrap());
    let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
    let broken = links.filter(|link| !link.contains("://") && !leads_somewhere(document, link));
    broken.map(|link| format!("{}: {link}", document.display())).collect()
}

/// Whether the file of a link exists, and has the heading that the link names.
fn leads_somewhere(document: &Path, link: &str) -> bool {
    let (file, heading) = link.split_once('#').unwrap_or((link, ""));
    let own = root().join(document);
    let target = if file.is_empty() { own } else { own.parent().unwrap().join(file) };
    if heading.is_empty() {
        return target.exists();
    }
    let text = without_blocks(&fs::read_to_string(target).unwrap_or_default());
    text.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == heading)
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// A text without its fenced blocks, in which `#` begins a comment.
fn without_blocks(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

#[test]
fn paths_and_anchors_are_found() {
    assert_eq!(
        paths("See `src/lib.rs`, tests/cases/*.yaml and docs/json.md. Not tests/snapshots/NAME.txt"),
        ["src/lib.rs", "tests/cases/", "docs/json.md"]
    );
    assert_eq!(anchor("## What is asked, and what is sent"), "what-is-asked-and-what-is-sent");
    assert!(leads_somewhere(Path::new("docs/README.md"), "../README.md#quickstart"));
    assert!(!leads_somewhere(Path::new("docs/README.md"), "../README.md#no-such-heading"));
    assert!(!leads_somewhere(Path::new("docs/README.md"), "no-such-file.md"));
}
