//! Compares a case with what oregano reads, and what oregano reads with what Ansible reads.

use std::path::Path;

use oregano::inventory::{Inventory, Problem, Variables, load, patterns, vars_of};
use serde_json::Value;

use super::case::Case;
use super::printed;
use crate::support::ansible::{Line, Said};

/// A command line that Ansible runs for a case.
pub struct Asked<'a> {
    /// The number of the case.
    pub case: usize,
    what: What<'a>,
    argv: Vec<String>,
    folder: &'a Path,
}

/// A question.
#[derive(Clone, Copy, PartialEq)]
enum What<'a> {
    List,
    Tree,
    Graph,
    Host(&'a str),
    Select(&'a str),
    Limit(&'a str),
}

impl Asked<'_> {
    pub fn line(&self) -> Line<'_> {
        Line { argv: self.argv.clone(), cwd: self.folder }
    }
}

/// All questions to Ansible for a case.
pub fn questions<'a>(case: &'a Case, at: usize, folder: &'a Path) -> Vec<Asked<'a>> {
    let mut what = vec![What::List];
    what.extend(case.tree.is_some().then_some(What::Tree));
    what.extend(case.graph.is_some().then_some(What::Graph));
    what.extend(case.host.keys().map(|host| What::Host(host)));
    what.extend(case.select.keys().map(|pattern| What::Select(pattern)));
    what.extend(case.limit.keys().map(|pattern| What::Limit(pattern)));
    what.into_iter().map(|what| Asked { case: at, what, argv: argv(case, what), folder }).collect()
}

fn argv(case: &Case, what: What) -> Vec<String> {
    let words: &[&str] = match what {
        What::List => &["ansible-inventory", "--list"],
        What::Tree => &["ansible-inventory", "--list", "--yaml"],
        What::Graph => &["ansible-inventory", "--graph"],
        What::Host(host) => &["ansible-inventory", "--host", host],
        What::Select(_) => &["ansible", "--list-hosts"],
        What::Limit(pattern) => &["ansible", "all", "--list-hosts", "--limit", pattern],
    };
    let mut argv: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    for source in case.sources() {
        argv.extend(["-i".to_owned(), source]);
    }
    for value in case.extra() {
        argv.extend(["-e".to_owned(), value.clone()]);
    }
    if let What::Select(pattern) = what {
        argv.extend(["--".to_owned(), pattern.to_owned()]);
    }
    argv
}

/// What came of a case.
#[derive(Default)]
pub struct Outcome {
    /// Where oregano does not do what the case says.
    pub failures: Vec<String>,
    /// Where Ansible says something else than oregano.
    pub differences: Vec<String>,
}

/// Compares a case with both; `said` is the output of Ansible for its [`questions`].
pub fn outcome(case: &Case, folder: &Path, said: &[(&Asked, &Said)]) -> Outcome {
    let mut outcome = Outcome::default();
    match (case.load(folder), &case.problems) {
        (Ok(variables), None) => {
            expectations(case, &variables, folder, &mut outcome.failures);
            for (asked, said) in said {
                let ours = answer(asked.what, &variables, folder);
                outcome.differences.extend(difference(asked, said, ours));
            }
        }
        (Ok(_), Some(_)) => outcome.failures.push("was read without a problem".to_owned()),
        (Err(problems), None) => {
            outcome.failures.push(format!("problems: {:#?}", printed::problems(&problems, folder)));
        }
        (Err(problems), Some(expected)) => {
            let found = printed::problems(&problems, folder);
            outcome.failures.extend(unequal("problems", &found, expected));
            let silent = said.iter().filter(|(_, said)| !complained(said));
            outcome.differences.extend(silent.map(|(_, said)| format!("has no problem:\n{}", said.stdout)));
        }
    }
    outcome
}

