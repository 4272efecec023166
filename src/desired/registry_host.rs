//! Which texts can be the host of a registry, both as a key of `auths` and as the first part of image names. This file
//! contains only the rules; `resolve/registry_host.rs` reports the problems.

use std::fmt;
use std::net::Ipv6Addr;

use crate::dockerconfig::registry_key;

use super::image::{REPOSITORY_LIMIT, is_component, is_domain, is_host};

/// The start of the image names of older OKD releases (formerly OpenShift Origin), which do not contain the host of
/// Docker Hub.
const ORIGIN: &str = "openshift/origin-";

/// OpenShift Cluster Manager.
const CLUSTER_MANAGER: &str = "cloud.openshift.com";

/// The maximum length of the path of a key. In a repository name, at least `/` and one character of the image name must
/// follow it.
const PATH_LIMIT: usize = REPOSITORY_LIMIT - 2;

/// Why a text cannot be a registry host or an `oreg_url`. The messages are predicates: they follow the name of the
/// value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostFault {
    /// It has a scheme, such as `https://host`.
    Scheme,
    /// It contains `@`.
    AtSign,
    /// It contains white space or a control character.
    WhiteSpace,
    /// It ends with `/`.
    TrailingSlash,
    /// Its path contains a colon.
    Tag,
    /// The text after the colon of the host is not a port number.
    TagOrPort,
    /// It is an IPv6 address.
    Ipv6,
    /// The host name is empty.
    NoHostName,
    /// It contains a character that is not allowed in host names (RFC 1123, section 2.1).
    Character,
    /// It contains two consecutive dots, or starts or ends with a dot.
    EmptyLabel,
    /// A label of the host name starts or ends with `-`.
    HyphenLabel,
    /// The path has uppercase letters.
    UppercasePath,
    /// The path has a component that the grammar of image names does not allow.
    PathComponent,
    /// No image name can be this long.
    PathTooLong,
    /// It has a path, but only `host[:port]` is allowed.
    UnexpectedPath,
    /// It has neither a dot nor a port, so it is a namespace of Docker Hub.
    HubNamespace,
    /// It is an `oreg_url` that starts with a namespace of Docker Hub instead of a registry.
    NoRegistry,
    /// It is an `oreg_url` that contains only the host.
    NoImage,
}

impl fmt::Display for HostFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "has a scheme",
            Self::AtSign => "contains `@`",
            Self::WhiteSpace => "contains white space",
            Self::TrailingSlash => "has a trailing slash",
            Self::Tag => "has a tag",
            Self::TagOrPort => "has a tag, or a port that is not a number",
            Self::Ipv6 => "is an IPv6 address, which podman and CRI-O do not accept in image names",
            Self::NoHostName => "has no host name",
            Self::Character => "contains a character that host names do not allow",
            Self::EmptyLabel => "has an empty part in its host name",
            Self::HyphenLabel => "has a part of its host name that starts or ends with `-`",
            Self::UppercasePath => "has uppercase letters in its path, which image names do not allow",
            Self::PathComponent => "has a path with an empty part, or with a character that image names do not allow",
            Self::PathTooLong => "has a path that is longer than image names allow",
            Self::UnexpectedPath => "has a path",
            Self::HubNamespace => "has neither a dot nor a port, so image names treat it as a namespace of Docker Hub",
            Self::NoRegistry => "names no registry: the part before its first `/` has neither a dot nor a port",
            Self::NoImage => "names no image",
        })
    }
}

/// A text that is equal for all keys that some program treats as the same registry. A registry can have only one
/// credential.
pub(super) fn identity(key: &str) -> String {
    registry_key(&host_in_lower_case(key))
}

/// Whether the entry of this key is no registry, but the account of OpenShift Cluster Manager. Red Hat's pull secrets have
/// one. A registry request must never be sent there.
pub(super) fn is_cluster_manager(key: &str) -> bool {
    same_registry(key, CLUSTER_MANAGER)
}

/// Whether some program treats the two keys as the same registry.
pub(super) fn same_registry(one: &str, other: &str) -> bool {
    identity(one) == identity(other)
}

/// The key with its host in lower case. The path is not changed.
pub(super) fn host_in_lower_case(key: &str) -> String {
    let (host, path) = key.split_at(key.find('/').unwrap_or(key.len()));
    format!("{}{path}", host.to_ascii_lowercase())
}

