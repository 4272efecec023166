//! What a tunnel knows of the proxies of its node: for each target the last trouble on the way to it, so that more
//! can be told than a SOCKS reply has room for.

use std::collections::HashMap;
use std::sync::Mutex;

use super::route::{Route, Way};
use super::shared::lock;
use super::socks::Reply;

/// A proxy of the node through which there was no way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyFault {
    /// `host:port`, with `scheme://` before it where that is the trouble; never a login.
    pub proxy: String,
    /// What is wrong.
    pub trouble: ProxyTrouble,
}

/// What is wrong with a proxy, told apart as far as there are different things to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyTrouble {
    /// Its scheme is not `http`.
    Unsupported,
    /// The node does not resolve its name.
    Unresolved,
    /// Nobody listens at its port.
    Refused,
    /// The node knows no way to it.
    NoRoute,
    /// No connection from the node, in time or for a reason that nobody knows.
    NoConnection,
    /// It has not answered so far.
    Silent,
    /// It hung up, or answered in something else than HTTP.
    NotHttp,
    /// 407, and it was shown no login.
    WantsLogin,
    /// 407, although it was shown a login.
    RefusesLogin,
    /// Another status than a success.
    Status(u16),
}

impl ProxyTrouble {
    /// Why the node did not connect to it, by the reply for a target.
    pub(super) fn of(reply: Reply) -> Self {
        match reply {
            Reply::NoName => Self::Unresolved,
            Reply::Refused => Self::Refused,
            Reply::NoRoute => Self::NoRoute,
            _ => Self::NoConnection,
        }
    }

    /// What its answer means.
    pub(super) fn said(status: Option<u16>, way: &Way) -> Self {
        match (status, &way.route) {
            (None, _) => Self::NotHttp,
            (Some(407), Route::Proxy(_, None)) => Self::WantsLogin,
            (Some(407), _) => Self::RefusesLogin,
            (Some(status), _) => Self::Status(status),
        }
    }
}

/// The last trouble on the way of an account to a target.
#[derive(Default)]
pub(super) struct ProxyFaults(Mutex<HashMap<(usize, String), ProxyFault>>);

impl ProxyFaults {
    /// Notes it, if there is a proxy on that way.
    pub(super) fn note(&self, way: &Way, trouble: ProxyTrouble) {
        if let Some(proxy) = way.proxy() {
            lock(&self.0).insert((way.account, way.target.origin()), ProxyFault { proxy, trouble });
        }
    }

    /// The way is open.
    pub(super) fn forget(&self, way: &Way) {
        lock(&self.0).remove(&(way.account, way.target.origin()));
    }

    /// The trouble on the way of an account to an origin that `text` names.
    pub(super) fn of(&self, account: usize, text: &str) -> Option<ProxyFault> {
        let faults = lock(&self.0);
        let mut fitting = faults.iter().filter(|((owner, origin), _)| *owner == account && text.contains(origin));
        fitting.next().map(|(_, fault)| fault.clone())
    }
}
