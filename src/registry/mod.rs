//! The registry edge: proves credentials by inspecting test images over HTTP, after the OCI distribution
//! specification and its token flow. One wrong password is one failed login: nothing here repeats a refusal.
//! Knows nothing of clusters, nodes or inventories.

mod certificates;
mod challenge;
mod client;
mod diagnosis;
mod fault;
mod inspect;
mod prove;
mod proxy;
mod reference;
mod resolver;
mod trust;
mod wire;
mod words;

#[cfg(test)]
mod tests;

pub use client::Clients;
pub use inspect::inspect;
pub use prove::{News, Refusals, prove};
