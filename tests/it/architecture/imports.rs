//! Reads the imports of every source file: which files it uses, with `super::`, `self::` and re-exports resolved. Judges
//! nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A source file below src/.
pub struct Source {
    /// Its path below src/, such as `node/connect.rs`.
    pub path: String,
    /// Its module path, such as `["node", "connect"]`.
    pub module: Vec<String>,
    pub text: String,
    /// The text without comments, texts in quotes and the inline modules of unit tests.
    pub product: String,
}

/// All source files, sorted by path.
pub fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    files.sort();
    let source = |file: PathBuf| {
        let path = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        Source::new(path, std::fs::read_to_string(&file).unwrap())
    };
    files.into_iter().map(source).collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

impl Source {
    pub fn new(path: String, text: String) -> Self {
        let stem = path.trim_end_matches(".rs").trim_end_matches("/mod");
        let module = match stem {
            "lib" | "main" => Vec::new(),
            stem => stem.split('/').map(str::to_owned).collect(),
        };
        let product = without_tests(&without_comments(&text));
        Self { path, module, text, product }
    }

    /// The module at the top: `node` for `node/connect.rs`.
    pub fn top(&self) -> &str {
        self.path.split('/').next().unwrap().trim_end_matches(".rs")
    }

    /// Whether it is compiled for unit tests only.
    pub fn is_test(&self) -> bool {
        let part = |part: &str| part == "tests" || part.ends_with("_tests");
        self.path.trim_end_matches(".rs").split('/').any(part)
    }
}

/// The text with each comment and each text in quotes replaced by nothing. Lifetimes and characters are left as they are.
fn without_comments(text: &str) -> String {
    let mut rest = text;
    let mut result = String::new();
    while let Some(at) = rest.find(['/', '"']) {
        let (before, found) = rest.split_at(at);
        result += before;
        rest = if found.starts_with("//") {
            found.find('\n').map_or("", |end| &found[end..])
        } else if let Some(after) = found.strip_prefix('"').filter(|_| before.ends_with('\'')) {
            // The character '"'.
            after
        } else if let Some(after) = found.strip_prefix('"') {
            let raw = before.trim_end_matches('#');
            let hashes = before.len() - raw.len();
            match raw.ends_with('r') {
                true => after.split_once(&format!("\"{}", "#".repeat(hashes))).map_or("", |(_, rest)| rest),
                false => &found[end_of_quote(found)..],
            }
        } else {
            result.push('/');
            &found[1..]
        };
    }
    result + rest
}

/// Where a text in quotes ends, escapes considered.
fn end_of_quote(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The text up to its inline modules of unit tests, which are the last items of a file.
fn without_tests(text: &str) -> String {
    let mut lines = Vec::new();
    let mut all = text.lines().peekable();
    while let Some(line) = all.next() {
        let next = all.peek().copied().unwrap_or_default();
        if line == "#[cfg(test)]" && next.starts_with("mod ") && next.ends_with('{') {
            break;
        }
        lines.push(line);
    }
    lines.join("\n")
}

/// The paths that a text imports or names: those that start with `crate::`, `super::` or `self::`.
pub fn paths(text: &str) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in text.match_indices(start) {
            let before = text[..at].chars().next_back();
            // `super::super::` is found at its first word.
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            tree(&text[at..], &[], &mut found);
        }
    }
    found
}

/// Reads a use tree: `a::{b, c::d}`. Returns what follows it.
fn tree<'a>(text: &'a str, prefix: &[String], found: &mut BTreeSet<Vec<String>>) -> &'a str {
    let mut path = prefix.to_vec();
    let mut rest = text;
    loop {
        if let Some(mut inner) = rest.strip_prefix('{') {
            loop {
                inner = inner.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
                if let Some(after) = inner.strip_prefix('}') {
                    return after;
                }
                let before = inner.len();
                inner = tree(inner, &path, found);
                if let Some(after) = inner.trim_start().strip_prefix("as ") {
                    inner = after.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
                }
                if inner.len() == before {
                    return inner;
                }
            }
        }
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if length == 0 {
            // `*`, or the end of the path.
            found.insert(path);
            return rest.strip_prefix('*').unwrap_or(rest);
        }
        path.push(rest[..length].to_owned());
        rest = &rest[length..];
        match rest.strip_prefix("::") {
            Some(after) => rest = after,
            None => {
                found.insert(path);
                return rest;
            }
        }
    }
}

