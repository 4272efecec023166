//! The arguments of `restore`: those of `apply` that have a meaning for one object of the cluster.

use clap::Args;
use oregano::desired::Backup;
use oregano::desired::expiry::WARN_DAYS;
use oregano::event;
use oregano::ui::Format;

use super::run::{Access, Check, Confirmation, RunArguments, UpdateOptions};
use super::{Global, RESTORE, usage_error};

/// The options that have no effect on `restore`: it writes one object of the cluster, and no node.
const NOT_FOR_RESTORE: [&str; 2] = ["limit", "forks"];

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

/// Hides the options that have no effect on `restore`. They are not removed, so that they can be rejected with an
/// explanation.
pub(super) fn hide_from_restore(option: clap::Arg) -> clap::Arg {
    if NOT_FOR_RESTORE.contains(&option.get_id().as_str()) { option.hide(true) } else { option }
}

impl RestoreArguments {
    /// Checks for options that have no effect, on anything or on a list.
    ///
    /// # Errors
    /// A usage error that names the option.
    pub(super) fn check(&self, global: &Global) -> Result<(), clap::Error> {
        let Access { limit, forks, timeout, kubeconfig, context, login } = &self.access;
        let given = |is_given: bool, option| is_given.then_some(option);
        if let Some(option) = given(limit.is_some(), "--limit").or(given(forks.is_some(), "--forks")) {
            let message =
                format!("{option} has no effect: `oregano restore` writes one secret of the cluster, and no node");
            return Err(usage_error(RESTORE, &message));
        }
        if self.backup.is_some() {
            return Ok(());
        }
        let access = given(timeout.is_some(), "--timeout").or(given(kubeconfig.is_some(), "--kubeconfig"));
        let access = access.or(given(context.is_some(), "--context"));
        let message = if global.style().format == Format::Json {
            "the list of backups is printed only as text, one name on each line".to_owned()
        } else if let Some(option) = self.check.option().or_else(|| self.update.option()).or(access) {
            format!("{option} has no effect without the name of a backup: `oregano restore` lists the backups")
        } else if login.is_given() {
            "options for nodes have no effect without the name of a backup: `oregano restore` lists the backups"
                .to_owned()
        } else {
            return Ok(());
        };
        Err(usage_error(RESTORE, &message))
    }

    /// The run that puts this backup back, or shows what it would change.
    pub fn run(self, backup: Backup) -> (event::Command, RunArguments) {
        let Self { backup: _, warn_days, update, check, confirmation, access } = self;
        let command = if check.is_given() { event::Command::Plan } else { event::Command::Apply };
        (command, RunArguments::restore(backup, warn_days, update, (check, confirmation, access)))
    }
}
