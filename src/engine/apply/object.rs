//! Writes the objects of the cluster, each with the observed state as its precondition. After a conflict the same pure
//! function plans the new state, and that step is carried out and reported. At the end of a stage everything that was
//! written is read back.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};

use crate::cluster::{self, Cluster, DryRun, EarlierRequest, ObjectWrite, WriteResult};
use crate::desired::{ObjectContent, Waits};
use crate::engine::Engine;
use crate::engine::observe;
use crate::engine::schedule::{CLUSTER_REQUESTS, Stop};
use crate::engine::trace;
use crate::event::{Event, Outcome, Phase, Progress, StepRow};
use crate::facts::{ClusterFact, ObjectFact, ObjectName, Observed};
use crate::failure::Failure;
use crate::plan::{self, Action, Gate, Plan, PlanRequest, Planned, Stage, Step, Target, Wanted};
use crate::report::Journal;

use super::backup::Backup;

/// The maximum number of writes of one object while another client keeps changing it.
const WRITE_ATTEMPTS: u32 = 10;
/// The pause after the first conflict; each further conflict adds the same time.
const CONFLICT_PAUSE: Duration = Duration::from_millis(20);
/// The pause between two looks for a service account that does not exist yet.
const ACCOUNT_PAUSE: Duration = Duration::from_millis(500);

/// The objects that the API server would not accept, and why.
pub type Refusals = HashMap<ObjectName, Failure>;

/// The objects of a run, with what was declared and observed about each.
pub(super) struct ObjectWork<'a> {
    engine: &'a Engine,
    wanted: HashMap<&'a ObjectName, &'a Wanted<'a>>,
    facts: &'a ClusterFact,
    /// How long to wait for a service account.
    account_wait: Duration,
}

/// A step that was carried out.
struct CarriedOut {
    row: StepRow,
    /// The object, if it was written or deleted, and must be read back.
    confirmed: Option<ObjectName>,
}

impl From<StepRow> for CarriedOut {
    fn from(row: StepRow) -> Self {
        Self { row, confirmed: None }
    }
}

