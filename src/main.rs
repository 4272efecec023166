//! The program: parses the command line, runs the command, and exits with its status. It contains no rules of the tool.

mod cli;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, mpsc};

use cli::ansible_cfg::{Defaults, RunDefaults, UserEnvironment};
use cli::input::Input;
use cli::{
    Command, Console, ExplainArguments, Global, Interface, InventoryTask, LoginArguments, LogoutArguments, Refusal,
    RunArguments,
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{User, geteuid};
use oregano::desired::Request;
use oregano::engine::explain;
use oregano::engine::schedule::{self, Cancel, Stop, Supervised};
use oregano::event;
use oregano::failure::Failure;
use oregano::inventory::{self, Problem, Severity, Variables, graph, list};
use oregano::lookup::{Account, DOCKER_AUTH_CONFIG};
use oregano::options::{Environment, Inspection, Options, Question};
use oregano::report::{ExitStatus, Journal};
use oregano::secret::Secret;
use oregano::ui::{Detail, Format, Output};
use oregano::{Inspected, doctor, process, ui};

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
        Command::Validate(options) => run(event::Command::Validate, cli.global, options),
        Command::Plan(options) => run(event::Command::Plan, cli.global, options),
        // `apply --check` is the spelling that users of Ansible expect for `plan`.
        Command::Apply(options) if options.check.is_given() => run(event::Command::Plan, cli.global, options),
        Command::Apply(options) => run(event::Command::Apply, cli.global, options),
        Command::Explain(options) => explain(cli.global, options),
        Command::Login(arguments) => log_in(&cli.global, *arguments),
        Command::Logout(arguments) => log_out(&cli.global, arguments),
        Command::Inventory(options) => inventory(cli.global, options.task()),
        Command::Schema { interface: Interface::Events } => {
            ui::document(event::SCHEMA);
            complete(ExitStatus::Done)
        }
        Command::Completion { shell } => {
            ui::document(&cli::documents::completion(shell));
            complete(ExitStatus::Done)
        }
        Command::Man { directory } => manual(directory.as_deref()),
        Command::Version => {
            ui::document(&cli::command().render_version());
            complete(ExitStatus::Done)
        }
    }
}

/// Prints the manual page of the program, or writes those of all commands.
fn manual(directory: Option<&Path>) -> ExitStatus {
    let Some(directory) = directory else {
        ui::document(&cli::documents::manual_page(&cli::command()));
        return complete(ExitStatus::Done);
    };
    match cli::documents::write_manual(directory) {
        Ok(()) => ExitStatus::Done,
        Err(problem) => {
            ui::problems(&[problem]);
            ExitStatus::Error
        }
    }
}

/// Prints a usage error, or the text of `--help` or `--version`, which clap reports as errors, too.
fn show_usage(error: &clap::Error) -> ExitStatus {
    let printed = error.print();
    if error.use_stderr() {
        return ExitStatus::Usage;
    }
    ui::record_output(printed);
    complete(ExitStatus::Done)
}

fn run(command: event::Command, global: Global, arguments: RunArguments) -> ExitStatus {
    if let Some(inspection) = arguments.inspection() {
        return inspect(inspection, command, global, arguments.without_passwords());
    }
    raise_open_files();
    let output = global.run_output();
    let cancel = cancel_on_signal();
    let retry_file = arguments.retry_file.as_deref().map(ui::RetryFile::open).transpose();
    let (retry_file, failure) = match retry_file {
        Ok(retry_file) => (retry_file, None),
        Err(failure) => (None, Some(failure)),
    };
    show_events(Output { retry_file, ..output }, &cancel, move |cancel, journal| match failure {
        Some(failure) => Err(vec![failure]),
        None => oregano::run(&options(command, global, arguments, cancel)?, cancel, journal),
    })
}

