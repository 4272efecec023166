//! Whether a rollout has advanced between two observations.

use super::{NodeRollout, NodeStep, PoolRollout, Rollout};

/// Whether `now` is closer to the end than `before`. Only steps that cannot be repeated for ever count: a node that
/// changes between failed and updating, or between ready and not ready, is no progress.
pub fn has_progressed(before: &Rollout, now: &Rollout) -> bool {
    before.pools.iter().any(|earlier| {
        let later = now.pools.iter().find(|pool| pool.name == earlier.name);
        later.is_some_and(|later| pool_has_progressed(earlier, later))
    })
}

fn pool_has_progressed(earlier: &PoolRollout, later: &PoolRollout) -> bool {
    let node_has_progressed = |node: &NodeRollout| {
        // A node that is behind may be deleted, for example by an autoscaler.
        let later = later.nodes.iter().find(|other| other.name == node.name);
        later.map_or(u8::MAX, |later| rank(&later.step)) > rank(&node.step)
    };
    if earlier.is_done() {
        return false;
    }
    // A new target restarts the pool: it contains the new content, or a change of something else.
    earlier.target != later.target || later.is_done() || earlier.behind().any(node_has_progressed)
}

fn rank(step: &NodeStep) -> u8 {
    match step {
        NodeStep::Unmanaged | NodeStep::Waiting => 0,
        NodeStep::Updating | NodeStep::Failed(_) => 1,
        NodeStep::Done => 2,
    }
}
