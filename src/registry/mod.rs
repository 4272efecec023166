//! The registry edge: proves credentials by inspecting test images over HTTP, as the OCI distribution specification and
//! its token flow describe. One wrong password causes only one failed login: a login that was not accepted is never
//! sent again. This module does not depend on clusters, nodes or inventories.
//!
//! One credential passes through these files, in this order: `flow/prove.rs` -> `flow/steps.rs` (which runs the steps)
//! -> `flow/ping.rs` -> `flow/challenge.rs` -> `flow/token_server.rs` -> `flow/manifest.rs` -> `verdict/finding.rs`.
//! `http` sends their requests, and the rest of `verdict` words causes, hints and warnings.

mod flow;
mod http;
mod verdict;

#[cfg(test)]
mod tests;

pub use flow::challenge;
pub use flow::context::Exchange;
pub use flow::failed_logins::Logins;
pub use flow::prove::{ProgressEvent, prove};
pub use http::client::Clients;
pub use http::image_location::{self, contacted_host};
