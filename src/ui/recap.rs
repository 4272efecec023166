//! The recap: Ansible's line for each host of a small run; for many hosts, one line for each result, and the hosts with
//! problems last. Prints nothing.

use indexmap::IndexMap;

use super::line::{Line, Tone};
use super::names;
use super::plural::plural;
use super::problems::Problems;
use super::vantage::FirstResults;
use super::{Detail, Layout, outcome, steps};
use crate::event::{Command, Counts, Outcome, Recap, RegistryRow};
use crate::facts::Verdict;

/// Up to this number of hosts, images or objects, each has its own line.
pub(super) const MANY: usize = 25;

/// How many failed images with the same verdict have their own line, if there are many images.
const MAX_FAILED: usize = 10;

/// The lines of the recap, without the last line of the run.
pub(super) fn lines(recap: &Recap, command: Option<Command>, problems: &Problems, layout: &Layout) -> Vec<Line> {
    if command.is_some_and(Command::is_about_one_file) {
        // The recap would repeat the only credential and the only file, which were reported before.
        return Vec::new();
    }
    let mut lines = registries(recap, layout);
    lines.extend(objects(recap, command, layout));
    if recap.hosts.len() > MANY && layout.detail < Detail::Everything {
        lines.extend(many_hosts(recap, command));
        lines.extend(problems.recap(layout.width));
    } else {
        lines.extend(every_host(&recap.hosts, layout.width));
    }
    lines
}

fn registries(recap: &Recap, layout: &Layout) -> Vec<Line> {
    let mut first = FirstResults::default();
    let everything = layout.detail >= Detail::Everything;
    let shown: Vec<&RegistryRow> = recap.registries.iter().filter(|row| first.is_new(row) || everything).collect();
    if shown.len() <= MANY || everything {
        return shown.into_iter().map(registry).collect();
    }
    let mut verdicts: IndexMap<Verdict, Vec<&RegistryRow>> = IndexMap::new();
    shown.into_iter().for_each(|row| verdicts.entry(row.verdict).or_default().push(row));
    // The images that stop the run come last, so that they are visible above the hosts.
    let (good, failed): (Vec<_>, Vec<_>) = verdicts.into_iter().partition(|(verdict, _)| verdict.permits_run());
    let group = |(verdict, rows): (Verdict, Vec<&RegistryRow>)| match verdict {
        Verdict::Proved => {
            vec![Line::result(Tone::Good, format!("{} : proved", plural(rows.len(), "registry image")))]
        }
        verdict if rows.len() > MAX_FAILED => {
            let start = format!("{} : {}: ", plural(rows.len(), "registry image"), verdict.code());
            let all: Vec<&str> = rows.iter().map(|row| row.image.as_str()).collect();
            vec![Line::result(tone(verdict), names::line(&start, all.into_iter(), layout.width))]
        }
        _ => rows.into_iter().map(registry).collect(),
    };
    good.into_iter().chain(failed).flat_map(group).collect()
}

fn registry(row: &RegistryRow) -> Line {
    let from = row.from.as_ref().map(|node| format!(" from {node}")).unwrap_or_default();
    let expires = row.expires.as_ref().map(|at| format!(", expires {at}")).unwrap_or_default();
    Line::result(Tone::Plain, format!("registry {} ({}){from} : ", row.image, row.user))
        .then(tone(row.verdict), row.verdict.code())
        .then(Tone::Plain, expires)
}

fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Proved => Tone::Good,
        verdict if verdict.permits_run() => Tone::Warning,
        _ => Tone::Failed,
    }
}

fn objects(recap: &Recap, command: Option<Command>, layout: &Layout) -> Vec<Line> {
    let many = recap.objects.len() > MANY && layout.detail < Detail::Everything;
    // The result of a failed object is never only counted.
    let (counted, shown): (Vec<_>, Vec<_>) =
        recap.objects.iter().partition(|row| many && row.outcome != Outcome::Failed);
    let mut outcomes: IndexMap<&'static str, (Tone, usize)> = IndexMap::new();
    for row in counted {
        let (tone, text) = outcome(row.outcome, command);
        outcomes.entry(text).or_insert((tone, 0)).1 += 1;
    }
    let counted = outcomes.into_iter().map(|(text, (tone, count))| {
        Line::result(Tone::Plain, format!("{} : ", plural(count, "object"))).then(tone, text)
    });
    let shown = shown.into_iter().map(|row| {
        let (tone, text) = outcome(row.outcome, command);
        Line::result(Tone::Plain, format!("{} : ", steps::object_name(&row.object))).then(tone, text)
    });
    counted.chain(shown).collect()
}

