//! The arguments of `restore`: those of `apply` that have a meaning for one object of the cluster.

use clap::Args;
use oregano::desired::Backup;
use oregano::desired::expiry::WARN_DAYS;
use oregano::event;
use oregano::ui::Format;

use super::run::{Access, Check, Confirmation, RunArguments, UpdateOptions};
use super::{Global, usage_error};

/// The arguments of `restore`.
#[derive(Debug, Args)]
pub struct RestoreArguments {
    /// The name of a backup; without it, all backups are listed, the newest first
    #[arg(value_name = "BACKUP")]
    pub backup: Option<String>,
    /// Warn about credentials that expire within this many days, according to their content
    #[arg(long, value_name = "N", default_value_t = WARN_DAYS)]
    warn_days: u16,
    #[command(flatten)]
    update: UpdateOptions,
    #[command(flatten)]
    check: Check,
    #[command(flatten)]
    confirmation: Confirmation,
    #[command(flatten)]
    access: Access,
}

impl RestoreArguments {
    /// Checks for options that have no effect on a list.
    ///
    /// # Errors
    /// A usage error that names the option.
    pub(super) fn check(&self, global: &Global) -> Result<(), clap::Error> {
        if self.backup.is_some() {
            return Ok(());
        }
        let message = if global.style().format == Format::Json {
            "the list of backups is printed only as text, one name on each line".to_owned()
        } else if let Some(option) = self.check.option().or_else(|| self.update.option()) {
            format!("{option} has no effect without the name of a backup: `oregano restore` lists the backups")
        } else {
            return Ok(());
        };
        Err(usage_error("restore", &message))
    }

    /// The run that puts this backup back, or shows what it would change.
    pub fn run(self, backup: Backup) -> (event::Command, RunArguments) {
        let Self { backup: _, warn_days, update, check, confirmation, access } = self;
        let command = if check.is_given() { event::Command::Plan } else { event::Command::Apply };
        (command, RunArguments::restore(backup, warn_days, update, (check, confirmation, access)))
    }
}
