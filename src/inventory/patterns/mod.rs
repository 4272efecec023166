//! Host patterns: names, groups, globs and `~regex`, each perhaps with a subscript, joined by `:` or `,`, with `!` (not)
//! and `&` (and). Reads no file: `load::limit` puts the lines of an `@file` into the pattern.

mod glob;

use fancy_regex::Regex;
use indexmap::IndexSet;

use super::host_address;
use super::model::{ALL, Inventory};
use super::problem::{Problem, nearest};

/// The names that Ansible understands as this machine, also where the inventory does not have them.
const LOCALHOST: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The hosts that `pattern` selects, in the order of `ansible --list-hosts`: term by term, a group before its child
/// groups. A name that is no host and no group is a problem without a place: the caller knows where the pattern came
/// from.
pub fn select<'a>(inventory: &'a Inventory, pattern: &str) -> Result<Vec<&'a str>, Problem> {
    let terms: Vec<Term> = split(pattern).into_iter().map(Term::new).collect();
    if terms.is_empty() {
        // To Ansible an empty `--limit` is no limit at all.
        return Err(Problem::new("the host pattern is empty").hint("write `all` to mean all hosts"));
    }
    let mut selected: IndexSet<usize> = IndexSet::new();
    // As in Ansible a pattern that only takes away starts from all hosts.
    if !terms.iter().any(|term| term.role == Role::Add) {
        selected.extend(members(inventory, ALL));
    }
    // The order of the terms does not count: first all that add, then `&`, then `!`.
    for wanted in [Role::Add, Role::Intersect, Role::Exclude] {
        for term in terms.iter().filter(|term| term.role == wanted) {
            let matched = term.hosts(inventory, pattern)?;
            if wanted == Role::Add {
                selected.extend(matched);
            } else {
                let matched: IndexSet<usize> = matched.into_iter().collect();
                selected.retain(|host| matched.contains(host) == (wanted == Role::Intersect));
            }
        }
    }
    Ok(selected.into_iter().filter_map(|host| inventory.host_name(host)).collect())
}

/// What a term does with the hosts it matches.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    Add,
    Intersect,
    Exclude,
}

/// One part of a pattern.
struct Term<'a> {
    role: Role,
    /// Without the `!` or `&`.
    name: &'a str,
}

/// `group[0]`, `group[1:3]`: some of the hosts that are matched, by their place.
#[derive(Clone, Copy)]
enum Subscript {
    /// From the end if it is negative.
    At(i64),
    /// Both ends included; without an end to the last.
    Range(usize, Option<usize>),
}

/// Where a name or group is looked for.
enum Matcher {
    Glob(Vec<char>),
    Regex(Box<Regex>),
}

/// The terms of a pattern. With a comma only commas separate, so that IPv6 addresses are possible; else colons and
/// white space outside brackets.
pub(super) fn split(pattern: &str) -> Vec<&str> {
    let terms: Vec<&str> = if pattern.contains(',') {
        pattern.split(',').collect()
    } else if host_address::parse(pattern).is_some() {
        vec![pattern]
    } else {
        split_colons(pattern)
    };
    terms.into_iter().map(str::trim).filter(|term| !term.is_empty()).collect()
}

/// A bracket without its partner separates as a colon does.
fn split_colons(pattern: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some(c) = pattern[at..].chars().next() {
        let bracket = (c == '[').then(|| pattern[at..].find(']')).flatten();
        let next = at + bracket.map_or(c.len_utf8(), |close| close + 1);
        if bracket.is_none() && (c.is_whitespace() || matches!(c, ':' | '[' | ']')) {
            terms.push(&pattern[start..at]);
            start = next;
        }
        at = next;
    }
    terms.push(&pattern[start..]);
    terms
}

impl<'a> Term<'a> {
    fn new(text: &'a str) -> Self {
        let (role, name) = match (text.strip_prefix('&'), text.strip_prefix('!')) {
            (Some(name), _) => (Role::Intersect, name),
            (_, Some(name)) => (Role::Exclude, name),
            _ => (Role::Add, text),
        };
        Self { role, name }
    }

    /// The indices of the hosts that it matches, in Ansible's order; one may be listed twice. `pattern` is the pattern that
    /// the term is part of.
    fn hosts(&self, inventory: &Inventory, pattern: &str) -> Result<Vec<usize>, Problem> {
        if self.role == Role::Add
            && let Some(host) = inventory.hosts.get_index_of(self.name)
        {
            return Ok(vec![host]);
        }
        let (expression, subscript) = subscripted(self.name)?;
        let hosts = self.matches(inventory, expression, pattern)?;
        match subscript {
            Some(subscript) => subscript.of(hosts, self.name),
            None => Ok(hosts),
        }
    }

    /// Where an unknown name is, in case the term is not the complete pattern.
    fn scope(&self, expression: &str, pattern: &str) -> String {
        // With a subscript the message names the expression only.
        let is_part = self.name != pattern && self.name == expression;
        if is_part { format!(" in the pattern `{pattern}`") } else { String::new() }
    }

    /// The hosts of the groups whose name matches, then the hosts whose own name matches.
    fn matches(&self, inventory: &Inventory, expression: &str, pattern: &str) -> Result<Vec<usize>, Problem> {
        let matcher = Matcher::new(expression)?;
        let mut hosts = Vec::new();
        let mut known = false;
        for group in inventory.groups.keys() {
            if matcher.fits(group)? {
                known = true;
                hosts.extend(members(inventory, group));
            }
        }
        let open = expression.starts_with('~') || expression.contains(['.', '?', '*', '[']);
        if !known || open {
            for (at, name) in inventory.hosts.keys().enumerate() {
                if matcher.fits(name)? {
                    known = true;
                    hosts.push(at);
                }
            }
        }
        let glob = expression.starts_with('~') || expression.contains(['?', '*', '[']);
        // Taking this machine away is what many do to be sure.
        let harmless = self.role != Role::Add && LOCALHOST.contains(&expression);
        if known || glob || harmless {
            Ok(hosts)
        } else {
            Err(unknown(inventory, expression, self.scope(expression, pattern)))
        }
    }
}

