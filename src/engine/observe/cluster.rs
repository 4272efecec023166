//! Gathers the facts from the cluster: first the namespaces of the selectors, then the objects that the declarations
//! concern there.

use futures_util::{StreamExt as _, stream};

use crate::cluster::Cluster;
use crate::desired::Object;
use crate::engine::Engine;
use crate::engine::schedule::{CLUSTER_REQUESTS, Stop};
use crate::facts::{ClusterFact, Observed, Selections};
use crate::failure::Failure;
use crate::plan;

/// Observes everything that the declarations need. Ctrl-C ends it: what was not observed then has a failure as its fact.
pub(super) async fn observe(engine: &Engine, objects: &[Object]) -> ClusterFact {
    // The API server may be reached through a node.
    let _guard = engine.abort_nodes_at(Stop::Gently);
    let selections = selections(engine, objects).await;
    let wanted = plan::expand(objects, &selections).secrets;
    let secrets = stream::iter(wanted).map(async |wanted| {
        let name = wanted.name;
        let fact = request(engine, async |cluster| cluster.observe_secret(&name).await).await;
        (name, fact.unwrap_or_else(Observed::Unknown))
    });
    let secrets = secrets.buffer_unordered(CLUSTER_REQUESTS).collect().await;
    ClusterFact { selections, secrets }
}

async fn selections(engine: &Engine, objects: &[Object]) -> Selections {
    let mut found = Selections::new();
    for labels in plan::selectors(objects) {
        let namespaces = request(engine, async |cluster| cluster.namespaces(labels).await).await;
        found.insert(labels.to_owned(), namespaces);
    }
    found
}

/// Sends a request that changes nothing, unless the run is interrupted before it ends.
async fn request<T>(engine: &Engine, send: impl AsyncFnOnce(&Cluster) -> Result<T, Failure>) -> Result<T, Failure> {
    let Some(cluster) = &engine.cluster else { return Err(Failure::internal("there is no connection to the cluster")) };
    let send = async { send(cluster.cluster().await?).await };
    tokio::select! {
        result = send => result,
        () = engine.cancel.reached(Stop::Gently) => {
            Err(Failure::new("interrupted before the cluster was observed").hint("nothing was changed: run again"))
        }
    }
}
