//! The integration tests: one binary, so that servers are started once.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on must panic")]

mod apply;
mod architecture;
mod cases;
mod desired;
mod doctor;
mod escalation;
mod exceptions;
mod explain;
mod faults;
mod inventory;
mod listing;
mod logging_in;
mod login;
mod manifests;
mod names;
mod output;
mod poison;
mod proxies;
mod quota;
mod realm;
mod schema;
mod servers;
mod signals;
mod skopeo;
mod snapshots;
mod sources;
mod support;
mod templates;
mod tls;
mod tunnel;
mod vault;
