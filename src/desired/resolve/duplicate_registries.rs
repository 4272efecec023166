//! Two declarations of one registry, or of one token server.

use crate::desired::codes;
use crate::inventory::Finding;

use super::declared_registry::DeclaredRegistry;
use super::variable_reader::VariableReader;
use crate::desired::registry_host as key;

/// One registry for each key: equal credentials are one (with a warning), different ones a problem, also under another
/// spelling of the key.
pub(super) fn without_duplicates(
    reader: &mut VariableReader<'_>,
    declared: Vec<DeclaredRegistry>,
) -> Vec<DeclaredRegistry> {
    let mut kept: Vec<DeclaredRegistry> = Vec::new();
    for next in declared {
        let host = &next.registry.host;
        let same = || kept.iter().filter(|kept| key::same_registry(&kept.registry.host, host));
        if let Some(other) = same().find(|other| other.login() != next.login()) {
            let name = &other.registry.host;
            let spelt = if name == host { String::new() } else { format!(", as `{name}`,") };
            let message = format!("registry `{host}` has another credential{spelt} at {}", other.span);
            let problem = next.problem(message).code(codes::DUPLICATE_REGISTRY);
            reader.problems.push(problem.hint("remove one of the two"));
        } else if let Some(first) = same().find(|first| first.registry.host == *host) {
            let message = format!("registry `{host}` stands already at {}; the first one counts", first.span);
            let problem = next.problem(message).hint("remove one of the two");
            reader.warnings.push(Finding::new(codes::DUPLICATE_REGISTRY, problem));
        } else {
            kept.push(next);
        }
    }
    kept
}

/// A token server has one entry in files and secrets, as a registry has.
pub(super) fn refuse_shared_auth_servers(reader: &mut VariableReader<'_>, declared: &[DeclaredRegistry]) {
    for (at, each) in declared.iter().enumerate() {
        let Some(server) = &each.registry.auth_server else { continue };
        let is_server = |key: &str| key::same_registry(key, server);
        let as_registry = declared.iter().find(|other| is_server(&other.registry.host));
        let before = declared[..at].iter().filter(|other| other.registry.auth_server.as_deref().is_some_and(is_server));
        if let Some(other) = as_registry.into_iter().chain(before).find(|other| other.login() != each.login()) {
            let host = &each.registry.host;
            let message =
                format!("`{server}`, the token server of registry `{host}`, has another credential at {}", other.span);
            let problem = each.problem(message).code(codes::DUPLICATE_REGISTRY);
            reader.problems.push(problem.hint("one token server has one credential: remove one of the two"));
        }
    }
}
