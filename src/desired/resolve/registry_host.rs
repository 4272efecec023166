//! Reports values of the inventory that cannot be the host of a registry or token server. The rules are in
//! `desired/registry_host.rs`.

use crate::desired::codes;
use crate::desired::registry_host::{HostFault, host_fault, host_in_lower_case, is_registry, key_fault};
use crate::dockerconfig::mask;
use crate::inventory::{Code, Finding, Problem, Severity};

use super::variable_reader::{Text, VariableReader};

/// The default port of HTTPS. Programs that compare keys with image names do not treat `host` and `host:443` as equal.
const HTTPS_PORT: &str = ":443";

/// The text as messages may quote it; `None` if it may not be a name. The text after `@`, a colon, an equals sign or
/// white space may be a password that the user wrote there by mistake.
pub(super) fn quotable(text: &str) -> Option<String> {
    let name = text.trim();
    let (_, rest) = name.split_once(':').unwrap_or_default();
    let port = rest.split('/').next().unwrap_or_default();
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:${}[]*~".contains(c));
    // `:${version}` is the tag in the default value of `oreg_url`, so it cannot be a secret.
    (plain && (port.chars().all(|c| c.is_ascii_digit()) || rest == "${version}")).then(|| mask(name))
}

/// A problem about `what`, which may end with the colon before the value. The value is quoted only if it is [`quotable`].
pub(super) fn problem_about(what: &str, text: &Text, fault: &str) -> Problem {
    match quotable(&text.text) {
        Some(name) => Problem::naming(&text.span, &name, format!("{what} `{name}` {fault}")),
        None => Problem::hiding(&text.span, format!("{} {fault}", what.trim_end_matches(':'))),
    }
}

/// The specific code of a finding about a fault; `None` if it has the general one.
fn code(fault: HostFault) -> Option<Code> {
    match fault {
        HostFault::HubNamespace | HostFault::NoRegistry => Some(codes::HUB_HOST),
        HostFault::Scheme => Some(codes::HOST_SCHEME),
        _ => None,
    }
}

/// A problem about `what`, which has a fault. `syntax` is the hint for faults without specific advice.
pub(super) fn host_problem(what: &str, text: &Text, fault: HostFault, syntax: &'static str) -> Problem {
    let problem = problem_about(what, text, &fault.to_string()).hint(advice(fault, syntax));
    match code(fault) {
        Some(code) => problem.code(code),
        None => problem,
    }
}

/// What to do about a fault.
fn advice(fault: HostFault, syntax: &'static str) -> &'static str {
    match fault {
        HostFault::Ipv6 => "give the registry a DNS name, and write that",
        HostFault::HubNamespace | HostFault::NoRegistry => {
            "write the registry as in image names, with a dot (`registry.example.com`) or a port (`registry:443`); Docker \
             Hub is `docker.io`"
        }
        HostFault::Character => {
            "a host name has letters, digits, `-` and `.`; write an internationalized name in its `xn--` form"
        }
        HostFault::UppercasePath => "write it in lower case",
        _ => syntax,
    }
}

/// A registry host that can be a key. It is converted to lower case, as in image names.
pub(super) fn host(reader: &mut VariableReader<'_>, host: Text) -> Option<Text> {
    const WHAT: &str = "registry host";
    if let Some(fault) = host_fault(&host.text) {
        reader.problems.push(host_problem(WHAT, &host, fault, "write it as `host[:port][/path]`"));
        return None;
    }
    let text = host_in_lower_case(&host.text);
    // This is only a note, because the key that is written is correct.
    if text != host.text {
        let fault =
            format!("is used as `{text}`: image names are in lower case, and keys are compared case-sensitively");
        let problem = problem_about(WHAT, &host, &fault).hint("write it in lower case");
        reader.notices.push(Finding::new(codes::HOST_SPELLING, problem).with_severity(Severity::Note));
    }
    let (name, path) = text.split_at(text.find('/').unwrap_or(text.len()));
    // Without its port, a name without a dot would not be a registry, so no warning suggests to remove the port then.
    if let Some(bare) = name.strip_suffix(HTTPS_PORT).filter(|bare| is_registry(bare)) {
        let fault =
            format!("has the port `{HTTPS_PORT}`, so the credential is used only for image names with that port");
        let hint = format!("write `{bare}{path}`, unless all image names have the port");
        reader.warnings.push(Finding::new(codes::HOST_SPELLING, problem_about(WHAT, &host, &fault).hint(hint)));
    }
    Some(Text { text, ..host })
}

/// A token server that can be a key. `owner` is the name of its entry in messages.
pub(super) fn auth_server(reader: &mut VariableReader<'_>, server: &Text, owner: &str) -> Option<String> {
    let fault = if server.text.contains('/') && !server.text.contains("://") {
        Some(HostFault::UnexpectedPath)
    } else {
        // The address of a token server is not used in image names, so it may be an IPv6 address in brackets.
        key_fault(&server.text).filter(|fault| *fault != HostFault::Ipv6 || !server.text.starts_with('['))
    };
    if let Some(fault) = fault {
        let problem = problem_about("`auth_server`", server, &format!("of {owner} {fault}"));
        let problem = code(fault).map_or(problem.clone(), |code| problem.code(code));
        reader.problems.push(problem.hint("write it as `host[:port]`, such as `sso.redhat.com`"));
        return None;
    }
    Some(host_in_lower_case(&server.text))
}
