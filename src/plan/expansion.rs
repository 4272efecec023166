//! Expands declarations to the objects that they concern: one for each namespace, and the service accounts there. It does
//! not decide what happens to them.

use std::collections::HashSet;

use indexmap::{IndexMap, IndexSet};

use super::global_pull_secret::WantedGlobal;
use super::image_puller::{PullerRole, WantedBinding, WantedPuller, binding_name, role_name};
use super::object::Wanted;
use super::pull_secret::WantedSecret;
use super::service_account::WantedAccount;
use super::undeclared::{MANAGED_KINDS, UndeclaredObject, belongs_to};
use crate::desired::{
    Desired, GLOBAL_NAME, GLOBAL_NAMESPACE, ImagePuller, NamespaceSelector, Namespaces, Object, PullSecret,
    PullSecretState, ServiceAccounts, Subject,
};
use crate::facts::{ClusterFact, NamespacePhase, ObjectKind, ObjectName, Observed, Selections};
use crate::failure::Failure;

/// The objects that the declarations concern.
#[derive(Debug, Default)]
pub struct Expansion<'a> {
    /// The objects, in the order of their declarations, each of them once.
    pub wanted: Vec<Wanted<'a>>,
    /// Objects that two declarations concern. The second declaration has no effect.
    pub twice: Vec<ObjectName>,
    /// What is not known about the cluster, so that it is not known which objects a declaration concerns.
    pub unknown: Vec<UnknownObjects>,
    /// Objects that the inventory has created and no longer declares, and before them the service accounts that use them.
    /// Empty if there is something `unknown`.
    pub undeclared: Vec<Wanted<'a>>,
    /// What could not be listed, so that there may be more `undeclared` objects.
    pub unlisted: Vec<UnknownObjects>,
}

/// Objects that could not be listed.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownObjects {
    /// Their kind, and where they are: for namespaces, the label selector is the name.
    pub what: ObjectName,
    /// Why they are not known.
    pub failure: Failure,
}

/// The label selectors of the declarations, without repetitions.
pub fn selectors(objects: &[Object]) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for declared in pull_secrets(objects) {
        if let Namespaces::Selected(NamespaceSelector { labels, .. }) = &declared.namespaces
            && !found.contains(&labels.as_str())
        {
            found.push(labels);
        }
    }
    found
}

fn pull_secrets(objects: &[Object]) -> impl Iterator<Item = &PullSecret> {
    objects.iter().filter_map(|object| if let Object::PullSecret(declared) = object { Some(declared) } else { None })
}

fn image_pullers(objects: &[Object]) -> impl Iterator<Item = &ImagePuller> {
    objects.iter().filter_map(|object| if let Object::ImagePuller(declared) = object { Some(declared) } else { None })
}

/// The namespaces in which all role bindings matter: one of them may already give a declared image puller its role.
pub fn binding_namespaces(objects: &[Object]) -> Vec<String> {
    let names: IndexSet<&String> = image_pullers(objects).map(|declared| &declared.namespace).collect();
    names.into_iter().cloned().collect()
}

/// What decides whether the objects can be used at all, and is not changed: the role of image pullers.
pub fn prerequisites(objects: &[Object]) -> Vec<ObjectName> {
    image_pullers(objects).next().map(|_| role_name()).into_iter().collect()
}

/// The namespaces in which all service accounts matter: all of them are linked, or may name a secret that is removed.
pub fn account_namespaces(objects: &[Object], facts: &ClusterFact) -> Vec<String> {
    let mut unknown = Vec::new();
    let all = pull_secrets(objects).filter(|declared| concerns_all_accounts(declared));
    let names: IndexSet<String> = all
        .flat_map(|declared| namespaces(&declared.namespaces, facts, &mut unknown))
        .map(|(namespace, _)| namespace)
        .collect();
    names.into_iter().collect()
}

fn concerns_all_accounts(declared: &PullSecret) -> bool {
    matches!(declared.state, PullSecretState::Absent) || matches!(declared.service_accounts, ServiceAccounts::All(_))
}

/// The namespaces in which objects of the inventory may be that it no longer declares: those of all declarations.
pub fn declared_namespaces(objects: &[Object], facts: &ClusterFact) -> Vec<String> {
    let mut unknown = Vec::new();
    let of_secrets = pull_secrets(objects).flat_map(|declared| namespaces(&declared.namespaces, facts, &mut unknown));
    let active = of_secrets.filter(|(_, phase)| *phase == NamespacePhase::Active).map(|(namespace, _)| namespace);
    let names: IndexSet<String> = active.chain(binding_namespaces(objects)).collect();
    names.into_iter().collect()
}

