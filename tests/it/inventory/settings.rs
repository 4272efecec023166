//! Settings of `ansible.cfg`, as cases in `tests/cases/ansible_cfg`: the binary prints what `ansible-inventory` prints,
//! or names the setting that it does not support.

use indexmap::IndexMap;
use serde::Deserialize;

use crate::support::ansible::{self, Line};
use crate::support::oregano::Oregano;

/// A folder with an `ansible.cfg`, and what is read from it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// The rule it shows.
    rule: String,
    /// Texts by path.
    files: IndexMap<String, String>,
    /// The values of `-i`.
    sources: Vec<String>,
    /// A part of the message if the inventory is not read.
    problem: Option<String>,
    /// A part of the message of a run that would contact the nodes.
    run: Option<String>,
    /// Why Ansible reads the inventory although there is a problem.
    differs: Option<String>,
}

#[test]
fn settings_of_ansible_cfg() {
    let cases: Vec<(String, Case)> = crate::cases::read("ansible_cfg");
    let users: Vec<Oregano> = cases.iter().map(|(_, case)| user(case)).collect();
    let homes: Vec<_> = users.iter().map(Oregano::home).collect();
    let lines = cases.iter().zip(&homes).map(|((_, case), home)| Line {
        argv: [vec!["ansible-inventory".to_owned(), "--list".to_owned()], options(case)].concat(),
        cwd: home,
    });
    let answers = ansible::run(&lines.collect::<Vec<_>>());
    let mut failures = Vec::new();
    for (((name, case), user), answer) in cases.iter().zip(&users).zip(answers) {
        let name = format!("{name} ({})", case.rule);
        let list = user.run(&[vec!["inventory".to_owned(), "--list".to_owned()], options(case)].concat());
        match &case.problem {
            None if list.status != 0 => failures.push(format!("{name}: {}", list.stderr)),
            None if list.stdout != answer.stdout => {
                failures
                    .push(format!("{name}: printed\n{}\ninstead of\n{}{}", list.stdout, answer.stdout, answer.stderr));
            }
            Some(problem) if list.status != 1 || !list.stderr.contains(problem) => {
                failures.push(format!("{name}: ended with {}: {}", list.status, list.stderr));
            }
            Some(_) if case.differs.is_none() && answer.status == 0 && answer.stdout == list.stdout => {
                failures.push(format!("{name}: Ansible reads the same, so there is no reason to refuse it"));
            }
            _ => {}
        }
        if let Some(expected) = &case.run {
            let run =
                user.run(&[vec!["plan".to_owned(), "--only".to_owned(), "nodes".to_owned()], options(case)].concat());
            if run.status != 1 || !run.stderr.contains(expected) {
                failures.push(format!("{name}: the run ended with {}: {}", run.status, run.stderr));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn user(case: &Case) -> Oregano {
    let user = Oregano::new();
    for (path, text) in &case.files {
        user.write(path, text);
    }
    user
}

fn options(case: &Case) -> Vec<String> {
    case.sources.iter().flat_map(|source| ["-i".to_owned(), source.clone()]).collect()
}
