//! Puts together what the sources say: groups, hosts, who is in what, and the rules that hold once all
//! is read (`all`, `ungrouped`, loops). Knows no file format.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use indexmap::IndexMap;

use super::code::{self, Code};
use super::finding::Finding;
use super::model::{ALL, Group, Host, Inventory, Node, UNGROUPED, Value};
use super::problem::Problem;
use super::source::{Source, Span};

/// Groups in groups: more are no inventory, and would need more memory than there is.
const MAX_DEPTH: usize = 200;

/// An inventory while its sources are read into it, one after the other.
pub(super) struct Draft {
    groups: IndexMap<String, DraftGroup>,
    hosts: IndexMap<String, Host>,
    /// What was wrong so far.
    pub problems: Vec<Problem>,
    /// What is suspicious so far.
    pub findings: Vec<Finding>,
    /// The number of each source, in the order in which they are read.
    order: HashMap<*const Source, usize>,
    /// Keeps the sources, so that their addresses stay theirs.
    sources: Vec<Arc<Source>>,
    /// Where something was told: a host range would tell it for each of its hosts.
    told: HashSet<(Code, *const Source, usize)>,
}

/// What the sources give together.
pub(super) struct Assembled {
    pub inventory: Inventory,
    pub findings: Vec<Finding>,
    pub problems: Vec<Problem>,
}

/// A group whose members can be looked up.
#[derive(Default)]
struct DraftGroup {
    /// The hosts, each with the place that put it here first.
    hosts: IndexMap<String, Span>,
    /// The children, each with the place that made it one.
    children: IndexMap<String, Option<Span>>,
    group: Group,
}

impl Draft {
    /// An inventory with the groups `all` and `ungrouped`.
    pub fn new() -> Self {
        let mut all = DraftGroup::default();
        all.children.insert(UNGROUPED.to_owned(), None);
        let groups = [(ALL.to_owned(), all), (UNGROUPED.to_owned(), DraftGroup::default())];
        Self {
            groups: groups.into(),
            hosts: IndexMap::new(),
            problems: Vec::new(),
            findings: Vec::new(),
            order: HashMap::new(),
            sources: Vec::new(),
            told: HashSet::new(),
        }
    }

    /// Says that `source` is read next: problems and findings stand in this order.
    pub fn begin(&mut self, source: &Arc<Source>) {
        self.order.entry(Arc::as_ptr(source)).or_insert(self.sources.len());
        self.sources.push(Arc::clone(source));
    }

    /// Whether a group of this name was declared.
    pub fn has_group(&self, name: &str) -> bool {
        self.groups.contains_key(name)
    }

    /// Whether a host of this name was declared.
    pub fn has_host(&self, name: &str) -> bool {
        self.hosts.contains_key(name)
    }

    /// The names of the groups declared so far.
    pub fn group_names(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(String::as_str)
    }

    /// Declares a group, which `span` names, if it is not there yet.
    pub fn add_group(&mut self, name: &str, span: &Span) {
        if let Some(group) = self.groups.get_mut(name) {
            group.group.span.get_or_insert_with(|| span.clone());
            return;
        }
        if !is_identifier(name) {
            let message =
                format!("group name `{name}` holds more than letters, digits and `_`, or starts with a digit");
            let hint = "Ansible keeps the name and warns; templates cannot say `groups.NAME` with it";
            self.findings.push(Finding::new(code::GROUP_NAME, Problem::naming(span, name, message).hint(hint)));
        }
        let group = Group { span: Some(span.clone()), ..Group::default() };
        self.groups.insert(name.to_owned(), DraftGroup { group, ..DraftGroup::default() });
    }

    /// Declares a host at `span`, if it is not there yet, and puts it into a group. As in Ansible the
    /// port counts only where a host is named first.
    pub fn add_host(&mut self, name: &str, port: Option<(u32, &Span)>, group: &str, span: &Span) {
        if !self.hosts.contains_key(name) {
            let mut vars = super::model::Vars::new();
            if let Some((port, place)) = port {
                let node = Node::new(Value::Int(port.into()), port.to_string(), place.clone());
                vars.insert("ansible_port".to_owned(), node);
            }
            let host = Host { name: name.to_owned(), vars, files: Vec::new(), span: span.clone() };
            self.hosts.insert(name.to_owned(), host);
        }
        let Some(members) = self.groups.get_mut(group) else { return };
        let Some(first) = members.hosts.get(name) else {
            members.hosts.insert(name.to_owned(), span.clone());
            return;
        };
        if is_second(first, span) {
            let message = format!("host `{name}` is in group `{group}` already, by {first}");
            self.tell(code::DUPLICATE_HOST, Problem::naming(span, name, message).hint("join the two lines into one"));
        }
    }

