//! Runs tests/cases/desired: an inventory in, the desired state or its problems out.

use std::collections::BTreeMap;

use oregano::desired::{self, Desired, Escalation, Limit, Request, Scope, TestLogin, TlsPolicy};
use oregano::inventory::{self, Problem, Sources};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What the case shows.
    rule: String,
    /// INI text.
    ini: Option<String>,
    /// YAML text, instead.
    yaml: Option<String>,
    /// Values of `-e`.
    #[serde(default)]
    extra: Vec<String>,
    limit: Option<String>,
    /// `user password key image policy login`, one text for each registry.
    registries: Option<Vec<String>>,
    /// Files by node.
    files: Option<BTreeMap<String, Vec<String>>>,
    /// `name user@address:port [key file] [sudo]`, one text for each node.
    connections: Option<Vec<String>>,
    /// The keys and users of the pull secret.
    secret: Option<Vec<String>>,
    #[serde(default)]
    warnings: Vec<String>,
    /// `line:column: message`, in order.
    #[serde(default)]
    problems: Vec<String>,
    /// A text that some problem's hint holds.
    hint: Option<String>,
}

#[test]
fn desired_states() {
    for (name, case) in super::cases::read::<Case>("desired") {
        let name = format!("{name} ({})", case.rule);
        let folder = tempfile::tempdir().unwrap();
        let (file, text) = match (&case.ini, &case.yaml) {
            (Some(ini), None) => ("hosts", ini),
            (None, Some(yaml)) => ("hosts.yml", yaml),
            _ => panic!("{name}: give one of `ini` and `yaml`"),
        };
        let path = folder.path().join(file);
        std::fs::write(&path, text).unwrap();
        let request = Request {
            scope: Scope::Everything,
            limit: case.limit.clone().map(|pattern| Limit { written: pattern.clone(), pattern }),
            user: "me".into(),
            home: Some("/home/me".into()),
            ..Request::default()
        };
        let desired = inventory::load(&Sources {
            inventories: vec![path.display().to_string()],
            extra: case.extra.clone(),
            ..Sources::default()
        })
        .and_then(|read| desired::resolve(&read, &request));
        match desired {
            Ok(desired) => {
                assert_eq!(Vec::<String>::new(), case.problems, "{name}");
                check(&name, &case, &desired);
            }
            Err(problems) => {
                let folder = format!("{}/", folder.path().display());
                let found: Vec<String> = problems.iter().map(|problem| describe(problem, &folder)).collect();
                assert_eq!(found, case.problems, "{name}");
                if let Some(hint) = &case.hint {
                    let given: Vec<_> = problems.iter().filter_map(|problem| problem.hint.as_deref()).collect();
                    assert!(given.iter().any(|text| text.contains(hint)), "{name}: hints {given:?}");
                }
            }
        }
    }
}

/// `line:column: message`, with the file's name where it is not the inventory.
fn describe(problem: &Problem, folder: &str) -> String {
    let Some(place) = &problem.place else { return problem.message.clone() };
    let at = place.span.to_string().replace(folder, "");
    let at = at.strip_prefix("hosts:").or_else(|| at.strip_prefix("hosts.yml:")).unwrap_or(&at);
    format!("{at}: {}", problem.message.replace(folder, ""))
}

fn check(name: &str, case: &Case, desired: &Desired) {
    if let Some(expected) = &case.registries {
        let found: Vec<String> = desired
            .registries
            .iter()
            .map(|registry| {
                let tls = match registry.tls {
                    TlsPolicy::Verify => "verify",
                    TlsPolicy::Insecure => "insecure",
                };
                let login = match registry.test_login {
                    TestLogin::Inspect => "inspect",
                    TestLogin::LoginOnly => "login-only",
                    TestLogin::Skip => "skip",
                };
                let (user, password) = (&registry.user, registry.password.expose());
                format!("{user} {password} {} {} {tls} {login}", registry.host, registry.image)
            })
            .collect();
        assert_eq!(&found, expected, "{name}");
    }
    if let Some(expected) = &case.files {
        let found: BTreeMap<String, Vec<String>> =
            desired.nodes.iter().map(|node| (node.name.clone(), node.files.clone())).collect();
        assert_eq!(&found, expected, "{name}");
    }
    if let Some(expected) = &case.connections {
        let found: Vec<String> = desired
            .nodes
            .iter()
            .map(|node| {
                let connection = &node.connection;
                let mut text = format!("{} {}@{}:{}", node.name, connection.user, connection.address, connection.port);
                if let Some(file) = &connection.private_key_file {
                    text += &format!(" {}", file.display());
                }
                if let Some(password) = &connection.password {
                    text += &format!(" password {}", password.expose());
                }
                if let Escalation::Sudo { password } = &connection.escalation {
                    text += " sudo";
                    text += &password.as_ref().map(|text| format!(" {}", text.expose())).unwrap_or_default();
                }
                text
            })
            .collect();
        assert_eq!(&found, expected, "{name}");
    }
    if let Some(expected) = &case.secret {
        let secret = desired.pull_secret.as_ref().unwrap();
        let found: Vec<String> =
            secret.credentials.iter().map(|entry| format!("{} {}", entry.key, entry.user)).collect();
        assert_eq!(&found, expected, "{name}");
    }
    assert_eq!(desired.warnings.len(), case.warnings.len(), "{name}: {:?}", desired.warnings);
    for (found, expected) in desired.warnings.iter().zip(&case.warnings) {
        assert!(found.to_string().contains(expected.as_str()), "{name}: {found}");
    }
}
