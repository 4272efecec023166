//! Reads the JSON output of inventory scripts: groups with `hosts`, `vars` and `children`, and `_meta`. Runs no script.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;

use super::assemble::Draft;
use super::finding::Finding;
use super::model::{Node, Value};
use super::problem::Problem;
use super::source::{Source, Span};
use super::text::Text;
use super::yaml;

/// The only member of the output that is not a group.
const META: &str = "_meta";

/// Adds the output of `--list` and its problems to the draft. If the output does not contain the variables of hosts,
/// the names of these hosts are returned: the script must be run with `--host` for each of them.
pub(super) fn read(source: &Arc<Source>, draft: &mut Draft) -> Vec<String> {
    draft.begin_source(source);
    let root = match json(source, &mut draft.findings) {
        Ok(root) => root,
        Err(problem) => {
            draft.problems.push(problem);
            return Vec::new();
        }
    };
    let Some(groups) = mapping(&root, "the output of an inventory script", draft) else { return Vec::new() };
    let mut hosts: IndexMap<&str, &Span> = IndexMap::new();
    for (name, content) in groups.iter().filter(|(name, _)| name.text != META) {
        group(name, content, &mut hosts, draft);
    }
    match root.get(META) {
        Some(meta) => {
            host_vars(meta, &hosts, draft);
            Vec::new()
        }
        // Without `_meta`, the script prints the variables of each host only for `--host`.
        None => hosts.into_keys().map(str::to_owned).collect(),
    }
}

/// Adds the output of `--host` for one host, and its problems, to the draft.
pub(super) fn read_host(host: &str, source: &Arc<Source>, draft: &mut Draft) {
    draft.begin_source(source);
    // As in Ansible, a script may print nothing for a host without variables.
    if source.text().trim().is_empty() {
        return;
    }
    match json(source, &mut draft.findings) {
        Ok(root) => set_all(host, &root, draft),
        Err(problem) => draft.problems.push(problem),
    }
}

/// Parses the text as JSON: Ansible accepts no other format from a script.
fn json(source: &Arc<Source>, findings: &mut Vec<Finding>) -> Result<Node, Problem> {
    let text = source.text();
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        let line = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
        let at = (line + error.column().saturating_sub(1)).min(text.len());
        let what = if text.trim().is_empty() { "the inventory script prints nothing" } else { "this is not JSON" };
        return Err(Problem::hiding(&Span::new(source, at, at), what)
            .hint("an inventory script must print a JSON mapping of groups"));
    }
    // JSON is a subset of YAML, and the YAML reader keeps the place of each value.
    yaml::parse_with_findings(&Text::slice(source, 0, text.len()), findings)
}

fn group<'a>(key: &'a Node, content: &'a Node, hosts: &mut IndexMap<&'a str, &'a Span>, draft: &mut Draft) {
    let name = key.text.as_str();
    if name.is_empty() {
        return draft.problems.push(Problem::hiding(&key.span, "a group without a name"));
    }
    draft.add_group(name, &key.span);
    // Old scripts print only the list of hosts of a group.
    if let Value::List(_) = content.value {
        return add_hosts(name, content, hosts, draft);
    }
    let Some(sections) = mapping(content, &format!("group `{name}`"), draft) else { return };
    let section = |wanted: &str| sections.iter().find(|(section, _)| section.text == wanted).map(|(_, value)| value);
    // As in Ansible, other members of a group are ignored.
    let known = [section("hosts"), section("vars"), section("children")];
    if known.iter().all(Option::is_none) {
        let message = format!("group `{name}` has neither `hosts` nor `vars` nor `children`");
        let hint = "Ansible treats it as a host with that name; remove the group, or add `hosts: []`";
        return draft.problems.push(Problem::naming(&key.span, name, message).hint(hint));
    }
    if let Some(listed) = known[0] {
        add_hosts(name, listed, hosts, draft);
    }
    if let Some(vars) = known[1] {
        set_all(name, vars, draft);
    }
    for child in known[2].map(|children| names(children, "children", name, draft)).unwrap_or_default() {
        draft.add_group(&child.text, &child.span);
        draft.add_child(name, &child.text, &child.span);
    }
}

fn add_hosts<'a>(group: &str, listed: &'a Node, hosts: &mut IndexMap<&'a str, &'a Span>, draft: &mut Draft) {
    for host in names(listed, "hosts", group, draft) {
        // Ansible expands no ranges and splits off no ports in the output of scripts.
        draft.add_host(&host.text, None, group, &host.span);
        hosts.entry(&host.text).or_insert(&host.span);
    }
}

/// The names in a list; other values are problems.
fn names<'a>(list: &'a Node, section: &str, group: &str, draft: &mut Draft) -> Vec<&'a Node> {
    let Value::List(items) = &list.value else {
        let message = format!("`{section}` of group `{group}` must be a list, not {}", list.value.type_name());
        draft.problems.push(Problem::hiding(&list.span, message));
        return Vec::new();
    };
    let (names, others): (Vec<&Node>, Vec<&Node>) =
        items.iter().partition(|item| matches!(&item.value, Value::Str(name) if !name.is_empty()));
    draft.problems.extend(others.into_iter().map(|item| {
        let message = format!("`{section}` of group `{group}` contains a value that is not a name");
        Problem::hiding(&item.span, message)
    }));
    names
}

/// Reads `_meta`: the variables of hosts. As in Ansible, hosts that are in no group are ignored.
fn host_vars(meta: &Node, hosts: &IndexMap<&str, &Span>, draft: &mut Draft) {
    let profile = meta.get("profile").filter(|profile| profile.text != "inventory_legacy");
    if let Some(profile) = profile {
        draft.problems.push(Problem::naming(
            &profile.span,
            &profile.text,
            format!("`{}` is an unknown format", profile.text),
        ));
    }
    let Some(vars) = meta.get("hostvars") else {
        let problem = Problem::hiding(&meta.span, "`_meta` has no `hostvars`");
        return draft.problems.push(problem.hint("add the variables of all hosts, or remove `_meta`"));
    };
    let Some(members) = mapping(vars, "`hostvars`", draft) else { return };
    // Searching the list for each host would take too long for large inventories.
    let by_host: HashMap<&str, &Node> = members.iter().map(|(host, vars)| (host.text.as_str(), vars)).collect();
    for host in hosts.keys() {
        if let Some(vars) = by_host.get(host) {
            set_all(host, vars, draft);
        }
    }
}

fn set_all(owner: &str, vars: &Node, draft: &mut Draft) {
    for (name, value) in mapping(vars, &format!("the variables of `{owner}`"), draft).unwrap_or_default() {
        draft.set_variable(owner, &name.text, value.clone());
    }
}

fn mapping<'a>(node: &'a Node, what: &str, draft: &mut Draft) -> Option<&'a [(Node, Node)]> {
    match &node.value {
        Value::Map(members) => Some(members),
        other => {
            let message = format!("{what} must be a mapping, not {}", other.type_name());
            draft.problems.push(Problem::hiding(&node.span, message));
            None
        }
    }
}
