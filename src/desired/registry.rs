//! A registry and its credential as a run has to verify and install them: types only. How they are read from inventory
//! variables is in `resolve`.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use openssl::x509::X509;

use crate::dockerconfig::Credential;
use crate::secret::Secret;

/// One credential with the image that proves it. Two are equal if the same is proved by the same request,
/// wherever they were given.
#[derive(Debug, Clone)]
pub struct Registry {
    /// `host` as the inventory writes it; for `oreg_url` its `host[:port]`. The key in files and secrets.
    pub host: String,
    /// The user name; holds no colon.
    pub user: String,
    /// The password or token; empty where there is only an identity token.
    pub password: Secret,
    /// An OAuth2 refresh token, which takes the place of the password at a token server.
    pub identity_token: Option<Secret>,
    /// `email` of files and secrets; proves nothing.
    pub email: Option<String>,
    /// The test image in full, tag or digest included: `registry.example.com/openshift3/ose-pod:v3.11`.
    pub image: String,
    /// Who has chosen the test image.
    pub image_choice: ImageChoice,
    /// Whether the image is inspected at all (`test_login`, `oreg_test_login`).
    pub test_login: TestLogin,
    /// How far the registry's TLS is trusted.
    pub tls: TlsPolicy,
    /// `ca_file`: authorities that are trusted besides those of the machine.
    pub ca: Option<Arc<Authority>>,
    /// Which proxy stands in between.
    pub proxy: Proxy,
    /// `auth_server`: the one host, with port if it has one, that may get the password as a token server.
    pub auth_server: Option<String>,
    /// Where its settings are, for hints.
    pub declaration: Declaration,
    /// Where the password was given, for hints: the variable in backticks, and its `file:line:column`.
    pub origin: String,
}

impl Registry {
    /// What files and secrets hold for it.
    pub fn credential(&self) -> Credential {
        Credential {
            key: self.host.clone(),
            user: self.user.clone(),
            password: self.password.clone(),
            identity_token: self.identity_token.clone(),
            email: self.email.clone(),
        }
    }

    /// The request that proves it: all but what no request shows.
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

/// Where a registry was declared, which decides by which names its settings go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declaration {
    /// `oreg_url`, `oreg_auth_user` and their like: the default registry.
    Default,
    /// An entry of `openshift_additional_registry_credentials`.
    Entry,
    /// The arguments of `oregano login`.
    CommandLine,
}

/// Who has chosen a test image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageChoice {
    /// The user, or `oreg_url`.
    Given,
    /// Nobody: an entry without `test_image` has that of the deployment type.
    Default,
}

/// `test_login` of a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TestLogin {
    /// Prove the credential by inspecting the test image.
    Inspect,
    /// Only log in, as `docker login` does: there is no test image.
    LoginOnly,
    /// `test_login: False`: nothing is contacted and nothing proved.
    Skip,
}

/// `tls_verify` of a registry, or what `openshift_docker_insecure_registries` says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsPolicy {
    /// HTTPS with a verified certificate; never HTTP, and never a token realm over HTTP.
    Verify,
    /// HTTPS unverified; HTTP where the port does not speak TLS; a token realm over HTTP is allowed.
    Insecure,
}

/// Which proxy stands between here and a registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Proxy {
    /// What HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY of the environment say.
    #[default]
    Environment,
    /// What the inventory says: `proxy` of the registry, or `openshift_http_proxy` and its like.
    Set(Arc<ProxySettings>),
}

impl Proxy {
    /// What the inventory says, if it says anything.
    pub fn settings(&self) -> Option<&ProxySettings> {
        match self {
            Self::Environment => None,
            Self::Set(settings) => Some(settings),
        }
    }

    /// Which setting names it.
    pub fn origin(&self) -> ProxyOrigin {
        self.settings().map_or(ProxyOrigin::Environment, |settings| settings.origin)
    }
}

/// Proxies as URLs, which may hold a login. With neither of them the way is direct.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProxySettings {
    /// For registries over plain HTTP.
    pub http: Option<Secret>,
    /// For registries over HTTPS.
    pub https: Option<Secret>,
    /// Hosts, domains and networks without a proxy, with commas in between, as in NO_PROXY.
    pub no_proxy: String,
    /// Which setting named them, for hints.
    pub origin: ProxyOrigin,
}

/// Which setting names a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProxyOrigin {
    /// HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY of the environment.
    #[default]
    Environment,
    /// The key `proxy` of the registry itself.
    Registry,
    /// The variables `openshift_http_proxy`, `openshift_https_proxy` and `openshift_no_proxy`.
    Variables,
}

// The exceptions name every host of a cluster, and every host hashes them.
impl Hash for ProxySettings {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.http, &self.https).hash(state);
    }
}

impl ProxySettings {
    /// User and password of each URL that has them, as they are written and without percent signs.
    pub fn logins(&self) -> impl Iterator<Item = (String, Secret)> {
        let written = self.http.iter().chain(&self.https).filter_map(|url| {
            let (login, _) = url.expose().split_once("://")?.1.rsplit_once('@')?;
            login.split_once(':')
        });
        written.flat_map(|(user, password)| {
            [(user.to_owned(), Secret::new(password)), (decoded(user), Secret::new(decoded(password)))]
        })
    }
}

/// A part of a URL; what is no percent sign with two digits stays.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let digits = behind.get(..2).filter(|_| *first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What is trusted besides the authorities of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// The file, for messages.
    pub file: String,
    /// The certificates that it holds, at least one, in PEM.
    pub pem: String,
}

impl Authority {
    /// The certificates in `text`, which is the content of `file`, and nothing else that it may hold.
    ///
    /// # Errors
    /// There is none. The words fit behind the name of the file.
    pub fn from_pem(file: &str, text: &[u8]) -> Result<Self, &'static str> {
        let certificates = X509::stack_from_pem(text).unwrap_or_default();
        let pem: Vec<u8> = certificates.iter().filter_map(|one| one.to_pem().ok()).flatten().collect();
        match String::from_utf8(pem) {
            Ok(pem) if !pem.is_empty() => Ok(Self { file: file.to_owned(), pem }),
            _ => Err("has no certificate in PEM that can be read"),
        }
    }
}

// The certificates are long, and every host hashes them.
impl Hash for Authority {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.file.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_of_a_url() {
        let http = Some(Secret::new("http://u%40x:p%2Fw%zz@proxy:3128"));
        let settings = ProxySettings { http, https: Some(Secret::new("http://proxy")), ..ProxySettings::default() };
        let logins: Vec<_> = settings.logins().collect();
        let login = |user: &str, password: &str| (user.to_owned(), Secret::new(password));
        assert_eq!(logins, [login("u%40x", "p%2Fw%zz"), login("u@x", "p/w%zz")]);
    }
}
