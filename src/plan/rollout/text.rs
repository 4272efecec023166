//! The state of a rollout in words, for progress lines, failures and notes.

use std::fmt;

use indexmap::IndexMap;

use super::{Blocker, NodeRollout, NodeStep, OutsideReason, Pending, PoolRollout, PoolState};
use crate::facts::{Availability, PoolUpdates};
use crate::plan::names::quoted;

impl PoolRollout {
    /// The state on one line, such as `1 of 3 nodes updated`.
    pub fn summary(&self) -> String {
        let done = self.nodes.iter().filter(|node| node.step == NodeStep::Done).count();
        let count = format!("{done} of {} nodes updated", self.nodes.len());
        match &self.state {
            PoolState::Done => count,
            PoolState::Empty => "no nodes".to_owned(),
            PoolState::Progressing(Pending::Rendering(keys)) => format!(
                "the operator has not rendered the new content yet ({})",
                quoted(keys.iter().map(String::as_str))
            ),
            PoolState::Progressing(Pending::Nodes) => count,
            PoolState::Progressing(Pending::Confirmation) => {
                format!("{count}, and the operator has not confirmed it yet")
            }
            PoolState::Blocked(blockers) => {
                let blockers: Vec<String> = blockers.iter().map(ToString::to_string).collect();
                format!("{count}: {}", blockers.join("; "))
            }
            PoolState::Unknown(failure) => failure.message.clone(),
        }
    }

    /// The nodes that are behind, and why: one line for each reason.
    pub fn nodes_behind(&self) -> Vec<String> {
        by_reason(self.behind().map(|node| (node.to_string(), node.name.clone())))
    }

    /// What the user should know about a pool that is done.
    pub fn notes(&self) -> Vec<String> {
        let unavailable: Vec<&str> = self.unavailable().map(|node| node.name.as_str()).collect();
        let paused = (self.state == PoolState::Done && self.updates == PoolUpdates::Paused)
            .then(|| "it is paused, and its nodes already have the content".to_owned());
        let unconfirmed = (self.state == PoolState::Done && !unavailable.is_empty()).then(|| {
            format!(
                "these nodes have the file although they are not available: {}",
                quoted(unavailable.iter().copied())
            )
        });
        [paused, unconfirmed].into_iter().flatten().collect()
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, message) = match self {
            Self::Paused => ("the pool is paused", ""),
            Self::SharedNodes(nodes) => {
                let nodes = quoted(nodes.iter().map(String::as_str));
                return write!(f, "the operator does not update nodes that are in several custom pools ({nodes})");
            }
            Self::Controller(message) => ("the operator cannot process its configuration", message.as_str()),
            Self::Rendering(message) => ("the operator cannot render the MachineConfig", message.as_str()),
            Self::Degraded(message) => ("the operator reports the pool as degraded", message.as_str()),
        };
        f.write_str(what)?;
        if message.is_empty() { Ok(()) } else { write!(f, ": {message}") }
    }
}

impl fmt::Display for NodeRollout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.step {
            NodeStep::Unmanaged => f.write_str("the machine config daemon has not reported anything yet"),
            NodeStep::Waiting => f.write_str("waiting for the update"),
            NodeStep::Updating => f.write_str("being updated"),
            NodeStep::Failed(reason) if reason.is_empty() => f.write_str("the update failed"),
            NodeStep::Failed(reason) => write!(f, "the update failed: {reason}"),
            NodeStep::Done => f.write_str("updated"),
        }?;
        match self.availability {
            Availability::Ready => Ok(()),
            Availability::NotReady => f.write_str(", not ready"),
            Availability::Cordoned => f.write_str(", cordoned"),
        }
    }
}

impl fmt::Display for OutsideReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Windows => f.write_str("a Windows node, which the machine config operator does not update"),
            Self::NoPool => f.write_str("in no pool, so the machine config operator does not update it"),
            Self::SeveralPools(pools) => write!(
                f,
                "in several custom pools ({}), so the machine config operator does not update it",
                quoted(pools.iter().map(String::as_str))
            ),
        }
    }
}

/// One line for each reason, with the nodes that it applies to.
pub(super) fn by_reason(nodes: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let mut reasons: IndexMap<String, Vec<String>> = IndexMap::new();
    nodes.for_each(|(reason, name)| reasons.entry(reason).or_default().push(name));
    let line =
        |(reason, nodes): (String, Vec<String>)| format!("{}: {reason}", quoted(nodes.iter().map(String::as_str)));
    reasons.into_iter().map(line).collect()
}
