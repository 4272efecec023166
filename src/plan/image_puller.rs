//! The rule for image pullers: each declared one is a subject of a role binding of the role `system:image-puller` in the
//! namespace, either of one that something else keeps, or of the one of this program. The list of subjects is atomic, so
//! it is always planned from what was observed, and the subjects of others stay.

use serde::Serialize;

use super::{Action, Change, LeftEntries, PlanRequest, Planned, Prune, Step, marks, names};
use crate::desired::{Adopt, IMAGE_PULLER_ROLE, ImagePullerState, ObjectContent, Ownership, Subject};
use crate::facts::{BindingFact, ObjectKind, ObjectName, Observed};
use crate::failure::Failure;

/// The name of the role binding of this program, in each namespace with declared image pullers.
const BINDING: &str = "oregano-image-pullers";

/// The role binding of the image pullers of one namespace.
#[derive(Debug)]
pub struct WantedBinding<'a> {
    /// Its name and namespace.
    pub name: ObjectName,
    /// `oregano_owner`.
    pub owner: Option<&'a str>,
    /// Whether the cluster has the role. If that is not known, it is taken to have it.
    pub role: PullerRole,
    /// The declared image pullers of the namespace, in the order of their declarations.
    pub pullers: Vec<WantedPuller>,
}

/// A declared image puller.
#[derive(Debug)]
pub struct WantedPuller {
    /// Who it is in a role binding.
    pub subject: Subject,
    /// Whether it may pull the images.
    pub state: ImagePullerState,
    /// The names of other role bindings in the namespace that give it the role.
    pub elsewhere: Vec<String>,
}

/// Whether the cluster has the role of image pullers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullerRole {
    /// It has it, or that is not known.
    Usable,
    /// It does not.
    Missing,
}

/// A subject of a role binding. Serialized as
/// `{"kind": "subject-added", "subject": "system:serviceaccount:project-a:default"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SubjectChange {
    /// It is added.
    SubjectAdded {
        /// Its name for the authorizer.
        subject: String,
    },
    /// It is removed.
    SubjectRemoved {
        /// Its name for the authorizer.
        subject: String,
    },
}

/// The role binding of this program in a namespace.
pub(super) fn binding_name(namespace: &str) -> ObjectName {
    ObjectName::new(ObjectKind::RoleBinding, namespace, BINDING)
}

/// The cluster role that the role bindings give.
pub(super) fn role_name() -> ObjectName {
    ObjectName::new(ObjectKind::ClusterRole, "", IMAGE_PULLER_ROLE)
}

/// The planned change of the role binding of a namespace.
pub(super) fn image_puller(
    wanted: &WantedBinding<'_>,
    fact: Observed<&BindingFact>,
    request: &PlanRequest,
) -> Planned<ObjectContent> {
    let name = &wanted.name;
    let found = match fact {
        Observed::Unknown(failure) => return Planned::failed(name, failure),
        Observed::Absent => None,
        Observed::Present(found) => Some(found),
    };
    if let Some(failure) = found.and_then(|found| unusable(wanted, found)) {
        return Planned::failed(name, failure);
    }
    let old = found.map(|found| found.subjects.as_slice()).unwrap_or_default();
    let Subjects { new, changes, left } = subjects(wanted, old, request.prune);
    if wanted.role == PullerRole::Missing && new.len() > old.len() {
        return Planned::failed(name, missing_role());
    }
    let action = match found {
        Some(_) if new.is_empty() => Action::Delete,
        _ if changes.is_empty() => Action::Unchanged,
        Some(_) => Action::Update,
        None => Action::Create,
    };
    let notes = wanted.pullers.iter().filter_map(elsewhere_note).collect();
    let content = matches!(action, Action::Create | Action::Update).then(|| ObjectContent::ImagePullers {
        subjects: new,
        ownership: Ownership::Declared { owner: wanted.owner.map(str::to_owned), adopt: Adopt::No },
    });
    Planned { step: Step { changes, notes, left, ..Step::object(name, action) }, content }
}

/// The subjects of the role binding.
struct Subjects {
    new: Vec<Subject>,
    changes: Vec<Change>,
    left: LeftEntries,
}

fn subjects(wanted: &WantedBinding<'_>, old: &[Subject], prune: Prune) -> Subjects {
    let (mut new, mut changes, mut left) = (Vec::new(), Vec::new(), LeftEntries::default());
    for subject in old {
        let declared = wanted.pullers.iter().find(|puller| puller.subject == *subject).map(|puller| puller.state);
        let keep = match declared {
            Some(ImagePullerState::Present) => true,
            Some(ImagePullerState::Absent) => false,
            None => prune == Prune::Keep,
        };
        let name = subject.to_string();
        if !keep {
            changes.push(Change::Subject(SubjectChange::SubjectRemoved { subject: name }));
            continue;
        }
        if declared.is_none() {
            left.undeclared.push(name);
        }
        new.push(subject.clone());
    }
    let present = wanted.pullers.iter().filter(|puller| puller.state == ImagePullerState::Present);
    for puller in present.filter(|puller| puller.elsewhere.is_empty() && !old.contains(&puller.subject)) {
        changes.push(Change::Subject(SubjectChange::SubjectAdded { subject: puller.subject.to_string() }));
        new.push(puller.subject.clone());
    }
    Subjects { new, changes, left }
}

/// The note about an image puller that must not have the role, and has it by role bindings of others.
fn elsewhere_note(puller: &WantedPuller) -> Option<String> {
    if puller.state == ImagePullerState::Present || puller.elsewhere.is_empty() {
        return None;
    }
    let (noun, verb) = if puller.elsewhere.len() == 1 { ("role binding", "gives") } else { ("role bindings", "give") };
    Some(format!(
        "`{}` may still pull images: {noun} {}, which something else created, {verb} it the role",
        puller.subject,
        names::quoted(puller.elsewhere.iter().map(String::as_str))
    ))
}

/// Why the role binding cannot be used.
fn unusable(wanted: &WantedBinding<'_>, found: &BindingFact) -> Option<Failure> {
    let ObjectName { namespace, name, .. } = &wanted.name;
    let message = if found.role.is_image_puller() {
        marks::belongs_to_other(&wanted.name, wanted.owner, &found.marks)?
    } else {
        format!(
            "{} is for {} `{}`, not for ClusterRole `{IMAGE_PULLER_ROLE}`, and the role of a role binding cannot be changed",
            wanted.name, found.role.kind, found.role.name
        )
    };
    Some(Failure::new(message).hint(format!(
        "find out who needs it, and give it another name; then `oc delete rolebinding {name} -n {namespace}` and run again"
    )))
}

fn missing_role() -> Failure {
    Failure::new(format!("the cluster has no ClusterRole `{IMAGE_PULLER_ROLE}`, so no account can have it"))
        .hint("only OpenShift has this role: check that the kubeconfig is for the right cluster, or remove `oregano_image_pullers`")
}
