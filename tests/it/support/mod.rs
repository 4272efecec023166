//! Starts and stops the real servers that the tests talk to, one file each. A handle stops what it
//! started when it is dropped; a server that is not installed or does not come up fails the test
//! with the reason and the server's log, it is never skipped.

#![allow(dead_code, reason = "the support offers whole servers; not every test file needs all of one")]

pub mod ansible;
pub mod certificate;
pub mod double;
pub mod http;
pub mod kubernetes;
pub mod network;
pub mod oregano;
pub mod process;
pub mod registry;
pub mod site;
pub mod sshd;
