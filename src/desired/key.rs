//! What keeps a text from being a key of `auths`, or an image name, and how it is shown in a problem.

use std::net::Ipv6Addr;

use crate::dockerconfig::{mask, registry_key};
use crate::inventory::{Code, Finding, Problem, Severity};

use super::image::{REPOSITORY_LIMIT, is_component, is_domain, is_host};
use super::lookup::{Lookup, Text};

const SCHEME: &str = "has a scheme";
const IPV6: &str = "is an IPv6 address, which podman and CRI-O accept in no image name";
const FOLDER: &str = "has neither dot nor port, so that image names take it for a folder of Docker Hub";
const NO_REGISTRY: &str = "names no registry: what stands in front of its first `/` has neither dot nor port";
const CHARACTER: &str = "has a character that no host name has";
const CAPITALS: &str = "has capital letters in its path, which no image name has";

/// The images of origin, as inventories of its earlier releases name those of Docker Hub.
const ORIGIN: &str = "openshift/origin-";

/// The longest path above an image: what a repository may have, without `/` and a letter.
const PATH_LIMIT: usize = REPOSITORY_LIMIT - 2;

/// The port of HTTPS, which no reader of keys takes for none.
const USUAL_PORT: &str = ":443";

/// A text as messages may repeat it, if that is surely a name: what stands behind an `@`, a colon or an equals
/// sign, or in white space, may be a password that got into the wrong place.
pub(super) fn shown(text: &str) -> Option<String> {
    let name = text.trim();
    let (_, behind) = name.split_once(':').unwrap_or_default();
    let port = behind.split('/').next().unwrap_or_default();
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:${}[]*~".contains(c));
    (plain && (port.chars().all(|c| c.is_ascii_digit()) || behind == "${version}")).then(|| mask(name))
}

/// A problem that repeats the text, if that may be [`shown`].
pub(super) fn about(what: &str, text: &Text, fault: &str) -> Problem {
    let problem = match shown(&text.text) {
        Some(name) => Problem::naming(&text.span, format!("{what} `{name}` {fault}")),
        None => Problem::hiding(&text.span, format!("{what} {fault}")),
    };
    match fault {
        FOLDER | NO_REGISTRY => problem.code(Code::HubHost),
        _ if fault.ends_with(SCHEME) => problem.code(Code::HostScheme),
        _ => problem,
    }
}

/// A registry host that can be a key, in lower case, as image names have it.
pub(super) fn host(lookup: &mut Lookup<'_>, host: Text) -> Option<Text> {
    const WHAT: &str = "registry host";
    if let Some(fault) = host_fault(&host.text) {
        let hint = advice(fault, "write it as `host[:port][/path]`");
        lookup.problems.push(about(WHAT, &host, fault).hint(hint));
        return None;
    }
    let text = in_lower_case(&host.text);
    if text != host.text {
        let fault = format!("is taken as `{text}`: readers compare it with image names as it is written");
        let problem = about(WHAT, &host, &fault).hint("write it in lower case");
        lookup.notices.push(Finding::new(Code::HostSpelling, problem).of(Severity::Note));
    }
    let (name, path) = text.split_at(text.find('/').unwrap_or(text.len()));
    // Some hosts are one by their port alone.
    if let Some(bare) = name.strip_suffix(USUAL_PORT).filter(|bare| is_registry(bare)) {
        let fault =
            format!("has the port `{USUAL_PORT}`, so that only images that are named with it find the credential");
        let hint = format!("write `{bare}{path}`, unless all images are named with the port");
        lookup.warnings.push(Finding::new(Code::HostSpelling, about(WHAT, &host, &fault).hint(hint)));
    }
    Some(Text { text, ..host })
}

/// What to do about a fault of a key; what is `usual` is to write it in another way.
pub(super) fn advice(fault: &str, usual: &'static str) -> &'static str {
    match fault {
        IPV6 => "give the registry a DNS name, and write that",
        FOLDER | NO_REGISTRY => {
            "write the registry as it stands in image names, with a dot (`registry.example.com`) or a port \
             (`registry:443`); Docker Hub is `docker.io`"
        }
        CHARACTER => "a host has letters, digits, `-` and `.`; write a name in another script in its `xn--` form",
        CAPITALS => "write it in lower case",
        _ => usual,
    }
}

/// Whether two keys are for one registry, whatever a reader makes of the spelling: it has one credential.
pub(super) fn same_registry(one: &str, other: &str) -> bool {
    let registry = |key: &str| registry_key(&in_lower_case(key));
    registry(one) == registry(other)
}

fn in_lower_case(key: &str) -> String {
    let (host, path) = key.split_at(key.find('/').unwrap_or(key.len()));
    format!("{}{path}", host.to_ascii_lowercase())
}

/// A token server that can be a key; `owner` names the entry that it stands in.
pub(super) fn auth_server(lookup: &mut Lookup<'_>, server: &Text, owner: &str) -> Option<String> {
    let fault = if server.text.contains('/') && !server.text.contains("://") {
        Some("has a path")
    } else {
        // No image name has the address of a token server.
        key_fault(&server.text).filter(|fault| *fault != IPV6 || !server.text.starts_with('['))
    };
    if let Some(fault) = fault {
        let problem = about("`auth_server`", server, &format!("of {owner} {fault}"));
        lookup.problems.push(problem.hint("write it as `host[:port]`, such as `sso.redhat.com`"));
        return None;
    }
    Some(in_lower_case(&server.text))
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
fn key_fault(key: &str) -> Option<&'static str> {
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
fn is_registry(host: &str) -> bool {
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
    use super::super::full_name;
    use super::*;

    #[test]
    fn a_path_leaves_room_for_an_image() {
        let key = |length: usize| format!("quay.io/{}", "a".repeat(length));
        assert_eq!(host_fault(&key(253)), None);
        assert!(full_name("quay.io", &format!("{}/a", "a".repeat(253))).is_ok());
        assert_eq!(host_fault(&key(254)), Some("has a path that is longer than those of image names"));
    }
}
