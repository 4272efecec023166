//! Host patterns: names, groups and globs, joined by `:` or `,`, with `!` (not) and `&` (and).

use super::address;
use super::model::Inventory;
use super::problem::{Problem, nearest};

/// The hosts that `pattern` selects, in inventory order. A name that is no host and no group is a problem
/// without a place: the caller knows where the pattern came from.
pub fn select<'a>(inventory: &'a Inventory, pattern: &str) -> Result<Vec<&'a str>, Problem> {
    let terms = split(pattern);
    let mut selected = vec![false; inventory.hosts.len()];
    // As in Ansible a pattern that only takes away starts from all hosts.
    if !terms.iter().any(|term| role(term).0 == Role::Add) {
        selected.fill(true);
    }
    // The order of the terms does not count: first all that add, then `&`, then `!`.
    for wanted in [Role::Add, Role::Intersect, Role::Exclude] {
        for (_, name) in terms.iter().map(|term| role(term)).filter(|(role, _)| *role == wanted) {
            let matched = matches(inventory, name, pattern)?;
            for (host, slot) in selected.iter_mut().enumerate() {
                *slot = match wanted {
                    Role::Add => *slot || matched.contains(host),
                    Role::Intersect => *slot && matched.contains(host),
                    Role::Exclude => *slot && !matched.contains(host),
                };
            }
        }
    }
    let places = selected.iter().enumerate().filter(|(_, selected)| **selected);
    Ok(places.filter_map(|(host, _)| inventory.host_name(host)).collect())
}

/// What a term does with the hosts it matches.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    Add,
    Intersect,
    Exclude,
}

fn role(term: &str) -> (Role, &str) {
    match (term.strip_prefix('&'), term.strip_prefix('!')) {
        (Some(name), _) => (Role::Intersect, name),
        (_, Some(name)) => (Role::Exclude, name),
        _ => (Role::Add, term),
    }
}

/// The terms of a pattern. With a comma only commas separate, so that IPv6 addresses are possible.
fn split(pattern: &str) -> Vec<&str> {
    let terms: Vec<&str> = if pattern.contains(',') {
        pattern.split(',').collect()
    } else if address::parse(pattern).is_some() {
        vec![pattern]
    } else {
        split_colons(pattern)
    };
    terms.into_iter().map(str::trim).filter(|term| !term.is_empty()).collect()
}

/// Between colons and white space that stand outside brackets.
fn split_colons(pattern: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let (mut start, mut open) = (0, false);
    for (at, c) in pattern.char_indices() {
        match c {
            '[' => open = true,
            ']' => open = false,
            _ if !open && (c == ':' || c.is_whitespace()) => {
                terms.push(&pattern[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    terms.push(&pattern[start..]);
    terms
}

/// The hosts a term matches.
enum Matched {
    One(Option<usize>),
    Sorted(Vec<usize>),
}

impl Matched {
    fn contains(&self, host: usize) -> bool {
        match self {
            Self::One(one) => *one == Some(host),
            Self::Sorted(hosts) => hosts.binary_search(&host).is_ok(),
        }
    }
}

fn matches(inventory: &Inventory, name: &str, pattern: &str) -> Result<Matched, Problem> {
    if let Some(host) = inventory.hosts.get_index_of(name) {
        return Ok(Matched::One(Some(host)));
    }
    if name.starts_with(['~', '@']) || has_subscript(name) {
        return Err(Problem::new(format!("host pattern `{name}`: `~regex`, `@file` and `[…]` are not supported yet")));
    }
    if inventory.groups.contains_key(name) {
        return Ok(Matched::Sorted(inventory.members(name)));
    }
    if name.contains(['*', '?', '[']) {
        return Ok(Matched::Sorted(glob_members(inventory, name)));
    }
    let known = inventory.groups.keys().chain(inventory.hosts.keys()).map(String::as_str);
    let within = if name == pattern { String::new() } else { format!(" in the pattern `{pattern}`") };
    let problem = Problem::new(format!("`{name}`{within} is neither a host nor a group of the inventory"));
    Err(match nearest(name, known) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem,
    })
}

/// `group[0]`, `group[1:]`: a number or a range of numbers at the end.
fn has_subscript(name: &str) -> bool {
    let Some((before, subscript)) = name.strip_suffix(']').and_then(|name| name.rsplit_once('[')) else { return false };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let index = subscript.strip_prefix('-').unwrap_or(subscript);
    let range =
        subscript.split_once([':', '-']).is_some_and(|(from, to)| !from.is_empty() && digits(from) && digits(to));
    !before.is_empty() && (!index.is_empty() && digits(index) || range)
}

/// The hosts of all groups whose name fits, and all hosts whose name fits.
fn glob_members(inventory: &Inventory, glob: &str) -> Vec<usize> {
    let glob: Vec<char> = glob.chars().collect();
    let groups = inventory.groups.keys().filter(|name| fits(&glob, name));
    let mut hosts: Vec<usize> = groups.flat_map(|name| inventory.members(name)).collect();
    let named = inventory.hosts.keys().enumerate().filter(|(_, name)| fits(&glob, name));
    hosts.extend(named.map(|(host, _)| host));
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}

/// Python's `fnmatch`: `*`, `?`, `[abc]`, `[a-z]`, `[!abc]`.
fn fits(glob: &[char], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut place) = (0, 0);
    // Where to go on when the guess for the last `*` was too short.
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

/// What the head of a glob says to one character.
enum Step {
    /// It fits; so many characters of the glob are used up.
    Match(usize),
    Fail,
    /// Glob and name end together.
    End,
}

fn step(glob: &[char], c: Option<char>) -> Step {
    match (glob.first(), c) {
        (None, None) => Step::End,
        (None, Some(_)) | (Some(_), None) => Step::Fail,
        (Some('?'), Some(_)) => Step::Match(1),
        (Some('['), Some(c)) => match set(glob) {
            Some((members, length)) if in_set(members, c) => Step::Match(length),
            None if c == '[' => Step::Match(1),
            _ => Step::Fail,
        },
        (Some(wanted), Some(c)) if *wanted == c => Step::Match(1),
        _ => Step::Fail,
    }
}

/// The inside of a leading `[…]` and its length with brackets. A `]` that comes first is a member.
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
    use super::*;

    #[test]
    fn globs_fit_as_fnmatch() {
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
            assert_eq!(fits(&glob.chars().collect::<Vec<_>>(), name), expected, "{glob} {name}");
        }
    }

    #[test]
    fn terms_split_at_commas_or_colons() {
        assert_eq!(split("a:&b:!c"), ["a", "&b", "!c"]);
        assert_eq!(split("2001:db8::1, b"), ["2001:db8::1", "b"]);
        assert_eq!(split("2001:db8::1"), ["2001:db8::1"]);
        assert_eq!(split("web[1:3]:b"), ["web[1:3]", "b"]);
    }
}
