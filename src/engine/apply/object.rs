//! Writes the objects of the cluster, each with the observed state as precondition. After a conflict the same pure
//! function plans the new state, and that step is carried out and reported.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};

use crate::cluster::{self, Cluster, DeleteResult, ExpectedSecret, SecretWrite, WriteResult};
use crate::desired::{Desired, PullSecretFormat, PullSecretState};
use crate::engine::Engine;
use crate::engine::schedule::{CLUSTER_REQUESTS, Stop};
use crate::engine::trace;
use crate::event::{Event, StepRow};
use crate::facts::{ClusterFact, ObjectName, Observed, SecretFact};
use crate::failure::Failure;
use crate::plan::{self, Action, Gate, ObjectTarget, PlanRequest, Planned, Step, Target, WantedSecret};
use crate::report::Journal;

/// The maximum number of writes of one secret while another client keeps changing it.
const WRITE_ATTEMPTS: u32 = 10;
/// The pause after the first conflict; each further conflict adds the same time.
const CONFLICT_PAUSE: Duration = Duration::from_millis(20);

/// Writes the objects of a stage, several at the same time; the events are recorded in the order of the steps. After
/// the first failure no other write is started, and the gate is closed for everything after the stage.
pub(super) fn stage(
    engine: &Engine,
    gate: Gate,
    steps: &[Step],
    desired: &Desired,
    facts: &ClusterFact,
    journal: &Journal,
) -> Gate {
    let expansion = plan::expand(&desired.objects, &facts.selections);
    let wanted: HashMap<&ObjectName, &WantedSecret<'_>> =
        expansion.secrets.iter().map(|wanted| (&wanted.name, wanted)).collect();
    let closed = AtomicBool::new(gate == Gate::Closed);
    let rows = stream::iter(steps).map(async |step| {
        if closed.load(Ordering::Relaxed) || engine.cancel.level() > Stop::No {
            return StepRow::not_done(step);
        }
        let begin = Instant::now();
        let row = carry_out(engine, step, &wanted, facts).await;
        if let Target::Object(ObjectTarget { namespace, name, .. }) = &step.target {
            trace::task(&format!("{namespace}/{name}"), "http: the object was processed", begin, journal);
        }
        // The other requests of this moment end, but no further one is started.
        closed.fetch_or(row.failure.is_some(), Ordering::Relaxed);
        row
    });
    engine.runtime.block_on(async {
        let mut rows = std::pin::pin!(rows.buffered(CLUSTER_REQUESTS));
        while let Some(row) = rows.next().await {
            journal.record(Event::Step(row));
        }
    });
    if closed.into_inner() { Gate::Closed } else { Gate::Open }
}

/// Carries out the step of one object. A second signal interrupts it.
async fn carry_out(
    engine: &Engine,
    step: &Step,
    wanted: &HashMap<&ObjectName, &WantedSecret<'_>>,
    facts: &ClusterFact,
) -> StepRow {
    let name = match &step.target {
        Target::Object(object) => ObjectName::new(&object.namespace, &object.name),
        Target::File(_) => return StepRow::failed(step, Failure::internal("a file is not an object of the cluster")),
    };
    let (Some(connection), Some(wanted), Some(fact)) = (&engine.cluster, wanted.get(&name), facts.secrets.get(&name))
    else {
        return StepRow::failed(step, Failure::internal("the object was not observed"));
    };
    let cluster = match connection.cluster().await {
        Ok(cluster) => cluster,
        Err(failure) => return StepRow::failed(step, failure),
    };
    tokio::select! {
        row = write(cluster, wanted, fact, &engine.plan) => row,
        () = engine.cancel.reached(Stop::Now) => {
            let failure = Failure::new("interrupted while the secret was being written");
            StepRow::failed(step, failure.hint("run `plan` to see its current content"))
        }
    }
}

