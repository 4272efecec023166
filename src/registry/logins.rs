//! What a run remembers: what came of each login, so that none is tried again unless it was accepted, and what the user
//! was told before a password was sent. While nobody knows whether a password is right, one alone may send it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Url;
use tokio::sync::{Mutex as Gate, MutexGuard, OwnedMutexGuard, oneshot};

use super::reference;
use crate::desired::Registry;
use crate::facts::{RegistryFact, Verdict};
use crate::secret::Secret;

/// What counts as one login: the host that is contacted, the user, the password and the identity token.
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

/// Which secret it is that goes out.
#[derive(Clone, Copy)]
pub(super) enum Secrets {
    Password,
    /// The identity token, if there is one.
    IdentityToken,
}

impl Login {
    /// The login as it is counted where the secret goes to: several registries may share a token server.
    pub fn at(url: &Url, secrets: Secrets, registry: &Registry) -> Self {
        let whole = Self { host: url.origin().ascii_serialization(), ..Self::of(registry) };
        match (secrets, &whole.identity_token) {
            (Secrets::IdentityToken, Some(_)) => Self { password: Secret::new(""), ..whole },
            _ => Self { identity_token: None, ..whole },
        }
    }
}

/// What is known of a login.
#[derive(Debug, Default)]
enum Standing {
    /// The password was not sent yet.
    #[default]
    Unknown,
    /// It was accepted, so that it may be used many times at once.
    Good,
    /// It was sent and not accepted: a server may count each time as a failed login.
    Tried(Tried),
}

/// What came of a login that was not accepted.
#[derive(Debug, Clone)]
pub(super) struct Tried {
    /// The image for which it was tried.
    pub image: String,
    pub fact: RegistryFact,
}

/// The memory of one run, whatever is proved in it and from wherever: a login that was refused, or not accepted for any
/// other reason, is not tried again.
#[derive(Debug, Default)]
pub struct Logins {
    logins: Mutex<HashMap<Login, Arc<Gate<Standing>>>>,
    told: Gate<HashSet<(String, String)>>,
}

impl Logins {
    /// The queue of those who have `login` to try in one proof.
    pub(super) fn queue(&self, login: &Login) -> Queue {
        Queue { standing: self.standing(login), last: None }
    }

    /// Waits until nobody else has `login` to try, and makes it part of `trial`, unless it was not accepted before.
    pub(super) async fn join(&self, login: &Login, trial: &mut Trial) -> Result<(), Box<Tried>> {
        let other = Trial::of(self.standing(login).lock_owned().await)?;
        trial.standings.extend(other.standings);
        Ok(())
    }

    fn standing(&self, login: &Login) -> Arc<Gate<Standing>> {
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(logins.entry(login.clone()).or_default())
    }

    /// The registries and realms of which the user was told. The lock is held while one more is told, so that nobody
    /// else sends a password there before.
    pub(super) async fn told(&self) -> MutexGuard<'_, HashSet<(String, String)>> {
        self.told.lock().await
    }
}

/// Those who have one login to try, in the order of the registries: which of them is tried must not be chance.
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
    /// Waits until the password may be sent, unless it was not accepted before.
    pub async fn come(mut self) -> Result<Trial, Box<Tried>> {
        if let Some(before) = self.before.take() {
            // It is only ever closed.
            let _ = before.await;
        }
        Trial::of(Arc::clone(&self.standing).lock_owned().await)
    }
}

/// The right to send a password: as long as nobody knows whether it is right, only one has it at a time.
#[derive(Default)]
pub(super) struct Trial {
    /// Held until the password is known to be right or wrong; none once it is known to be right.
    standings: Vec<OwnedMutexGuard<Standing>>,
    sent: bool,
}

impl Trial {
    fn of(standing: OwnedMutexGuard<Standing>) -> Result<Self, Box<Tried>> {
        match &*standing {
            Standing::Unknown => Ok(Self { standings: vec![standing], sent: false }),
            Standing::Good => Ok(Self::default()),
            Standing::Tried(tried) => Err(Box::new(tried.clone())),
        }
    }

    /// The password may have arrived somewhere.
    pub fn sent(&mut self) {
        self.sent = true;
    }

    /// The password is right.
    pub fn succeeded(&mut self) {
        for mut standing in self.standings.drain(..) {
            *standing = Standing::Good;
        }
    }

    /// It came to `fact` for `image`.
    pub fn judged(mut self, image: &str, fact: &RegistryFact) {
        if fact.verdict == Verdict::Proved {
            self.succeeded();
        }
        for mut standing in self.standings.into_iter().filter(|_| self.sent) {
            *standing = Standing::Tried(Tried { image: image.to_owned(), fact: fact.clone() });
        }
    }
}
