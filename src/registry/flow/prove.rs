//! Proves all credentials of a run at the same time: which of them are equal, and what the caller gets to know when.
//! `steps.rs` proves one credential.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::context::{Exchange, ProveContext, TaskMessage};
use super::failed_logins::{AttemptQueue, LoginKey, Logins};
use super::steps::prove_one;
use crate::desired::{Registry, TestLogin};
use crate::facts::{RegistryFact, Verdict};
use crate::registry::http::client::Clients;
use crate::secret::Redactor;

/// The progress events of a proof.
#[derive(Debug)]
pub enum ProgressEvent<'a> {
    /// A warning about a password, which is sent only after the callback has returned.
    Warning(&'a str),
    /// A request that ended.
    Exchange(&'a Exchange),
    /// The verdict on the registry with this index.
    Verdict(usize, &'a RegistryFact),
}

/// Proves every registry, each within `timeout`; the facts have the order of `registries`, and `on_event` gets each as
/// soon as it is known. All run in parallel, and equal requests are sent once: credentials of one registry share its
/// ping. A password is sent for one image first, and for the others once it was accepted; otherwise they get the same
/// verdict. `logins` is the memory of the run: a login that was not accepted in one proof is not sent in another.
/// Dropping the future ends all requests.
pub async fn prove(
    clients: &Arc<Clients>,
    logins: &Arc<Logins>,
    registries: &[Registry],
    timeout: Duration,
    redactor: &Redactor,
    on_event: impl Fn(ProgressEvent<'_>),
) -> Vec<RegistryFact> {
    let (messages, received) = mpsc::unbounded_channel();
    let context = Arc::new(ProveContext::new(clients, logins, timeout, redactor, messages));
    let mut groups: IndexMap<_, (&Registry, Vec<usize>)> = IndexMap::new();
    for (index, registry) in registries.iter().enumerate() {
        // Registries with equal keys would send exactly the same requests.
        groups.entry(proof_key(registry)).or_insert((registry, Vec::new())).1.push(index);
    }
    let mut queues: HashMap<LoginKey, AttemptQueue> = HashMap::new();
    let mut tasks = JoinSet::new();
    for (registry, indices) in groups.into_values() {
        let queue = queues.entry(LoginKey::of(registry)).or_insert_with_key(|login| logins.queue(login));
        let (context, registry, slot) = (Arc::clone(&context), registry.clone(), queue.slot());
        tasks.spawn(async move {
            let fact = prove_one(&context, &registry, slot).await;
            indices.into_iter().for_each(|index| context.report(index, fact.clone()));
        });
    }
    // The tasks hold the other references: the channel closes when the last task ends.
    drop(context);
    let facts = forward(received, registries.len(), &on_event).await;
    let all = facts.into_iter().enumerate().map(|(index, fact)| {
        fact.unwrap_or_else(|| {
            let fact = lost();
            on_event(ProgressEvent::Verdict(index, &fact));
            fact
        })
    });
    all.collect()
}

/// Forwards what the tasks report until all have ended; a fact is missing only if its task has panicked.
async fn forward(
    mut received: mpsc::UnboundedReceiver<TaskMessage>,
    count: usize,
    on_event: &impl Fn(ProgressEvent<'_>),
) -> Vec<Option<RegistryFact>> {
    let mut facts = vec![None; count];
    while let Some(message) = received.recv().await {
        match message {
            TaskMessage::Warning(text, shown) => {
                on_event(ProgressEvent::Warning(&text));
                // This fails only if the task that waits for it has panicked.
                let _ = shown.send(());
            }
            TaskMessage::Exchange(exchange) => on_event(ProgressEvent::Exchange(&exchange)),
            TaskMessage::Verdict(index, fact) => {
                on_event(ProgressEvent::Verdict(index, &fact));
                facts[index] = Some(fact);
            }
        }
    }
    facts
}

/// Everything that a proof depends on: the login, how the registry is reached, and the image if one is inspected.
fn proof_key(registry: &Registry) -> impl Eq + Hash + '_ {
    let Registry { image, test_login, tls, ca, proxy, auth_server, .. } = registry;
    let image = (*test_login != TestLogin::LoginOnly).then_some(image);
    (LoginKey::of(registry), image, test_login, tls, ca, proxy, auth_server)
}

/// The fact of a task that ended without a verdict, which only a bug in this program can cause. It proves nothing.
fn lost() -> RegistryFact {
    RegistryFact {
        cause: Some("the inspection ended without a verdict".to_owned()),
        hint: Some("this is a bug in oregano: please report it".to_owned()),
        ..RegistryFact::new(Verdict::RegistryError)
    }
}
