//! The last line of a run: one sentence with the result. It counts what failed and names it, states whether anything was
//! changed, including whether the old credentials must stay valid, and what to do next. Prints nothing.

use indexmap::IndexMap;

use super::line::{Line, Tone};
use super::names::{MAX_NAMES, names};
use super::plural::plural;
use super::steps::name_in_cluster;
use super::vantage;
use crate::desired::{GLOBAL_NAME, GLOBAL_NAMESPACE};
use crate::event::{Command, Counts, ObjectSummary, Outcome, Recap};
use crate::facts::{ObjectKind, ObjectName, Verdict};
use crate::report::ExitStatus;

/// The last line of a run. The sentence must also be correct if something could not be checked. `retry_file` is the file
/// that gets the names of the hosts that failed.
pub(super) fn conclusion(command: Option<Command>, recap: &Recap, retry_file: Option<&str>) -> Option<Line> {
    let text = sentence(command, recap, retry_file)?;
    let done = recap.status == ExitStatus::Done as u8 || recap.status == ExitStatus::ChangesPending as u8;
    let tone = match (changes(recap), rolled_out(recap)) {
        _ if !done => Tone::Failed,
        ((0, 0), 0) => Tone::Good,
        _ => Tone::Changed,
    };
    Some(Line::message(tone, text))
}

fn sentence(command: Option<Command>, recap: &Recap, retry_file: Option<&str>) -> Option<String> {
    if recap.status == ExitStatus::Interrupted as u8 {
        return Some(interrupted(command, recap));
    }
    let Some(command) = command else {
        return Some("nothing was changed: fix the errors above".to_owned());
    };
    // An inventory without registries is an error, so no row means that none could be contacted.
    let not_permitted = recap.registries.is_empty() || recap.registries.iter().any(|row| !row.verdict.permits_run());
    let stopped = not_permitted || recap.status == ExitStatus::Error as u8;
    let objects_failed = failed_objects(recap).is_some();
    Some(match command {
        Command::Validate if !recap.objects.is_empty() => imports(recap),
        Command::Validate if recap.registries.is_empty() => "no credential could be proved".to_owned(),
        Command::Validate => format!("{}{}", proved(recap), vantage::from(recap)),
        Command::Login => log_in(recap),
        Command::Logout => log_out(recap),
        Command::Plan if stopped || objects_failed => {
            format!("`apply` would change nothing until the errors above are fixed{}", what_failed(recap))
        }
        Command::Plan => {
            let rollout = match rolled_out(recap) {
                0 => String::new(),
                pools => format!(", and follow the rollout to {}", plural(pools, "pool")),
            };
            format!("`apply` would write {}{rollout}{}", written(recap), incomplete(recap, command, retry_file))
        }
        Command::Apply if stopped => {
            format!("nothing was changed{}; fix the errors above, then run again", what_failed(recap))
        }
        Command::Apply if objects_failed => after_failed_objects(recap, retry_file),
        // Nodes that were not checked may have old credentials, so the result must not be called up to date.
        Command::Apply if changes(recap) == (0, 0) && rolled_out(recap) == 0 && incomplete_hosts(recap).is_empty() => {
            "no changes: already up to date".to_owned()
        }
        Command::Apply => format!("{}{}", done_and_rolled_out(recap), incomplete(recap, command, retry_file)),
    })
}

