//! A run that panics: it ends like every other run, with the recap.

use std::sync::{Arc, mpsc};

use oregano::engine::schedule::{self, Cancel, Supervised};
use oregano::event::{Command, Event, HostOutcome, HostRow, Started};
use oregano::failure::Failure;
use oregano::report::{ExitStatus, Journal};

#[test]
fn a_run_that_panics_ends_with_internal_error_recap_and_1() {
    const SECRET: &str = "Canary-P4nic";
    let (sender, events) = mpsc::channel();
    let (cancel, journal) = (Cancel::default(), Arc::new(Journal::new(sender)));
    let of_run = Arc::clone(&journal);
    let ended: Supervised<Result<(), Vec<Failure>>> = schedule::supervise(&cancel, move || {
        of_run.record(Event::Started(Started { command: Command::Apply, hosts: vec!["node1".to_owned()] }));
        of_run.record(Event::Host(HostRow::new("node1", HostOutcome::Reached)));
        panic!("{SECRET}")
    });
    assert_eq!(ended, Supervised::Panicked);
    assert_eq!(oregano::conclude(ended, &cancel, &journal), ExitStatus::Error);
    let events: Vec<serde_json::Value> = events.try_iter().map(|event| serde_json::to_value(event).unwrap()).collect();
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["started", "host", "error", "recap"]);
    assert_eq!(events[2]["message"], "internal error: the command ended early");
    assert_eq!((&events[3]["status"], &events[3]["hosts"]["node1"]["ok"]), (&1.into(), &1.into()));
    assert!(!events.iter().any(|event| event.to_string().contains(SECRET)), "{events:?}");
}
