//! Lists of names in notes and warnings. A list does not grow with the size of a cluster.

/// The maximum number of names in a list.
const MAX: usize = 10;

/// `a, b`, or `a, …, j, … (+7)` if there are more than ten.
pub(super) fn list(all: impl ExactSizeIterator<Item = String>) -> String {
    let left_out = all.len().saturating_sub(MAX);
    let mut shown: Vec<String> = all.take(MAX).collect();
    if left_out > 0 {
        shown.push(format!("… (+{left_out})"));
    }
    shown.join(", ")
}

/// The same with each name in backticks.
pub(super) fn quoted<'a>(all: impl ExactSizeIterator<Item = &'a str>) -> String {
    list(all.map(|name| format!("`{name}`")))
}
