//! Observes many objects: those of one name that are declared in many namespaces cost one list, if the user may send it.

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt as _, stream};

use super::list::{FEW, Listing};
use crate::cluster::client::ApiClient;
use crate::cluster::error::{missing_namespace, terminating_namespace};
use crate::facts::{NamespacePhase, ObjectKind, ObjectName, Objects, Observed};

/// The namespaces of the cluster; `None` if the user may not list them.
type Phases = Option<HashMap<String, NamespacePhase>>;

impl ApiClient {
    /// See [`crate::cluster::Cluster::observe_all`].
    pub(in crate::cluster) async fn observe_all(&self, names: Vec<ObjectName>, requests: usize) -> Objects {
        let mut groups: HashMap<(ObjectKind, String), Vec<ObjectName>> = HashMap::new();
        for name in names {
            groups.entry((name.kind, name.name.clone())).or_default().push(name);
        }
        let (many, few): (Vec<_>, Vec<_>) = groups.into_iter().partition(|(_, names)| names.len() > FEW);
        let mut single: Vec<ObjectName> = few.into_iter().flat_map(|(_, names)| names).collect();
        let mut objects = Objects::new();
        let mut listed = Vec::new();
        for ((kind, name), names) in many {
            let namespaces: HashSet<&str> = names.iter().map(|name| name.namespace.as_str()).collect();
            match self.everywhere(kind, &name, &namespaces).await {
                Ok(Listing::Found(found)) => listed.push((names, found)),
                Ok(Listing::Unavailable) => single.extend(names),
                Err(failure) => {
                    objects.extend(names.into_iter().map(|name| (name, Observed::Unknown(failure.clone()))));
                }
            }
        }
        let is_incomplete = listed.iter().any(|(names, found)| found.len() < names.len());
        let phases = if is_incomplete { self.phases().await } else { None };
        for (names, mut found) in listed {
            objects.extend(names.into_iter().map(|name| {
                let fact = found.remove(&name.namespace).map(Observed::Present);
                let fact = fact.unwrap_or_else(|| absent(&name, &phases));
                (name, fact)
            }));
        }
        let single = stream::iter(single).map(async |name| {
            let fact = self.observe(&name).await.unwrap_or_else(Observed::Unknown);
            (name, fact)
        });
        objects.extend(single.buffer_unordered(requests).collect::<Vec<_>>().await);
        objects
    }

    async fn phases(&self) -> Phases {
        let namespaces = self.namespaces("").await.ok()?;
        Some(namespaces.into_iter().map(|namespace| (namespace.name, namespace.phase)).collect())
    }
}

/// The state of an object that a list does not contain.
fn absent<T>(name: &ObjectName, phases: &Phases) -> Observed<T> {
    let Some(phases) = phases else { return Observed::Absent };
    match phases.get(&name.namespace) {
        Some(NamespacePhase::Active) => Observed::Absent,
        Some(NamespacePhase::Terminating) => Observed::Unknown(terminating_namespace(&name.namespace)),
        None => Observed::Unknown(missing_namespace(&name.namespace)),
    }
}
