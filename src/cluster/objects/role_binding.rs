//! Role bindings: who has which role, and how the subjects of one are stored.

use k8s_openapi::api::rbac::v1::RoleBinding;
use serde_json::{Value, json};

use super::{marks, revision};
use crate::desired::{IMAGE_PULLER_ROLE, Ownership, RBAC_GROUP, Subject};
use crate::facts::{BindingFact, RoleReference};

/// The facts about a role binding.
pub(super) fn fact(binding: RoleBinding) -> BindingFact {
    let subjects = binding.subjects.unwrap_or_default().into_iter().map(|subject| Subject {
        kind: subject.kind,
        api_group: subject.api_group.unwrap_or_default(),
        namespace: subject.namespace.unwrap_or_default(),
        name: subject.name,
    });
    BindingFact {
        revision: revision(&binding.metadata),
        marks: marks::read(&binding.metadata),
        role: RoleReference { kind: binding.role_ref.kind, name: binding.role_ref.name },
        subjects: subjects.collect(),
    }
}

/// A new role binding of the image pullers, without its name.
pub(super) fn new(subjects: &[Subject], ownership: &Ownership) -> Value {
    json!({
        "apiVersion": format!("{RBAC_GROUP}/v1"),
        "kind": "RoleBinding",
        "metadata": marks::new(ownership),
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": IMAGE_PULLER_ROLE},
        "subjects": list(subjects),
    })
}

/// The change of a role binding: its complete list of subjects, which is atomic.
pub(super) fn patch(subjects: &[Subject]) -> Value {
    json!({"subjects": list(subjects)})
}

fn list(subjects: &[Subject]) -> Value {
    subjects.iter().map(subject).collect()
}

/// A subject without empty fields, as `oc` writes it.
fn subject(Subject { kind, api_group, namespace, name }: &Subject) -> Value {
    let mut written = json!({"kind": kind, "name": name});
    for (field, value) in [("apiGroup", api_group), ("namespace", namespace)] {
        if !value.is_empty() {
            written[field] = value.as_str().into();
        }
    }
    written
}