/// Why `key` cannot be used as a key of `auths`; `None` if it can. A valid key is found by every program, and for the
/// images of exactly one registry.
pub fn host_fault(key: &str) -> Option<HostFault> {
    let (host, path) = key.split_once('/').map_or((key, None), |(host, path)| (host, Some(path)));
    key_fault(key)
        .or_else(|| name_fault(host))
        .or_else(|| path.and_then(path_fault))
        // This check comes last, because the advice to add a dot or a port does not help if the text has another fault.
        .or_else(|| (!is_registry(host)).then_some(HostFault::HubNamespace))
}

/// Why some program cannot read `key` as a key of `auths`; `None` if all programs can. containers/image rejects such
/// keys when it writes a file (`validateKey` in pkg/docker/config).
pub(super) fn key_fault(key: &str) -> Option<HostFault> {
    let (host, path) = key.split_once('/').map_or((key, None), |(host, path)| (host, Some(path)));
    let port = if host.starts_with('[') { host.rsplit_once("]:") } else { host.rsplit_once(':') };
    // Rust's parser accepts a leading `+`, which no URL allows.
    let bad_port = |(_, port): (&str, &str)| port.starts_with('+') || port.parse::<u16>().is_err();
    match key {
        _ if key.contains("://") => Some(HostFault::Scheme),
        _ if key.contains('@') => Some(HostFault::AtSign),
        _ if key.contains(|c: char| c.is_whitespace() || c.is_control()) => Some(HostFault::WhiteSpace),
        // The kubelet would accept this key, but containers/image never matches a key with a trailing slash.
        _ if key.ends_with('/') => Some(HostFault::TrailingSlash),
        _ if path.is_some_and(|path| path.contains(':')) => Some(HostFault::Tag),
        // This check must come before the check of the port, because the last part of a bare IPv6 address looks like a
        // port.
        _ if host.parse::<Ipv6Addr>().is_ok() => Some(HostFault::Ipv6),
        _ if port.is_some_and(bad_port) => Some(HostFault::TagOrPort),
        // containers/image does not support IPv6 addresses in image names, not even in brackets.
        _ if host.starts_with('[') => Some(HostFault::Ipv6),
        _ => None,
    }
}

/// Why a `host[:port]` with a valid port is not a host name; `None` if it is one.
fn name_fault(host: &str) -> Option<HostFault> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    match name {
        _ if is_domain(host) => None,
        "" => Some(HostFault::NoHostName),
        _ if name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-') => Some(HostFault::Character),
        _ if name.split('.').any(str::is_empty) => Some(HostFault::EmptyLabel),
        _ => Some(HostFault::HyphenLabel),
    }
}

/// Why image names cannot have `path` after their host; `None` if they can.
fn path_fault(path: &str) -> Option<HostFault> {
    match path {
        _ if path.contains(char::is_uppercase) => Some(HostFault::UppercasePath),
        _ if !path.split('/').all(is_component) => Some(HostFault::PathComponent),
        _ if path.len() > PATH_LIMIT => Some(HostFault::PathTooLong),
        _ => None,
    }
}

/// Whether the first part of an image name is a registry. The name is compared in lower case: distribution/reference
/// also treats a part with uppercase letters as a registry, but podman and CRI-O do not.
pub(super) fn is_registry(host: &str) -> bool {
    is_host(&host.to_ascii_lowercase())
}

/// Why `oreg_url` does not name an image of a registry; `None` if it does.
pub(super) fn url_fault(url: &str) -> Option<HostFault> {
    let host = url.split('/').next().unwrap_or_default();
    match url {
        _ if url.contains("://") => Some(HostFault::Scheme),
        _ if url.contains('@') => Some(HostFault::AtSign),
        _ if url.contains(char::is_whitespace) => Some(HostFault::WhiteSpace),
        _ if url.ends_with('/') || !url.contains('/') => Some(HostFault::NoImage),
        // Only the host is checked here: the path has placeholders such as `${component}`, which are replaced later.
        _ if is_registry(host) => host_fault(host),
        _ if url.starts_with(ORIGIN) => None,
        _ => Some(HostFault::NoRegistry),
    }
}

#[cfg(test)]
mod tests {
    use super::super::image::full_name;
    use super::*;

    #[test]
    fn a_key_with_the_longest_path_can_still_have_an_image() {
        let key = |length: usize| format!("quay.io/{}", "a".repeat(length));
        assert_eq!(host_fault(&key(253)), None);
        assert!(full_name("quay.io", &format!("{}/a", "a".repeat(253))).is_ok());
        assert_eq!(host_fault(&key(254)), Some(HostFault::PathTooLong));
        assert_eq!(HostFault::PathTooLong.to_string(), "has a path that is longer than image names allow");
    }
}
