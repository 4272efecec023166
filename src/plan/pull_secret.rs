//! The rule for a pull secret: merge the entries into it, create it if it does not exist, or remove it. The type of a
//! secret cannot be changed, and the API server rejects every change of an immutable secret (Kubernetes documentation,
//! "Secrets"). A secret that something else created is changed only with permission.

use std::borrow::Cow;

use super::{Action, Change, LeftEntries, PlanRequest, Planned, Recreate, Step, WantedEntries};
use super::{entries, marks};
use crate::desired::{Adopt, ObjectContent, Ownership, PullSecret, PullSecretFormat, PullSecretState};
use crate::dockerconfig::{self, Credential, ParseError, Reader};
use crate::facts::{LAST_APPLIED_ANNOTATION, LastApplied, Marks, NamespacePhase, ObjectName, Observed, SecretFact};
use crate::failure::Failure;

/// The hint for a secret that the API server does not change.
const RECREATE: &str = "find out what uses it; `--recreate` deletes it and creates it again with its other entries, labels and \
                        annotations";

/// A pull secret in one namespace.
#[derive(Debug)]
pub struct WantedSecret<'a> {
    /// Its name and namespace.
    pub name: ObjectName,
    /// Its declaration.
    pub declared: &'a PullSecret,
    /// The registries whose entries `--prune` removes, unless the declaration has an entry for one.
    pub retired: &'a [String],
    /// Whether objects can be created in the namespace.
    pub phase: NamespacePhase,
}

/// The planned change of a pull secret; `None` if there is nothing to report, because the secret matters only if it
/// exists.
pub(super) fn pull_secret(
    wanted: &WantedSecret<'_>,
    fact: Observed<&SecretFact>,
    request: &PlanRequest,
) -> Option<Planned<ObjectContent>> {
    let name = &wanted.name;
    // Only a selector finds such a namespace. What is in it goes away by itself, and the server refuses new objects there,
    // so its secrets are not even observed with success.
    if wanted.phase == NamespacePhase::Terminating {
        let note = format!("namespace `{}` is being deleted, so nothing is changed in it", name.namespace);
        let step = Step { notes: vec![note], ..Step::object(name, Action::Unchanged) };
        return Some(Planned::without_content(step));
    }
    let planned = match (&wanted.declared.state, fact) {
        (PullSecretState::IfPresent { .. }, Observed::Absent | Observed::Unknown(_)) => return None,
        (_, Observed::Unknown(failure)) => Planned::failed(name, failure),
        (PullSecretState::IfPresent { credentials }, Observed::Present(secret)) => {
            present(wanted, secret, credentials, PullSecretFormat::DockerConfigJson, request)
        }
        (PullSecretState::Present { credentials, format }, Observed::Present(secret)) => {
            present(wanted, secret, credentials, *format, request)
        }
        // A new secret is planned only if the API server reported that there is none. After any other failure it may
        // exist.
        (PullSecretState::Present { credentials, format }, Observed::Absent) => {
            merged(wanted, None, credentials, *format, request)
        }
        (PullSecretState::Absent, Observed::Absent) => Planned::without_content(Step::object(name, Action::Unchanged)),
        (PullSecretState::Absent, Observed::Present(secret)) => {
            let action = belongs_to_other(wanted, secret).map_or(Action::Delete, Action::Fail);
            Planned::without_content(Step::object(name, action))
        }
    };
    Some(planned)
}

fn present(
    wanted: &WantedSecret<'_>,
    found: &SecretFact,
    credentials: &[Credential],
    format: PullSecretFormat,
    request: &PlanRequest,
) -> Planned<ObjectContent> {
    let name = &wanted.name;
    if let Some(failure) = belongs_to_other(wanted, found) {
        return Planned::failed(name, failure);
    }
    let converted = match converted(name, found, format) {
        Ok(converted) => converted,
        Err(failure) => return Planned::failed(name, failure),
    };
    let mut planned = merged(wanted, Some(&converted), credentials, format, request);
    if planned.step.action == Action::Recreate {
        let reason = if found.type_ == format.type_name() { "it is immutable" } else { "its type changes" };
        planned.step.notes.push(format!(
            "it is deleted and created again, because {reason}: nodes with `KubeletEnsureSecretPulledImages` must then \
             authenticate again for the images that they have"
        ));
    }
    if wanted.declared.ownership == Ownership::Shared {
        planned.step.notes.extend(last_applied_note(name, &found.marks));
    }
    planned
}

/// The secret with its content in this format. Its type stays the one that was observed.
///
/// # Errors
/// If it is not a pull secret, or its content cannot be converted without a loss.
fn converted<'a>(
    name: &ObjectName,
    found: &'a SecretFact,
    format: PullSecretFormat,
) -> Result<Cow<'a, SecretFact>, Failure> {
    let old = match PullSecretFormat::of_type(&found.type_) {
        Some(old) if old == format => return Ok(Cow::Borrowed(found)),
        Some(old) => old,
        None => return Err(wrong_type(name, found, format)),
    };
    let content = found.content.as_ref().map(|content| dockerconfig::convert(content.expose(), reader(format)));
    match content.transpose() {
        Ok(Some(None)) => {
            let cause = format!("`{}` has members other than `auths`, which would be lost", old.data_key());
            let hint = format!("declare the secret with its type `{}`, or remove these members", old.type_name());
            Err(wrong_type(name, found, format).cause(cause).hint(hint))
        }
        Ok(content) => Ok(Cow::Owned(SecretFact { content: content.flatten(), ..found.clone() })),
        Err(error) => Err(unmergeable(name, old, &error)),
    }
}

