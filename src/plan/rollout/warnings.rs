//! What the user should know before the global pull secret is changed.

use super::text::by_reason;
use super::{outside, primary_pool};
use crate::facts::{Availability, Observed, PoolFact, PoolNodeFact, PoolUpdates, RolloutFact};
use crate::plan::names::quoted;

/// The warnings about a change of the global pull secret. The cause of pools that are not known is not among them.
pub fn warnings(facts: &RolloutFact) -> Vec<String> {
    let readers = "users who can read MachineConfigs can read the credentials of the global pull secret".to_owned();
    let pools = facts.pools.present().map(Vec::as_slice).unwrap_or_default();
    let nodes = facts.nodes.present().map(Vec::as_slice).unwrap_or_default();
    let controller = match (&facts.pools, &facts.controller) {
        (Observed::Present(_), Observed::Unknown(failure)) => {
            Some(format!("whether the operator can process the pull secret is not known: {}", failure.message))
        }
        _ => None,
    };
    let of_pools = pools.iter().flat_map(|pool| of_pool(pool, nodes));
    let outside = by_reason(outside(nodes).map(|node| (node.reason.to_string(), node.name)));
    std::iter::once(readers).chain(controller).chain(of_pools).chain(outside).collect()
}

fn of_pool(pool: &PoolFact, nodes: &[PoolNodeFact]) -> Vec<String> {
    let name = &pool.name;
    let members = nodes.iter().filter(|node| primary_pool(node) == Ok(name.as_str()));
    let unavailable = members.filter(|node| node.availability != Availability::Ready).map(|node| node.name.as_str());
    let unavailable: Vec<&str> = unavailable.collect();
    let paused = (pool.updates == PoolUpdates::Paused)
        .then(|| format!("pool `{name}` is paused: its nodes do not get the new content before it is resumed"));
    let is_updating = pool.conditions.iter().any(|condition| condition.name == "Updating");
    let other_changes = (pool.target != pool.current || is_updating).then(|| {
        format!("pool `{name}` has other changes that are not on all nodes yet, so nodes may be drained or restarted")
    });
    let not_ready = (!unavailable.is_empty()).then(|| {
        format!(
            "pool `{name}` has nodes that are not available, which can delay the other ones: {}",
            quoted(unavailable.iter().copied())
        )
    });
    [paused, other_changes, not_ready].into_iter().flatten().collect()
}
