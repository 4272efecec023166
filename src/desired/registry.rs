//! A registry and its credential, as a run must verify and install them. This file contains only types; `resolve` reads
//! them from inventory variables.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use openssl::x509::X509;

use crate::dockerconfig::Credential;
use crate::secret::Secret;

/// One credential with the image that is requested to verify it. Two values are equal if the same request verifies
/// both, even if they come from different variables.
#[derive(Debug, Clone)]
pub struct Registry {
    /// The key in credential files and pull secrets: `host` as written in the inventory, or the `host[:port]` of
    /// `oreg_url`.
    pub host: String,
    /// The user name. It contains no colon.
    pub user: String,
    /// The password or token. Empty if there is only an identity token.
    pub password: Secret,
    /// An OAuth2 refresh token, which is sent to a token server instead of the password.
    pub identity_token: Option<Secret>,
    /// The `email` of files and secrets. It is not part of the verification.
    pub email: Option<String>,
    /// The full name of the test image with its tag or digest: `registry.example.com/openshift3/ose-pod:v3.11`.
    pub image: String,
    /// Where the name of the test image comes from.
    pub image_choice: ImageChoice,
    /// How the credential is verified (`test_login`, `oreg_test_login`).
    pub test_login: TestLogin,
    /// Whether the registry's certificate must be verified.
    pub tls: TlsPolicy,
    /// The certificate authorities from `ca_file`. They are trusted in addition to those of the machine.
    pub ca: Option<Arc<Authority>>,
    /// The proxy for requests to this registry.
    pub proxy: Proxy,
    /// `auth_server`: the only other host (`host[:port]`) that may receive the password, as a token server.
    pub auth_server: Option<String>,
    /// Which kind of setting declares the registry. Hints use it to name the setting to change.
    pub declaration: Declaration,
    /// Where the password is set, for hints: the variable in backticks and its place as `file:line:column`.
    pub origin: String,
}

impl Registry {
    /// The entry for this registry in credential files and pull secrets.
    pub fn credential(&self) -> Credential {
        Credential {
            key: self.host.clone(),
            user: self.user.clone(),
            password: self.password.clone(),
            identity_token: self.identity_token.clone(),
            email: self.email.clone(),
        }
    }

    /// The warning that the TLS certificate of this registry is not verified.
    pub fn unverified_tls_warning(&self) -> String {
        let host = &self.host;
        format!("registry `{host}` is used without verified TLS: anyone on the network path can read the password")
    }

    /// The fields that determine the verification request. Equality and hash use only these.
    fn request(&self) -> impl Eq + Hash {
        let Self { host, user, password, identity_token, image, test_login, tls, ca, proxy, auth_server, .. } = self;
        ((host, user, password, identity_token, image), (test_login, tls, ca, proxy, auth_server))
    }
}

impl PartialEq for Registry {
    fn eq(&self, other: &Self) -> bool {
        self.request() == other.request()
    }
}

impl Eq for Registry {}

impl Hash for Registry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.request().hash(state);
    }
}

/// The kind of setting that declares a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declaration {
    /// `oreg_url`, `oreg_auth_user` and related variables: the default registry.
    Default,
    /// An entry of `openshift_additional_registry_credentials`.
    Entry,
    /// An entry of the file of a declared pull secret (`oregano_pull_secrets`, `from_file`).
    PullSecret,
    /// The arguments of `oregano login`.
    CommandLine,
}

/// Where the name of a test image comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageChoice {
    /// From `test_image` or `oreg_url`.
    Given,
    /// From the deployment type, because the entry has no `test_image`.
    Default,
}

/// How the credential of a registry is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TestLogin {
    /// By requesting the manifest of the test image.
    Inspect,
    /// Only by logging in, as `docker login` does. There is no test image.
    LoginOnly,
    /// `test_login: False`: no request is sent and the credential is not verified.
    Skip,
    /// The entry of a file that is no single registry, such as `cloud.openshift.com` or `*.example.com`: no request is
    /// sent and the credential is not verified.
    Impossible,
}

/// Whether TLS must be verified: `tls_verify` of a registry, or `openshift_docker_insecure_registries`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsPolicy {
    /// HTTPS with a verified certificate. Plain HTTP is never used, neither for the registry nor for its token server.
    Verify,
    /// HTTPS without verification, and plain HTTP if the port does not speak TLS. The token server may use plain HTTP.
    Insecure,
}

