//! The first question to a registry, which carries no credential: asked once in a proof for each way to it, whoever it
//! is for, so that a host that does not answer costs its time once.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Method, Url};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::fault;
use super::wire::{Answer, Fault, Request, Wire};
use crate::desired::{Authority, Proxy, Registry, TlsPolicy};

/// What a registry says to who has not logged in yet.
#[derive(Clone)]
pub(super) struct Knock {
    /// `/v2/`, in the protocol that the port speaks.
    pub root: Url,
    pub answer: Box<Answer>,
    /// How long that took, for everybody whom it is for.
    pub took: Duration,
}

type Knocked = Result<Knock, Fault>;

/// The knocks of a proof.
#[derive(Default)]
pub(super) struct Knocks(Mutex<HashMap<Entrance, Arc<OnceCell<Knocked>>>>);

/// A registry and the way to it.
#[derive(PartialEq, Eq, Hash)]
struct Entrance {
    root: Url,
    /// The name that certs.d may know it by.
    written: String,
    tls: TlsPolicy,
    ca: Option<Arc<Authority>>,
    proxy: Proxy,
}

impl Knocks {
    /// What `knock` at `root` comes to; of all knocks there by the way of `registry` only the first is made.
    pub async fn once(&self, root: &Url, registry: &Registry, knock: impl Future<Output = Knocked>) -> Knocked {
        let Registry { tls, ca, proxy, image, .. } = registry;
        let written = image.split('/').next().unwrap_or_default().to_owned();
        let entrance = Entrance { root: root.clone(), written, tls: *tls, ca: ca.clone(), proxy: proxy.clone() };
        let known = {
            let mut entrances = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(entrances.entry(entrance).or_default())
        };
        known.get_or_init(|| knock).await.clone()
    }
}

/// Asks the registry what it wants, without a credential: some refuse a wrong one without any challenge.
/// Finds out on the way whether an insecure registry speaks plain HTTP.
pub(super) async fn knock(wire: &Wire, root: Url) -> Knocked {
    let begin = Instant::now();
    let (root, answer) = ask(wire, root).await?;
    Ok(Knock { root, answer, took: begin.elapsed() })
}

async fn ask(wire: &Wire, root: Url) -> Result<(Url, Box<Answer>), Fault> {
    let request = Request::new(Method::GET, root.clone());
    let here = request.place.clone();
    match wire.follow(request).await {
        // Not where a redirect led: it must be this port itself that does not speak TLS.
        Err(Fault::Broken { at, error, .. })
            if wire.tls == TlsPolicy::Insecure && *at == here && fault::speaks_no_tls(&error) =>
        {
            let root = plain(root);
            let answer = wire.follow(Request::new(Method::GET, root.clone())).await?;
            Ok((root, answer))
        }
        // A proxy lets TLS through to some ports alone. Plain HTTP must then show that a registry is behind it.
        Err(Fault::Broken { at, error, shown, tries })
            if wire.tls == TlsPolicy::Insecure
                && *at == here
                && fault::may_not_connect(&error, &wire.way.via(&here.url)) =>
        {
            let root = plain(root);
            match wire.follow(Request::new(Method::GET, root.clone())).await {
                Ok(answer) if names_its_protocol(&answer) => Ok((root, answer)),
                _ => Err(Fault::Broken { at, error, shown, tries }),
            }
        }
        other => Ok((root, other?)),
    }
}

/// The header of the distribution specification's older form, which registries still send.
pub(super) fn names_its_protocol(answer: &Answer) -> bool {
    answer.header("docker-distribution-api-version").is_some_and(|versions| versions.contains("registry/2."))
}

/// The same port, spoken to in plain HTTP.
fn plain(https: Url) -> Url {
    let mut url = https;
    let port = url.port_or_known_default();
    // Neither can fail: https and http are both special schemes with a host.
    let _ = url.set_scheme("http");
    let _ = url.set_port(port);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_port_is_spoken_to_in_plain_http() {
        for (https, http) in [("https://r/v2/", "http://r:443/v2/"), ("https://r:80/v2/", "http://r/v2/")] {
            assert_eq!(plain(Url::parse(https).unwrap()).as_str(), http);
        }
    }
}