impl<'a> ObjectWork<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        wanted: &'a [Wanted<'a>],
        facts: &'a ClusterFact,
        account_wait: Duration,
    ) -> Self {
        let wanted = wanted.iter().map(|wanted| (wanted.name(), wanted)).collect();
        Self { engine, wanted, facts, account_wait }
    }

    /// Checks that the API server would accept every write of the plan, before the first one is carried out, and that what
    /// is overwritten can be saved. Returns the refusals, and the number of writes that could not be checked.
    pub(super) fn check(&self, plan: &Plan) -> (Refusals, usize) {
        let steps = plan.stages.iter().flat_map(|stage| match stage {
            Stage::Objects(steps) => steps.as_slice(),
            Stage::AwaitPools(_) | Stage::Imports(_) | Stage::Batch(_) => &[],
        });
        let checks = stream::iter(steps).map(async |step| self.check_step(step).await);
        let checked = self.engine.runtime.block_on(checks.buffer_unordered(CLUSTER_REQUESTS).collect::<Vec<_>>());
        let (mut refusals, mut unknown) = (Refusals::new(), 0);
        for (name, result) in checked.into_iter().flatten() {
            match result {
                Ok(DryRun::Accepted) => {}
                Ok(DryRun::NotSupported) => unknown += 1,
                Err(failure) => drop(refusals.insert(name, failure)),
            }
        }
        (refusals, unknown)
    }

    /// Whether a step can be carried out; `None` if it has no write, or if the run is interrupted.
    async fn check_step(&self, step: &Step) -> Option<(ObjectName, Result<DryRun, Failure>)> {
        let Target::Object(name) = &step.target else { return None };
        let (wanted, fact) = (self.wanted.get(name)?, self.facts.objects.get(name)?);
        let planned = planned(wanted, fact, &self.engine.plan);
        let write = object_write(&planned, fact.present())?;
        if let Err(failure) = Backup::new(self.engine, wanted).check(fact.present()) {
            return Some((name.clone(), Err(failure)));
        }
        let cluster = self.engine.cluster.as_ref()?.cluster().await.ok()?;
        tokio::select! {
            result = cluster.check_write(name, write) => Some((name.clone(), result)),
            () = self.engine.cancel.reached(Stop::Gently) => None,
        }
    }

    /// Writes the objects of a stage, several at the same time; the events are recorded in the order of the steps. After
    /// the first failure no other write is started, and the gate is closed for everything after the stage.
    pub(super) fn stage(&self, gate: Gate, steps: &[Step], refusals: &Refusals, journal: &Journal) -> Gate {
        let closed = AtomicBool::new(gate == Gate::Closed);
        let writes = steps.iter().filter(|step| step.action.is_change()).count();
        let rows = stream::iter(steps).map(async |step| {
            let Target::Object(name) = &step.target else { return StepRow::not_done(step).into() };
            if let Some(failure) = refusals.get(name) {
                return StepRow::failed(step, failure.clone()).into();
            }
            if closed.load(Ordering::Relaxed) || self.engine.cancel.level() > Stop::No || !step.action.is_change() {
                return StepRow::not_done(step).into();
            }
            let (begin, subject) = (Instant::now(), format!("{}/{}", name.namespace, name.name));
            journal.record(Progress::begun(Phase::Objects, writes, &subject));
            let mut done = self.carry_out(step, name).await;
            // The step was planned again without them.
            let missing = step.related_notes.iter().filter(|note| !done.row.notes.contains(note));
            let missing: Vec<String> = missing.cloned().collect();
            done.row.notes.extend(missing);
            trace::task(&subject, "http: the object was written", begin, journal);
            journal.record(Progress::ended(Phase::Objects, writes, &subject));
            // The other requests of this moment end, but no further one is started.
            closed.fetch_or(done.row.failure.is_some(), Ordering::Relaxed);
            done
        });
        let rows = self.engine.runtime.block_on(async {
            let mut rows: Vec<CarriedOut> = rows.buffered(CLUSTER_REQUESTS).collect().await;
            self.read_back(&mut rows).await;
            rows
        });
        let failed = rows.iter().any(|done| done.row.failure.is_some());
        rows.into_iter().for_each(|done| journal.record(Event::Step(done.row)));
        if failed || closed.into_inner() { Gate::Closed } else { Gate::Open }
    }

    /// Carries out the step of one object. A second signal interrupts it.
    async fn carry_out(&self, step: &Step, name: &ObjectName) -> CarriedOut {
        let engine = self.engine;
        let known = (&engine.cluster, self.wanted.get(name), self.facts.objects.get(name));
        let (Some(connection), Some(wanted), Some(fact)) = known else {
            return StepRow::failed(step, Failure::internal("the object was not observed")).into();
        };
        let cluster = match connection.cluster().await {
            Ok(cluster) => cluster,
            Err(failure) => return StepRow::failed(step, failure).into(),
        };
        let awaited;
        let fact = match (wanted, fact) {
            (Wanted::ServiceAccount(_), Observed::Absent) => match self.await_account(cluster, name).await {
                Ok(fact) => {
                    awaited = fact;
                    &awaited
                }
                Err(failure) => return StepRow::failed(step, failure).into(),
            },
            _ => fact,
        };
        let backup = Backup::new(engine, wanted);
        tokio::select! {
            done = write(cluster, wanted, fact, &engine.plan, &backup) => done,
            () = engine.cancel.reached(Stop::Now) => {
                let failure = Failure::new(format!("interrupted while {name} was being written"));
                let hint = match step.action {
                    Action::Recreate => {
                        format!("if it does not exist now, its content is in {}", cluster::copy_of(name))
                    }
                    _ => "run `plan` to see its current content".to_owned(),
                };
                StepRow::failed(step, failure.hint(hint)).into()
            }
        }
    }

    /// Waits for a service account that a controller creates.
    async fn await_account(&self, cluster: &Cluster, name: &ObjectName) -> Result<Observed<ObjectFact>, Failure> {
        let limit = self.account_wait;
        let mut last = None;
        let observe = async {
            loop {
                match cluster.observe(name).await {
                    Ok(found @ Observed::Present(_)) => return found,
                    Ok(Observed::Absent | Observed::Unknown(_)) => last = None,
                    // The API server may be restarting.
                    Err(failure) => last = Some(failure),
                }
                tokio::time::sleep(ACCOUNT_PAUSE).await;
            }
        };
        tokio::select! {
            found = tokio::time::timeout(limit, observe) => found.map_err(|_| {
                if let Some(failure) = last {
                    return failure;
                }
                let hint = "create it, remove it from `service_accounts`, or wait longer with `oregano_wait`";
                Failure::new(format!("{name} does not exist after {}", Waits::text(limit))).hint(hint)
            }),
            () = self.engine.cancel.reached(Stop::Gently) => {
                Err(Failure::new(format!("interrupted while waiting for {name}")).hint("run again when it exists"))
            }
        }
    }

    /// Observes everything that was written or deleted. A success does not mean that it stays so: an operator or an admission
    /// webhook may have changed the content, and a finalizer may keep a deleted object.
    async fn read_back(&self, rows: &mut [CarriedOut]) {
        let names = rows.iter().filter_map(|done| done.confirmed.clone()).collect();
        let now = observe::objects(self.engine, names, Stop::Now).await;
        for CarriedOut { row, confirmed } in rows {
            let Some(name) = confirmed else { continue };
            let (Some(wanted), Some(fact)) = (self.wanted.get(name), now.get(name)) else { continue };
            if let Some(failure) = not_kept(wanted, row.outcome, fact, &self.engine.plan) {
                row.fail(failure);
            }
        }
    }
}

