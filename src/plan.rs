//! What would have to change. A plan is pure, total and holds no secret: it can be printed, serialised and
//! pasted into a ticket. Doing it is the business of `apply`.

use crate::desired::{Desired, NodeTarget, PullSecret};
use crate::dockerconfig::{self, Credential, KeyChange, Reader};
use crate::facts::{ClusterFact, Facts, FileFact, FileState, NodeFact, PULL_SECRET_TYPE, SecretFact};
use crate::failure::Failure;

/// Every step, in the order of the inventory.
#[derive(Debug)]
pub struct Plan {
    /// Whether anything may be written.
    pub gate: Gate,
    /// The pull secret; `None` where the run has no cluster part.
    pub secret: Option<SecretStep>,
    /// One for each node.
    pub nodes: Vec<NodeStep>,
}

/// Validate everything, then commit: one credential or secret that is not right keeps all writes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Every credential lets the run go on, and the pull secret can be written.
    Open,
    /// Nothing is written.
    Closed,
}

/// What happens to a secret or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It is not there.
    Create,
    /// It is there and differs.
    Update,
    /// It is as it should be.
    Unchanged,
    /// It cannot be brought about.
    Fail(Failure),
}

/// What happens to the pull secret.
#[derive(Debug, Clone)]
pub struct SecretStep {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What happens.
    pub action: Action,
    /// The keys that change.
    pub changes: Vec<KeyChange>,
    /// What else the reader should know.
    pub notes: Vec<String>,
}

/// What happens on a node.
#[derive(Debug)]
pub struct NodeStep {
    /// `inventory_hostname`.
    pub host: String,
    /// What happens.
    pub work: NodeWork,
}

/// The work on a node, or why there is none.
#[derive(Debug)]
pub enum NodeWork {
    /// One step for each distinct file.
    Files(Vec<FileStep>),
    /// It could not be reached.
    Unreachable(Failure),
    /// It was reached, but could not be looked at.
    Failed(Failure),
    /// The run was interrupted before it was looked at.
    NotObserved,
}

/// What happens to a file.
#[derive(Debug, Clone)]
pub struct FileStep {
    /// The path as the inventory gives it.
    pub path: String,
    /// Other managed paths that are the same file.
    pub aliases: Vec<String>,
    /// What happens.
    pub action: Action,
    /// The keys that change.
    pub changes: Vec<KeyChange>,
    /// The permission bits before and after, if they change.
    pub mode: Option<ModeChange>,
    /// What else the reader should know.
    pub notes: Vec<String>,
}

/// Permission bits that are taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModeChange {
    /// Such as `0o644`.
    pub from: u32,
    /// Such as `0o600`.
    pub to: u32,
}

/// The bits a file with passwords may have: those of its owner.
const OWNER_BITS: u32 = 0o700;

/// Compares what is wanted with what was found.
pub fn plan(desired: &Desired, facts: &Facts) -> Plan {
    let secret = desired.pull_secret.as_ref().zip(facts.cluster.as_ref()).map(|(wanted, found)| match found {
        Ok(found) => cluster_step(wanted, found),
        Err(failure) => failed_secret(wanted, failure.clone()),
    });
    let all = facts.registries.iter().chain(facts.paths.iter().map(|path| &path.fact));
    let proved = all.into_iter().all(|fact| fact.as_ref().is_some_and(|fact| fact.verdict.permits_run()));
    let cluster = secret.as_ref().is_none_or(|step| !matches!(step.action, Action::Fail(_)));
    Plan {
        gate: if proved && cluster { Gate::Open } else { Gate::Closed },
        secret,
        nodes: desired.nodes.iter().zip(&facts.nodes).map(|(node, fact)| node_step(node, fact)).collect(),
    }
}

fn failed_secret(wanted: &PullSecret, failure: Failure) -> SecretStep {
    SecretStep {
        namespace: wanted.namespace.clone(),
        name: wanted.name.clone(),
        action: Action::Fail(failure),
        changes: Vec::new(),
        notes: Vec::new(),
    }
}

fn cluster_step(wanted: &PullSecret, found: &ClusterFact) -> SecretStep {
    let notes = found.stale.iter().map(|stale| {
        format!(
            "secret `{}` was made by openshift-ansible for `{}` and is stale: image streams may go on using its old password; delete it once `{}` is in place",
            stale.name, stale.host, wanted.name
        )
    });
    let step = secret_step(wanted, found.secret.as_ref());
    SecretStep { notes: notes.chain(step.notes).collect(), ..step }
}

/// What happens to the pull secret that was found; `None` where there is none. After a conflict the new state is
/// planned by this same function.
pub fn secret_step(wanted: &PullSecret, found: Option<&SecretFact>) -> SecretStep {
    match found.map(|secret| check_type(&wanted.namespace, &wanted.name, secret)) {
        Some(Err(failure)) => failed_secret(wanted, failure),
        Some(Ok(())) | None => merged_secret(wanted, found),
    }
}

