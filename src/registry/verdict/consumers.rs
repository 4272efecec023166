//! Warnings about registries whose credential is right, but where CRI-O, podman or docker do not use it as this program
//! does. The rules are those of containers/image (`docker_client.go`), which CRI-O, podman and skopeo use, and of the
//! client of docker.

use reqwest::Url;

use super::cause::MessageContext;
use crate::desired::Registry;
use crate::registry::http::client::RegistryClient;

/// Why CRI-O, podman and docker do not use the credential, or endanger it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsumerObstacle {
    /// `/v2/` requires no login. They look for a challenge only there.
    OpenPing,
    /// The challenge of `/v2/` follows one of another scheme in the same header. They read only the first one.
    HiddenChallenge,
    /// The response of the token server has a member of this name with a type that they do not accept.
    TokenMember(&'static str),
    /// The registry uses HTTPS, and names this URL of its token server.
    PlainHttpRealm(Url),
}

/// What a run warns about only once for each registry.
pub fn subject(obstacle: &ConsumerObstacle) -> String {
    match obstacle {
        ConsumerObstacle::OpenPing => "open ping".to_owned(),
        ConsumerObstacle::HiddenChallenge => "hidden challenge".to_owned(),
        ConsumerObstacle::TokenMember(name) => format!("token member {name}"),
        ConsumerObstacle::PlainHttpRealm(realm) => format!("plain HTTP realm {}", realm.origin().ascii_serialization()),
    }
}

/// The sentence for an obstacle at a registry.
pub fn warning(
    registry: &Registry,
    client: Option<&RegistryClient>,
    obstacle: &ConsumerObstacle,
    scrub: &dyn Fn(&str) -> String,
) -> String {
    let context = MessageContext::new(registry, client, scrub);
    let text = match obstacle {
        ConsumerObstacle::OpenPing => {
            "requires no login for `/v2/`, so CRI-O, podman and docker never log in to it, and \
             cannot pull its private images: its operator must require a login for `/v2/`, too"
                .to_owned()
        }
        ConsumerObstacle::HiddenChallenge => "names a scheme that is not supported first in its `WWW-Authenticate` \
             header, so CRI-O, podman and docker never log in to it: its operator must send one header for each scheme"
            .to_owned(),
        ConsumerObstacle::TokenMember(name) => format!(
            "has a token server whose response has a member `{name}` of the wrong type, so CRI-O, podman and docker \
             cannot log in: its operator must correct the token server"
        ),
        ConsumerObstacle::PlainHttpRealm(realm) => format!(
            "uses HTTPS, but names its token server `{}`: CRI-O, podman and docker send the password there, and anyone \
             on the network path can read it: its operator must correct its external URL, or let the proxy in front of \
             it send `X-Forwarded-Proto: https`",
            context.url(realm)
        ),
    };
    format!("registry `{}` {text}", registry.host)
}
