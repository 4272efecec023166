//! Matches shell globs by the rules of Python's `fnmatch`. It does not depend on hosts.

/// Whether a glob matches a name: `*`, `?`, `[abc]`, `[a-z]`, `[!abc]` as in Python's `fnmatch`.
pub(super) fn matches(glob: &[char], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut place) = (0, 0);
    // The position at which to continue if the last `*` has matched too few characters. Storing only the last `*` is
    // sufficient, and avoids exponential time.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if glob.get(at) == Some(&'*') {
            retry = Some((at + 1, place));
            at += 1;
            continue;
        }
        match (step(&glob[at..], name.get(place).copied()), retry) {
            (Step::End, _) => return true,
            (Step::Match(length), _) => {
                at += length;
                place += 1;
            }
            (Step::Fail, Some((after, from))) if from < name.len() => {
                (at, place) = (after, from + 1);
                retry = Some((after, from + 1));
            }
            (Step::Fail, _) => return false,
        }
    }
}

/// The result of comparing the start of a glob with one character.
enum Step {
    /// It matches. The number is how many characters of the glob are used for this.
    Match(usize),
    Fail,
    /// Both the glob and the name are at their end.
    End,
}

fn step(glob: &[char], c: Option<char>) -> Step {
    match (glob.first(), c) {
        (None, None) => Step::End,
        (None, Some(_)) | (Some(_), None) => Step::Fail,
        (Some('?'), Some(_)) => Step::Match(1),
        (Some('['), Some(c)) => match set(glob) {
            Some((members, length)) if in_set(members, c) => Step::Match(length),
            // As in `fnmatch`, a `[` that is never closed is a plain character.
            None if c == '[' => Step::Match(1),
            _ => Step::Fail,
        },
        (Some(wanted), Some(c)) if *wanted == c => Step::Match(1),
        _ => Step::Fail,
    }
}

/// The members of the set `[…]` at the start of a glob, and the length of the set with its brackets. A `]` directly
/// after the `[` is a member.
fn set(glob: &[char]) -> Option<(&[char], usize)> {
    let skip = if glob.get(1) == Some(&'!') { 3 } else { 2 };
    let close = glob.iter().skip(skip).position(|c| *c == ']')? + skip;
    Some((&glob[1..close], close + 1))
}

fn in_set(members: &[char], c: char) -> bool {
    let (negated, mut members) = match members.split_first() {
        Some(('!', rest)) => (true, rest),
        _ => (false, members),
    };
    let mut found = false;
    while let Some(first) = members.first() {
        let (last, length) = match members {
            // A `-` at the end of the set is a plain member, because no character follows it.
            [_, '-', last, ..] => (last, 3),
            _ => (first, 1),
        };
        found |= (*first..=*last).contains(&c);
        members = &members[length..];
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn globs_match_like_fnmatch() {
        for (glob, name, expected) in [
            ("*", "", true),
            ("node*", "node1", true),
            ("*.example.com", "a.b.example.com", true),
            ("n?de", "node", true),
            ("n?de", "nde", false),
            ("node[13].*", "node3.x", true),
            ("node[!13]", "node3", false),
            ("node[a-c]", "nodeb", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b", "aXbc", false),
        ] {
            assert_eq!(matches(&glob.chars().collect::<Vec<_>>(), name), expected, "{glob} {name}");
        }
    }
}
