//! The plan for objects that an inventory has created and no longer declares: they are removed with `--prune`, after
//! everything else, and reported without it.

use indexmap::{IndexMap, IndexSet};

use super::object::{Wanted, object};
use super::{Expansion, Gate, Plan, PlanRequest, Planned, Prune, Stage, Step, UnknownObjects, expand, pods};
use crate::desired::Desired;
use crate::facts::{ClusterFact, ObjectKind};
use crate::failure::Failure;

/// What is done about objects that are no longer declared.
#[derive(Debug)]
pub struct PrunePlan {
    /// The removals, after the changes of the service accounts that use what is removed.
    pub plan: Plan,
    /// Why such objects may exist that are not known.
    pub warnings: Vec<String>,
}

/// Why `--prune` cannot be used with an inventory; `None` if it can.
pub fn prune_refusal(desired: &Desired, request: &PlanRequest) -> Option<Failure> {
    if request.prune == Prune::Keep || desired.objects.is_empty() || desired.owner.is_some() {
        return None;
    }
    let message = "`--prune` needs `oregano_owner`, which marks the objects that this inventory creates";
    Some(Failure::new(message).hint(
        "set `oregano_owner` to a name of this inventory; to remove entries only from the files of the nodes, add \
         `--only nodes`",
    ))
}

/// The plan for the objects that are no longer declared. It comes last; `gate` is the state after everything else.
pub fn prune(gate: Gate, desired: &Desired, facts: &ClusterFact, request: &PlanRequest) -> PrunePlan {
    let Expansion { undeclared, unlisted, .. } = expand(desired, facts);
    let (mut changes, mut removals) = (Vec::new(), Vec::new());
    for wanted in &undeclared {
        let steps = match wanted {
            Wanted::Undeclared(_) => &mut removals,
            // The secret stays, and so do its links.
            _ if request.prune == Prune::Keep => continue,
            _ => &mut changes,
        };
        let planned = object(wanted, facts.objects.get(wanted.name()), request);
        steps.extend(
            planned.map(|Planned { step, .. }| Step { related_notes: pods::notes(wanted, &step, facts), ..step }),
        );
    }
    let stages = [changes, removals].into_iter().filter(|steps| !steps.is_empty()).map(Stage::Objects).collect();
    PrunePlan { plan: Plan { gate, stages }, warnings: warnings(&unlisted) }
}

/// One warning for each kind of objects that could not be listed, and one for all kinds with the same failure, for example
/// because the API server cannot be reached.
fn warnings(unlisted: &[UnknownObjects]) -> Vec<String> {
    let mut by_kind: IndexMap<ObjectKind, (&Failure, IndexSet<&str>)> = IndexMap::new();
    for UnknownObjects { what, failure } in unlisted {
        by_kind.entry(what.kind).or_insert((failure, IndexSet::new())).1.insert(&what.namespace);
    }
    let mut by_failure: IndexMap<&Failure, IndexSet<&str>> = IndexMap::new();
    for (failure, namespaces) in by_kind.into_values() {
        by_failure.entry(failure).or_default().extend(namespaces);
    }
    let warning = |(failure, namespaces): (&Failure, IndexSet<&str>)| {
        let Failure { message, causes, hint, .. } = failure;
        let more = match namespaces.len() - 1 {
            0 => String::new(),
            1 => " (the same for 1 more namespace)".to_owned(),
            count => format!(" (the same for {count} more namespaces)"),
        };
        let causes: String = causes.iter().map(|cause| format!(": {cause}")).collect();
        let hint: String = hint.iter().map(|hint| format!("; {hint}")).collect();
        format!("there may be more objects that are no longer declared: {message}{more}{causes}{hint}")
    };
    by_failure.into_iter().map(warning).collect()
}
