//! The rule for a service account: the declared secrets are in its lists, and those that must not exist are not. The list
//! `imagePullSecrets` is atomic and OpenShift's own controller writes it, too, so both lists are always planned from what
//! was observed, and entries of others stay as they are.

use std::collections::HashSet;

use indexmap::{IndexMap, IndexSet};
use serde::Serialize;

use super::{Action, Change, Planned, Step};
use crate::desired::{AccountLinks, LinkUse, ObjectContent};
use crate::facts::{AccountFact, ObjectName, Observed};

/// A service account, and the secrets that concern it.
#[derive(Debug)]
pub struct WantedAccount<'a> {
    /// Its name and namespace.
    pub name: ObjectName,
    /// The names of the secrets that it must use, in the order of their declarations.
    pub links: IndexMap<&'a str, Vec<LinkUse>>,
    /// The names of secrets that it must not use.
    pub unlinks: IndexSet<&'a str>,
}

/// A link of a service account. Serialized as `{"kind": "linked", "secret": "team", "for": "pull"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum LinkChange {
    /// A secret is added to a list.
    Linked {
        /// Its name.
        secret: String,
        /// The list.
        #[serde(rename = "for", serialize_with = "use_name")]
        link: LinkUse,
    },
    /// All entries of a secret are removed from a list.
    Unlinked {
        /// Its name.
        secret: String,
        /// The list.
        #[serde(rename = "for", serialize_with = "use_name")]
        link: LinkUse,
    },
    /// All entries but one of a declared secret are removed from a list.
    Collapsed {
        /// Its name.
        secret: String,
        /// The list.
        #[serde(rename = "for", serialize_with = "use_name")]
        link: LinkUse,
    },
}

// serde's `serialize_with` prescribes this signature.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field by reference")]
fn use_name<S: serde::Serializer>(link: &LinkUse, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(link.name())
}

/// The planned change of a service account; `None` if there is nothing to report, because it does not exist and is only
/// named by secrets that are removed.
pub(super) fn service_account(
    wanted: &WantedAccount<'_>,
    fact: Observed<&AccountFact>,
) -> Option<Planned<ObjectContent>> {
    let name = &wanted.name;
    match fact {
        Observed::Unknown(failure) => Some(Planned::failed(name, failure)),
        Observed::Absent if wanted.links.is_empty() => None,
        Observed::Absent => Some(awaited(wanted)),
        Observed::Present(found) => Some(present(wanted, found)),
    }
}

/// The step of a service account that does not exist yet. A controller may create it, so `apply` waits for it.
fn awaited(wanted: &WantedAccount<'_>) -> Planned<ObjectContent> {
    let note = "it does not exist yet: `apply` waits for it (`oregano_wait`)".to_owned();
    let links = wanted.links.iter().flat_map(|(secret, uses)| {
        uses.iter().map(|link| Change::Link(LinkChange::Linked { secret: (*secret).to_owned(), link: *link }))
    });
    let (changes, notes) = (links.collect(), vec![note]);
    Planned::without_content(Step { changes, notes, ..Step::object(&wanted.name, Action::Update) })
}

fn present(wanted: &WantedAccount<'_>, found: &AccountFact) -> Planned<ObjectContent> {
    let pull = found.image_pull_secrets.iter().map(|name| (name.as_str(), name.clone()));
    let pull = list(wanted, LinkUse::Pull, pull.collect(), |name| name.to_owned());
    let mount = found.secrets.iter().map(|entry| (entry.name.as_str(), entry.object.clone()));
    let mount = list(wanted, LinkUse::Mount, mount.collect(), |name| serde_json::json!({"name": name}));
    let changes: Vec<Change> = pull.changes.into_iter().chain(mount.changes).map(Change::Link).collect();
    let notes: Vec<String> = pull.notes.into_iter().chain(mount.notes).collect();
    if changes.is_empty() {
        return Planned::without_content(Step { notes, ..Step::object(&wanted.name, Action::Unchanged) });
    }
    let content = AccountLinks { image_pull_secrets: pull.entries, secrets: mount.entries };
    let step = Step { changes, notes, ..Step::object(&wanted.name, Action::Update) };
    Planned { step, content: Some(ObjectContent::ServiceAccount(content)) }
}

/// The new entries of a list.
struct PlannedList<E> {
    /// `None` if the list stays as it is.
    entries: Option<Vec<E>>,
    changes: Vec<LinkChange>,
    notes: Vec<String>,
}

/// Plans a list from its entries, which have the names of their secrets. The entries of others keep their order.
fn list<E>(
    wanted: &WantedAccount<'_>,
    link: LinkUse,
    found: Vec<(&str, E)>,
    new: impl Fn(&str) -> E,
) -> PlannedList<E> {
    let (mut entries, mut changes) = (Vec::new(), Vec::new());
    let mut counts: IndexMap<&str, usize> = IndexMap::new();
    for (name, entry) in found {
        let count = counts.entry(name).or_default();
        *count += 1;
        let is_repeated = *count > 1 && wanted.links.contains_key(name);
        if !wanted.unlinks.contains(name) && !is_repeated {
            entries.push(entry);
        }
    }
    for (name, count) in &counts {
        let secret = (*name).to_owned();
        if wanted.unlinks.contains(name) {
            changes.push(LinkChange::Unlinked { secret, link });
        } else if *count > 1 && wanted.links.contains_key(name) {
            changes.push(LinkChange::Collapsed { secret, link });
        }
    }
    for (name, uses) in &wanted.links {
        if uses.contains(&link) && !counts.contains_key(name) {
            entries.push(new(name));
            changes.push(LinkChange::Linked { secret: (*name).to_owned(), link });
        }
    }
    let own: HashSet<&str> = wanted.links.keys().chain(&wanted.unlinks).copied().collect();
    let repeated = counts.iter().filter(|(name, count)| **count > 1 && !own.contains(*name));
    let notes = repeated.map(|(name, count)| {
        format!(
            "`{}` has {count} equal entries of secret `{name}`, which makes its pods start slowly: find out what adds them",
            link.field()
        )
    });
    let notes = notes.collect();
    PlannedList { entries: (!changes.is_empty()).then_some(entries), changes, notes }
}