/// Reads the inventory of a run, and shows the hosts or the problems of it.
fn inspect(inspection: Inspection, command: event::Command, global: Global, arguments: RunArguments) -> ExitStatus {
    let (format, detail) = global.format();
    let cancel = cancel_on_signal();
    let shared = cancel.clone();
    let work = move || oregano::inspect(&options(command, global, arguments, &shared)?, inspection);
    answer(supervise(&cancel, work), &cancel, format, |(found, warnings)| {
        if detail > Detail::Quiet {
            ui::warnings(&warnings);
        }
        match found {
            Inspected::Hosts(hosts) => ui::hosts(&hosts),
            Inspected::Valid if detail > Detail::Quiet => ui::valid(),
            Inspected::Valid => {}
        }
        ExitStatus::Done
    })
}

fn log_in(global: &Global, arguments: LoginArguments) -> ExitStatus {
    let cancel = cancel_on_signal();
    let console = Console {
        input: &|| cli::input::standard(&cancel),
        line: &|prompt| cli::input::line(prompt, &cancel),
        secret: &|prompt| cli::input::secret(prompt, &cancel),
    };
    let request = match arguments.request(environment(), |name| std::env::var_os(name), &console) {
        Ok(request) => Ok(request),
        Err(Refusal::Usage(error)) => {
            let _ = error.print();
            return ExitStatus::Usage;
        }
        // Unlike a usage error, this failure is an event, so it also appears in the JSON output.
        Err(Refusal::Problem(problem)) => Err(vec![Failure::from(&problem)]),
    };
    show_events(global.run_output(), &cancel, move |cancel, journal| oregano::log_in(&request?, cancel, journal))
}

fn log_out(global: &Global, arguments: LogoutArguments) -> ExitStatus {
    let cancel = cancel_on_signal();
    let request = match arguments.request(environment(), |name| std::env::var_os(name)) {
        Ok(request) => request,
        Err(error) => {
            let _ = error.print();
            return ExitStatus::Usage;
        }
    };
    show_events(global.run_output(), &cancel, move |cancel, journal| {
        oregano::log_out(&request, cancel, journal);
        Ok(())
    })
}

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

/// Does the work of a command that reads. The first signal ends it, even during a prompt, which has switched off the
/// echo of the terminal.
fn supervise<T: Send + 'static>(cancel: &Cancel, work: impl FnOnce() -> T + Send + 'static) -> Supervised<T> {
    let ended = schedule::supervise(cancel, work);
    cli::input::restore();
    ended
}

/// The options from the command line, the environment and `ansible.cfg`.
fn options(
    command: event::Command,
    global: Global,
    run: RunArguments,
    cancel: &Cancel,
) -> Result<Options, Vec<Failure>> {
    let defaults = run_defaults().map_err(|problems| problems.iter().map(Failure::from).collect::<Vec<_>>())?;
    let input = Input {
        prompt: &|text| cli::input::secret(text, cancel),
        file: &|kind, path| cli::input::file(kind, path, cancel),
    };
    let options = global.options(command, run, &defaults, (environment(), local_user()), &input);
    options.map_err(|problem| vec![Failure::from(&problem)])
}

fn explain(global: Global, arguments: ExplainArguments) -> ExitStatus {
    if let Err(conflict) = arguments.check(&global) {
        let _ = conflict.print();
        return ExitStatus::Usage;
    }
    raise_open_files();
    let (format, detail) = global.format();
    let cancel = cancel_on_signal();
    let shared = cancel.clone();
    let ended = supervise(&cancel, move || explain::explain(&question(global, arguments, &shared)?, &shared));
    answer(ended, &cancel, format, |explanation| {
        ui::explanation(&explanation, format, detail);
        explain::status(&explanation)
    })
}

/// Ends a command without events: shows its result, or why there is none.
fn answer<T>(
    ended: Supervised<Result<T, Vec<Failure>>>,
    cancel: &Cancel,
    format: Format,
    show: impl FnOnce(T) -> ExitStatus,
) -> ExitStatus {
    let status = match ended {
        Supervised::Done(Ok(result)) => show(result),
        // The signal has also ended scripts and prompts, so the failures only describe the interruption.
        Supervised::Done(Err(_)) if cancel.level() > Stop::No => ExitStatus::Interrupted,
        Supervised::Done(Err(failures)) => {
            ui::failures(&failures, format);
            ExitStatus::Error
        }
        Supervised::Interrupted => ExitStatus::Interrupted,
        Supervised::Panicked => {
            ui::failures(&[Failure::panicked()], format);
            ExitStatus::Error
        }
    };
    if status == ExitStatus::Interrupted {
        ui::interrupted(format);
    }
    complete(status)
}