/// Why an object that was written or deleted is not as it must be; `None` if it is, also if something else in it has
/// changed.
fn not_kept(
    wanted: &Wanted<'_>,
    outcome: Outcome,
    fact: &Observed<ObjectFact>,
    request: &PlanRequest,
) -> Option<Failure> {
    let (name, done) = (wanted.name(), if outcome == Outcome::Deleted { "deleted" } else { "written" });
    if let Observed::Unknown(failure) = fact {
        return Some(cluster::not_read_back(name, done, failure.clone()));
    }
    match planned(wanted, fact, request).step.action {
        Action::Unchanged => None,
        Action::Delete => Some(cluster::still_there(name)),
        _ => Some(cluster::overwritten(name)),
    }
}

/// Plans the object and carries out the step; repeats both after each conflict. Returns the row of the last step.
async fn write(
    cluster: &Cluster,
    wanted: &Wanted<'_>,
    fact: &Observed<ObjectFact>,
    request: &PlanRequest,
    backup: &Backup,
) -> CarriedOut {
    let name = wanted.name();
    let mut fact = Cow::Borrowed(fact);
    // A step that the server may have carried out without confirming it.
    let mut unconfirmed: Option<Step> = None;
    let mut saved = None;
    for attempt in 0..WRITE_ATTEMPTS {
        tokio::time::sleep(CONFLICT_PAUSE * attempt).await;
        let mut planned = planned(wanted, &fact, request);
        // After an unconfirmed write, the content may be that of this run, and must not replace the one that was saved.
        if planned.content.is_some() && unconfirmed.is_none() {
            match backup.save(fact.present()) {
                Ok(note) => saved = note,
                Err(failure) => return StepRow::failed(&planned.step, failure).into(),
            }
        }
        planned.step.notes.extend(saved.clone());
        let Some(write) = object_write(&planned, fact.present()) else {
            // Either the object cannot be written, and the step says why, or another client has brought it up to date.
            // If an unconfirmed write of this run was kept, that one is reported.
            let step = unconfirmed.filter(|_| planned.step.action == Action::Unchanged).unwrap_or(planned.step);
            return StepRow::done(&step).into();
        };
        match cluster.write(name, write).await {
            Ok(WriteResult::Written) => {
                return CarriedOut { row: StepRow::done(&planned.step), confirmed: Some(name.clone()) };
            }
            Ok(WriteResult::Conflict { now, earlier }) => {
                fact = Cow::Owned(now);
                if earlier == EarlierRequest::Unconfirmed {
                    unconfirmed = Some(planned.step);
                }
            }
            Err(failure) => return StepRow::failed(&planned.step, after(unconfirmed.as_ref(), name, failure)).into(),
        }
    }
    let message = format!("{name} was changed by another client during each of {WRITE_ATTEMPTS} attempts");
    let ObjectName { kind, namespace, name: own } = name;
    let hint = format!(
        "find out what keeps writing it: `oc get {} {own} -n {namespace} -o yaml --show-managed-fields` lists the managers",
        kind.noun().replace(' ', "")
    );
    let failure = after(unconfirmed.as_ref(), name, Failure::new(message).hint(hint));
    StepRow::failed(&planned(wanted, &fact, request).step, failure).into()
}

/// The write that carries out a step; `None` if nothing is written.
fn object_write<'a>(planned: &'a Planned<ObjectContent>, found: Option<&'a ObjectFact>) -> Option<ObjectWrite<'a>> {
    let revision = found.map(ObjectFact::revision);
    match (&planned.step.action, &planned.content, revision) {
        (Action::Delete, _, Some(revision)) => Some(ObjectWrite::Delete(revision)),
        (Action::Recreate, Some(content), Some(revision)) => Some(ObjectWrite::Recreate(content, revision)),
        (_, Some(content), Some(revision)) => Some(ObjectWrite::Update(content, revision)),
        (_, Some(content), None) => Some(ObjectWrite::Create(content)),
        (_, None, _) => None,
    }
}

/// The planned change of an object for which the plan has a step.
fn planned(wanted: &Wanted<'_>, fact: &Observed<ObjectFact>, request: &PlanRequest) -> Planned<ObjectContent> {
    // An object that matters only if it exists was deleted after it was observed, so there is nothing left to do.
    plan::object(wanted, Some(fact), request).unwrap_or_else(|| Planned::unchanged(wanted.name()))
}

/// The failure of an attempt after one that the server did not confirm.
fn after(unconfirmed: Option<&Step>, name: &ObjectName, failure: Failure) -> Failure {
    if unconfirmed.is_some() { cluster::possibly_written(name, failure) } else { failure }
}

#[cfg(test)]
mod tests;
