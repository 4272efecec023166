//! What keeps a text from being a key of `auths`, or an image name, and how it is shown in a problem.

use crate::inventory::{Code, Problem};

use super::lookup::{Lookup, Text};

const SCHEME: &str = "has a scheme";

/// A problem that repeats the text, if that is surely a name: what stands behind an `@`, a colon or an equals
/// sign, or in white space, may be a password that got into the wrong place.
pub(super) fn about(what: &str, text: &Text, fault: &str) -> Problem {
    let name = text.text.trim();
    let (_, behind) = name.split_once(':').unwrap_or_default();
    let port = behind.split('/').next().unwrap_or_default();
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:${}[]*".contains(c));
    let problem = if plain && (port.chars().all(|c| c.is_ascii_digit()) || behind == "${version}") {
        Problem::naming(&text.span, format!("{what} `{name}` {fault}"))
    } else {
        Problem::hiding(&text.span, format!("{what} {fault}"))
    };
    if fault == SCHEME { problem.code(Code::HostScheme) } else { problem }
}

/// A registry host that can be a key.
pub(super) fn host(lookup: &mut Lookup<'_>, host: Text) -> Option<Text> {
    let Some(fault) = key_fault(&host.text) else { return Some(host) };
    lookup.problems.push(about("registry host", &host, fault).hint("write it as `host[:port][/path]`"));
    None
}

/// A token server that can be a key.
pub(super) fn auth_server(lookup: &mut Lookup<'_>, server: &Text, what: &str) -> Option<String> {
    let fault = if server.text.contains('/') && !server.text.contains("://") {
        Some("has a path")
    } else {
        key_fault(&server.text)
    };
    if let Some(fault) = fault {
        lookup.problems.push(about(what, server, fault).hint("write it as `host[:port]`, such as `sso.redhat.com`"));
        return None;
    }
    Some(server.text.clone())
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
        _ if port.is_some_and(bad_port) => Some("has a tag, or a port that is no number"),
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
