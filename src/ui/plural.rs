//! Nouns with numbers in sentences. Prints nothing.

/// `1 node`, `2 nodes`: for nouns whose plural ends in `s`.
pub(super) fn plural(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}
