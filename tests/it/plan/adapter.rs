//! Turns a case into the types of the crate, and a plan of the crate into the form of a case. Decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use oregano::desired::{
    AccountLinks, Adopt, Connection, Declaration, Desired, Escalation, HostKeyChecking, IMAGE_PULLER_ROLE, ImageChoice,
    ImagePuller, ImagePullerState, LinkUse, LinkedAccount, NamespaceSelector, Namespaces, NodeTarget, Object,
    ObjectContent, Ownership, Platform, Proxy, PullSecret, PullSecretFormat, PullSecretState, Puller, RBAC_GROUP,
    Registry, ServiceAccounts, Subject, TestLogin, TlsPolicy,
};
use oregano::dockerconfig::{Credential, Reader};
use oregano::facts::{
    AccountFact, BindingFact, ClusterFact, Deletion, Facts, FileFact, FileFault, FileState, ImportFacts, ImportSecret,
    ImportUse, Importer, LastApplied, Managed, Marks, NamesByNamespace, NamespaceFact, NamespacePhase, NodeFact,
    ObjectFact, ObjectKind, ObjectName, Observed, PathFact, PodFact, PodsByNamespace, RegistryFact, Revision,
    RoleReference, SecretFact, SecretReference, Verdict,
};
use oregano::failure::Failure;
use oregano::plan::{
    self, Change, CredentialView, EntryDiff, ImportImages, LinkChange, MANAGED_KINDS, MetadataChange, NodePlan,
    NodeWork, PlanRequest, Prune, PrunePlan, SubjectChange, Target, WantedEntries,
};
use oregano::secret::{Secret, SecretBytes};

use super::{Action, Case, DeclaredSecret, File, Found, Gate, Node, Stage, Step};
use crate::cases::describe;

/// A plan in the form of a case.
pub struct Planned {
    pub gate: Gate,
    pub steps: Vec<Step>,
    /// About objects that may no longer be declared.
    pub warnings: Vec<String>,
    /// The complete new content, by target.
    pub writes: BTreeMap<String, String>,
    /// The plan as `Debug` prints it.
    pub debug: String,
}

pub fn desired(case: &Case) -> Desired {
    let credential = |(key, login): (&String, &String)| {
        let (user, password) = login.split_once(':').expect("`user:password`");
        Credential {
            key: key.clone(),
            user: user.to_owned(),
            password: Secret::new(password),
            identity_token: None,
            email: None,
        }
    };
    let credentials: Arc<[Credential]> = case.desired.credentials.iter().map(credential).collect();
    let object = |name: &String| {
        let (namespace, name) = name.split_once('/').expect("`namespace/name`");
        let state = PullSecretState::Present {
            credentials: Arc::clone(&credentials),
            format: PullSecretFormat::DockerConfigJson,
        };
        let namespaces = Namespaces::Named(vec![namespace.to_owned()]);
        Object::PullSecret(PullSecret {
            name: name.to_owned(),
            namespaces,
            state,
            ownership: Ownership::Shared,
            service_accounts: ServiceAccounts::default(),
        })
    };
    let secrets = case.desired.secrets.iter().map(|secret| declared(secret, &credentials));
    let node = |name: &String| NodeTarget {
        name: name.clone(),
        connection: Connection {
            address: name.clone(),
            port: 22,
            user: "root".to_owned(),
            password: None,
            private_key_file: None,
            host_key_checking: HostKeyChecking::Strict,
            escalation: Escalation::None,
        },
        files: Vec::new(),
        credentials: Arc::clone(&credentials),
        retired: case.desired.retired.iter().cloned().collect(),
    };
    let user = |key: &String| credentials.iter().find(|one| one.key == *key).expect("the credential").user.clone();
    let tested = |(key, image): (&String, &String)| Registry {
        host: key.clone(),
        user: user(key),
        image: image.clone(),
        ..registry()
    };
    let of_file = |key: &String| Registry {
        host: key.clone(),
        user: user(key),
        image: key.clone(),
        test_login: TestLogin::LoginOnly,
        declaration: Declaration::PullSecret,
        ..registry()
    };
    let platform = |name: &str| match name {
        "openshift-3" => Platform::OpenShift3,
        "openshift-4" => Platform::OpenShift4,
        "kubernetes" => Platform::Kubernetes,
        other => panic!("no platform {other}"),
    };
    Desired {
        registries: case.desired.images.iter().map(tested).chain(case.desired.from_file.iter().map(of_file)).collect(),
        platform: case.desired.platform.as_deref().map(platform),
        objects: case.desired.pull_secret.iter().map(object).chain(secrets).chain(pullers(&case.desired)).collect(),
        owner: case.desired.owner.clone(),
        retired: case.desired.retired.iter().cloned().collect(),
        nodes: case.desired.nodes.iter().map(node).collect(),
        ..Desired::default()
    }
}

