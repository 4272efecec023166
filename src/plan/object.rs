//! The objects that declarations concern, and which file of this folder has the rule for each kind.

use super::global_pull_secret::{WantedGlobal, global_pull_secret};
use super::image_puller::{WantedBinding, image_puller};
use super::pull_secret::{WantedSecret, pull_secret};
use super::service_account::{WantedAccount, service_account};
use super::undeclared::{UndeclaredObject, undeclared};
use super::{PlanRequest, Planned};
use crate::desired::{ImagePullerState, ObjectContent, PullSecretState};
use crate::facts::{Deletion, NamespacePhase, ObjectFact, ObjectName, Observed};
use crate::failure::Failure;

/// An object, and what is declared about it.
#[derive(Debug)]
pub enum Wanted<'a> {
    /// A pull secret.
    PullSecret(WantedSecret<'a>),
    /// A service account.
    ServiceAccount(WantedAccount<'a>),
    /// The global pull secret of OpenShift 4.
    GlobalPullSecret(WantedGlobal<'a>),
    /// The role binding of the image pullers of a namespace.
    ImagePullers(WantedBinding<'a>),
    /// An object that is no longer declared.
    Undeclared(UndeclaredObject<'a>),
}

impl Wanted<'_> {
    /// The object.
    pub fn name(&self) -> &ObjectName {
        match self {
            Self::PullSecret(wanted) => &wanted.name,
            Self::ServiceAccount(wanted) => &wanted.name,
            Self::GlobalPullSecret(wanted) => &wanted.name,
            Self::ImagePullers(wanted) => &wanted.name,
            Self::Undeclared(wanted) => &wanted.name,
        }
    }

    /// Whether the object, with its declared content, must exist after the run.
    fn must_exist(&self) -> bool {
        match self {
            Self::PullSecret(wanted) => {
                wanted.phase == NamespacePhase::Active
                    && matches!(wanted.declared.state, PullSecretState::Present { .. })
            }
            Self::ServiceAccount(wanted) => !wanted.links.is_empty(),
            Self::GlobalPullSecret(_) => true,
            Self::ImagePullers(wanted) => wanted.pullers.iter().any(|puller| puller.state == ImagePullerState::Present),
            Self::Undeclared(_) => false,
        }
    }

    /// The stage in which it is changed.
    pub(super) fn stage(&self) -> ObjectStage {
        match self {
            Self::PullSecret(wanted) => match wanted.declared.state {
                PullSecretState::Present { .. } | PullSecretState::IfPresent { .. } => ObjectStage::SecretsAndBindings,
                PullSecretState::Absent => ObjectStage::Removals,
            },
            Self::ImagePullers(_) => ObjectStage::SecretsAndBindings,
            Self::ServiceAccount(_) => ObjectStage::ServiceAccounts,
            Self::Undeclared(_) => ObjectStage::Removals,
            Self::GlobalPullSecret(_) => ObjectStage::GlobalPullSecret,
        }
    }
}

/// The stages of the objects, in their order: what others refer to is created before them, and is removed after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ObjectStage {
    /// Secrets that are created or updated, and role bindings.
    SecretsAndBindings,
    /// Service accounts, which refer to secrets.
    ServiceAccounts,
    /// Secrets that are removed.
    Removals,
    /// It changes every node, so everything else must have succeeded before.
    GlobalPullSecret,
}

/// The planned change of an object; `None` if there is nothing to report, because it matters only if it exists. An
/// object without a fact is a failure: if it were treated as absent, an existing one could be overwritten.
pub fn object(
    wanted: &Wanted<'_>,
    fact: Option<&Observed<ObjectFact>>,
    request: &PlanRequest,
) -> Option<Planned<ObjectContent>> {
    let Some(fact) = fact else {
        let failure = Failure::internal("the object was not observed");
        return Some(Planned::failed(wanted.name(), failure));
    };
    let marks = fact.present().and_then(ObjectFact::marks);
    if wanted.must_exist() && marks.is_some_and(|marks| marks.deletion == Deletion::Requested) {
        return Some(Planned::failed(wanted.name(), being_deleted(wanted.name())));
    }
    let mut planned = match wanted {
        Wanted::PullSecret(wanted) => pull_secret(wanted, fact.secret(), request)?,
        Wanted::ServiceAccount(wanted) => service_account(wanted, fact.account())?,
        Wanted::GlobalPullSecret(wanted) => global_pull_secret(wanted, fact.secret(), request),
        Wanted::ImagePullers(wanted) => image_puller(wanted, fact.binding(), request),
        Wanted::Undeclared(wanted) => undeclared(wanted, fact, request),
    };
    if planned.step.action.is_change() {
        let keeper = marks.and_then(|marks| marks.keeper.as_ref());
        planned.step.notes.extend(keeper.map(|keeper| {
            let noun = wanted.name().kind.noun();
            format!("{keeper} manages this {noun}, and may undo the change: change it there, too")
        }));
    }
    Some(planned)
}

/// The API server would accept a change of such an object, and remove it afterwards.
fn being_deleted(name: &ObjectName) -> Failure {
    Failure::new(format!("{name} is being deleted")).hint(
        "wait until it is gone, and run again; if it stays, look for `finalizers` in its metadata, and for a namespace \
         that is being deleted",
    )
}
