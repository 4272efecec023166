//! Tests of the registry edge against strict in-process doubles: what each row of the flow asks, with which
//! credential, and how often.

mod broken;
mod double;
mod flow;
mod hints;
mod hostile;
mod kinds;
mod knocks;
mod once;
mod patience;
mod proving;
mod quotas;
mod realms;
mod tls;
mod ways;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use self::double::Double;
pub(super) use self::tls::self_signed;
use super::client::Clients;
use super::proxy::Proxies;
use super::{News, prove};
use crate::desired::{Declaration, ImageChoice, Proxy, Registry, TestLogin, TlsPolicy};
use crate::facts::RegistryFact;
use crate::secret::{Redactor, Secret};

const PATIENCE: Duration = Duration::from_secs(10);

/// A registry whose image lives at `host`.
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
    inspect_within(registry, PATIENCE).await
}

async fn inspect_within(registry: &Registry, timeout: Duration) -> RegistryFact {
    inspect_with(&clients(), registry, timeout).await.0
}

fn clients() -> Arc<Clients> {
    Arc::new(Clients::with_proxies(Proxies::None))
}

/// With the warnings that were heard.
async fn inspect_with(clients: &Arc<Clients>, registry: &Registry, timeout: Duration) -> (RegistryFact, Vec<String>) {
    let warnings = Mutex::new(Vec::new());
    let hear = |news: News<'_>| {
        if let News::Warning(text) = news {
            warnings.lock().unwrap().push(text.to_owned());
        }
    };
    let registries = std::slice::from_ref(registry);
    let mut facts = prove(clients, &Arc::default(), registries, timeout, &Redactor::default(), hear).await;
    (facts.remove(0), warnings.into_inner().unwrap())
}

async fn inspect_double(double: &Double) -> RegistryFact {
    inspect(&registry(&double.host, "right")).await
}