pub fn facts(case: &Case) -> Facts {
    let own = case.desired.pull_secret.iter().zip(&case.facts.pull_secret);
    let secrets = own
        .chain(&case.facts.secrets)
        .map(|(name, found)| (object_name(name), observed(found, |found| ObjectFact::Secret(secret(found)))));
    let namespace = |name: &String| match name.strip_suffix('-') {
        Some(name) => NamespaceFact { name: name.to_owned(), phase: NamespacePhase::Terminating },
        None => NamespaceFact { name: name.clone(), phase: NamespacePhase::Active },
    };
    let selections = case.facts.namespaces.iter();
    let selections = selections.map(|(labels, names)| (labels.clone(), Ok(names.iter().map(namespace).collect())));
    let accounts = case.facts.accounts.iter().map(|(name, found)| {
        let name = ObjectName { kind: ObjectKind::ServiceAccount, ..object_name(name) };
        (name, observed(found, |found| ObjectFact::ServiceAccount(account(found))))
    });
    let bindings = case.facts.bindings.iter().map(|(name, found)| {
        let name = ObjectName { kind: ObjectKind::RoleBinding, ..object_name(name) };
        (name, observed(found, |found| ObjectFact::RoleBinding(binding(found))))
    });
    let role = case.facts.puller_role.iter().map(|found| {
        let name = ObjectName::new(ObjectKind::ClusterRole, "", IMAGE_PULLER_ROLE);
        (name, observed(found, |()| ObjectFact::ClusterRole(revision())))
    });
    let mut accounts_of = names(&case.facts.accounts, &case.facts.unlisted_accounts);
    // A namespace for which the case gives no service accounts has none.
    let named = case.desired.secrets.iter().flat_map(|secret| &secret.namespaces).cloned();
    let selected = case.facts.namespaces.values().flatten().map(|name| name.trim_end_matches('-').to_owned());
    for namespace in named.chain(selected) {
        accounts_of.entry(namespace).or_insert_with(|| Ok(Vec::new()));
    }
    let cluster = ClusterFact {
        selections: selections.collect(),
        managed: MANAGED_KINDS.into_iter().map(|kind| (kind, managed(case, kind))).collect(),
        accounts: accounts_of,
        bindings: names(&case.facts.bindings, &case.facts.unlisted_bindings),
        objects: secrets.chain(accounts).chain(bindings).chain(role).collect(),
        imports: imports(case),
        pods: pods(case),
        ..ClusterFact::default()
    };
    let node = |node: &Node| match node {
        Node::Files(files) => NodeFact::Observed(files.iter().map(file).collect()),
        Node::Unreachable(message) => NodeFact::Unreachable(Failure::new(message)),
        Node::Failed(message) => NodeFact::Failed(Failure::new(message)),
        Node::NotObserved => NodeFact::NotObserved,
    };
    let path = |code: &String| PathFact { node: "node9".to_owned(), registry: registry(), fact: verdict(code) };
    Facts {
        registries: registry_facts(case),
        paths: case.facts.verdicts_of_nodes.iter().map(path).collect(),
        cluster,
        nodes: case.facts.nodes.iter().map(node).collect(),
        ..Facts::default()
    }
}

pub fn plan(desired: &Desired, facts: &Facts, request: &PlanRequest) -> Planned {
    let plan = plan::plan(desired, &desired.nodes, facts, request);
    let PrunePlan { plan: prune, warnings } = plan::prune(plan.gate, desired, &facts.cluster, request);
    let removals = prune.steps().map(|one| step(Stage::Prune, one));
    let steps = plan.stages.iter().flat_map(|stage| match stage {
        plan::Stage::AwaitPools(steps) | plan::Stage::Objects(steps) => {
            steps.iter().map(|one| step(Stage::Objects, one)).collect::<Vec<_>>()
        }
        plan::Stage::Imports(checks) => checks.iter().flat_map(import_steps).collect(),
        plan::Stage::Batch(nodes) => nodes.iter().flat_map(node_steps).collect(),
    });
    Planned {
        gate: match plan.gate {
            plan::Gate::Open => Gate::Open,
            plan::Gate::Closed => Gate::Closed,
        },
        steps: steps.chain(removals).collect(),
        warnings,
        writes: writes(desired, facts, request),
        debug: format!("{plan:?}"),
    }
}

