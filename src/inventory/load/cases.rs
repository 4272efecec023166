//! Runs the cases of `tests/cases/inventory` that name `files` and `sources`.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde::Deserialize;

use super::super::{Problem, list};
use super::{Sources, load_from};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    files: BTreeMap<String, File>,
    sources: Vec<String>,
    #[serde(default)]
    extra: Vec<String>,
    list: Option<serde_json::Value>,
    problems: Option<Vec<String>>,
    #[serde(default)]
    findings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum File {
    Text(String),
    Mode { mode: String, text: String },
}

#[test]
fn every_case_with_files_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/inventory");
    let mut failures = Vec::new();
    for file in ["sources", "group_vars", "scripts", "toml"] {
        let text = std::fs::read_to_string(folder.join(file).with_extension("yaml")).unwrap();
        let cases: Vec<Case> = serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        for case in &cases {
            failures.extend(case.failures().into_iter().map(|failure| format!("{file}: {}: {failure}", case.name)));
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

impl Case {
    fn failures(&self) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        self.write(folder.path());
        let root = format!("{}/", folder.path().display());
        let place = |source: &String| {
            if source.contains(',') || source == "-" { source.clone() } else { format!("{root}{source}") }
        };
        let inventories = self.sources.iter().map(place).collect();
        let sources = Sources { inventories, extra: self.extra.clone(), ..Sources::default() };
        let (listed, problems, findings) = match load_from(&sources, folder.path()) {
            Ok(variables) => {
                let inventory = variables.inventory();
                let findings = inventory.findings.iter();
                let findings = findings.map(|found| format!("{} {}", found.code.name(), shown(&found.problem, &root)));
                (Some(serde_json::to_value(list::list(inventory)).unwrap()), None, findings.collect())
            }
            Err(problems) => (None, Some(problems.iter().map(|problem| shown(problem, &root)).collect()), Vec::new()),
        };
        let expected = self.list.clone().map(|mut list| {
            list["_meta"]["profile"] = "inventory_legacy".into();
            if list["_meta"]["hostvars"].is_null() {
                list["_meta"]["hostvars"] = serde_json::json!({});
            }
            list
        });
        let mut failures = Vec::new();
        if problems != self.problems {
            failures.push(format!("problems\n   found {problems:#?}\nexpected {:#?}", self.problems));
        } else if listed != expected && problems.is_none() {
            failures.push(format!("list\n   found {listed:?}\nexpected {expected:?}"));
        }
        if findings != self.findings {
            failures.push(format!("findings\n   found {findings:#?}\nexpected {:#?}", self.findings));
        }
        failures
    }

    fn write(&self, folder: &Path) {
        for (name, file) in &self.files {
            let path = folder.join(name);
            if name.ends_with('/') {
                std::fs::create_dir_all(path).unwrap();
                continue;
            }
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let (File::Text(text) | File::Mode { text, .. }) = file;
            std::fs::write(&path, text).unwrap();
            if let File::Mode { mode, .. } = file {
                let mode = u32::from_str_radix(mode, 8).unwrap();
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            }
        }
    }
}

fn shown(problem: &Problem, root: &str) -> String {
    let place = problem.place.as_ref().map(|place| format!("{} ", place.span)).unwrap_or_default();
    let hint = problem.hint.as_ref().map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
    format!("{place}{}{hint}", problem.message).replace(root, "")
}
