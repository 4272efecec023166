//! Writes the objects of the cluster, each with the observed state as precondition. After a conflict the same pure
//! function plans the new state, and that step is carried out and reported.

use std::borrow::Cow;
use std::time::Duration;

use crate::cluster::{self, Cluster, ExpectedSecret, SecretWrite, WriteResult};
use crate::desired::PullSecret;
use crate::engine::Engine;
use crate::engine::schedule::Stop;
use crate::event::StepRow;
use crate::facts::{Observed, PullSecretFact, SecretFact};
use crate::failure::Failure;
use crate::plan::{self, Action, Planned, Step};

/// The maximum number of writes of one secret while another client keeps changing it.
const WRITE_ATTEMPTS: u32 = 10;
/// The pause after the first conflict; each further conflict adds the same time.
const CONFLICT_PAUSE: Duration = Duration::from_millis(20);

/// Writes a pull secret that was observed as `fact`. A second signal interrupts it.
pub(super) fn write_pull_secret(
    engine: &Engine,
    cluster: &Cluster,
    wanted: &PullSecret,
    fact: &PullSecretFact,
) -> StepRow {
    engine.runtime.block_on(async {
        tokio::select! {
            row = write(cluster, wanted, fact) => row,
            () = engine.cancel.reached(Stop::Now) => {
                let failure = Failure::new("interrupted while the secret was being written");
                let step = plan::pull_secret(wanted, fact).step;
                StepRow::failed(&step, failure.hint("run `plan` to see its current content"))
            }
        }
    })
}

/// Plans the secret and carries out the step; repeats both after each conflict. Returns the row of the last step.
async fn write(cluster: &Cluster, wanted: &PullSecret, fact: &PullSecretFact) -> StepRow {
    let PullSecret { namespace, name, .. } = wanted;
    let now = |secret: Option<SecretFact>| {
        let secret = secret.map_or(Observed::Absent, Observed::Present);
        PullSecretFact { secret, stale: fact.stale.clone() }
    };
    let mut fact = Cow::Borrowed(fact);
    // A step that the server may have carried out without confirming it.
    let mut unconfirmed: Option<Step> = None;
    for attempt in 0..WRITE_ATTEMPTS {
        tokio::time::sleep(CONFLICT_PAUSE * attempt).await;
        let Planned { step, content } = plan::pull_secret(wanted, &fact);
        let Some(content) = content else {
            return match (&step.action, &unconfirmed) {
                // Another client changed the secret after our unconfirmed write and kept our entries: the write counts.
                (Action::Unchanged, Some(unconfirmed)) => StepRow::done(unconfirmed),
                // The secret is up to date, or it cannot be written; the step says which.
                _ => StepRow::done(&step),
            };
        };
        let write = SecretWrite { expected: ExpectedSecret::of(fact.secret.present()), content: &content };
        match cluster.write_secret(namespace, name, &write).await {
            Ok(WriteResult::Written) => return StepRow::done(&step),
            Ok(WriteResult::Overwritten(secret)) => return overwritten(wanted, &step, &now(secret)),
            Ok(WriteResult::Conflict(secret)) => fact = Cow::Owned(now(secret)),
            Ok(WriteResult::Unconfirmed(secret)) => {
                fact = Cow::Owned(now(secret));
                unconfirmed = Some(step);
            }
            Err(failure) => return StepRow::failed(&step, after(unconfirmed.as_ref(), wanted, failure)),
        }
    }
    let message = format!(
        "secret `{name}` in namespace `{namespace}` was changed by another client during each of {WRITE_ATTEMPTS} attempts"
    );
    let hint =
        format!("find out what keeps writing it: `oc get secret {name} -n {namespace} -o yaml` lists the managers");
    let failure = after(unconfirmed.as_ref(), wanted, Failure::new(message).hint(hint));
    StepRow::failed(&plan::pull_secret(wanted, &fact).step, failure)
}

/// The failure of an attempt after one that the server did not confirm.
fn after(unconfirmed: Option<&Step>, wanted: &PullSecret, failure: Failure) -> Failure {
    if unconfirmed.is_some() { cluster::unconfirmed(&wanted.namespace, &wanted.name, failure) } else { failure }
}

/// Handles a secret that another program changed after it was written: if that program kept our entries, the write
/// succeeded.
fn overwritten(wanted: &PullSecret, step: &Step, fact: &PullSecretFact) -> StepRow {
    match plan::pull_secret(wanted, fact).step.action {
        Action::Unchanged => StepRow::done(step),
        _ => StepRow::failed(step, cluster::overwritten(&wanted.namespace, &wanted.name)),
    }
}

#[cfg(test)]
mod tests;