    /// Makes `child` a child of `parent`, as `span` asks.
    pub fn add_child(&mut self, parent: &str, child: &str, span: &Span) {
        if let Some(group) = self.groups.get_mut(parent) {
            group.children.entry(child.to_owned()).or_insert_with(|| Some(span.clone()));
        }
    }

    /// Sets a variable of a group or host. As in Ansible a name that is both means the group.
    pub fn set_variable(&mut self, owner: &str, name: &str, value: Node) {
        let (vars, kind) = match (self.groups.get_mut(owner), self.hosts.get_mut(owner)) {
            (Some(group), _) if name == "ansible_group_priority" => {
                match priority(&value) {
                    Some(number) => group.group.priority = Some(number),
                    None => self
                        .problems
                        .push(Problem::hiding(&value.span, "`ansible_group_priority` must be a whole number")),
                }
                return;
            }
            (Some(group), _) => (&mut group.group.vars, "group"),
            (None, Some(host)) => (&mut host.vars, "host"),
            (None, None) => return,
        };
        let span = value.span.clone();
        let text = value.text.clone();
        let before = vars.insert(name.to_owned(), value);
        let same = |before: &Node| !text.is_empty() && before.text == text;
        if let Some(before) = before.filter(|before| is_second(&before.span, &span) && !same(before)) {
            // What is no identifier may be a password with a `=` in it.
            let identifier = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            let name = if identifier { format!("`{name}`") } else { "this variable".to_owned() };
            let message = format!("{name} of {kind} `{owner}` was set before, at {}; this later one wins", before.span);
            let problem = Problem::hiding(&span, message).hint("remove one of the two");
            self.tell(code::DUPLICATE_VARIABLE, problem);
        }
    }

    /// A finding, once for its place.
    fn tell(&mut self, code: Code, problem: Problem) {
        let place = problem.place.as_ref().map(|place| (code, Arc::as_ptr(&place.span.source), place.span.start));
        if place.is_none_or(|place| self.told.insert(place)) {
            self.findings.push(Finding::new(code, problem));
        }
    }

    /// The finished inventory, with its findings and problems in the order of the sources.
    pub fn finish(mut self) -> Assembled {
        self.adopt_orphans();
        self.refuse_loops();
        self.refuse_control_characters();
        self.tell_namesakes();
        self.sort_out_ungrouped();
        let order = self.order;
        let place = |problem: &Problem| {
            let span = &problem.place.as_ref()?.span;
            Some((order.get(&Arc::as_ptr(&span.source)).copied(), span.start))
        };
        self.problems.sort_by_key(place);
        self.findings.sort_by_key(|finding| place(&finding.problem));
        let groups = self.groups.into_iter().map(|(name, draft)| {
            let children = draft.children.into_keys().collect();
            (name, Group { hosts: draft.hosts.into_keys().collect(), children, ..draft.group })
        });
        let groups = groups.collect();
        let inventory = Inventory { groups, hosts: self.hosts, ..Inventory::default() };
        Assembled { inventory, findings: self.findings, problems: self.problems }
    }

    /// Every group without a parent is a child of `all`.
    fn adopt_orphans(&mut self) {
        let children: HashSet<String> = self.groups.values().flat_map(|group| group.children.keys().cloned()).collect();
        let orphans: Vec<String> =
            self.groups.keys().filter(|name| *name != ALL && !children.contains(*name)).cloned().collect();
        if let Some(all) = self.groups.get_mut(ALL) {
            all.children.extend(orphans.into_iter().map(|name| (name, None)));
        }
    }

    /// A line end in a name would be a line of its own in every listing.
    fn refuse_control_characters(&mut self) {
        let hosts = self.hosts.iter().map(|(name, host)| (name, Some(&host.span), "host"));
        let groups = self.groups.iter().map(|(name, group)| (name, group.group.span.as_ref(), "group"));
        let wrong = hosts.chain(groups).filter(|(name, ..)| name.contains(char::is_control));
        let problems = wrong.filter_map(|(_, span, kind)| {
            Some(Problem::hiding(span?, format!("the name of a {kind} holds a control character")))
        });
        let problems: Vec<Problem> = problems.collect();
        self.problems.extend(problems);
    }

