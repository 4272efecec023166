//! The registry edge: proves credentials by inspecting test images over HTTP, after the OCI distribution
//! specification and its token flow. One wrong password is one failed login: none is sent again unless it was accepted.
//! Knows nothing of clusters, nodes or inventories.

mod breakage;
mod certificates;
pub mod challenge;
mod client;
mod diagnosis;
mod fault;
mod inspect;
mod judgement;
mod knock;
mod lanes;
mod logins;
mod patience;
mod peer;
mod prove;
mod proxy;
mod quota;
mod realm;
pub mod reference;
mod resolver;
mod settings;
mod token;
mod trust;
mod wire;
mod words;

#[cfg(test)]
mod tests;

pub use client::Clients;
pub use logins::Logins;
pub use prove::{News, prove};
pub use reference::contacted;
