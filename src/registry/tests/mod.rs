//! Tests of the registry edge against strict in-process doubles: which requests each step sends, with which credential,
//! and how often. The folders mirror those of the code.

mod certificates;
#[path = "../../../tests/doubles/registry.rs"]
mod double;
mod flow;
mod http;
mod prelude;
mod proxies;
#[path = "../../../tests/doubles/raw.rs"]
mod raw;
mod verdict;

use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(super) use self::certificates::self_signed;
use self::double::Double;
use super::http::client::Clients;
use super::http::proxy::ProxySource;
use super::{ProgressEvent, prove};
use crate::desired::{Declaration, ImageChoice, Proxy, Registry, TestLogin, TlsPolicy};
use crate::facts::RegistryFact;
use crate::secret::{Redactor, Secret};

const TIMEOUT: Duration = Duration::from_secs(10);

/// A registry at `host` with a test image and the user `alice`.
pub(super) fn registry(host: &str, password: &str) -> Registry {
    Registry {
        host: host.to_owned(),
        user: "alice".to_owned(),
        password: Secret::new(password),
        image: format!("{host}/team/app:v1"),
        test_login: TestLogin::Inspect,
        tls: TlsPolicy::Insecure,
        declaration: Declaration::Entry,
        image_choice: ImageChoice::Given,
        origin: "inventory.ini:7:20".to_owned(),
        identity_token: None,
        email: None,
        ca: None,
        proxy: Proxy::Environment,
        auth_server: None,
    }
}

async fn inspect(registry: &Registry) -> RegistryFact {
    inspect_within(registry, TIMEOUT).await
}

async fn inspect_within(registry: &Registry, timeout: Duration) -> RegistryFact {
    inspect_with(&clients(), registry, timeout).await.0
}

fn clients() -> Arc<Clients> {
    Arc::new(Clients::with_proxies(ProxySource::None))
}

/// The fact, and the warnings that came before it.
async fn inspect_with(clients: &Arc<Clients>, registry: &Registry, timeout: Duration) -> (RegistryFact, Vec<String>) {
    let warnings = Mutex::new(Vec::new());
    let on_event = |event: ProgressEvent<'_>| {
        if let ProgressEvent::Warning(text) = event {
            warnings.lock().unwrap().push(text.to_owned());
        }
    };
    let registries = std::slice::from_ref(registry);
    let mut facts = prove(clients, &Arc::default(), registries, timeout, &Redactor::default(), on_event).await;
    (facts.remove(0), warnings.into_inner().unwrap())
}

/// Waits until nothing is left to do except to wait. The clock must be paused: it advances only then.
async fn until_idle() {
    // This is less than the time limit of an attempt.
    tokio::time::sleep(TIMEOUT / 4).await;
}

async fn inspect_double(double: &Double) -> RegistryFact {
    inspect(&registry(&double.host, "right")).await
}
