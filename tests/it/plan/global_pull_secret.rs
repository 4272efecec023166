//! Runs tests/cases/global-pull-secret: a declaration and the secret in, the planned change and the steps of the pools out.

use std::sync::Arc;

use indexmap::IndexMap;
use oregano::desired::{
    BackupName, ContentSource, Desired, GlobalMode, GlobalPullSecret, Namespaces, Object, ObjectContent, Ownership,
    PullSecret, PullSecretFormat, PullSecretState, ServiceAccounts,
};
use oregano::dockerconfig::Credential;
use oregano::facts::{
    ClusterFact, ControlPlane, Facts, GlobalFact, ImportFacts, Importer, InfrastructureFact, Marks, ObjectFact,
    ObjectName, Observed, Revision, RolloutFact, SecretFact,
};
use oregano::failure::Failure;
use oregano::plan::{self, Action, Change, Gate, PlanRequest, Prune, Stage, Target, Transfer};
use oregano::secret::{Secret, SecretBytes};
use serde::Deserialize;

use super::Found;
use super::adapter::registry;
use super::rollout::{Observation, observation};
use crate::cases::{self, describe};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    rule: String,
    /// `mode: append`: key and `user:password`.
    append: Option<IndexMap<String, String>>,
    /// `mode: replace`: the content.
    replace: Option<String>,
    /// The name of the backup that `replace` is the content of. The cluster is `prod-x7k2p`.
    backup: Option<String>,
    secret: Found<Content>,
    #[serde(default)]
    control_plane: Plane,
    /// `--transfer-ownership`
    #[serde(default)]
    transfer: bool,
    /// `oregano_retired_registries`
    #[serde(default)]
    retired: Vec<String>,
    /// `--prune`
    #[serde(default)]
    prune: bool,
    /// The entries of retired registries that stay.
    #[serde(default)]
    left: Vec<String>,
    /// The pools; without them, there is no kind MachineConfigPool.
    rollout: Option<Observation>,
    gate: super::Gate,
    action: super::Action,
    #[serde(default)]
    changes: Vec<String>,
    /// Without the note about readers of MachineConfigs, which every change has.
    #[serde(default)]
    notes: Vec<String>,
    #[serde(default)]
    failure: Vec<String>,
    /// Parts of its hint. No hint deletes the secret: its entries exist nowhere else.
    #[serde(default)]
    hint: Vec<String>,
    /// The complete new content.
    content: Option<String>,
    /// The action of each pool, and its notes or the message of its failure.
    #[serde(default)]
    pools: IndexMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    content: String,
    r#type: Option<String>,
    #[serde(default)]
    immutable: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
enum Plane {
    #[default]
    Nodes,
    Hosted,
    Unknown(String),
}

#[test]
fn changes_of_the_global_pull_secret() {
    for (name, case) in cases::read::<Case>("global-pull-secret") {
        let name = format!("{name} ({})", case.rule);
        let transfer = if case.transfer { Transfer::Permit } else { Transfer::Refuse };
        let prune = if case.prune { Prune::Remove } else { Prune::Keep };
        let request = PlanRequest { transfer, prune, ..PlanRequest::default() };
        let secret = ObjectName::secret("openshift-config", "pull-secret");
        let mode = match (case.append, case.replace) {
            (Some(entries), None) => GlobalMode::Append { credentials: entries.into_iter().map(credential).collect() },
            (None, Some(text)) => GlobalMode::Replace {
                content: SecretBytes::new(text.into_bytes()),
                source: case.backup.map_or(ContentSource::File, |name| {
                    ContentSource::Backup(BackupName::parse(&name).expect("the name of a backup"))
                }),
            },
            _ => panic!("{name}: either `append` or `replace`"),
        };
        let objects = vec![Object::GlobalPullSecret(GlobalPullSecret { mode, owner: None })];
        let infrastructure = |control_plane| Ok(InfrastructureFact { control_plane, cluster: "prod-x7k2p".to_owned() });
        let infrastructure = match case.control_plane {
            Plane::Nodes => infrastructure(ControlPlane::Nodes),
            Plane::Hosted => infrastructure(ControlPlane::Hosted),
            Plane::Unknown(message) => Err(Failure::new(message)),
        };
        let missing = || RolloutFact::unknown(Failure::new("the pools were not observed"));
        let rollout = case.rollout.map_or_else(missing, observation);
        let cluster = ClusterFact {
            objects: [(secret.clone(), found(case.secret))].into(),
            global: Some(GlobalFact { infrastructure, rollout }),
            ..ClusterFact::default()
        };
        let desired = Desired { objects, retired: case.retired.into(), ..Desired::default() };
        let expansion = plan::expand(&desired, &cluster);
        let [wanted] = expansion.wanted.as_slice() else { panic!("{name}: {expansion:?}") };
        let planned = plan::object(wanted, cluster.objects.get(&secret), &request).unwrap();
        let content = planned.content.map(|content| match content {
            ObjectContent::PullSecret { content, .. } => String::from_utf8(content.expose().to_vec()).unwrap(),
            ObjectContent::ServiceAccount(_) | ObjectContent::ImagePullers { .. } => panic!("{name}"),
        });
        assert_eq!(content, case.content, "{name}");
        let (action, failure) = match &planned.step.action {
            Action::Create => (super::Action::Create, Vec::new()),
            Action::Update => (super::Action::Update, Vec::new()),
            Action::Unchanged => (super::Action::Unchanged, Vec::new()),
            Action::Recreate | Action::Delete | Action::Prove => panic!("{name}: {:?}", planned.step),
            Action::Fail(failure) => {
                (super::Action::Fail, [vec![failure.message.clone()], failure.causes.clone()].concat())
            }
        };
        assert_eq!((action, failure), (case.action, case.failure), "{name}");
        if let Action::Fail(Failure { hint, .. }) = &planned.step.action {
            let hint = hint.as_deref().unwrap_or_default();
            assert!(case.hint.iter().all(|part| hint.contains(part)), "{name}: {hint}");
            assert!(!hint.contains("oc delete"), "{name}: {hint}");
        }
        let changes = planned.step.changes.iter().map(|change| match change {
            Change::Key(change) => describe(change),
            other => format!("{other:?}"),
        });
        assert_eq!(changes.collect::<Vec<_>>(), case.changes, "{name}");
        assert_eq!(planned.step.left.retired, case.left, "{name}");
        let notes: Vec<&String> =
            planned.step.notes.iter().filter(|note| !note.contains("read MachineConfigs")).collect();
        assert_eq!(notes, case.notes.iter().collect::<Vec<_>>(), "{name}");
        let facts = Facts { cluster, ..Facts::default() };
        let plan = plan::plan(&desired, &[], &facts, &request);
        let gate = if plan.gate == Gate::Open { super::Gate::Open } else { super::Gate::Closed };
        assert_eq!(gate, case.gate, "{name}");
        let pools = plan.stages.iter().flat_map(|stage| match stage {
            Stage::AwaitPools(steps) => steps.as_slice(),
            Stage::Objects(_) | Stage::Imports(_) | Stage::Batch(_) => &[],
        });
        let pools: IndexMap<String, Vec<String>> = pools
            .map(|step| {
                let Target::Object(pool) = &step.target else { panic!("{name}: {step:?}") };
                let first = match &step.action {
                    Action::Unchanged => vec!["unchanged".to_owned()],
                    Action::Update => vec!["update".to_owned()],
                    Action::Fail(failure) => vec!["fail".to_owned(), failure.message.clone()],
                    other => panic!("{name}: {other:?}"),
                };
                (pool.name.clone(), [first, step.notes.clone()].concat())
            })
            .collect();
        assert_eq!(pools, case.pools, "{name}");
    }
}

