//! OpenShift 4: its kinds on a real API server, with the published schemas, and pools and nodes that the tests change.

mod apply;
mod nodes;
mod platform;
mod rollout;
