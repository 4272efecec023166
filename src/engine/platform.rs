//! Finds out what the cluster is if the inventory does not say it, and leaves out what the platform does not have.

use crate::cluster::PlatformFault;
use crate::desired::{Desired, Platform};
use crate::engine::Engine;
use crate::engine::schedule::Stop;
use crate::event::{Event, HostOutcome, HostRow};
use crate::facts::ApiPlatform;
use crate::failure::Failure;
use crate::report::Journal;

/// The desired state for the platform of the cluster. The nodes whose files the machine config operator manages are
/// reported, and are not in it.
///
/// # Errors
/// If the API server does not show what it is, or the inventory does not fit it.
pub fn decide(engine: &Engine, desired: Desired, journal: &Journal) -> Result<Desired, Failure> {
    let mut desired = match desired.platform {
        Some(_) => desired,
        None => match engine.runtime.block_on(ask(engine))? {
            Some(platform) => desired.for_platform(platform)?,
            None => desired,
        },
    };
    let managed = desired.take_operator_managed_nodes();
    if !managed.is_empty() {
        let message = format!(
            "the files of the nodes ({}) are not changed: the machine config operator of OpenShift 4 owns them, and \
             `oregano_global_pull_secret` is for all nodes",
            managed.len()
        );
        journal.record(Event::Warning { message });
    }
    for node in managed {
        journal.record(Event::Host(HostRow::new(&node.name, HostOutcome::Skipped)));
    }
    Ok(desired)
}

/// The platform of the API server; `None` if the run uses no API server, or cannot use it for anything: the objects then
/// fail, and nothing is written.
async fn ask(engine: &Engine) -> Result<Option<Platform>, Failure> {
    let Some(connection) = &engine.cluster else { return Ok(None) };
    // The API server may be reached through a node.
    let _guard = engine.abort_nodes_at(Stop::Gently);
    let ask = async {
        match connection.cluster().await {
            Ok(cluster) => cluster.platform().await,
            Err(failure) => Err(PlatformFault::Unusable(failure)),
        }
    };
    let found = tokio::select! {
        found = ask => found,
        () = engine.cancel.reached(Stop::Gently) => return Ok(None),
    };
    match found {
        Ok(ApiPlatform::OpenShift3) => Ok(Some(Platform::OpenShift3)),
        Ok(ApiPlatform::OpenShift4) => Ok(Some(Platform::OpenShift4)),
        Ok(ApiPlatform::Kubernetes) => Ok(Some(Platform::Kubernetes)),
        Err(PlatformFault::Unusable(_)) => Ok(None),
        Err(PlatformFault::Unknown(failure)) => Err(failure),
    }
}