/// The question for `explain`. The defaults for nodes are not read if it is about this machine.
fn question(global: Global, arguments: ExplainArguments, cancel: &Cancel) -> Result<Question, Vec<Failure>> {
    let failures = |problems: Vec<Problem>| problems.iter().map(Failure::from).collect::<Vec<_>>();
    // An invalid `ansible.cfg` must not prevent a question about this machine, which does not depend on it.
    let defaults = if arguments.reads_nodes(&global) { run_defaults().map_err(failures)? } else { Defaults::default() };
    let input = Input {
        prompt: &|text| cli::input::secret(text, cancel),
        file: &|kind, path| cli::input::file(kind, path, cancel),
    };
    let question = arguments.question(global, &defaults, environment(), (account(), local_user()), &input);
    question.map_err(|problem| failures(vec![problem]))
}

/// The facts about the local account that decide where credential files are.
fn account() -> Account {
    let var = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    let home = environment().home.map_or_else(|| "/".to_owned(), |home| home.display().to_string());
    Account {
        home,
        uid: geteuid().as_raw(),
        runtime_dir: var("XDG_RUNTIME_DIR"),
        config_home: var("XDG_CONFIG_HOME"),
        docker_config: var("DOCKER_CONFIG"),
        docker_auth_config: environment().docker_auth_config,
        auth_file: var("REGISTRY_AUTH_FILE"),
        registries_conf: var("CONTAINERS_REGISTRIES_CONF"),
        cache_home: var("XDG_CACHE_HOME"),
    }
}

/// The defaults from the environment and `ansible.cfg`.
fn defaults() -> Result<Defaults, Vec<Problem>> {
    let home = environment().home;
    let folder = std::env::current_dir()
        .map_err(|error| vec![Problem::new(format!("cannot determine the working directory: {error}"))])?;
    let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    cli::ansible_cfg::defaults(&UserEnvironment { env: &env, home: home.as_deref(), folder: &folder })
}

/// The same for a command that contacts nodes or registries.
fn run_defaults() -> Result<Defaults, Vec<Problem>> {
    let mut defaults = defaults()?;
    let problems = std::mem::take(&mut defaults.run.problems);
    if problems.is_empty() { Ok(defaults) } else { Err(problems) }
}

/// Loads the inventory, for commands that contact nothing.
fn load(global: &Global, defaults: &Defaults, cancel: &Cancel) -> Result<Variables, Vec<Problem>> {
    ui::warnings(&defaults.warnings);
    let sources = global.sources(defaults, environment().home.as_deref(), |prompt| cli::input::secret(prompt, cancel));
    inventory::load(&sources.map_err(|problem| vec![problem])?)
}

fn inventory(global: Global, task: InventoryTask) -> ExitStatus {
    let cancel = cancel_on_signal();
    let (shared, format) = (cancel.clone(), global.format().0);
    match supervise(&cancel, move || show(&global, task, &shared)) {
        Supervised::Done(status) if cancel.level() == Stop::No => status,
        Supervised::Done(_) | Supervised::Interrupted => {
            ui::interrupted(format);
            ExitStatus::Interrupted
        }
        Supervised::Panicked => {
            ui::failures(&[Failure::panicked()], format);
            ExitStatus::Error
        }
    }
}

fn show(global: &Global, task: InventoryTask, cancel: &Cancel) -> ExitStatus {
    // The schema is printed before the inventory is read, because an editor requests it without an inventory.
    if let InventoryTask::Schema = task {
        ui::document(doctor::SCHEMA);
        return complete(ExitStatus::Done);
    }
    let (defaults, read) = match defaults() {
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
            ui::problems(&problems);
            return ExitStatus::Error;
        }
    };
    let inventory = variables.inventory();
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
        ui::problems(&[problem]);
        return ExitStatus::Error;
    }
    complete(ExitStatus::Done)
}

