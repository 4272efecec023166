//! Keys of `auths`: which keys some program treats as the same registry, and which keys refer to only a part of a
//! registry.

use super::address::{self, Address};
use crate::secret::Redactor;

/// The key of Docker Hub that docker writes. docker, containers/image and the kubelet all use it.
pub const HUB_KEY: &str = "https://index.docker.io/v1/";

/// The host of Docker Hub in image names.
pub const HUB: &str = "docker.io";

/// Whether a host is a name of Docker Hub (`normalizeRegistry` in containers/image, `pkg/docker/config`).
pub fn is_hub(host: &str) -> bool {
    [HUB, "index.docker.io", "registry-1.docker.io"].contains(&host)
}

/// The kubelet's normal form of a key: without scheme, user, query, and a leading `/v1` or `/v2` of the path
/// (`BasicDockerKeyring.Add` in k8s.io/kubernetes/pkg/credentialprovider). `None` if the kubelet cannot parse the key and
/// ignores the entry.
pub fn kubelet_key(key: &str) -> Option<String> {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let Address { host, path } = address::parse(bare)?;
    // The kubelet requires the slash after the version, so the path `/v1` is kept as a namespace.
    let path = if path.starts_with("/v1/") || path.starts_with("/v2/") { &path[3..] } else { &path };
    Some(if path == "/" { host } else { format!("{host}{path}") })
}

/// A text that is equal for all keys that some program treats as the same registry. It is the kubelet's normal form,
/// with one name for Docker Hub.
pub fn registry_key(key: &str) -> String {
    let key = kubelet_key(key).unwrap_or_else(|| key.to_owned());
    if is_hub(&key) { HUB.to_owned() } else { key }
}

/// Whether some program treats the two keys as the same registry.
pub fn is_same_registry(one: &str, other: &str) -> bool {
    registry_key(one) == registry_key(other)
}

/// Whether `key` is a URL of the registry that lacks the slash after the version of the API (`https://host/v1`). Such a
/// key is the registry for docker and containers/image, which ignore the path of a URL, and a namespace for the kubelet.
pub(super) fn is_unfinished_spelling(key: &str, registry: &str) -> bool {
    key.contains("://") && !is_same_registry(key, registry) && is_same_registry(&format!("{key}/"), registry)
}

/// The registry host of a key, with its port.
pub(super) fn host_of(key: &str) -> String {
    let key = registry_key(key);
    let host = key.split('/').next().unwrap_or_default();
    if is_hub(host) { HUB.to_owned() } else { host.to_owned() }
}

/// The keys of a file that are more specific than `key`. containers/image uses the longest key that matches an image; docker
/// does not support paths.
pub fn more_specific<'a>(keys: impl Iterator<Item = &'a str>, key: &str) -> Vec<&'a str> {
    // The slash prevents `quay.io/foo` from matching `quay.io/foobar`.
    let below = format!("{}/", registry_key(key));
    keys.filter(|other| registry_key(other).starts_with(&below)).collect()
}

/// A key that is safe to show. A key may be a URL with a user and a password, so the text between the first colon and
/// the last `@` is masked. A port that is not a number is masked too.
pub fn mask(key: &str) -> String {
    let scheme = key.find("://").filter(|at| key[..*at].bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let (scheme, rest) = key.split_at(scheme.map_or(0, |at| at + "://".len()));
    // The `@` in an image name with a digest is followed by the digest, and the text before it is no login.
    let digest = |host: &str| host.starts_with("sha256:") || host.starts_with("sha512:");
    if let Some((login, host)) = rest.rsplit_once('@').filter(|(_, host)| !digest(host)) {
        return format!("{scheme}{}@{host}", mask_user(login));
    }
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    // The colons in an IPv6 address are not the start of a port, so the search starts after its bracket.
    let address = if host.starts_with('[') { host.rfind(']').unwrap_or_default() } else { 0 };
    match host[address..].split_once(':') {
        // A text after the colon that is no port may be a password, because the user may have written `user:password`
        // as the key.
        Some((_, port)) if !port.bytes().all(|byte| byte.is_ascii_digit() || byte == b'*') => {
            let shown = host.len() - port.len();
            format!("{scheme}{}{}{path}", &host[..shown], Redactor::MASK)
        }
        _ => key.to_owned(),
    }
}

/// A user that is safe to show. User names contain no colon, so the text after a colon is masked as a password.
pub fn mask_user(user: &str) -> String {
    user.split_once(':').map_or_else(|| user.to_owned(), |(user, _)| format!("{user}:{}", Redactor::MASK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_hub_has_three_names_and_one_registry() {
        for key in ["docker.io", "index.docker.io", "registry-1.docker.io", HUB_KEY, "https://index.docker.io"] {
            assert_eq!(registry_key(key), HUB, "{key}");
            assert_eq!(host_of(key), HUB, "{key}");
        }
        assert_eq!(registry_key("docker.io/acme"), "docker.io/acme");
        assert_eq!(host_of("index.docker.io/acme"), HUB);
        assert_eq!(host_of("https://quay.io:8443/v2/acme"), "quay.io:8443");
    }

    #[test]
    fn keys_have_the_normal_form_of_the_kubelet() {
        for (key, normal) in [
            ("https://me:x@quay.io/v1/team?a=b#c", Some("quay.io/team")),
            ("quay.io/v2", Some("quay.io/v2")),
            ("http://quay.io/", Some("quay.io")),
            ("quay.io:port", None),
        ] {
            assert_eq!(kubelet_key(key).as_deref(), normal, "{key}");
        }
        assert_eq!(registry_key("quay.io:port"), "quay.io:port");
    }

    #[test]
    fn a_password_in_a_key_is_not_shown() {
        let kept = [
            "quay.io",
            "quay.io:443/team",
            "me@quay.io:443/team",
            "[::1]:5000/a",
            "[fd00::1]",
            "*.example.com:*",
            HUB_KEY,
            "quay.io:443/app@sha256:00",
            "quay.io/app:v1",
            "http://quay.io:80",
        ];
        for key in kept {
            assert_eq!(mask(key), key);
        }
        for (key, masked) in [
            ("https://me:hunter2@quay.io/team", "https://me:[redacted]@quay.io/team"),
            ("me:hun@ter2@quay.io:443", "me:[redacted]@quay.io:443"),
            ("me:hun/ter2@quay.io", "me:[redacted]@quay.io"),
            ("http://me:hun ter2@quay.io", "http://me:[redacted]@quay.io"),
            ("me:hunter2", "me:[redacted]"),
            ("me:2hunter/x", "me:[redacted]/x"),
            ("https://me:hunter2", "https://me:[redacted]"),
            ("[::1]:hunter2", "[::1]:[redacted]"),
        ] {
            assert_eq!(mask(key), masked);
        }
        assert_eq!([mask_user("eve"), mask_user("eve:hun:ter2")], ["eve", "eve:[redacted]"]);
    }

    #[test]
    fn more_specific_keys_have_additional_path_segments() {
        let keys = ["quay.io", "quay.io/acme", "quay.io/acme/app", "quay.io/acmeter", "quay.io.example.com/acme"];
        let found = |key| more_specific(keys.into_iter(), key);
        assert_eq!(found("quay.io/acme"), ["quay.io/acme/app"]);
        assert_eq!(found("https://quay.io"), ["quay.io/acme", "quay.io/acme/app", "quay.io/acmeter"]);
        assert!(found("quay.io/acme/app").is_empty());
    }
}
