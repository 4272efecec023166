//! What keeps a text from being a key of `auths`, or an image name, and how it is shown in a problem.

use std::net::Ipv6Addr;

use crate::dockerconfig::{mask, registry_key};
use crate::inventory::{Code, Finding, Problem, Severity};

use super::lookup::{Lookup, Text};

const SCHEME: &str = "has a scheme";
const IPV6: &str = "is an IPv6 address, which podman and CRI-O accept in no image name";

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
    if fault.ends_with(SCHEME) { problem.code(Code::HostScheme) } else { problem }
}

/// A registry host that can be a key, in lower case, as image names have it.
pub(super) fn host(lookup: &mut Lookup<'_>, host: Text) -> Option<Text> {
    const WHAT: &str = "registry host";
    if let Some(fault) = key_fault(&host.text) {
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
    if let Some(bare) = name.strip_suffix(USUAL_PORT) {
        let fault =
            format!("has the port `{USUAL_PORT}`, so that only images that are named with it find the credential");
        let hint = format!("write `{bare}{path}`, unless all images are named with the port");
        lookup.warnings.push(Finding::new(Code::HostSpelling, about(WHAT, &host, &fault).hint(hint)));
    }
    Some(Text { text, ..host })
}

/// What to do about a fault of a key; what is `usual` is to write it in another way.
pub(super) fn advice(fault: &str, usual: &'static str) -> &'static str {
    if fault == IPV6 { "give the registry a DNS name, and write that" } else { usual }
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

/// What keeps `key` from being a key of `auths` that every reader understands (containers/image refuses these
/// when it writes).
pub fn key_fault(key: &str) -> Option<&'static str> {
    let (host, path) = key.split_once('/').map_or((key, None), |(host, path)| (host, Some(path)));
    let port = if host.starts_with('[') { host.rsplit_once("]:") } else { host.rsplit_once(':') };
    let bad_port = |(_, port): (&str, &str)| port.parse::<u16>().is_err();
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

/// What keeps `oreg_url` from naming an image.
pub(super) fn url_fault(url: &str) -> Option<&'static str> {
    match url {
        _ if url.contains("://") => Some(SCHEME),
        _ if url.contains('@') => Some("has an `@`"),
        _ if url.contains(char::is_whitespace) => Some("has white space"),
        _ if url.ends_with('/') || !url.contains('/') => Some("names no image"),
        _ => None,
    }
}
