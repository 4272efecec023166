//! Gathers the facts from the cluster: first the namespaces of the selectors, then the objects that the declarations
//! concern there.

use crate::cluster::{Cluster, ImportSecrets};
use crate::desired::{Desired, Object, Platform};
use crate::engine::Engine;
use crate::engine::schedule::{CLUSTER_REQUESTS, Stop};
use crate::facts::{
    AccountNames, ClusterFact, GlobalFact, ImportFacts, Importer, ObjectName, Objects, Observed, RolloutFact,
    Selections,
};
use crate::failure::Failure;
use crate::plan::{self, Wanted};

/// Observes everything that the declarations need. Ctrl-C ends it: what was not observed then has a failure as its fact.
pub(super) async fn observe(engine: &Engine, desired: &Desired) -> ClusterFact {
    let declared = &desired.objects;
    if declared.is_empty() {
        return ClusterFact::default();
    }
    // The API server may be reached through a node.
    let _guard = engine.abort_nodes_at(Stop::Gently);
    let mut facts = ClusterFact { selections: selections(engine, declared).await, ..ClusterFact::default() };
    let namespaces = plan::account_namespaces(declared, &facts);
    (facts.accounts, facts.objects) = accounts(engine, namespaces).await;
    // The rollout of the global pull secret is observed later, because it does not decide what else is.
    let expansion = plan::expand(declared, &facts);
    let wanted = &expansion.wanted;
    let names = wanted.iter().map(Wanted::name).filter(|name| !facts.objects.contains_key(name));
    let observed = objects(engine, names.cloned().collect(), Stop::Gently).await;
    facts.imports = imports(engine, desired, plan::import_namespaces(&expansion).into_iter().collect()).await;
    facts.objects.extend(observed);
    if declared.iter().any(|object| matches!(object, Object::GlobalPullSecret(_))) {
        facts.global = Some(global(engine).await);
    }
    facts
}

/// What image imports depend on in these namespaces. Only OpenShift has an importer.
async fn imports(engine: &Engine, desired: &Desired, namespaces: Vec<String>) -> ImportFacts {
    if namespaces.is_empty() || desired.platform == Some(Platform::Kubernetes) {
        return ImportFacts::default();
    }
    let observe = async |cluster: &Cluster| {
        let importer = cluster.importer().await;
        let secrets = match importer {
            Importer::Present => cluster.import_secrets(&namespaces, CLUSTER_REQUESTS).await,
            Importer::Absent | Importer::Unknown(_) => ImportSecrets::new(),
        };
        Ok(ImportFacts { importer, secrets })
    };
    request(engine, Stop::Gently, observe).await.unwrap_or_default()
}

/// What the global pull secret needs, apart from the secret itself.
async fn global(engine: &Engine) -> GlobalFact {
    let control_plane = request(engine, Stop::Gently, async |cluster| cluster.control_plane().await).await;
    let rollout = request(engine, Stop::Gently, async |cluster| Ok(cluster.observe_rollout(None).await)).await;
    GlobalFact { control_plane, rollout: rollout.unwrap_or_else(RolloutFact::unknown) }
}

/// All service accounts of some namespaces, and their states.
async fn accounts(engine: &Engine, namespaces: Vec<String>) -> (AccountNames, Objects) {
    let (mut names, mut objects) = (AccountNames::new(), Objects::new());
    if namespaces.is_empty() {
        return (names, objects);
    }
    let observe = async |cluster: &Cluster| Ok(cluster.accounts(&namespaces, CLUSTER_REQUESTS).await);
    let found = request(engine, Stop::Gently, observe).await.unwrap_or_else(|failure| {
        namespaces.iter().map(|namespace| (namespace.clone(), Err(failure.clone()))).collect()
    });
    for (namespace, accounts) in found {
        let accounts = accounts.map(|accounts| {
            let own: Vec<String> = accounts.iter().map(|(name, _)| name.name.clone()).collect();
            objects.extend(accounts.into_iter().map(|(name, fact)| (name, Observed::Present(fact))));
            own
        });
        names.insert(namespace, accounts);
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