    /// A name that is a group's and a host's: Ansible takes it for the group.
    fn tell_namesakes(&mut self) {
        let namesakes = self.groups.iter().filter_map(|(name, group)| {
            let host = self.hosts.get(name)?;
            let message = format!("`{name}` is the name of a group and, at {}, of a host", host.span);
            let hint = "variables set for the host go to the group; rename one of the two";
            let span = group.group.span.as_ref().unwrap_or(&host.span);
            Some(Finding::new(code::GROUP_AND_HOST, Problem::naming(span, name, message).hint(hint)))
        });
        let namesakes: Vec<Finding> = namesakes.collect();
        self.findings.extend(namesakes);
    }

    /// `ungrouped` holds exactly the hosts that are in no group but `all`.
    fn sort_out_ungrouped(&mut self) {
        let grouped: HashSet<&str> = self
            .groups
            .iter()
            .filter(|(name, _)| *name != ALL && *name != UNGROUPED)
            .flat_map(|(_, group)| group.hosts.keys().map(String::as_str))
            .collect();
        let left: Vec<(String, Span)> = self
            .hosts
            .iter()
            .filter(|(name, _)| !grouped.contains(name.as_str()))
            .map(|(name, host)| (name.clone(), host.span.clone()))
            .collect();
        let adopted = self.groups.iter().find_map(|(name, group)| {
            let place = group.children.get(UNGROUPED).filter(|_| name != ALL)?;
            Some((name.clone(), place.clone()))
        });
        let Some(ungrouped) = self.groups.get_mut(UNGROUPED) else { return };
        let lost = left.iter().find(|(name, _)| ungrouped.hosts.contains_key(name));
        if let (Some((parent, Some(place))), Some((host, _))) = (adopted, lost) {
            let message = format!("`ungrouped` as a child of `{parent}`: Ansible then drops host `{host}`");
            self.problems
                .push(Problem::naming(&place, UNGROUPED, message).hint("put its hosts into a group of their own"));
        }
        let left_names: HashSet<&str> = left.iter().map(|(name, _)| name.as_str()).collect();
        ungrouped.hosts.retain(|name, _| left_names.contains(name.as_str()));
        for (name, span) in left {
            ungrouped.hosts.entry(name).or_insert(span);
        }
    }

    /// Reports each edge that closes a loop.
    fn refuse_loops(&mut self) {
        let mut state: HashMap<&str, Visit> = HashMap::new();
        let mut problems = Vec::new();
        for start in self.groups.keys() {
            if state.contains_key(start.as_str()) {
                continue;
            }
            state.insert(start, Visit::Open);
            let mut path = vec![(start.as_str(), 0)];
            while let Some((name, next)) = path.last_mut() {
                let Some((child, span)) = self.groups.get(*name).and_then(|group| group.children.get_index(*next))
                else {
                    state.insert(name, Visit::Done);
                    path.pop();
                    continue;
                };
                *next += 1;
                match state.get(child.as_str()) {
                    Some(Visit::Done) => {}
                    Some(Visit::Open) => problems.push(loop_problem(name, child, span.as_ref())),
                    None => {
                        state.insert(child, Visit::Open);
                        path.push((child, 0));
                        if path.len() == MAX_DEPTH {
                            problems.push(Problem::new(format!("group `{child}` is below {MAX_DEPTH} others")));
                        }
                    }
                }
            }
        }
        self.problems.extend(problems);
    }
}

/// How far the search for loops has come with a group.
enum Visit {
    Open,
    Done,
}

fn loop_problem(parent: &str, child: &str, span: Option<&Span>) -> Problem {
    let message = format!("group `{child}` as a child of `{parent}` makes a loop");
    span.map_or_else(|| Problem::new(message.clone()), |span| Problem::naming(span, child, message.clone()))
}

/// Whether `second` says again what `first` said in the same text. What is made of one text twice, by an alias or a
/// range, is no repetition.
fn is_second(first: &Span, second: &Span) -> bool {
    Arc::ptr_eq(&first.source, &second.source) && first.start != second.start
}

/// Whether templates can use a group name behind a dot, which is Ansible's rule for its warning.
fn is_identifier(name: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    name.chars().all(word) && !name.starts_with(char::is_numeric)
}

/// As Python's `int()` reads a priority.
fn priority(value: &Node) -> Option<i64> {
    match &value.value {
        Value::Int(number) => i64::try_from(*number).ok(),
        Value::Bool(value) => Some((*value).into()),
        Value::Float(number) if number.is_finite() => Some(*number as i64),
        Value::Str(text) => text.trim().parse().ok(),
        _ => None,
    }
}
