//! HTTP for the registry edge: clients, requests, retries, redirects, TLS and proxies. It decides where a credential
//! may be sent. It does not decide what a response means for a credential.

pub mod certificates;
pub mod client;
pub mod connection_error;
pub mod image_location;
pub mod peer;
pub mod permits;
pub mod plain_http;
pub mod proxy;
pub mod redirect;
pub mod request;
pub mod resolver;
pub mod retry;
pub mod trust;
pub mod url;
