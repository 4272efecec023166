//! Which registries the cluster forbids, because the image policy of the masters does not allow them or because the
//! nodes block them. The results are only advice, so values that cannot be read are ignored.

use crate::desired::codes;
use crate::dockerconfig::HUB;
use crate::inventory::{Finding, Node, Value, yaml};

use super::declared_registry::DeclaredRegistry;
use super::variable_reader::VariableReader;

const ALLOWED: &str = "openshift_master_image_policy_allowed_registries_for_import";
const CONFIG: &str = "openshift_master_image_policy_config";
const BLOCKED: &str = "openshift_docker_blocked_registries";
const ADDITIONAL: &str = "openshift_docker_additional_registries";

/// Reports each registry that is forbidden, with the variable that forbids it.
pub(super) fn check(reader: &mut VariableReader<'_>, declared: &[DeclaredRegistry]) {
    let allowed = allowed(reader);
    let blocked = names(reader.node_or_none(BLOCKED));
    let additional = names(reader.node_or_none(ADDITIONAL)).unwrap_or_default();
    for each in declared {
        let registry = &each.registry;
        let host = host_of(&registry.host);
        let not_allowed = allowed.as_ref().filter(|(_, list)| !list.iter().any(|pattern| matches(pattern, host)));
        let is_blocked = blocked.as_ref().is_some_and(|list| {
            let contains = |list: &[String]| list.iter().any(|name| host_of(name).eq_ignore_ascii_case(host));
            // `all` blocks every registry except those in the list of additional registries.
            contains(list) || list.iter().any(|name| name == "all") && !contains(&additional)
        });
        let variable = match not_allowed {
            Some((variable, _)) => variable,
            // Only one variable is named for each registry, and the image policy comes first.
            None if is_blocked => BLOCKED,
            None => continue,
        };
        let message = format!("registry `{}` is forbidden by `{variable}`", registry.host);
        let problem = each.problem(message).hint("allow it there, or remove its credential");
        reader.notices.push(Finding::new(codes::REGISTRY_NOT_ALLOWED, problem));
    }
}

/// The patterns of the image policy, and the variable that sets them. As in openshift-ansible, the list variable
/// overrides the configuration variable.
fn allowed(reader: &VariableReader<'_>) -> Option<(&'static str, Vec<String>)> {
    if let Some(list) = names(reader.node_or_none(ALLOWED)) {
        return Some((ALLOWED, list));
    }
    let config = parsed(reader.node_or_none(CONFIG)?);
    let list = names(config.get("allowedRegistriesForImport").cloned())?;
    Some((CONFIG, list))
}

/// The elements of a list, the `domainName` of each mapping in it, or the parts of a comma-separated text; `None` if
/// there are no elements.
fn names(node: Option<Node>) -> Option<Vec<String>> {
    let node = parsed(node?);
    let names: Vec<String> = match &node.value {
        Value::List(items) => items.iter().map(|item| item.get("domainName").unwrap_or(item).text.clone()).collect(),
        Value::Str(text) => text.split(',').map(|name| name.trim().to_owned()).collect(),
        _ => Vec::new(),
    };
    let names: Vec<String> = names.into_iter().filter(|name| !name.is_empty()).collect();
    (!names.is_empty()).then_some(names)
}

/// The value itself. If it is a text that contains a JSON list or object, the parsed JSON is returned.
fn parsed(node: Node) -> Node {
    match &node.value {
        Value::Str(text) if text.trim_start().starts_with(['[', '{']) => yaml::parse_node(&node).unwrap_or(node),
        _ => node,
    }
}

/// The host of a registry or pattern without port and path, because openshift-ansible does not compare ports here.
fn host_of(registry: &str) -> &str {
    let host = registry.split('/').next().unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if name.is_empty() { HUB } else { name }
}

/// Whether a pattern matches a host. `*` matches any text. The parts between the `*` are searched from left to right.
fn matches(pattern: &str, host: &str) -> bool {
    let (pattern, host) = (host_of(pattern).to_ascii_lowercase(), host.to_ascii_lowercase());
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == host };
    let Some(mut host) = host.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        match host.split_once(part) {
            Some((_, rest)) => host = rest,
            None => return false,
        }
    }
    host.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_hosts() {
        for (pattern, host, expected) in [
            ("docker.io", "docker.io", true),
            ("Docker.IO:443", "docker.io", true),
            ("*.example.com", "r.example.com", true),
            ("*.example.com", "example.com", false),
            ("r*.example.*", "registry.example.org", true),
            ("a*b*b", "ab", false),
            ("*", "anything", true),
        ] {
            assert_eq!(matches(pattern, host), expected, "{pattern} {host}");
        }
    }
}
