//! All credentials of a run at once, and the rule that a refused one is not tried again: accounts get locked.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

use super::client::Clients;
use super::diagnosis::refused_before;
use super::inspect::inspect;
use super::lanes::Lanes;
use super::reference;
use super::refusals::{Login, Refusals, Standing};
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

/// What all inspections of a proof share.
pub(super) struct Shared {
    pub clients: Arc<Clients>,
    pub redactor: Redactor,
    pub timeout: Duration,
    /// To token servers, which many registries may share.
    pub token_lanes: Lanes,
    refusals: Arc<Refusals>,
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
/// told of each as soon as it is known. Images of one login are tried one after another until it has proved one, and none
/// after a refusal; different logins in parallel. `refusals` is the memory of the whole run: what was refused in one
/// proof is not tried in another. Dropping the future ends all requests.
pub async fn prove(
    clients: &Arc<Clients>,
    refusals: &Arc<Refusals>,
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
        token_lanes: Lanes::default(),
        refusals: Arc::clone(refusals),
        lanes: Lanes::default(),
        places: Semaphore::new(AT_ONCE),
        known,
    });
    let mut groups: IndexMap<Login, Vec<(usize, Registry)>> = IndexMap::new();
    for (index, registry) in registries.iter().enumerate() {
        groups.entry(Login::of(registry)).or_default().push((index, registry.clone()));
    }
    let mut tasks = JoinSet::new();
    for (login, group) in groups {
        tasks.spawn(prove_group(Arc::clone(&shared), login, group));
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

/// Proves the images of one login. Nobody else tries it before it is known to be good.
async fn prove_group(shared: Arc<Shared>, login: Login, group: Vec<(usize, Registry)>) {
    let standing = shared.refusals.of(&login);
    let mut rest = group.into_iter();
    {
        let mut standing = standing.lock().await;
        while !matches!(*standing, Standing::Good)
            && let Some((index, registry)) = rest.next()
        {
            let fact = match &*standing {
                Standing::Refused { image, cause } if registry.test_login != TestLogin::Skip => {
                    refused_before(&registry, image, cause.as_deref())
                }
                _ => shared.inspect(&registry).await,
            };
            match (fact.verdict, &*standing) {
                (Verdict::Proved, _) => *standing = Standing::Good,
                (Verdict::Refused, Standing::Unknown) => {
                    *standing = Standing::Refused { image: registry.image.clone(), cause: fact.cause.clone() };
                }
                _ => {}
            }
            shared.judged(index, fact);
        }
    }
    let mut tasks = JoinSet::new();
    for (index, registry) in rest {
        let shared = Arc::clone(&shared);
        tasks.spawn(async move {
            let fact = shared.inspect(&registry).await;
            shared.judged(index, fact);
        });
    }
    tasks.join_all().await;
}

impl Shared {
    /// Tells the user before a password goes to `realm`, once in a run for each registry and realm.
    pub async fn warn(&self, registry: String, realm: String, text: String) {
        let mut told = self.refusals.told().await;
        let pair = (registry, realm);
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

    async fn inspect(&self, registry: &Registry) -> RegistryFact {
        // Closed never, so this only waits. The host's lane comes first: who waits for a busy host takes no place away.
        let _lane = self.lanes.enter(&reference::contacted(registry)).await;
        let _place = self.places.acquire().await;
        inspect(self, registry).await
    }

    fn judged(&self, index: usize, fact: RegistryFact) {
        // Nobody listens any more only when the whole proof was dropped.
        let _ = self.known.send(Known::Judged(index, fact));
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