/// The sentence after an `apply` in which an object of the cluster failed. That object may have been written, and other
/// objects were written before.
fn after_failed_objects(recap: &Recap, retry_file: Option<&str>) -> String {
    let before = match changes(recap) {
        (0, _) => String::new(),
        _ => format!("{} written and read back; ", written(recap)),
    };
    if has_failed_rollout(recap) {
        // The operator changes nodes by itself, also after a run that did not wait for the end.
        return format!(
            "{before}the rollout has not ended{}; fix the errors above, then run again",
            what_failed(recap)
        );
    }
    let failed = |holds: fn(&ObjectSummary) -> bool| {
        recap.objects.iter().any(|row| row.outcome == Outcome::Failed && holds(row))
    };
    // Nodes are written after an import that failed, and before the removals.
    if failed(|row| !is_import(row)) && changes(recap).1 == 0 && !has_failed_file(recap) {
        return format!("{before}no node was changed{}; fix the errors above, then run again", what_failed(recap));
    }
    let rest = match incomplete(recap, Command::Apply, retry_file) {
        rest if !rest.is_empty() => rest,
        _ if failed(is_import) => "; keep the old credentials valid, fix the errors above, then run again".to_owned(),
        _ => "; fix the errors above, then run again".to_owned(),
    };
    format!("{}; {}{rest}", done_and_rolled_out(recap), failed_objects(recap).unwrap_or_default())
}

fn done_and_rolled_out(recap: &Recap) -> String {
    match rolled_out(recap) {
        0 => done(recap),
        pools => format!("{}; rolled out to {}", done(recap), plural(pools, "pool")),
    }
}

/// The sentence after a signal.
fn interrupted(command: Option<Command>, recap: &Recap) -> String {
    let result = match command {
        Some(Command::Apply | Command::Login | Command::Logout) => done(recap),
        Some(Command::Validate | Command::Plan) | None => "nothing was changed".to_owned(),
    };
    let (all, checked) = (recap.hosts.len(), recap.hosts.values().filter(|counts| counts.ok > 0).count());
    match command {
        Some(Command::Plan | Command::Apply) if all > 0 => {
            format!("interrupted: {result}; {checked} of {} were checked: run again", plural(all, "node"))
        }
        _ => format!("interrupted: {result}"),
    }
}

/// What `apply` or `login` has done.
fn done(recap: &Recap) -> String {
    let is_failed_write = |row: &ObjectSummary| !is_pool(row) && !is_import(row) && row.outcome == Outcome::Failed;
    match changes(recap) {
        // A write that failed may have been completed by the node or the API server.
        (0, 0) if has_failed_file(recap) || recap.objects.iter().any(is_failed_write) => {
            "no change was confirmed".to_owned()
        }
        (0, 0) => "nothing was changed".to_owned(),
        _ => format!("{} written and read back", written(recap)),
    }
}

/// The credentials and objects that failed, after a colon; empty if there are none.
fn what_failed(recap: &Recap) -> String {
    let mut credentials: IndexMap<(&str, &str), Option<Verdict>> = IndexMap::new();
    for row in &recap.registries {
        let failed = credentials.entry((&row.host, &row.user)).or_default();
        *failed = failed.or_else(|| (!row.verdict.permits_run()).then_some(row.verdict));
    }
    let all = credentials.len();
    let failed: Vec<String> = credentials
        .into_iter()
        .filter_map(|((host, _), verdict)| Some(format!("`{host}` ({})", verdict?.code())))
        .collect();
    let names = names(failed.iter().map(String::as_str), None);
    let credentials =
        (!failed.is_empty()).then(|| format!("{} of {} failed: {names}", failed.len(), plural(all, "credential")));
    let parts: Vec<String> = credentials.into_iter().chain(failed_objects(recap)).collect();
    if parts.is_empty() { String::new() } else { format!(": {}", parts.join("; ")) }
}

fn failed_objects(recap: &Recap) -> Option<String> {
    let failed = recap.objects.iter().filter(|row| row.outcome == Outcome::Failed);
    let name = |row: &ObjectSummary| format!("{} `{}`", row.object.kind.noun(), name_in_cluster(&row.object));
    let failed: Vec<String> = failed.map(name).collect();
    match failed.as_slice() {
        [] => None,
        [one] => Some(format!("{one} failed")),
        _ => {
            let names = names(failed.iter().map(String::as_str), None);
            Some(format!("{} failed: {names}", plural(failed.len(), "object")))
        }
    }
}

