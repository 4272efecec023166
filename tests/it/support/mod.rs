//! Starts and stops the real servers that the tests use, one file for each. A handle stops its server when it is dropped.
//! A server that is not installed or does not start fails the test with the reason and the server's log; the test is never
//! skipped.

#![allow(dead_code, reason = "the support offers whole servers; not every test file needs all of one")]

pub mod ansible;
pub mod certificate;
pub mod controllers;
pub mod documents;
pub mod double;
pub mod fleet;
pub mod http;
pub mod importer;
pub mod kubernetes;
pub mod network;
pub mod openshift;
pub mod oregano;
pub mod process;
pub mod registry;
pub mod relay;
pub mod schema;
pub mod site;
pub mod sshd;
pub mod webhook;
