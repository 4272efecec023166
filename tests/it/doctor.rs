//! Runs tests/cases/doctor: an inventory in, the findings of `inventory --check` out. Every code has a case in
//! which it fires, and a near miss in which it does not.

mod scale;
mod schema;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

use oregano::desired::Request;
use oregano::doctor;
use oregano::inventory::{self, Code, Finding, Sources, code};
use serde::Deserialize;

use crate::support::oregano::Oregano;

/// Codes of the inventory readers; their cases are in tests/cases/inventory.
const ELSEWHERE: [Code; 4] = [code::DUPLICATE_VARIABLE, code::DUPLICATE_HOST, code::GROUP_NAME, code::GROUP_AND_HOST];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// The rule that the case shows.
    rule: String,
    /// The inventory as INI text.
    ini: Option<String>,
    /// The inventory as YAML text, instead.
    yaml: Option<String>,
    /// The permission bits of the file, in octal.
    #[serde(default = "private")]
    mode: String,
    /// The values of `-e`.
    #[serde(default)]
    extra: Vec<String>,
    /// Codes whose condition is almost met, and that must not be reported.
    #[serde(default)]
    near_miss: Vec<String>,
    /// Texts of the inventory that no finding may show.
    #[serde(default = "canary")]
    secrets: Vec<String>,
    /// `line:column code severity message`, in order; `FILE` is a placeholder for the file.
    findings: Vec<String>,
}

fn private() -> String {
    "0600".to_owned()
}

fn canary() -> Vec<String> {
    vec!["s3cr3t".to_owned()]
}

/// The findings of a case, and the file they are in.
fn examine(name: &str, case: &Case) -> (Vec<Finding>, String) {
    let folder = tempfile::tempdir().unwrap();
    let (file, text) = match (&case.ini, &case.yaml) {
        (Some(ini), None) => ("hosts", ini),
        (None, Some(yaml)) => ("hosts.yml", yaml),
        _ => panic!("{name}: give one of `ini` and `yaml`"),
    };
    let path = folder.path().join(file);
    std::fs::write(&path, text).unwrap();
    let mode = u32::from_str_radix(&case.mode, 8).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    let file = path.display().to_string();
    let sources = Sources { inventories: vec![file.clone()], extra: case.extra.clone(), ..Sources::default() };
    let read = inventory::load(&sources);
    (doctor::examine(&read, &Request { user: "me".into(), ..Request::default() }), file)
}

fn described(finding: &Finding, file: &str) -> String {
    let place = finding.problem.place.as_ref().map(|place| {
        let (line, column) = place.span.line_column();
        format!("{line}:{column} ")
    });
    let message = finding.problem.message.replace(file, "FILE");
    format!("{}{} {} {message}", place.unwrap_or_default(), finding.code.name(), finding.severity.name())
}

#[test]
fn findings() {
    let (mut fired, mut missed, mut failures) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for (name, case) in crate::cases::read::<Case>("doctor") {
        let name = format!("{name} ({})", case.rule);
        let (findings, file) = examine(&name, &case);
        let found: Vec<String> = findings.iter().map(|finding| described(finding, &file)).collect();
        if found != case.findings {
            failures.push(format!("{name}\n   found {found:#?}\nexpected {:#?}", case.findings));
        }
        for finding in &findings {
            let shown = format!("{} {:?}", finding.problem.render(), finding.problem.hint);
            assert!(finding.problem.hint.is_some(), "{name}: {shown}");
            let leak = case.secrets.iter().find(|secret| shown.contains(secret.as_str()));
            assert_eq!(leak, None, "{name}: {shown}");
            fired.insert(finding.code.name());
        }
        missed.extend(case.near_miss.iter().cloned());
        for code in &case.near_miss {
            assert!(!findings.iter().any(|finding| finding.code.name() == code), "{name}");
        }
        let texts = format!("{:?} {:?} {:?}", case.ini, case.yaml, case.extra);
        let plants = case.secrets.is_empty() || case.secrets.iter().any(|secret| texts.contains(secret.as_str()));
        assert!(plants, "{name}: none of its secrets is in it");
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    for code in doctor::codes::ALL.iter().filter(|code| !ELSEWHERE.contains(code)) {
        assert!(fired.contains(code.name()), "no case in which `{}` fires", code.name());
        assert!(missed.contains(code.name()), "no near miss of `{}`", code.name());
    }
}

#[test]
fn every_code_is_documented() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/findings.md")).unwrap();
    let rows: Vec<(String, String)> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            assert_eq!(cells.len(), 4, "{line}");
            (cells[0].trim_matches('`').to_owned(), cells[2].to_owned())
        })
        .collect();
    let expected: Vec<(String, String)> =
        doctor::codes::ALL.iter().map(|code| (code.name().to_owned(), code.meaning().to_owned())).collect();
    assert_eq!(rows, expected);
}

