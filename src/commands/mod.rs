//! What each command does with its arguments: it starts the work, shows the result, and returns the exit status. A
//! command contains no rules of the tool. Those that are alike share a file.

pub mod documents;
pub mod explain;
pub mod inventory;
pub mod login;
mod machine;
pub mod run;
mod signals;

use std::sync::Arc;

use oregano::engine::schedule::{self, Cancel, Stop, Supervised};
use oregano::failure::Failure;
use oregano::report::{ExitStatus, Journal};
use oregano::ui::{self, Output, Style};

use crate::cli;

/// Does `work` while its events are printed. The last event is the recap, whatever happens, so that a reader of the JSON
/// output always gets it.
fn show_events(
    output: Output,
    cancel: &Cancel,
    work: impl FnOnce(&Cancel, &Journal) -> Result<(), Vec<Failure>> + Send + 'static,
) -> ExitStatus {
    let (events, printer) = ui::start(output);
    let journal = Arc::new(Journal::new(events));
    let shared = (cancel.clone(), Arc::clone(&journal));
    let ended = supervise(cancel, move || work(&shared.0, &shared.1));
    let status = oregano::conclude(ended, cancel, &journal);
    // The printer ends with the recap. If it panicked, a part of the output is missing.
    let printed = printer.join();
    if printed.is_ok() { complete(status) } else { ExitStatus::Error }
}

/// Ends a command without events: shows its result, or why there is none.
fn finish<T>(
    ended: Supervised<Result<T, Vec<Failure>>>,
    cancel: &Cancel,
    style: Style,
    show: impl FnOnce(T) -> ExitStatus,
) -> ExitStatus {
    let status = match ended {
        Supervised::Done(Ok(result)) => show(result),
        // The signal has also ended scripts and prompts, so the failures only describe the interruption.
        Supervised::Done(Err(_)) if cancel.level() > Stop::No => ExitStatus::Interrupted,
        Supervised::Done(Err(failures)) => {
            ui::failures(&failures, style);
            ExitStatus::Error
        }
        Supervised::Interrupted => ExitStatus::Interrupted,
        Supervised::Panicked => {
            ui::failures(&[Failure::panicked()], style);
            ExitStatus::Error
        }
    };
    if status == ExitStatus::Interrupted {
        ui::interrupted(style);
    }
    complete(status)
}

/// Does the work of a command that reads. The first signal ends it, even during a prompt, which has switched off the
/// echo of the terminal.
fn supervise<T: Send + 'static>(cancel: &Cancel, work: impl FnOnce() -> T + Send + 'static) -> Supervised<T> {
    let ended = schedule::supervise(cancel, work);
    cli::input::restore();
    ended
}

/// The exit status of a command that printed its result.
pub fn complete(status: ExitStatus) -> ExitStatus {
    if ui::is_complete() { status } else { ExitStatus::Error }
}
