//! Runs tests/cases/plan: a desired state and facts in, the gate and the steps out. Only `plan/adapter.rs` knows the
//! types of the crate.

mod adapter;
mod global_pull_secret;
mod rollout;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use oregano::plan::{PlanRequest, Prune, Recreate, Salt};
use oregano::secret;
use serde::Deserialize;

/// A rule of the planner.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The rule that the case shows.
    pub rule: String,
    pub desired: Desired,
    #[serde(default)]
    pub facts: Facts,
    /// `--prune`
    #[serde(default)]
    pub prune: bool,
    /// `--recreate`
    #[serde(default)]
    pub recreate: bool,
    pub gate: Gate,
    /// Every step, in the order of the stages.
    pub steps: Vec<Step>,
    /// What is not known about objects that may no longer be declared.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Parts of the complete new content, by target. A step that is not named here writes nothing.
    #[serde(default)]
    pub writes: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Desired {
    /// `namespace/name` of a secret that is shared by convention.
    pub pull_secret: Option<String>,
    /// Declared secrets.
    #[serde(default)]
    pub secrets: Vec<DeclaredSecret>,
    /// `oregano_owner`, for everything but `secrets`.
    pub owner: Option<String>,
    /// Image pullers: `namespace <- project/account`, or `namespace <- project` for all accounts of the project.
    #[serde(default)]
    pub pullers: Vec<String>,
    /// Image pullers that must be absent, in the same form.
    #[serde(default)]
    pub absent_pullers: Vec<String>,
    /// The nodes, in the order of the inventory.
    #[serde(default)]
    pub nodes: Vec<String>,
    /// The entries of the secret and of each file: key and `user:password`.
    pub credentials: BTreeMap<String, String>,
    /// The test image of each registry that has one, by key.
    #[serde(default)]
    pub images: BTreeMap<String, String>,
    /// Of these registries, the entry is verified without a test image, as those of `from_file` are.
    #[serde(default)]
    pub from_file: Vec<String>,
    /// `openshift-3`, `openshift-4` or `kubernetes`.
    pub platform: Option<String>,
    /// The retired registries.
    #[serde(default)]
    pub retired: Vec<String>,
}

/// An entry of `oregano_pull_secrets`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredSecret {
    pub name: String,
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// A label selector, instead of names.
    pub labels: Option<String>,
    #[serde(default)]
    pub except: Vec<String>,
    /// `present`, `absent`, or `if-present`.
    #[serde(default = "present")]
    pub state: String,
    /// Whether it is stored as `.dockercfg`.
    #[serde(default)]
    pub dockercfg: bool,
    pub owner: Option<String>,
    #[serde(default)]
    pub adopt: bool,
    /// Service accounts and what they use the secret for; the name `*` means all of them.
    #[serde(default)]
    pub accounts: IndexMap<String, Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// The verdicts of the credentials; `unknown` where there is none.
    #[serde(default)]
    pub verdicts: Vec<String>,
    /// The URLs of the token servers, by registry.
    #[serde(default)]
    pub realms: BTreeMap<String, String>,
    /// The verdicts that other nodes reported with `--from every-node`.
    #[serde(default)]
    pub verdicts_of_nodes: Vec<String>,
    pub pull_secret: Option<Found<Secret>>,
    /// Other secrets by `namespace/name`.
    #[serde(default)]
    pub secrets: BTreeMap<String, Found<Secret>>,
    /// Service accounts by `namespace/name`. Those that are present are all that their namespaces have.
    #[serde(default)]
    pub accounts: IndexMap<String, Found<Account>>,
    /// Namespaces whose service accounts could not be listed, and why.
    #[serde(default)]
    pub unlisted_accounts: BTreeMap<String, String>,
    /// For each namespace, its pods.
    #[serde(default)]
    pub pods: BTreeMap<String, Found<Vec<Pod>>>,
    /// For each namespace, its pull secrets, which the image importer of OpenShift uses. Without namespaces, the cluster has
    /// no importer.
    #[serde(default)]
    pub imports: BTreeMap<String, BTreeMap<String, Secret>>,
    /// Role bindings by `namespace/name`. Those that are present are all that their namespaces have.
    #[serde(default)]
    pub bindings: IndexMap<String, Found<Binding>>,
    /// Namespaces whose role bindings could not be listed, and why.
    #[serde(default)]
    pub unlisted_bindings: BTreeMap<String, String>,
    /// Namespaces whose objects with the label `oregano/managed` could not be listed, and why.
    #[serde(default)]
    pub unlisted_managed: BTreeMap<String, String>,
    /// Whether the cluster has the role of image pullers.
    #[serde(default)]
    pub puller_role: Option<Found<()>>,
    /// For each label selector, the namespaces; a name with a `-` at its end is being deleted.
    #[serde(default)]
    pub namespaces: BTreeMap<String, Vec<String>>,
    /// One for each node, in the same order.
    #[serde(default)]
    pub nodes: Vec<Node>,
}

