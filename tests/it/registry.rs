//! Registries: verdicts, TLS, proxies, token servers, and skopeo as the oracle.

mod consumers;
mod manifest;
mod proxy;
mod quota;
mod resolver;
mod skopeo;
mod tls;
mod token_server;
mod verdict;
