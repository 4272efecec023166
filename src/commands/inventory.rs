//! `inventory`: shows the inventory, or reports its problems. It contacts nothing.

use oregano::desired::{self, Request};
use oregano::engine::schedule::{Cancel, Stop};
use oregano::inventory::{self, Problem, Severity, Variables, graph, list};
use oregano::report::ExitStatus;
use oregano::{doctor, ui};

use super::{finish, machine, signals, supervise};
use crate::cli::ansible_cfg::{Defaults, RunDefaults};
use crate::cli::{self, Global, InventoryTask};

/// `inventory` with one of its tasks.
pub fn inventory(global: Global, task: InventoryTask) -> ExitStatus {
    let cancel = signals::cancel_on_signal();
    let (shared, style) = (cancel.clone(), global.style());
    let ended = supervise(&cancel, move || Ok(show(&global, task, &shared)));
    // A signal that arrives while the result is printed leaves it incomplete.
    finish(ended, &cancel, style, |status| if cancel.level() == Stop::No { status } else { ExitStatus::Interrupted })
}

fn show(global: &Global, task: InventoryTask, cancel: &Cancel) -> ExitStatus {
    let style = global.style();
    // The schema is printed before the inventory is read, because an editor requests it without an inventory.
    if let InventoryTask::Schema = task {
        ui::document(doctor::SCHEMA);
        return ExitStatus::Done;
    }
    let (defaults, read) = match machine::defaults() {
        Ok(defaults) => {
            let read = load(global, &defaults, cancel);
            (defaults, read)
        }
        Err(problems) => (Defaults::default(), Err(problems)),
    };
    if cancel.level() > Stop::No {
        return ExitStatus::Interrupted;
    }
    if let InventoryTask::Check = task {
        return check(global, &read, defaults.run);
    }
    let variables = match read {
        Ok(variables) => variables,
        Err(problems) => {
            ui::problems(&problems, style);
            return ExitStatus::Error;
        }
    };
    let inventory = variables.inventory();
    let passwords = desired::command_line_passwords(inventory);
    ui::warnings(&passwords.iter().map(ToString::to_string).collect::<Vec<_>>(), style);
    let shown = match task {
        InventoryTask::List(format) => {
            ui::list(inventory, format);
            Ok(())
        }
        InventoryTask::Host(name, format) => {
            list::one_host(inventory, &name).map(|host| ui::host(inventory, host, format))
        }
        InventoryTask::Graph(group, detail) => graph::graph(&variables, &group, detail).map(|text| ui::graph(&text)),
        InventoryTask::Check | InventoryTask::Schema => Ok(()),
    };
    // The process ends here. Freeing the memory of 100,000 hosts piece by piece would take a fifth of the run time.
    std::mem::forget(variables);
    if let Err(problem) = shown {
        ui::problems(&[problem], style);
        return ExitStatus::Error;
    }
    ExitStatus::Done
}

/// Loads the inventory, for commands that contact nothing.
fn load(global: &Global, defaults: &Defaults, cancel: &Cancel) -> Result<Variables, Vec<Problem>> {
    ui::warnings(&defaults.warnings, global.style());
    let sources =
        global.sources(defaults, machine::environment().home.as_deref(), |prompt| cli::input::secret(prompt, cancel));
    inventory::load(&sources.map_err(|problem| vec![problem])?)
}

fn check(global: &Global, read: &Result<Variables, Vec<Problem>>, defaults: RunDefaults) -> ExitStatus {
    let request = Request {
        user: defaults.user.unwrap_or_else(machine::local_user),
        home: machine::environment().home,
        escalation: defaults.escalation,
        connection: defaults.connection,
        ..Request::default()
    };
    let findings = doctor::examine(read, &request);
    ui::findings(&findings, global.style());
    let has_errors = findings.iter().any(|finding| finding.severity == Severity::Error);
    if has_errors { ExitStatus::Error } else { ExitStatus::Done }
}
