//! Remembers the logins of a run, because one wrong password must cause only one failed login: after several, accounts
//! get locked. A login that was not accepted is never sent again. While it is unknown whether a password is right, only
//! one attempt at a time may send it. This file also records which warnings about a password were shown.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Url;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard, OwnedMutexGuard, oneshot};

use crate::desired::Registry;
use crate::facts::{RegistryFact, Verdict};
use crate::registry::http::image_location;
use crate::secret::Secret;

/// What counts as one login: the host that is contacted, the user, the password and the identity token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LoginKey {
    host: String,
    user: String,
    password: Secret,
    identity_token: Option<Secret>,
}

/// Which secret is sent.
#[derive(Clone, Copy)]
pub enum LoginSecret {
    Password,
    /// The identity token, if there is one.
    IdentityToken,
}

impl LoginKey {
    /// The login of a registry: the same for all its images, and through every proxy.
    pub fn of(registry: &Registry) -> Self {
        Self {
            host: image_location::contacted_host(registry),
            user: registry.user.clone(),
            password: registry.password.clone(),
            identity_token: registry.identity_token.clone(),
        }
    }

    /// The login as the server of `url` counts it: several registries may share a token server.
    pub fn at(url: &Url, secret: LoginSecret, registry: &Registry) -> Self {
        // A token server counts failed logins for all registries that name it, so its origin is the host of the key.
        let both = Self { host: url.origin().ascii_serialization(), ..Self::of(registry) };
        match (secret, &both.identity_token) {
            // Only the secret that is sent identifies the login, because a server counts nothing else.
            (LoginSecret::IdentityToken, Some(_)) => Self { password: Secret::new(""), ..both },
            _ => Self { identity_token: None, ..both },
        }
    }
}

/// The state of a login.
#[derive(Debug, Default)]
enum LoginState {
    /// The password was not sent yet.
    #[default]
    Untested,
    /// It was accepted: any number of requests may use it at the same time.
    Accepted,
    /// It was sent and not accepted: a server may count each further try as a failed login.
    NotAccepted(EarlierAttempt),
}

/// The result of a login that was not accepted.
#[derive(Debug, Clone)]
pub struct EarlierAttempt {
    /// The image for which the login was tried.
    pub image: String,
    /// The fact that the attempt observed.
    pub fact: RegistryFact,
}

/// The memory of one run. Everything that proves credentials in the run shares it, from this machine and from nodes.
#[derive(Debug, Default)]
pub struct Logins {
    states: Mutex<HashMap<LoginKey, Arc<AsyncMutex<LoginState>>>>,
    warned: AsyncMutex<HashSet<(String, String)>>,
}

impl Logins {
    /// The queue of the attempts with `login` in one proof.
    pub(in crate::registry) fn queue(&self, login: &LoginKey) -> AttemptQueue {
        AttemptQueue { state: self.state(login), last: None }
    }

    /// Waits until no other attempt uses `login`, and adds that login to those that `attempt` tests.
    ///
    /// # Errors
    /// The earlier attempt, if the login was not accepted before.
    pub(in crate::registry) async fn join(
        &self,
        login: &LoginKey,
        attempt: &mut Attempt,
    ) -> Result<(), Box<EarlierAttempt>> {
        // Two attempts cannot block each other here: every attempt locks the state for its registry before the one for
        // the server.
        let other = Attempt::of(self.state(login).lock_owned().await)?;
        // Both states stay locked until the attempt ends: the state for the registry, and the state for the server that
        // counts the login.
        attempt.states.extend(other.states);
        Ok(())
    }

    fn state(&self, login: &LoginKey) -> Arc<AsyncMutex<LoginState>> {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(states.entry(login.clone()).or_default())
    }

    /// The registries and realms about which a warning was shown. The caller holds the lock while it shows another
    /// warning, so that no other attempt sends a password there before.
    pub(in crate::registry) async fn warned(&self) -> MutexGuard<'_, HashSet<(String, String)>> {
        self.warned.lock().await
    }
}

/// The attempts with one login, in the order of the registries: which of them is first must not depend on timing.
pub struct AttemptQueue {
    state: Arc<AsyncMutex<LoginState>>,
    /// Closed when the last attempt so far has ended.
    last: Option<oneshot::Receiver<()>>,
}

impl AttemptQueue {
    /// A slot after all slots that were taken before.
    pub fn slot(&mut self) -> Slot {
        let (ended, last) = oneshot::channel();
        // Each slot waits only for the one before it, so the attempts form a chain.
        let previous = self.last.replace(last);
        Slot { state: Arc::clone(&self.state), previous, _ended: ended }
    }
}

/// A place in the queue; dropping it lets the next attempt start.
pub struct Slot {
    state: Arc<AsyncMutex<LoginState>>,
    previous: Option<oneshot::Receiver<()>>,
    _ended: oneshot::Sender<()>,
}

impl Slot {
    /// Waits until the password may be sent.
    ///
    /// # Errors
    /// The earlier attempt, if the login was not accepted before.
    pub async fn wait(mut self) -> Result<Attempt, Box<EarlierAttempt>> {
        if let Some(previous) = self.previous.take() {
            // No value is sent over this channel. It closes when the previous slot is dropped.
            let _ = previous.await;
        }
        // The chain orders the attempts of this proof. The lock is needed in addition, because another proof may use
        // the login.
        Attempt::of(Arc::clone(&self.state).lock_owned().await)
    }
}

/// The permit to send a password. Only one attempt at a time has it, until it is known whether the password is right.
#[derive(Default)]
pub struct Attempt {
    /// The locked states of the logins that this attempt tests; empty once they are known to be accepted.
    states: Vec<OwnedMutexGuard<LoginState>>,
    sent: bool,
}

impl Attempt {
    fn of(state: OwnedMutexGuard<LoginState>) -> Result<Self, Box<EarlierAttempt>> {
        match &*state {
            LoginState::Untested => Ok(Self { states: vec![state], sent: false }),
            // The guard is dropped here, so attempts with an accepted login run at the same time.
            LoginState::Accepted => Ok(Self::default()),
            LoginState::NotAccepted(earlier) => Err(Box::new(earlier.clone())),
        }
    }

    /// Notes that the password may have arrived at a server.
    pub fn mark_sent(&mut self) {
        self.sent = true;
    }

    /// Notes that the password is right, which lets the other attempts with this login start.
    pub fn mark_accepted(&mut self) {
        // Draining drops the guards, which lets waiting attempts start before this one ends.
        for mut state in self.states.drain(..) {
            *state = LoginState::Accepted;
        }
    }

    /// Ends the attempt with the fact that it observed for `image`.
    pub fn finish(mut self, image: &str, fact: &RegistryFact) {
        // An opaque token does not show that the password is right; only the response for the image shows that.
        if fact.verdict == Verdict::Proved {
            self.mark_accepted();
        }
        // If nothing was sent, the state stays untested, and another attempt may send the password.
        for mut state in self.states.into_iter().filter(|_| self.sent) {
            *state = LoginState::NotAccepted(EarlierAttempt { image: image.to_owned(), fact: fact.clone() });
        }
    }
}