/// How many image imports are proved (`validate --from cluster`).
fn imports(recap: &Recap) -> String {
    let imports = || recap.objects.iter().filter(|row| is_import(row));
    let not_proved = recap.objects.iter().filter(|row| row.outcome != Outcome::Proved);
    let not_proved: Vec<String> = not_proved.map(|row| format!("`{}`", name_in_cluster(&row.object))).collect();
    let (all, good) = (imports().count(), imports().filter(|row| row.outcome == Outcome::Proved).count());
    let rest = match names(not_proved.iter().map(String::as_str), None) {
        names if names.is_empty() => String::new(),
        names => format!("; not proved: {names}"),
    };
    format!("{good} of {} proved{rest}", plural(all, "image import"))
}

/// How many credentials are proved, each by at least one image; if some have several images, also the number of images.
fn proved(recap: &Recap) -> String {
    let mut credentials: IndexMap<(&str, &str), bool> = IndexMap::new();
    let (mut images, mut shown) = (0, 0);
    for row in vantage::credentials(recap) {
        let good = row.verdict == Verdict::Proved;
        // One image is enough: the others may be missing or forbidden although the password is correct.
        *credentials.entry((&row.host, &row.user)).or_default() |= good;
        images += 1;
        shown += usize::from(good);
    }
    let (good, all) = (credentials.values().filter(|good| **good).count(), credentials.len());
    let not_proved: Vec<String> =
        credentials.iter().filter(|(_, good)| !**good).map(|((host, _), _)| format!("`{host}`")).collect();
    let not_proved = match names(not_proved.iter().map(String::as_str), None) {
        names if names.is_empty() => names,
        names => format!("; not proved: {names}"),
    };
    let of_images = if images > all { format!(" by {shown} of {images} images") } else { String::new() };
    format!("{good} of {all} credentials proved{of_images}{not_proved}")
}

/// The result of a login. If there is no row, the registry was not contacted.
fn log_in(recap: &Recap) -> String {
    let counts: Counts = recap.hosts.values().copied().next().unwrap_or_default();
    match (recap.registries.first(), counts) {
        (Some(row), Counts { changed: 1, .. }) => format!("the login of `{}` to `{}` is saved", row.user, row.host),
        (Some(_), Counts { ok: 1, .. }) if recap.status == ExitStatus::Done as u8 => {
            "no changes: the file is already up to date".to_owned()
        }
        _ => "nothing was changed".to_owned(),
    }
}

fn log_out(recap: &Recap) -> String {
    let counts: Counts = recap.hosts.values().copied().next().unwrap_or_default();
    match counts {
        Counts { changed: 1, .. } => "the credential is removed from the file".to_owned(),
        Counts { ok: 1, .. } if recap.status == ExitStatus::Done as u8 => {
            "no changes: the file has no credential for the registry".to_owned()
        }
        _ => "nothing was changed".to_owned(),
    }
}

/// How many objects and files were, or would be, written.
fn changes(recap: &Recap) -> (usize, usize) {
    (written_objects(recap).count(), recap.hosts.values().map(|counts| counts.changed).sum())
}

fn written_objects(recap: &Recap) -> impl Iterator<Item = &ObjectSummary> {
    recap.objects.iter().filter(|row| row.outcome.is_change() && !is_pool(row))
}

/// How many pools got, or would get, the global pull secret. The operator changes them, and the run waits for it.
fn rolled_out(recap: &Recap) -> usize {
    recap.objects.iter().filter(|row| row.outcome.is_change() && is_pool(row)).count()
}

/// Whether a rollout was followed and has not ended. If the pools could not even be observed, no secret is written.
fn has_failed_rollout(recap: &Recap) -> bool {
    let any = |holds: fn(&ObjectSummary) -> bool| recap.objects.iter().any(holds);
    let is_global = |object: &ObjectName| *object == ObjectName::secret(GLOBAL_NAMESPACE, GLOBAL_NAME);
    let is_written = !recap.objects.iter().any(|row| is_global(&row.object) && row.outcome == Outcome::Skipped);
    is_written && any(|row| is_pool(row) && row.outcome == Outcome::Failed)
}