/// A term without its subscript. A regular expression has none.
fn subscripted(name: &str) -> Result<(&str, Option<Subscript>), Problem> {
    let plain = Ok((name, None));
    if name.starts_with('~') {
        return plain;
    }
    let Some((before, inside)) = name.strip_suffix(']').and_then(|name| name.rsplit_once('[')) else { return plain };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = |text: &str| {
        text.parse::<usize>().map_err(|_| Problem::new(format!("host pattern `{name}`: the number is too large")))
    };
    if before.is_empty() {
        return plain;
    }
    if digits(inside.strip_prefix('-').unwrap_or(inside)) {
        let at = inside.parse().map_err(|_| Problem::new(format!("host pattern `{name}`: the number is too large")))?;
        return Ok((before, Some(Subscript::At(at))));
    }
    match inside.split_once([':', '-']) {
        Some((from, to)) if digits(from) && (to.is_empty() || digits(to)) => {
            if inside.contains('-') {
                let hint = format!("write `{before}[{from}:{to}]` for places, or a range of a glob before the end");
                return Err(Problem::new(format!("host pattern `{name}`: a subscript has a `:`")).hint(hint));
            }
            let end = if to.is_empty() { None } else { Some(number(to)?) };
            Ok((before, Some(Subscript::Range(number(from)?, end))))
        }
        _ => plain,
    }
}

impl Subscript {
    fn of(self, hosts: Vec<usize>, name: &str) -> Result<Vec<usize>, Problem> {
        let count = hosts.len();
        let one = |at: Option<usize>| {
            let found = at.and_then(|at| hosts.get(at)).map(|host| vec![*host]);
            let too_few = || Problem::new(format!("host pattern `{name}`: the hosts before the `[` are only {count}"));
            if count == 0 { Ok(Vec::new()) } else { found.ok_or_else(too_few) }
        };
        match self {
            Self::At(at) if at < 0 => one(usize::try_from(at.unsigned_abs()).ok().and_then(|at| count.checked_sub(at))),
            Self::At(at) => one(usize::try_from(at).ok()),
            // As in Ansible an end of 0 is no end.
            Self::Range(from, Some(0)) => one(Some(from)),
            Self::Range(from, end) => {
                let end = end.map_or(count, |end| end.saturating_add(1)).min(count);
                Ok(hosts.get(from..end).unwrap_or_default().to_vec())
            }
        }
    }
}

impl Matcher {
    fn new(expression: &str) -> Result<Self, Problem> {
        match expression.strip_prefix('~') {
            Some(regex) => Regex::new(regex).map(Box::new).map(Self::Regex).map_err(|_| {
                Problem::new(format!("host pattern `{expression}`: this is no regular expression"))
                    .hint("a `:` or `,` ends a pattern, also inside a regular expression")
            }),
            None => Ok(Self::Glob(expression.chars().collect())),
        }
    }

    /// A glob fits the whole name, a regular expression its beginning.
    fn fits(&self, name: &str) -> Result<bool, Problem> {
        match self {
            Self::Glob(glob) => Ok(glob::fits(glob, name)),
            Self::Regex(regex) => match regex.find(name) {
                Ok(found) => Ok(found.is_some_and(|found| found.start() == 0)),
                Err(_) => Err(Problem::new("the regular expression of the host pattern does not come to an end")),
            },
        }
    }
}

/// The hosts of a group and of the groups below it, level by level, as Ansible lists them.
fn members(inventory: &Inventory, group: &str) -> Vec<usize> {
    let mut groups: IndexSet<usize> = inventory.groups.get_index_of(group).into_iter().collect();
    let mut hosts = IndexSet::new();
    let mut next = 0;
    while let Some((_, group)) = groups.get_index(next).and_then(|at| inventory.groups.get_index(*at)) {
        hosts.extend(group.hosts.iter().filter_map(|name| inventory.hosts.get_index_of(name)));
        groups.extend(group.children.iter().filter_map(|name| inventory.groups.get_index_of(name)));
        next += 1;
    }
    hosts.into_iter().collect()
}

/// A name that is neither a host nor a group, about which Ansible only warns. `scope` follows the name in the message.
fn unknown(inventory: &Inventory, name: &str, scope: String) -> Problem {
    let problem = Problem::new(format!("`{name}`{scope} is neither a host nor a group of the inventory"));
    if LOCALHOST.contains(&name) {
        return problem.hint("this machine is a node only if the inventory lists it");
    }
    if let Some((host, Some(_))) = host_address::parse(name)
        && inventory.hosts.contains_key(host)
    {
        return problem.hint(format!("write `{host}`, without the port"));
    }
    let known = inventory.groups.keys().chain(inventory.hosts.keys()).map(String::as_str);
    match nearest(name, known) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_split_at_commas_or_colons() {
        assert_eq!(split("a:&b:!c"), ["a", "&b", "!c"]);
        assert_eq!(split("2001:db8::1, b"), ["2001:db8::1", "b"]);
        assert_eq!(split("2001:db8::1"), ["2001:db8::1"]);
        assert_eq!(split("web[1:3]:b"), ["web[1:3]", "b"]);
        assert_eq!(split("!web[1:3]:[b:c]d:e[f:g"), ["!web[1:3]", "[b:c]d", "e", "f", "g"]);
    }
}
