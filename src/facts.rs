//! What was observed: plain values, no behaviour. Not being able to look is a fact of its own and never
//! "no change".

use crate::failure::Failure;
use crate::secret::SecretBytes;

/// Everything observed before a plan is made, each list in the order of `Desired`.
#[derive(Debug, Default)]
pub struct Facts {
    /// One for each registry of `Desired`; `None` where the run was interrupted before a verdict.
    pub registries: Vec<Option<RegistryFact>>,
    /// The node that `registries` were asked from; `None` if that was this machine.
    pub asked_from: Option<String>,
    /// What other nodes saw of the same registries (`--from every-node`), in the order of the nodes.
    pub paths: Vec<PathFact>,
    /// The pull secret and its stale predecessors; `None` where the run has no cluster part.
    pub cluster: Option<Result<ClusterFact, Failure>>,
    /// One for each node of `Desired`.
    pub nodes: Vec<NodeFact>,
}

/// What the inspection of one test image showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryFact {
    /// The verdict.
    pub verdict: Verdict,
    /// What was seen, such as `GET https://quay.io/v2/auth: 401 UNAUTHORIZED`; `None` where the verdict says it all.
    pub cause: Option<String>,
    /// What to do now; `None` where nothing is to be done.
    pub hint: Option<String>,
    /// What the registry says of its quota, if it says anything.
    pub rate_limit: Option<RateLimit>,
    /// Who was asked when it failed, if that was not the registry itself.
    pub elsewhere: Option<Elsewhere>,
}

/// Another server that a registry led to: `host[:port]`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Elsewhere {
    /// The realm of its challenge.
    TokenServer(String),
    /// Where it redirects to.
    RedirectTarget(String),
}

/// What a registry says of its pull quota in `RateLimit-Limit` and `RateLimit-Remaining`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct RateLimit {
    /// Pulls that are allowed within the window.
    pub limit: Option<u64>,
    /// Pulls that are left of them.
    pub remaining: Option<u64>,
    /// The length of the window in seconds.
    pub window: Option<u64>,
}

/// What one node saw of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathFact {
    /// `inventory_hostname`.
    pub node: String,
    /// What was asked there.
    pub registry: crate::desired::Registry,
    /// What came of it; `None` where the run was interrupted before a verdict.
    pub fact: Option<RegistryFact>,
}

/// What a credential is worth. The codes are an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The registry asked, took the credential, and showed an image that it does not show to anybody.
    Proved,
    /// The registry or its token server refused the credential, or took the user for nobody.
    Refused,
    /// Logged in, but not allowed to pull the image, or (some registries tell no difference) it does not exist.
    NoPermission,
    /// Logged in; the image or tag does not exist.
    NotFound,
    /// The registry did not need the credential: it never asked for one, or lets anybody pull the image.
    NotProved,
    /// `test_login: False`.
    Skipped,
    /// The TLS handshake or certificate, or a token realm over HTTP.
    Tls,
    /// The name does not resolve.
    Dns,
    /// Nobody listens there.
    ConnectionRefused,
    /// No answer in time.
    Timeout,
    /// The HTTP proxy failed or refused, or the sshd of the node that was asked from forbids the way.
    Proxy,
    /// 429.
    RateLimited,
    /// Any other answer that is not of the protocol.
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

    /// Whether a run may go on to write: proved, or not provable by the user's own choice.
    pub fn lets_go_on(self) -> bool {
        matches!(self, Self::Proved | Self::NotProved | Self::Skipped)
    }
}

/// The cluster as it was found.
#[derive(Debug)]
pub struct ClusterFact {
    /// The pull secret, if it exists.
    pub secret: Option<SecretFact>,
    /// Names of existing `o-a-<md5(host)>` secrets of declared hosts, with the host: openshift-ansible made
    /// them and nobody updates them.
    pub stale: Vec<StaleSecret>,
}

/// A secret that openshift-ansible made for one registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleSecret {
    /// `o-a-<md5(host)>`.
    pub name: String,
    /// The registry it was made for.
    pub host: String,
}

/// A secret as it was found.
#[derive(Debug)]
pub struct SecretFact {
    /// Its `type`.
    pub type_: String,
    /// Whether its data can be changed at all.
    pub immutable: bool,
    /// The bytes under `.dockerconfigjson`, if there are any.
    pub content: Option<SecretBytes>,
}

/// A node as it was found.
#[derive(Debug)]
pub enum NodeFact {
    /// The script ran: one for each file of the node that is a file of its own, and the paths that are the same file.
    Observed(Vec<FileFact>),
    /// Something failed before the script's first line.
    Unreachable(Failure),
    /// sudo refused, or the script did not come to its end.
    Failed(Failure),
    /// The run was interrupted, or stopped by a gate, before this node was looked at.
    NotObserved,
}

/// A managed file as it was found. Paths that are one file (symlink, bind mount) are one fact.
#[derive(Debug)]
pub struct FileFact {
    /// The path as the inventory gives it.
    pub path: String,
    /// Other managed paths that lead to this same file.
    pub aliases: Vec<String>,
    /// What is there.
    pub state: FileState,
}

/// What stands at a managed path.
#[derive(Debug)]
pub enum FileState {
    /// A regular file.
    Present {
        /// Every byte of it.
        content: SecretBytes,
        /// Permission bits, such as `0o644`.
        mode: u32,
    },
    /// Nothing; the directory may be missing as well.
    Absent,
    /// Something that cannot be managed: a directory, a device, a file that cannot be read.
    Unusable(Failure),
}
