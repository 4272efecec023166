//! Gathers the facts from the cluster: first the namespaces of the selectors, then the objects that the declarations
//! concern there.

use crate::cluster::{Cluster, ImportSecrets, Listings};
use crate::desired::{Desired, Object, Platform};
use crate::engine::Engine;
use crate::engine::schedule::{CLUSTER_REQUESTS, Stop};
use crate::facts::{
    ClusterFact, GlobalFact, ImportFacts, ImportSecret, Importer, NamesByNamespace, ObjectKind, ObjectName, Objects,
    Observed, PodsByNamespace, RolloutFact, Selections,
};
use crate::failure::Failure;
use crate::plan::{self, ImportImages, Prune, Wanted};

/// Observes everything that the declarations need. Ctrl-C ends it: what was not observed then has a failure as its fact.
pub(super) async fn observe(engine: &Engine, desired: &Desired, unusable: Option<&Failure>) -> ClusterFact {
    let declared = &desired.objects;
    if declared.is_empty() {
        return ClusterFact::default();
    }
    if let Some(failure) = unusable {
        return unobserved(desired, failure);
    }
    // The API server may be reached through a node.
    let _guard = engine.abort_nodes_at(Stop::Gently);
    let mut facts = ClusterFact { selections: selections(engine, declared).await, ..ClusterFact::default() };
    let namespaces = plan::account_namespaces(declared, &facts);
    facts.accounts = all_of(engine, ObjectKind::ServiceAccount, namespaces, &mut facts.objects).await;
    let namespaces = plan::binding_namespaces(declared);
    facts.bindings = all_of(engine, ObjectKind::RoleBinding, namespaces, &mut facts.objects).await;
    // The rollout of the global pull secret is observed later, because it does not decide what else is.
    let expansion = plan::expand(desired, &facts);
    let wanted = &expansion.wanted;
    let names = wanted.iter().map(Wanted::name).filter(|name| !facts.objects.contains_key(name));
    let names = names.cloned().chain(plan::prerequisites(declared));
    let observed = objects(engine, names.collect(), Stop::Gently).await;
    let imports = imports(engine, desired, plan::import_namespaces(&expansion).into_iter().collect()).await;
    facts.objects.extend(observed);
    facts.imports = imports;
    if declared.iter().any(|object| matches!(object, Object::GlobalPullSecret(_))) {
        facts.global = Some(global(engine).await);
    }
    add_managed(engine, desired, &mut facts).await;
    let namespaces = plan::pod_namespaces(&plan::expand(desired, &facts), engine.plan.prune);
    facts.pods = pods(engine, namespaces).await;
    facts
}

/// The facts if the cluster cannot be used: nothing is known.
fn unobserved(desired: &Desired, failure: &Failure) -> ClusterFact {
    let labels = plan::selectors(&desired.objects).into_iter();
    let mut facts = ClusterFact {
        selections: labels.map(|labels| (labels.to_owned(), Err(failure.clone()))).collect(),
        global: Some(GlobalFact {
            infrastructure: Err(failure.clone()),
            rollout: RolloutFact::unknown(failure.clone()),
        }),
        imports: ImportFacts { importer: Importer::Unknown(failure.clone()), secrets: ImportSecrets::new() },
        ..ClusterFact::default()
    };
    let unknown = |namespaces: Vec<String>| -> NamesByNamespace {
        namespaces.into_iter().map(|namespace| (namespace, Err(failure.clone()))).collect()
    };
    facts.accounts = unknown(plan::account_namespaces(&desired.objects, &facts));
    facts.bindings = unknown(plan::binding_namespaces(&desired.objects));
    let wanted = plan::expand(desired, &facts).wanted;
    let objects = wanted.iter().map(|wanted| (wanted.name().clone(), Observed::Unknown(failure.clone()))).collect();
    facts.objects = objects;
    facts
}

/// What image imports depend on in these namespaces. Only OpenShift has an importer.
async fn imports(engine: &Engine, desired: &Desired, namespaces: Vec<String>) -> ImportFacts {
    if namespaces.is_empty() || desired.platform == Some(Platform::Kubernetes) {
        return ImportFacts::default();
    }
    let images = ImportImages::new(desired);
    let observe = async |cluster: &Cluster| {
        let importer = cluster.importer().await;
        let secrets = match importer {
            Importer::Present => {
                let matters = |secret: &ImportSecret| images.are_affected_by(secret);
                cluster.import_secrets(&namespaces, CLUSTER_REQUESTS, matters).await
            }
            Importer::Absent | Importer::Unknown(_) => ImportSecrets::new(),
        };
        Ok(ImportFacts { importer, secrets })
    };
    request(engine, Stop::Gently, observe)
        .await
        .unwrap_or_else(|failure| ImportFacts { importer: Importer::Unknown(failure), secrets: ImportSecrets::new() })
}

