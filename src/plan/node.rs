//! The plan of one node: a step for each of its files, or the reason why there is none.

use super::{PlanRequest, Step, WantedEntries, file};
use crate::desired::NodeTarget;
use crate::dockerconfig::Reader;
use crate::facts::NodeFact;
use crate::failure::Failure;

/// The plan of one node.
#[derive(Debug)]
pub struct NodePlan {
    /// `inventory_hostname`.
    pub host: String,
    /// The planned work.
    pub work: NodeWork,
}

/// The work on a node, or why there is none.
#[derive(Debug)]
pub enum NodeWork {
    /// One step for each distinct file, in the order of the facts.
    Files(Vec<Step>),
    /// The node could not be reached.
    Unreachable(Failure),
    /// The node was reached, but its files could not be observed.
    Failed(Failure),
    /// The run was interrupted before the node was observed.
    NotObserved,
}

impl NodePlan {
    /// The steps; none without observed files.
    pub fn steps(&self) -> &[Step] {
        if let NodeWork::Files(steps) = &self.work { steps } else { &[] }
    }
}

/// Compares the files of a node with the required content.
pub(super) fn node(node: &NodeTarget, fact: &NodeFact, request: &PlanRequest) -> NodePlan {
    let work = match fact {
        NodeFact::Observed(files) => {
            let wanted = WantedEntries { credentials: &node.credentials, retired: &node.retired };
            let step = |fact| file(&node.name, fact, wanted, Reader::Node, request).step;
            NodeWork::Files(files.iter().map(step).collect())
        }
        NodeFact::Unreachable(failure) => NodeWork::Unreachable(failure.clone()),
        NodeFact::Failed(failure) => NodeWork::Failed(failure.clone()),
        NodeFact::NotObserved => NodeWork::NotObserved,
    };
    NodePlan { host: node.name.clone(), work }
}
