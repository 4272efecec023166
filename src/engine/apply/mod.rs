//! Carries out a plan, one stage after another. An object that fails closes the gate for everything after it; a node
//! that fails does not stop the other nodes. It returns no error: each failure is recorded as an outcome. The events
//! report what was done, not what was planned: a target that has changed since it was observed is observed and planned
//! again.

mod backup;
mod import;
mod node;
mod object;
mod pools;

use crate::desired::{Desired, NodeTarget};
use crate::engine::Engine;
use crate::engine::observe::Sessions;
use crate::engine::schedule::{self, Stop};
use crate::event::{Event, StepRow};
use crate::facts::{ClusterFact, Facts, Importer};
use crate::failure::Failure;
use crate::node::Session;
use crate::plan::{self, Gate, ImportRegistries, ImportTime, Plan, PrunePlan, Stage};
use crate::report::Journal;

use self::import::ImportWork;
use self::node::NodeJob;
use self::object::ObjectWork;
pub use self::object::Refusals;
use self::pools::PoolWork;

/// What a plan was computed from, and the open sessions that carry it out.
pub struct Observation<'a> {
    /// The complete desired state.
    pub desired: &'a Desired,
    /// The nodes of the window that `facts.nodes` describes.
    pub nodes: &'a [NodeTarget],
    /// What was observed.
    pub facts: &'a Facts,
    /// One entry for each node of the window.
    pub sessions: Sessions,
}

/// Checks that the API server would accept every write and every removal of a run, before the first one is carried out.
/// No request is sent if nothing may be written. A warning says how many writes could not be checked.
pub fn preflight(engine: &Engine, plan: &Plan, desired: &Desired, facts: &ClusterFact, journal: &Journal) -> Refusals {
    if plan.gate == Gate::Closed {
        return Refusals::new();
    }
    let _guard = engine.abort_nodes_at(Stop::Now);
    let expansion = plan::expand(desired, facts);
    let check = |wanted, plan| ObjectWork::new(engine, wanted, facts, desired.waits.service_accounts).check(plan);
    let PrunePlan { plan: removals, .. } = plan::prune(Gate::Open, desired, facts, &engine.plan);
    let (mut refusals, unknown) = check(&expansion.wanted, plan);
    let (refused_removals, unknown_removals) = check(&expansion.undeclared, &removals);
    refusals.extend(refused_removals);
    let unknown = unknown + unknown_removals;
    if unknown > 0 {
        let message = format!(
            "the API server, or one of its webhooks, has no dry run: whether it accepts the writes of objects ({unknown}) is \
             known only when they are sent"
        );
        journal.record(Event::Warning { message });
    }
    refusals
}

/// Carries out `plan`, which was computed from `observation`. A refusal closes the gate. Returns whether later windows may
/// be written.
pub fn apply(
    engine: &Engine,
    plan: &Plan,
    refusals: &Refusals,
    observation: Observation<'_>,
    journal: &Journal,
) -> Gate {
    let _guard = engine.abort_nodes_at(Stop::Now);
    let Observation { desired, nodes, facts, sessions } = observation;
    let mut sessions = Some(sessions);
    let expansion = plan::expand(desired, &facts.cluster);
    let objects = ObjectWork::new(engine, &expansion.wanted, &facts.cluster, desired.waits.service_accounts);
    let (time, registries) = (ImportTime::AfterRun, ImportRegistries::new(desired, &facts.registries));
    let imports = ImportWork { time, engine, registries, expansion: &expansion, facts: &facts.cluster };
    let gate = if refusals.is_empty() { plan.gate } else { Gate::Closed };
    plan.stages.iter().fold(gate, |gate, stage| match stage {
        Stage::Objects(steps) => objects.stage(gate, steps, refusals, journal),
        Stage::AwaitPools(steps) => {
            let work = PoolWork::new(engine, &expansion, desired.waits.rollout);
            work.stage(gate, steps, journal)
        }
        Stage::Imports(checks) => {
            imports.stage(gate, checks, journal);
            gate
        }
        Stage::Batch(plans) => {
            let work = plans.iter().zip(nodes).zip(&facts.nodes).zip(sessions.take().unwrap_or_default());
            let work = work.map(|(((plan, target), fact), session)| NodeJob { plan, target, fact, session }).collect();
            node::batch(engine, gate, work, journal);
            gate
        }
    })
}

/// Carries out the removal of objects that are no longer declared, which `plan` was computed for.
pub fn prune(
    engine: &Engine,
    plan: &Plan,
    refusals: &Refusals,
    (desired, facts): (&Desired, &ClusterFact),
    journal: &Journal,
) {
    let _guard = engine.abort_nodes_at(Stop::Now);
    let expansion = plan::expand(desired, facts);
    let objects = ObjectWork::new(engine, &expansion.undeclared, facts, desired.waits.service_accounts);
    let steps =
        plan.stages.iter().filter_map(|stage| if let Stage::Objects(steps) = stage { Some(steps) } else { None });
    steps.fold(plan.gate, |gate, steps| objects.stage(gate, steps, refusals, journal));
}

/// Proves the imports of a plan with the secrets that are in the cluster now. Nothing is written.
pub fn prove_imports(engine: &Engine, plan: &Plan, desired: &Desired, facts: &ClusterFact, journal: &Journal) {
    let _guard = engine.abort_nodes_at(Stop::Gently);
    let expansion = plan::expand(desired, facts);
    for unknown in &expansion.unknown {
        let step = plan::Step::object(&unknown.what, plan::Action::Fail(unknown.failure.clone()));
        journal.record(Event::Step(StepRow::done(&step)));
    }
    let checks =
        plan.stages.iter().find_map(|stage| if let Stage::Imports(checks) = stage { Some(checks) } else { None });
    let without_images = || {
        Failure::new("there is no test image to import: no declared pull secret has a registry with one")
            .hint("set `test_image` of a registry, and declare the secret in `oregano_pull_secrets`")
    };
    match (&facts.imports.importer, checks) {
        (_, Some(checks)) => {
            // This machine has not contacted the registries.
            let registries = ImportRegistries::new(desired, &[]);
            let work = ImportWork { time: ImportTime::Now, engine, registries, expansion: &expansion, facts };
            work.stage(Gate::Open, checks, journal);
        }
        (Importer::Absent | Importer::Present, None) if plan::import_namespaces(&expansion).is_empty() => {
            journal.record(Event::Error(without_images()));
        }
        (Importer::Unknown(failure), None) => journal.record(Event::Error(failure.clone())),
        (Importer::Absent, None) => journal.record(Event::Error(
            Failure::new("the cluster has no image importer: the API server does not have `image.openshift.io`")
                .hint("use `--from first-node`, which contacts the registries from a node"),
        )),
        (Importer::Present, None) => journal.record(Event::Error(without_images())),
    }
}

/// Ends every session without changing anything on the nodes.
pub fn keep(engine: &Engine, sessions: Sessions) {
    schedule::each(&engine.pool, sessions, |session| session.map(Session::keep), |_| {});
}
