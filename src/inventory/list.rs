//! What `inventory --list` prints, as `ansible-inventory --list` does: variables typed, untemplated, and
//! secrets included. Prints nothing itself.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::assemble::ALL;
use super::model::{Inventory, Node, Trust, Value};
use super::precedence::Scope;

/// Variables that Ansible sets itself and never lists.
const INTERNAL: [&str; 33] = [
    "ansible_async_path",
    "ansible_collection_name",
    "ansible_config_file",
    "ansible_dependent_role_names",
    "ansible_diff_mode",
    "ansible_facts",
    "ansible_forks",
    "ansible_inventory_sources",
    "ansible_limit",
    "ansible_play_batch",
    "ansible_play_hosts",
    "ansible_play_hosts_all",
    "ansible_play_role_names",
    "ansible_playbook_python",
    "ansible_role_name",
    "ansible_role_names",
    "ansible_run_tags",
    "ansible_skip_tags",
    "ansible_verbosity",
    "ansible_version",
    "group_names",
    "groups",
    "hostvars",
    "inventory_dir",
    "inventory_file",
    "inventory_hostname",
    "inventory_hostname_short",
    "play_hosts",
    "playbook_dir",
    "role_name",
    "role_names",
    "role_path",
    "role_uuid",
];

/// The inventory by group, with the variables of all hosts in `_meta`: `ansible-inventory --list`.
pub type Listing<'a> = BTreeMap<&'a str, Entry<'a>>;

/// A member of a [`Listing`].
#[derive(Serialize)]
#[serde(untagged)]
pub enum Entry<'a> {
    /// `_meta`.
    Meta {
        /// Variables by host; hosts without any are left out.
        hostvars: BTreeMap<&'a str, HostEntry<'a>>,
        /// The name of the format.
        profile: &'static str,
    },
    /// A group that holds something.
    Group {
        /// Names of its child groups.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        children: Vec<&'a str>,
        /// Names of the hosts directly in it; `all` shows none.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        hosts: Vec<&'a str>,
    },
}

/// The variables of a host by name.
pub type HostEntry<'a> = BTreeMap<&'a str, Printed<'a>>;

/// A value as Ansible prints it: keys sorted, text that is encrypted or no template marked as such.
pub struct Printed<'a>(&'a Node, Form);

/// Where a value is printed: JSON marks a text by a mapping around it, YAML by a tag.
#[derive(Clone, Copy)]
enum Form {
    Json,
    Yaml,
}

/// A group with all that is below it: `ansible-inventory --list --yaml`.
#[derive(Serialize, Default)]
pub struct Branch<'a> {
    /// Its child groups; one that was shown before is shown empty.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    children: BTreeMap<&'a str, Branch<'a>>,
    /// The hosts directly in it; variables stand where a host is shown first.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    hosts: BTreeMap<&'a str, HostEntry<'a>>,
}

/// What `ansible-inventory --list` prints.
pub fn list(inventory: &Inventory) -> Listing<'_> {
    let mut listing = Listing::new();
    for (name, group) in &inventory.groups {
        let children: Vec<&str> = group.children.iter().map(String::as_str).collect();
        let hosts: Vec<&str> = if name == ALL { Vec::new() } else { group.hosts.iter().map(String::as_str).collect() };
        if !children.is_empty() || !hosts.is_empty() {
            listing.insert(name, Entry::Group { children, hosts });
        }
    }
    let entries = inventory.hosts.keys().map(|host| (host.as_str(), host_entry(inventory, host, Form::Json)));
    let hostvars = entries.filter(|(_, vars)| !vars.is_empty()).collect();
    listing.insert("_meta", Entry::Meta { hostvars, profile: "inventory_legacy" });
    listing
}

/// What `ansible-inventory --list --yaml` prints: the group `all` with everything below it.
pub fn tree(inventory: &Inventory) -> BTreeMap<&'static str, Branch<'_>> {
    let mut seen = Seen::default();
    branch(inventory, ALL, &mut seen).map(|all| (ALL, all)).into_iter().collect()
}

/// What the tree has shown already.
#[derive(Default)]
struct Seen<'a> {
    groups: HashSet<&'a str>,
    hosts: HashSet<&'a str>,
}

/// A group and what is below it; nothing if it is empty.
fn branch<'a>(inventory: &'a Inventory, name: &str, seen: &mut Seen<'a>) -> Option<Branch<'a>> {
    let group = inventory.groups.get(name)?;
    let mut shown = Branch::default();
    for child in &group.children {
        let below = if seen.groups.contains(child.as_str()) {
            Some(Branch::default())
        } else {
            let below = branch(inventory, child, seen);
            seen.groups.insert(child);
            below
        };
        shown.children.extend(below.map(|below| (child.as_str(), below)));
    }
    if name != ALL {
        for host in &group.hosts {
            let vars = if seen.hosts.insert(host) { host_entry(inventory, host, Form::Yaml) } else { HostEntry::new() };
            shown.hosts.insert(host, vars);
        }
    }
    (!shown.children.is_empty() || !shown.hosts.is_empty()).then_some(shown)
}

fn host_entry<'a>(inventory: &'a Inventory, host: &str, form: Form) -> HostEntry<'a> {
    let scope = Scope::new(inventory, host);
    let names = scope.names().filter(|name| !INTERNAL.contains(name));
    names.filter_map(|name| scope.raw(name).map(|node| (name, Printed(node, form)))).collect()
}

impl Serialize for Printed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(node, form) = *self;
        let marked = |serializer: S, mark, text: &str| {
            let mut map = serializer.serialize_map(Some(1))?;
            map.serialize_entry(mark, text)?;
            map.end()
        };
        match (&node.value, form) {
            (Value::List(items), _) => serializer.collect_seq(items.iter().map(|item| Printed(item, form))),
            (Value::Map(members), _) => {
                let sorted: BTreeMap<String, &Node> =
                    members.iter().map(|(key, value)| (key_text(key), value)).collect();
                let mut map = serializer.serialize_map(Some(sorted.len()))?;
                for (key, value) in sorted {
                    map.serialize_entry(&key, &Printed(value, form))?;
                }
                map.end()
            }
            (Value::Vault, Form::Json) => marked(serializer, "__ansible_vault", &node.text),
            // A variant is how serde says a tag.
            (Value::Vault, Form::Yaml) => serializer.serialize_newtype_variant("Value", 0, "vault", &node.text),
            (Value::Str(text), Form::Json) if node.trust == Trust::Literal => {
                marked(serializer, "__ansible_unsafe", text)
            }
            _ => node.serialize(serializer),
        }
    }
}

/// A key as JSON spells it.
fn key_text(key: &Node) -> String {
    match &key.value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => format!("{value:?}"),
        _ => key.text.clone(),
    }
}
