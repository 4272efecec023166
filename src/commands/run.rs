//! `validate`, `plan`, `apply` and `restore`, and what they do with `--list-hosts` and `--syntax-check`.

use oregano::Inspected;
use oregano::authfile::Backups;
use oregano::engine::schedule::Cancel;
use oregano::event::Command;
use oregano::failure::Failure;
use oregano::options::{Inspection, Options};
use oregano::report::ExitStatus;
use oregano::ui::{self, Output};

use super::{complete, finish, machine, show_events, signals, supervise};
use crate::cli::input::Input;
use crate::cli::{self, Global, RestoreArguments, RunArguments};

/// `validate`, `plan` or `apply`, or an inspection instead of it.
pub fn run(command: Command, global: Global, arguments: RunArguments) -> ExitStatus {
    if let Some(inspection) = arguments.inspection() {
        return inspect(inspection, command, global, arguments.without_passwords());
    }
    machine::raise_open_files();
    let style = global.style();
    let cancel = signals::cancel_on_signal();
    let retry_file = arguments.retry_file.as_deref().map(ui::RetryFile::open).transpose();
    let (retry_file, failure) = match retry_file {
        Ok(retry_file) => (retry_file, None),
        Err(failure) => (None, Some(failure)),
    };
    show_events(Output { style, retry_file }, &cancel, move |cancel, journal| match failure {
        Some(failure) => Err(vec![failure]),
        None => oregano::run(&options(command, global, arguments, cancel)?, cancel, journal),
    })
}

/// `restore`: lists the backups of the global pull secret, or puts one back, which is a run for that secret only.
pub fn restore(global: Global, arguments: RestoreArguments) -> ExitStatus {
    let style = global.style();
    let failed = |failure: Failure| {
        ui::failures(&[failure], style);
        ExitStatus::Error
    };
    let backups = match backups() {
        Ok(backups) => backups,
        Err(failure) => return failed(failure),
    };
    let Some(name) = &arguments.backup else {
        return match backups.names() {
            Ok(names) => {
                ui::backups(&names, backups.folder(), style);
                complete(ExitStatus::Done)
            }
            Err(failure) => failed(failure),
        };
    };
    match backups.find(name) {
        Ok(backup) => {
            let (command, arguments) = arguments.run(backup);
            run(command, global, arguments)
        }
        Err(failure) => failed(failure),
    }
}

/// The folder of backups of the user.
fn backups() -> Result<Backups, Failure> {
    let environment = machine::environment();
    let backups = Backups::of_user(environment.state_home.as_deref(), environment.home.as_deref());
    backups.ok_or_else(|| {
        Failure::new("there is no folder of backups").cause("the user has no home folder").hint("set XDG_STATE_HOME")
    })
}

/// Reads the inventory of a run, and shows the hosts or the problems of it.
fn inspect(inspection: Inspection, command: Command, global: Global, arguments: RunArguments) -> ExitStatus {
    let style = global.style();
    let cancel = signals::cancel_on_signal();
    let shared = cancel.clone();
    let work = move || oregano::inspect(&options(command, global, arguments, &shared)?, inspection);
    finish(supervise(&cancel, work), &cancel, style, |(found, warnings)| {
        ui::warnings(&warnings, style);
        match found {
            Inspected::Hosts(hosts) => ui::hosts(&hosts),
            Inspected::Valid => ui::valid(style),
        }
        ExitStatus::Done
    })
}

/// The options from the command line, the environment and `ansible.cfg`.
fn options(command: Command, global: Global, run: RunArguments, cancel: &Cancel) -> Result<Options, Vec<Failure>> {
    let defaults =
        machine::run_defaults().map_err(|problems| problems.iter().map(Failure::from).collect::<Vec<_>>())?;
    let input = Input {
        prompt: &|text| cli::input::secret(text, cancel),
        file: &|kind, path| cli::input::file(kind, path, cancel),
    };
    let options = global.options(command, run, &defaults, (machine::environment(), machine::local_user()), &input);
    options.map_err(|problem| vec![Failure::from(&problem)])
}