/// The namespaces with secrets that are no longer declared: all of their service accounts matter, because they may name
/// one of them.
pub fn pruned_namespaces(desired: &Desired, facts: &ClusterFact) -> Vec<String> {
    let undeclared = expand(desired, facts).undeclared;
    let secrets = undeclared.iter().map(Wanted::name).filter(|name| name.kind == ObjectKind::Secret);
    let names: IndexSet<String> = secrets.map(|name| name.namespace.clone()).collect();
    names.into_iter().collect()
}

/// The objects that the declarations concern, if the namespaces of their selectors, and the service accounts there, are
/// those of `facts`.
pub fn expand<'a>(desired: &'a Desired, facts: &'a ClusterFact) -> Expansion<'a> {
    let objects = &desired.objects;
    let mut expansion = Expansion::default();
    let mut seen = HashSet::new();
    let mut accounts = IndexMap::new();
    for declared in pull_secrets(objects) {
        for (namespace, phase) in namespaces(&declared.namespaces, facts, &mut expansion.unknown) {
            let name = ObjectName::secret(&namespace, &declared.name);
            if !seen.insert(name.clone()) {
                expansion.twice.push(name);
                continue;
            }
            expansion.wanted.push(Wanted::PullSecret(WantedSecret {
                name,
                declared,
                retired: &desired.retired,
                phase,
            }));
            // Nothing can be changed for long in a namespace that is being deleted.
            if phase == NamespacePhase::Active {
                add_accounts(&mut accounts, declared, &namespace, facts, &mut expansion.unknown);
            }
        }
    }
    expansion.wanted.extend(accounts.into_values().map(Wanted::ServiceAccount));
    let global = objects.iter().filter_map(|object| match object {
        Object::GlobalPullSecret(declared) => Some(WantedGlobal::new(declared, &desired.retired, facts)),
        Object::PullSecret(_) | Object::ImagePuller(_) => None,
    });
    expansion.wanted.extend(global.map(Wanted::GlobalPullSecret));
    let bindings = bindings(objects, facts, &mut expansion.unknown);
    expansion.wanted.extend(bindings.into_values().map(Wanted::ImagePullers));
    seen.extend(image_pullers(objects).map(|declared| binding_name(&declared.namespace)));
    // A declaration whose namespaces are not known may concern any object.
    if let (Some(owner), true) = (&desired.owner, expansion.unknown.is_empty()) {
        for namespace in declared_namespaces(objects, facts) {
            add_undeclared(&mut expansion, owner, &namespace, facts, &seen);
        }
    }
    expansion
}

/// Adds objects that could not be listed, once for all declarations that need them.
fn add_unknown(unknown: &mut Vec<UnknownObjects>, what: ObjectName, failure: Failure) {
    if !unknown.iter().any(|known| known.what == what) {
        unknown.push(UnknownObjects { what, failure });
    }
}

/// Adds the service accounts of a namespace that a pull secret concerns.
fn add_accounts<'a>(
    accounts: &mut IndexMap<ObjectName, WantedAccount<'a>>,
    declared: &'a PullSecret,
    namespace: &str,
    facts: &ClusterFact,
    unknown: &mut Vec<UnknownObjects>,
) {
    let mut all = || match facts.accounts.get(namespace) {
        Some(Ok(names)) => names.as_slice(),
        unlisted => {
            let not_observed = || Failure::internal("the service accounts of a namespace were not observed");
            let failure = unlisted.and_then(|names| names.as_ref().err()).cloned().unwrap_or_else(not_observed);
            add_unknown(unknown, ObjectName::new(ObjectKind::ServiceAccount, namespace, "*"), failure);
            &[]
        }
    };
    let secret = declared.name.as_str();
    match (&declared.state, &declared.service_accounts) {
        (PullSecretState::Absent, _) => {
            for name in all() {
                // An account that does not name the secret is of no interest.
                let found = ObjectName::new(ObjectKind::ServiceAccount, namespace, name);
                if facts.objects.get(&found).is_none_or(|fact| fact.account().is_linked(secret)) {
                    account(accounts, namespace, name).unlinks.insert(secret);
                }
            }
        }
        (_, ServiceAccounts::Named(named)) => {
            for linked in named {
                account(accounts, namespace, &linked.name).links.insert(secret, linked.uses.clone());
            }
        }
        (_, ServiceAccounts::All(uses)) => {
            for name in all() {
                account(accounts, namespace, name).links.insert(secret, uses.clone());
            }
        }
    }
}

