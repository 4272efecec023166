//! The layout of the text output for runs of all sizes, from events alone: the files in `tests/cases/ui/`.
//! `OREGANO_UPDATE_SNAPSHOTS=1` rewrites them.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::line::Line;
use super::text::Screen;
use super::{Detail, Layout};
use crate::event::{Command, Event, HostOutcome, HostRow, RegistryRow, Started, StepRow};
use crate::facts::{ObjectKind, ObjectName, Verdict};
use crate::failure::Failure;
use crate::plan::{Action, FileTarget, Step, Target};
use crate::report::Report;

const FILES: [&str; 2] = ["/var/lib/origin/.docker/config.json", "/root/.docker/config.json"];

/// What happens on a node.
#[derive(Clone, Copy)]
enum Node {
    Unchanged,
    Changed,
    Refused,
    NoResponse,
    ReadOnly,
    NotWritten,
    NotChecked,
}

/// A run, as its events.
struct Run {
    events: Vec<Event>,
}

impl Run {
    /// A run on this many nodes, of which the numbers in `special`, from 1, are different from `usual`.
    fn new(command: Command, nodes: usize, usual: Node, special: &[(usize, Node)]) -> Self {
        let digits = nodes.to_string().len();
        let name = |number: usize| format!("node{number:0digits$}");
        let mut events = vec![Event::Started(Started { command, hosts: (1..=nodes).map(name).collect() })];
        events.push(Event::Warning { message: "registry `r.example.com` is used without verified TLS".to_owned() });
        for number in 1..=nodes {
            let what = special.iter().find(|(special, _)| *special == number).map_or(usual, |(_, what)| *what);
            events.extend(node_events(&name(number), number, what));
        }
        Self { events }
    }

    /// The same run with events before those of the nodes.
    fn with(mut self, events: Vec<Event>) -> Self {
        self.events.splice(2..2, events);
        self
    }

    fn interrupted(mut self) -> Self {
        self.events.push(Event::Interrupted);
        self
    }

    /// What is printed on a terminal with 80 columns without progress bars.
    fn show(&self, detail: Detail, retry_file: Option<&str>) -> Vec<String> {
        let layout = Layout { detail, width: Some(80), bars: false, retry_file: retry_file.map(ToOwned::to_owned) };
        let (mut screen, mut report) = (Screen::new(layout), Report::default());
        self.events.iter().for_each(|event| report.record(event));
        let recap = Event::Recap(report.into_recap());
        let lines = self.events.iter().chain([&recap]).flat_map(|event| screen.show(event));
        lines.flat_map(|line: Line| line.text().lines().map(ToOwned::to_owned).collect::<Vec<_>>()).collect()
    }
}

fn node_events(name: &str, number: usize, what: Node) -> Vec<Event> {
    let failed = |outcome, failure: &Failure| vec![Event::Host(HostRow::failed(name, outcome, failure))];
    let file = |path: &str, action: Action| {
        let target = FileTarget { host: name.to_owned(), path: path.to_owned(), aliases: Vec::new() };
        Step::new(Target::File(target), action)
    };
    let reached = |rows: Vec<StepRow>| {
        let host = Event::Host(HostRow::new(name, HostOutcome::Reached));
        std::iter::once(host).chain(rows.into_iter().map(Event::Step)).collect()
    };
    let address = format!("10.0.{}.{}:22", number / 250, number % 250);
    match what {
        Node::Unchanged => reached(FILES.map(|path| StepRow::done(&file(path, Action::Unchanged))).into()),
        Node::Changed => reached(FILES.map(|path| StepRow::done(&file(path, Action::Update))).into()),
        Node::NotWritten => reached(FILES.map(|path| StepRow::not_done(&file(path, Action::Update))).into()),
        Node::NotChecked => vec![Event::Host(HostRow::new(name, HostOutcome::Skipped))],
        Node::Refused => failed(
            HostOutcome::Unreachable,
            &Failure::new(format!("could not reach `{name}` ({address})"))
                .summary("connection refused")
                .cause(format!("{address}: connection refused: nothing listens on this port"))
                .hint("check that sshd is running on the node, and that `ansible_port` is its port"),
        ),
        Node::NoResponse => failed(
            HostOutcome::Unreachable,
            &Failure::new(format!("could not reach `{name}` ({address})"))
                .summary("no connection in time")
                .cause(format!("{address}: no response within 30.0 s")),
        ),
        Node::ReadOnly => {
            let failure = Failure::new(format!("`{}` could not be written", FILES[0]))
                .summary(format!("`{}` could not be written: Read-only file system", FILES[0]))
                .cause(format!("cannot create a private directory next to it: {number}: Read-only file system"))
                .hint("remount it read-write, or set `docker_auth_credentials_path` to a writable path");
            reached(vec![
                StepRow::failed(&file(FILES[0], Action::Update), failure),
                StepRow::done(&file(FILES[1], Action::Update)),
            ])
        }
    }
}

