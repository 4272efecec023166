//! Names to addresses, as the system resolves them: each name once, in a thread that a run need not wait for.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::watch;

/// How a name is looked up; it may take as long as it likes.
type Lookup = fn(&str) -> io::Result<Vec<SocketAddr>>;
/// The addresses of a name, or why there are none.
type Answer = Result<Vec<SocketAddr>, Unresolved>;

/// The lookups of a run, shared by all who ask for the same name. An answer holds for the run; a failure only for
/// those who waited for it.
#[derive(Clone)]
pub(super) struct Resolver(Arc<Lookups>);

struct Lookups {
    lookup: Lookup,
    names: Mutex<HashMap<String, watch::Receiver<Option<Answer>>>>,
}

/// Why a name has no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
struct Unresolved(String);

impl Resolver {
    /// `getaddrinfo`, with all that the system puts behind it.
    pub fn system() -> Self {
        Self::with(|name| Ok((name, 0).to_socket_addrs()?.collect()))
    }

    pub(super) fn with(lookup: Lookup) -> Self {
        Self(Arc::new(Lookups { lookup, names: Mutex::default() }))
    }

    /// Whether a name was asked for and there is no answer yet.
    pub fn waits_for(&self, name: &str) -> bool {
        let names = self.0.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(name).is_some_and(|answer| answer.borrow().is_none())
    }

    /// The addresses of a name with a port; none if it has none.
    pub async fn addresses(&self, name: &str, port: u16) -> Vec<SocketAddr> {
        let mut answer = self.ask(name);
        let found = answer.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone());
        let found = found.and_then(Result::ok).unwrap_or_default();
        found.into_iter().map(|address| SocketAddr::new(address.ip(), port)).collect()
    }

    fn ask(&self, name: &str) -> watch::Receiver<Option<Answer>> {
        let mut names = self.0.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(name)
            && !matches!(*known.borrow(), Some(Err(_)))
        {
            return known.clone();
        }
        let (tell, answer) = watch::channel(None);
        names.insert(name.to_owned(), answer.clone());
        drop(names);
        let (lookup, name) = (self.0.lookup, name.to_owned());
        // Not one of the runtime's threads: it waits for those at its end, and a resolver may be silent for minutes.
        // Where there is no thread to be had, the channel closes.
        let _ = std::thread::Builder::new().name("resolver".to_owned()).spawn(move || {
            let found = lookup(&name).map_err(|error| Unresolved(reason(&error)));
            tell.send(Some(found))
        });
        answer
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let mut answer = self.ask(name.as_str());
        Box::pin(async move {
            let answer = match answer.wait_for(Option::is_some).await {
                Ok(answer) => answer.clone(),
                Err(_) => None,
            };
            let found = answer.unwrap_or_else(|| Err(Unresolved("the lookup broke off".to_owned())))?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// The servers that names are asked of: `nameserver` of resolv.conf(5), for messages.
pub(super) fn nameservers() -> Vec<String> {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    named(&text)
}

fn named(resolv_conf: &str) -> Vec<String> {
    let lines = resolv_conf.lines().map(str::split_whitespace);
    lines
        .filter_map(|mut words| (words.next() == Some("nameserver")).then(|| words.next()).flatten())
        .map(str::to_owned)
        .collect()
}

/// What `getaddrinfo` says, without what the standard library puts before it.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let said = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    said.to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;

    async fn resolve(resolver: &Resolver, name: &str) -> Result<Vec<SocketAddr>, String> {
        let found = resolver.resolve(name.parse().unwrap()).await;
        found.map(Iterator::collect).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn equal_lookups_are_one_and_answers_are_kept() {
        static ASKED: AtomicU32 = AtomicU32::new(0);
        let resolver = Resolver::with(|_| {
            std::thread::sleep(Duration::from_millis(50));
            ASKED.fetch_add(1, Ordering::SeqCst);
            Ok(vec![([127, 0, 0, 9], 0).into()])
        });
        let (one, other) = tokio::join!(resolve(&resolver, "r"), resolve(&resolver, "r"));
        assert_eq!(one, Ok(vec![([127, 0, 0, 9], 0).into()]));
        assert_eq!((&one, &resolve(&resolver, "r").await), (&other, &one));
        assert_eq!(ASKED.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_failure_is_not_kept() {
        static ASKED: AtomicU32 = AtomicU32::new(0);
        let resolver = Resolver::with(|_| match ASKED.fetch_add(1, Ordering::SeqCst) {
            0 => Err(io::Error::other("failed to lookup address information: Name or service not known")),
            _ => Ok(vec![([127, 0, 0, 9], 0).into()]),
        });
        assert_eq!(resolve(&resolver, "r").await, Err("Name or service not known".to_owned()));
        assert!(resolve(&resolver, "r").await.is_ok());
    }

    #[tokio::test]
    async fn what_is_waited_for_is_known() {
        let resolver = Resolver::with(|name| {
            if name == "silent" {
                std::thread::sleep(Duration::from_secs(3600));
            }
            Ok(Vec::new())
        });
        assert!(!resolver.waits_for("silent"));
        let waiting = tokio::time::timeout(Duration::from_millis(50), resolve(&resolver, "silent")).await;
        assert!(waiting.is_err() && resolver.waits_for("silent"));
        resolve(&resolver, "quick").await.unwrap();
        assert!(!resolver.waits_for("quick"));
    }

    #[test]
    fn resolv_conf() {
        let text =
            "# nameserver 1.1.1.1\nsearch example.com\nnameserver 10.0.0.2\n\tnameserver\tfd00::1 # x\nnameserver\n";
        assert_eq!(named(text), ["10.0.0.2", "fd00::1"]);
    }
}