/// The content of each step that writes something.
fn writes(desired: &Desired, facts: &Facts, request: &PlanRequest) -> BTreeMap<String, String> {
    let expansion = plan::expand(desired, &facts.cluster);
    let undeclared = match request.prune {
        Prune::Keep => [].as_slice(),
        Prune::Remove => expansion.undeclared.as_slice(),
    };
    let object = |wanted| {
        let planned = plan::object(wanted, facts.cluster.objects.get(wanted.name()), request)?;
        let content = match planned.content? {
            ObjectContent::PullSecret { content, .. } => String::from_utf8(content.expose().to_vec()).unwrap(),
            ObjectContent::ServiceAccount(AccountLinks { image_pull_secrets, secrets }) => {
                serde_json::json!({"imagePullSecrets": image_pull_secrets, "secrets": secrets}).to_string()
            }
            ObjectContent::ImagePullers { subjects, ownership } => {
                format!("{} {ownership:?}", subjects.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
            }
        };
        Some((target(&planned.step.target), content))
    };
    let objects = expansion.wanted.iter().chain(undeclared).filter_map(object);
    let nodes = desired.nodes.iter().zip(&facts.nodes).flat_map(|(node, fact)| match fact {
        NodeFact::Observed(files) => {
            let wanted = WantedEntries { credentials: &node.credentials, retired: &node.retired };
            files.iter().map(|fact| plan::file(&node.name, fact, wanted, Reader::Node, request)).collect()
        }
        _ => Vec::new(),
    });
    let content = |planned: plan::Planned<SecretBytes>| {
        let text = String::from_utf8(planned.content?.expose().to_vec()).unwrap();
        Some((target(&planned.step.target), text))
    };
    objects.chain(nodes.filter_map(content)).collect()
}

fn import_steps(check: &plan::ImportCheck) -> Vec<Step> {
    check.images.iter().map(|image| step(Stage::Imports, &check.step(image))).collect()
}

fn node_steps(node: &NodePlan) -> Vec<Step> {
    let without = |action, failure: Vec<String>| {
        let (stage, target) = (Stage::Batch, node.host.clone());
        let none = Vec::new;
        let (aliases, changes, notes, retired, undeclared, diff) = (none(), none(), none(), none(), none(), none());
        vec![Step { stage, target, aliases, action, changes, notes, retired, undeclared, diff, failure }]
    };
    match &node.work {
        NodeWork::Files(steps) => steps.iter().map(|one| step(Stage::Batch, one)).collect(),
        NodeWork::Unreachable(failure) => without(Action::Unreachable, lines(failure)),
        NodeWork::Failed(failure) => without(Action::Fail, lines(failure)),
        NodeWork::NotObserved => without(Action::NotObserved, vec![]),
    }
}

fn step(stage: Stage, step: &plan::Step) -> Step {
    let (action, failure) = match &step.action {
        plan::Action::Create => (Action::Create, vec![]),
        plan::Action::Update => (Action::Update, vec![]),
        plan::Action::Recreate => (Action::Recreate, vec![]),
        plan::Action::Delete => (Action::Delete, vec![]),
        plan::Action::Unchanged => (Action::Unchanged, vec![]),
        plan::Action::Prove => (Action::Prove, vec![]),
        plan::Action::Fail(failure) => (Action::Fail, lines(failure)),
    };
    let change = |change: &Change| match change {
        Change::Key(key) => describe(key),
        Change::Mode(mode) => format!("mode {:04o} -> {:04o}", mode.from, mode.to),
        Change::Metadata(MetadataChange::LabelSet { name }) => format!("label {name}"),
        Change::Metadata(MetadataChange::AnnotationSet { name }) => format!("annotation {name}"),
        Change::Metadata(MetadataChange::AnnotationRemoved { name }) => format!("no annotation {name}"),
        Change::Subject(SubjectChange::SubjectAdded { subject }) => format!("+{subject}"),
        Change::Subject(SubjectChange::SubjectRemoved { subject }) => format!("-{subject}"),
        Change::Link(LinkChange::Linked { secret, link }) => format!("+{secret} {}", link.name()),
        Change::Link(LinkChange::Unlinked { secret, link }) => format!("-{secret} {}", link.name()),
        Change::Link(LinkChange::Collapsed { secret, link }) => format!("={secret} {}", link.name()),
    };
    Step {
        stage,
        target: target(&step.target),
        aliases: match &step.target {
            Target::File(file) => file.aliases.clone(),
            Target::Object(_) => vec![],
        },
        action,
        changes: step.changes.iter().map(change).collect(),
        notes: step.notes.iter().chain(&step.related_notes).cloned().collect(),
        retired: step.left.retired.clone(),
        undeclared: step.left.undeclared.clone(),
        diff: step.diff.iter().flat_map(diff).collect(),
        failure,
    }
}

/// The lines of a difference. Fingerprints are numbered in the order in which they occur.
fn diff(diff: &plan::Diff) -> Vec<String> {
    let mut known: Vec<String> = Vec::new();
    let mut view = |view: &Option<CredentialView>| match view {
        None => "none".to_owned(),
        Some(CredentialView { user, fingerprint }) => {
            let at = known.iter().position(|one| one == fingerprint).unwrap_or_else(|| {
                known.push(fingerprint.clone());
                known.len() - 1
            });
            format!("{} #{}", user.as_deref().unwrap_or("?"), at + 1)
        }
    };
    let mut lines = Vec::new();
    for EntryDiff { key, before, after } in &diff.entries {
        let (before, after) = (view(before), view(after));
        lines.push(format!("{key}: {before} -> {after}"));
    }
    lines.extend(
        diff.mode.iter().map(|mode| format!("mode: {} -> {}", mode.before.as_deref().unwrap_or("none"), mode.after)),
    );
    lines
}

fn target(target: &Target) -> String {
    match target {
        Target::Object(object) => format!("{} {}/{}", object.kind.noun(), object.namespace, object.name),
        Target::File(file) => format!("{}:{}", file.host, file.path),
    }
}

fn lines(failure: &Failure) -> Vec<String> {
    std::iter::once(&failure.message).chain(&failure.causes).cloned().collect()
}

fn observed<A, B>(found: &Found<A>, present: impl Fn(&A) -> B) -> Observed<B> {
    match found {
        Found::Absent => Observed::Absent,
        Found::Present(content) => Observed::Present(present(content)),
        Found::Unknown(message) => Observed::Unknown(Failure::new(message)),
    }
}

fn declared(secret: &DeclaredSecret, credentials: &Arc<[Credential]>) -> Object {
    let credentials = Arc::clone(credentials);
    let format = if secret.dockercfg { PullSecretFormat::Dockercfg } else { PullSecretFormat::DockerConfigJson };
    let namespaces = match &secret.labels {
        Some(labels) => {
            Namespaces::Selected(NamespaceSelector { labels: labels.clone(), except: secret.except.clone() })
        }
        None => Namespaces::Named(secret.namespaces.clone()),
    };
    let state = match secret.state.as_str() {
        "present" => PullSecretState::Present { credentials, format },
        "if-present" => PullSecretState::IfPresent { credentials },
        "absent" => PullSecretState::Absent,
        other => panic!("no state {other}"),
    };
    let adopt = if secret.adopt { Adopt::Yes } else { Adopt::No };
    let ownership = Ownership::Declared { owner: secret.owner.clone(), adopt };
    Object::PullSecret(PullSecret {
        name: secret.name.clone(),
        namespaces,
        state,
        ownership,
        service_accounts: service_accounts(secret),
    })
}

fn object_name(name: &str) -> ObjectName {
    let (namespace, name) = name.split_once('/').expect("`namespace/name`");
    ObjectName::secret(namespace, name)
}

/// The pods of each namespace.
fn pods(case: &Case) -> PodsByNamespace {
    let pod = |pod: &super::Pod| PodFact {
        owner: pod.owner.clone(),
        account: pod.account.clone(),
        secrets: pod.secrets.clone(),
    };
    let pods = case.facts.pods.iter().map(|(namespace, found)| {
        let found = match observed(found, |pods| pods.iter().map(pod).collect()) {
            Observed::Present(pods) => Ok(pods),
            Observed::Absent => Ok(Vec::new()),
            Observed::Unknown(failure) => Err(failure),
        };
        (namespace.clone(), found)
    });
    pods.collect()
}

/// What the image importer finds. As in a run, only the secrets that matter are observed.
fn imports(case: &Case) -> ImportFacts {
    let images = ImportImages::new(&desired(case));
    let import_secret = |(name, found): (&String, &super::Secret)| ImportSecret {
        name: name.clone(),
        fact: secret(found),
        import_use: if found.excluded { ImportUse::Excluded } else { ImportUse::Used },
    };
    let secrets = case.facts.imports.iter().map(|(namespace, found)| {
        let found = found.iter().map(import_secret).filter(|secret| images.are_affected_by(secret));
        (namespace.clone(), Ok(found.collect()))
    });
    let importer = if case.facts.imports.is_empty() { Importer::Absent } else { Importer::Present };
    ImportFacts { importer, secrets: secrets.collect() }
}

/// The names of the objects that are present, as a list of all objects of each namespace.
fn names<T>(objects: &IndexMap<String, Found<T>>, unlisted: &BTreeMap<String, String>) -> NamesByNamespace {
    let mut names = NamesByNamespace::new();
    for (name, found) in objects {
        let ObjectName { namespace, name, .. } = object_name(name);
        if let (Found::Present(_), Ok(names)) = (found, names.entry(namespace).or_insert_with(|| Ok(Vec::new()))) {
            names.push(name);
        }
    }
    names.extend(unlisted.iter().map(|(namespace, message)| (namespace.clone(), Err(Failure::new(message)))));
    names
}

/// The objects of a kind with the label `oregano/managed`.
fn managed(case: &Case, kind: ObjectKind) -> NamesByNamespace {
    let secrets =
        case.facts.secrets.iter().filter(|(_, found)| matches!(found, Found::Present(secret) if secret.managed));
    let bindings =
        case.facts.bindings.iter().filter(|(_, found)| matches!(found, Found::Present(binding) if binding.managed));
    let objects: Vec<&String> = match kind {
        ObjectKind::Secret => secrets.map(|(name, _)| name).collect(),
        _ => bindings.map(|(name, _)| name).collect(),
    };
    let mut names = NamesByNamespace::new();
    for name in objects {
        let ObjectName { namespace, name, .. } = object_name(name);
        if let Ok(names) = names.entry(namespace).or_insert_with(|| Ok(Vec::new())) {
            names.push(name);
        }
    }
    let unlisted = case.facts.unlisted_managed.iter();
    let failure = |message: &String| Failure::new(message.replace("{kind}", kind.noun()));
    names.extend(unlisted.map(|(namespace, message)| (namespace.clone(), Err(failure(message)))));
    names
}

fn revision() -> Revision {
    Revision { uid: "u".to_owned(), version: "1".to_owned() }
}

/// The declared image pullers.
fn pullers(desired: &super::Desired) -> impl Iterator<Item = Object> {
    let object = |text: &String, state| {
        let (namespace, puller) = text.split_once(" <- ").expect("`namespace <- puller`");
        let puller = match puller.split_once('/') {
            Some((namespace, name)) => Puller::Account { namespace: namespace.to_owned(), name: name.to_owned() },
            None => Puller::AccountsOf(puller.to_owned()),
        };
        let owner = desired.owner.clone();
        Object::ImagePuller(ImagePuller { namespace: namespace.to_owned(), puller, state, owner })
    };
    let present = desired.pullers.iter().map(move |text| object(text, ImagePullerState::Present));
    present.chain(desired.absent_pullers.iter().map(move |text| object(text, ImagePullerState::Absent)))
}

fn binding(found: &super::Binding) -> BindingFact {
    let subject = |text: &String| match text.split_once('/') {
        Some((namespace, name)) => Puller::Account { namespace: namespace.to_owned(), name: name.to_owned() }.subject(),
        None => {
            let (kind, name) = text.split_once(':').expect("`kind:name`");
            let (kind, name, api_group) = (kind.to_owned(), name.to_owned(), RBAC_GROUP.to_owned());
            Subject { kind, api_group, namespace: String::new(), name }
        }
    };
    let (kind, name) = found.role.split_once('/').expect("`kind/name`");
    BindingFact {
        revision: revision(),
        marks: Marks {
            managed: if found.managed { Managed::Yes } else { Managed::No },
            owner: found.owner.clone(),
            keeper: found.keeper.clone(),
            ..Marks::default()
        },
        role: RoleReference { kind: kind.to_owned(), name: name.to_owned() },
        subjects: found.subjects.iter().map(subject).collect(),
    }
}

fn account(found: &super::Account) -> AccountFact {
    let entry =
        |name: &String| SecretReference { name: name.clone(), object: serde_json::json!({"name": name, "other": 1}) };
    AccountFact {
        revision: revision(),
        marks: Marks { keeper: found.keeper.clone(), deletion: deletion(found.being_deleted), ..Marks::default() },
        image_pull_secrets: found.pull.clone(),
        secrets: found.mount.iter().map(entry).collect(),
    }
}

fn service_accounts(secret: &DeclaredSecret) -> ServiceAccounts {
    let link = |name: &String| match name.as_str() {
        "pull" => LinkUse::Pull,
        "mount" => LinkUse::Mount,
        other => panic!("no use {other}"),
    };
    let uses = |names: &Vec<String>| names.iter().map(link).collect();
    match secret.accounts.get("*") {
        Some(names) => ServiceAccounts::All(uses(names)),
        None => {
            let account =
                |(name, names): (&String, &Vec<String>)| LinkedAccount { name: name.clone(), uses: uses(names) };
            ServiceAccounts::Named(secret.accounts.iter().map(account).collect())
        }
    }
}

fn secret(found: &super::Secret) -> SecretFact {
    SecretFact {
        type_: found.r#type.clone(),
        immutable: found.immutable,
        content: found.content.as_deref().map(bytes),
        revision: revision(),
        marks: Marks {
            managed: if found.managed { Managed::Yes } else { Managed::No },
            owner: found.owner.clone(),
            keeper: found.keeper.clone(),
            last_applied: if found.last_applied { LastApplied::Present } else { LastApplied::Absent },
            deletion: deletion(found.being_deleted),
        },
    }
}

fn deletion(is_requested: bool) -> Deletion {
    if is_requested { Deletion::Requested } else { Deletion::No }
}

fn file(file: &File) -> FileFact {
    let state = match &file.found {
        Found::Absent => FileState::Absent,
        Found::Present(found) => FileState::Present {
            content: bytes(&found.content),
            mode: u32::from_str_radix(&found.mode, 8).expect("an octal mode"),
        },
        Found::Unknown(message) => FileState::Unusable(FileFault::new(message)),
    };
    FileFact { path: file.path.clone(), aliases: file.aliases.clone(), state }
}

fn bytes(text: &str) -> SecretBytes {
    SecretBytes::new(text.as_bytes().to_vec())
}

/// The verdicts, in the order of the registries, with what is known of their token servers.
fn registry_facts(case: &Case) -> Vec<Option<RegistryFact>> {
    let hosts = case.desired.images.keys().chain(&case.desired.from_file).map(Some).chain(std::iter::repeat(None));
    let fact = |(code, host): (&String, Option<&String>)| {
        let realm = host.and_then(|host| case.facts.realms.get(host)).map(|realm| realm.as_str().into());
        Some(RegistryFact { realm, ..verdict(code)? })
    };
    case.facts.verdicts.iter().zip(hosts).map(fact).collect()
}

/// The fact with the verdict of this code; `unknown` is a credential without a verdict.
fn verdict(code: &str) -> Option<RegistryFact> {
    const ALL: [Verdict; 13] = [
        Verdict::Proved,
        Verdict::Refused,
        Verdict::NoPermission,
        Verdict::NotFound,
        Verdict::NotProved,
        Verdict::Skipped,
        Verdict::Tls,
        Verdict::Dns,
        Verdict::ConnectionRefused,
        Verdict::Timeout,
        Verdict::Proxy,
        Verdict::RateLimited,
        Verdict::RegistryError,
    ];
    if code == "unknown" {
        return None;
    }
    let verdict = ALL.into_iter().find(|verdict| verdict.code() == code).unwrap_or_else(|| panic!("no verdict {code}"));
    Some(RegistryFact::new(verdict))
}

/// A registry that another node contacted; the planner looks at its verdict only.
pub fn registry() -> Registry {
    Registry {
        host: "registry.example.com".to_owned(),
        user: "robot".to_owned(),
        password: Secret::new("none"),
        identity_token: None,
        email: None,
        image: "registry.example.com/team/app:1".to_owned(),
        image_choice: ImageChoice::Given,
        test_login: TestLogin::Inspect,
        tls: TlsPolicy::Verify,
        ca: None,
        proxy: Proxy::Environment,
        auth_server: None,
        declaration: Declaration::Default,
        origin: String::new(),
    }
}