fn merged_secret(wanted: &PullSecret, found: Option<&SecretFact>) -> SecretStep {
    let content = found.and_then(|secret| secret.content.as_ref()).map(|bytes| bytes.expose());
    let merged = match dockerconfig::merge(content, &wanted.credentials, Reader::PullSecret) {
        Ok(merged) => merged,
        Err(error) => return failed_secret(wanted, unmergeable_secret(wanted, &error)),
    };
    let mutable = found.map_or(Ok(()), |secret| check_mutable(&wanted.namespace, &wanted.name, secret));
    match mutable {
        Err(failure) if merged.content.is_some() => failed_secret(wanted, failure),
        Ok(()) | Err(_) => SecretStep {
            namespace: wanted.namespace.clone(),
            name: wanted.name.clone(),
            action: match (found, &merged.content) {
                (None, _) => Action::Create,
                (Some(_), Some(_)) => Action::Update,
                (Some(_), None) => Action::Unchanged,
            },
            changes: merged.changes,
            notes: Vec::new(),
        },
    }
}

/// The failure of a secret whose content cannot be merged into.
fn unmergeable_secret(wanted: &PullSecret, error: &dockerconfig::ParseError) -> Failure {
    let PullSecret { namespace, name, .. } = wanted;
    Failure::new(format!("cannot merge into secret `{namespace}/{name}`"))
        .cause(format!("`.dockerconfigjson`: {error}"))
        .hint(format!(
            "look at it with `oc get secret {name} -n {namespace} -o yaml`; mend or delete it, then run again"
        ))
}

/// A pull secret has one type for ever.
///
/// # Errors
/// If the secret that was found has another one.
fn check_type(namespace: &str, name: &str, found: &SecretFact) -> Result<(), Failure> {
    if found.type_ == PULL_SECRET_TYPE {
        return Ok(());
    }
    let message = format!(
        "secret `{namespace}/{name}` has the type `{}`, not `{PULL_SECRET_TYPE}`, and the type of a secret cannot be changed",
        found.type_
    );
    Err(Failure::new(message)
        .hint(format!("look at what uses it; then `oc delete secret {name} -n {namespace}` and run again")))
}

/// A secret that has to change must not be `immutable: true`.
///
/// # Errors
/// If it is.
fn check_mutable(namespace: &str, name: &str, found: &SecretFact) -> Result<(), Failure> {
    if !found.immutable {
        return Ok(());
    }
    Err(Failure::new(format!("secret `{namespace}/{name}` is immutable"))
        .hint(format!("`oc delete secret {name} -n {namespace}` and run again: it is then created anew")))
}

fn node_step(node: &NodeTarget, fact: &NodeFact) -> NodeStep {
    let work = match fact {
        NodeFact::Observed(files) => {
            let step = |file| file_step(file, &node.credentials, Reader::Node);
            NodeWork::Files(files.iter().map(step).collect())
        }
        NodeFact::Unreachable(failure) => NodeWork::Unreachable(failure.clone()),
        NodeFact::Failed(failure) => NodeWork::Failed(failure.clone()),
        NodeFact::NotObserved => NodeWork::NotObserved,
    };
    NodeStep { host: node.name.clone(), work }
}

/// What happens to one file that must have `credentials`.
pub fn file_step(fact: &FileFact, credentials: &[Credential], reader: Reader) -> FileStep {
    let step = |action| FileStep {
        path: fact.path.clone(),
        aliases: fact.aliases.clone(),
        action,
        changes: Vec::new(),
        mode: None,
        notes: Vec::new(),
    };
    let (content, mode) = match &fact.state {
        FileState::Unusable(failure) => return step(Action::Fail(failure.clone())),
        FileState::Absent => (None, None),
        FileState::Present { content, mode } => {
            let to = mode & OWNER_BITS;
            (Some(content.expose()), (to != *mode).then_some(ModeChange { from: *mode, to }))
        }
    };
    let merged = match dockerconfig::merge(content, credentials, reader) {
        Ok(merged) => merged,
        Err(error) => return step(Action::Fail(unmergeable_file(fact, &error))),
    };
    let action = match (content, &merged.content, mode) {
        (None, Some(_), _) => Action::Create,
        (_, None, None) => Action::Unchanged,
        _ => Action::Update,
    };
    let notes = merged.shadows.iter().map(ToString::to_string).collect();
    FileStep { changes: merged.changes, mode, notes, ..step(action) }
}

fn unmergeable_file(fact: &FileFact, error: &dockerconfig::ParseError) -> Failure {
    Failure::new(format!("cannot merge into `{}`; it is left untouched", fact.path))
        .cause(error.to_string())
        .hint("mend it, or move it away, then run again")
}
