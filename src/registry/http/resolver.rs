//! Name resolution by the system. Each name is looked up once, in a separate thread, so that a run can end without
//! waiting for it.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::watch;

/// The function that looks up a name. It may block without a time limit.
type LookupFn = fn(&str) -> io::Result<Vec<SocketAddr>>;
/// The addresses of a name, or why there are none.
type ResolvedAddresses = Result<Vec<SocketAddr>, Unresolved>;

/// The lookups of a run. Simultaneous lookups of one name are shared. Addresses are kept for the run. An error is only
/// reported to the callers that waited for it, and the next lookup tries again.
#[derive(Clone)]
pub struct NameResolver(Arc<Lookups>);

struct Lookups {
    lookup: LookupFn,
    names: Mutex<HashMap<String, watch::Receiver<Option<ResolvedAddresses>>>>,
}

/// Why a name has no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
struct Unresolved(String);

impl NameResolver {
    /// `getaddrinfo`, which uses DNS, /etc/hosts and everything else that nsswitch.conf names.
    pub fn system() -> Self {
        // The port is not known here. The HTTP client sets it, and 0 means that it may.
        Self::with(|name| Ok((name, 0).to_socket_addrs()?.collect()))
    }

    pub fn with(lookup: LookupFn) -> Self {
        Self(Arc::new(Lookups { lookup, names: Mutex::default() }))
    }

    /// Whether a lookup of the name is running.
    pub fn waits_for(&self, name: &str) -> bool {
        let names = self.0.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(name).is_some_and(|result| result.borrow().is_none())
    }

    /// The addresses of a name, with a port; none if the lookup fails.
    pub async fn addresses(&self, name: &str, port: u16) -> Vec<SocketAddr> {
        let mut lookup = self.look_up(name);
        let result = lookup.wait_for(Option::is_some).await.ok().and_then(|result| result.clone());
        let addresses = result.and_then(Result::ok).unwrap_or_default();
        addresses.into_iter().map(|address| SocketAddr::new(address.ip(), port)).collect()
    }

    /// Starts the lookup of a name, unless it was started before.
    fn look_up(&self, name: &str) -> watch::Receiver<Option<ResolvedAddresses>> {
        let mut names = self.0.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(name)
            // A failed lookup is repeated, because errors of name servers are often temporary.
            && !matches!(*known.borrow(), Some(Err(_)))
        {
            return known.clone();
        }
        let (sender, result) = watch::channel(None);
        // The channel is registered before the thread starts, so that a second task waits for the same lookup.
        names.insert(name.to_owned(), result.clone());
        drop(names);
        let (lookup, name) = (self.0.lookup, name.to_owned());
        // This must not be a thread of the runtime: the runtime waits for its threads when it ends, and a resolver may
        // not respond for minutes. If no thread can be started, the channel closes.
        let _ = std::thread::Builder::new().name("resolver".to_owned()).spawn(move || {
            let addresses = lookup(&name).map_err(|error| Unresolved(reason(&error)));
            sender.send(Some(addresses))
        });
        result
    }
}

impl Resolve for NameResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let mut lookup = self.look_up(name.as_str());
        Box::pin(async move {
            let result = match lookup.wait_for(Option::is_some).await {
                Ok(result) => result.clone(),
                Err(_) => None,
            };
            let addresses = result.unwrap_or_else(|| Err(Unresolved("the lookup was aborted".to_owned())))?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// The DNS servers of this machine (`nameserver` of resolv.conf(5)), for messages.
pub fn nameservers() -> Vec<String> {
    // Without the file the message only omits the servers.
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    name_servers_in(&text)
}

fn name_servers_in(resolv_conf: &str) -> Vec<String> {
    let lines = resolv_conf.lines().map(str::split_whitespace);
    lines
        .filter_map(|mut words| (words.next() == Some("nameserver")).then(|| words.next()).flatten())
        .map(str::to_owned)
        .collect()
}

/// The text of `getaddrinfo`, without the prefix of the standard library.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;

    async fn resolve(resolver: &NameResolver, name: &str) -> Result<Vec<SocketAddr>, String> {
        let found = resolver.resolve(name.parse().unwrap()).await;
        found.map(Iterator::collect).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn equal_lookups_are_shared_and_addresses_are_kept() {
        static LOOKUPS: AtomicU32 = AtomicU32::new(0);
        let resolver = NameResolver::with(|_| {
            std::thread::sleep(Duration::from_millis(50));
            LOOKUPS.fetch_add(1, Ordering::SeqCst);
            Ok(vec![([127, 0, 0, 9], 0).into()])
        });
        let (one, other) = tokio::join!(resolve(&resolver, "r"), resolve(&resolver, "r"));
        assert_eq!(one, Ok(vec![([127, 0, 0, 9], 0).into()]));
        assert_eq!((&one, &resolve(&resolver, "r").await), (&other, &one));
        assert_eq!(LOOKUPS.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn an_error_is_not_kept() {
        static LOOKUPS: AtomicU32 = AtomicU32::new(0);
        let resolver = NameResolver::with(|_| match LOOKUPS.fetch_add(1, Ordering::SeqCst) {
            0 => Err(io::Error::other("failed to lookup address information: Name or service not known")),
            _ => Ok(vec![([127, 0, 0, 9], 0).into()]),
        });
        assert_eq!(resolve(&resolver, "r").await, Err("Name or service not known".to_owned()));
        assert!(resolve(&resolver, "r").await.is_ok());
    }

    #[tokio::test]
    async fn an_unfinished_lookup_is_known() {
        let resolver = NameResolver::with(|name| {
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
    fn name_servers_of_resolv_conf() {
        let text =
            "# nameserver 1.1.1.1\nsearch example.com\nnameserver 10.0.0.2\n\tnameserver\tfd00::1 # x\nnameserver\n";
        assert_eq!(name_servers_in(text), ["10.0.0.2", "fd00::1"]);
    }
}
