//! Tests of `verdict/`, one file for each file there.

mod cause;
mod consumers;
pub mod hint;
mod no_response;
mod quota;
mod status;
