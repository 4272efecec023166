//! What a tunnel knows of the ways from its node: for each target the last trouble on the way to it, so that more
//! can be told than a SOCKS reply has room for.

use std::collections::HashMap;
use std::sync::Mutex;

use super::route::{Route, Way};
use super::shared::lock;
use super::socks::Reply;
use crate::facts::ServerAddress;

/// What stands in the way from the node to a server: its sshd, or a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// `host:port` of what the node would connect to, which is the proxy if there is one; with `scheme://` before it
    /// where that is the trouble; never a login.
    pub at: String,
    /// What is wrong.
    pub trouble: Trouble,
}

/// What is wrong with a way, told apart as far as there are different things to do about it. All but the first is said
/// of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// sshd does not let this user connect there, but elsewhere it does.
    Forbidden,
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

impl Trouble {
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
pub(super) struct Obstacles(Mutex<HashMap<(usize, ServerAddress), Obstacle>>);

impl Obstacles {
    /// Notes it. Without a proxy, the reply says all but one.
    pub(super) fn note(&self, way: &Way, trouble: Trouble) {
        if way.route != Route::Direct || trouble == Trouble::Forbidden {
            let obstacle = Obstacle { at: way.shown(), trouble };
            lock(&self.0).insert((way.account, way.target.address()), obstacle);
        }
    }

    /// The way is open.
    pub(super) fn forget(&self, way: &Way) {
        lock(&self.0).remove(&(way.account, way.target.address()));
    }

    /// The last trouble on the way of an account to a server.
    pub(super) fn of(&self, account: usize, server: &ServerAddress) -> Option<Obstacle> {
        lock(&self.0).get(&(account, server.clone())).cloned()
    }
}
