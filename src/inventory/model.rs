//! What an inventory is: sources, places in them, values, hosts and groups. Types only; the rules that
//! fill them stand in the sibling files.

use std::sync::{Arc, OnceLock};

use indexmap::IndexMap;

use super::finding::Finding;
use super::precedence::Index;

/// One text the inventory was read from: a file, or an argument of `-e`.
#[derive(Debug)]
pub struct Source {
    /// The path as the user gave it, or a name such as `-e`.
    pub name: String,
    mode: Option<u32>,
    text: zeroize::Zeroizing<String>,
    /// Where each line starts; made when a place is first shown, as a large inventory shows many.
    lines: OnceLock<Vec<usize>>,
}

impl Source {
    /// Keeps the text of one source; it may hold passwords and is wiped on drop.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Self::read(name.into(), text.into(), None)
    }

    /// As [`Source::new`], for a file with these permission bits.
    pub fn of_file(name: impl Into<String>, text: impl Into<String>, mode: u32) -> Arc<Self> {
        Self::read(name.into(), text.into(), Some(mode))
    }

    fn read(name: String, text: String, mode: Option<u32>) -> Arc<Self> {
        Arc::new(Self { name, mode, text: zeroize::Zeroizing::new(text), lines: OnceLock::new() })
    }

    fn lines(&self) -> &[usize] {
        let starts = || std::iter::once(0).chain(self.text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        self.lines.get_or_init(starts)
    }

    /// The permission bits of the file it was read from; `None` if it was none.
    pub fn mode(&self) -> Option<u32> {
        self.mode
    }

    /// The whole text. Never printed as it is: see [`Problem::render`].
    ///
    /// [`Problem::render`]: super::problem::Problem::render
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A place: a byte range of one source. `start == end` is a point.
#[derive(Clone)]
pub struct Span {
    /// Where the bytes are.
    pub source: Arc<Source>,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// Bytes `start..end` of `source`.
    pub fn new(source: &Arc<Source>, start: usize, end: usize) -> Self {
        Self { source: Arc::clone(source), start, end }
    }

    /// Line and column, both from 1; the column counts characters.
    pub fn line_column(&self) -> (usize, usize) {
        let text = self.source.text();
        let mut start = self.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let lines = self.source.lines();
        let line = lines.partition_point(|first| *first <= start);
        let first = line.checked_sub(1).and_then(|line| lines.get(line)).copied().unwrap_or_default();
        (line, text[first..start].chars().count() + 1)
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (line, column) = self.line_column();
        write!(f, "{}:{line}:{column}", self.source.name)
    }
}

impl std::fmt::Debug for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// A value with its place and with the text the user wrote.
#[derive(Clone)]
pub struct Node {
    /// The value as Ansible types it.
    pub value: Value,
    /// For scalars: the text that stands for the value when it is used as a credential. It is the
    /// string of a string literal, and the source text of any other literal (`3.10` stays `3.10`).
    /// Empty for lists and mappings.
    pub text: String,
    /// Where it stands.
    pub span: Span,
    /// Whether `{{ … }}` in its text means anything.
    pub trust: Trust,
}

/// Whether a text may hold template expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// `{{ … }}` is an expression: every text that is not marked otherwise.
    Template,
    /// `{{ … }}` is text: YAML's `!unsafe`.
    Literal,
}

/// The types an Ansible variable can have.
#[derive(Clone)]
pub enum Value {
    /// `None`, `null`, `~`, or nothing at all.
    Null,
    /// `True`, `yes` …
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// A number with a fraction or exponent.
    Float(f64),
    /// Text.
    Str(String),
    /// An encrypted string (`!vault`): its envelope is the text of the node.
    Vault,
    /// A list, a tuple, or a YAML sequence.
    List(Vec<Node>),
    /// A dict or YAML mapping, in source order, duplicate keys already resolved (the last one wins).
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// A string value standing at `span`.
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

    /// Whether nothing was given: null, or text that is empty or white space.
    pub fn is_blank(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::Str(text) => text.trim().is_empty(),
            _ => false,
        }
    }
}

// Values may be passwords: only the type and the place are shown.
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
    /// The kind of value, in words that fit an error message.
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
    /// As Ansible prints it: typed, in source order. This shows secrets: for `inventory --list` only.
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

/// A host by its inventory name, with the variables of the host itself (its groups' come on top in
/// `vars_of`).
#[derive(Debug, Clone)]
pub struct Host {
    /// `inventory_hostname`.
    pub name: String,
    /// Host variables: inline ones and `hosts:` entries.
    pub vars: Vars,
    /// Where the host was first named.
    pub span: Span,
}

/// A group: its own hosts, children and variables.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// Names of the hosts directly in it, in source order.
    pub hosts: Vec<String>,
    /// Names of its child groups, in source order.
    pub children: Vec<String>,
    /// Group variables.
    pub vars: Vars,
    /// `ansible_group_priority`, where it was set; Ansible's default is 1.
    pub priority: Option<i64>,
}

/// Everything that was read, before any variable is resolved for a host. Has always the groups `all`
/// and `ungrouped`.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// Hosts in the order of the inventory.
    pub hosts: IndexMap<String, Host>,
    /// Groups in the order of the inventory.
    pub groups: IndexMap<String, Group>,
    /// Variables of `-e`, which win over all others.
    pub extra: Vars,
    /// What was accepted, but is suspicious, in the order of the sources.
    pub findings: Vec<Finding>,
    /// Made of `hosts` and `groups` when it is first asked for; they must not change after that.
    pub(super) index: OnceLock<Index>,
}
