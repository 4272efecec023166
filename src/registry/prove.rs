//! All credentials of a run at once, and the rule that one is not tried again unless it was accepted: accounts get
//! locked.

use std::collections::HashMap;
use std::future::pending;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use reqwest::Url;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, mpsc, oneshot};
use tokio::task::JoinSet;

use super::client::Clients;
use super::inspect::inspect;
use super::knock::Knocks;
use super::lanes::Lanes;
use super::logins::{Login, Logins, Queue};
use crate::desired::{Registry, TestLogin};
use crate::facts::{RegistryFact, Verdict};
use crate::secret::Redactor;

/// How many credentials are under proof at the same time; most of that time they wait for an answer.
const AT_ONCE: usize = 256;

/// What is heard while credentials are proved.
#[derive(Debug)]
pub enum News<'a> {
    /// The user should know this before a password is sent; it is sent once this was heard.
    Warning(&'a str),
    /// The registry of this index was judged.
    Judged(usize, &'a RegistryFact),
}

/// The right to ask a host, until it is dropped.
pub(super) type Lane<'a> = (Option<OwnedSemaphorePermit>, Option<SemaphorePermit<'a>>);

/// What all inspections of a proof share.
pub(super) struct Shared {
    pub clients: Arc<Clients>,
    pub redactor: Redactor,
    pub timeout: Duration,
    pub knocks: Knocks,
    /// To token servers, which many registries may share.
    pub token_lanes: Lanes,
    pub logins: Arc<Logins>,
    lanes: Lanes,
    places: Semaphore,
    known: mpsc::UnboundedSender<Known>,
}

/// What a task has to say.
enum Known {
    Warning(String, oneshot::Sender<()>),
    Judged(usize, RegistryFact),
}

/// Inspects every registry, each within `timeout`; the facts stand in the order of `registries`, and `hear` is
/// told of each as soon as it is known. All are asked in parallel, and the same request is made once, as the first
/// question to a registry is, which all its credentials share; only the password
/// of a login is sent for one image first, and for the others once it was accepted; else they get what came of that.
/// `logins` is the memory of the whole run: what was not accepted in one proof is not tried in another. Dropping the
/// future ends all requests.
pub async fn prove(
    clients: &Arc<Clients>,
    logins: &Arc<Logins>,
    registries: &[Registry],
    timeout: Duration,
    redactor: &Redactor,
    hear: impl Fn(News<'_>),
) -> Vec<RegistryFact> {
    let (known, news) = mpsc::unbounded_channel();
    let shared = Arc::new(Shared {
        clients: Arc::clone(clients),
        redactor: redactor.clone(),
        timeout,
        knocks: Knocks::default(),
        token_lanes: Lanes::default(),
        logins: Arc::clone(logins),
        lanes: Lanes::default(),
        places: Semaphore::new(AT_ONCE),
        known,
    });
    let mut alike: IndexMap<_, (&Registry, Vec<usize>)> = IndexMap::new();
    for (index, registry) in registries.iter().enumerate() {
        alike.entry(request(registry)).or_insert((registry, Vec::new())).1.push(index);
    }
    let mut queues: HashMap<Login, Queue> = HashMap::new();
    let mut tasks = JoinSet::new();
    for (registry, places) in alike.into_values() {
        let queue = queues.entry(Login::of(registry)).or_insert_with_key(|login| logins.queue(login));
        let (shared, registry, turn) = (Arc::clone(&shared), registry.clone(), queue.turn());
        tasks.spawn(async move {
            let fact = inspect(&shared, &registry, turn).await;
            places.into_iter().for_each(|index| shared.judged(index, fact.clone()));
        });
    }
    // The channel closes with the last task.
    drop(shared);
    let facts = listen(news, registries.len(), &hear).await;
    let all = facts.into_iter().enumerate().map(|(index, fact)| {
        fact.unwrap_or_else(|| {
            let fact = lost();
            hear(News::Judged(index, &fact));
            fact
        })
    });
    all.collect()
}

/// Passes on what the tasks have to say, until all have ended; a fact is missing only where a task has failed.
async fn listen(
    mut news: mpsc::UnboundedReceiver<Known>,
    count: usize,
    hear: &impl Fn(News<'_>),
) -> Vec<Option<RegistryFact>> {
    let mut facts = vec![None; count];
    while let Some(known) = news.recv().await {
        match known {
            Known::Warning(text, heard) => {
                hear(News::Warning(&text));
                // Who asked is gone only if its task has failed.
                let _ = heard.send(());
            }
            Known::Judged(index, fact) => {
                hear(News::Judged(index, &fact));
                facts[index] = Some(fact);
            }
        }
    }
    facts
}

/// What a proof comes to depends on nothing else: the login and its way, and the image if one is looked at.
fn request(registry: &Registry) -> impl Eq + Hash + '_ {
    let Registry { image, test_login, tls, ca, proxy, auth_server, .. } = registry;
    let image = (*test_login != TestLogin::LoginOnly).then_some(image);
    (Login::of(registry), image, test_login, tls, ca, proxy, auth_server)
}

impl Shared {
    /// Tells the user before a password goes to `realm`, once in a run for each registry and realm.
    pub async fn warn(&self, registry: &Url, realm: &Url, text: String) {
        let mut told = self.logins.told().await;
        // With the scheme: who knows of a realm over TLS does not know of the same one over plain HTTP.
        let pair = (registry.origin().ascii_serialization(), realm.origin().ascii_serialization());
        if told.contains(&pair) {
            return;
        }
        let (heard, hearing) = oneshot::channel();
        // Nobody listens any more only when the whole proof was dropped, and this task with it.
        if self.known.send(Known::Warning(text, heard)).is_err() || hearing.await.is_err() {
            pending::<()>().await;
        }
        told.insert(pair);
    }

    /// Waits for a lane to `host`. Whoever has one waits for nobody who may need one.
    pub async fn lane(&self, host: &str) -> Lane<'_> {
        // Closed never, so this only waits. The host's lane comes first: who waits for a busy host takes no place away.
        let lane = self.lanes.enter(host).await;
        (lane, self.places.acquire().await.ok())
    }

    fn judged(&self, index: usize, fact: RegistryFact) {
        // Nobody listens any more only when the whole proof was dropped.
        let _ = self.known.send(Known::Judged(index, fact));
    }
}

/// A task ended without a fact, which only a defect of ours can cause; nothing counts as proved by it.
fn lost() -> RegistryFact {
    RegistryFact {
        cause: Some("the inspection ended without a verdict".to_owned()),
        hint: Some("this is a defect of oregano: please report it".to_owned()),
        ..RegistryFact::new(Verdict::RegistryError)
    }
}
