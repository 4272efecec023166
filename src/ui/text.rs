//! Prints a run as text: one line for each change, a block for each error, and a recap like Ansible's.

use crate::dockerconfig::ChangeKind;
use crate::event::{Command, Event, HostOutcome, HostRow, Outcome, Recap, RegistryRow, StepRow};
use crate::facts::Verdict;
use crate::failure::Failure;
use crate::inventory::Problem;
use crate::plan::{Change, ModeChange, ObjectTarget, Target, format_mode};

use super::bars::Bars;
use super::quota::{self, quota};
use super::vantage::{self, FirstResults};
use super::{Detail, conclusion, error_line, line};

/// Prints events. The text depends on the command, and on what was printed before.
pub(super) struct Screen {
    detail: Detail,
    bars: Bars,
    command: Option<Command>,
    first: FirstResults,
}

impl Screen {
    pub(super) fn new(detail: Detail, bars: Bars) -> Self {
        Self { detail, bars, command: None, first: FirstResults::default() }
    }

    pub(super) fn show(&mut self, event: &Event) {
        match event {
            Event::Progress(progress) => self.bars.update(*progress),
            Event::Started(started) => self.command = Some(started.command),
            Event::Warning { message } => self.aside(|| warning(message)),
            Event::Error(failure) => self.aside(|| error_line(&failure_block("error", failure))),
            Event::Registry(row) => {
                if self.first.is_new(row) || self.detail == Detail::Everything {
                    self.aside(|| self.registry(row));
                }
            }
            Event::Host(row) => self.aside(|| host(row)),
            Event::Step(row) => self.aside(|| self.step(row)),
            Event::Interrupted => self.aside(interrupted),
            // The lines of the recap are printed without `aside`, so bars that an interruption left must be removed
            // before.
            Event::Recap(recap) => {
                self.bars.clear();
                self.recap_lines(recap).iter().for_each(|text| line(text));
                let differences = vantage::differences(recap);
                differences
                    .into_iter()
                    .chain(conclusion::conclusion(self.command, recap))
                    .for_each(|text| error_line(&text));
            }
        }
    }

    fn aside(&self, print: impl FnOnce()) {
        self.bars.aside(print);
    }

    fn registry(&self, row: &RegistryRow) {
        let RegistryRow { host, user, image, verdict, from, .. } = row;
        let from = from.as_ref().map(|node| format!(" from {node}")).unwrap_or_default();
        match verdict {
            Verdict::Proved if self.shows_all() => {
                let what = if image == host { "the login" } else { image };
                let quota = row.rate_limit.filter(|_| self.detail == Detail::Everything).map(quota);
                let quota = quota.map(|quota| format!(" ({quota})")).unwrap_or_default();
                line(&format!("registry {host}: proved{from}: {what} as `{user}`{quota}"));
            }
            Verdict::Proved => {}
            verdict => {
                // Some verdicts prove nothing but permit the run, for example if the test login is off.
                let label = if verdict.permits_run() { "warning" } else { "error" };
                row.failure.iter().for_each(|failure| error_line(&failure_block(label, failure)));
            }
        }
        if let Some(few) = row.rate_limit.filter(quota::is_low) {
            warning(&format!("registry `{host}` has few pulls left for user `{user}`: {}", quota(few)));
        }
    }

    fn step(&self, row: &StepRow) {
        let (label, host, aliases): (_, _, &[String]) = match &row.target {
            Target::Object(object) => (object_name(object), None, &[]),
            Target::File(file) if self.command == Some(Command::Login) => (file.path.clone(), None, &[]),
            Target::File(file) => (format!("{}:{}", file.host, file.path), Some(file.host.as_str()), &file.aliases),
        };
        row.notes.iter().for_each(|note| warning(&format!("{label}: {note}")));
        match &row.failure {
            Some(failure) => {
                let message = host.map_or_else(String::new, |host| format!("{host}: ")) + &failure.message;
                error_line(&block("error", &message, &failure.causes, failure.hint.as_deref()));
            }
            None if self.shows(row.outcome) => {
                let aliases = match aliases {
                    [] => String::new(),
                    aliases => format!(" (also {})", aliases.join(", ")),
                };
                line(&format!("{label}{aliases}: {}{}", self.outcome(row.outcome), change_list(&row.changes)));
            }
            None => {}
        }
    }

