//! Verifies registry credentials and installs them everywhere an OpenShift or Kubernetes cluster needs them.
//!
//! A run is a pipeline: an inventory is loaded and resolved to the desired state; registries, cluster and nodes are
//! observed; a pure function compares the two and makes a plan; the plan is shown or applied. What happens is recorded as
//! events: `ui` prints them, and `report` derives the recap and the exit status from them.
//!
//! `explain` is separate from it: it reads credential files and shows which credential each consumer would use.
//!
//! The modules are declared in reading order: pure rules first, then the edges (one protocol each, which do not know one
//! another), then the engine that connects them.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

// Pure modules: no I/O, clock, environment or printing. The exceptions are `process` and `inventory::load`, which reads
// files.
pub mod secret;

pub mod failure;

pub mod go;

// Runs programs, for `inventory::load` and for the edges.
pub mod process;

pub mod inventory;

pub mod dockerconfig;

pub mod desired;

pub mod doctor;

pub mod facts;

pub mod lookup;

pub mod plan;

pub mod event;

pub mod report;

pub mod options;

// The edges: each speaks one protocol, and they do not use one another.
pub mod registry;

pub mod cluster;

pub mod node;

pub mod authfile;

// The engine, which connects the pure modules and the edges.
pub mod engine;

// The only module that prints.
pub mod ui;

use desired::{Desired, Vantage, expiry};
use engine::apply::{Observation, Refusals};
use engine::observe::UnusableNodes;
use engine::schedule::{Begin, Cancel, Stop, Supervised};
use engine::{Engine, apply, login, logout, observe};
use event::{Command, Event, Started};
use facts::{ClusterFact, Facts};
use failure::Failure;
use inventory::{Finding, Problem, Severity, Variables, code};
use options::{Inspection, Options};
use plan::{Gate, Plan, PrunePlan, RetiredCounts};
use report::{ExitStatus, Journal};

/// The number of nodes that are observed and written together. It is limited because an idle SSH session uses 84 kB of
/// memory.
const WINDOW: usize = 1000;

/// Ends a command: reports the failures that prevented its start, the signal that interrupted it, or a defect of this
/// program, and then the recap.
pub fn conclude(ended: Supervised<Result<(), Vec<Failure>>>, cancel: &Cancel, journal: &Journal) -> ExitStatus {
    let failures = match ended {
        // After a signal, reading the inventory fails because its scripts were ended, so the signal is reported instead
        // of that failure.
        Supervised::Done(Err(_)) if cancel.level() > Stop::No && !cancel.has_begun() => Vec::new(),
        Supervised::Done(ended) => ended.err().unwrap_or_default(),
        Supervised::Interrupted => Vec::new(),
        Supervised::Panicked => vec![Failure::panicked()],
    };
    failures.into_iter().for_each(|failure| journal.record(Event::Error(failure)));
    if cancel.level() > Stop::No {
        journal.record(Event::Interrupted);
    }
    journal.close()
}

/// The work of `login`. Every event goes to `journal`.
///
/// # Errors
/// What prevented its start.
pub fn log_in(request: &login::Request, cancel: &Cancel, journal: &Journal) -> Result<(), Vec<Failure>> {
    login::login(request, cancel, journal).map_err(|failure| vec![failure])
}

/// The work of `logout`. Every event goes to `journal`.
pub fn log_out(request: &logout::Request, cancel: &Cancel, journal: &Journal) {
    logout::logout(request, cancel, journal);
}

/// The result of an [`Inspection`].
pub enum Inspected {
    /// The names of the selected hosts.
    Hosts(Vec<String>),
    /// The inventory has no problem that would stop the run.
    Valid,
}

/// The work of `--list-hosts` and `--syntax-check`: the result, and warnings.
///
/// # Errors
/// The problems of the inventory.
pub fn inspect(options: &Options, inspection: Inspection) -> Result<(Inspected, Vec<String>), Vec<Failure>> {
    let (settings, request) = (&options.settings, &options.settings.request);
    // Nothing is contacted, and a command of the inventory could contact any machine.
    let variables = inventory::load(&settings.sources).map_err(failures)?.without_commands();
    match inspection {
        Inspection::ListHosts => {
            let hosts = desired::hosts(&variables, request).map_err(failures)?;
            Ok((Inspected::Hosts(hosts), settings.warnings.clone()))
        }
        Inspection::SyntaxCheck => {
            let (desired, problems) = desired::resolve_with_problems(&variables, request);
            // A value from a command may be correct: only a run executes the command.
            let (unchecked, problems): (Vec<_>, Vec<_>) =
                problems.into_iter().partition(|problem| problem.code == Some(code::NOT_CHECKED));
            if !problems.is_empty() {
                return Err(failures(problems));
            }
            let unchecked = unchecked.into_iter().map(|problem| Finding::new(code::NOT_CHECKED, problem).to_string());
            Ok((Inspected::Valid, warnings(options, &variables, &desired).chain(unchecked).collect()))
        }
    }
}

