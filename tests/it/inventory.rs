//! How inventories are read: the cases of `tests/cases/inventory`, and random ones. Each is read by oregano and by the
//! real Ansible.

mod case;
mod compare;
mod list;
mod printed;
pub mod random;
mod robust;
mod settings;
mod templates;
mod values;
mod vault;

use std::path::{Path, PathBuf};

use oregano::inventory::outside::NoAccess;
use oregano::inventory::{Source, Variables, load, select};

use crate::support::ansible;
use case::Case;
use compare::Asked;

#[test]
#[allow(clippy::print_stdout, reason = "`--nocapture` shows where oregano differs on purpose")]
fn every_case_has_the_same_result_as_ansible() {
    let cases = cases();
    let folders: Vec<_> = cases.iter().map(|(_, case)| case.write()).collect();
    let asked: Vec<Asked> = cases
        .iter()
        .zip(&folders)
        .enumerate()
        .flat_map(|(at, ((_, case), folder))| compare::questions(case, at, folder.path()))
        .collect();
    let lines: Vec<ansible::Line> = asked.iter().map(|asked| asked.line()).collect();
    let answers = ansible::run(&lines);
    let mut failures = Vec::new();
    let mut differing = Vec::new();
    for (at, ((file, case), folder)) in cases.iter().zip(&folders).enumerate() {
        let said: Vec<_> = asked.iter().zip(&answers).filter(|(asked, _)| asked.case == at).collect();
        let outcome = compare::outcome(case, folder.path(), &said);
        failures.extend(outcome.failures.into_iter().map(|failure| format!("{file}: {}: {failure}", case.name)));
        match &case.differs {
            Some(reason) if outcome.differences.is_empty() => {
                failures.push(format!(
                    "{file}: {}: Ansible says the same, but the case says `differs: {reason}`",
                    case.name
                ));
            }
            Some(reason) => differing.push(format!("{file}: {}: {reason}", case.name)),
            None => {
                let report = outcome.differences.into_iter();
                failures.extend(report.map(|difference| format!("{file}: {}: Ansible: {difference}", case.name)));
            }
        }
    }
    println!("{} cases; where oregano differs from Ansible on purpose:\n{}", cases.len(), differing.join("\n"));
    assert!(!cases.is_empty(), "no case was found");
    assert!(failures.is_empty(), "{} failures in {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

/// All cases, each with the name of its file.
fn cases() -> Vec<(String, Case)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/inventory");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    let read = |file: &PathBuf| -> Vec<(String, Case)> {
        let text = std::fs::read_to_string(file).unwrap();
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        let cases: Vec<Case> =
            serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        cases.into_iter().map(|case| (stem.clone(), case)).collect()
    };
    files.iter().flat_map(read).collect()
}

#[test]
fn ten_thousand_hosts_are_read_quickly() {
    let mut text = "[all:vars]\na=1\n[top:children]\nnodes\n[nodes]\n".to_owned();
    text.extend((0..10_000).map(|host| format!("node{host}.example.com ansible_host=10.0.0.1 zone='{{{{ a }}}}'\n")));
    let variables = Variables::new(load::parse(&Source::new("hosts", text)).unwrap(), NoAccess::shared());
    let inventory = variables.inventory();
    assert_eq!(inventory.hosts_of("top").len(), 10_000);
    let resolved = inventory.hosts.keys().filter(|host| variables.of(host).get("zone").unwrap().is_some());
    assert_eq!(resolved.count(), 10_000);
    assert_eq!(select(inventory, "top:!node1.example.com").unwrap().len(), 9_999);
}