/// Adds the objects of a namespace that have the marks of the inventory and are not `declared`, and before them the
/// service accounts that name such a secret.
fn add_undeclared<'a>(
    expansion: &mut Expansion<'a>,
    owner: &'a str,
    namespace: &str,
    facts: &'a ClusterFact,
    declared: &HashSet<ObjectName>,
) {
    let mut accounts = IndexMap::new();
    let mut removals = Vec::new();
    let mut listed = |kind, names: Option<&'a Result<Vec<String>, Failure>>| match names {
        Some(Ok(names)) => Some(names.as_slice()),
        Some(Err(failure)) => {
            let what = ObjectName::new(kind, namespace, "*");
            expansion.unlisted.push(UnknownObjects { what, failure: failure.clone() });
            None
        }
        None => Some([].as_slice()),
    };
    for kind in MANAGED_KINDS {
        let names = listed(kind, facts.managed.get(&kind).and_then(|names| names.get(namespace)));
        // A secret is removed only if it is known which service accounts name it.
        let accounts_of = match kind {
            ObjectKind::Secret => listed(ObjectKind::ServiceAccount, facts.accounts.get(namespace)),
            _ => Some([].as_slice()),
        };
        let (Some(names), Some(accounts_of)) = (names, accounts_of) else { continue };
        for own in names {
            let name = ObjectName::new(kind, namespace, own);
            let belongs = facts.objects.get(&name).and_then(Observed::present);
            // Without the global pull secret, a cluster can no longer pull the images of its own parts.
            let is_global = name == ObjectName::secret(GLOBAL_NAMESPACE, GLOBAL_NAME);
            if is_global || declared.contains(&name) || !belongs.is_some_and(|found| belongs_to(found, owner)) {
                continue;
            }
            removals.push(Wanted::Undeclared(UndeclaredObject { name, owner }));
            for account_name in accounts_of {
                // An account that does not name the secret is of no interest.
                let found = ObjectName::new(ObjectKind::ServiceAccount, namespace, account_name);
                if facts.objects.get(&found).is_none_or(|fact| fact.account().is_linked(own)) {
                    account(&mut accounts, namespace, account_name).unlinks.insert(own.as_str());
                }
            }
        }
    }
    expansion.undeclared.extend(accounts.into_values().map(Wanted::ServiceAccount));
    expansion.undeclared.extend(removals);
}

/// The role binding of each namespace with declared image pullers.
fn bindings<'a>(
    objects: &'a [Object],
    facts: &ClusterFact,
    unknown: &mut Vec<UnknownObjects>,
) -> IndexMap<&'a str, WantedBinding<'a>> {
    let role = match facts.objects.get(&role_name()) {
        Some(Observed::Absent) => PullerRole::Missing,
        // Many users may not read cluster roles.
        Some(Observed::Present(_) | Observed::Unknown(_)) | None => PullerRole::Usable,
    };
    let mut bindings: IndexMap<&str, WantedBinding<'_>> = IndexMap::new();
    for ImagePuller { namespace, puller, state, owner } in image_pullers(objects) {
        if let Some(Err(failure)) = facts.bindings.get(namespace) {
            add_unknown(unknown, ObjectName::new(ObjectKind::RoleBinding, namespace, "*"), failure.clone());
            continue;
        }
        let (name, owner) = (binding_name(namespace), owner.as_deref());
        let new = || WantedBinding { name: name.clone(), owner, role, pullers: Vec::new() };
        let subject = puller.subject();
        let elsewhere = elsewhere(&name, &subject, facts);
        bindings.entry(namespace).or_insert_with(new).pullers.push(WantedPuller { subject, state: *state, elsewhere });
    }
    bindings
}

/// The names of the other role bindings in the namespace of `own` that give a subject the role of image pullers.
fn elsewhere(own: &ObjectName, subject: &Subject, facts: &ClusterFact) -> Vec<String> {
    let names = facts.bindings.get(&own.namespace).and_then(|names| names.as_ref().ok());
    let others = names.into_iter().flatten().filter(|name| **name != own.name);
    let gives = |name: &&String| {
        let name = ObjectName { name: (*name).clone(), ..own.clone() };
        let fact = facts.objects.get(&name).map(Observed::binding);
        matches!(fact, Some(Observed::Present(binding))
            if binding.role.is_image_puller() && binding.subjects.contains(subject))
    };
    others.filter(gives).cloned().collect()
}