/// Which files each file uses, by path.
pub fn uses(sources: &[Source]) -> BTreeMap<String, BTreeSet<String>> {
    let files: BTreeMap<&[String], &Source> = sources
        .iter()
        .filter(|source| !source.module.is_empty())
        .map(|source| (source.module.as_slice(), source))
        .collect();
    let resolve = |source: &Source| {
        let used = paths(&source.product).into_iter().filter_map(|path| file_of(&absolute(source, path), &files));
        (source.path.clone(), used.filter(|used| *used != source.path).collect())
    };
    sources.iter().map(resolve).collect()
}

/// The path from the root of the crate.
fn absolute(source: &Source, path: Vec<String>) -> Vec<String> {
    let mut module = match path.first().map(String::as_str) {
        Some("crate") => Vec::new(),
        _ => source.module.clone(),
    };
    for part in path {
        match part.as_str() {
            "crate" | "self" => {}
            "super" => drop(module.pop()),
            _ => module.push(part),
        }
    }
    module
}

/// The file that declares what a path names; a name that a `mod.rs` re-exports belongs to the file that declares it.
fn file_of(path: &[String], files: &BTreeMap<&[String], &Source>) -> Option<String> {
    let length = (1..=path.len()).rev().find(|length| files.contains_key(&path[..*length]))?;
    let source = files[&path[..length]];
    let Some(name) = path.get(length) else { return Some(source.path.clone()) };
    let exported = exports(source).into_iter().find(|export| export.last() == Some(name));
    match exported {
        Some(export) => {
            let target: Vec<String> = source.module.iter().cloned().chain(export).collect();
            let inside = target.len() > length + 1 && files.contains_key(&target[..=length]);
            if inside { file_of(&target, files) } else { Some(source.path.clone()) }
        }
        None => Some(source.path.clone()),
    }
}

/// The paths below its own module that a file re-exports.
fn exports(source: &Source) -> Vec<Vec<String>> {
    let mut found = BTreeSet::new();
    for (at, _) in source.product.match_indices("pub use ") {
        tree(&source.product[at + "pub use ".len()..], &[], &mut found);
    }
    for (at, _) in
        source.product.match_indices("pub(super) use ").chain(source.product.match_indices("pub(crate) use "))
    {
        tree(&source.product[at + "pub(super) use ".len()..], &[], &mut found);
    }
    found.into_iter().filter(|path| path.len() > 1).collect()
}

#[test]
fn paths_are_found_and_resolved() {
    let text =
        "use crate::plan::{Plan, file::{self, File as F}};\nlet x = super::super::open(self::y::z());\n// crate::no\n";
    let found: Vec<String> = paths(&without_comments(text)).into_iter().map(|path| path.join("::")).collect();
    assert_eq!(
        found,
        ["crate::plan::Plan", "crate::plan::file::File", "crate::plan::file::self", "self::y::z", "super::super::open"]
    );
    let source = |path: &str, text: &str| Source::new(path.to_owned(), text.to_owned());
    let all = [
        source("node/mod.rs", "mod connect;\npub use connect::{Connection, open};\n"),
        source("node/connect.rs", "use super::auth::Key;\n"),
        source("node/auth.rs", "use crate::node::Connection;\nuse super::Missing;\n"),
        source("node/deep/mod.rs", "use super::super::secret::Secret;\n"),
        source("secret.rs", "\"crate::node\"\n#[cfg(test)]\nmod tests {\nuse crate::node;\n}\n"),
    ];
    let uses = uses(&all);
    let of = |path: &str| uses[path].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(of("node/auth.rs"), ["node/connect.rs", "node/mod.rs"]);
    assert_eq!(of("node/connect.rs"), ["node/auth.rs"]);
    assert_eq!((of("node/deep/mod.rs"), of("secret.rs")), (vec!["secret.rs"], vec![]));
}
