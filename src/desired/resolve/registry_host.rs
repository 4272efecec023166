//! Reports texts of the inventory that cannot be the host of a registry or token server.

use crate::desired::codes;
use crate::dockerconfig::mask;
use crate::inventory::{Finding, Problem, Severity};

use super::variable_reader::{Text, VariableReader};
use crate::desired::registry_host::{
    CAPITALS, CHARACTER, FOLDER, IPV6, NO_REGISTRY, SCHEME, host_fault, in_lower_case, is_registry, key_fault,
};

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
        Some(name) => Problem::naming(&text.span, &name, format!("{what} `{name}` {fault}")),
        None => Problem::hiding(&text.span, format!("{what} {fault}")),
    };
    match fault {
        FOLDER | NO_REGISTRY => problem.code(codes::HUB_HOST),
        _ if fault.ends_with(SCHEME) => problem.code(codes::HOST_SCHEME),
        _ => problem,
    }
}

/// A registry host that can be a key, in lower case, as image names have it.
pub(super) fn host(reader: &mut VariableReader<'_>, host: Text) -> Option<Text> {
    const WHAT: &str = "registry host";
    if let Some(fault) = host_fault(&host.text) {
        let hint = advice(fault, "write it as `host[:port][/path]`");
        reader.problems.push(about(WHAT, &host, fault).hint(hint));
        return None;
    }
    let text = in_lower_case(&host.text);
    if text != host.text {
        let fault = format!("is taken as `{text}`: readers compare it with image names as it is written");
        let problem = about(WHAT, &host, &fault).hint("write it in lower case");
        reader.notices.push(Finding::new(codes::HOST_SPELLING, problem).of(Severity::Note));
    }
    let (name, path) = text.split_at(text.find('/').unwrap_or(text.len()));
    // Some hosts are one by their port alone.
    if let Some(bare) = name.strip_suffix(USUAL_PORT).filter(|bare| is_registry(bare)) {
        let fault =
            format!("has the port `{USUAL_PORT}`, so that only images that are named with it find the credential");
        let hint = format!("write `{bare}{path}`, unless all images are named with the port");
        reader.warnings.push(Finding::new(codes::HOST_SPELLING, about(WHAT, &host, &fault).hint(hint)));
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
/// A token server that can be a key; `owner` names the entry that it stands in.
pub(super) fn auth_server(reader: &mut VariableReader<'_>, server: &Text, owner: &str) -> Option<String> {
    let fault = if server.text.contains('/') && !server.text.contains("://") {
        Some("has a path")
    } else {
        // No image name has the address of a token server.
        key_fault(&server.text).filter(|fault| *fault != IPV6 || !server.text.starts_with('['))
    };
    if let Some(fault) = fault {
        let problem = about("`auth_server`", server, &format!("of {owner} {fault}"));
        reader.problems.push(problem.hint("write it as `host[:port]`, such as `sso.redhat.com`"));
        return None;
    }
    Some(in_lower_case(&server.text))
}