/// The proxy for requests to a registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Proxy {
    /// The proxy that HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY of the environment select.
    #[default]
    Environment,
    /// The proxy of the inventory: `proxy` of the registry, or `openshift_http_proxy` and related variables.
    Set(Arc<ProxySettings>),
}

impl Proxy {
    /// The proxy settings of the inventory; `None` if the environment selects the proxy.
    pub fn settings(&self) -> Option<&ProxySettings> {
        match self {
            Self::Environment => None,
            Self::Set(settings) => Some(settings),
        }
    }

    /// Which setting selects the proxy.
    pub fn origin(&self) -> ProxyOrigin {
        self.settings().map_or(ProxyOrigin::Environment, |settings| settings.origin)
    }
}

/// Proxies as URLs, which may contain a user and a password. If both URLs are `None`, connections use no proxy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProxySettings {
    /// The proxy for registries over plain HTTP.
    pub http: Option<Secret>,
    /// The proxy for registries over HTTPS.
    pub https: Option<Secret>,
    /// Hosts, domains and networks that are reached without a proxy: comma-separated, as in NO_PROXY.
    pub no_proxy: String,
    /// Which setting selects these proxies, for hints.
    pub origin: ProxyOrigin,
}

/// The setting that selects a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProxyOrigin {
    /// HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY of the environment.
    #[default]
    Environment,
    /// The key `proxy` of the registry entry.
    Registry,
    /// The variables `openshift_http_proxy`, `openshift_https_proxy` and `openshift_no_proxy`.
    Variables,
}

// `no_proxy` may list every host of a cluster, and this value is hashed once for each host. The hash therefore omits
// `no_proxy`, so that the time grows only linearly with the number of hosts. Equality still compares it.
impl Hash for ProxySettings {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.http, &self.https).hash(state);
    }
}

impl ProxySettings {
    /// The user and password of each URL that contains them, once as written and once with percent-encoding decoded.
    pub fn credentials(&self) -> impl Iterator<Item = (String, Secret)> {
        let encoded = self.http.iter().chain(&self.https).filter_map(|url| {
            // The last `@` ends the password, because a user may have written an `@` in it without percent-encoding.
            let (user_info, _) = url.expose().split_once("://")?.1.rsplit_once('@')?;
            user_info.split_once(':')
        });
        encoded.flat_map(|(user, password)| {
            [(user.to_owned(), Secret::new(password)), (percent_decode(user), Secret::new(percent_decode(password)))]
        })
    }
}

/// Decodes percent-encoding (RFC 3986, section 2.1). A `%` without two hexadecimal digits is kept.
fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).filter(|_| *first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    // One character may be encoded as several bytes, so the text is only built after all of them are decoded.
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Certificate authorities from a `ca_file`, which are trusted in addition to those of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// The path of the file, for messages.
    pub file: String,
    /// The certificates in PEM format (RFC 7468), at least one.
    pub pem: String,
}

impl Authority {
    /// Reads the certificates from `text`, the content of `file`, and ignores everything else, such as private keys.
    ///
    /// # Errors
    /// There is no certificate. The text is a predicate: it follows the name of the file.
    pub fn from_pem(file: &str, text: &[u8]) -> Result<Self, &'static str> {
        // The certificates are written again from their parsed form, so that a private key in the same file is not kept
        // in memory.
        let certificates = X509::stack_from_pem(text).unwrap_or_default();
        let pem: Vec<u8> = certificates.iter().filter_map(|one| one.to_pem().ok()).flatten().collect();
        match String::from_utf8(pem) {
            Ok(pem) if !pem.is_empty() => Ok(Self { file: file.to_owned(), pem }),
            _ => Err("contains no readable PEM certificate"),
        }
    }
}

// Certificates are long, and this value is hashed once for each host, so the hash omits them. Equality still compares
// them.
impl Hash for Authority {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.file.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxy_credentials_are_returned_encoded_and_decoded() {
        let http = Some(Secret::new("http://u%40x:p%2Fw%zz@proxy:3128"));
        let settings = ProxySettings { http, https: Some(Secret::new("http://proxy")), ..ProxySettings::default() };
        let credentials: Vec<_> = settings.credentials().collect();
        let credential = |user: &str, password: &str| (user.to_owned(), Secret::new(password));
        assert_eq!(credentials, [credential("u%40x", "p%2Fw%zz"), credential("u@x", "p/w%zz")]);
    }
}
