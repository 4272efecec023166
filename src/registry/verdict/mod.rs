//! Converts a finding into a fact: the verdict, its cause, and a hint that says what to do. It sends nothing.

pub mod cause;
pub mod consumers;
pub mod finding;
pub mod hint;
mod no_response;
mod quota;
pub mod status;