/// The work of `validate`, `plan` or `apply`. Every event goes to `journal`.
///
/// # Errors
/// What prevented its start.
pub fn run(options: &Options, cancel: &Cancel, journal: &Journal) -> Result<(), Vec<Failure>> {
    let variables = inventory::load(&options.settings.sources).map_err(failures)?;
    let desired = desired::resolve(&variables, &options.settings.request).map_err(failures)?;
    start(options, &variables, &desired, journal);
    if let Some(refusal) = plan::prune_refusal(&desired, &options.plan) {
        return Err(vec![refusal]);
    }
    let engine = Engine::new(&options.settings, &options.plan, &desired, cancel)?;
    let warnings = engine.warnings.iter().cloned();
    warnings.for_each(|message| journal.record(Event::Warning { message }));
    if cancel.begin() == Begin::Never {
        return Ok(());
    }
    let (desired, unusable_cluster) = engine::decide(&engine, desired, journal).map_err(|failure| vec![failure])?;
    let mut windows = desired.nodes.chunks(WINDOW);
    let nodes = windows.next().unwrap_or_default();
    let (mut unusable, mut retired) = (UnusableNodes::default(), RetiredCounts::default());
    let (facts, sessions) =
        observe::observe(&engine, &desired, unusable_cluster.as_ref(), (nodes, &mut unusable), journal);
    let plan = plan::plan(&desired, nodes, &facts, &options.plan);
    retired.add(&plan);
    let refusals = match options.command {
        Command::Apply => apply::preflight(&engine, &plan, &desired, &facts.cluster, journal),
        Command::Plan | Command::Validate | Command::Login | Command::Logout => Refusals::new(),
    };
    let observation = Observation { desired: &desired, nodes, facts: &facts, sessions };
    let mut gate = finish(options.command, &engine, (&plan, &refusals), observation, journal);
    for nodes in windows {
        // `plan` continues after the gate is closed, because it must show the changes of all nodes.
        if options.command == Command::Apply && gate == Gate::Closed {
            observe::skip_nodes(nodes, &mut unusable, journal);
            continue;
        }
        let (facts, sessions) = observe::observe_nodes(&engine, nodes, &mut unusable, journal);
        let plan = plan::batch(gate, nodes, &facts, &options.plan);
        retired.add(&plan);
        let facts = Facts { nodes: facts, ..Facts::default() };
        let observation = Observation { desired: &desired, nodes, facts: &facts, sessions };
        gate = finish(options.command, &engine, (&plan, &Refusals::new()), observation, journal);
    }
    unusable.report_rest(journal);
    // `validate` says nothing about what would be removed.
    if options.command != Command::Validate {
        prune(options, &engine, (gate, &refusals), (&desired, &facts.cluster), journal);
        retired.warnings().for_each(|message| journal.record(Event::Warning { message }));
    }
    // A resolver that does not respond would delay the end of the run.
    engine.runtime.shutdown_background();
    Ok(())
}

/// Shows or carries out what is done about objects that are no longer declared, after everything else.
fn prune(
    options: &Options,
    engine: &Engine,
    (gate, refusals): (Gate, &Refusals),
    (desired, facts): (&Desired, &ClusterFact),
    journal: &Journal,
) {
    // What another object or a node still needs must not be removed.
    let gate = if journal.has_failures() { Gate::Closed } else { gate };
    let PrunePlan { plan, warnings } = plan::prune(gate, desired, facts, &options.plan);
    match options.command {
        Command::Validate | Command::Login | Command::Logout => {}
        Command::Plan => event::preview(&plan).into_iter().for_each(|event| journal.record(event)),
        Command::Apply => apply::prune(engine, &plan, refusals, (desired, facts), journal),
    }
    warnings.into_iter().for_each(|message| journal.record(Event::Warning { message }));
}

/// Shows or carries out the plan of one window, depending on the command. Returns whether later windows may be written.
fn finish(
    command: Command,
    engine: &Engine,
    (plan, refusals): (&Plan, &Refusals),
    observation: Observation<'_>,
    journal: &Journal,
) -> Gate {
    match command {
        Command::Validate if observation.desired.vantage == Vantage::Cluster => {
            apply::prove_imports(engine, plan, observation.desired, &observation.facts.cluster, journal);
        }
        Command::Validate | Command::Login | Command::Logout => {}
        Command::Plan => {
            event::preview(plan).into_iter().for_each(|event| journal.record(event));
            apply::keep(engine, observation.sessions);
        }
        Command::Apply => return apply::apply(engine, plan, refusals, observation, journal),
    }
    plan.gate
}

fn start(options: &Options, variables: &Variables, desired: &Desired, journal: &Journal) {
    let hosts = desired.nodes.iter().map(|node| node.name.clone()).collect();
    journal.record(Event::Started(Started { command: options.command, hosts }));
    warnings(options, variables, desired).for_each(|message| journal.record(Event::Warning { message }));
}

/// The warnings about options and inventory, before anything is contacted.
fn warnings(options: &Options, variables: &Variables, desired: &Desired) -> impl Iterator<Item = String> {
    let warnings = desired.warnings.iter().filter(|finding| finding.severity == Severity::Warning);
    let warnings = warnings.map(ToString::to_string);
    let suspicious = suspicious(variables.findings().len());
    let expiring = expiry::warnings(&desired.registries, jiff::Timestamp::now(), options.warn_days);
    let options = options.settings.warnings.iter().cloned();
    options.chain(suspicious).chain(warnings).chain(desired.risks()).chain(expiring)
}

/// The warning that `inventory --check` would report this number of findings.
fn suspicious(findings: usize) -> Option<String> {
    let what = match findings {
        0 => return None,
        1 => "1 finding".to_owned(),
        many => format!("{many} findings"),
    };
    Some(format!("the inventory has {what}: run `oregano inventory --check` for details"))
}

fn failures(problems: Vec<Problem>) -> Vec<Failure> {
    problems.iter().map(Failure::from).collect()
}