/// The service account among those found so far.
fn account<'m, 'a>(
    accounts: &'m mut IndexMap<ObjectName, WantedAccount<'a>>,
    namespace: &str,
    name: &str,
) -> &'m mut WantedAccount<'a> {
    let name = ObjectName::new(ObjectKind::ServiceAccount, namespace, name);
    let (links, unlinks) = (IndexMap::new(), IndexSet::new());
    accounts.entry(name.clone()).or_insert_with(|| WantedAccount { name, links, unlinks })
}

/// The namespaces of a declaration; none, and what is unknown, if they are not known.
fn namespaces(
    declared: &Namespaces,
    facts: &ClusterFact,
    unknown: &mut Vec<UnknownObjects>,
) -> Vec<(String, NamespacePhase)> {
    match declared {
        // A namespace that is being deleted refuses new objects, and the failure of the write says so.
        Namespaces::Named(names) => names.iter().map(|name| (name.clone(), NamespacePhase::Active)).collect(),
        Namespaces::Selected(selector) => selected(selector, &facts.selections).unwrap_or_else(|failure| {
            let what = ObjectName::new(ObjectKind::Namespace, "", &selector.labels);
            unknown.push(UnknownObjects { what, failure });
            Vec::new()
        }),
    }
}

/// The namespaces of a selector, in the order of the API server.
fn selected(selector: &NamespaceSelector, selections: &Selections) -> Result<Vec<(String, NamespacePhase)>, Failure> {
    let namespaces = match selections.get(&selector.labels) {
        Some(Ok(namespaces)) => namespaces,
        Some(Err(failure)) => return Err(failure.clone()),
        None => return Err(Failure::internal("the namespaces of a selector were not observed")),
    };
    let wanted = namespaces.iter().filter(|namespace| selector.admits(&namespace.name));
    Ok(wanted.map(|namespace| (namespace.name.clone(), namespace.phase)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::Ownership;
    use crate::facts::NamespaceFact;

    fn declared(name: &str, namespaces: Namespaces) -> Object {
        let (state, ownership) = (PullSecretState::Absent, Ownership::Shared);
        Object::PullSecret(PullSecret {
            name: name.into(),
            namespaces,
            state,
            ownership,
            service_accounts: ServiceAccounts::default(),
        })
    }

    fn desired(objects: Vec<Object>) -> Desired {
        Desired { objects, ..Desired::default() }
    }

    fn facts(selections: Selections) -> ClusterFact {
        ClusterFact { selections, ..ClusterFact::default() }
    }

    fn selector(labels: &str, except: &[&str]) -> Namespaces {
        let except = except.iter().map(ToString::to_string).collect();
        Namespaces::Selected(NamespaceSelector { labels: labels.into(), except })
    }

    #[test]
    fn a_selector_never_selects_namespaces_of_the_platform() {
        let names = ["blue-1", "blue-sandbox", "openshift-config", "kube-system", "default", "openshift", "openshifty"];
        let fact = |name: &&str| NamespaceFact { name: (*name).to_owned(), phase: NamespacePhase::Active };
        let selections = Selections::from([("team=blue".to_owned(), Ok(names.iter().map(fact).collect()))]);
        let desired = desired([declared("s", selector("team=blue", &["*-sandbox"]))].into());
        let found: Vec<String> =
            expand(&desired, &facts(selections)).wanted.iter().map(|wanted| wanted.name().namespace.clone()).collect();
        assert_eq!(found, ["blue-1", "openshifty"]);
        assert_eq!(selectors(&desired.objects), ["team=blue"]);
    }

    #[test]
    fn a_secret_that_two_declarations_concern_is_expanded_once() {
        let fact = |name: &str| NamespaceFact { name: name.to_owned(), phase: NamespacePhase::Active };
        let selections = Selections::from([("a".to_owned(), Ok(vec![fact("one"), fact("two")]))]);
        let objects = vec![
            declared("s", Namespaces::Named(vec!["one".into()])),
            declared("s", selector("a", &[])),
            declared("t", selector("a", &[])),
            declared("t", selector("b", &[])),
        ];
        let accounts = ["one", "two"].map(|namespace| (namespace.to_owned(), Ok(Vec::new()))).into();
        let (desired, facts) = (desired(objects), ClusterFact { accounts, ..facts(selections) });
        let expansion = expand(&desired, &facts);
        let names: Vec<String> = expansion.wanted.iter().map(|wanted| wanted.name().to_string()).collect();
        assert_eq!(names, ["secret `one/s`", "secret `two/s`", "secret `one/t`", "secret `two/t`"]);
        assert_eq!(expansion.twice, [ObjectName::secret("one", "s")]);
        assert_eq!(expansion.unknown.len(), 1);
    }
}
