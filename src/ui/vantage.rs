//! Formats the results from many nodes: equal results become one line, and nodes with a different result are named.

use indexmap::{IndexMap, IndexSet};

use super::plural::plural;
use crate::event::{Recap, RegistryRow};
use crate::facts::Verdict;

/// How many nodes are named in one line.
const MAX_NAMES: usize = 8;

/// The results of the first node, or of this machine, with which the other nodes are compared.
#[derive(Default)]
pub(super) struct FirstResults {
    from: Option<Option<String>>,
    verdicts: IndexMap<[String; 3], Verdict>,
}

/// What a row is about, without the node.
fn subject(row: &RegistryRow) -> [String; 3] {
    [row.host.clone(), row.user.clone(), row.image.clone()]
}

impl FirstResults {
    /// Adds the next row, and returns whether it shows anything that the rows of the first node do not show.
    pub(super) fn is_new(&mut self, row: &RegistryRow) -> bool {
        // The first row decides which node is the first one, because all credentials are proved from there before other
        // nodes are used.
        let from = self.from.get_or_insert_with(|| row.from.clone());
        if *from == row.from {
            self.verdicts.insert(subject(row), row.verdict);
            // The rows of the first node are always new, even if they repeat, because each of them is a credential with
            // its image.
            return true;
        }
        // A success from another node is not printed, even if the first node failed, because the summary reports the
        // difference.
        row.verdict != Verdict::Proved && self.verdicts.get(&subject(row)) != Some(&row.verdict)
    }
}

/// The rows of the first node: one for each credential and image.
pub(super) fn credentials(recap: &Recap) -> impl Iterator<Item = &RegistryRow> {
    let from = recap.registries.first().map(|row| &row.from);
    recap.registries.iter().filter(move |row| Some(&row.from) == from)
}

/// The end of a sentence that names the nodes from which registries were contacted; empty for this machine.
pub(super) fn from(recap: &Recap) -> String {
    let nodes: IndexSet<&String> = recap.registries.iter().filter_map(|row| row.from.as_ref()).collect();
    match nodes.len() {
        0 => String::new(),
        1 => format!(" from `{}`", nodes[0]),
        many if differences(recap).is_empty() => match unusable(recap) {
            0 => format!("; all {many} nodes see the same"),
            unusable => format!("; {many} nodes see the same, and {} could not be used", plural(unusable, "node")),
        },
        _ => format!(" from `{}`; not all nodes see the same", nodes[0]),
    }
}

/// How many nodes could not be used.
fn unusable(recap: &Recap) -> usize {
    recap.hosts.values().filter(|counts| counts.unreachable + counts.failed > 0).count()
}

/// One line for each registry with different results; it names the nodes whose result is not the most frequent one.
pub(super) fn differences(recap: &Recap) -> Vec<String> {
    let mut hosts: IndexMap<&str, Vec<&RegistryRow>> = IndexMap::new();
    for row in recap.registries.iter().filter(|row| row.from.is_some()) {
        hosts.entry(&row.host).or_default().push(row);
    }
    hosts.into_iter().filter_map(|(host, rows)| difference(host, &rows)).collect()
}

fn difference(host: &str, rows: &[&RegistryRow]) -> Option<String> {
    let first = rows.first().map(|row| &row.from)?;
    // The first node proves every credential, and the others only some, so only those are compared.
    let compared: IndexSet<[String; 3]> =
        rows.iter().filter(|row| row.from != *first).map(|row| subject(row)).collect();
    let mut verdicts: IndexMap<&str, Verdict> = IndexMap::new();
    for row in rows.iter().filter(|row| compared.contains(&subject(row))) {
        let verdict = verdicts.entry(row.from.as_deref()?).or_insert(row.verdict);
        // If a node has several results for the registry, a failure takes precedence.
        if verdict.permits_run() && !row.verdict.permits_run() {
            *verdict = row.verdict;
        }
    }
    let usual = most_frequent(verdicts.values().copied())?;
    let different: Vec<String> = verdicts
        .iter()
        .filter(|(_, verdict)| **verdict != usual)
        .map(|(node, verdict)| format!("{node} ({})", verdict.code()))
        .collect();
    let (few, all) = (different.len(), plural(verdicts.len(), "node"));
    let sees = if few == 1 { "sees" } else { "see" };
    let more = if few > MAX_NAMES { format!(" and {} more", few - MAX_NAMES) } else { String::new() };
    let names = different.iter().take(MAX_NAMES).cloned().collect::<Vec<_>>().join(", ");
    (few > 0).then(|| format!("{few} of {all} {sees} registry `{host}` differently: {names}{more}"))
}

/// The most frequent verdict. If several are equally frequent, the one that was observed first.
fn most_frequent(verdicts: impl Iterator<Item = Verdict>) -> Option<Verdict> {
    let mut counts: IndexMap<Verdict, usize> = IndexMap::new();
    verdicts.for_each(|verdict| *counts.entry(verdict).or_default() += 1);
    // `max_by_key` would return the last of several equally frequent verdicts.
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
            failure: None,
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
        for (verdicts, line) in [
            ([Proved, Timeout, Proved], "1 of 3 nodes sees registry `r` differently: b (timeout)"),
            ([Dns, Proved, Proved], "1 of 3 nodes sees registry `r` differently: a (dns)"),
            ([Proved, Dns, Timeout], "2 of 3 nodes see registry `r` differently: b (dns), c (timeout)"),
        ] {
            let rows = ["a", "b", "c"].iter().zip(verdicts).map(|(node, verdict)| row(node, "r", "u", verdict));
            assert_eq!(differences(&recap(rows.collect())), [line]);
        }
        // A credential that only the first node tried is not a difference.
        let more = vec![row("a", "r", "wrong", Refused), row("a", "r", "u", Proved), row("b", "r", "u", Proved)];
        assert_eq!(differences(&recap(more)), Vec::<String>::new());
    }

    #[test]
    fn many_nodes_are_not_all_named() {
        let rows = (0..20).map(|at| row(&format!("n{at}"), "r", "u", if at < 9 { Dns } else { Proved }));
        let lines = differences(&recap(rows.collect()));
        assert!(lines[0].starts_with("9 of 20 nodes see registry `r` differently: n0 (dns), "), "{lines:?}");
        assert!(lines[0].ends_with("n7 (dns) and 1 more"), "{lines:?}");
    }

    #[test]
    fn equal_rows_are_not_shown_again() {
        let mut first = FirstResults::default();
        for (row, is_new) in [
            (row("a", "r", "u", Proved), true),
            (row("a", "s", "u", Timeout), true),
            (row("b", "r", "u", Proved), false),
            (row("b", "s", "u", Timeout), false),
            (row("c", "r", "u", Dns), true),
            (row("c", "s", "u", Proved), false),
            (row("d", "s", "u", Dns), true),
        ] {
            assert_eq!(first.is_new(&row), is_new, "{row:?}");
        }
    }
}
