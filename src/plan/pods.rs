//! Which pods keep running without a secret that is linked now, or still name one that is removed. The server gives a pod
//! the pull secrets of its service account when the pod is created, and never again.

use indexmap::{IndexMap, IndexSet};

use super::object::Wanted;
use super::{Action, Expansion, Prune, Step, names};
use crate::desired::{LinkUse, PullSecretState};
use crate::facts::{AccountFact, ClusterFact, ObjectKind, PodFact};
use crate::failure::Failure;

/// The namespaces whose pods matter: secrets are linked or removed there.
pub fn pod_namespaces(expansion: &Expansion<'_>, prune: Prune) -> Vec<String> {
    let undeclared = expansion.undeclared.iter().filter(|_| prune == Prune::Remove);
    let concerned = expansion.wanted.iter().chain(undeclared).filter(|wanted| match wanted {
        Wanted::ServiceAccount(wanted) => !wanted.links.is_empty(),
        Wanted::PullSecret(wanted) => matches!(wanted.declared.state, PullSecretState::Absent),
        Wanted::Undeclared(wanted) => wanted.name.kind == ObjectKind::Secret,
        Wanted::GlobalPullSecret(_) | Wanted::ImagePullers(_) => false,
    });
    let names: IndexSet<&str> = concerned.map(|wanted| wanted.name().namespace.as_str()).collect();
    names.into_iter().map(str::to_owned).collect()
}

/// The notes about pods that a step does not reach.
pub(super) fn notes(wanted: &Wanted<'_>, step: &Step, facts: &ClusterFact) -> Vec<String> {
    let Some(pods) = facts.pods.get(&wanted.name().namespace) else { return Vec::new() };
    let naming = |name: &str| {
        let names_it = |pod: &&PodFact| pod.secrets.iter().any(|secret| secret == name);
        let note = |owners| format!("pods still name it, and must be created again: {owners}");
        of_pods(pods, names_it, step).map(|owners| owners.map_or_else(unknown, note)).into_iter().collect()
    };
    match wanted {
        Wanted::ServiceAccount(wanted) => {
            let found = facts.objects.get(&wanted.name).map(|fact| fact.account());
            let Some(found) = found.as_ref().and_then(|fact| fact.present()) else { return Vec::new() };
            let linked = wanted.links.iter().filter(|(_, uses)| uses.contains(&LinkUse::Pull));
            let notes = linked.filter_map(|(secret, _)| without(secret, &wanted.name.name, found, pods, step));
            // That pods are not known is one note for all secrets.
            notes.collect::<IndexSet<_>>().into_iter().collect()
        }
        Wanted::PullSecret(wanted) if matches!(wanted.declared.state, PullSecretState::Absent) => {
            naming(&wanted.name.name)
        }
        Wanted::Undeclared(wanted) if step.action == Action::Delete => naming(&wanted.name.name),
        Wanted::PullSecret(_) | Wanted::Undeclared(_) | Wanted::GlobalPullSecret(_) | Wanted::ImagePullers(_) => {
            Vec::new()
        }
    }
}

/// The note about pods of a service account that do not have a secret.
fn without(
    secret: &str,
    account: &str,
    found: &AccountFact,
    pods: &Result<Vec<PodFact>, Failure>,
    step: &Step,
) -> Option<String> {
    let lacks = |pod: &&PodFact| {
        // A pod with pull secrets of its own gets none of its service account. OpenShift replaces the secret for its own
        // registry from time to time, so an older pod has another one than the account.
        let is_inherited = |name: &String| {
            found.image_pull_secrets.contains(name) || name.starts_with(&format!("{account}-dockercfg-"))
        };
        let has_own = !pod.secrets.iter().all(is_inherited);
        pod.account == account && !has_own && !pod.secrets.iter().any(|name| name == secret)
    };
    let note = |owners| format!("pods keep running without secret `{secret}` until they are created again: {owners}");
    Some(of_pods(pods, lacks, step)?.map_or_else(unknown, note))
}

fn unknown(failure: String) -> String {
    format!("which pods keep running with their old secrets is not known: {failure}")
}

/// The owners of the pods that are selected; `None` if there are none. If the pods are not known, that is only of interest
/// when something changes.
fn of_pods(
    pods: &Result<Vec<PodFact>, Failure>,
    select: impl Fn(&&PodFact) -> bool,
    step: &Step,
) -> Option<Result<String, String>> {
    match pods {
        Ok(pods) => owners(pods.iter().filter(select)).map(Ok),
        Err(failure) => (step.action != Action::Unchanged).then(|| Err(failure.message.clone())),
    }
}

/// `Deployment web (3), StatefulSet db`; `None` without pods.
fn owners<'a>(pods: impl Iterator<Item = &'a PodFact>) -> Option<String> {
    let mut counts: IndexMap<&str, usize> = IndexMap::new();
    for pod in pods {
        *counts.entry(&pod.owner).or_default() += 1;
    }
    let is_empty = counts.is_empty();
    let owners = names::list(counts.into_iter().map(|(owner, count)| match count {
        1 => owner.to_owned(),
        _ => format!("{owner} ({count})"),
    }));
    (!is_empty).then_some(owners)
}