#[test]
fn the_text_is_like_that_of_a_compiler_and_errors_set_the_status() {
    let user = Oregano::new();
    let file = user.write(
        "hosts",
        "[nodes]\nnode1\n[nodes:vars]\nopenshift_deployment_type=origin\noreg_auth_user=u\noreg_auth_password=0x10\n",
    );
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let words = ["inventory", "-i", file.to_str().unwrap(), "--check"];
    let run = user.run(&words).expect(0);
    let expected = format!(
        "warning[numeric-password]: Ansible reads `oreg_auth_password` as an integer, and writes it in plain \
         decimal digits; oregano uses the text as written\n --> {}:6:20\n  |\n6 | oreg_auth_password=…\n  |                    ^\n\
         hint: put it in quotes (on a host line in both kinds: \"'…'\"), so that Ansible and oregano read the same text\n\n\
         0 errors, 1 warning\n",
        file.display()
    );
    assert_eq!((run.stdout, run.stderr), (expected, String::new()));
    std::fs::write(&file, "[nodes]\nnode1\n").unwrap();
    assert!(user.run(&words).expect(1).stdout.ends_with("\n1 error, 0 warnings\n"));
}

#[test]
fn json_lines_have_code_place_and_hint() {
    let user = Oregano::new();
    let file = user.write("hosts", "[nodes]\nnode1\n[nodes:vars]\noreg_host=a\n");
    let file = file.to_str().unwrap();
    let run = user.run(&["inventory", "-i", file, "--check", "--output", "json"]).expect(1);
    assert_eq!(
        run.events(),
        [
            serde_json::json!({"version": 1, "event": "finding", "code": "desired", "severity": "error",
                "message": "the selected hosts have no registry credentials", "place": null,
                "hint": "set `oreg_auth_user` and `oreg_auth_password`, or `openshift_additional_registry_credentials`"}),
            serde_json::json!({"version": 1, "event": "finding", "code": "leftover", "severity": "warning",
                "message": "`oreg_host` no longer has an effect", "place": {"file": file, "line": 4, "column": 11},
                "hint": "the registry host is read from `oreg_url`"}),
        ]
    );
}

/// A password in every place in which a user may write one by mistake.
#[test]
fn no_output_shows_a_password() {
    let user = Oregano::new();
    let yaml = r#"
nodes:
  hosts:
    node1: {ansible_host: "root:CANARY@h", ansible_connection: CANARY}
    node2: {ansible_host: "root:CANARY@h", "CANARY x": 1, "CANARY x": 2}
  vars:
    openshift_deployment_type: okd
    oreg_url: "https://me:CANARY@registry.example.com/a/b:1"
    oreg_auth_user: "me:CANARY"
    oreg_auth_password: " CANARY"
    oreg_auth_pasword: CANARY
    openshift_docker_insecure_registries: "me:CANARY@h"
    openshift_additional_registry_credentials:
      - {host: "me:CANARY@h", password: CANARY, "password CANARY": 1, tls_verify: CANARY, test_login: CANARY}
      - {host: r.example.com, user: " CANARY ", password: "CANARY\n", test_image: "CANARY CANARY"}
"#;
    let ini = "[nodes]\nnode1 x=CANARY#CANARY\nnode3 ansible_password=CANARY#CANARY\nnode2 ansible_port=CANARY\n\
        [nodes:vars]\noreg_auth_password: CANARY=CANARY # CANARY\noreg_auth_user=CANARY # CANARY\n\
        openshift_data_dir=CANARY\noreg_auth_password=CANARY {{ nowhere }}\n";
    for (name, text) in [("hosts.yml", yaml), ("hosts", ini)] {
        let file = user.write(name, text);
        for output in ["text", "json"] {
            let run = user.run(&["inventory", "-i", file.to_str().unwrap(), "--check", "--output", output]).expect(1);
            let shown = format!("{}{}", run.stdout, run.stderr);
            let leaks: Vec<&str> = shown.lines().filter(|line| line.contains("CANARY")).collect();
            assert!(leaks.is_empty(), "{leaks:#?}");
            assert!(shown.matches("[").count() + shown.matches("\"code\"").count() > 5, "{shown}");
        }
    }
}
