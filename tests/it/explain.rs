//! `oregano explain`: the lookup rules compared with the consumers' own code, and the command on real servers.

mod command;
mod merged;
mod mirrors;
mod oracle;
mod random;
pub mod registries;
mod rules;
