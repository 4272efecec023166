//! The steps that prove one credential. A step sends requests through `http` and reports a `ProofFinding`; it does not word
//! messages.

pub mod challenge;
pub mod failed_logins;
mod manifest;
mod ping;
pub mod prove;
mod token_server;