/// The pods of these namespaces.
async fn pods(engine: &Engine, namespaces: Vec<String>) -> PodsByNamespace {
    if namespaces.is_empty() {
        return PodsByNamespace::new();
    }
    let observe = async |cluster: &Cluster| Ok(cluster.pods(&namespaces, CLUSTER_REQUESTS).await);
    request(engine, Stop::Gently, observe).await.unwrap_or_else(|failure| {
        namespaces.iter().map(|namespace| (namespace.clone(), Err(failure.clone()))).collect()
    })
}

/// What the global pull secret needs, apart from the secret itself.
async fn global(engine: &Engine) -> GlobalFact {
    let infrastructure = request(engine, Stop::Gently, async |cluster| cluster.infrastructure().await).await;
    let rollout = request(engine, Stop::Gently, async |cluster| Ok(cluster.observe_rollout(None).await)).await;
    GlobalFact { infrastructure, rollout: rollout.unwrap_or_else(RolloutFact::unknown) }
}

/// Adds the objects with the marks of inventories in the namespaces of the declarations. Without a name, the inventory
/// cannot know its own ones.
async fn add_managed(engine: &Engine, desired: &Desired, facts: &mut ClusterFact) {
    let namespaces = plan::declared_namespaces(&desired.objects, facts);
    if desired.owner.is_none() || namespaces.is_empty() {
        return;
    }
    for kind in plan::MANAGED_KINDS {
        let observe = async |cluster: &Cluster| Ok(cluster.managed(kind, &namespaces, CLUSTER_REQUESTS).await);
        let (names, found) = listed(engine, &namespaces, observe).await;
        // More is known of the declared ones.
        for (name, fact) in found {
            facts.objects.entry(name).or_insert(fact);
        }
        facts.managed.insert(kind, names);
    }
    if engine.plan.prune == Prune::Remove {
        let namespaces = plan::pruned_namespaces(desired, facts);
        let namespaces = namespaces.into_iter().filter(|namespace| !facts.accounts.contains_key(namespace)).collect();
        let accounts = all_of(engine, ObjectKind::ServiceAccount, namespaces, &mut facts.objects).await;
        facts.accounts.extend(accounts);
    }
}

/// The names of all objects of a kind in some namespaces. Their states are added to `objects`.
async fn all_of(engine: &Engine, kind: ObjectKind, namespaces: Vec<String>, objects: &mut Objects) -> NamesByNamespace {
    let observe = async |cluster: &Cluster| Ok(cluster.all_of(kind, &namespaces, CLUSTER_REQUESTS).await);
    let (names, found) = listed(engine, &namespaces, observe).await;
    objects.extend(found);
    names
}

/// The names and states of the objects that `observe` lists in some namespaces.
async fn listed(
    engine: &Engine,
    namespaces: &[String],
    observe: impl AsyncFnOnce(&Cluster) -> Result<Listings, Failure>,
) -> (NamesByNamespace, Objects) {
    let (mut names, mut objects) = (NamesByNamespace::new(), Objects::new());
    if namespaces.is_empty() {
        return (names, objects);
    }
    let found = request(engine, Stop::Gently, observe).await.unwrap_or_else(|failure| {
        namespaces.iter().map(|namespace| (namespace.clone(), Err(failure.clone()))).collect()
    });
    for (namespace, found) in found {
        let found = found.map(|found| {
            let own: Vec<String> = found.iter().map(|(name, _)| name.name.clone()).collect();
            objects.extend(found.into_iter().map(|(name, fact)| (name, Observed::Present(fact))));
            own
        });
        names.insert(namespace, found);
    }
    (names, objects)
}

/// Observes objects, unless the run is canceled at `level` before all of them are observed.
pub(in crate::engine) async fn objects(engine: &Engine, names: Vec<ObjectName>, level: Stop) -> Objects {
    if names.is_empty() {
        return Objects::new();
    }
    let observe = async |cluster: &Cluster| Ok(cluster.observe_all(names.clone(), CLUSTER_REQUESTS).await);
    request(engine, level, observe)
        .await
        .unwrap_or_else(|failure| names.into_iter().map(|name| (name, Observed::Unknown(failure.clone()))).collect())
}

async fn selections(engine: &Engine, declared: &[Object]) -> Selections {
    let mut found = Selections::new();
    for labels in plan::selectors(declared) {
        let namespaces = request(engine, Stop::Gently, async |cluster| cluster.namespaces(labels).await).await;
        found.insert(labels.to_owned(), namespaces);
    }
    found
}

/// Sends requests that change nothing, unless the run is canceled at `level` before they end.
async fn request<T>(
    engine: &Engine,
    level: Stop,
    send: impl AsyncFnOnce(&Cluster) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let Some(cluster) = &engine.cluster else { return Err(Failure::internal("there is no connection to the cluster")) };
    let send = async { send(cluster.cluster().await?).await };
    tokio::select! {
        result = send => result,
        () = engine.cancel.reached(level) => {
            Err(Failure::new("interrupted before the cluster was observed").hint("run again"))
        }
    }
}
