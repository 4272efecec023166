//! The new content of an object of the cluster, as the plan computes it and the cluster edge writes it. It may contain
//! secrets, so it is never a part of a plan.

use super::cluster::{Ownership, PullSecretFormat};
use super::image_puller::Subject;
use crate::secret::SecretBytes;

/// What an object must contain. Everything else in it stays.
#[derive(Debug, Clone)]
pub enum ObjectContent {
    /// A pull secret.
    PullSecret {
        /// The type of a new secret, and where its content is.
        format: PullSecretFormat,
        /// The complete new content.
        content: SecretBytes,
        /// The marks that the secret gets.
        ownership: Ownership,
    },
    /// The lists of a service account.
    ServiceAccount(AccountLinks),
    /// The role binding of the image pullers of a namespace.
    ImagePullers {
        /// All of its subjects.
        subjects: Vec<Subject>,
        /// The marks that a new role binding gets.
        ownership: Ownership,
    },
}

/// New lists of a service account; `None` for a list that stays as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountLinks {
    /// The names in `imagePullSecrets`.
    pub image_pull_secrets: Option<Vec<String>>,
    /// The complete entries of `secrets` (`ObjectReference` of the core API).
    pub secrets: Option<Vec<serde_json::Value>>,
}
