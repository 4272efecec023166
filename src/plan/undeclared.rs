//! The rule for an object that an inventory has created and no longer declares: it has the marks of the inventory, and is in
//! a namespace of one of its declarations.

use super::{Action, PlanRequest, Planned, Prune, Step};
use crate::desired::ObjectContent;
use crate::facts::{Managed, ObjectFact, ObjectKind, ObjectName, Observed};

/// The kinds of objects that have the marks of an inventory.
pub const MANAGED_KINDS: [ObjectKind; 2] = [ObjectKind::Secret, ObjectKind::RoleBinding];

/// An object that is no longer declared.
#[derive(Debug)]
pub struct UndeclaredObject<'a> {
    /// Its name and namespace.
    pub name: ObjectName,
    /// `oregano_owner`.
    pub owner: &'a str,
}

/// The planned removal of an object that is no longer declared.
pub(super) fn undeclared(
    wanted: &UndeclaredObject<'_>,
    fact: &Observed<ObjectFact>,
    request: &PlanRequest,
) -> Planned<ObjectContent> {
    let name = &wanted.name;
    let found = match fact {
        Observed::Unknown(failure) => return Planned::failed(name, failure.clone()),
        Observed::Absent => return Planned::unchanged(name),
        Observed::Present(found) => found,
    };
    // Something else may have taken it over since it was listed.
    if !belongs_to(found, wanted.owner) {
        return Planned::unchanged(name);
    }
    let (action, notes) = match request.prune {
        Prune::Keep => {
            let note = "it is no longer declared, and stays: `apply --prune` deletes it".to_owned();
            (Action::Unchanged, vec![note])
        }
        Prune::Remove => (Action::Delete, Vec::new()),
    };
    Planned::without_content(Step { notes, ..Step::object(name, action) })
}

/// Whether an object has the marks of the inventory with this owner.
pub(super) fn belongs_to(found: &ObjectFact, owner: &str) -> bool {
    let marks = found.marks();
    marks.is_some_and(|marks| marks.managed == Managed::Yes && marks.owner.as_deref() == Some(owner))
}
