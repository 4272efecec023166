//! Parse, run, exit status; nothing else.

mod cli;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command, Global, Run};
use oregano::options::Environment;
use oregano::report::{ExitStatus, Journal};
use oregano::schedule::Cancel;
use oregano::{event, inventory, ui};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // --help and --version arrive here, too.
            let _ = error.print();
            return if error.use_stderr() { exit(ExitStatus::Usage) } else { exit(ExitStatus::Done) };
        }
    };
    exit(match cli.command {
        Command::Validate(options) => run(event::Command::Validate, cli.global, options),
        Command::Plan(options) | Command::Apply { check: true, run: options } => {
            run(event::Command::Plan, cli.global, options)
        }
        Command::Apply { check: false, run: options } => run(event::Command::Apply, cli.global, options),
        Command::Inventory { list: _, yaml } => list(&cli.global, yaml),
    })
}

fn run(command: event::Command, global: Global, arguments: Run) -> ExitStatus {
    let (format, detail) = global.format();
    let (events, printer) = ui::start(format, detail);
    let journal = Journal::new(events);
    let ask = |prompt: &str| rpassword::prompt_password(prompt);
    let status = match global.options(command, arguments, environment(), local_user(), ask) {
        Ok(options) => {
            let cancel = Cancel::default();
            listen(&cancel);
            oregano::run(&options, &cancel, journal)
        }
        Err(error) => {
            journal.fail("cannot read a password from the terminal", &error);
            journal.close()
        }
    };
    // The printer ends with the last sender, which the journal took along.
    let _ = printer.join();
    status
}

fn list(global: &Global, yaml: bool) -> ExitStatus {
    let inventory = match inventory::load(&global.inventory, &global.extra_vars) {
        Ok(inventory) => inventory,
        Err(problems) => {
            ui::problems(&problems);
            return ExitStatus::Error;
        }
    };
    let printed = match cli::list_format(yaml) {
        ui::ListFormat::Json => ui::list(&inventory::list::json(&inventory), ui::ListFormat::Json),
        ui::ListFormat::Yaml => ui::list(&inventory::list::yaml(&inventory), ui::ListFormat::Yaml),
    };
    match printed {
        Ok(()) => ExitStatus::Done,
        Err(_) => ExitStatus::Error,
    }
}

/// Ctrl-C and SIGTERM ask the run to stop: the first gently, the second now.
fn listen(cancel: &Cancel) {
    let cancel = cancel.clone();
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let (Ok(mut interrupt), Ok(mut terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            loop {
                tokio::select! {
                    _ = interrupt.recv() => cancel.signal(),
                    _ = terminate.recv() => cancel.signal(),
                }
            }
        });
    });
}

fn environment() -> Environment {
    let var = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    Environment {
        home: var("HOME").map(PathBuf::from),
        kubeconfig: var("KUBECONFIG"),
        ssh_agent: var("SSH_AUTH_SOCK").map(PathBuf::from),
    }
}

fn local_user() -> String {
    std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "root".into())
}

fn exit(status: ExitStatus) -> ExitCode {
    ExitCode::from(status as u8)
}