fn expectations(case: &Case, variables: &Variables, folder: &Path, failures: &mut Vec<String>) {
    let inventory = variables.inventory();
    if case.names_files() {
        let found = variables.findings().iter().map(|found| {
            format!(
                "{} {}",
                found.code.name(),
                printed::problems(std::slice::from_ref(&found.problem), folder).join("")
            )
        });
        failures.extend(unequal("findings", &found.collect::<Vec<_>>(), &case.findings));
    }
    if let Some(expected) = &case.list {
        failures.extend(unequal("list", &json(&printed::list(inventory)), &with_meta(expected)));
    }
    if let Some(expected) = &case.tree {
        failures.extend(unequal("tree", &printed::read(&printed::tree(inventory)), expected));
    }
    if let Some(expected) = &case.graph {
        failures.extend(unequal("graph", &printed::graph(variables), expected));
    }
    for (host, expected) in &case.host {
        failures.extend(unequal(host, &json(&printed::host(inventory, host)), expected));
    }
    for (host, expected) in &case.vars {
        let vars = vars_of(inventory, host);
        for (name, text) in expected {
            let found = vars.get(name).map(|node| node.text.clone());
            failures.extend(unequal(&format!("{host} {name}"), &found, &Some(text.clone())));
        }
    }
    for (host, expected) in &case.resolved {
        let vars = variables.of(host);
        for (name, value) in expected {
            let found = match vars.get(name) {
                Ok(node) => serde_json::to_value(node).unwrap(),
                Err(problem) => format!("problem: {}", printed::problems(&[problem], folder).join("")).into(),
            };
            failures.extend(unequal(&format!("{host} {name}"), &found, value));
        }
    }
    for (pattern, expected) in &case.select {
        let found = hosts_or_problem(select(inventory, pattern), folder);
        failures.extend(unequal(pattern, &found, expected));
    }
    for (pattern, expected) in &case.limit {
        let found = hosts_or_problem(limit(inventory, pattern, folder), folder);
        failures.extend(unequal(&format!("limit {pattern}"), &found, expected));
    }
}

/// The output of oregano for a question: texts in which every byte counts.
fn answer(what: What, variables: &Variables, folder: &Path) -> Result<Value, Problem> {
    let inventory = variables.inventory();
    match what {
        What::List => Ok(printed::list(inventory).into()),
        What::Tree => Ok(printed::read(&printed::tree(inventory))),
        What::Graph => Ok(printed::graph(variables).into()),
        What::Host(host) => Ok(printed::host(inventory, host).into()),
        What::Select(pattern) => select(inventory, pattern).map(Value::from),
        What::Limit(pattern) => limit(inventory, pattern, folder).map(Value::from),
    }
}

fn select(inventory: &Inventory, pattern: &str) -> Result<Vec<String>, Problem> {
    patterns::select(inventory, pattern).map(|hosts| hosts.into_iter().map(str::to_owned).collect())
}

/// As for `all --limit PATTERN`.
fn limit(inventory: &Inventory, pattern: &str, folder: &Path) -> Result<Vec<String>, Problem> {
    let below = pattern.replace('@', &format!("@{}/", folder.display()));
    let within = select(inventory, &load::limit(&below)?)?;
    Ok(select(inventory, "all")?.into_iter().filter(|host| within.contains(host)).collect())
}

fn hosts_or_problem(found: Result<Vec<String>, Problem>, folder: &Path) -> Value {
    match found {
        Ok(hosts) => hosts.into(),
        Err(problem) => printed::problems(&[problem], folder).join("").into(),
    }
}

/// How Ansible's output differs from `ours`.
fn difference(asked: &Asked, said: &Said, ours: Result<Value, Problem>) -> Option<String> {
    let ours = match ours {
        Ok(ours) => ours,
        Err(_) if complained(said) => return None,
        Err(_) => return Some(format!("{:?} is no problem:\n{}", asked.argv, said.stdout)),
    };
    let theirs = match asked.what {
        What::Tree => printed::read(&said.stdout),
        What::List | What::Host(_) | What::Graph => said.stdout.clone().into(),
        What::Select(_) | What::Limit(_) => listed(&said.stdout).into(),
    };
    let report = || format!("{:?}\n  oregano {ours}\n  Ansible {theirs}\n{}", asked.argv, said.stderr);
    (ours != theirs).then(report)
}

/// The hosts of `--list-hosts`, below a line with their number.
fn listed(stdout: &str) -> Vec<&str> {
    stdout.lines().skip(1).map(str::trim).collect()
}

/// Whether Ansible failed or warned.
fn complained(said: &Said) -> bool {
    said.status != 0 || !said.stderr.trim().is_empty()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

/// Cases leave out what is the same in all of them.
fn with_meta(expected: &Value) -> Value {
    let mut expected = expected.clone();
    if expected["_meta"].is_null() {
        expected["_meta"] = serde_json::json!({ "hostvars": {} });
    }
    expected["_meta"]["profile"] = "inventory_legacy".into();
    expected
}

fn unequal<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Option<String> {
    (found != expected).then(|| format!("{what}\n   found {found:?}\nexpected {expected:?}"))
}
