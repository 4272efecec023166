//! `login` and `logout`: they read their arguments, and show the events of the engine.

use oregano::failure::Failure;
use oregano::report::ExitStatus;
use oregano::ui;

use super::{machine, show_events, signals};
use crate::cli::{self, Console, Global, LoginArguments, LogoutArguments, Refusal};

/// `login`.
pub fn log_in(global: &Global, arguments: LoginArguments) -> ExitStatus {
    let cancel = signals::cancel_on_signal();
    let console = Console {
        input: &|| cli::input::standard(&cancel),
        line: &|prompt| cli::input::line(prompt, &cancel),
        secret: &|prompt| cli::input::secret(prompt, &cancel),
    };
    let request = match arguments.request(machine::environment(), |name| std::env::var_os(name), &console) {
        Ok(request) => Ok(request),
        Err(Refusal::Usage(error)) => {
            let _ = error.print();
            return ExitStatus::Usage;
        }
        // Unlike a usage error, this failure is an event, so it also appears in the JSON output.
        Err(Refusal::Problem(problem)) => Err(vec![Failure::from(&problem)]),
    };
    show_events(ui::Output { style: global.style(), retry_file: None }, &cancel, move |cancel, journal| {
        oregano::log_in(&request?, cancel, journal)
    })
}

/// `logout`.
pub fn log_out(global: &Global, arguments: LogoutArguments) -> ExitStatus {
    let cancel = signals::cancel_on_signal();
    let request = match arguments.request(machine::environment(), |name| std::env::var_os(name)) {
        Ok(request) => request,
        Err(error) => {
            let _ = error.print();
            return ExitStatus::Usage;
        }
    };
    show_events(ui::Output { style: global.style(), retry_file: None }, &cancel, move |cancel, journal| {
        oregano::log_out(&request, cancel, journal);
        Ok(())
    })
}
