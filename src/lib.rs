//! Proves registry credentials and puts them everywhere an OpenShift or Kubernetes cluster needs them.
//!
//! A run is a pipeline: an inventory is loaded and resolved to the desired state; registries, cluster and nodes
//! are observed; a pure function compares the two and makes a plan; the plan is shown or applied. What happens
//! is written down as events, which `ui` prints and `report` folds to the exit status.
//!
//! `explain` stands beside it: it reads the credential files that are there, and shows what each consumer makes of them.
//!
//! The modules stand in reading order: pure rules first, then the edges (one protocol each, knowing nothing of
//! one another), then the engine that joins them.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

// Pure: no I/O, clock, environment or printing (only `inventory::load` reads files).
pub mod secret;

pub mod failure;

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

// Edges.
pub mod registry;

pub mod cluster;

pub mod node;

pub mod authfile;

// Engine.
pub mod apply;
pub mod engine;
pub mod explain;
pub mod login;
pub mod observe;
pub mod schedule;

// The only module that prints.
pub mod ui;

use desired::{Desired, expiry};
use engine::Engine;
use event::{Command, Event, Started};
use failure::Failure;
use inventory::{Problem, Severity, Variables};
use observe::Troubles;
use options::Options;
use plan::Gate;
use report::{ExitStatus, Journal};
use schedule::{Cancel, Stop};

/// An idle SSH session costs 84 kB: a larger fleet is observed and written in windows of so many nodes.
const WINDOW: usize = 1000;

/// A whole run, from the inventory to the exit status. Every event goes to `journal`, the recap last.
pub fn run(options: &Options, cancel: &Cancel, journal: Journal) -> ExitStatus {
    let ended = pipeline(options, cancel, &journal);
    conclude(ended, cancel, journal)
}

/// A login, from its arguments to the exit status; as [`run`], but without an inventory.
pub fn log_in(request: &login::Request, cancel: &Cancel, journal: Journal) -> ExitStatus {
    let ended = login::login(request, cancel, &journal).map_err(|failure| vec![failure]);
    conclude(ended, cancel, journal)
}

/// The end of what was asked for, or could not be: its faults, or that a signal cut it off, and the recap.
pub fn conclude(ended: Result<(), Vec<Failure>>, cancel: &Cancel, journal: Journal) -> ExitStatus {
    // What fails while the inventory is read, after a signal, fails because of it.
    let cut_off = cancel.level() > Stop::No && !cancel.has_begun();
    if let (Err(failures), false) = (ended, cut_off) {
        failures.into_iter().for_each(|failure| journal.record(Event::Error(failure)));
    }
    if cancel.level() > Stop::No {
        journal.record(Event::Interrupted);
    }
    journal.close()
}

fn pipeline(options: &Options, cancel: &Cancel, journal: &Journal) -> Result<(), Vec<Failure>> {
    let variables = inventory::load(&options.sources).map_err(faults)?;
    let desired = desired::resolve(&variables, &options.request).map_err(faults)?;
    cancel.begin();
    start(options, &variables, &desired, journal);
    let engine = Engine::new(options, &desired, cancel).map_err(|failure| vec![failure])?;
    let (mut gate, mut held) = (Gate::Open, Troubles::default());
    let windows = desired.windows(WINDOW);
    for (at, window) in windows.iter().enumerate() {
        if options.command == Command::Apply && gate == Gate::Closed {
            event::unobserved(window).into_iter().for_each(|event| journal.record(event));
            continue;
        }
        let (facts, sessions) = observe::observe(&engine, window, &windows[at + 1..], &mut held, journal);
        let plan = plan::plan(window, &facts);
        match options.command {
            Command::Validate | Command::Login => {}
            Command::Plan => {
                event::preview(&plan).into_iter().for_each(|event| journal.record(event));
                apply::keep(&engine, sessions);
            }
            Command::Apply => gate = apply::apply(&engine, &plan, window, &facts, sessions, journal),
        }
    }
    // A resolver that does not answer would hold the end of the run back.
    engine.runtime.shutdown_background();
    Ok(())
}

fn start(options: &Options, variables: &Variables, desired: &Desired, journal: &Journal) {
    let hosts = desired.nodes.iter().map(|node| node.name.clone()).collect();
    journal.record(Event::Started(Started { command: options.command, hosts }));
    let warnings = desired.warnings.iter().filter(|finding| finding.severity == Severity::Warning);
    let warnings = warnings.map(ToString::to_string);
    let suspicious = suspicious(variables.findings().len());
    let expiring = expiry::warnings(&desired.registries, jiff::Timestamp::now(), options.warn_days);
    let warnings = options.warnings.iter().cloned().chain(suspicious).chain(warnings);
    for message in warnings.chain(desired.risks()).chain(expiring) {
        journal.record(Event::Warning { message });
    }
}

/// One line for what `inventory --check` says at length.
fn suspicious(findings: usize) -> Option<String> {
    let what = match findings {
        0 => return None,
        1 => "one thing in the inventory looks".to_owned(),
        many => format!("{many} things in the inventory look"),
    };
    Some(format!("{what} wrong: `oregano inventory --check` shows it"))
}

fn faults(problems: Vec<Problem>) -> Vec<Failure> {
    problems.iter().map(Failure::from).collect()
}