/// Whether a file of a node that was reached has failed.
fn has_failed_file(recap: &Recap) -> bool {
    recap.hosts.values().any(|counts| counts.ok > 0 && counts.failed > 0)
}

fn is_import(row: &ObjectSummary) -> bool {
    row.object.kind == ObjectKind::ImageStreamImport
}

fn is_pool(row: &ObjectSummary) -> bool {
    row.object.kind == ObjectKind::MachineConfigPool
}

/// Whether the run has something to report: it changed something, or did not end with 0.
pub(super) fn has_news(recap: &Recap) -> bool {
    recap.status != ExitStatus::Done as u8 || changes(recap) != (0, 0) || rolled_out(recap) > 0
}

/// The same in words.
fn written(recap: &Recap) -> String {
    let is_secret = |row: &ObjectSummary| row.object.kind == ObjectKind::Secret;
    let noun = if written_objects(recap).all(is_secret) { "secret" } else { "object" };
    match changes(recap) {
        (0, 0) => "nothing".to_owned(),
        (objects, 0) => plural(objects, noun),
        (0, files) => plural(files, "file"),
        (objects, files) => format!("{} and {}", plural(objects, noun), plural(files, "file")),
    }
}

/// The nodes that were not completely checked or written, and what to do next.
fn incomplete(recap: &Recap, command: Command, retry_file: Option<&str>) -> String {
    let hosts = incomplete_hosts(recap);
    if hosts.is_empty() {
        return String::new();
    }
    let count = |holds: fn(&Counts) -> bool| hosts.iter().filter(|(_, counts)| holds(counts)).count();
    let unreachable = count(|counts| counts.unreachable > 0);
    let failed = count(|counts| counts.unreachable == 0 && counts.failed > 0);
    let skipped = hosts.len() - unreachable - failed;
    let verb = |count, one, many| if count == 1 { one } else { many };
    let kinds = [
        (unreachable, verb(unreachable, "is unreachable", "are unreachable")),
        (failed, "failed"),
        (skipped, verb(skipped, "was not checked", "were not checked")),
    ];
    let kinds: Vec<String> =
        kinds.iter().filter(|(count, _)| *count > 0).map(|(count, kind)| format!("{count} {kind}")).collect();
    let keep = if command == Command::Apply { "keep the old credentials valid, " } else { "" };
    let all = plural(recap.hosts.len(), "node");
    format!(
        "; of {all}, {}: {keep}fix the errors above, then run again with {}",
        kinds.join(" and "),
        limit(&hosts, retry_file)
    )
}

/// The option that selects `hosts`, to paste into the next command.
fn limit(hosts: &[(&str, &Counts)], retry_file: Option<&str>) -> String {
    let all = hosts.iter().map(|(host, _)| *host);
    match retry_file {
        _ if hosts.len() <= MAX_NAMES => format!("`--limit {}`", quoted(&pattern(&all.collect::<Vec<_>>()))),
        Some(file) => format!("`--limit {}` ({})", quoted(&format!("@{file}")), names(all, None)),
        None => format!("`--limit @FILE`, which `--retry-file FILE` writes ({})", names(all, None)),
    }
}

/// The pattern that selects these hosts.
fn pattern(hosts: &[&str]) -> String {
    let list = hosts.join(",");
    // Without a comma, the colons of an IPv6 address would separate patterns.
    if list.contains(':') && hosts.len() == 1 { list + "," } else { list }
}

/// The word as a POSIX shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./_-".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// The nodes that were not completely checked or written.
pub(super) fn incomplete_hosts(recap: &Recap) -> Vec<(&str, &Counts)> {
    let incomplete = |counts: &Counts| counts.unreachable + counts.failed + counts.skipped > 0;
    recap.hosts.iter().filter(|(_, counts)| incomplete(counts)).map(|(host, counts)| (host.as_str(), counts)).collect()
}

#[cfg(test)]
mod tests;
