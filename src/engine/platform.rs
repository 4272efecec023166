//! Finds out what the cluster is if the inventory does not say it, and leaves out what the platform does not have.

use crate::cluster::PlatformFault;
use crate::desired::{Desired, Platform};
use crate::engine::Engine;
use crate::engine::schedule::Stop;
use crate::event::{Event, HostOutcome, HostRow};
use crate::facts::ApiPlatform;
use crate::failure::Failure;
use crate::report::Journal;

/// The desired state for the platform of the cluster. The nodes whose files the machine config operator manages
/// are reported, and are not in it. If the API server cannot be used, the platform stays open, and the second value says why: nothing may then be
/// written, also if the server responds to a later request.
///
/// # Errors
/// If the API server does not show what it is, or the inventory does not fit it.
pub fn decide(engine: &Engine, desired: Desired, journal: &Journal) -> Result<(Desired, Option<Failure>), Failure> {
    let (mut desired, unusable) = match desired.platform {
        Some(_) => (desired, None),
        None => match engine.runtime.block_on(request(engine)) {
            Ok(Some(platform)) => (desired.for_platform(platform)?, None),
            Ok(None) => (desired, None),
            // Each object fails for this reason, which closes the gate. Without objects there is nothing to close it.
            Err(PlatformFault::Unusable(failure)) if !desired.objects.is_empty() => (desired, Some(failure)),
            Err(PlatformFault::Unusable(failure) | PlatformFault::Unknown(failure)) => return Err(failure),
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
    Ok((desired, unusable))
}

/// The platform of the API server; `None` if the run uses no API server, or is interrupted.
async fn request(engine: &Engine) -> Result<Option<Platform>, PlatformFault> {
    let Some(connection) = &engine.cluster else { return Ok(None) };
    // The API server may be reached through a node.
    let _guard = engine.abort_nodes_at(Stop::Gently);
    let request = async {
        match connection.cluster().await {
            Ok(cluster) => cluster.platform().await,
            Err(failure) => Err(PlatformFault::Unusable(failure)),
        }
    };
    let found = tokio::select! {
        found = request => found,
        () = engine.cancel.reached(Stop::Gently) => return Ok(None),
    };
    found.map(|found| {
        Some(match found {
            ApiPlatform::OpenShift3 => Platform::OpenShift3,
            ApiPlatform::OpenShift4 => Platform::OpenShift4,
            ApiPlatform::Kubernetes => Platform::Kubernetes,
        })
    })
}
