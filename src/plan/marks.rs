//! The marks of objects that belong to an inventory: which ones an object lacks, and whether it belongs to something else.

use super::MetadataChange;
use crate::desired::Ownership;
use crate::facts::{LAST_APPLIED_ANNOTATION, LastApplied, MANAGED_LABEL, Managed, Marks, OWNER_ANNOTATION, ObjectName};

/// The marks that are missing, or that must be removed.
pub(super) fn changes(ownership: &Ownership, found: Option<&Marks>) -> Vec<MetadataChange> {
    let Ownership::Declared { owner, .. } = ownership else { return Vec::new() };
    let absent = Marks::default();
    let found = found.unwrap_or(&absent);
    let label = (found.managed == Managed::No).then_some(MetadataChange::LabelSet { name: MANAGED_LABEL });
    let annotation = match (owner, &found.owner) {
        (wanted, found) if wanted == found => None,
        (Some(_), _) => Some(MetadataChange::AnnotationSet { name: OWNER_ANNOTATION }),
        (None, _) => Some(MetadataChange::AnnotationRemoved { name: OWNER_ANNOTATION }),
    };
    let last_applied = (found.last_applied == LastApplied::Present)
        .then_some(MetadataChange::AnnotationRemoved { name: LAST_APPLIED_ANNOTATION });
    label.into_iter().chain(annotation).chain(last_applied).collect()
}

/// Why an object does not belong to the inventory with this owner: something else created it, or another inventory
/// declares it. `None` if it does.
pub(super) fn belongs_to_other(name: &ObjectName, owner: Option<&str>, found: &Marks) -> Option<String> {
    match (found.managed, found.owner.as_deref()) {
        (Managed::No, _) => Some(format!("{name} exists already, and was not created from an inventory")),
        (Managed::Yes, other) if other == owner => None,
        (Managed::Yes, Some(other)) => {
            Some(format!("{name} belongs to another inventory: its annotation `{OWNER_ANNOTATION}` is `{other}`"))
        }
        (Managed::Yes, None) => Some(format!("{name} belongs to an inventory without `oregano_owner`")),
    }
}
