//! The data of an inventory: values, hosts and groups. This file contains only types; the other files of this folder
//! contain the rules.

use std::sync::OnceLock;

use indexmap::IndexMap;

use super::source::Span;

/// The group that contains every host.
pub(super) const ALL: &str = "all";
/// The group of the hosts that are in no group except [`ALL`].
pub(super) const UNGROUPED: &str = "ungrouped";

/// A value with its place and the text that the user wrote.
#[derive(Clone)]
pub struct Node {
    /// The value with the type that Ansible gives it.
    pub value: Value,
    /// For scalars, the text to use if the value is a credential. For a string literal, this is the string; for any
    /// other literal, it is the source text (`3.10` remains `3.10`). Empty for lists and mappings.
    pub text: String,
    /// Where the value is written.
    pub span: Span,
    /// Whether `{{ … }}` in the text is a template.
    pub trust: Trust,
}

/// Whether a text may contain template expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// `{{ … }}` is an expression: any text without a mark.
    Template,
    /// `{{ … }}` is plain text: the mark `!unsafe` in YAML.
    Literal,
}

/// The types an Ansible variable can have.
#[derive(Clone)]
pub enum Value {
    /// `None`, `null`, `~`, or no value.
    Null,
    /// `True`, `yes` …
    Bool(bool),
    /// An integer.
    Int(i128),
    /// A number with a fraction or exponent.
    Float(f64),
    /// Text.
    Str(String),
    /// An encrypted string (`!vault`). The text of the node is its envelope.
    Vault,
    /// A list, a tuple, or a YAML sequence.
    List(Vec<Node>),
    /// A Python dict or YAML mapping, in source order. Duplicate keys have been merged: the last value is kept.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// A string value at `span`.
    pub fn string(text: impl Into<String>, span: Span) -> Self {
        let text = text.into();
        Self::new(Value::Str(text.clone()), text, span)
    }

    /// A value that was written as `text` at `span`.
    pub fn new(value: Value, text: impl Into<String>, span: Span) -> Self {
        Self { value, text: text.into(), span, trust: Trust::Template }
    }

    /// The member `key` of a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(members) => members.iter().find(|(name, _)| name.text == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Whether the value is missing: null, or a text that is empty or consists of white space.
    pub fn is_blank(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::Str(text) => text.trim().is_empty(),
            _ => false,
        }
    }
}

// Values may be passwords, so debug output shows only the type and the place.
impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}", self.value.type_name(), self.span)
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.type_name())
    }
}

impl Value {
    /// The type of the value, as error messages name it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Str(_) => "a string",
            Self::Vault => "an encrypted value",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

impl serde::Serialize for Node {
    /// Serializes the value as Ansible prints it: typed and in source order. This shows secrets, so only
    /// `inventory --list` may use it.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.value {
            Value::Null => serializer.serialize_none(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i128(*value),
            Value::Float(value) => serializer.serialize_f64(*value),
            Value::Str(value) => serializer.serialize_str(value),
            Value::Vault => serializer.serialize_str(&self.text),
            Value::List(items) => serializer.collect_seq(items),
            Value::Map(members) => {
                serializer.collect_map(members.iter().map(|(key, value)| (key.text.as_str(), value)))
            }
        }
    }
}

/// Variables by name, in the order they were set.
pub type Vars = IndexMap<String, Node>;

/// A folder that may contain `group_vars` and `host_vars`. In the order of this type, a later folder overrides an
/// earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Folder {
    /// The folder of an inventory source, identified by the position of the source in the order of `-i`.
    Source(usize),
    /// The working directory, which Ansible treats as the folder of the playbook.
    Working,
}

/// The variables of one host or group from the `host_vars` or `group_vars` of one folder.
#[derive(Debug, Clone)]
pub struct FileVars {
    /// The folder.
    pub folder: Folder,
    /// The variables from all files for the host or group. If a name is repeated, the value in the last file is kept.
    pub vars: Vars,
}

/// A host with the variables that are set for the host; `precedence` adds those of its groups. The source of `span`
/// determines `inventory_file`.
#[derive(Debug, Clone)]
pub struct Host {
    /// `inventory_hostname`.
    pub name: String,
    /// The variables that inventory sources set for the host.
    pub vars: Vars,
    /// The variables from `host_vars`, the weakest folder first.
    pub files: Vec<FileVars>,
    /// Where the host is named first.
    pub span: Span,
}

/// A group with its direct hosts, its children and the variables that are set for it.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// The names of the hosts directly in it, in source order.
    pub hosts: Vec<String>,
    /// The names of its child groups, in source order.
    pub children: Vec<String>,
    /// The variables that inventory sources set for the group.
    pub vars: Vars,
    /// The variables from `group_vars`, the weakest folder first.
    pub files: Vec<FileVars>,
    /// `ansible_group_priority`, if an inventory source sets it; Ansible's default is 1. In `group_vars` it has no special
    /// meaning.
    pub priority: Option<i64>,
    /// Where the group is named first; `None` for `all` and `ungrouped` if no source names them.
    pub span: Option<Span>,
}

/// Everything that was read, with unresolved templates. It always contains the groups `all` and `ungrouped`.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// Hosts in the order of the inventory.
    pub hosts: IndexMap<String, Host>,
    /// Groups in the order of the inventory.
    pub groups: IndexMap<String, Group>,
    /// The variables of `-e`, which override all others.
    pub extra: Vars,
    /// Created from `hosts` and `groups` by `membership` on first use. `hosts` and `groups` must not change after that.
    pub(super) membership: OnceLock<Membership>,
}

/// Which host is in which group, by index in [`Inventory::hosts`] and [`Inventory::groups`]. With these indices, no
/// query has to search all hosts or all groups.
#[derive(Debug, Clone, Default)]
pub(super) struct Membership {
    /// For each group: the hosts directly in it.
    pub hosts: Vec<Vec<usize>>,
    /// For each group: its child groups.
    pub children: Vec<Vec<usize>>,
    /// For each group: itself and all its ancestors.
    pub lineage: Vec<Vec<usize>>,
    /// For each group: its position in the order of precedence; 0 is the weakest.
    pub rank: Vec<usize>,
    /// For each host: the groups that it is directly in.
    pub groups: Vec<Vec<usize>>,
}
