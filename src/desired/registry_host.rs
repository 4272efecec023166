//! Which texts can be the host of a registry, as a key of `auths` and as the first part of image names.

use std::net::Ipv6Addr;

use crate::dockerconfig::registry_key;

use super::image::{REPOSITORY_LIMIT, is_component, is_domain, is_host};

pub(super) const SCHEME: &str = "has a scheme";
pub(super) const IPV6: &str = "is an IPv6 address, which podman and CRI-O accept in no image name";
pub(super) const FOLDER: &str = "has neither dot nor port, so that image names take it for a folder of Docker Hub";
pub(super) const NO_REGISTRY: &str =
    "names no registry: what stands in front of its first `/` has neither dot nor port";
pub(super) const CHARACTER: &str = "has a character that no host name has";
pub(super) const CAPITALS: &str = "has capital letters in its path, which no image name has";

/// The images of origin, as inventories of its earlier releases name those of Docker Hub.
const ORIGIN: &str = "openshift/origin-";

/// The longest path above an image: what a repository may have, without `/` and a letter.
const PATH_LIMIT: usize = REPOSITORY_LIMIT - 2;

/// Whether two keys are for one registry, whatever a reader makes of the spelling: it has one credential.
pub(super) fn same_registry(one: &str, other: &str) -> bool {
    let registry = |key: &str| registry_key(&in_lower_case(key));
    registry(one) == registry(other)
}

pub(super) fn in_lower_case(key: &str) -> String {
    let (host, path) = key.split_at(key.find('/').unwrap_or(key.len()));
    format!("{}{path}", host.to_ascii_lowercase())
}
/// What keeps `key` from being a key of `auths` that leads every reader to the images of one registry.
pub fn host_fault(key: &str) -> Option<&'static str> {
    let (host, path) = key.split_once('/').map_or((key, None), |(host, path)| (host, Some(path)));
    key_fault(key)
        .or_else(|| name_fault(host))
        .or_else(|| path.and_then(path_fault))
        .or_else(|| (!is_registry(host)).then_some(FOLDER))
}

/// What keeps `key` from being a key of `auths` that every reader understands (containers/image refuses these
/// when it writes).
pub(super) fn key_fault(key: &str) -> Option<&'static str> {
    let (host, path) = key.split_once('/').map_or((key, None), |(host, path)| (host, Some(path)));
    let port = if host.starts_with('[') { host.rsplit_once("]:") } else { host.rsplit_once(':') };
    let bad_port = |(_, port): (&str, &str)| port.starts_with('+') || port.parse::<u16>().is_err();
    match key {
        _ if key.contains("://") => Some(SCHEME),
        _ if key.contains('@') => Some("has an `@`"),
        _ if key.contains(|c: char| c.is_whitespace() || c.is_control()) => Some("has white space"),
        _ if key.ends_with('/') => Some("has a trailing slash"),
        _ if path.is_some_and(|path| path.contains(':')) => Some("has a tag"),
        _ if host.parse::<Ipv6Addr>().is_ok() => Some(IPV6),
        _ if port.is_some_and(bad_port) => Some("has a tag, or a port that is no number"),
        _ if host.starts_with('[') => Some(IPV6),
        _ => None,
    }
}

/// What is wrong with a host whose port is a number.
fn name_fault(host: &str) -> Option<&'static str> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    match name {
        _ if is_domain(host) => None,
        "" => Some("has no host name"),
        _ if name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-') => Some(CHARACTER),
        _ if name.split('.').any(str::is_empty) => Some("has an empty part in its host name"),
        _ => Some("has a part of its host name that starts or ends with `-`"),
    }
}

/// What keeps image names from having `path` behind their host.
fn path_fault(path: &str) -> Option<&'static str> {
    match path {
        _ if path.contains(char::is_uppercase) => Some(CAPITALS),
        _ if !path.split('/').all(is_component) => {
            Some("has a character or an empty part in its path that no image name has")
        }
        _ if path.len() > PATH_LIMIT => Some("has a path that is longer than those of image names"),
        _ => None,
    }
}

/// Whether image names take what stands first in them for a registry; podman and CRI-O do not for its capital letters.
pub(super) fn is_registry(host: &str) -> bool {
    is_host(&host.to_ascii_lowercase())
}

/// What keeps `oreg_url` from naming an image of a registry.
pub(super) fn url_fault(url: &str) -> Option<&'static str> {
    let host = url.split('/').next().unwrap_or_default();
    match url {
        _ if url.contains("://") => Some(SCHEME),
        _ if url.contains('@') => Some("has an `@`"),
        _ if url.contains(char::is_whitespace) => Some("has white space"),
        _ if url.ends_with('/') || !url.contains('/') => Some("names no image"),
        _ if is_registry(host) => host_fault(host),
        _ if url.starts_with(ORIGIN) => None,
        _ => Some(NO_REGISTRY),
    }
}

#[cfg(test)]
mod tests {
    use super::super::image::full_name;
    use super::*;

    #[test]
    fn a_path_leaves_room_for_an_image() {
        let key = |length: usize| format!("quay.io/{}", "a".repeat(length));
        assert_eq!(host_fault(&key(253)), None);
        assert!(full_name("quay.io", &format!("{}/a", "a".repeat(253))).is_ok());
        assert_eq!(host_fault(&key(254)), Some("has a path that is longer than those of image names"));
    }
}
