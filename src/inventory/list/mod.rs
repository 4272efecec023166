//! What `inventory --list` and `--host` show, as `ansible-inventory` does: variables typed, untemplated, and
//! secrets included. Says what is shown; `json` and `yaml` below say how it is spelt.

mod json;
mod yaml;

use std::collections::HashSet;
use std::io::{self, Write};

use super::flatten::{Flat, Flattener};
use super::model::{ALL, Inventory};
use super::patterns;
use super::problem::{Problem, nearest};

/// How an inventory is spelt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As `ansible-inventory` does: indented by four, keys sorted.
    Json,
    /// The same values as `ansible-inventory --yaml`.
    Yaml,
}

/// How text that is no template (`!unsafe`) is spelt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marks {
    /// `{"__ansible_unsafe": …}`, as in `_meta`.
    Shown,
    /// Like any other text.
    Left,
}

/// What is shown, with the variables of hosts still to be looked up: there may be 100,000 of them.
enum Shown<'a> {
    Map(Vec<(&'a str, Shown<'a>)>),
    Names(Vec<&'a str>),
    Text(&'static str),
    /// The variables of a host.
    Vars(&'a str),
    /// Hosts with their variables; those without any are left out.
    Hosts(Vec<&'a str>),
}

/// Writes groups, hosts and variables, with a line end: `ansible-inventory --list`.
///
/// # Errors
/// Those of `out`.
pub fn list(inventory: &Inventory, format: Format, out: &mut impl Write) -> io::Result<()> {
    let mut flattener = Flattener::new(inventory);
    match format {
        Format::Json => json::write(&listing(inventory), &mut flattener, out),
        Format::Yaml => yaml::write(&tree(inventory), &mut flattener, out),
    }
}

/// Writes the variables of a host, with a line end: `ansible-inventory --host`.
///
/// # Errors
/// Those of `out`.
pub fn host(inventory: &Inventory, host: &str, format: Format, out: &mut impl Write) -> io::Result<()> {
    let vars = Flattener::new(inventory).host(host);
    match format {
        Format::Json => json::write_host(&vars, out),
        Format::Yaml => yaml::write_host(&vars, out),
    }
}

/// The one host that a name or pattern means.
///
/// # Errors
/// It means none, or more than one.
pub fn one_host<'a>(inventory: &'a Inventory, pattern: &str) -> Result<&'a str, Problem> {
    if let Some((name, _)) = inventory.hosts.get_key_value(pattern) {
        return Ok(name);
    }
    match patterns::select(inventory, pattern).unwrap_or_default().as_slice() {
        [host] => Ok(host),
        [] => Err(unknown("host", pattern, inventory.hosts.keys())),
        hosts => Err(Problem::new(format!("`{pattern}` means {} hosts, and `--host` shows one", hosts.len()))
            .hint("name one of them; `oregano inventory --graph` shows them all")),
    }
}

/// A name that the inventory does not have, with the nearest one that it has.
pub(super) fn unknown<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a String>) -> Problem {
    let problem = Problem::new(format!("the inventory has no {kind} `{name}`"));
    match nearest(name, known.map(String::as_str)) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem.hint("`oregano inventory --graph` shows groups and hosts"),
    }
}

/// By group, with the variables of all hosts in `_meta`; groups and hosts that hold nothing are left out.
fn listing(inventory: &Inventory) -> Shown<'_> {
    let mut hosts: Vec<&str> = inventory.hosts.keys().map(String::as_str).collect();
    hosts.sort_unstable();
    let meta = vec![("hostvars", Shown::Hosts(hosts)), ("profile", Shown::Text("inventory_legacy"))];
    let mut members = vec![("_meta", Shown::Map(meta))];
    for (name, group) in &inventory.groups {
        let hosts: &[String] = if name == ALL { &[] } else { &group.hosts };
        let lists = [("children", group.children.as_slice()), ("hosts", hosts)];
        let filled = lists.into_iter().filter(|(_, names)| !names.is_empty());
        let lists: Vec<_> =
            filled.map(|(key, names)| (key, Shown::Names(names.iter().map(String::as_str).collect()))).collect();
        if !lists.is_empty() {
            members.push((name, Shown::Map(lists)));
        }
    }
    members.sort_by_key(|(name, _)| *name);
    Shown::Map(members)
}

