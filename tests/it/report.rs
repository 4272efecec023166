//! Properties of the report for random runs: the recap and the exit status do not depend on the order in which events of
//! different hosts arrive, and no host is counted twice.

use oregano::event::{Command, Event, HostOutcome, HostRow, Outcome, Recap, RegistryRow, Started, StepRow};
use oregano::facts::{ObjectName, Verdict};
use oregano::failure::Failure;
use oregano::plan::{Action, FileTarget, Step, Target};
use oregano::report::Report;
use proptest::collection::vec;
use proptest::prelude::*;

/// What happens on one host in a run.
#[derive(Debug, Clone)]
enum HostRun {
    Reached(Vec<Outcome>),
    /// Reported so often: contacting registries through a node and writing its files can both fail.
    Unreachable(usize),
    Failed(usize),
    Skipped(usize),
}

/// Everything that a run reports, apart from the order.
#[derive(Debug, Clone)]
struct Run {
    command: Command,
    hosts: Vec<HostRun>,
    verdicts: Vec<Verdict>,
    objects: Vec<Outcome>,
    stops: Vec<Stop>,
}

#[derive(Debug, Clone, Copy)]
enum Stop {
    Error,
    Interrupted,
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    proptest::sample::select(vec![
        Outcome::Created,
        Outcome::Updated,
        Outcome::Recreated,
        Outcome::Unchanged,
        Outcome::Failed,
        Outcome::Skipped,
    ])
}

fn host_runs() -> impl Strategy<Value = HostRun> {
    prop_oneof![
        4 => vec(outcomes(), 0..4).prop_map(HostRun::Reached),
        1 => (1..3usize).prop_map(HostRun::Unreachable),
        1 => (1..3usize).prop_map(HostRun::Failed),
        1 => (1..3usize).prop_map(HostRun::Skipped),
    ]
}

fn runs() -> impl Strategy<Value = Run> {
    let commands = proptest::sample::select(vec![Command::Plan, Command::Apply]);
    let verdicts = proptest::sample::select(vec![Verdict::Proved, Verdict::NotProved, Verdict::Refused]);
    let stops = prop_oneof![
        6 => Just(Vec::new()),
        1 => Just(vec![Stop::Error]),
        1 => Just(vec![Stop::Interrupted]),
        1 => Just(vec![Stop::Error, Stop::Interrupted]),
    ];
    (commands, vec(host_runs(), 0..6), vec(verdicts, 0..3), vec(outcomes(), 0..3), stops)
        .prop_map(|(command, hosts, verdicts, objects, stops)| Run { command, hosts, verdicts, objects, stops })
}

fn host_name(number: usize) -> String {
    format!("node{number}")
}

/// A row with this outcome.
fn step(target: Target, outcome: Outcome) -> Event {
    let row = |action| StepRow::done(&Step::new(target.clone(), action));
    Event::Step(match outcome {
        Outcome::Created => row(Action::Create),
        Outcome::Updated => row(Action::Update),
        Outcome::Recreated => row(Action::Recreate),
        Outcome::Deleted => row(Action::Delete),
        Outcome::Proved => row(Action::Prove),
        Outcome::NotProved => StepRow::not_done(&Step::new(target, Action::Prove)),
        Outcome::Unchanged => row(Action::Unchanged),
        Outcome::Failed => row(Action::Fail(Failure::new("it cannot be written"))),
        Outcome::Skipped => StepRow::not_done(&Step::new(target, Action::Update)),
    })
}

impl Run {
    /// The events of each host, and those that belong to none as the last list; each list in its own order.
    fn lists(&self) -> Vec<Vec<Event>> {
        let hosts = self.hosts.iter().enumerate().map(|(number, run)| {
            let name = host_name(number);
            let row = |outcome| Event::Host(HostRow::new(&name, outcome));
            let file = |(at, outcome): (usize, &Outcome)| {
                let path = format!("/etc/file{at}");
                step(Target::File(FileTarget { host: name.clone(), path, aliases: Vec::new() }), *outcome)
            };
            match run {
                HostRun::Reached(files) => {
                    std::iter::once(row(HostOutcome::Reached)).chain(files.iter().enumerate().map(file)).collect()
                }
                HostRun::Unreachable(times) => vec![row(HostOutcome::Unreachable); *times],
                HostRun::Failed(times) => vec![row(HostOutcome::Failed); *times],
                HostRun::Skipped(times) => vec![row(HostOutcome::Skipped); *times],
            }
        });
        let registries = self.verdicts.iter().map(|verdict| {
            Event::Registry(RegistryRow {
                host: "registry.example.com".to_owned(),
                user: "robot".to_owned(),
                image: "registry.example.com/team/app:1".to_owned(),
                verdict: *verdict,
                failure: None,
                from: None,
                expires: None,
                rate_limit: None,
                other_server: None,
            })
        });
        let objects = self.objects.iter().enumerate().map(|(at, outcome)| {
            let (namespace, name) = ("openshift".to_owned(), format!("secret{at}"));
            step(Target::Object(ObjectName::secret(namespace, name)), *outcome)
        });
        let stops = self.stops.iter().map(|stop| match stop {
            Stop::Error => Event::Error(Failure::new("it went wrong")),
            Stop::Interrupted => Event::Interrupted,
        });
        hosts.chain(std::iter::once(registries.chain(objects).chain(stops).collect())).collect()
    }

    /// The recap after the events have arrived in the order that `choices` decides.
    fn recap(&self, choices: &[usize]) -> Recap {
        let mut report = Report::default();
        let hosts = (0..self.hosts.len()).map(host_name).collect();
        report.record(&Event::Started(Started { command: self.command, hosts }));
        let mut lists: Vec<std::collections::VecDeque<Event>> = self.lists().into_iter().map(Into::into).collect();
        let mut choices = choices.iter().cycle();
        lists.retain(|list| !list.is_empty());
        while !lists.is_empty() {
            let at = choices.next().unwrap() % lists.len();
            report.record(&lists[at].pop_front().unwrap());
            lists.retain(|list| !list.is_empty());
        }
        report.into_recap()
    }
}

proptest! {
    #[test]
    fn the_order_of_hosts_does_not_matter(
        run in runs(),
        one in vec(0..100usize, 1..40),
        other in vec(0..100usize, 1..40),
    ) {
        prop_assert_eq!(run.recap(&one), run.recap(&other));
    }

    #[test]
    fn no_host_is_counted_twice(run in runs(), choices in vec(0..100usize, 1..40)) {
        let recap = run.recap(&choices);
        let names: Vec<String> = (0..run.hosts.len()).map(host_name).collect();
        prop_assert_eq!(recap.hosts.keys().cloned().collect::<Vec<_>>(), names);
        for (counts, run) in recap.hosts.values().zip(&run.hosts) {
            let all = [counts.ok, counts.unreachable, counts.failed, counts.skipped];
            match run {
                // The connection, and each file once.
                HostRun::Reached(files) => {
                    let written = |outcome: &&Outcome| outcome.is_change();
                    prop_assert_eq!(all.iter().sum::<usize>(), 1 + files.len());
                    prop_assert_eq!(counts.changed, files.iter().filter(written).count());
                }
                HostRun::Unreachable(_) => prop_assert_eq!(all, [0, 1, 0, 0]),
                HostRun::Failed(_) => prop_assert_eq!(all, [0, 0, 1, 0]),
                HostRun::Skipped(_) => prop_assert_eq!(all, [0, 0, 0, 1]),
            }
        }
    }
}
