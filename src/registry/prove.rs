//! All credentials of a run at once, and the rule that a refused one is not tried again: accounts get locked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
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

/// What a refusal holds for: the host that is contacted, the user, the password and the identity token.
type Login = (String, String, Secret, Option<Secret>);
/// Registries of one login, with their place in the whole list.
type Group = Vec<(usize, Registry)>;

/// The logins that were refused so far, with the image that was asked for and what was seen: they are not tried
/// again in this run, for whatever image and from wherever.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<HashMap<Login, (String, Option<String>)>>);

impl Refusals {
    fn of(&self, login: &Login) -> Option<(String, Option<String>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(login).cloned()
    }

    fn remember(&self, login: &Login, registry: &Registry, fact: &RegistryFact) {
        let first = (registry.image.clone(), fact.cause.clone());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(login.clone()).or_insert(first);
    }
}

/// What all inspections of a run share.
struct Shared {
    clients: Arc<Clients>,
    refusals: Arc<Refusals>,
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
    refusals: &Arc<Refusals>,
    registries: &[Registry],
    timeout: Duration,
    redactor: &Redactor,
    hear: impl Fn(News<'_>),
) -> Vec<RegistryFact> {
    let (clients, refusals) = (Arc::clone(clients), Arc::clone(refusals));
    let on_done = |index, fact: &RegistryFact| hear(News::Judged(index, fact));
    let shared =
        Arc::new(Shared { clients, refusals, redactor: redactor.clone(), timeout, gate: Semaphore::new(AT_ONCE) });
    let (known, mut news) = mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    for (login, group) in groups(registries) {
        tasks.spawn(prove_group(Arc::clone(&shared), login, group, known.clone()));
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

fn groups(registries: &[Registry]) -> IndexMap<Login, Group> {
    let mut groups: IndexMap<Login, Group> = IndexMap::new();
    for (index, registry) in registries.iter().enumerate() {
        let host = Target::parse(&registry.image).map_or_else(|_| registry.host.clone(), |target| target.host);
        let login = (host, registry.user.clone(), registry.password.clone(), registry.identity_token.clone());
        groups.entry(login).or_default().push((index, registry.clone()));
    }
    groups
}

async fn prove_group(
    shared: Arc<Shared>,
    login: Login,
    group: Group,
    known: mpsc::UnboundedSender<(usize, RegistryFact)>,
) {
    // Closed never, so this only waits.
    let _permit = shared.gate.acquire().await;
    for (index, registry) in group {
        let fact = match shared.refusals.of(&login) {
            Some((image, cause)) if registry.test_login != TestLogin::Skip => {
                refused_before(&registry, &image, cause.as_deref())
            }
            _ => inspect(&shared.clients, &registry, shared.timeout, &shared.redactor).await,
        };
        if fact.verdict == Verdict::Refused {
            shared.refusals.remember(&login, &registry, &fact);
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
