//! What a run remembers: which logins were refused, so that none is tried again, and what the user was told before a
//! password was sent.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Gate, MutexGuard};

use super::reference;
use crate::desired::Registry;
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
#[derive(Debug, Clone, Default)]
pub(super) enum Standing {
    /// It was not tried, or to no avail: only one may try it at a time.
    #[default]
    Unknown,
    /// It proved an image, so that it may be used many times at once.
    Good,
    /// It was refused for this image, with what was seen.
    Refused { image: String, cause: Option<String> },
}

/// The memory of one run, whatever is proved in it and from wherever: a login that was refused is not tried again.
#[derive(Debug, Default)]
pub struct Refusals {
    logins: Mutex<HashMap<Login, Arc<Gate<Standing>>>>,
    told: Gate<HashSet<(String, String)>>,
}

impl Refusals {
    /// What is known of a login; whoever holds its lock is the one to try it.
    pub(super) fn of(&self, login: &Login) -> Arc<Gate<Standing>> {
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(logins.entry(login.clone()).or_default())
    }

    /// The registries and realms of which the user was told. The lock is held while one more is told, so that nobody
    /// else sends a password there before.
    pub(super) async fn told(&self) -> MutexGuard<'_, HashSet<(String, String)>> {
        self.told.lock().await
    }
}
