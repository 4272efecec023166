//! What was observed of a registry: the verdict on a credential, and the data that other code needs to explain it. This
//! file contains only types. The texts `cause` and `hint` are for people, and no code parses them.

use serde::Serialize;

/// The result of inspecting one test image with one credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryFact {
    /// The verdict.
    pub verdict: Verdict,
    /// What was observed, such as `GET https://quay.io/v2/auth: 401 UNAUTHORIZED`; `None` if the verdict is sufficient.
    pub cause: Option<String>,
    /// What to do now; `None` if there is nothing to do.
    pub hint: Option<String>,
    /// The pull quota that the registry reported, if it reported one.
    pub rate_limit: Option<RateLimit>,
    /// The server that failed, if it was not the registry itself.
    pub other_server: Option<OtherServer>,
    /// Whether this attempt observed the verdict, or an earlier attempt with the same login did.
    pub evidence: Evidence,
    /// The request that failed; `None` if the verdict was not caused by a failed request.
    pub failed_request: Option<Box<FailedRequest>>,
    /// The URL of the token server, without user and default port; `None` if the registry has no token server, or did not
    /// name it.
    pub realm: Option<Box<str>>,
}

impl RegistryFact {
    /// A fact that consists of the verdict only.
    pub fn new(verdict: Verdict) -> Self {
        Self {
            verdict,
            cause: None,
            hint: None,
            rate_limit: None,
            other_server: None,
            evidence: Evidence::Observed,
            failed_request: None,
            realm: None,
        }
    }
}

/// How a verdict was obtained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// This attempt observed it.
    Observed,
    /// An earlier attempt in the same run: the login was not accepted then, so it was not sent again.
    Remembered,
}

/// A request that got no response, or a response that is not part of the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedRequest {
    /// Method and URL without user, query and fragment: `GET https://quay.io/v2/`.
    pub request: String,
    /// `host[:port]` as the URL names it.
    pub server: String,
    /// Host and port to which a connection was needed.
    pub address: ServerAddress,
    /// How often the request was sent, hedged requests included; at least 1.
    pub tries: u32,
    /// Which end of a tunnel reported the failure.
    pub reported_by: ReportedBy,
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerAddress {
    /// A name, or an IP address without brackets.
    pub host: String,
    /// The port, also where the URL implies it.
    pub port: u16,
}

/// Which end of a tunnel reported that a connection failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportedBy {
    /// This end, or there is no tunnel.
    ThisEnd,
    /// The far end: sshd of the node, or the proxy that the node uses, refused the connection. The tunnel knows which.
    FarEnd,
}

/// Another server that a registry refers to: `host[:port]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OtherServer {
    /// The realm of its challenge.
    TokenServer(String),
    /// The target of a redirect.
    RedirectTarget(String),
}

/// The pull quota in the headers `RateLimit-Limit` and `RateLimit-Remaining` (IETF draft `ratelimit-headers`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RateLimit {
    /// Pulls that are allowed within the window.
    pub limit: Option<u64>,
    /// Pulls that remain in the window.
    pub remaining: Option<u64>,
    /// The length of the window in seconds.
    pub window: Option<u64>,
}

/// What one node observed of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathFact {
    /// `inventory_hostname`.
    pub node: String,
    /// The registry that was contacted.
    pub registry: crate::desired::Registry,
    /// The result; `None` if the run was interrupted before a verdict.
    pub fact: Option<RegistryFact>,
}

/// The verdict on a credential. The codes are part of the JSON output (docs/json.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The registry required a login, accepted the credential, and showed an image that it does not show without one.
    Proved,
    /// The registry or its token server refused the credential, or the token server issued an anonymous token.
    Refused,
    /// The login succeeded, but the user may not pull the image, or it does not exist: some registries do not
    /// distinguish the two.
    NoPermission,
    /// The login succeeded, but the image or tag does not exist.
    NotFound,
    /// The registry did not need the credential: it required no login, or the image can be pulled without one.
    NotProved,
    /// `test_login: False`.
    Skipped,
    /// The TLS handshake or the certificate failed, or the token server uses plain HTTP.
    Tls,
    /// The name does not resolve.
    Dns,
    /// Nothing listens on the port, or there is no route to the host.
    ConnectionRefused,
    /// There was no complete response in time.
    Timeout,
    /// The HTTP proxy failed or refused the connection, or sshd of the node forbids it.
    Proxy,
    /// The registry responded with 429.
    RateLimited,
    /// Any other response that is not part of the protocol.
    RegistryError,
}

impl Verdict {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Refused => "refused",
            Self::NoPermission => "no-permission",
            Self::NotFound => "not-found",
            Self::NotProved => "not-proved",
            Self::Skipped => "skipped",
            Self::Tls => "tls",
            Self::Dns => "dns",
            Self::ConnectionRefused => "connection-refused",
            Self::Timeout => "timeout",
            Self::Proxy => "proxy",
            Self::RateLimited => "rate-limited",
            Self::RegistryError => "registry-error",
        }
    }

    /// Whether a run may continue to write: the credential is proved, or the user chose a test that cannot prove it.
    pub fn permits_run(self) -> bool {
        matches!(self, Self::Proved | Self::NotProved | Self::Skipped)
    }
}
