//! The content of `inventory --list` and `--host`, as `ansible-inventory` prints it: typed variables, unresolved
//! templates, and secrets. This file decides what is written; the modules `json` and `yaml` write it.

mod json;
mod yaml;

use std::collections::HashSet;
use std::io::{self, Write};

use super::flatten::{Flat, Flattener};
use super::model::{ALL, Inventory};
use super::patterns;
use super::problem::{Problem, nearest};

/// The output format of an inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As `ansible-inventory` prints it: indented by four, with sorted keys.
    Json,
    /// The same values as `ansible-inventory --yaml`.
    Yaml,
}

/// How a text that is not a template (`!unsafe`) is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UnsafeMarks {
    /// As `{"__ansible_unsafe": …}`, as in `_meta`.
    Written,
    /// Like any other text.
    Omitted,
}

/// A part of a listing. The variables of hosts are added only while the listing is written, because there may be
/// 100,000 hosts.
enum ListingNode<'a> {
    Map(Vec<(&'a str, ListingNode<'a>)>),
    Names(Vec<&'a str>),
    Text(&'static str),
    /// The variables of a host.
    Vars(&'a str),
    /// Hosts with their variables; hosts without variables are omitted.
    Hosts(Vec<&'a str>),
}

/// Writes groups, hosts and variables, and a line end, as `ansible-inventory --list` does.
///
/// # Errors
/// Writing to `out` fails.
pub fn list(inventory: &Inventory, format: Format, out: &mut impl Write) -> io::Result<()> {
    let mut flattener = Flattener::new(inventory);
    match format {
        Format::Json => json::write(&listing(inventory), &mut flattener, out),
        Format::Yaml => yaml::write(&tree(inventory), &mut flattener, out),
    }
}

/// Writes the variables of a host, and a line end, as `ansible-inventory --host` does.
///
/// # Errors
/// Writing to `out` fails.
pub fn host(inventory: &Inventory, host: &str, format: Format, out: &mut impl Write) -> io::Result<()> {
    let vars = Flattener::new(inventory).host(host);
    match format {
        Format::Json => json::write_host(&vars, out),
        Format::Yaml => yaml::write_host(&vars, out),
    }
}

/// The only host that matches a name or pattern.
///
/// # Errors
/// No host matches, or more than one.
pub fn one_host<'a>(inventory: &'a Inventory, pattern: &str) -> Result<&'a str, Problem> {
    // A name has priority over a pattern, because a host name may contain characters that have a meaning in patterns.
    if let Some((name, _)) = inventory.hosts.get_key_value(pattern) {
        return Ok(name);
    }
    // An invalid pattern is reported as an unknown host, because the user most likely meant a name.
    match patterns::select(inventory, pattern).unwrap_or_default().as_slice() {
        [host] => Ok(host),
        [] => Err(unknown("host", pattern, inventory.hosts.keys())),
        hosts => Err(Problem::new(format!("`{pattern}` matches {} hosts, but `--host` shows only one", hosts.len()))
            .hint("give the name of one of them; `oregano inventory --graph` lists all hosts")),
    }
}

/// The problem about a name that does not exist in the inventory. The hint is the most similar known name.
pub(super) fn unknown<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a String>) -> Problem {
    let problem = Problem::new(format!("the inventory has no {kind} `{name}`"));
    match nearest(name, known.map(String::as_str)) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem.hint("`oregano inventory --graph` shows groups and hosts"),
    }
}

/// The groups, and the variables of all hosts in `_meta`. Empty groups and hosts without variables are omitted.
fn listing(inventory: &Inventory) -> ListingNode<'_> {
    let mut hosts: Vec<&str> = inventory.hosts.keys().map(String::as_str).collect();
    hosts.sort_unstable();
    // Ansible names the format of its output in `profile`, and does not accept an unknown one when it reads the output
    // of a script.
    let meta = vec![("hostvars", ListingNode::Hosts(hosts)), ("profile", ListingNode::Text("inventory_legacy"))];
    let mut members = vec![("_meta", ListingNode::Map(meta))];
    for (name, group) in &inventory.groups {
        // Ansible lists the hosts of `all` only in its child groups.
        let hosts: &[String] = if name == ALL { &[] } else { &group.hosts };
        let lists = [("children", group.children.as_slice()), ("hosts", hosts)];
        let filled = lists.into_iter().filter(|(_, names)| !names.is_empty());
        let lists: Vec<_> =
            filled.map(|(key, names)| (key, ListingNode::Names(names.iter().map(String::as_str).collect()))).collect();
        if !lists.is_empty() {
            members.push((name, ListingNode::Map(lists)));
        }
    }
    members.sort_by_key(|(name, _)| *name);
    ListingNode::Map(members)
}

/// The group `all` with all its descendants.
fn tree(inventory: &Inventory) -> ListingNode<'_> {
    let all = branch(inventory, ALL, &mut Listed::default());
    ListingNode::Map(all.map(|all| (ALL, all)).into_iter().collect())
}

/// The groups and hosts that have been added to the tree.
#[derive(Default)]
struct Listed<'a> {
    groups: HashSet<&'a str>,
    hosts: HashSet<&'a str>,
}

/// A group with its descendants; `None` if it is empty. A repeated group or host is an empty mapping, as in Ansible.
fn branch<'a>(inventory: &'a Inventory, name: &str, listed: &mut Listed<'a>) -> Option<ListingNode<'a>> {
    let group = inventory.groups.get(name)?;
    let mut children = Vec::new();
    for child in &group.children {
        let below = if listed.groups.contains(child.as_str()) {
            Some(ListingNode::Map(Vec::new()))
        } else {
            let below = branch(inventory, child, listed);
            listed.groups.insert(child);
            below
        };
        children.extend(below.map(|below| (child.as_str(), below)));
    }
    // The hosts of `all` are listed in its child groups.
    let own = group.hosts.iter().filter(|_| name != ALL);
    let hosts: Vec<(&str, ListingNode)> = own
        .map(|host| {
            (
                host.as_str(),
                if listed.hosts.insert(host) { ListingNode::Vars(host) } else { ListingNode::Map(Vec::new()) },
            )
        })
        .collect();
    let parts = [("children", children), ("hosts", hosts)].into_iter().filter(|(_, members)| !members.is_empty());
    let parts: Vec<_> = parts
        .map(|(key, mut members)| {
            members.sort_by_key(|(name, _)| *name);
            (key, ListingNode::Map(members))
        })
        .collect();
    (!parts.is_empty()).then_some(ListingNode::Map(parts))
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
    fn an_encrypted_value_is_listed_as_its_envelope() {
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
