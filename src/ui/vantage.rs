//! What is shown of registries that were asked from many nodes: what went well everywhere is one line, and a node
//! that sees something else is named.

use indexmap::{IndexMap, IndexSet};

use super::text::plural;
use crate::event::{Recap, RegistryRow};
use crate::facts::Verdict;

/// How many nodes a line names.
const NAMED: usize = 8;

/// The rows of the first node, or of this machine, which the others are compared with.
#[derive(Default)]
pub(super) struct First {
    from: Option<Option<String>>,
    verdicts: IndexMap<[String; 3], Verdict>,
}

/// What a row is about, whoever was asked from.
fn subject(row: &RegistryRow) -> [String; 3] {
    [row.host.clone(), row.user.clone(), row.image.clone()]
}

impl First {
    /// Takes the next row in; says whether it shows anything that the rows before do not.
    pub(super) fn is_news(&mut self, row: &RegistryRow) -> bool {
        let from = self.from.get_or_insert_with(|| row.from.clone());
        if *from == row.from {
            self.verdicts.insert(subject(row), row.verdict);
            return true;
        }
        row.verdict != Verdict::Proved && self.verdicts.get(&subject(row)) != Some(&row.verdict)
    }
}

/// The rows that were not only asked again from another node: one for each credential and image.
pub(super) fn credentials(recap: &Recap) -> impl Iterator<Item = &RegistryRow> {
    let from = recap.registries.first().map(|row| &row.from);
    recap.registries.iter().filter(move |row| Some(&row.from) == from)
}

/// From where it was asked, for the end of a sentence: nothing for this machine.
pub(super) fn from(recap: &Recap) -> String {
    let nodes: IndexSet<&String> = recap.registries.iter().filter_map(|row| row.from.as_ref()).collect();
    match nodes.len() {
        0 => String::new(),
        1 => format!(" from `{}`", nodes[0]),
        many if differences(recap).is_empty() => match silent(recap) {
            0 => format!("; all {many} nodes see the same"),
            silent => format!("; {many} nodes see the same, and {} could not be asked", plural(silent, "node")),
        },
        _ => format!(" from `{}`; not all nodes see the same", nodes[0]),
    }
}

/// How many nodes could not be asked from.
fn silent(recap: &Recap) -> usize {
    recap.hosts.values().filter(|counts| counts.unreachable + counts.failed > 0).count()
}

/// One line for each registry that not all nodes see alike; it names the few.
pub(super) fn differences(recap: &Recap) -> Vec<String> {
    let mut hosts: IndexMap<&str, Vec<&RegistryRow>> = IndexMap::new();
    for row in recap.registries.iter().filter(|row| row.from.is_some()) {
        hosts.entry(&row.host).or_default().push(row);
    }
    hosts.into_iter().filter_map(|(host, rows)| difference(host, &rows)).collect()
}

fn difference(host: &str, rows: &[&RegistryRow]) -> Option<String> {
    let first = rows.first().map(|row| &row.from)?;
    // The first node has tried every credential; the others can be compared with the ones that they have tried.
    let asked: IndexSet<[String; 3]> = rows.iter().filter(|row| row.from != *first).map(|row| subject(row)).collect();
    let mut seen: IndexMap<&str, Verdict> = IndexMap::new();
    for row in rows.iter().filter(|row| asked.contains(&subject(row))) {
        let verdict = seen.entry(row.from.as_deref()?).or_insert(row.verdict);
        if verdict.permits_run() && !row.verdict.permits_run() {
            *verdict = row.verdict;
        }
    }
    let usual = usual(seen.values().copied())?;
    let odd: Vec<String> = seen
        .iter()
        .filter(|(_, verdict)| **verdict != usual)
        .map(|(node, verdict)| format!("{node} ({})", verdict.code()))
        .collect();
    let (few, all) = (odd.len(), plural(seen.len(), "node"));
    let sees = if few == 1 { "sees" } else { "see" };
    let more = if few > NAMED { format!(" and {} more", few - NAMED) } else { String::new() };
    let names = odd.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    (few > 0).then(|| format!("{few} of {all} {sees} registry `{host}` differently: {names}{more}"))
}

/// What most say; of several, the one that was said first.
fn usual(verdicts: impl Iterator<Item = Verdict>) -> Option<Verdict> {
    let mut counts: IndexMap<Verdict, usize> = IndexMap::new();
    verdicts.for_each(|verdict| *counts.entry(verdict).or_default() += 1);
    counts.into_iter().reduce(|most, next| if next.1 > most.1 { next } else { most }).map(|(verdict, _)| verdict)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Dns, Proved, Refused, Timeout};

    fn row(from: &str, host: &str, user: &str, verdict: Verdict) -> RegistryRow {
        RegistryRow {
            host: host.to_owned(),
            user: user.to_owned(),
            image: format!("{host}/i:1"),
            verdict,
            cause: None,
            hint: None,
            from: Some(from.to_owned()),
            expires: None,
            rate_limit: None,
            other_server: None,
        }
    }

    fn recap(rows: Vec<RegistryRow>) -> Recap {
        Recap { registries: rows, ..Recap::default() }
    }

    #[test]
    fn the_node_that_differs_is_named_even_if_it_is_the_first() {
        let alike = recap(vec![row("a", "r", "u", Proved), row("b", "r", "u", Proved), row("c", "r", "u", Proved)]);
        assert_eq!((differences(&alike), from(&alike).as_str()), (Vec::new(), "; all 3 nodes see the same"));
        for (verdicts, told) in [
            ([Proved, Timeout, Proved], "1 of 3 nodes sees registry `r` differently: b (timeout)"),
            ([Dns, Proved, Proved], "1 of 3 nodes sees registry `r` differently: a (dns)"),
            ([Proved, Dns, Timeout], "2 of 3 nodes see registry `r` differently: b (dns), c (timeout)"),
        ] {
            let rows = ["a", "b", "c"].iter().zip(verdicts).map(|(node, verdict)| row(node, "r", "u", verdict));
            assert_eq!(differences(&recap(rows.collect())), [told]);
        }
        // What only the first node has tried is no difference.
        let more = vec![row("a", "r", "wrong", Refused), row("a", "r", "u", Proved), row("b", "r", "u", Proved)];
        assert_eq!(differences(&recap(more)), Vec::<String>::new());
    }

    #[test]
    fn many_nodes_are_not_all_named() {
        let odd = (0..20).map(|at| row(&format!("n{at}"), "r", "u", if at < 9 { Dns } else { Proved }));
        let told = differences(&recap(odd.collect()));
        assert!(told[0].starts_with("9 of 20 nodes see registry `r` differently: n0 (dns), "), "{told:?}");
        assert!(told[0].ends_with("n7 (dns) and 1 more"), "{told:?}");
    }

    #[test]
    fn only_what_is_new_is_shown() {
        let mut first = First::default();
        for (row, news) in [
            (row("a", "r", "u", Proved), true),
            (row("a", "s", "u", Timeout), true),
            (row("b", "r", "u", Proved), false),
            (row("b", "s", "u", Timeout), false),
            (row("c", "r", "u", Dns), true),
            (row("c", "s", "u", Proved), false),
            (row("d", "s", "u", Dns), true),
        ] {
            assert_eq!(first.is_news(&row), news, "{row:?}");
        }
    }
}
