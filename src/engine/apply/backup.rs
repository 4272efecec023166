//! The backup of the global pull secret before it is overwritten. Other objects have none: their credentials are in the
//! inventory, and the rest of them stays as it is.

use jiff::Timestamp;

use crate::authfile::BackupFile;
use crate::desired::BackupName;
use crate::engine::Engine;
use crate::facts::ObjectFact;
use crate::failure::Failure;
use crate::plan::Wanted;
use crate::secret::SecretBytes;

/// What happens before an object is overwritten.
pub(super) enum Backup {
    /// Nothing.
    None,
    /// Its content is saved. A run has one backup of it, also if it writes the object again after a conflict.
    File(BackupFile),
    /// Its content must be saved, and there is no place for it.
    Impossible,
}

impl Backup {
    pub(super) fn new(engine: &Engine, wanted: &Wanted<'_>) -> Self {
        let Wanted::GlobalPullSecret(wanted) = wanted else { return Self::None };
        match (&wanted.cluster, &engine.backups) {
            (Ok(cluster), Some(backups)) => {
                // Two runs of one second must not share a name.
                let time = Timestamp::now().strftime("%Y%m%dT%H%M%S%.6fZ").to_string();
                Self::File(backups.new_file(BackupName::new(&time, cluster), wanted.declared.backup().cloned()))
            }
            // The plan writes nothing in a cluster that is not known.
            (Err(_), _) => Self::None,
            (Ok(_), None) => Self::Impossible,
        }
    }

    /// Checks that the content of an object can be saved, before anything is written.
    ///
    /// # Errors
    /// If it cannot.
    pub(super) fn check(&self, found: Option<&ObjectFact>) -> Result<(), Failure> {
        match (self, content(found)) {
            (Self::None, _) | (_, None) => Ok(()),
            (Self::File(file), Some(_)) => file.check(),
            (Self::Impossible, Some(_)) => Err(impossible()),
        }
    }

    /// Saves the content of an object that is overwritten next. Returns a note about it.
    ///
    /// # Errors
    /// If it cannot be saved, and the object must not be overwritten.
    pub(super) fn save(&self, found: Option<&ObjectFact>) -> Result<Option<String>, Failure> {
        match (self, content(found)) {
            (Self::None, _) | (_, None) => Ok(None),
            (Self::File(file), Some(content)) => {
                let path = file.save(content)?;
                Ok(Some(format!("its old content is saved in `{}`", path.display())))
            }
            (Self::Impossible, Some(_)) => Err(impossible()),
        }
    }
}

fn content(found: Option<&ObjectFact>) -> Option<&SecretBytes> {
    match found {
        Some(ObjectFact::Secret(secret)) => secret.content.as_ref(),
        _ => None,
    }
}

fn impossible() -> Failure {
    Failure::new("the old content of the global pull secret cannot be saved")
        .cause("the user has no home folder")
        .hint("set HOME or XDG_STATE_HOME")
}
