//! Runs tests/cases/desired: an inventory in, the desired state or its problems out.

mod secret_sources;

use std::collections::BTreeMap;
use std::sync::Arc;

use oregano::desired::{
    self, Backup, BackupName, ContentSource, Desired, Escalation, GlobalMode, GlobalPullSecret, ImagePuller, Limit,
    LinkUse, Namespaces, NodeTarget, Object, Ownership, Platform, Proxy, PullSecret, PullSecretState, Puller, Registry,
    Request, Scope, ServiceAccounts, TestLogin, TlsPolicy, Vantage, VantagePoint,
};
use oregano::dockerconfig::Credential;
use oregano::inventory::{self, Problem, Sources};
use oregano::secret::Secret;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// The rule that the case shows.
    rule: String,
    /// The inventory as INI text.
    ini: Option<String>,
    /// The inventory as YAML text, instead.
    yaml: Option<String>,
    /// Files of the working directory, by name.
    #[serde(default)]
    beside: BTreeMap<String, String>,
    /// Values of `-e`.
    #[serde(default)]
    extra: Vec<String>,
    limit: Option<String>,
    /// `--from`.
    #[serde(default)]
    from: From,
    /// `--only`.
    #[serde(default)]
    only: Only,
    /// `user password key image policy login`, and after it everything else, one text for each registry.
    registries: Option<Vec<String>>,
    /// Files by node.
    files: Option<BTreeMap<String, Vec<String>>>,
    /// `name user@address:port [key file] [sudo]`, one text for each node.
    connections: Option<Vec<String>>,
    /// `name: registry registry`, one text for each node from which registries are contacted.
    vantage: Option<Vec<String>>,
    /// The retired registries of each node.
    retired: Option<BTreeMap<String, Vec<String>>>,
    /// Keys, users and emails of the entries of each node.
    credentials: Option<BTreeMap<String, Vec<String>>>,
    /// The keys and users of the pull secret.
    secret: Option<Vec<String>>,
    /// All objects of the cluster, as [`object_line`] writes them.
    objects: Option<Vec<String>>,
    /// The name of the platform, or `unknown`.
    platform: Option<String>,
    /// The seconds that a run waits for service accounts, and for a rollout.
    waits: Option<[u64; 2]>,
    #[serde(default)]
    warnings: Vec<String>,
    /// `line:column: message`, in order.
    #[serde(default)]
    problems: Vec<String>,
    /// The backup that `restore` puts back, one of `beside`.
    restore: Option<String>,
    /// A text that the hint of some problem contains.
    hint: Option<String>,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum From {
    #[default]
    Controller,
    FirstNode,
    EveryNode,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Only {
    #[default]
    Everything,
    Nodes,
    Cluster,
    Registries,
}

impl std::convert::From<From> for Vantage {
    fn from(from: From) -> Self {
        match from {
            From::Controller => Self::Controller,
            From::FirstNode => Self::FirstNode,
            From::EveryNode => Self::EveryNode,
        }
    }
}

impl std::convert::From<Only> for Scope {
    fn from(only: Only) -> Self {
        match only {
            Only::Everything => Self::Everything,
            Only::Nodes => Self::Nodes,
            Only::Cluster => Self::Cluster,
            Only::Registries => Self::Registries,
        }
    }
}

#[test]
fn desired_states() {
    for (name, case) in crate::cases::read::<Case>("desired") {
        let name = format!("{name} ({})", case.rule);
        let folder = tempfile::tempdir().unwrap();
        let (file, text) = match (&case.ini, &case.yaml) {
            (Some(ini), None) => ("hosts", ini),
            (None, Some(yaml)) => ("hosts.yml", yaml),
            _ => panic!("{name}: give one of `ini` and `yaml`"),
        };
        let path = folder.path().join(file);
        std::fs::write(&path, text).unwrap();
        for (name, content) in &case.beside {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let request = Request {
            scope: match &case.restore {
                None => case.only.into(),
                Some(name) => Scope::Restore(Backup {
                    name: BackupName::parse(name).expect("the name of a backup"),
                    path: folder.path().join(name),
                }),
            },
            vantage: case.from.into(),
            limit: case.limit.clone().map(|pattern| Limit { written: pattern.clone(), pattern }),
            user: "me".into(),
            home: Some("/home/me".into()),
            ..Request::default()
        };
        let sources =
            Sources { inventories: vec![path.display().to_string()], extra: case.extra.clone(), ..Sources::default() };
        let desired =
            inventory::load::load_from(&sources, folder.path()).and_then(|read| desired::resolve(&read, &request));
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

/// `line:column: message`, with the name of the file if it is not the inventory.
fn describe(problem: &Problem, folder: &str) -> String {
    let Some(place) = &problem.place else { return problem.message.replace(folder, "") };
    let at = place.span.to_string().replace(folder, "");
    let at = at.strip_prefix("hosts:").or_else(|| at.strip_prefix("hosts.yml:")).unwrap_or(&at);
    format!("{at}: {}", problem.message.replace(folder, ""))
}

fn registry_line(registry: &Registry) -> String {
    let tls = match registry.tls {
        TlsPolicy::Verify => "verify",
        TlsPolicy::Insecure => "insecure",
    };
    let login = match registry.test_login {
        TestLogin::Inspect => "inspect",
        TestLogin::LoginOnly => "login-only",
        TestLogin::Skip => "skip",
        TestLogin::Impossible => "impossible",
    };
    let (user, password) = (&registry.user, registry.password.expose());
    format!("{user} {password} {} {} {tls} {login}{}", registry.host, registry.image, more(registry))
}

fn connection_line(node: &NodeTarget) -> String {
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
}

/// The settings that few registries have: ` name=value` for each.
fn more(registry: &Registry) -> String {
    let mut text = String::new();
    let mut add = |name: &str, value: &str| text += &format!(" {name}={value}");
    registry.identity_token.iter().for_each(|token| add("token", token.expose()));
    registry.email.iter().for_each(|email| add("email", email));
    registry.ca.iter().for_each(|ca| add("ca", &format!("{}:{}", ca.file, ca.pem.matches("BEGIN").count())));
    registry.auth_server.iter().for_each(|server| add("auth_server", server));
    if let Proxy::Set(proxy) = &registry.proxy {
        let url = |url: &Option<Secret>| url.as_ref().map_or("direct", Secret::expose).to_owned();
        add("proxy", &format!("{},{} except [{}]", url(&proxy.http), url(&proxy.https), proxy.no_proxy));
    }
    text
}

/// One line for a declared object; `None` for the secrets of openshift-ansible.
fn object_line(object: &Object) -> Option<String> {
    let owner = |owner: &Option<String>| format!("owner {}", owner.as_deref().unwrap_or("-"));
    match object {
        Object::PullSecret(secret) => secret_line(secret),
        Object::ImagePuller(ImagePuller { namespace, puller, state, owner: of }) => {
            let puller = match puller {
                Puller::Account { namespace, name } => format!("{namespace}/{name}"),
                Puller::AccountsOf(namespace) => format!("{namespace}/*"),
            };
            Some(format!("{puller} pulls from {namespace} {state:?}; {}", owner(of)))
        }
        Object::GlobalPullSecret(GlobalPullSecret { mode, owner: of }) => {
            let mode = match mode {
                GlobalMode::Append { credentials } => format!("append {}", keys(credentials)),
                GlobalMode::Replace { content, source } => {
                    let of = match source {
                        ContentSource::File => String::new(),
                        ContentSource::Backup(name) => format!(" of {name}"),
                    };
                    format!("replace{of} {}", String::from_utf8_lossy(content.expose()))
                }
            };
            Some(format!("global {mode}; {}", owner(of)))
        }
    }
}

fn keys(credentials: &[Credential]) -> String {
    credentials.iter().map(|entry| format!("{}={}", entry.key, entry.user)).collect::<Vec<_>>().join(" ")
}

/// `namespaces/name state credentials ownership accounts` of a pull secret.
fn secret_line(secret: &PullSecret) -> Option<String> {
    let namespaces = match &secret.namespaces {
        Namespaces::Named(names) => names.join(","),
        Namespaces::Selected(selector) => format!("[{} except {:?}]", selector.labels, selector.except),
    };
    let state = match &secret.state {
        PullSecretState::Present { credentials, format } => format!("{} {}", format.data_key(), keys(credentials)),
        PullSecretState::IfPresent { .. } => return None,
        PullSecretState::Absent => "absent".to_owned(),
    };
    let ownership = match &secret.ownership {
        Ownership::Shared => "shared".to_owned(),
        Ownership::Declared { owner, adopt } => format!("owner {} adopt {adopt:?}", owner.as_deref().unwrap_or("-")),
    };
    let account = |name: &str, uses: &[LinkUse]| {
        format!("{name}:{}", uses.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>().join("+"))
    };
    let accounts: Vec<String> = match &secret.service_accounts {
        ServiceAccounts::Named(accounts) => accounts.iter().map(|one| account(&one.name, &one.uses)).collect(),
        ServiceAccounts::All(uses) => vec![account("*", uses)],
    };
    let accounts = if accounts.is_empty() { String::new() } else { format!("; accounts {}", accounts.join(" ")) };
    Some(format!("{namespaces}/{} {state}; {ownership}{accounts}", secret.name))
}

fn check(name: &str, case: &Case, desired: &Desired) {
    if let Some(expected) = &case.registries {
        let found: Vec<String> = desired.registries.iter().map(registry_line).collect();
        assert_eq!(&found, expected, "{name}");
    }
    if let Some(expected) = &case.files {
        let found: BTreeMap<String, Vec<String>> =
            desired.nodes.iter().map(|node| (node.name.clone(), node.files.clone())).collect();
        assert_eq!(&found, expected, "{name}");
    }
    if let Some(expected) = &case.connections {
        let found: Vec<String> = desired.nodes.iter().map(connection_line).collect();
        assert_eq!(&found, expected, "{name}");
    }
    if let Some(expected) = &case.retired {
        let retired = |node: &NodeTarget| (node.name.clone(), node.retired.to_vec());
        let found: BTreeMap<String, Vec<String>> = desired.nodes.iter().map(retired).collect();
        assert_eq!(&found, expected, "{name}");
    }
    if let Some(expected) = &case.credentials {
        let entry =
            |entry: &Credential| format!("{} {} {}", entry.key, entry.user, entry.email.as_deref().unwrap_or("-"));
        let found: BTreeMap<String, Vec<String>> = desired
            .nodes
            .iter()
            .map(|node| (node.name.clone(), node.credentials.iter().map(entry).collect()))
            .collect();
        assert_eq!(&found, expected, "{name}");
    }
    if let Some(expected) = &case.vantage {
        let point = |point: &VantagePoint| {
            let hosts: Vec<&str> = point.registries.iter().map(|registry| registry.host.as_str()).collect();
            format!("{} {}: {}", point.name, point.connection.address, hosts.join(" "))
        };
        assert_eq!(&desired.vantage_points.iter().map(point).collect::<Vec<_>>(), expected, "{name}");
        assert_eq!(desired.vantage, case.from.into(), "{name}");
    }
    if let Some(expected) = &case.secret {
        let Object::PullSecret(secret) = &desired.objects[0] else { panic!("{name}: no pull secret") };
        let PullSecretState::Present { credentials, .. } = &secret.state else { panic!("{name}: {secret:?}") };
        let found: Vec<String> = credentials.iter().map(|entry| format!("{} {}", entry.key, entry.user)).collect();
        assert_eq!(&found, expected, "{name}");
    }
    if let Some(expected) = &case.objects {
        let found: Vec<String> = desired.objects.iter().filter_map(object_line).collect();
        assert_eq!(&found, expected, "{name}");
    }
    if let Some(expected) = &case.platform {
        assert_eq!(desired.platform.map_or("unknown", Platform::name), expected, "{name}");
    }
    if let Some(expected) = &case.waits {
        let found = [desired.waits.service_accounts, desired.waits.rollout];
        assert_eq!(&found.map(|time| time.as_secs()), expected, "{name}");
    }
    assert_eq!(desired.warnings.len(), case.warnings.len(), "{name}: {:?}", desired.warnings);
    for (found, expected) in desired.warnings.iter().zip(&case.warnings) {
        assert!(found.to_string().contains(expected.as_str()), "{name}: {found}");
    }
}

#[test]
fn every_secret_is_known_to_the_redactor() {
    let folder = tempfile::tempdir().unwrap();
    let inventory = folder.path().join("hosts.yml");
    std::fs::write(folder.path().join("token"), "canary-1\n").unwrap();
    // `auth` is base64 of `u:canary-8`. The other members are written with it, but no registry is verified with them.
    let content =
        r#"{"auths":{"c.example.com":{"auth":"dTpjYW5hcnktOA==","password":"canary-9","registrytoken":"canary-10"}}}"#;
    std::fs::write(folder.path().join("auth.json"), content).unwrap();
    let text = r#"
nodes:
  hosts: {node1: {ansible_password: canary-2, ansible_become: yes, ansible_become_password: canary-3}}
  vars:
    openshift_https_proxy: http://me:canary%2D4@proxy.example.com
    openshift_additional_registry_credentials:
      - {host: a.example.com, user: u, password_file: token, identity_token: canary-5}
      - {host: b.example.com, user: u, password: canary-6, proxy: "http://me:canary-7@proxy.example.com"}
    oregano_global_pull_secret: {mode: replace, from_file: auth.json}
"#;
    std::fs::write(&inventory, text).unwrap();
    let sources = Sources { inventories: vec![inventory.display().to_string()], ..Sources::default() };
    let read = inventory::load::load_from(&sources, folder.path()).unwrap();
    let request = Request { scope: Scope::Everything, vantage: Vantage::FirstNode, ..Request::default() };
    let redactor = desired::resolve(&read, &request).unwrap().redactor();
    let all: Vec<String> = (1..=10).map(|number| format!("canary-{number}")).collect();
    let scrubbed = redactor.scrub(&format!("{} canary%2D4", all.join(" ")));
    assert!(!scrubbed.contains("canary"), "{scrubbed}");
    let content = redactor.scrub(content);
    assert!(!content.contains("canary") && !content.contains("dTpjYW5hcnktOA"), "{content}");
    let debugged = format!("{:?}", desired::resolve(&read, &request).unwrap());
    assert!(all.iter().all(|canary| !debugged.contains(canary.as_str())), "{debugged}");
}

/// Values that hosts share are created once: a list of all hosts for each host would need quadratic memory.
#[test]
fn many_hosts_share_what_they_have_in_common() {
    let folder = tempfile::tempdir().unwrap();
    let inventory = folder.path().join("hosts");
    let text = "[nodes]\nnode[1:3000]\n[nodes:vars]\nopenshift_deployment_type=origin\noreg_auth_user=u\n\
        oregano_oreg_auth={'password_command': 'echo x >> ran; echo p'}\nopenshift_https_proxy=http://proxy\n";
    std::fs::write(&inventory, text).unwrap();
    let sources = Sources { inventories: vec![inventory.display().to_string()], ..Sources::default() };
    let read = inventory::load::load_from(&sources, folder.path()).unwrap();
    let start = std::time::Instant::now();
    let desired = desired::resolve(&read, &Request { vantage: Vantage::EveryNode, ..Request::default() }).unwrap();
    assert!(start.elapsed() < std::time::Duration::from_secs(20), "{:?}", start.elapsed());
    let (nodes, points) = (&desired.nodes, &desired.vantage_points);
    assert_eq!((desired.registries.len(), nodes.len(), points.len()), (1, 3000, 3000));
    assert!(nodes.iter().all(|node| Arc::ptr_eq(&node.credentials, &nodes[0].credentials)));
    assert!(points.iter().all(|point| Arc::ptr_eq(&point.registries, &points[0].registries)));
    let Proxy::Set(proxy) = &desired.registries[0].proxy else { panic!("no proxy") };
    assert_eq!(proxy.no_proxy.split(',').filter(|name| name.starts_with("node")).count(), 3000);
    assert_eq!(std::fs::read_to_string(folder.path().join("ran")).unwrap(), "x\n");
}
