//! The realm of a Bearer challenge: the token server that a registry names, and whether a password may go there.

use reqwest::Url;

use super::diagnosis::Finding;
use super::settings;
use super::wire::without_user;
use crate::desired::{Registry, TlsPolicy};

/// The URL of the token server, if a password may go there at all.
pub(super) fn checked(realm: &str, registry: &Registry) -> Result<Url, Finding> {
    let url = Url::parse(realm).map_err(|_| Finding::NoRealm(realm.to_owned()))?;
    match (url.scheme(), registry.tls) {
        ("https", _) | ("http", TlsPolicy::Insecure) => {}
        ("http", TlsPolicy::Verify) => return Err(Finding::PlainRealm(url)),
        _ => return Err(Finding::NoRealm(realm.to_owned())),
    }
    match &registry.auth_server {
        Some(named) if !is_of(&url, named, url.scheme()) => Err(Finding::OtherRealm(url)),
        _ => Ok(without_user(url)),
    }
}

/// What the user should know before a password goes to `realm` on behalf of the registry at `root`. That it is another
/// domain is known where `auth_server` names it; that anybody may read along is not. `scrub` removes secrets from what
/// the registry chose.
pub(super) fn concern(realm: &Url, root: &Url, registry: &Registry, scrub: &dyn Fn(&str) -> String) -> Option<String> {
    let secret = if registry.identity_token.is_some() { "identity token" } else { "password" };
    let (host, user) = (scrub(&authority(realm)), &registry.user);
    let meant = settings::auth_server(registry)
        .map(|setting| format!(" (if that is meant, name the server in {setting})"))
        .unwrap_or_default();
    let expected = registry.auth_server.is_some() || site(realm) == site(root);
    let what = match (expected, realm.scheme() == "http") {
        (true, false) => return None,
        (true, true) => format!("over plain HTTP to its token server `{host}`: whoever stands in between can read it"),
        (false, true) => format!(
            "to the token server `{host}` of another domain, over plain HTTP: whoever stands in between can read \
             it{meant}"
        ),
        (false, false) => format!("to the token server `{host}` of another domain{meant}"),
    };
    Some(format!("registry `{}` has the {secret} of user `{user}` sent {what}", authority(root)))
}

/// `host[:port]`.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether `url` is of the server `named` `host[:port]`; without a port it is that of `scheme`.
pub(super) fn is_of(url: &Url, named: &str, scheme: &str) -> bool {
    let named = Url::parse(&format!("{scheme}://{named}/"));
    named.is_ok_and(|named| {
        named.host_str() == url.host_str() && named.port_or_known_default() == url.port_or_known_default()
    })
}

/// The registrable domain (public suffix list); an IP address, or a name without a domain, as a whole.
fn site(url: &Url) -> &str {
    let host = url.host_str().unwrap_or_default();
    url.domain().and_then(|name| psl::domain_str(name.trim_end_matches('.'))).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::Declaration;
    use crate::registry::tests::registry;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn which_domains_belong_together() {
        let cases = [
            ("https://registry.example.com:5000/v2/", "https://sso.example.com/t", None),
            ("https://registry-1.docker.io/v2/", "https://auth.docker.io/token", None),
            ("https://quay.io/v2/", "https://quay.io/v2/auth", None),
            ("https://127.0.0.1:5000/v2/", "https://127.0.0.1:5001/t", None),
            ("https://registry/v2/", "https://registry:5001/t", None),
            ("https://[::1]:5000/v2/", "https://[::1]/t", None),
            ("https://registry.redhat.io/v2/", "https://sso.redhat.com/t", Some("sso.redhat.com")),
            ("https://a.example.co.uk/v2/", "https://b.other.co.uk/t", Some("b.other.co.uk")),
            ("https://one.github.io/v2/", "https://two.github.io/t", Some("two.github.io")),
            ("https://registry/v2/", "https://sso/t", Some("sso")),
            ("https://127.0.0.1/v2/", "https://127.0.0.2:1/t", Some("127.0.0.2:1")),
            ("https://example.com/v2/", "https://example.com.evil.net/t", Some("example.com.evil.net")),
            ("http://registry.example.com/v2/", "http://sso.example.com/t", Some("plain HTTP")),
            ("http://registry.example.com/v2/", "http://sso.other.com/t", Some("another domain, over plain HTTP")),
        ];
        let mut registry = registry("registry.example.com", "right");
        for (root, realm, expected) in cases {
            registry.auth_server = None;
            let found = concern(&url(realm), &url(root), &registry, &str::to_owned);
            assert_eq!(found.is_some(), expected.is_some(), "{root} {realm}: {found:?}");
            assert!(found.unwrap_or_default().contains(expected.unwrap_or_default()), "{root} {realm}");
            for (declaration, setting) in [
                (Declaration::Entry, Some("name the server in `auth_server`")),
                (Declaration::Default, Some("name the server in `auth_server` of `oregano_oreg_auth`")),
                (Declaration::CommandLine, None),
            ] {
                let asked = Registry { declaration, ..registry.clone() };
                let found = concern(&url(realm), &url(root), &asked, &str::to_owned).unwrap_or_default();
                // Naming the server changes nothing about plain HTTP.
                let advised = setting.filter(|_| found.contains(" of another domain"));
                assert!(found.contains(advised.unwrap_or_default()), "{found}");
                assert_eq!(found.contains("auth_server"), advised.is_some(), "{found}");
            }
            registry.auth_server = Some(authority(&url(realm)));
            let found = concern(&url(realm), &url(root), &registry, &str::to_owned);
            assert_eq!(found.is_some(), realm.starts_with("http:"), "{root} {realm}: {found:?}");
            let found = found.unwrap_or_default();
            assert!(found.is_empty() || found.contains(" sent over plain HTTP to its token server `"), "{found}");
            assert!(!found.contains("another domain") && !found.contains("auth_server"), "{found}");
        }
    }

    #[test]
    fn the_named_server_alone_gets_the_password() {
        let cases = [
            ("sso.example.com", "https://sso.example.com/t", true),
            ("SSO.example.com:443", "https://sso.example.com/t", true),
            ("sso.example.com:8443", "https://sso.example.com:8443/t", true),
            ("sso.example.com", "https://sso.example.com:8443/t", false),
            ("sso.example.com", "https://other.example.com/t", false),
            ("sso.example.com", "https://sso.example.com@evil.net/t", false),
            ("not a host", "https://sso.example.com/t", false),
            ("", "https://sso.example.com/t", false),
        ];
        for (named, realm, allowed) in cases {
            let mut registry = registry("registry.example.com", "right");
            registry.auth_server = Some(named.to_owned());
            let found = checked(realm, &registry);
            assert_eq!(found.is_ok(), allowed, "{named} {realm}");
            assert!(allowed || matches!(found, Err(Finding::OtherRealm(_))));
        }
    }
}
