//! Runs the cases of `tests/cases/inventory`: an inventory, and what is read from it. A new case needs
//! no Rust: its keys are the fields of [`Case`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::model::Source;
use super::outside::Nothing;
use super::{Problem, Variables, list, load, patterns, vars_of};

/// One case: an inventory in one of the formats, and any number of expectations.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    ini: Option<String>,
    yaml: Option<String>,
    /// A file without an extension.
    plain: Option<String>,
    #[serde(default)]
    extra: Vec<String>,
    /// What `inventory --list` prints.
    list: Option<serde_json::Value>,
    /// What `inventory --list --yaml` prints.
    tree: Option<serde_json::Value>,
    /// The texts of some variables by host, templates unresolved.
    #[serde(default)]
    vars: BTreeMap<String, BTreeMap<String, String>>,
    /// The resolved values of some variables by host; a problem is `problem: line:column message`.
    #[serde(default)]
    resolved: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
    /// Hosts by pattern; a problem is a string.
    #[serde(default)]
    select: BTreeMap<String, serde_json::Value>,
    /// `line:column message`, or the message alone; then perhaps ` (hint: …)`.
    problems: Option<Vec<String>>,
}

#[test]
fn every_case_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/inventory");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut failures = Vec::new();
    let mut count = 0;
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "yaml")) {
        let text = std::fs::read_to_string(file).unwrap();
        let cases: Vec<Case> =
            serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for case in &cases {
            count += 1;
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            failures.extend(case.failures().into_iter().map(|failure| format!("{stem}: {}: {failure}", case.name)));
        }
    }
    assert!(count > 0, "no case was found");
    assert!(failures.is_empty(), "{} failures in {count} cases:\n{}", failures.len(), failures.join("\n"));
}

impl Case {
    fn failures(&self) -> Vec<String> {
        match (self.load(), &self.problems) {
            (Ok(variables), None) => self.expectations(&variables),
            (Ok(_), Some(_)) => vec!["was read without a problem".to_owned()],
            (Err(problems), None) => vec![format!("problems: {:#?}", shown(&problems))],
            (Err(problems), Some(expected)) => differs("problems", &shown(&problems), expected),
        }
    }

    fn load(&self) -> Result<Variables, Vec<Problem>> {
        let folder = tempfile::tempdir().unwrap();
        let formats = [("hosts.ini", &self.ini), ("hosts.yml", &self.yaml), ("hosts", &self.plain)];
        let (name, text) = formats.into_iter().find_map(|(name, text)| Some((name, text.as_ref()?))).unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        load::load(&load::Sources { inventories: vec![path.display().to_string()], extra: self.extra.clone() })
    }

    fn expectations(&self, variables: &Variables) -> Vec<String> {
        let inventory = variables.inventory();
        let mut failures = Vec::new();
        if let Some(expected) = &self.list {
            failures.extend(differs(
                "list",
                &serde_json::from_slice(&written(inventory, list::Format::Json)).unwrap(),
                &with_meta(expected),
            ));
        }
        if let Some(expected) = &self.tree {
            failures.extend(differs(
                "tree",
                &serde_yaml::from_slice(&written(inventory, list::Format::Yaml)).unwrap(),
                expected,
            ));
        }
        for (host, expected) in &self.vars {
            let vars = vars_of(inventory, host);
            for (name, text) in expected {
                let found = vars.get(name).map(|node| node.text.clone());
                failures.extend(differs(&format!("{host} {name}"), &found, &Some(text.clone())));
            }
        }
        for (host, expected) in &self.resolved {
            let vars = variables.of(host);
            for (name, value) in expected {
                let found = match vars.get(name) {
                    Ok(node) => serde_json::to_value(node).unwrap(),
                    Err(problem) => format!("problem: {}", shown(&[problem]).join("")).into(),
                };
                failures.extend(differs(&format!("{host} {name}"), &found, value));
            }
        }
        for (pattern, expected) in &self.select {
            let found = match patterns::select(inventory, pattern) {
                Ok(hosts) => hosts.into(),
                Err(problem) => shown(&[problem]).join("").into(),
            };
            failures.extend(differs(pattern, &found, expected));
        }
        failures
    }
}

/// Cases leave out what is the same in all of them.
fn with_meta(expected: &serde_json::Value) -> serde_json::Value {
    let mut expected = expected.clone();
    if expected["_meta"].is_null() {
        expected["_meta"] = serde_json::json!({ "hostvars": {} });
    }
    expected["_meta"]["profile"] = "inventory_legacy".into();
    expected
}

fn differs<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Vec<String> {
    if found == expected { Vec::new() } else { vec![format!("{what}\n   found {found:?}\nexpected {expected:?}")] }
}

fn shown(problems: &[Problem]) -> Vec<String> {
    problems
        .iter()
        .map(|problem| {
            let place = problem.place.as_ref().map(|place| {
                let (line, column) = place.span.line_column();
                format!("{line}:{column} ")
            });
            let hint = problem.hint.as_ref().map(|hint| format!(" (hint: {hint})"));
            format!("{}{}{}", place.unwrap_or_default(), problem.message, hint.unwrap_or_default())
        })
        .collect()
}

#[test]
fn ten_thousand_hosts_are_no_effort() {
    let mut text = "[all:vars]\na=1\n[top:children]\nnodes\n[nodes]\n".to_owned();
    text.extend((0..10_000).map(|host| format!("node{host}.example.com ansible_host=10.0.0.1 zone='{{{{ a }}}}'\n")));
    let variables = Variables::new(load::parse(&Source::new("hosts", text)).unwrap(), Nothing::shared());
    let inventory = variables.inventory();
    assert_eq!(inventory.hosts_of("top").len(), 10_000);
    let resolved = inventory.hosts.keys().filter(|host| variables.of(host).get("zone").unwrap().is_some());
    assert_eq!(resolved.count(), 10_000);
    assert_eq!(patterns::select(inventory, "top:!node1.example.com").unwrap().len(), 9_999);
}

fn written(inventory: &super::Inventory, format: list::Format) -> Vec<u8> {
    let mut text = Vec::new();
    list::list(inventory, format, &mut text).unwrap();
    text
}
