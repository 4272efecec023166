//! Whether a rollout has advanced. Only what was not reached before counts, so that nothing that repeats itself is
//! progress: two controllers that change a target to and fro, a node that changes between failed and updating.

use std::collections::HashMap;

use super::{NodeStep, PoolRollout, Rollout};

/// What a rollout has reached so far.
#[derive(Debug, Default)]
pub struct Reached(HashMap<Goal, PoolReached>);

/// The name of a pool, and a target of it.
type Goal = (String, String);

/// How far a pool was on the way to a target.
#[derive(Debug, Default)]
struct PoolReached {
    is_done: bool,
    nodes: HashMap<String, Rank>,
}

/// How far a node was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Waiting,
    Updating,
    Done,
    /// It was deleted, for example by an autoscaler.
    Gone,
}

impl Reached {
    /// Whether `now` is closer to the end than every earlier state.
    pub fn advance(&mut self, now: &Rollout) -> bool {
        let has_advanced = now.pools.iter().any(|pool| match self.0.get(&goal(pool)) {
            // It contains the new content, or a change of something else.
            None => true,
            Some(reached) => reached.is_exceeded_by(pool),
        });
        now.pools.iter().for_each(|pool| self.0.entry(goal(pool)).or_default().add(pool));
        has_advanced
    }
}

impl PoolReached {
    fn is_exceeded_by(&self, pool: &PoolRollout) -> bool {
        // A new node is no progress of the others.
        let is_further = |(name, earlier): (&String, &Rank)| rank(pool, name) > *earlier;
        // A node that was done needs nothing, also if it is deleted.
        let mut behind = self.nodes.iter().filter(|(_, earlier)| **earlier < Rank::Done);
        !self.is_done && pool.is_done() || behind.any(is_further)
    }

    fn add(&mut self, pool: &PoolRollout) {
        self.is_done |= pool.is_done();
        for node in &pool.nodes {
            self.nodes.entry(node.name.clone()).or_insert(Rank::Waiting);
        }
        for (name, reached) in &mut self.nodes {
            *reached = rank(pool, name).max(*reached);
        }
    }
}

fn goal(pool: &PoolRollout) -> Goal {
    (pool.name.clone(), pool.target.clone())
}

fn rank(pool: &PoolRollout, node: &str) -> Rank {
    match pool.nodes.iter().find(|one| one.name == node).map(|one| &one.step) {
        Some(NodeStep::Unmanaged | NodeStep::Waiting) => Rank::Waiting,
        Some(NodeStep::Updating | NodeStep::Failed(_)) => Rank::Updating,
        Some(NodeStep::Done) => Rank::Done,
        None => Rank::Gone,
    }
}
