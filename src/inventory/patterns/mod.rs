//! Host patterns (`--limit`): names, groups, globs and `~regex`, optionally with a subscript, joined by `:` or `,`,
//! with `!` (not) and `&` (and). It reads no file: `load/limit.rs` first replaces each `@file` with its lines.

mod glob;

use fancy_regex::Regex;
use indexmap::IndexSet;

use super::host_address;
use super::model::{ALL, Inventory};
use super::problem::{Problem, nearest};

/// The names that mean this machine to Ansible, even if the inventory does not list them.
const LOCALHOST: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Whether a shell glob matches a name, by the rules of Python's `fnmatch`.
pub fn glob_matches(glob: &str, name: &str) -> bool {
    glob::matches(&glob.chars().collect::<Vec<char>>(), name)
}

/// The hosts that `pattern` selects, in the order of `ansible --list-hosts`: term by term, and a group before its child
/// groups.
///
/// # Errors
/// The pattern is invalid, or contains a name that is neither a host nor a group. The problem has no place, because only
/// the caller knows where the pattern is written.
pub fn select<'a>(inventory: &'a Inventory, pattern: &str) -> Result<Vec<&'a str>, Problem> {
    let terms: Vec<Term> = split(pattern).into_iter().map(Term::new).collect();
    if terms.is_empty() {
        // In Ansible, an empty `--limit` selects all hosts. That is probably not what the user intends, so it is a
        // problem here.
        return Err(Problem::new("the host pattern is empty").hint("write `all` to select all hosts"));
    }
    let mut selected: IndexSet<usize> = IndexSet::new();
    // As in Ansible, a pattern that only removes hosts starts with all hosts.
    if !terms.iter().any(|term| term.role == Role::Add) {
        selected.extend(members(inventory, ALL));
    }
    // As in Ansible, the order of the terms has no effect: first the terms that add hosts, then `&`, then `!`.
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

/// How a term changes the selection.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    Add,
    Intersect,
    Exclude,
}

/// One part of a pattern, between separators.
struct Term<'a> {
    role: Role,
    /// The text without a leading `!` or `&`.
    name: &'a str,
}

/// Selects some of the matched hosts by position: `group[0]`, `group[1:3]`.
#[derive(Clone, Copy)]
enum Subscript {
    /// One host; negative positions count from the end.
    At(i64),
    /// The first and the last position, both included. Without a last position, the range ends at the last host.
    Range(usize, Option<usize>),
}

/// Matches the names of hosts and groups.
enum Matcher {
    Glob(Vec<char>),
    Regex(Box<Regex>),
}

/// The terms of a pattern. If there is a comma, only commas separate, so that IPv6 addresses are possible. Otherwise, colons
/// and white space outside brackets separate.
pub(super) fn split(pattern: &str) -> Vec<&str> {
    let terms: Vec<&str> = if pattern.contains(',') {
        pattern.split(',').collect()
    } else if host_address::parse(pattern).is_some() {
        // The colons of an IPv6 address or before a port do not separate terms.
        vec![pattern]
    } else {
        split_colons(pattern)
    };
    terms.into_iter().map(str::trim).filter(|term| !term.is_empty()).collect()
}

