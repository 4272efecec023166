//! The rule for a pull secret: merge the entries into it, or create it if it does not exist. The type of a secret
//! cannot be changed, and the API server rejects every change of an immutable secret (Kubernetes documentation,
//! "Secrets").

use super::{Action, Change, ObjectKind, ObjectTarget, Planned, Step, Target};
use crate::desired::PullSecret;
use crate::dockerconfig::{self, ParseError, Reader};
use crate::facts::{Observed, PULL_SECRET_TYPE, PullSecretFact, SecretFact, StaleSecret};
use crate::failure::Failure;

/// The planned change of a pull secret.
pub fn pull_secret(wanted: &PullSecret, fact: &PullSecretFact) -> Planned {
    let mut planned = match &fact.secret {
        Observed::Unknown(failure) => failed(wanted, failure.clone()),
        // A new secret is planned only if the API server reported that there is none. After any other failure it may
        // exist.
        Observed::Absent => merged(wanted, None),
        Observed::Present(secret) if secret.type_ != PULL_SECRET_TYPE => failed(wanted, wrong_type(wanted, secret)),
        Observed::Present(secret) => merged(wanted, Some(secret)),
    };
    // The notes are added after every result, because a stale secret also matters if the pull secret is unchanged.
    planned.step.notes.extend(fact.stale.iter().map(|stale| stale_note(wanted, stale)));
    planned
}

fn merged(wanted: &PullSecret, found: Option<&SecretFact>) -> Planned {
    let old = found.and_then(|secret| secret.content.as_ref()).map(|bytes| bytes.expose());
    let merged = match dockerconfig::merge(old, &wanted.credentials, Reader::PullSecret) {
        Ok(merged) => merged,
        Err(error) => return failed(wanted, unmergeable(wanted, &error)),
    };
    let action = match (found, &merged.content) {
        // Without entries there is nothing to create either.
        (_, None) => Action::Unchanged,
        (None, Some(_)) => Action::Create,
        // An immutable secret that is already up to date is no failure, so this is checked only if there is a change.
        (Some(found), Some(_)) if found.immutable => return failed(wanted, immutable(wanted)),
        (Some(_), Some(_)) => Action::Update,
    };
    let changes = merged.changes.into_iter().map(Change::Key).collect();
    Planned { step: Step { changes, ..Step::new(target(wanted), action) }, content: merged.content }
}

fn failed(wanted: &PullSecret, failure: Failure) -> Planned {
    Planned::without_content(Step::new(target(wanted), Action::Fail(failure)))
}

fn target(wanted: &PullSecret) -> Target {
    Target::Object(ObjectTarget {
        kind: ObjectKind::Secret,
        namespace: wanted.namespace.clone(),
        name: wanted.name.clone(),
    })
}

fn stale_note(wanted: &PullSecret, stale: &StaleSecret) -> String {
    format!(
        "secret `{}` was created by openshift-ansible for `{}` and is not updated: image streams may continue to use its \
         old password; delete it once `{}` is in place",
        stale.name, stale.host, wanted.name
    )
}

fn unmergeable(wanted: &PullSecret, error: &ParseError) -> Failure {
    let PullSecret { namespace, name, .. } = wanted;
    Failure::new(format!("secret `{namespace}/{name}` cannot be merged and stays unchanged"))
        .cause(format!("`.dockerconfigjson`: {error}"))
        .hint(format!(
            "look at it with `oc get secret {name} -n {namespace} -o yaml`; fix or delete it, then run again"
        ))
}

fn wrong_type(PullSecret { namespace, name, .. }: &PullSecret, found: &SecretFact) -> Failure {
    let message = format!(
        "secret `{namespace}/{name}` has the type `{}`, not `{PULL_SECRET_TYPE}`, and the type of a secret cannot be changed",
        found.type_
    );
    Failure::new(message)
        .hint(format!("find out what uses it; then `oc delete secret {name} -n {namespace}` and run again"))
}

fn immutable(PullSecret { namespace, name, .. }: &PullSecret) -> Failure {
    Failure::new(format!("secret `{namespace}/{name}` is immutable")).hint(format!(
        "run `oc delete secret {name} -n {namespace}`, then run again: it is created with the new content"
    ))
}
