//! The names that nearly every test of the registry edge uses.

pub use std::net::TcpListener;
pub use std::sync::atomic::{AtomicU32, Ordering};
pub use std::sync::{Arc, Mutex};
pub use std::time::Duration;

pub use axum::body::Body;
pub use axum::http::Response;

pub(super) use super::certificates::{secure_registry, secure_registry_with};
pub(super) use super::double::*;
pub(super) use super::proxies::*;
pub(super) use super::raw::{NO_TLS, RawServer, Reaction, response as raw_response};
pub(super) use super::{TIMEOUT, clients, inspect, inspect_double, inspect_with, inspect_within, registry, until_idle};
pub use crate::desired::{
    Authority, Declaration, ImageChoice, Proxy, ProxyOrigin, ProxySettings, Registry, TestLogin, TlsPolicy,
};
pub use crate::facts::{Evidence, OtherServer, RateLimit, RegistryFact, ReportedBy, ServerAddress, Verdict};
pub use crate::registry::http::client::Clients;
pub use crate::registry::http::proxy::ProxySource;
pub use crate::registry::http::resolver::NameResolver;
pub use crate::registry::http::trust::Connectors;
pub use crate::registry::{Logins, ProgressEvent, prove as registry_prove};
pub use crate::secret::{Redactor, Secret};