/// Splits at colons and white space outside brackets. An unmatched bracket separates like a colon.
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

    /// The indices of the hosts that the term matches, in Ansible's order. An index may be repeated. `pattern` is the
    /// complete pattern.
    fn hosts(&self, inventory: &Inventory, pattern: &str) -> Result<Vec<usize>, Problem> {
        // If a group has the same name, Ansible prefers the host only in a term that adds hosts.
        if self.role == Role::Add
            && let Some(host) = inventory.hosts.get_index_of(self.name)
        {
            return Ok(vec![host]);
        }
        let (expression, subscript) = split_subscript(self.name)?;
        let hosts = self.matches(inventory, expression, pattern)?;
        match subscript {
            Some(subscript) => subscript.of(hosts, self.name),
            None => Ok(hosts),
        }
    }

    /// The end of a message about an unknown name. It quotes the pattern if the term is only a part of it.
    fn scope(&self, expression: &str, pattern: &str) -> String {
        // With a subscript the message names the expression only.
        let is_part = self.name != pattern && self.name == expression;
        if is_part { format!(" in the pattern `{pattern}`") } else { String::new() }
    }

    /// The hosts of the matching groups, and then the hosts with a matching name.
    fn matches(&self, inventory: &Inventory, expression: &str, pattern: &str) -> Result<Vec<usize>, Problem> {
        let matcher = Matcher::new(expression)?;
        let mut hosts = Vec::new();
        let mut known = false;
        for group in inventory.groups.keys() {
            if matcher.matches(group)? {
                known = true;
                hosts.extend(members(inventory, group));
            }
        }
        // As in Ansible, a name with one of these characters is also compared with host names if it matches a group.
        let open = expression.starts_with('~') || expression.contains(['.', '?', '*', '[']);
        if !known || open {
            for (at, name) in inventory.hosts.keys().enumerate() {
                if matcher.matches(name)? {
                    known = true;
                    hosts.push(at);
                }
            }
        }
        // A glob or regular expression names no particular host, so it may match nothing.
        let glob = expression.starts_with('~') || expression.contains(['?', '*', '[']);
        // Many users exclude this machine as a precaution, so excluding it is not a mistake even if the inventory does
        // not contain it.
        let harmless = self.role != Role::Add && LOCALHOST.contains(&expression);
        if known || glob || harmless {
            Ok(hosts)
        } else {
            Err(unknown(inventory, expression, self.scope(expression, pattern)))
        }
    }
}

/// Splits a term into its expression and its subscript. A regular expression has no subscript.
fn split_subscript(name: &str) -> Result<(&str, Option<Subscript>), Problem> {
    let plain = Ok((name, None));
    if name.starts_with('~') {
        return plain;
    }
    let Some((before, inside)) = name.strip_suffix(']').and_then(|name| name.rsplit_once('[')) else { return plain };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = |text: &str| {
        text.parse::<usize>().map_err(|_| Problem::new(format!("host pattern `{name}`: the number is too large")))
    };
    // `[0]` without a name before it is a set of a glob, not a subscript.
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
                let hint = format!(
                    "write `{before}[{from}:{to}]` to select hosts by position; a character range of a glob cannot be at the end"
                );
                return Err(Problem::new(format!("host pattern `{name}`: a subscript needs a `:`")).hint(hint));
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
            let too_few =
                || Problem::new(format!("host pattern `{name}`: only {count} hosts match the part before the `[`"));
            if count == 0 { Ok(Vec::new()) } else { found.ok_or_else(too_few) }
        };
        match self {
            Self::At(at) if at < 0 => one(usize::try_from(at.unsigned_abs()).ok().and_then(|at| count.checked_sub(at))),
            Self::At(at) => one(usize::try_from(at).ok()),
            // As in Ansible, `[2:0]` means the host at position 2.
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
                Problem::new(format!("host pattern `{expression}`: this is not a valid regular expression"))
                    .hint("a `:` or `,` separates patterns, even inside a regular expression")
            }),
            None => Ok(Self::Glob(expression.chars().collect())),
        }
    }

    /// Whether the name matches. A glob must match the complete name, and a regular expression only its start.
    fn matches(&self, name: &str) -> Result<bool, Problem> {
        match self {
            Self::Glob(glob) => Ok(glob::matches(glob, name)),
            Self::Regex(regex) => match regex.find(name) {
                Ok(found) => Ok(found.is_some_and(|found| found.start() == 0)),
                Err(_) => Err(Problem::new("matching the regular expression of the host pattern takes too long")),
            },
        }
    }
}

/// The hosts of a group and of its descendants, level by level, in the order in which Ansible lists them.
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
