//! Nodes over real SSH: logging in, sudo, faults, and tunnels for registry requests.

mod auth;
mod conflicts;
mod escalation;
mod faults;
mod tunnel;
