//! Proves registry credentials and puts them everywhere an OpenShift or Kubernetes cluster needs them.
//!
//! The modules stand in reading order: pure rules first, then the edges (one protocol each), then the
//! engine that joins them.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod secret;

pub mod inventory;

pub mod dockerconfig;

pub mod desired;

pub mod facts;

pub mod registry;

pub mod cluster;

pub mod node;
