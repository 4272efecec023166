//! The run as text: one line for each change, a block for each error, and Ansible's recap.

use indexmap::IndexMap;

use crate::dockerconfig::ChangeKind;
use crate::event::{Command, Counts, Event, HostOutcome, HostRow, Outcome, Recap, RegistryRow, StepRow};
use crate::facts::Verdict;
use crate::failure::Failure;
use crate::inventory::Problem;
use crate::plan::{Change, ModeChange, ObjectTarget, Target, format_mode};
use crate::report::ExitStatus;

use super::bars::Bars;
use super::vantage::{self, FirstResults};
use super::verdict::{self, quota};
use super::{Detail, error_line, line};

/// What has been shown so far decides how the rest is worded.
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
            Event::Error(failure) => self.aside(|| error_line(&failure_block(failure))),
            Event::Registry(row) => {
                if self.first.is_new(row) || self.detail == Detail::Everything {
                    self.aside(|| self.registry(row));
                }
            }
            Event::Host(row) => self.aside(|| host(row)),
            Event::Step(row) => self.aside(|| self.step(row)),
            Event::Interrupted => self.aside(interrupted),
            Event::Recap(recap) => {
                self.bars.clear();
                self.recap_lines(recap).iter().for_each(|text| line(text));
                let differences = vantage::differences(recap);
                differences.into_iter().chain(conclusion(self.command, recap)).for_each(|text| error_line(&text));
            }
        }
    }

    fn aside(&self, print: impl FnOnce()) {
        self.bars.aside(print);
    }

    fn registry(&self, row: &RegistryRow) {
        let RegistryRow { host, user, image, verdict, from, .. } = row;
        let from = from.as_ref().map(|node| format!(" from {node}")).unwrap_or_default();
        let good = matches!(verdict, Verdict::Proved | Verdict::Skipped);
        match verdict {
            Verdict::NotProved => {
                error_line(&block("warning", &verdict::message(row), row.cause.as_slice(), row.hint.as_deref()));
            }
            Verdict::Skipped => error_line(&format!("warning: {}", verdict::message(row))),
            _ if good && self.shows_all() => {
                let what = if image == host { "the login" } else { image };
                let quota = row.rate_limit.filter(|_| self.detail == Detail::Everything).map(quota);
                let quota = quota.map(|quota| format!(" ({quota})")).unwrap_or_default();
                line(&format!("registry {host}: proved{from}: {what} as `{user}`{quota}"));
            }
            _ if good => {}
            _ => error_line(&block("error", &verdict::message(row), row.cause.as_slice(), row.hint.as_deref())),
        }
        if let Some(few) = row.rate_limit.filter(verdict::is_low) {
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

    /// With bars in view the lines of a real run would only be noise; a plan is there to be read.
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
            // One credential and one file have been told of already.
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

/// A signal ended it.
pub(super) fn interrupted() {
    error_line("interrupted: what is not listed here was not done");
}

/// Something to look at that stops nothing.
pub(super) fn warning(message: &str) {
    error_line(&format!("warning: {message}"));
}

/// An inventory problem with its line and caret.
pub(super) fn problem(problem: &Problem) {
    error_line(&failure_block(&Failure::from(problem)));
}

/// What ends a command.
pub(super) fn fault(failure: &Failure) {
    error_line(&failure_block(failure));
}

fn host(row: &HostRow) {
    match &row.failure {
        Some(failure) => error_line(&failure_block(failure)),
        None if row.outcome == HostOutcome::Skipped => error_line(&format!("{}: not looked at", row.host)),
        None => {}
    }
}

fn failure_block(failure: &Failure) -> String {
    let message = match &failure.excerpt {
        Some(excerpt) => format!("{}\n{excerpt}", failure.message),
        None => failure.message.clone(),
    };
    block("error", &message, &failure.causes, failure.hint.as_deref())
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
    };
    let same = key.same_as.as_ref().map(|key| format!(" read as {key}"));
    let dropped: String = key.dropped.iter().map(|token| format!(" without {token}")).collect();
    format!("{sign}{}{}{dropped}", key.key, same.unwrap_or_default())
}

/// The one sentence for somebody on call. It must be true also of what was not seen.
fn conclusion(command: Option<Command>, recap: &Recap) -> Option<String> {
    let command = command?;
    if recap.status == ExitStatus::Interrupted as u8 {
        return None;
    }
    // There is always a registry to ask: without a row none could be.
    let bad = recap.registries.is_empty() || recap.registries.iter().any(|row| !row.verdict.permits_run());
    let secret = |outcomes: &[Outcome]| recap.objects.iter().any(|row| outcomes.contains(&row.outcome));
    let stopped = bad || recap.status == ExitStatus::Error as u8;
    Some(match command {
        Command::Validate if recap.registries.is_empty() => "no credential could be proved".to_owned(),
        Command::Validate => format!("{}{}", proved(recap), vantage::from(recap)),
        Command::Login => log_in(recap),
        Command::Plan if stopped || secret(&[Outcome::Failed]) => {
            "`apply` would change nothing until the errors above are mended".to_owned()
        }
        Command::Plan => format!("`apply` would write {}{}", written(recap), unseen(recap)),
        Command::Apply if stopped => "nothing was changed".to_owned(),
        Command::Apply if secret(&[Outcome::Failed]) => "no node was changed".to_owned(),
        Command::Apply if written(recap) == NOTHING && lacking(recap) == 0 => "everything was right already".to_owned(),
        Command::Apply => format!("{} written and read back{}", written(recap), behind(recap)),
    })
}

/// How many credentials are proved: each by one image at least. Where some have several, how many of those.
fn proved(recap: &Recap) -> String {
    let mut credentials: IndexMap<(&str, &str), bool> = IndexMap::new();
    let (mut images, mut shown) = (0, 0);
    for row in vantage::credentials(recap) {
        let good = row.verdict == Verdict::Proved;
        *credentials.entry((&row.host, &row.user)).or_default() |= good;
        images += 1;
        shown += usize::from(good);
    }
    let (good, all) = (credentials.values().filter(|good| **good).count(), credentials.len());
    let of_images = if images > all { format!(" by {shown} of {images} images") } else { String::new() };
    format!("{good} of {all} credentials proved{of_images}")
}

/// How a login ended. Without a row of the registry it was not asked.
fn log_in(recap: &Recap) -> String {
    let counts: Counts = recap.hosts.values().copied().next().unwrap_or_default();
    match (recap.registries.first(), counts) {
        (Some(row), Counts { changed: 1, .. }) => format!("the login of `{}` to `{}` is saved", row.user, row.host),
        (Some(_), Counts { ok: 1, .. }) if recap.status == ExitStatus::Done as u8 => {
            "the file was right already".to_owned()
        }
        _ => "nothing was changed".to_owned(),
    }
}

const NOTHING: &str = "nothing";

/// How many files and secrets were, or would be, written.
fn written(recap: &Recap) -> String {
    let files: usize = recap.hosts.values().map(|counts| counts.changed).sum();
    let secret = recap.objects.iter().any(|row| matches!(row.outcome, Outcome::Created | Outcome::Updated));
    match (secret, files) {
        (false, 0) => NOTHING.to_owned(),
        (true, 0) => "the secret".to_owned(),
        (true, files) => format!("the secret and {}", plural(files, "file")),
        (false, files) => plural(files, "file"),
    }
}

fn unseen(recap: &Recap) -> String {
    match lacking(recap) {
        0 => String::new(),
        nodes => format!("; {nodes} of {} could not be looked at in full", plural(recap.hosts.len(), "node")),
    }
}

fn behind(recap: &Recap) -> String {
    match lacking(recap) {
        0 => String::new(),
        nodes => {
            let all = plural(recap.hosts.len(), "node");
            format!("; {nodes} of {all} may not have the credentials: keep the old ones valid")
        }
    }
}

/// Nodes of which something was not seen, or not written.
fn lacking(recap: &Recap) -> usize {
    recap.hosts.values().filter(|counts| counts.unreachable + counts.failed + counts.skipped > 0).count()
}

pub(super) fn plural(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(host: &str, user: &str, verdict: Verdict) -> RegistryRow {
        RegistryRow {
            host: host.to_owned(),
            user: user.to_owned(),
            image: String::new(),
            verdict,
            cause: None,
            hint: None,
            from: None,
            expires: None,
            rate_limit: None,
            other_server: None,
        }
    }

    #[test]
    fn credentials_are_counted_and_their_images_told_apart() {
        use Verdict::{NotFound, Proved, Refused};
        type Rows = &'static [(&'static str, &'static str, Verdict)];
        let cases: [(Rows, &str); 5] = [
            (&[("a", "u", Proved)], "1 of 1 credentials proved"),
            (&[("a", "u", Refused), ("a", "u", Refused)], "0 of 1 credentials proved by 0 of 2 images"),
            (&[("a", "u", Proved), ("a", "u", NotFound)], "1 of 1 credentials proved by 1 of 2 images"),
            (&[("a", "u", Proved), ("b", "u", Refused)], "1 of 2 credentials proved"),
            (&[("a", "u", Proved), ("a", "v", Refused)], "1 of 2 credentials proved"),
        ];
        for (rows, expected) in cases {
            let recap = Recap {
                registries: rows.iter().map(|(host, user, verdict)| row(host, user, *verdict)).collect(),
                ..Recap::default()
            };
            assert_eq!(conclusion(Some(Command::Validate), &recap).as_deref(), Some(expected));
        }
    }
}