    /// Whether a step gets a separate line. While progress bars are visible, the lines of `apply` would hide the errors
    /// between them. The changes of a plan are always printed, because they are its result.
    fn shows(&self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Unchanged | Outcome::Skipped => self.detail == Detail::Everything,
            _ => self.shows_all() || !self.bars.are_visible(),
        }
    }

    fn shows_all(&self) -> bool {
        self.detail == Detail::Everything || self.command != Some(Command::Apply)
    }

    fn outcome(&self, outcome: Outcome) -> &'static str {
        let planned = self.command == Some(Command::Plan);
        match outcome {
            Outcome::Created if planned => "would be created",
            Outcome::Updated if planned => "would be updated",
            Outcome::Created => "created",
            Outcome::Updated => "updated",
            Outcome::Unchanged => "unchanged",
            Outcome::Failed => "failed",
            Outcome::Skipped => "not written",
        }
    }

    fn recap_lines(&self, recap: &Recap) -> Vec<String> {
        if self.command == Some(Command::Login) {
            // The recap of a login would repeat its only credential and its only file, which were reported above.
            return Vec::new();
        }
        let mut first = FirstResults::default();
        let shown = recap.registries.iter().filter(|row| first.is_new(row) || self.detail == Detail::Everything);
        let registries = shown.map(|row| {
            let from = row.from.as_ref().map(|node| format!(" from {node}")).unwrap_or_default();
            let expires = row.expires.as_ref().map(|at| format!(", expires {at}")).unwrap_or_default();
            format!("registry {} ({}){from} : {}{expires}", row.image, row.user, row.verdict.code())
        });
        let objects =
            recap.objects.iter().map(|row| format!("{} : {}", object_name(&row.object), self.outcome(row.outcome)));
        let hosts = recap.hosts.iter().map(|(host, counts)| {
            format!(
                "{host} : ok={} changed={} unreachable={} failed={} skipped={} rescued={} ignored={}",
                counts.ok,
                counts.changed,
                counts.unreachable,
                counts.failed,
                counts.skipped,
                counts.rescued,
                counts.ignored
            )
        });
        registries.chain(objects).chain(hosts).collect()
    }
}

/// The line of a run that a signal ended.
pub(super) fn interrupted() {
    error_line("interrupted: only the changes that are listed here were made");
}

/// Prints a warning.
pub(super) fn warning(message: &str) {
    error_line(&format!("warning: {message}"));
}

/// Prints an inventory problem with its line and caret.
pub(super) fn problem(problem: &Problem) {
    error_line(&failure_block("error", &Failure::from(problem)));
}

/// Prints the failure that ends a command.
pub(super) fn failure(failure: &Failure) {
    error_line(&failure_block("error", failure));
}

fn host(row: &HostRow) {
    match &row.failure {
        Some(failure) => error_line(&failure_block("error", failure)),
        None if row.outcome == HostOutcome::Skipped => error_line(&format!("{}: not checked", row.host)),
        None => {}
    }
}

fn failure_block(label: &str, failure: &Failure) -> String {
    let message = match &failure.excerpt {
        Some(excerpt) => format!("{}\n{excerpt}", failure.message),
        None => failure.message.clone(),
    };
    block(label, &message, &failure.causes, failure.hint.as_deref())
}

pub(super) fn block(label: &str, message: &str, causes: &[String], hint: Option<&str>) -> String {
    let causes = causes.iter().map(|cause| format!("\n  caused by: {cause}"));
    let hint = hint.map(|hint| format!("\nhint: {hint}"));
    format!("{label}: {message}{}{}", causes.collect::<String>(), hint.unwrap_or_default())
}

/// The object in lines of the output: `secret openshift/imagestreamsecret`.
fn object_name(ObjectTarget { kind, namespace, name }: &ObjectTarget) -> String {
    format!("{} {namespace}/{name}", kind.noun())
}

/// What changes, as ` (+added, ~updated, mode 0644 -> 0600)`; never values.
fn change_list(changes: &[Change]) -> String {
    let parts: Vec<String> = changes.iter().map(change).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

fn change(change: &Change) -> String {
    let key = match change {
        Change::Mode(ModeChange { from, to }) => return format!("mode {} -> {}", format_mode(*from), format_mode(*to)),
        Change::Key(key) => key,
    };
    let sign = match key.kind {
        ChangeKind::Added => '+',
        ChangeKind::Updated => '~',
        ChangeKind::Removed => '-',
    };
    let same = key.same_as.as_ref().map(|key| format!(" read as {key}"));
    let dropped: String = key.dropped.iter().map(|token| format!(" without {token}")).collect();
    format!("{sign}{}{}{dropped}", key.key, same.unwrap_or_default())
}
