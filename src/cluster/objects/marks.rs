//! What the metadata of an object says about who keeps it. The list of controllers follows their documentation: a
//! controller that is not in it is recognized by its owner reference, or by the recommended label
//! `app.kubernetes.io/managed-by`.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use crate::desired::Ownership;
use crate::facts::{Deletion, LAST_APPLIED_ANNOTATION, LastApplied, MANAGED_LABEL, Managed, Marks, OWNER_ANNOTATION};

/// Labels or annotations that a program sets on objects it keeps, and the name of the program.
const KEEPERS: [(&str, &str); 9] = [
    ("argocd.argoproj.io/instance", "Argo CD"),
    ("argocd.argoproj.io/tracking-id", "Argo CD"),
    ("kustomize.toolkit.fluxcd.io/name", "Flux"),
    ("helm.toolkit.fluxcd.io/name", "Flux"),
    ("meta.helm.sh/release-name", "Helm"),
    ("reconcile.external-secrets.io/managed", "External Secrets Operator"),
    ("generate.kyverno.io/policy-name", "Kyverno"),
    ("olm.managed", "Operator Lifecycle Manager"),
    ("olm.owner", "Operator Lifecycle Manager"),
];

/// The recommended label for the program that keeps an object (Kubernetes documentation, "Recommended Labels").
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Reads the marks of an object.
pub(super) fn read(metadata: &ObjectMeta) -> Marks {
    let label = |name: &str| value(metadata.labels.as_ref(), name);
    let annotation = |name: &str| value(metadata.annotations.as_ref(), name);
    Marks {
        managed: if label(MANAGED_LABEL) == Some("true") { Managed::Yes } else { Managed::No },
        owner: annotation(OWNER_ANNOTATION).map(str::to_owned),
        keeper: keeper(metadata),
        last_applied: match annotation(LAST_APPLIED_ANNOTATION) {
            Some(_) => LastApplied::Present,
            None => LastApplied::Absent,
        },
        deletion: if metadata.deletion_timestamp.is_some() { Deletion::Requested } else { Deletion::No },
    }
}

/// The metadata of a new object that belongs to an inventory, without its name.
pub(super) fn new(ownership: &Ownership) -> Value {
    match ownership {
        Ownership::Shared => json!({}),
        Ownership::Declared { owner: None, .. } => json!({"labels": {MANAGED_LABEL: "true"}}),
        Ownership::Declared { owner: Some(owner), .. } => {
            json!({"labels": {MANAGED_LABEL: "true"}, "annotations": {OWNER_ANNOTATION: owner}})
        }
    }
}

/// The change of the metadata of an object that belongs to an inventory. The labels and annotations of others stay.
pub(super) fn patch(ownership: &Ownership) -> Value {
    match ownership {
        Ownership::Shared => json!({}),
        // The last applied configuration contains the old credential, and `kubectl apply` would compare the object with
        // it. A missing owner removes the annotation.
        Ownership::Declared { owner, .. } => json!({
            "labels": {MANAGED_LABEL: "true"},
            "annotations": {OWNER_ANNOTATION: owner, LAST_APPLIED_ANNOTATION: null},
        }),
    }
}

fn keeper(metadata: &ObjectMeta) -> Option<String> {
    let owners = metadata.owner_references.iter().flatten();
    let controller = owners.into_iter().find(|owner| owner.controller == Some(true));
    let named = |name: &str| {
        value(metadata.labels.as_ref(), name).or_else(|| value(metadata.annotations.as_ref(), name)).is_some()
    };
    controller
        .map(|owner| format!("{} `{}`", owner.kind, owner.name))
        .or_else(|| KEEPERS.iter().find(|(key, _)| named(key)).map(|(_, program)| (*program).to_owned()))
        .or_else(|| value(metadata.labels.as_ref(), MANAGED_BY).map(|name| format!("`{name}`")))
}

fn value<'a>(map: Option<&'a BTreeMap<String, String>>, name: &str) -> Option<&'a str> {
    map?.get(name).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

    use super::*;

    fn map(pairs: &[(&str, &str)]) -> Option<BTreeMap<String, String>> {
        Some(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn programs_that_keep_an_object_are_named() {
        let owner = |controller: Option<bool>| OwnerReference {
            kind: "ExternalSecret".into(),
            name: "quay".into(),
            controller,
            ..OwnerReference::default()
        };
        let labels = |pairs: &[(&str, &str)]| ObjectMeta { labels: map(pairs), ..ObjectMeta::default() };
        let annotations = |pairs: &[(&str, &str)]| ObjectMeta { annotations: map(pairs), ..ObjectMeta::default() };
        let owned =
            |controller| ObjectMeta { owner_references: Some(vec![owner(controller)]), ..ObjectMeta::default() };
        for (metadata, expected) in [
            (labels(&[]), None),
            (labels(&[("argocd.argoproj.io/instance", "app"), (MANAGED_BY, "Helm")]), Some("Argo CD")),
            (annotations(&[("meta.helm.sh/release-name", "app")]), Some("Helm")),
            (labels(&[(MANAGED_BY, "kustomize")]), Some("`kustomize`")),
            (owned(Some(true)), Some("ExternalSecret `quay`")),
            (owned(None), None),
        ] {
            assert_eq!(read(&metadata).keeper.as_deref(), expected);
        }
    }

    #[test]
    fn marks_are_set_and_removed_by_a_merge_patch() {
        let declared = |owner: Option<&str>| Ownership::Declared {
            owner: owner.map(str::to_owned),
            adopt: crate::desired::Adopt::No,
        };
        let label = json!({MANAGED_LABEL: "true"});
        for (owner, created) in [
            (None, json!({"labels": label})),
            (Some("prod"), json!({"labels": label, "annotations": {OWNER_ANNOTATION: "prod"}})),
        ] {
            assert_eq!(new(&declared(owner)), created);
            let annotations = json!({OWNER_ANNOTATION: owner, LAST_APPLIED_ANNOTATION: null});
            assert_eq!(patch(&declared(owner)), json!({"labels": label, "annotations": annotations}));
        }
        assert_eq!((new(&Ownership::Shared), patch(&Ownership::Shared)), (json!({}), json!({})));
        let metadata = ObjectMeta {
            labels: map(&[("team", "blue"), (MANAGED_LABEL, "true"), (MANAGED_BY, "x")]),
            annotations: map(&[(LAST_APPLIED_ANNOTATION, "{}"), (OWNER_ANNOTATION, "prod")]),
            ..ObjectMeta::default()
        };
        let marks = read(&metadata);
        assert_eq!((marks.managed, marks.owner.as_deref()), (Managed::Yes, Some("prod")));
        assert_eq!((marks.last_applied, marks.keeper.as_deref()), (LastApplied::Present, Some("`x`")));
    }
}
