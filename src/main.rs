//! Parse, run, exit status; nothing else.

mod ansible_cfg;
mod cli;
mod input;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;

use ansible_cfg::{Defaults, Surroundings};
use cli::{Command, Console, Explain, Global, Login, Refusal, Run, Wanted};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{User, geteuid};
use oregano::desired::Request;
use oregano::event;
use oregano::failure::Failure;
use oregano::inventory::{self, Problem, Severity, Variables, graph, list};
use oregano::lookup::Account;
use oregano::options::{Environment, Options, Question};
use oregano::report::{ExitStatus, Journal};
use oregano::schedule::{Cancel, Stop};
use oregano::ui::{Detail, Format};
use oregano::{doctor, explain, ui};

fn main() -> ExitCode {
    let cli = match cli::parse() {
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
        Command::Explain(options) => explain(cli.global, options),
        Command::Login(arguments) => log_in(&cli.global, *arguments),
        Command::Inventory(options) => show(&cli.global, options.wanted()),
    })
}

fn run(command: event::Command, global: Global, arguments: Run) -> ExitStatus {
    raise_open_files();
    let format = global.format();
    let cancel = stoppable();
    show_events(format, options(command, global, arguments, &cancel), &cancel, oregano::run)
}

fn log_in(global: &Global, arguments: Login) -> ExitStatus {
    let cancel = stoppable();
    let console = Console {
        input: &|| input::standard(&cancel),
        line: &|prompt| input::line(prompt, &cancel),
        secret: &|prompt| input::secret(prompt, &cancel),
    };
    let request = match arguments.request(global, environment(), |name| std::env::var_os(name), &console) {
        Ok(request) => Ok(request),
        Err(Refusal::Usage(error)) => {
            let _ = error.print();
            return ExitStatus::Usage;
        }
        Err(Refusal::Problem(problem)) => Err(vec![Failure::from(&problem)]),
    };
    show_events(global.format(), request, &cancel, oregano::log_in)
}

/// Does what was asked for while its events are printed, or prints why it cannot be done.
fn show_events<T>(
    (format, detail): (Format, Detail),
    asked: Result<T, Vec<Failure>>,
    cancel: &Cancel,
    work: impl FnOnce(&T, &Cancel, Journal) -> ExitStatus,
) -> ExitStatus {
    let (events, printer) = ui::start(format, detail);
    let journal = Journal::new(events);
    let status = match asked {
        Ok(asked) => work(&asked, cancel, journal),
        Err(faults) => oregano::conclude(Err(faults), cancel, journal),
    };
    // The printer ends with the last sender, which the journal took along.
    let _ = printer.join();
    if ui::is_complete() { status } else { ExitStatus::Error }
}

/// What the command line, the environment and `ansible.cfg` make together.
fn options(command: event::Command, global: Global, run: Run, cancel: &Cancel) -> Result<Options, Vec<Failure>> {
    let defaults = defaults().map_err(|problems| problems.iter().map(Failure::from).collect::<Vec<_>>())?;
    let ask = |prompt: &str| input::secret(prompt, cancel);
    let options = global.options(command, run, &defaults, (environment(), local_user()), ask);
    options.map_err(|problem| vec![Failure::from(&problem)])
}

fn explain(global: Global, arguments: Explain) -> ExitStatus {
    if let Err(conflict) = arguments.check(&global) {
        let _ = conflict.print();
        return ExitStatus::Usage;
    }
    raise_open_files();
    let (format, detail) = global.format();
    let cancel = stoppable();
    let found = question(global, arguments, &cancel).and_then(|question| explain::explain(&question, &cancel));
    let status = match found {
        Ok(explanation) => {
            ui::explanation(&explanation, format, detail);
            explain::status(&explanation)
        }
        Err(_) if cancel.level() > Stop::No => ExitStatus::Interrupted,
        Err(faults) => {
            ui::faults(&faults, format);
            ExitStatus::Error
        }
    };
    if status == ExitStatus::Interrupted {
        ui::interrupted(format);
    }
    complete(status)
}

/// What `explain` is asked. What is set for nodes is of no interest for this machine.
fn question(global: Global, arguments: Explain, cancel: &Cancel) -> Result<Question, Vec<Failure>> {
    let faults = |problems: Vec<Problem>| problems.iter().map(Failure::from).collect::<Vec<_>>();
    let defaults = if arguments.is_of_nodes(&global) { defaults().map_err(faults)? } else { Defaults::default() };
    let ask = |prompt: &str| input::secret(prompt, cancel);
    let question = arguments.question(global, &defaults, environment(), (account(), local_user()), ask);
    question.map_err(|problem| faults(vec![problem]))
}

/// What the paths of credential files depend on.
fn account() -> Account {
    let var = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    let home = environment().home.map_or_else(|| "/".to_owned(), |home| home.display().to_string());
    Account {
        home,
        uid: geteuid().as_raw(),
        runtime_dir: var("XDG_RUNTIME_DIR"),
        config_home: var("XDG_CONFIG_HOME"),
        docker_config: var("DOCKER_CONFIG"),
        auth_file: var("REGISTRY_AUTH_FILE"),
        registries_conf: var("CONTAINERS_REGISTRIES_CONF"),
        cache_home: var("XDG_CACHE_HOME"),
    }
}