fn registry(number: usize, verdict: Verdict) -> Event {
    let host = format!("r{number}.example.com");
    let failure = || {
        Failure::new(format!("registry `{host}` refused the credentials of user `robot`"))
            .cause(format!("GET https://{host}/v2/: 401 UNAUTHORIZED: authentication required"))
            .hint(format!("the password of `robot` comes from `oreg_auth` in hosts.ini:{number}:20"))
    };
    Event::Registry(RegistryRow {
        failure: (verdict != Verdict::Proved).then(failure),
        image: format!("{host}/team/app:v1"),
        user: "robot".to_owned(),
        host: host.clone(),
        verdict,
        from: None,
        expires: None,
        rate_limit: None,
        other_server: None,
    })
}

fn secret(action: Action) -> Event {
    let (namespace, name) = ("openshift".to_owned(), "imagestreamsecret".to_owned());
    let target = Target::Object(ObjectName::secret(namespace, name));
    Event::Step(StepRow::done(&Step::new(target, action)))
}

/// Ten different nodes of 500: seven that refuse connections, one that does not respond, two that cannot be written.
fn ten_of_500() -> Vec<(usize, Node)> {
    let refused = [47, 101, 113, 214, 215, 216, 333].map(|number| (number, Node::Refused));
    let others = [(8, Node::NoResponse), (77, Node::ReadOnly), (400, Node::ReadOnly)];
    refused.into_iter().chain(others).collect()
}

/// Compares the output with the file `name` in `tests/cases/ui/`.
#[track_caller]
fn check(name: &str, lines: &[String]) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/ui").join(name).with_extension("txt");
    let shown = lines.iter().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{line}");
        text
    });
    if std::env::var_os("OREGANO_UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&file, &shown).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(shown, expected, "{} differs; OREGANO_UPDATE_SNAPSHOTS=1 rewrites it", file.display());
}

/// The lines that a screen of 24 lines with 80 columns shows at the end. One line is the next prompt.
fn last_screen(lines: &[String]) -> String {
    let mut free = 23;
    let visible = lines.iter().rev().take_while(|line| {
        let rows = line.chars().count().div_ceil(80).max(1);
        free -= i64::try_from(rows).unwrap();
        free >= 0
    });
    visible.map(String::as_str).collect::<Vec<_>>().join("\n")
}

#[test]
fn twelve_nodes_have_a_line_each() {
    let special = [(3, Node::Refused), (5, Node::Refused), (8, Node::ReadOnly)];
    let run = Run::new(Command::Apply, 12, Node::Changed, &special);
    check(
        "12-nodes",
        &run.with(vec![registry(1, Verdict::Proved), secret(Action::Create)]).show(Detail::Changes, None),
    );
}

#[test]
fn a_screen_of_24_lines_shows_everything_about_60_nodes() {
    let special = [3, 17, 22].map(|number| (number, Node::Refused));
    let special = [&special[..], &[(41, Node::ReadOnly), (59, Node::ReadOnly)]].concat();
    let run = Run::new(Command::Apply, 60, Node::Unchanged, &special);
    let run = run.with(vec![registry(1, Verdict::Proved), registry(2, Verdict::Proved), secret(Action::Unchanged)]);
    let lines = run.show(Detail::Changes, None);
    check("60-nodes", &lines);
    let screen = last_screen(&lines);
    for needed in
        ["secret openshift", "55 nodes: no changes", "hint: check that sshd", "hint: remount", "--limit node03,"]
    {
        assert!(screen.contains(needed), "`{needed}` is not on the last screen:\n{screen}");
    }
}