#[test]
fn imports_are_proved_before_the_rollout_is_followed() {
    let secret = ObjectName::secret("openshift-config", "pull-secret");
    let own = ObjectName::secret("ns", "s");
    let credentials: Arc<[Credential]> =
        [credential(("registry.example.com".to_owned(), "robot:none".to_owned()))].into();
    let state =
        PullSecretState::Present { credentials: Arc::clone(&credentials), format: PullSecretFormat::DockerConfigJson };
    let own_secret = PullSecret {
        name: own.name.clone(),
        namespaces: Namespaces::Named(vec![own.namespace.clone()]),
        state,
        ownership: Ownership::Shared,
        service_accounts: ServiceAccounts::default(),
    };
    let global = GlobalPullSecret { mode: GlobalMode::Append { credentials }, owner: None };
    let desired = Desired {
        registries: vec![registry()],
        objects: vec![Object::PullSecret(own_secret), Object::GlobalPullSecret(global)],
        ..Desired::default()
    };
    let content = Content { content: r#"{"auths":{}}"#.to_owned(), r#type: None, immutable: false };
    let observed: Observation = serde_yaml::from_str("{pools: {worker: {target: w-1}}}").unwrap();
    let infrastructure = Ok(InfrastructureFact { control_plane: ControlPlane::Nodes, cluster: "c".to_owned() });
    let cluster = ClusterFact {
        objects: [(secret, found(Found::Present(content))), (own, Observed::Absent)].into(),
        global: Some(GlobalFact { infrastructure, rollout: observation(observed) }),
        imports: ImportFacts { importer: Importer::Present, ..ImportFacts::default() },
        ..ClusterFact::default()
    };
    let facts = Facts { cluster, ..Facts::default() };
    let plan = plan::plan(&desired, &[], &facts, &PlanRequest::default());
    let stages = plan.stages.iter().map(|stage| match stage {
        Stage::Objects(_) => "objects",
        Stage::Imports(_) => "imports",
        Stage::AwaitPools(_) => "pools",
        Stage::Batch(_) => "nodes",
    });
    assert_eq!(stages.collect::<Vec<_>>(), ["objects", "objects", "imports", "pools"]);
}

fn credential((key, login): (String, String)) -> Credential {
    let (user, password) = login.split_once(':').expect("`user:password`");
    let (user, password) = (user.to_owned(), Secret::new(password));
    Credential { key, user, password, identity_token: None, email: None }
}

fn found(found: Found<Content>) -> Observed<ObjectFact> {
    match found {
        Found::Absent => Observed::Absent,
        Found::Unknown(message) => Observed::Unknown(Failure::new(message)),
        Found::Present(secret) => Observed::Present(ObjectFact::Secret(SecretFact {
            revision: Revision::default(),
            type_: secret.r#type.unwrap_or_else(|| "kubernetes.io/dockerconfigjson".to_owned()),
            immutable: secret.immutable,
            content: Some(SecretBytes::new(secret.content.into_bytes())),
            marks: Marks::default(),
        })),
    }
}
