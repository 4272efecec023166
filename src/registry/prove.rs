//! All credentials of a run at once, and the rule that a refused one is not tried again: accounts get locked.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::client::Clients;
use super::diagnosis::refused_before;
use super::inspect::inspect;
use super::reference::Target;
use crate::desired::{Registry, TestLogin};
use crate::facts::{RegistryFact, Verdict};
use crate::secret::{Redactor, Secret};

/// How many credentials are under proof at the same time.
const AT_ONCE: usize = 32;

/// What a refusal holds for: the host that is contacted, the user and the password.
type Login = (String, String, Secret);
/// Registries of one login, with their place in the whole list.
type Group = Vec<(usize, Registry)>;

/// What all inspections of a run share.
struct Shared {
    clients: Arc<Clients>,
    redactor: Redactor,
    timeout: Duration,
    gate: Semaphore,
}

/// What is heard while credentials are proved.
#[derive(Debug)]
pub enum News<'a> {
    /// The user should know this before a password is sent; it is sent once this was heard.
    Warning(&'a str),
    /// The registry of this index was judged.
    Judged(usize, &'a RegistryFact),
}

/// Inspects every registry, each within `timeout`; the facts stand in the order of `registries`, and `hear` is
/// told of each as soon as it is known. Images of one login are tried one after another, and none
/// after a refusal; different logins in parallel. Dropping the future ends all requests.
pub async fn prove(
    clients: &Arc<Clients>,
    registries: &[Registry],
    timeout: Duration,
    redactor: &Redactor,
    hear: impl Fn(News<'_>),
) -> Vec<RegistryFact> {
    let clients = Arc::clone(clients);
    let on_done = |index, fact: &RegistryFact| hear(News::Judged(index, fact));
    let shared = Arc::new(Shared { clients, redactor: redactor.clone(), timeout, gate: Semaphore::new(AT_ONCE) });
    let (known, mut news) = mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    for group in groups(registries) {
        tasks.spawn(prove_group(Arc::clone(&shared), group, known.clone()));
    }
    drop(known);
    let mut facts: Vec<Option<RegistryFact>> = vec![None; registries.len()];
    while let Some((index, fact)) = news.recv().await {
        on_done(index, &fact);
        facts[index] = Some(fact);
    }
    let all = facts.into_iter().enumerate().map(|(index, fact)| {
        fact.unwrap_or_else(|| {
            let fact = lost();
            on_done(index, &fact);
            fact
        })
    });
    all.collect()
}

fn groups(registries: &[Registry]) -> impl Iterator<Item = Group> {
    let mut groups: IndexMap<Login, Group> = IndexMap::new();
    for (index, registry) in registries.iter().enumerate() {
        let host = Target::parse(&registry.image).map_or_else(|_| registry.host.clone(), |target| target.host);
        let login = (host, registry.user.clone(), registry.password.clone());
        groups.entry(login).or_default().push((index, registry.clone()));
    }
    groups.into_values()
}

async fn prove_group(shared: Arc<Shared>, group: Group, known: mpsc::UnboundedSender<(usize, RegistryFact)>) {
    // Closed never, so this only waits.
    let _permit = shared.gate.acquire().await;
    let mut refused: Option<(String, Option<String>)> = None;
    for (index, registry) in group {
        let fact = match &refused {
            Some((image, cause)) if registry.test_login == TestLogin::Inspect => {
                refused_before(&registry, image, cause.as_deref())
            }
            _ => inspect(&shared.clients, &registry, shared.timeout, &shared.redactor).await,
        };
        if fact.verdict == Verdict::Refused && refused.is_none() {
            refused = Some((registry.image.clone(), fact.cause.clone()));
        }
        // Nobody listens any more only when the whole proof was dropped.
        let _ = known.send((index, fact));
    }
}

/// A task ended without a fact, which only a defect of ours can cause; nothing counts as proved by it.
fn lost() -> RegistryFact {
    RegistryFact {
        verdict: Verdict::RegistryError,
        cause: Some("the inspection ended without a verdict".to_owned()),
        hint: Some("this is a defect of oregano: please report it".to_owned()),
        rate_limit: None,
    }
}