/// What environment and `ansible.cfg` say.
fn defaults() -> Result<Defaults, Vec<Problem>> {
    let home = environment().home;
    let folder = std::env::current_dir()
        .map_err(|error| vec![Problem::new(format!("the working directory cannot be told: {error}"))])?;
    let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    ansible_cfg::defaults(&Surroundings { env: &env, home: home.as_deref(), folder: &folder })
}

/// The inventory, for commands that only look at it.
fn load(global: &Global, cancel: &Cancel) -> Result<Variables, Vec<Problem>> {
    let defaults = defaults()?;
    ui::warnings(&defaults.warnings);
    let sources = global.sources(&defaults, environment().home.as_deref(), |prompt| input::secret(prompt, cancel));
    inventory::load(&sources.map_err(|problem| vec![problem])?)
}

fn show(global: &Global, wanted: Wanted) -> ExitStatus {
    let cancel = Cancel::default();
    let told = cancel.clone();
    listen(move || {
        interrupt(&told, inventory::load::stop);
        leave();
    });
    if let Wanted::Schema = wanted {
        ui::schema(doctor::SCHEMA);
        return complete(ExitStatus::Done);
    }
    let read = load(global, &cancel);
    if cancel.level() > Stop::No {
        return ExitStatus::Interrupted;
    }
    if let Wanted::Check = wanted {
        return check(global, &read);
    }
    let variables = match read {
        Ok(variables) => variables,
        Err(problems) => {
            ui::problems(&problems);
            return ExitStatus::Error;
        }
    };
    let inventory = variables.inventory();
    let shown = match wanted {
        Wanted::List(format) => {
            ui::list(inventory, format);
            Ok(())
        }
        Wanted::Host(name, format) => list::one_host(inventory, &name).map(|host| ui::host(inventory, host, format)),
        Wanted::Graph(group, detail) => graph::graph(&variables, &group, detail).map(|text| ui::graph(&text)),
        Wanted::Check | Wanted::Schema => Ok(()),
    };
    // The process ends here: giving back what 100,000 hosts hold piece by piece takes a fifth of the whole time.
    std::mem::forget(variables);
    if let Err(problem) = shown {
        ui::problems(&[problem]);
        return ExitStatus::Error;
    }
    complete(ExitStatus::Done)
}

fn check(global: &Global, read: &Result<Variables, Vec<Problem>>) -> ExitStatus {
    let request = Request { user: local_user(), home: environment().home, ..Request::default() };
    let findings = doctor::examine(read, &request);
    ui::findings(&findings, global.format().0);
    let refused = findings.iter().any(|finding| finding.severity == Severity::Error);
    complete(if refused { ExitStatus::Error } else { ExitStatus::Done })
}

/// The status of a command that printed its result.
fn complete(status: ExitStatus) -> ExitStatus {
    if ui::is_complete() { status } else { ExitStatus::Error }
}

/// What a signal stops, from now on.
fn stoppable() -> Cancel {
    let cancel = Cancel::default();
    let told = cancel.clone();
    listen(move || interrupt(&told, inventory::load::stop));
    cancel
}

/// Asks the run to stop: the first signal gently, the second now. The third does not ask: it is for what cannot be cut
/// off, such as a file on a dead network mount. While the inventory is read nothing has begun, and its scripts are ended.
fn interrupt(cancel: &Cancel, end_scripts: impl FnOnce()) {
    let before = cancel.level();
    // Who waits for a script is told of the signal before the script fails because of it.
    cancel.signal();
    if !cancel.has_begun() {
        end_scripts();
    }
    if before == Stop::Now {
        leave();
    }
}

/// Calls `told` at each Ctrl-C, SIGTERM and loss of the terminal that comes after this has returned.
fn listen(told: impl Fn() + Send + 'static) {
    let (ready, listening) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
            let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = kinds.map(signal) else { return };
            drop(ready);
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                }
                told();
            }
        });
    });
    // It ends once the thread has dropped its end, whether it can listen or not.
    let _ = listening.recv();
}

#[allow(clippy::exit, reason = "the run has not heard two signals, or there is no run")]
fn leave() -> ! {
    input::restore();
    std::process::exit(i32::from(ExitStatus::Interrupted as u8))
}

fn environment() -> Environment {
    let var = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    Environment {
        // A systemd unit of root has no HOME; ssh does not ask for it either.
        home: var("HOME").map(PathBuf::from).or_else(|| local_account().map(|account| account.dir)),
        kubeconfig: var("KUBECONFIG"),
        ssh_agent: var("SSH_AUTH_SOCK").map(PathBuf::from),
    }
}

/// The name of the local user, as ssh takes it where nobody says otherwise.
fn local_user() -> String {
    local_account().map_or_else(|| "root".to_owned(), |account| account.name)
}

fn local_account() -> Option<User> {
    User::from_uid(geteuid()).ok().flatten()
}

/// Each fork holds a socket, and so does each node that waits; the usual soft limit is 1024 open files.
fn raise_open_files() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // A refusal leaves the limit as it is; a fleet that is too large for it says so node by node.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

fn exit(status: ExitStatus) -> ExitCode {
    ExitCode::from(status as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_that_a_signal_ends_fails_because_of_it() {
        let cancel = Cancel::default();
        let mut seen = Vec::new();
        for _ in 0..2 {
            interrupt(&cancel, || seen.push(cancel.level()));
        }
        assert_eq!(seen, [Stop::Gently, Stop::Now]);
        let cancel = Cancel::default();
        cancel.begin();
        interrupt(&cancel, || panic!("nothing of the inventory is at work"));
        assert_eq!(cancel.level(), Stop::Gently);
    }
}
