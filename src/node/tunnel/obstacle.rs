//! Records why connections from the node to a server fail: the last reason for each server. A SOCKS reply can express
//! fewer reasons than the tunnel can distinguish.

use std::collections::HashMap;
use std::sync::Mutex;

use super::lock;
use super::route::{ForwardRequest, NodeRoute};
use super::socks::Reply;
use crate::facts::ServerAddress;

/// What prevents a connection from the node to a server: sshd of the node, or a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// `host:port` to which the node would connect: the proxy if there is one. With `scheme://` before it for
    /// [`ObstacleReason::UnsupportedScheme`]. It never contains a login.
    pub at: String,
    /// What is wrong.
    pub reason: ObstacleReason,
}

/// The reason of an obstacle. Two reasons are different values if the user can do different things about them. All
/// except the first are about a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObstacleReason {
    /// sshd forbids this user to connect to this server, but permits connections to others.
    Forbidden,
    /// The scheme of the proxy is not `http`.
    UnsupportedScheme,
    /// The node does not resolve its name.
    Unresolved,
    /// Nothing listens on its port.
    Refused,
    /// The node has no route to it.
    NoRoute,
    /// The node cannot connect to it, because of a timeout or for an unknown reason.
    NoConnection,
    /// It has not responded so far.
    NoResponse,
    /// It closed the connection, or its response is not HTTP.
    NotHttp,
    /// 407, and no login was sent.
    LoginRequired,
    /// 407, although a login was sent.
    LoginRejected,
    /// A status that does not mean success.
    Status(u16),
}

impl ObstacleReason {
    /// Why the node did not connect to a proxy, by the reply for a server.
    pub(super) fn of(reply: Reply) -> Self {
        match reply {
            Reply::NoName => Self::Unresolved,
            Reply::Refused => Self::Refused,
            Reply::NoRoute => Self::NoRoute,
            // The other replies do not occur for a failed connection, or their reason is unknown.
            _ => Self::NoConnection,
        }
    }

    /// The meaning of a proxy's response to CONNECT.
    pub(super) fn of_status(status: Option<u16>, request: &ForwardRequest) -> Self {
        match (status, &request.route) {
            (None, _) => Self::NotHttp,
            // The status is the same for a missing and for a wrong login, but the user has to do different things about
            // them.
            (Some(407), NodeRoute::Proxy(_, None)) => Self::LoginRequired,
            (Some(407), _) => Self::LoginRejected,
            (Some(status), _) => Self::Status(status),
        }
    }
}

/// The last obstacle for each account and server.
#[derive(Default)]
pub(super) struct Obstacles(Mutex<HashMap<(usize, ServerAddress), Obstacle>>);

impl Obstacles {
    /// Notes an obstacle. Without a proxy, the SOCKS reply expresses every reason but [`ObstacleReason::Forbidden`].
    pub(super) fn note(&self, request: &ForwardRequest, reason: ObstacleReason) {
        // The replies for a direct connection already express the other reasons.
        if request.route != NodeRoute::Direct || reason == ObstacleReason::Forbidden {
            let obstacle = Obstacle { at: request.shown_address(), reason };
            lock(&self.0).insert((request.account, request.target.address()), obstacle);
        }
    }

    /// Removes the obstacle, because there is a connection.
    pub(super) fn remove(&self, request: &ForwardRequest) {
        lock(&self.0).remove(&(request.account, request.target.address()));
    }

    /// The last obstacle for this account and server.
    pub(super) fn get(&self, account: usize, server: &ServerAddress) -> Option<Obstacle> {
        lock(&self.0).get(&(account, server.clone())).cloned()
    }
}