/// The secret with its entries and marks. An existing one has its content in `format`, also if it has another type.
fn merged(
    wanted: &WantedSecret<'_>,
    found: Option<&SecretFact>,
    credentials: &[Credential],
    format: PullSecretFormat,
    request: &PlanRequest,
) -> Planned<ObjectContent> {
    let name = &wanted.name;
    let old = found.and_then(|secret| secret.content.as_ref());
    let retired = entries::without_declared(wanted.retired, credentials);
    let entries = WantedEntries { credentials, retired: &retired };
    let merged = match entries::planned(old, entries, reader(format), request) {
        Ok(merged) => merged,
        Err(error) => return Planned::failed(name, unmergeable(name, format, &error)),
    };
    let marks = marks::changes(&wanted.declared.ownership, found.map(|secret| &secret.marks));
    let has_other_type = found.is_some_and(|found| found.type_ != format.type_name());
    let changed = merged.content.is_some() || found.is_some() && !marks.is_empty() || has_other_type;
    let action = match found {
        // Without entries there is nothing to create either.
        _ if !changed => Action::Unchanged,
        None => Action::Create,
        // An immutable secret that is already up to date is no failure, so this is checked only if there is a change.
        Some(found) if found.immutable || has_other_type => match request.recreate {
            Recreate::Permit => Action::Recreate,
            Recreate::Refuse if has_other_type => {
                return Planned::failed(name, wrong_type(name, found, format).hint(RECREATE));
            }
            Recreate::Refuse => return Planned::failed(name, immutable(name).hint(RECREATE)),
        },
        Some(_) => Action::Update,
    };
    let changes = merged.changes.into_iter().chain(marks.into_iter().map(Change::Metadata));
    let changes = if changed { changes.collect() } else { Vec::new() };
    // If only the marks or the type change, the content is written as it is.
    let ownership = wanted.declared.ownership.clone();
    let content = merged.content.or_else(|| old.cloned()).filter(|_| changed);
    let content = content.map(|content| ObjectContent::PullSecret { format, content, ownership });
    let diff = merged.diff.filter(|_| changed);
    // A secret may have only some of the declared registries, so its other entries are not reported.
    let left = LeftEntries { undeclared: Vec::new(), ..merged.left };
    Planned { step: Step { changes, diff, left, ..Step::object(name, action) }, content }
}

/// The programs that read a secret of this format.
fn reader(format: PullSecretFormat) -> Reader {
    match format {
        PullSecretFormat::DockerConfigJson => Reader::PullSecret,
        PullSecretFormat::Dockercfg => Reader::LegacyPullSecret,
    }
}

/// The note about an annotation of a shared secret that repeats its credentials.
pub(super) fn last_applied_note(secret: &ObjectName, marks: &Marks) -> Option<String> {
    let ObjectName { namespace, name, .. } = secret;
    (marks.last_applied == LastApplied::Present).then(|| {
        format!(
            "its annotation `{LAST_APPLIED_ANNOTATION}` repeats the credentials, and keeps the old ones after an update: \
             remove it with `oc annotate secret {name} -n {namespace} {LAST_APPLIED_ANNOTATION}-`"
        )
    })
}

/// Why the secret may not be changed: something else created it, or another inventory declares it. `None` if it may.
fn belongs_to_other(wanted: &WantedSecret<'_>, found: &SecretFact) -> Option<Failure> {
    let Ownership::Declared { owner, adopt: Adopt::No } = &wanted.declared.ownership else { return None };
    let message = marks::belongs_to_other(&wanted.name, owner.as_deref(), &found.marks)?;
    let hint = match wanted.declared.state {
        PullSecretState::Absent => "find out what uses it; to remove it anyway, set `adopt: true` in its declaration",
        _ => "choose another name, or set `adopt: true` in its declaration to take it over; its other entries are kept",
    };
    Some(Failure::new(message).hint(hint))
}

pub(super) fn unmergeable(secret: &ObjectName, format: PullSecretFormat, error: &ParseError) -> Failure {
    let ObjectName { namespace, name, .. } = secret;
    Failure::new(format!("{secret} cannot be merged and stays unchanged"))
        .cause(format!("`{}`: {error}", format.data_key()))
        .hint(format!(
            "look at it with `oc get secret {name} -n {namespace} -o yaml`; fix or delete it, then run again"
        ))
}

pub(super) fn wrong_type(secret: &ObjectName, found: &SecretFact, format: PullSecretFormat) -> Failure {
    let ObjectName { namespace, name, .. } = secret;
    let message = format!(
        "{secret} has the type `{}`, not `{}`, and the type of a secret cannot be changed",
        found.type_,
        format.type_name()
    );
    Failure::new(message)
        .hint(format!("find out what uses it; then `oc delete secret {name} -n {namespace}` and run again"))
}

pub(super) fn immutable(secret: &ObjectName) -> Failure {
    Failure::new(format!("{secret} is immutable"))
}
