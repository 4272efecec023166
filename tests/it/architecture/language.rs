//! Words that the code, the documentation and the README do not use, because a reader on call at night should not have
//! to guess what they mean.

use std::path::{Path, PathBuf};

/// Compared without regard to case, as complete words.
const WORDS: [&str; 15] = [
    "mend", "mended", "mending", "whoever", "whomever", "nobody", "anybody", "somebody", "told", "hear", "hears",
    "heard", "farewell", "spoilt", "spoiled",
];
/// Words that start so are not used either.
const STARTS: [&str; 1] = ["knock"];
/// Compared without regard to case, in one line.
const PHRASES: [&str; 8] = [
    "stands in between",
    "beyond measure",
    "of no use",
    "nothing to lose",
    "makes room",
    "goes on behind",
    "in trouble",
    "said of",
];

#[test]
fn the_language_is_plain() {
    let found: Vec<String> = files().into_iter().flat_map(|file| faults(&file)).collect();
    assert!(found.is_empty(), "words to replace:\n{}", found.join("\n"));
}

/// `file:line: word` for each of them.
fn faults(file: &Path) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
    let in_line = |(at, line): (usize, &str)| {
        let found = words(line).into_iter();
        found.map(|word| format!("{}:{}: {word}", file.display(), at + 1)).collect::<Vec<_>>()
    };
    text.lines().enumerate().flat_map(in_line).collect()
}

/// The words and phrases of a line that are not used.
fn words(line: &str) -> Vec<String> {
    let line = line.to_lowercase();
    let parts = line.split(|c: char| !c.is_alphanumeric());
    let words = parts.filter(|word| WORDS.contains(word) || STARTS.iter().any(|start| word.starts_with(start)));
    words.chain(PHRASES.into_iter().filter(|phrase| line.contains(phrase))).map(str::to_owned).collect()
}

/// The source files, documents and the README, relative to the root of the repository.
fn files() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
            if path.is_dir() {
                walk(&path, found);
            } else if ["rs", "sh", "md", "json"].contains(&extension) {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![root.join("README.md")];
    walk(&root.join("src"), &mut found);
    walk(&root.join("docs"), &mut found);
    let mut files: Vec<PathBuf> = found.iter().map(|path| path.strip_prefix(root).unwrap().to_path_buf()).collect();
    files.sort();
    files
}

/// Names that fit many things. Each may name only one type of the crate, so that a reader knows which one is meant.
const NAMES: [&str; 12] =
    ["Login", "Outcome", "Fault", "Named", "Answer", "Kind", "Way", "Shared", "Run", "Place", "Entry", "Source"];

#[test]
fn a_general_name_names_one_type() {
    let found: Vec<(&str, Vec<String>)> =
        NAMES.iter().map(|name| (*name, types(name))).filter(|(_, files)| files.len() > 1).collect();
    assert!(found.is_empty(), "several types have the same name: {found:#?}");
}

/// The files that declare a type of this name.
fn types(name: &str) -> Vec<String> {
    let declares = |line: &str| {
        let line = line.trim_start();
        let line = line.strip_prefix("pub ").or_else(|| line.split_once(") ").map(|(_, rest)| rest)).unwrap_or(line);
        let declared = ["struct ", "enum ", "type "].iter().find_map(|keyword| line.strip_prefix(keyword));
        declared.is_some_and(|rest| rest.split(|c: char| !c.is_alphanumeric()).next() == Some(name))
    };
    let product = super::sources().into_iter().filter(|source| !source.is_test());
    product.filter(|source| source.product.lines().any(declares)).map(|source| source.path).collect()
}

#[test]
fn words_are_complete_ones() {
    assert_eq!(
        words("I recommend and amend; Nobody knocked, whoever_it was said of"),
        ["nobody", "knocked", "whoever", "said of"]
    );
    assert_eq!(words("`fn mend()` and unheard"), ["mend"]);
}