/// The group `all` with everything below it.
fn tree(inventory: &Inventory) -> Shown<'_> {
    let all = branch(inventory, ALL, &mut Seen::default());
    Shown::Map(all.map(|all| (ALL, all)).into_iter().collect())
}

/// What the tree has shown already.
#[derive(Default)]
struct Seen<'a> {
    groups: HashSet<&'a str>,
    hosts: HashSet<&'a str>,
}

/// A group and what is below it, nothing if it is empty. What was shown before is shown empty.
fn branch<'a>(inventory: &'a Inventory, name: &str, seen: &mut Seen<'a>) -> Option<Shown<'a>> {
    let group = inventory.groups.get(name)?;
    let mut children = Vec::new();
    for child in &group.children {
        let below = if seen.groups.contains(child.as_str()) {
            Some(Shown::Map(Vec::new()))
        } else {
            let below = branch(inventory, child, seen);
            seen.groups.insert(child);
            below
        };
        children.extend(below.map(|below| (child.as_str(), below)));
    }
    let own = group.hosts.iter().filter(|_| name != ALL);
    let hosts: Vec<(&str, Shown)> = own
        .map(|host| (host.as_str(), if seen.hosts.insert(host) { Shown::Vars(host) } else { Shown::Map(Vec::new()) }))
        .collect();
    let parts = [("children", children), ("hosts", hosts)].into_iter().filter(|(_, members)| !members.is_empty());
    let parts: Vec<_> = parts
        .map(|(key, mut members)| {
            members.sort_by_key(|(name, _)| *name);
            (key, Shown::Map(members))
        })
        .collect();
    (!parts.is_empty()).then_some(Shown::Map(parts))
}

#[cfg(test)]
mod tests {
    use super::super::model::{Node, Value};
    use super::super::outside::NoAccess;
    use super::super::source::{Source, Span};
    use super::super::variables::Variables;
    use super::super::{graph, load};
    use super::*;

    #[test]
    fn an_encrypted_value_is_shown_as_its_envelope() {
        let source = Source::new("hosts.yml", "all: {hosts: {h: }}");
        let mut inventory = load::parse(&source).unwrap();
        let vault = Node::new(Value::Vault, "$ANSIBLE_VAULT;1.1;AES256\n3132\n", Span::new(&source, 0, 0));
        let list = Node::new(Value::List(vec![vault.clone()]), "", Span::new(&source, 0, 0));
        inventory.extra.insert("v".to_owned(), vault);
        let written = |format| {
            let mut text = Vec::new();
            host(&inventory, "h", format, &mut text).unwrap();
            String::from_utf8(text).unwrap()
        };
        let json = "{\n    \"v\": {\n        \"__ansible_vault\": \"$ANSIBLE_VAULT;1.1;AES256\\n3132\\n\"\n    }\n}\n";
        assert_eq!(written(Format::Json), json);
        assert_eq!(written(Format::Yaml), "v: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3132\n");
        let mut nested = inventory.clone();
        nested.extra = [("l".to_owned(), list)].into_iter().collect();
        let nested =
            graph::graph(&Variables::new(nested, NoAccess::shared()), "all", graph::Detail::Variables).unwrap();
        assert!(
            nested.ends_with("{l = [EncryptedString(ciphertext='$ANSIBLE_VAULT;1.1;AES256\\n3132\\n')]}"),
            "{nested}"
        );
        let closed = Variables::new(inventory, NoAccess::shared());
        let problem = graph::graph(&closed, "all", graph::Detail::Variables).unwrap_err();
        assert_eq!(problem.message, "variable `v` cannot be decrypted: no vault password was given");
    }
}