#[test]
fn ten_of_500_nodes_are_broken() {
    let run = Run::new(Command::Apply, 500, Node::Unchanged, &ten_of_500());
    let run = run.with(vec![registry(1, Verdict::Proved), secret(Action::Unchanged)]);
    check("500-nodes", &run.show(Detail::Changes, None));
    let plan = Run::new(Command::Plan, 500, Node::Changed, &ten_of_500());
    check("500-nodes-plan", &plan.with(vec![registry(1, Verdict::Proved)]).show(Detail::Changes, None));
    // With `-v` each host has its line.
    let every = run_lines(&Run::new(Command::Apply, 500, Node::Unchanged, &ten_of_500()), Detail::Everything);
    assert_eq!(every.iter().filter(|line| line.contains(" : ok=")).count(), 500);
}

fn run_lines(run: &Run, detail: Detail) -> Vec<String> {
    run.show(detail, None)
}

#[test]
fn an_interruption_is_one_line_for_500_nodes() {
    let run = Run::new(Command::Apply, 500, Node::NotChecked, &[(1, Node::NotWritten), (2, Node::NotWritten)]);
    check("500-nodes-interrupted", &run.interrupted().show(Detail::Changes, None));
}

#[test]
fn one_of_100_registries_is_refused() {
    let verdict = |number| if number == 37 { Verdict::Refused } else { Verdict::Proved };
    let registries: Vec<Event> = (1..=100).map(|number| registry(number, verdict(number))).collect();
    for (name, nodes) in [("100-registries", 500), ("100-registries-and-25-nodes", 25)] {
        let run = Run::new(Command::Apply, nodes, Node::NotWritten, &[]);
        let lines = run.with(registries.clone()).show(Detail::Changes, None);
        check(name, &lines);
        assert!(last_screen(&lines).contains("`r37.example.com` (refused)"), "{lines:#?}");
    }
}

#[test]
fn ten_thousand_nodes_are_shown_quickly() {
    let special: Vec<(usize, Node)> = (1..=60).map(|number| (number * 150, Node::Refused)).collect();
    let run = Run::new(Command::Apply, 10_000, Node::Changed, &special).with(vec![registry(1, Verdict::Proved)]);
    let started = Instant::now();
    let lines = run.show(Detail::Changes, Some("failed.txt"));
    // A debug build needs 0.1 s; comparing each host with each other one would take minutes.
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    check("10000-nodes", &lines);
}

#[test]
fn twelve_objects_fail_for_one_reason() {
    let names = (1..=11).map(|number| ObjectName::secret(format!("project-{number}"), "team"));
    let selector = ObjectName::new(ObjectKind::Namespace, "", "team=blue");
    let failed = |name: ObjectName| {
        let failure = Failure::new("API server `https://api.example.com:6443` cannot be reached")
            .cause("connection refused")
            .hint("check that it is running, and `server` in the kubeconfig");
        Event::Step(StepRow::failed(&Step::new(Target::Object(name), Action::Unchanged), failure))
    };
    let run = Run::new(Command::Apply, 1, Node::NotWritten, &[]);
    check(
        "12-objects",
        &run.with([selector].into_iter().chain(names).map(failed).collect()).show(Detail::Changes, None),
    );
}

#[test]
fn a_node_that_two_parts_of_a_run_report_is_shown_once() {
    let unreachable = node_events("node1", 1, Node::Refused);
    let run = Run::new(Command::Apply, 1, Node::Refused, &[]).with(unreachable);
    let blocks = run.show(Detail::Changes, None).iter().filter(|line| line.starts_with("error: ")).count();
    assert_eq!(blocks, 1);
}
