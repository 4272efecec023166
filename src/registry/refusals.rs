//! What a run remembers: which logins were refused, so that none is tried again, and what the user was told before a
//! password was sent. While nobody knows whether a password is right, it is sent by one after another.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Gate, MutexGuard, OwnedMutexGuard, oneshot};

use super::reference;
use crate::desired::Registry;
use crate::facts::{RegistryFact, Verdict};
use crate::secret::Secret;

/// What a refusal holds for: the host that is contacted, the user, the password and the identity token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Login {
    host: String,
    user: String,
    password: Secret,
    identity_token: Option<Secret>,
}

impl Login {
    /// The login of a registry, the same for all its images and all ways to it.
    pub fn of(registry: &Registry) -> Self {
        Self {
            host: reference::contacted(registry),
            user: registry.user.clone(),
            password: registry.password.clone(),
            identity_token: registry.identity_token.clone(),
        }
    }
}

/// What is known of a login.
#[derive(Debug, Default)]
enum Standing {
    /// It was not tried, or to no avail: only one may try it at a time.
    #[default]
    Unknown,
    /// The password is right, so that it may be used many times at once.
    Good,
    Refused(Refusal),
}

/// A login that was refused.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    /// The image for which it was tried.
    pub image: String,
    /// What was seen.
    pub cause: Option<String>,
}

/// The memory of one run, whatever is proved in it and from wherever: a login that was refused is not tried again.
#[derive(Debug, Default)]
pub struct Refusals {
    logins: Mutex<HashMap<Login, Arc<Gate<Standing>>>>,
    told: Gate<HashSet<(String, String)>>,
}

impl Refusals {
    /// The queue of those who have `login` to try in one proof.
    pub(super) fn queue(&self, login: &Login) -> Queue {
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        Queue { standing: Arc::clone(logins.entry(login.clone()).or_default()), last: None }
    }

    /// The registries and realms of which the user was told. The lock is held while one more is told, so that nobody
    /// else sends a password there before.
    pub(super) async fn told(&self) -> MutexGuard<'_, HashSet<(String, String)>> {
        self.told.lock().await
    }
}

/// Those who have one login to try, in the order of the registries: which of them is refused must not be chance.
pub(super) struct Queue {
    standing: Arc<Gate<Standing>>,
    /// Closed once the last one has had its turn.
    last: Option<oneshot::Receiver<()>>,
}

impl Queue {
    /// The turn after all that were taken before.
    pub fn turn(&mut self) -> Turn {
        let (over, last) = oneshot::channel();
        let before = self.last.replace(last);
        Turn { standing: Arc::clone(&self.standing), before, _over: over }
    }
}

/// A place in the queue; dropped, it is the next one's turn.
pub(super) struct Turn {
    standing: Arc<Gate<Standing>>,
    before: Option<oneshot::Receiver<()>>,
    _over: oneshot::Sender<()>,
}

impl Turn {
    /// Nothing needs to be asked for a login of which it is known already.
    pub fn not_refused(&self) -> Result<(), Refusal> {
        match self.standing.try_lock().as_deref() {
            Ok(Standing::Refused(refusal)) => Err(refusal.clone()),
            _ => Ok(()),
        }
    }

    /// Waits until the password may be sent, unless it was refused.
    pub async fn come(mut self) -> Result<Trial, Refusal> {
        if let Some(before) = self.before.take() {
            // It is only ever closed.
            let _ = before.await;
        }
        let standing = Arc::clone(&self.standing).lock_owned().await;
        match &*standing {
            Standing::Unknown => Ok(Trial(Some(standing))),
            Standing::Good => Ok(Trial(None)),
            Standing::Refused(refusal) => Err(refusal.clone()),
        }
    }
}

/// The right to send a password: as long as nobody knows whether it is right, only one has it at a time.
#[derive(Default)]
pub(super) struct Trial(Option<OwnedMutexGuard<Standing>>);

impl Trial {
    /// The password is right.
    pub fn succeeded(&mut self) {
        if let Some(mut standing) = self.0.take() {
            *standing = Standing::Good;
        }
    }

    /// It came to `fact` for `image`.
    pub fn judged(mut self, image: &str, fact: &RegistryFact) {
        match (fact.verdict, &mut self.0) {
            (Verdict::Proved, _) => self.succeeded(),
            (Verdict::Refused, Some(standing)) => {
                **standing = Standing::Refused(Refusal { image: image.to_owned(), cause: fact.cause.clone() });
            }
            _ => {}
        }
    }
}
