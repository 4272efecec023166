//! Lists of names that are shortened, so that a line stays readable with 10,000 nodes. Prints nothing.

/// How many names a line has at most.
pub(super) const MAX_NAMES: usize = 10;

/// The least number of columns for names. With fewer columns, a line is continued on the next one.
const MIN_ROOM: usize = 30;

/// `start` and the names, which are shortened so that the line fits the terminal.
pub(super) fn line<'a>(
    start: &str,
    all: impl ExactSizeIterator<Item = &'a str> + Clone,
    width: Option<usize>,
) -> String {
    let used = start.chars().count();
    let room = width.map(|width| match width.saturating_sub(used) {
        room if room >= MIN_ROOM => room,
        _ => width.saturating_sub(used % width.max(1)) + width,
    });
    format!("{start}{}", names(all, room))
}

/// `node1, node2`, or `node1, node2, … (+7)` if there are more than ten, or if they need more columns than `room`. At
/// least one name is shown.
pub(super) fn names<'a>(all: impl ExactSizeIterator<Item = &'a str> + Clone, room: Option<usize>) -> String {
    let total = all.len();
    let shown = |count: usize| {
        let list = all.clone().take(count).collect::<Vec<_>>().join(", ");
        if count == total { list } else { format!("{list}, … (+{})", total - count) }
    };
    let fits = |text: &String| room.is_none_or(|room| text.chars().count() <= room);
    (1..=total.min(MAX_NAMES)).rev().map(shown).find(fits).unwrap_or_else(|| shown(total.min(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_that_are_left_out_are_counted() {
        let node = |number: usize| format!("node{number}");
        let list = |count: usize, room| {
            let all: Vec<String> = (1..=count).map(node).collect();
            names(all.iter().map(String::as_str), room)
        };
        assert_eq!(list(0, None), "");
        assert_eq!(list(2, None), "node1, node2");
        assert_eq!(list(10, None), "node1, node2, node3, node4, node5, node6, node7, node8, node9, node10");
        assert_eq!(list(12, None), "node1, node2, node3, node4, node5, node6, node7, node8, node9, node10, … (+2)");
        assert_eq!(list(3, Some(19)), "node1, node2, node3");
        assert_eq!(list(3, Some(18)), "node1, … (+2)");
        assert_eq!(list(3, Some(1)), "node1, … (+2)");
    }
}
