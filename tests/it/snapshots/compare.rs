//! Compares what a run printed with the file in `tests/snapshots/`, and the transcripts of the documentation with the
//! same files. `OREGANO_UPDATE_SNAPSHOTS=1` rewrites both instead. Knows no server.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::picture;

/// The form in which a run was recorded, which is the extension of its file.
#[derive(Clone, Copy)]
pub enum Form {
    /// What a terminal shows.
    Text,
    /// JSON lines.
    Json,
}

impl Form {
    fn extension(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Json => "json",
        }
    }
}

/// Fails the test with the differing lines unless the snapshot has this content.
#[track_caller]
pub fn check(name: &str, form: Form, actual: &str) {
    let file = folder().join(format!("{name}.{}", form.extension()));
    if updates() {
        fs::write(&file, actual).unwrap();
        if matches!(form, Form::Text) {
            update_documents(name, actual);
            if name == picture::SNAPSHOT {
                picture::update();
            }
        }
        return;
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        expected == actual,
        "{} differs from the run (-expected, +actual); OREGANO_UPDATE_SNAPSHOTS=1 rewrites it:\n{}",
        file.display(),
        difference(&expected, actual)
    );
}

/// Whether this run of the tests rewrites the snapshots.
pub fn updates() -> bool {
    std::env::var_os("OREGANO_UPDATE_SNAPSHOTS").is_some_and(|value| value == "1")
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn folder() -> PathBuf {
    root().join("tests/snapshots")
}

/// The names of all snapshot files, without their extensions.
pub fn names() -> Vec<String> {
    let stem = |entry: fs::DirEntry| entry.path().file_stem().unwrap().to_str().unwrap().to_owned();
    let mut names: Vec<String> = fs::read_dir(folder()).unwrap().map(|entry| stem(entry.unwrap())).collect();
    names.sort();
    names.dedup();
    names
}

/// A transcript in a document: a fenced block after `<!-- snapshot: NAME -->`.
pub struct Transcript {
    pub document: PathBuf,
    pub name: String,
    pub text: String,
}

/// All transcripts of README.md and docs/.
pub fn transcripts() -> Vec<Transcript> {
    let find = |document: PathBuf| {
        let text = fs::read_to_string(&document).unwrap();
        let blocks = blocks(&text);
        blocks.into_iter().map(move |(name, (start, end))| Transcript {
            document: document.clone(),
            name,
            text: text[start..end].to_owned(),
        })
    };
    documents().into_iter().flat_map(find).collect()
}

/// Fails the test unless a transcript is the snapshot of its name.
#[track_caller]
pub fn check_transcript(Transcript { document, name, text }: &Transcript) {
    if updates() {
        return;
    }
    let expected = fs::read_to_string(folder().join(format!("{name}.txt")))
        .unwrap_or_else(|error| panic!("{}: no snapshot `{name}`: {error}", document.display()));
    assert!(
        &expected == text,
        "the transcript `{name}` of {} differs from its snapshot (-snapshot, +transcript); \
         OREGANO_UPDATE_SNAPSHOTS=1 rewrites it:\n{}",
        document.display(),
        difference(&expected, text)
    );
}

fn documents() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let markdown = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    [root().join("README.md")].into_iter().chain(markdown).collect()
}

/// The transcripts of a document by name: where their text starts and ends.
fn blocks(text: &str) -> BTreeMap<String, (usize, usize)> {
    const MARK: &str = "<!-- snapshot: ";
    let mut found = BTreeMap::new();
    for (at, _) in text.match_indices(MARK) {
        let name = text[at + MARK.len()..].split(" -->").next().unwrap();
        let fence =
            at + text[at..].find("```console\n").unwrap_or_else(|| panic!("no block after the mark of `{name}`"));
        assert_eq!(text[at..fence].lines().count(), 1, "the block of `{name}` does not follow its mark");
        let start = fence + "```console\n".len();
        let end = start + text[start..].find("```").expect("a block without an end");
        found.insert(name.to_owned(), (start, end));
    }
    found
}

/// Rewrites the transcripts of this name.
fn update_documents(name: &str, text: &str) {
    // Tests run at the same time, and several of them may update one document.
    static DOCUMENTS: Mutex<()> = Mutex::new(());
    let _guard = DOCUMENTS.lock().unwrap();
    for document in documents() {
        let old = fs::read_to_string(&document).unwrap();
        if let Some(&(start, end)) = blocks(&old).get(name) {
            fs::write(document, format!("{}{text}{}", &old[..start], &old[end..])).unwrap();
        }
    }
}

/// The lines of both texts, each with ` `, `-` or `+` before it.
fn difference(expected: &str, actual: &str) -> String {
    let (left, right): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), actual.lines().collect());
    // The length of the longest common subsequence of the lines from each pair of positions on.
    let mut common = vec![vec![0usize; right.len() + 1]; left.len() + 1];
    for i in (0..left.len()).rev() {
        for j in (0..right.len()).rev() {
            common[i][j] = match left[i] == right[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut text) = (0, 0, String::new());
    while i < left.len() || j < right.len() {
        let (sign, line) = if i < left.len() && j < right.len() && left[i] == right[j] {
            (i, j) = (i + 1, j + 1);
            (' ', left[i - 1])
        } else if i < left.len() && (j == right.len() || common[i + 1][j] >= common[i][j + 1]) {
            i += 1;
            ('-', left[i - 1])
        } else {
            j += 1;
            ('+', right[j - 1])
        };
        text += &format!("{sign}{line}\n");
    }
    text
}
