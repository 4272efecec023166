//! The fold of the events: counts for each host, one row for each registry and secret, and the exit status.

use std::sync::mpsc::Sender;
use std::sync::{Mutex, PoisonError};

use crate::event::{ClusterRow, ClusterSummary, Command, Counts, Event, HostOutcome, HostRow, Outcome, Recap};

/// The documented exit statuses. Precedence: 130, 1, 2 (credential or cluster), 4, 2 (node), 3, 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// Everything is as the inventory says.
    Done = 0,
    /// Inventory, configuration, or an internal error.
    Error = 1,
    /// A registry, a secret or a node failed.
    Failed = 2,
    /// `plan`: changes are pending.
    ChangesPending = 3,
    /// A node could not be reached.
    Unreachable = 4,
    /// The command line cannot be understood (EX_USAGE of sysexits.h).
    Usage = 64,
    /// A signal interrupted the run.
    Interrupted = 130,
}

/// What the events so far add up to.
#[derive(Debug, Default)]
pub struct Report {
    command: Option<Command>,
    recap: Recap,
    error: bool,
    interrupted: bool,
}

impl Report {
    /// Takes one event into account.
    pub fn record(&mut self, event: &Event) {
        match event {
            Event::Started(started) => {
                self.command = Some(started.command);
                self.recap.hosts.extend(started.hosts.iter().map(|host| (host.clone(), Counts::default())));
            }
            Event::Error(_) => self.error = true,
            Event::Interrupted => self.interrupted = true,
            Event::Registry(row) => self.recap.registries.push(row.clone()),
            Event::Cluster(row) => self.record_cluster(row),
            Event::Host(row) => self.record_host(row),
            Event::File(row) => self.record_file(&row.host, row.outcome),
            Event::Warning { .. } | Event::Progress(_) | Event::Recap(_) => {}
        }
    }

    fn record_cluster(&mut self, row: &ClusterRow) {
        self.recap.cluster.push(ClusterSummary {
            kind: row.kind,
            namespace: row.namespace.clone(),
            name: row.name.clone(),
            outcome: row.outcome,
        });
    }

    fn record_host(&mut self, row: &HostRow) {
        let counts = self.recap.hosts.entry(row.host.clone()).or_default();
        match row.outcome {
            HostOutcome::Reached => counts.ok += 1,
            HostOutcome::Unreachable => counts.unreachable += 1,
            HostOutcome::Failed => counts.failed += 1,
            HostOutcome::Skipped => counts.skipped += 1,
        }
    }

    fn record_file(&mut self, host: &str, outcome: Outcome) {
        let counts = self.recap.hosts.entry(host.to_owned()).or_default();
        match outcome {
            Outcome::Created | Outcome::Updated => {
                counts.ok += 1;
                counts.changed += 1;
            }
            Outcome::Unchanged => counts.ok += 1,
            Outcome::Failed => counts.failed += 1,
            Outcome::Skipped => counts.skipped += 1,
        }
    }

    /// The exit status of what was recorded.
    pub fn status(&self) -> ExitStatus {
        let hosts = || self.recap.hosts.values();
        let written = |outcome| matches!(outcome, Outcome::Created | Outcome::Updated);
        let changed =
            hosts().any(|counts| counts.changed > 0) || self.recap.cluster.iter().any(|row| written(row.outcome));
        match () {
            () if self.interrupted => ExitStatus::Interrupted,
            () if self.error => ExitStatus::Error,
            () if self.recap.registries.iter().any(|row| !row.verdict.permits_run()) => ExitStatus::Failed,
            () if self.recap.cluster.iter().any(|row| row.outcome == Outcome::Failed) => ExitStatus::Failed,
            () if hosts().any(|counts| counts.unreachable > 0) => ExitStatus::Unreachable,
            () if hosts().any(|counts| counts.failed > 0) => ExitStatus::Failed,
            () if self.command == Some(Command::Plan) && changed => ExitStatus::ChangesPending,
            () => ExitStatus::Done,
        }
    }

    /// The last event of the run.
    pub fn recap(&self) -> Recap {
        Recap { status: self.status() as u8, ..self.recap.clone() }
    }
}

/// Where the engine writes down what happens: every event goes into the report and on to the reader.
#[derive(Debug)]
pub struct Journal {
    report: Mutex<Report>,
    reader: Sender<Event>,
}

impl Journal {
    /// A journal whose events are also sent to `reader`.
    pub fn new(reader: Sender<Event>) -> Self {
        Self { report: Mutex::default(), reader }
    }

    /// Writes one event down.
    pub fn record(&self, event: Event) {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).record(&event);
        // A reader that is gone (a closed pipe) must not stop the work.
        let _ = self.reader.send(event);
    }

    /// Ends the run: sends the recap and says how it went.
    pub fn close(self) -> ExitStatus {
        let report = self.report.into_inner().unwrap_or_else(PoisonError::into_inner);
        let _ = self.reader.send(Event::Recap(report.recap()));
        report.status()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{RegistryRow, Started};
    use crate::facts::Verdict;

    fn registry(verdict: Verdict) -> Event {
        Event::Registry(RegistryRow {
            host: "r".into(),
            user: "u".into(),
            image: "r/i:1".into(),
            verdict,
            cause: None,
            hint: None,
            from: None,
            expires: None,
            rate_limit: None,
            other_server: None,
        })
    }

    fn host(outcome: HostOutcome) -> Event {
        Event::Host(HostRow { host: "n".into(), outcome, failure: None })
    }

    fn cluster(outcome: Outcome) -> Event {
        Event::Cluster(ClusterRow {
            kind: "Secret",
            namespace: "ns".into(),
            name: "s".into(),
            outcome,
            changes: Vec::new(),
            notes: Vec::new(),
            failure: None,
        })
    }

    #[test]
    fn the_graver_status_wins() {
        // Each event is added to the ones before it, from the least grave to the gravest.
        let rising = [
            (host(HostOutcome::Reached), ExitStatus::Done),
            (cluster(Outcome::Updated), ExitStatus::ChangesPending),
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
    fn verdicts_that_let_the_run_go_on_are_no_failure() {
        let mut report = Report::default();
        for verdict in [Verdict::Proved, Verdict::NotProved, Verdict::Skipped] {
            report.record(&registry(verdict));
        }
        assert_eq!(report.status(), ExitStatus::Done);
    }
}
