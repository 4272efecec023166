//! What all attempts of a proof share: clients, permits, the logins of the run, and the channel to the caller.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, mpsc, oneshot};

use super::failed_logins::Logins;
use super::ping::Pings;
use crate::facts::RegistryFact;
use crate::failure::{shorten, single_line};
use crate::registry::http::client::Clients;
use crate::registry::http::permits::HostPermits;
use crate::registry::http::request::OnExchange;
use crate::registry::http::url::without_user;
use crate::secret::Redactor;

/// How many credentials are proved at the same time. The number is high because most of the time is spent waiting for
/// responses.
const MAX_ATTEMPTS: usize = 256;

/// The state that all attempts of a proof share.
pub struct ProveContext {
    pub clients: Arc<Clients>,
    pub redactor: Redactor,
    pub timeout: Duration,
    pub pings: Pings,
    /// Permits for token servers, which many registries may share.
    pub token_permits: HostPermits,
    pub logins: Arc<Logins>,
    host_permits: HostPermits,
    total_permits: Semaphore,
    messages: mpsc::UnboundedSender<TaskMessage>,
}

/// A request that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Method and URL without user, query and fragment: `GET https://quay.io/v2/`.
    pub request: String,
    /// The status of the response; `None` if there was none.
    pub status: Option<u16>,
    /// How long it took.
    pub took: Duration,
}

/// The permit to send requests to a host; dropping it returns it.
pub type Permit<'a> = (Option<OwnedSemaphorePermit>, Option<SemaphorePermit<'a>>);

/// A message from a task to the caller of `prove`.
pub enum TaskMessage {
    Warning(String, oneshot::Sender<()>),
    Exchange(Exchange),
    Verdict(usize, RegistryFact),
}

impl ProveContext {
    /// The state of a proof that reports to `messages`. `logins` is the memory of the run.
    pub fn new(
        clients: &Arc<Clients>,
        logins: &Arc<Logins>,
        timeout: Duration,
        redactor: &Redactor,
        messages: mpsc::UnboundedSender<TaskMessage>,
    ) -> Self {
        Self {
            clients: Arc::clone(clients),
            redactor: redactor.clone(),
            timeout,
            pings: Pings::default(),
            token_permits: HostPermits::default(),
            logins: Arc::clone(logins),
            host_permits: HostPermits::default(),
            total_permits: Semaphore::new(MAX_ATTEMPTS),
            messages,
        }
    }

    /// Shows a warning about the registry that is contacted at `host`, once in a run for each `subject`, which is the
    /// server or the fault that the warning is about. When this returns, the warning has been shown.
    pub async fn warn(&self, host: &str, subject: String, text: String) {
        let mut warned = self.logins.warned().await;
        let key = (host.to_owned(), subject);
        if warned.contains(&key) {
            return;
        }
        let (shown, wait) = oneshot::channel();
        // Sending and waiting fail only if the complete proof was dropped, and this task with it. Otherwise a password
        // must not be sent before the warning about it was shown.
        if self.messages.send(TaskMessage::Warning(text, shown)).is_err() || wait.await.is_err() {
            pending::<()>().await;
        }
        warned.insert(key);
    }

    /// Reports each request of an attempt to the caller.
    pub fn on_exchange(&self) -> OnExchange {
        let (messages, redactor) = (self.messages.clone(), self.redactor.clone());
        Arc::new(move |line, status, took| {
            let mut url = without_user(line.url.clone());
            url.set_query(None);
            url.set_fragment(None);
            // A server may have chosen the URL.
            let request = shorten(&single_line(&redactor.scrub(&format!("{} {url}", line.method))));
            let status = status.map(|status| status.as_u16());
            // This fails only if the complete proof was dropped.
            let _ = messages.send(TaskMessage::Exchange(Exchange { request, status, took }));
        })
    }

    /// Waits for a permit to contact `host`. An attempt that holds a permit never waits for another attempt that may
    /// need one, which would be a deadlock.
    pub async fn permit(&self, host: &str) -> Permit<'_> {
        // The permit of the host comes first: while an attempt waits for a busy host, it does not use a total permit.
        let permit = self.host_permits.acquire(host).await;
        // The semaphore is never closed, so this only waits.
        (permit, self.total_permits.acquire().await.ok())
    }

    /// Reports the fact of the registry with this index.
    pub fn report(&self, index: usize, fact: RegistryFact) {
        // This fails only if the complete proof was dropped.
        let _ = self.messages.send(TaskMessage::Verdict(index, fact));
    }
}
