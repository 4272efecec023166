//! Tests of `http/`, one file for each file there.

mod client;
mod client_certificate;
mod plain_http;
pub mod proxy;
mod redirect;
mod request;
mod retry;