/// One line for each result of hosts without a problem.
fn many_hosts(recap: &Recap, command: Option<Command>) -> Vec<Line> {
    let (mut unchanged, mut changed, mut files, mut not_written, mut not_checked) = (0, 0, 0, 0, 0);
    for counts in recap.hosts.values().filter(|counts| counts.unreachable + counts.failed == 0) {
        match counts {
            Counts { changed: 0, skipped: 0, .. } => unchanged += 1,
            Counts { changed: 0, ok: 0, .. } => not_checked += 1,
            Counts { changed: 0, .. } => not_written += 1,
            Counts { changed: some, .. } => {
                changed += 1;
                files += some;
            }
        }
    }
    let written = if command == Some(Command::Plan) { "would be written" } else { "written" };
    [
        (Tone::Good, unchanged, "no changes".to_owned()),
        (Tone::Changed, changed, format!("{} {written}", plural(files, "file"))),
        (Tone::Skipped, not_written, "not written".to_owned()),
        (Tone::Skipped, not_checked, "not checked".to_owned()),
    ]
    .into_iter()
    .filter(|(_, count, _)| *count > 0)
    .map(|(tone, count, text)| Line::result(tone, format!("{}: {text}", plural(count, "node"))))
    .collect()
}

/// Ansible's line for each host, with aligned columns. `terminal` is the number of columns of the terminal.
fn every_host(hosts: &IndexMap<String, Counts>, terminal: Option<usize>) -> Vec<Line> {
    let width = hosts.keys().map(|host| host.chars().count()).max().unwrap_or_default();
    let mut widths = [0; 7];
    for counts in hosts.values() {
        for (width, (.., count)) in widths.iter_mut().zip(columns(counts)) {
            *width = count.to_string().len().max(*width);
        }
    }
    let names: usize = columns(&Counts::default()).iter().map(|(name, ..)| name.len() + 2).sum();
    let full = width + 2 + names + widths.iter().sum::<usize>();
    // `rescued` and `ignored` are always 0, so a narrow terminal shows the other columns without breaking the lines.
    let shown = if terminal.is_some_and(|terminal| terminal < full) { 5 } else { 7 };
    let line = |(host, counts): (&String, &Counts)| {
        let padding = " ".repeat(width - host.chars().count());
        let line = Line::result(host_tone(counts), host).then(Tone::Plain, format!("{padding} :"));
        columns(counts).into_iter().zip(widths).take(shown).enumerate().fold(line, |line, (at, column)| {
            let ((name, tone, count), width) = column;
            let padding = if at + 1 == shown { 0 } else { width - count.to_string().len() };
            // Ansible colors only the counts that are not 0.
            let tone = if count > 0 { tone } else { Tone::Plain };
            line.then(Tone::Plain, " ").then(tone, format!("{name}={count}")).then(Tone::Plain, " ".repeat(padding))
        })
    };
    hosts.iter().map(line).collect()
}

fn columns(counts: &Counts) -> [(&'static str, Tone, usize); 7] {
    [
        ("ok", Tone::Good, counts.ok),
        ("changed", Tone::Changed, counts.changed),
        ("unreachable", Tone::Unreachable, counts.unreachable),
        ("failed", Tone::Failed, counts.failed),
        ("skipped", Tone::Skipped, counts.skipped),
        ("rescued", Tone::Good, counts.rescued),
        ("ignored", Tone::Warning, counts.ignored),
    ]
}

/// The color of a host in Ansible's recap.
fn host_tone(counts: &Counts) -> Tone {
    match counts {
        Counts { unreachable: 0, failed: 0, changed: 0, .. } => Tone::Good,
        Counts { unreachable: 0, failed: 0, .. } => Tone::Changed,
        _ => Tone::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_are_aligned_and_fit_a_narrow_terminal() {
        let counts = |ok| Counts { ok, ..Counts::default() };
        let hosts = [("n1".to_owned(), counts(3)), ("node2".to_owned(), counts(12))].into_iter().collect();
        let lines = |terminal| every_host(&hosts, terminal).iter().map(Line::text).collect::<Vec<_>>();
        let few = [
            "n1    : ok=3  changed=0 unreachable=0 failed=0 skipped=0",
            "node2 : ok=12 changed=0 unreachable=0 failed=0 skipped=0",
        ];
        assert_eq!(lines(Some(60)), few);
        assert_eq!(lines(Some(80)), few.map(|line| format!("{line} rescued=0 ignored=0")));
        assert_eq!(lines(None), lines(Some(80)));
    }
}