fn check(global: &Global, read: &Result<Variables, Vec<Problem>>, defaults: RunDefaults) -> ExitStatus {
    let request = Request {
        user: defaults.user.unwrap_or_else(local_user),
        home: environment().home,
        escalation: defaults.escalation,
        connection: defaults.connection,
        ..Request::default()
    };
    let findings = doctor::examine(read, &request);
    ui::findings(&findings, global.format().0);
    let has_errors = findings.iter().any(|finding| finding.severity == Severity::Error);
    complete(if has_errors { ExitStatus::Error } else { ExitStatus::Done })
}

/// The exit status of a command that printed its result.
fn complete(status: ExitStatus) -> ExitStatus {
    if ui::is_complete() { status } else { ExitStatus::Error }
}

/// Installs the signal handlers. From then on, each signal cancels the returned value.
fn cancel_on_signal() -> Cancel {
    let cancel = Cancel::default();
    let signaled = cancel.clone();
    on_signal(move || interrupt(&signaled, process::stop));
    cancel
}

/// Handles a signal. The first one lets running steps finish, the second one aborts them. The third one ends the
/// process, because some system calls cannot be aborted, such as reading a file on an unavailable network mount. While
/// the inventory is read, nothing has been contacted, and its programs are ended. A run that has begun may still need a
/// program until the second signal.
fn interrupt(cancel: &Cancel, end_programs: impl FnOnce()) {
    let before = cancel.level();
    // The code that waits for a script must see the signal before the script fails because of it.
    cancel.signal();
    if !cancel.has_begun() || before > Stop::No {
        end_programs();
    }
    if before == Stop::Now {
        leave();
    }
}

/// Calls `handle` at each Ctrl-C, SIGTERM and SIGHUP that arrives after this has returned.
fn on_signal(handle: impl Fn() + Send + 'static) {
    let (ready, listening) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        // This runtime has a separate thread, so that signals are handled even while the engine is blocked in a
        // system call.
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            // SIGHUP is included because the run receives it when the connection of its terminal is lost.
            let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
            let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = kinds.map(signal) else { return };
            drop(ready);
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                }
                handle();
            }
        });
    });
    // This returns once the thread has dropped its sender, whether or not it could install the handlers.
    let _ = listening.recv();
}

#[allow(clippy::exit, reason = "the run did not stop after two signals, or there is no run")]
fn leave() -> ! {
    // The process may end during a prompt, which has switched off the echo of the terminal.
    cli::input::restore();
    std::process::exit(i32::from(ExitStatus::Interrupted as u8))
}

fn environment() -> Environment {
    let var = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    Environment {
        // A system service may have no HOME. ssh uses the home directory of the account, too.
        home: var("HOME").map(PathBuf::from).or_else(|| local_account().map(|account| account.dir)),
        kubeconfig: var("KUBECONFIG"),
        ssh_agent: var("SSH_AUTH_SOCK").map(PathBuf::from),
        docker_auth_config: var(DOCKER_AUTH_CONFIG).and_then(|text| text.into_string().ok()).map(Secret::new),
    }
}

/// The name of the local user, which is also the default login user of ssh.
fn local_user() -> String {
    local_account().map_or_else(|| "root".to_owned(), |account| account.name)
}

fn local_account() -> Option<User> {
    User::from_uid(geteuid()).ok().flatten()
}

/// Raises the soft limit of open files, which is usually 1024: each node needs a socket from observing until writing.
fn raise_open_files() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // If this fails, the limit stays, and each node for which it is too low fails with a hint.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

#[cfg(test)]
mod tests {
    use oregano::engine::schedule::Begin;

    use super::*;

    #[test]
    fn a_signal_is_recorded_before_inventory_scripts_are_ended() {
        let cancel = Cancel::default();
        let mut seen = Vec::new();
        for _ in 0..2 {
            interrupt(&cancel, || seen.push(cancel.level()));
        }
        assert_eq!(seen, [Stop::Gently, Stop::Now]);
        let cancel = Cancel::default();
        assert_eq!(cancel.begin(), Begin::Now);
        interrupt(&cancel, || panic!("the inventory has already been read"));
        assert_eq!(cancel.level(), Stop::Gently);
        let mut ended = false;
        interrupt(&cancel, || ended = true);
        assert!(ended && cancel.level() == Stop::Now);
    }
}