/// What was observed at one place.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found<T> {
    Absent,
    Present(T),
    /// It could not be observed, or it cannot be managed; the message says why.
    Unknown(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    #[serde(default = "pull_secret_type")]
    pub r#type: String,
    #[serde(default)]
    pub immutable: bool,
    pub content: Option<String>,
    /// The label `oregano/managed`.
    #[serde(default)]
    pub managed: bool,
    /// The annotation `oregano/owner`.
    pub owner: Option<String>,
    pub keeper: Option<String>,
    #[serde(default)]
    pub last_applied: bool,
    /// `metadata.deletionTimestamp`.
    #[serde(default)]
    pub being_deleted: bool,
    /// The annotation `openshift.io/image.excludeSecret`.
    #[serde(default)]
    pub excluded: bool,
}

/// A pod.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pod {
    pub owner: String,
    pub account: String,
    #[serde(default)]
    pub secrets: Vec<String>,
}

/// The names in the lists of a service account.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    #[serde(default)]
    pub pull: Vec<String>,
    #[serde(default)]
    pub mount: Vec<String>,
    pub keeper: Option<String>,
    #[serde(default)]
    pub being_deleted: bool,
}

/// A role binding.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// `kind/name` of the role.
    #[serde(default = "puller_role")]
    pub role: String,
    /// `project/account`, or `kind:name` of a user or a group.
    pub subjects: Vec<String>,
    /// The label `oregano/managed`.
    #[serde(default)]
    pub managed: bool,
    /// The annotation `oregano/owner`.
    pub owner: Option<String>,
    pub keeper: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Node {
    Files(Vec<File>),
    Unreachable(String),
    Failed(String),
    NotObserved,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub path: String,
    #[serde(default)]
    pub aliases: Vec<String>,
    pub found: Found<FileContent>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileContent {
    pub content: String,
    /// Octal, as `ls` and `chmod` have it.
    pub mode: String,
}

#[derive(Deserialize, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    Open,
    Closed,
}

#[derive(Deserialize, Debug, PartialEq, Eq, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    Objects,
    Imports,
    Batch,
    /// The removal of objects that are no longer declared, after everything else.
    Prune,
}

#[derive(Deserialize, Debug, PartialEq, Eq, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    Create,
    Update,
    Recreate,
    Delete,
    Unchanged,
    Prove,
    Fail,
    /// A node without steps, because it could not be reached.
    Unreachable,
    /// A node without steps, because it was not observed.
    NotObserved,
}

/// One step, or a node that has none.
#[derive(Deserialize, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub stage: Stage,
    /// `secret namespace/name`, `node:/path`, or the node.
    pub target: String,
    #[serde(default)]
    pub aliases: Vec<String>,
    pub action: Action,
    /// `+key`, `~key` and what follows, `mode 0644 -> 0600`.
    #[serde(default)]
    pub changes: Vec<String>,
    #[serde(default)]
    pub notes: Vec<String>,
    /// Retired registries whose entries stay.
    #[serde(default)]
    pub retired: Vec<String>,
    /// Other entries that are not declared; compared only if it is given.
    #[serde(default)]
    pub undeclared: Vec<String>,
    /// `key: user #fingerprint -> user #fingerprint`; compared only if it is given.
    #[serde(default)]
    pub diff: Vec<String>,
    /// The message and the causes of a failure, one for each line; the hint is not compared.
    #[serde(default)]
    pub failure: Vec<String>,
}

fn pull_secret_type() -> String {
    "kubernetes.io/dockerconfigjson".to_owned()
}

fn puller_role() -> String {
    "ClusterRole/system:image-puller".to_owned()
}

fn present() -> String {
    "present".to_owned()
}

#[test]
fn plans() {
    for (name, case) in super::cases::read::<Case>("plan") {
        let name = format!("{name} ({})", case.rule);
        let (desired, facts) = (adapter::desired(&case), adapter::facts(&case));
        let salt = Salt::new(secret::Secret::new("salt"));
        let request = PlanRequest {
            prune: if case.prune { Prune::Remove } else { Prune::Keep },
            recreate: if case.recreate { Recreate::Permit } else { Recreate::Refuse },
            diff: Some(salt),
            ..PlanRequest::default()
        };
        let mut planned = adapter::plan(&desired, &facts, &request);
        assert_eq!(planned.gate, case.gate, "{name}");
        for (step, expected) in planned.steps.iter_mut().zip(&case.steps) {
            // Most cases are about something else.
            if expected.diff.is_empty() {
                step.diff.clear();
            }
            if expected.undeclared.is_empty() {
                step.undeclared.clear();
            }
        }
        assert_eq!(planned.steps, case.steps, "{name}");
        assert_eq!(planned.warnings, case.warnings, "{name}");
        // A note of the plan must not show what the files contain.
        for password in case.desired.credentials.values().filter_map(|login| login.split_once(':')) {
            assert!(!planned.debug.contains(password.1), "{name}: the plan shows a password");
        }
        let targets: Vec<&String> = planned.writes.keys().collect();
        assert_eq!(targets, case.writes.keys().collect::<Vec<_>>(), "{name}");
        for (target, parts) in &case.writes {
            let content = &planned.writes[target];
            assert!(parts.iter().all(|part| content.contains(part)), "{name}: {target}: {parts:?} in {content}");
        }
    }
}
