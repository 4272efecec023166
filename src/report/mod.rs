//! Summarizes the events of a run: counts for each host, one row for each registry and object, and the exit status.

mod exit_status;

use std::sync::mpsc::Sender;
use std::sync::{Mutex, PoisonError};

use indexmap::IndexMap;

use crate::event::{Command, Counts, Event, HostOutcome, ObjectSummary, Outcome, Recap, RegistryRow, StepRow};
use crate::plan::Target;

pub use exit_status::ExitStatus;

/// The summary of the events so far. It does not depend on the order in which events of different hosts arrive.
#[derive(Debug, Default)]
pub struct Report {
    command: Option<Command>,
    hosts: IndexMap<String, Tally>,
    registries: Vec<RegistryRow>,
    objects: Vec<ObjectSummary>,
    error: bool,
    interrupted: bool,
}

/// The recorded state of one host.
#[derive(Debug, Default)]
struct Tally {
    /// The counts of files only.
    files: Counts,
    /// Whether each outcome of the host was recorded; the index is the number of the outcome. Two parts of a run can
    /// report the same host, because a node that cannot be reached for its files cannot be used to contact registries
    /// either.
    outcomes: [bool; 4],
}

impl Report {
    /// Adds one event to the summary.
    pub fn record(&mut self, event: &Event) {
        match event {
            Event::Started(started) => {
                self.command = Some(started.command);
                self.hosts.extend(started.hosts.iter().map(|host| (host.clone(), Tally::default())));
            }
            Event::Error(_) => self.error = true,
            Event::Interrupted => self.interrupted = true,
            Event::Registry(row) => self.registries.push(row.clone()),
            // The outcome is set and not counted, so that a node that two parts of a run report is counted once.
            Event::Host(row) => self.host(&row.host).outcomes[row.outcome as usize] = true,
            Event::Step(StepRow { target: Target::Object(object), outcome, .. }) => {
                self.objects.push(ObjectSummary { object: object.clone(), outcome: *outcome });
            }
            Event::Step(StepRow { target: Target::File(file), outcome, .. }) => {
                self.host(&file.host).files.add(*outcome);
            }
            // A warning never changes the exit status.
            Event::Warning { .. } | Event::Pool(_) | Event::Progress(_) | Event::Trace(_) | Event::Recap(_) => {}
        }
    }

    fn host(&mut self, name: &str) -> &mut Tally {
        // `entry` would copy the name, although nearly every event is about a host that is known already.
        if !self.hosts.contains_key(name) {
            self.hosts.insert(name.to_owned(), Tally::default());
        }
        &mut self.hosts[name]
    }

    /// The last event of the run.
    pub fn into_recap(self) -> Recap {
        let status = self.status() as u8;
        let hosts = self.hosts.into_iter().map(|(host, tally)| (host, tally.counts())).collect();
        Recap { hosts, registries: self.registries, objects: self.objects, status }
    }
}

impl Tally {
    fn counts(&self) -> Counts {
        let recorded = |outcome: HostOutcome| usize::from(self.outcomes[outcome as usize]);
        Counts {
            ok: self.files.ok + recorded(HostOutcome::Reached),
            unreachable: recorded(HostOutcome::Unreachable),
            failed: self.files.failed + recorded(HostOutcome::Failed),
            skipped: self.files.skipped + recorded(HostOutcome::Skipped),
            ..self.files
        }
    }
}

impl Counts {
    /// Counts one file.
    fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Created | Outcome::Updated | Outcome::Recreated | Outcome::Deleted => {
                self.ok += 1;
                self.changed += 1;
            }
            Outcome::Unchanged | Outcome::Proved => self.ok += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Skipped | Outcome::NotProved => self.skipped += 1,
        }
    }
}

/// Records the events of the engine: each is added to the report and sent to the reader.
#[derive(Debug)]
pub struct Journal {
    report: Mutex<Report>,
    /// `None` once the run has ended.
    reader: Mutex<Option<Sender<Event>>>,
}

impl Journal {
    /// A journal whose events are also sent to `reader`.
    pub fn new(reader: Sender<Event>) -> Self {
        Self { report: Mutex::default(), reader: Mutex::new(Some(reader)) }
    }

    /// Records one event.
    pub fn record(&self, event: Event) {
        // A panic of another thread must not lose the report: a poisoned lock still has valid counts.
        self.report.lock().unwrap_or_else(PoisonError::into_inner).record(&event);
        if let Some(reader) = &*self.reader.lock().unwrap_or_else(PoisonError::into_inner) {
            // This fails if the reader has ended, for example because of a closed pipe. That must not stop the run.
            let _ = reader.send(event);
        }
    }

    /// Whether something has failed, could not be reached, or was interrupted so far.
    pub fn has_failures(&self) -> bool {
        let status = self.report.lock().unwrap_or_else(PoisonError::into_inner).status();
        !matches!(status, ExitStatus::Done | ExitStatus::ChangesPending)
    }

    /// Ends the run: sends the recap and returns the exit status. Work that was abandoned and still has this journal
    /// sends nothing after it.
    pub fn close(&self) -> ExitStatus {
        let report = std::mem::take(&mut *self.report.lock().unwrap_or_else(PoisonError::into_inner));
        let status = report.status();
        if let Some(reader) = self.reader.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = reader.send(Event::Recap(report.into_recap()));
        }
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{HostRow, Started, registry_row};
    use crate::facts::{ObjectName, Verdict};
    use crate::failure::Failure;
    use crate::plan::{Action, Step};

    fn registry(verdict: Verdict) -> Event {
        Event::Registry(registry_row("r", "u", verdict))
    }

    fn host(outcome: HostOutcome) -> Event {
        Event::Host(HostRow::new("n", outcome))
    }

    fn object(action: Action) -> Event {
        let object = ObjectName::secret("ns", "s");
        Event::Step(StepRow::done(&Step::new(Target::Object(object), action)))
    }

    #[test]
    fn the_more_severe_status_takes_precedence() {
        // Each event is added to the previous ones, from the least severe to the most severe.
        let rising = [
            (host(HostOutcome::Reached), ExitStatus::Done),
            (object(Action::Update), ExitStatus::ChangesPending),
            (host(HostOutcome::Failed), ExitStatus::Failed),
            (host(HostOutcome::Unreachable), ExitStatus::Unreachable),
            (registry(Verdict::Refused), ExitStatus::Failed),
            (Event::Interrupted, ExitStatus::Interrupted),
        ];
        let mut report = Report::default();
        report.record(&Event::Started(Started { command: Command::Plan, hosts: vec!["n".into()] }));
        for (event, status) in rising {
            report.record(&event);
            assert_eq!(report.status(), status, "after {event:?}");
        }
    }

    #[test]
    fn verdicts_that_permit_the_run_are_no_failure() {
        let mut report = Report::default();
        for verdict in [Verdict::Proved, Verdict::NotProved, Verdict::Skipped] {
            report.record(&registry(verdict));
        }
        assert_eq!(report.status(), ExitStatus::Done);
    }

    #[test]
    fn a_host_that_is_reported_twice_is_counted_once() {
        let failure = Failure::new("no route to host");
        let row = || Event::Host(HostRow::failed("n", HostOutcome::Unreachable, &failure));
        let mut report = Report::default();
        [row(), row()].iter().for_each(|event| report.record(event));
        assert_eq!(report.into_recap().hosts["n"], Counts { unreachable: 1, ..Counts::default() });
    }
}
