//! Registries and token servers that are declared twice. A credential file has only one entry for each key, so two
//! different credentials for one registry are a problem.

use std::collections::HashMap;

use crate::desired::codes;
use crate::desired::registry_host::identity;
use crate::inventory::Finding;

use super::declared_registry::DeclaredRegistry;
use super::variable_reader::VariableReader;

/// Keeps one declaration for each key. A second declaration with the same credential is a warning. A different
/// credential for the same registry is a problem, even if the two keys are spelled differently.
pub(super) fn without_duplicates(
    reader: &mut VariableReader<'_>,
    declared: Vec<DeclaredRegistry>,
) -> Vec<DeclaredRegistry> {
    let mut kept: Vec<DeclaredRegistry> = Vec::new();
    // The positions in `kept` of the declarations of one registry.
    let mut positions: HashMap<_, Vec<usize>> = HashMap::new();
    for next in declared {
        let host = &next.registry.host;
        let known = positions.entry(identity(host)).or_default();
        let same = || known.iter().map(|at| &kept[*at]);
        if let Some(other) = same().find(|other| other.credential() != next.credential()) {
            let name = &other.registry.host;
            let spelling = if name == host { String::new() } else { format!(", as `{name}`,") };
            let message = format!("registry `{host}` has another credential{spelling} at {}", other.span);
            let problem = next.problem(message).code(codes::DUPLICATE_REGISTRY);
            reader.problems.push(problem.hint("remove one of the two"));
        } else if let Some(first) = same().find(|first| first.registry.host == *host) {
            let message =
                format!("registry `{host}` is already declared at {}; the first declaration is used", first.span);
            let problem = next.problem(message).hint("remove one of the two");
            reader.warnings.push(Finding::new(codes::DUPLICATE_REGISTRY, problem));
        } else {
            // A different spelling of the same registry with the same credential is kept, because it is a different
            // key.
            known.push(kept.len());
            kept.push(next);
        }
    }
    kept
}

/// Reports token servers with two credentials. A token server has one entry in files and secrets, like a registry.
pub(super) fn reject_shared_auth_servers(reader: &mut VariableReader<'_>, declared: &[DeclaredRegistry]) {
    let mut registries = HashMap::new();
    for each in declared {
        registries.entry(identity(&each.registry.host)).or_insert(each);
    }
    // The earlier declarations of each token server, one for each of their credentials. Only earlier declarations are
    // compared, so that each pair of token servers is reported once.
    let mut servers: HashMap<_, Vec<&DeclaredRegistry>> = HashMap::new();
    for each in declared {
        let Some(server) = &each.registry.auth_server else { continue };
        let earlier = servers.entry(identity(server)).or_default();
        // A token server may also be declared as a registry, for example because both are on one host.
        let as_registry = registries.get(&identity(server)).copied();
        let others = as_registry.into_iter().chain(earlier.iter().copied());
        if let Some(other) = others.into_iter().find(|other| other.credential() != each.credential()) {
            let host = &each.registry.host;
            let message =
                format!("`{server}`, the token server of registry `{host}`, has another credential at {}", other.span);
            let problem = each.problem(message).code(codes::DUPLICATE_REGISTRY);
            reader.problems.push(problem.hint("a token server has one credential: remove one of the two"));
        }
        if earlier.iter().all(|other| other.credential() != each.credential()) {
            earlier.push(each);
        }
    }
}
