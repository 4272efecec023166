//! Expands declarations to the objects that they concern: one for each namespace. It does not decide what happens to
//! them.

use std::collections::HashSet;

use super::object::Wanted;
use super::pull_secret::WantedSecret;
use crate::desired::{NamespaceSelector, Namespaces, Object};
use crate::facts::{ClusterFact, NamespacePhase, ObjectName, Selections};
use crate::failure::Failure;

/// The objects that the declarations concern.
#[derive(Debug, Default)]
pub struct Expansion<'a> {
    /// The objects, in the order of their declarations, each of them once.
    pub wanted: Vec<Wanted<'a>>,
    /// Objects that two declarations concern. The second declaration has no effect.
    pub twice: Vec<ObjectName>,
    /// Selectors whose namespaces are not known.
    pub unknown: Vec<UnknownSelection<'a>>,
}

/// A selector whose namespaces are not known.
#[derive(Debug)]
pub struct UnknownSelection<'a> {
    /// The selector.
    pub selector: &'a NamespaceSelector,
    /// Why its namespaces are not known.
    pub failure: Failure,
}

/// The label selectors of the declarations, without repetitions.
pub fn selectors(objects: &[Object]) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for object in objects {
        let Object::PullSecret(declared) = object else { continue };
        if let Namespaces::Selected(NamespaceSelector { labels, .. }) = &declared.namespaces
            && !found.contains(&labels.as_str())
        {
            found.push(labels);
        }
    }
    found
}

/// The objects that the declarations concern, if the namespaces of their selectors are those of `facts`.
pub fn expand<'a>(objects: &'a [Object], facts: &ClusterFact) -> Expansion<'a> {
    let mut expansion = Expansion::default();
    let mut seen = HashSet::new();
    for object in objects {
        let Object::PullSecret(declared) = object else { continue };
        for (namespace, phase) in namespaces(&declared.namespaces, facts, &mut expansion) {
            let name = ObjectName::secret(namespace, &declared.name);
            if seen.insert(name.clone()) {
                expansion.wanted.push(Wanted::PullSecret(WantedSecret { name, declared, phase }));
            } else {
                expansion.twice.push(name);
            }
        }
    }
    expansion
}

/// The namespaces of a declaration; none, and an unknown selection, if they are not known.
fn namespaces<'a>(
    declared: &'a Namespaces,
    facts: &ClusterFact,
    expansion: &mut Expansion<'a>,
) -> Vec<(String, NamespacePhase)> {
    match declared {
        // A namespace that is being deleted refuses new objects, and the failure of the write says so.
        Namespaces::Named(names) => names.iter().map(|name| (name.clone(), NamespacePhase::Active)).collect(),
        Namespaces::Selected(selector) => selected(selector, &facts.selections).unwrap_or_else(|failure| {
            expansion.unknown.push(UnknownSelection { selector, failure });
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
    use crate::desired::{Ownership, PullSecret, PullSecretState, ServiceAccounts};
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
        let objects = [declared("s", selector("team=blue", &["*-sandbox"]))];
        let found: Vec<String> =
            expand(&objects, &facts(selections)).wanted.iter().map(|wanted| wanted.name().namespace.clone()).collect();
        assert_eq!(found, ["blue-1", "openshifty"]);
        assert_eq!(selectors(&objects), ["team=blue"]);
    }

    #[test]
    fn a_secret_that_two_declarations_concern_is_expanded_once() {
        let fact = |name: &str| NamespaceFact { name: name.to_owned(), phase: NamespacePhase::Active };
        let selections = Selections::from([("a".to_owned(), Ok(vec![fact("one"), fact("two")]))]);
        let objects = [
            declared("s", Namespaces::Named(vec!["one".into()])),
            declared("s", selector("a", &[])),
            declared("t", selector("a", &[])),
            declared("t", selector("b", &[])),
        ];
        let facts = facts(selections);
        let expansion = expand(&objects, &facts);
        let names: Vec<String> = expansion.wanted.iter().map(|wanted| wanted.name().to_string()).collect();
        assert_eq!(names, ["secret `one/s`", "secret `two/s`", "secret `one/t`", "secret `two/t`"]);
        assert_eq!(expansion.twice, [ObjectName::secret("one", "s")]);
        assert_eq!(expansion.unknown.len(), 1);
    }
}
