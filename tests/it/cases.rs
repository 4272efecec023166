//! Runs the data files under tests/cases: a new case needs no Rust.

use std::path::Path;

use oregano::dockerconfig::{self, ChangeKind, Credential, KeyChange, Reader};
use oregano::secret::Secret;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Every case of a folder, with a name for messages.
pub fn read<T: DeserializeOwned>(folder: &str) -> Vec<(String, T)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(folder);
    let mut cases = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let list: Vec<T> = serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        cases.extend(list.into_iter().enumerate().map(|(at, case)| (format!("{name} case {}", at + 1), case)));
    }
    assert!(!cases.is_empty(), "no case in {}", folder.display());
    cases
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MergeCase {
    pub rule: String,
    #[serde(default)]
    pub reader: Option<String>,
    content: Option<String>,
    pub credentials: Vec<Declared>,
    pub result: Option<String>,
    #[serde(default)]
    unchanged: bool,
    #[serde(default)]
    changes: Vec<String>,
    #[serde(default)]
    pub shadows: Vec<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    pub key: String,
    pub user: String,
    #[serde(default)]
    pub password: String,
    identity_token: Option<String>,
    email: Option<String>,
}

#[test]
fn merges() {
    for (name, case) in read::<MergeCase>("dockerconfig") {
        let credentials: Vec<Credential> = case
            .credentials
            .into_iter()
            .map(|entry| Credential {
                key: entry.key,
                user: entry.user,
                password: Secret::new(entry.password),
                identity_token: entry.identity_token.map(Secret::new),
                email: entry.email,
            })
            .collect();
        let reader = reader(case.reader.as_deref(), &name);
        let name = format!("{name} ({})", case.rule);
        let merged = dockerconfig::merge(case.content.as_deref().map(str::as_bytes), &credentials, reader);
        let merged = match (merged, case.error) {
            (Ok(merged), None) => merged,
            (Err(error), Some(expected)) => {
                assert_eq!(error.to_string(), expected, "{name}");
                continue;
            }
            (Ok(_), Some(expected)) => panic!("{name}: no error, but `{expected}` was expected"),
            (Err(error), None) => panic!("{name}: {error}"),
        };
        let result = merged.content.map(|bytes| String::from_utf8(bytes.expose().to_vec()).unwrap());
        assert_eq!(result.is_none(), case.unchanged, "{name}");
        assert_eq!(result, case.result, "{name}");
        assert_eq!(merged.changes.iter().map(describe).collect::<Vec<_>>(), case.changes, "{name}");
        assert_eq!(merged.shadows.iter().map(ToString::to_string).collect::<Vec<_>>(), case.shadows, "{name}");
        if let Some(result) = result {
            let again = dockerconfig::merge(Some(result.as_bytes()), &credentials, reader).unwrap();
            assert!(again.content.is_none(), "{name}: a second merge changes something");
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RemovalCase {
    rule: String,
    #[serde(default)]
    reader: Option<String>,
    content: String,
    registries: Vec<String>,
    result: Option<String>,
    #[serde(default)]
    changes: Vec<String>,
}

#[test]
fn removals() {
    for (name, case) in read::<RemovalCase>("removals") {
        let name = format!("{name} ({})", case.rule);
        let reader = reader(case.reader.as_deref(), &name);
        let removed = dockerconfig::remove(case.content.as_bytes(), &case.registries, reader).unwrap();
        let result = removed.content.map(|bytes| String::from_utf8(bytes.expose().to_vec()).unwrap());
        assert_eq!(result, case.result, "{name}");
        assert_eq!(removed.changes.iter().map(describe).collect::<Vec<_>>(), case.changes, "{name}");
    }
}

fn reader(written: Option<&str>, name: &str) -> Reader {
    match written {
        None | Some("node") => Reader::Node,
        Some("legacy") => Reader::Legacy,
        Some("pull-secret") => Reader::PullSecret,
        Some(other) => panic!("{name}: unknown reader {other}"),
    }
}

pub fn describe(change: &KeyChange) -> String {
    let sign = match change.kind {
        ChangeKind::Added => '+',
        ChangeKind::Updated => '~',
        ChangeKind::Removed => '-',
    };
    let mut text = format!("{sign}{}", change.key);
    if let Some(key) = &change.same_as {
        text += &format!(" read as {key}");
    }
    if !change.dropped.is_empty() {
        text += &format!(" without {}", change.dropped.join(" "));
    }
    text
}
