//! Tests of `flow/`, one file for each file there.

mod failed_logins;
mod manifest;
mod ping;
mod prove;
mod prove_one;
pub mod token_server;
