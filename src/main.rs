//! The program: parses the command line, runs the command, and exits with its status. It contains no rules of the tool.

mod cli;
mod commands;

use std::process::ExitCode;

use cli::Command;
use commands::{documents, explain, inventory, login, run};
use oregano::report::ExitStatus;
use oregano::{event, process, ui};

fn main() -> ExitCode {
    // The text of a panic may contain a secret, so only its place is printed.
    std::panic::set_hook(Box::new(|panic| ui::panicked(panic.location())));
    let status = std::panic::catch_unwind(command).unwrap_or(ExitStatus::Error);
    // A program that is still running must not outlive the command.
    process::stop();
    ExitCode::from(status as u8)
}

fn command() -> ExitStatus {
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(error) => return show_usage(&error),
    };
    match cli.command {
        Command::Validate(arguments) => run::run(event::Command::Validate, cli.global, arguments),
        Command::Plan(arguments) => run::run(event::Command::Plan, cli.global, arguments),
        // `apply --check` is the spelling that users of Ansible expect for `plan`.
        Command::Apply(arguments) if arguments.check.is_given() => {
            run::run(event::Command::Plan, cli.global, arguments)
        }
        Command::Apply(arguments) => run::run(event::Command::Apply, cli.global, arguments),
        Command::Restore(arguments) => run::restore(cli.global, *arguments),
        Command::Explain(arguments) => explain::explain(cli.global, arguments),
        Command::Login(arguments) => login::log_in(&cli.global, *arguments),
        Command::Logout(arguments) => login::log_out(&cli.global, arguments),
        Command::Inventory(arguments) => inventory::inventory(cli.global, arguments.task()),
        Command::Schema { interface } => documents::schema(interface),
        Command::Completion { shell } => documents::completion(shell),
        Command::Man { directory } => documents::manual(directory.as_deref()),
        Command::Version => documents::version(),
    }
}

/// Prints a usage error, or the text of `--help` or `--version`, which clap reports as errors, too.
fn show_usage(error: &clap::Error) -> ExitStatus {
    let printed = error.print();
    if error.use_stderr() {
        return ExitStatus::Usage;
    }
    ui::record_output(printed);
    commands::complete(ExitStatus::Done)
}
