//! The integration tests: one binary, so that servers are started once.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails must panic")]

mod apply;
mod architecture;
mod cases;
mod cli;
mod cluster;
mod desired;
mod doctor;
mod explain;
mod inventory;
mod login;
mod node;
mod openshift;
mod panic;
mod plan;
mod poison;
mod procedures;
mod registry;
mod report;
mod schedule;
mod snapshots;
mod support;
mod support_tests;
mod ui;
