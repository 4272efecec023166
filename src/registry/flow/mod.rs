//! The steps that prove one credential. A step sends requests through `http` and returns a `ProofFinding`. Messages are
//! worded in `verdict`.

pub mod challenge;
pub mod context;
pub mod failed_logins;
mod manifest;
mod ping;
pub mod prove;
mod steps;
mod token_server;
