//! Sets up a client whose kubeconfig names a credential plugin (`exec`, or an `auth-provider`): the plugin is run once,
//! with a time limit. It does not decide when; `Cluster` does.

use std::time::Duration;

use kube::{Client, Config};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::cluster::error::Diagnosis;
use crate::failure::Failure;

/// Whether a plugin must be run to set up a client.
pub(in crate::cluster) fn is_needed(config: &Config) -> bool {
    config.auth_info.exec.is_some() || config.auth_info.auth_provider.is_some()
}

/// Runs the plugin and makes the client. Must be called within a tokio runtime.
///
/// The kube crate runs the plugin on the calling thread and waits until it ends. A separate thread can be abandoned
/// when the time limit is reached. It must not be a thread of the runtime, because the runtime waits for its threads
/// when it ends.
pub(in crate::cluster) async fn run(
    config: &Config,
    timeout: Duration,
    diagnosis: &Diagnosis,
) -> Result<Client, Failure> {
    let (sender, receiver) = oneshot::channel();
    let (runtime, config) = (Handle::current(), config.clone());
    // A thread of the runtime would delay the end of the program until the plugin ends.
    let thread = std::thread::Builder::new().name("credential-plugin".to_owned()).spawn(move || {
        // The client starts its tasks on the runtime of the caller, which a plain thread does not know.
        let _inside = runtime.enter();
        // Sending fails if the time limit was reached and the receiver is gone: the client is not needed then.
        let _ = sender.send(Client::try_from(config));
    });
    thread.map_err(|error| diagnosis.plugin_not_run(&error.to_string()))?;
    match tokio::time::timeout(timeout, receiver).await {
        Ok(Ok(client)) => client.map_err(|error| diagnosis.client_failure(&error)),
        Ok(Err(_)) => Err(diagnosis.plugin_not_run("the thread that ran the plugin ended early")),
        Err(_) => Err(diagnosis.plugin_timeout(timeout)),
    }
}