/// Plans the secret and carries out the step; repeats both after each conflict. Returns the row of the last step.
async fn write(
    cluster: &Cluster,
    wanted: &WantedSecret<'_>,
    fact: &Observed<SecretFact>,
    request: &PlanRequest,
) -> StepRow {
    let now = |secret: Option<SecretFact>| secret.map_or(Observed::Absent, Observed::Present);
    let mut fact = Cow::Borrowed(fact);
    // A step that the server may have carried out without confirming it.
    let mut unconfirmed: Option<Step> = None;
    for attempt in 0..WRITE_ATTEMPTS {
        tokio::time::sleep(CONFLICT_PAUSE * attempt).await;
        let Planned { step, content } = planned(wanted, &fact, request);
        let result = match (&step.action, &content, fact.present()) {
            (Action::Delete, _, Some(found)) => match cluster.delete_secret(&wanted.name, &found.version).await {
                Ok(DeleteResult::Deleted) => return StepRow::done(&step),
                Ok(DeleteResult::Conflict(secret)) => Ok(WriteResult::Conflict(secret)),
                Err(failure) => Err(failure),
            },
            (_, Some(content), found) => {
                let write = SecretWrite {
                    expected: ExpectedSecret::of(found),
                    format: format(wanted),
                    content,
                    ownership: &wanted.declared.ownership,
                };
                cluster.write_secret(&wanted.name, &write).await
            }
            // Another client changed the secret after our unconfirmed write and kept our entries: the write counts.
            (Action::Unchanged, None, _) => return StepRow::done(unconfirmed.as_ref().unwrap_or(&step)),
            // The secret cannot be written; the step says why.
            (_, None, _) => return StepRow::done(&step),
        };
        match result {
            Ok(WriteResult::Written) => return StepRow::done(&step),
            Ok(WriteResult::Overwritten(secret)) => return overwritten(wanted, &step, &now(secret), request),
            Ok(WriteResult::Conflict(secret)) => fact = Cow::Owned(now(secret)),
            Ok(WriteResult::Unconfirmed(secret)) => {
                fact = Cow::Owned(now(secret));
                unconfirmed = Some(step);
            }
            Err(failure) => return StepRow::failed(&step, after(unconfirmed.as_ref(), &wanted.name, failure)),
        }
    }
    let ObjectName { namespace, name } = &wanted.name;
    let message = format!(
        "secret `{name}` in namespace `{namespace}` was changed by another client during each of {WRITE_ATTEMPTS} attempts"
    );
    let hint =
        format!("find out what keeps writing it: `oc get secret {name} -n {namespace} -o yaml` lists the managers");
    let failure = after(unconfirmed.as_ref(), &wanted.name, Failure::new(message).hint(hint));
    StepRow::failed(&planned(wanted, &fact, request).step, failure)
}

/// The planned change of a secret for which the plan has a step.
fn planned(wanted: &WantedSecret<'_>, fact: &Observed<SecretFact>, request: &PlanRequest) -> Planned {
    // A secret that matters only if it exists was deleted after it was observed, so there is nothing left to do.
    plan::pull_secret(wanted, Some(fact), request).unwrap_or_else(|| Planned::unchanged(&wanted.name))
}

/// The format of a secret that is written.
fn format(wanted: &WantedSecret<'_>) -> PullSecretFormat {
    match wanted.declared.state {
        PullSecretState::Present { format, .. } => format,
        PullSecretState::IfPresent { .. } | PullSecretState::Absent => PullSecretFormat::DockerConfigJson,
    }
}

/// The failure of an attempt after one that the server did not confirm.
fn after(unconfirmed: Option<&Step>, name: &ObjectName, failure: Failure) -> Failure {
    if unconfirmed.is_some() { cluster::unconfirmed(name, failure) } else { failure }
}

/// Handles a secret that another program changed after it was written: if that program kept our entries, the write
/// succeeded.
fn overwritten(wanted: &WantedSecret<'_>, step: &Step, fact: &Observed<SecretFact>, request: &PlanRequest) -> StepRow {
    match planned(wanted, fact, request).step.action {
        Action::Unchanged => StepRow::done(step),
        _ => StepRow::failed(step, cluster::overwritten(&wanted.name)),
    }
}

#[cfg(test)]
mod tests;
