//! The steps that follow a rollout, one for each pool, and what is reported when the rollout has ended.

use super::{Blocker, PoolRollout, PoolState, rollout};
use crate::desired::ObjectContent;
use crate::facts::{ObjectFact, ObjectKind, ObjectName, Observed, RolloutFact};
use crate::failure::Failure;
use crate::plan::{Action, Planned, Step};

/// Whether the global pull secret is changed.
#[derive(Clone, Copy)]
enum Content {
    New,
    Current,
}

/// The step of a pool that is not in the plan, because it was created later.
pub fn pool_step(pool: &PoolRollout) -> Step {
    step(pool, Content::Current)
}

fn pool_name(name: &str) -> ObjectName {
    ObjectName::new(ObjectKind::MachineConfigPool, "", name)
}

/// The steps for the pools, if the global pull secret is changed as planned; none if it cannot be written.
pub(in crate::plan) fn steps(
    planned: &Planned<ObjectContent>,
    found: &Observed<ObjectFact>,
    facts: &RolloutFact,
) -> Vec<Step> {
    if matches!(planned.step.action, Action::Fail(_)) {
        return Vec::new();
    }
    let written = planned.content.as_ref().and_then(|content| match content {
        ObjectContent::PullSecret { content, .. } => Some(content.clone()),
        ObjectContent::ServiceAccount(_) | ObjectContent::ImagePullers { .. } => None,
    });
    let kind = if written.is_some() { Content::New } else { Content::Current };
    let current = || found.secret().present().and_then(|secret| secret.content.clone());
    // A secret without content that needs no change has nothing to roll out.
    let Some(content) = written.or_else(current) else { return Vec::new() };
    // Without the nodes, the end of the rollout could not be found out after the write.
    let rollout = match &facts.nodes {
        Observed::Unknown(failure) => Err(failure.clone()),
        Observed::Present(_) | Observed::Absent => rollout(&content, facts),
    };
    match rollout {
        Ok(rollout) => rollout.pools.iter().map(|pool| step(pool, kind)).collect(),
        Err(failure) => vec![Step::object(&pool_name("*"), Action::Fail(failure))],
    }
}

fn step(pool: &PoolRollout, content: Content) -> Step {
    let name = pool_name(&pool.name);
    let (action, notes) = match (&pool.state, content) {
        (PoolState::Done | PoolState::Empty, _) => (Action::Unchanged, pool.notes()),
        (PoolState::Unknown(failure), _) => (Action::Fail(failure.clone()), Vec::new()),
        (PoolState::Blocked(blockers), Content::New) => {
            (Action::Update, blockers.iter().map(ToString::to_string).collect())
        }
        (PoolState::Progressing(_), Content::New) => (Action::Update, Vec::new()),
        (PoolState::Blocked(_) | PoolState::Progressing(_), Content::Current) => {
            let start = "the global pull secret is not on all nodes yet";
            let notes = [format!("{start}: {}", pool.summary())].into_iter().chain(pool.nodes_behind());
            (Action::Update, notes.collect())
        }
    };
    Step { notes, ..Step::object(&name, action) }
}

/// The failure of a pool when waiting for it has ended; `None` if it is done. `reason` says why nothing waits any longer.
pub fn ended(pool: &PoolRollout, reason: &str) -> Option<Failure> {
    if pool.is_done() {
        return None;
    }
    let name = &pool.name;
    let failure = Failure::new(format!("pool `{name}` does not have the global pull secret on all of its nodes"));
    let failure = failure.cause(pool.summary());
    let failure = pool.nodes_behind().into_iter().fold(failure, Failure::cause).cause(reason);
    let is_paused = matches!(&pool.state, PoolState::Blocked(blockers) if blockers.contains(&Blocker::Paused));
    let hint = if is_paused {
        format!(
            "resume it with `oc patch machineconfigpool {name} --type merge -p '{{\"spec\":{{\"paused\":false}}}}'`"
        )
    } else {
        format!("look at `oc describe machineconfigpool {name}`")
    };
    let rest =
        "the secret was written, so run `apply` again to follow the rest; until then, keep the old credentials valid";
    Some(failure.hint(format!("{hint}; {rest}")))
}
