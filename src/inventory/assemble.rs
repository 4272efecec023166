//! Combines the groups and hosts of all sources into one inventory, and applies the rules for the complete inventory
//! (`all`, `ungrouped`, no loops). It does not depend on file formats.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use indexmap::IndexMap;

use super::code::{self, Code};
use super::finding::Finding;
use super::model::{ALL, Group, Host, Inventory, Node, UNGROUPED, Value};
use super::problem::Problem;
use super::source::{Source, Span};

/// The maximum depth of nested groups. Each group stores all its ancestors, so deeper nesting would need too much
/// memory.
const MAX_DEPTH: usize = 200;

/// An incomplete inventory. The readers add one source after the other.
pub(super) struct Draft {
    groups: IndexMap<String, DraftGroup>,
    hosts: IndexMap<String, Host>,
    /// The problems found so far.
    pub problems: Vec<Problem>,
    /// The findings so far.
    pub findings: Vec<Finding>,
    /// The position of each source in the order in which they are read.
    order: HashMap<*const Source, usize>,
    /// The sources that were added. Storing them keeps them in memory, because their addresses identify them in
    /// `order`.
    sources: Vec<Arc<Source>>,
    /// The findings that were reported. Without this set, a host range would repeat a finding for each of its hosts.
    reported: HashSet<(Code, *const Source, usize)>,
}

/// The result of reading all sources.
pub(super) struct Assembled {
    pub inventory: Inventory,
    pub findings: Vec<Finding>,
    pub problems: Vec<Problem>,
}

/// A group under construction. Unlike in a finished group, hosts and children can be found by name.
#[derive(Default)]
struct DraftGroup {
    /// The hosts, each with the place that adds it first.
    hosts: IndexMap<String, Span>,
    /// The child groups, each with the place that adds it.
    children: IndexMap<String, Option<Span>>,
    group: Group,
}

impl Draft {
    /// An inventory with the groups `all` and `ungrouped`.
    pub fn new() -> Self {
        let mut all = DraftGroup::default();
        // `None` means that no source wrote this child, so no message can point at a place for it.
        all.children.insert(UNGROUPED.to_owned(), None);
        let groups = [(ALL.to_owned(), all), (UNGROUPED.to_owned(), DraftGroup::default())];
        Self {
            groups: groups.into(),
            hosts: IndexMap::new(),
            problems: Vec::new(),
            findings: Vec::new(),
            order: HashMap::new(),
            sources: Vec::new(),
            reported: HashSet::new(),
        }
    }

    /// Marks the start of the next source. Problems and findings are sorted in the order of these calls.
    pub fn begin_source(&mut self, source: &Arc<Source>) {
        // Two sources may have the same name, so the address identifies a source.
        self.order.entry(Arc::as_ptr(source)).or_insert(self.sources.len());
        self.sources.push(Arc::clone(source));
    }

    /// Whether a group with this name is declared.
    pub fn has_group(&self, name: &str) -> bool {
        self.groups.contains_key(name)
    }

    /// Whether a host with this name is declared.
    pub fn has_host(&self, name: &str) -> bool {
        self.hosts.contains_key(name)
    }

    /// The names of the groups declared so far.
    pub fn group_names(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(String::as_str)
    }

    /// Declares a group that is named at `span`, unless it has already been declared.
    pub fn add_group(&mut self, name: &str, span: &Span) {
        // `all` and `ungrouped` exist before a source names them, so they may still have no span.
        if let Some(group) = self.groups.get_mut(name) {
            group.group.span.get_or_insert_with(|| span.clone());
            return;
        }
        if !is_identifier(name) {
            let message = format!(
                "group name `{name}` contains other characters than letters, digits and `_`, or starts with a digit"
            );
            let hint = "Ansible keeps the name and warns; templates cannot use it as `groups.NAME`";
            self.findings.push(Finding::new(code::GROUP_NAME, Problem::naming(span, name, message).hint(hint)));
        }
        let group = Group { span: Some(span.clone()), ..Group::default() };
        self.groups.insert(name.to_owned(), DraftGroup { group, ..DraftGroup::default() });
    }

    /// Adds a host to a group, and declares it unless it has already been declared. As in Ansible, the port is used
    /// only from the first place that names the host.
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
        // The place of the first listing is kept, because a finding about a repetition names it.
        let Some(first) = members.hosts.get(name) else {
            members.hosts.insert(name.to_owned(), span.clone());
            return;
        };
        if is_repetition(first, span) {
            let message = format!("host `{name}` is already listed in group `{group}`, at {first}");
            self.report_once(
                code::DUPLICATE_HOST,
                Problem::naming(span, name, message).hint("merge the two lines into one"),
            );
        }
    }

    /// Makes `child` a child of `parent`. `span` is the place where the user wrote this.
    pub fn add_child(&mut self, parent: &str, child: &str, span: &Span) {
        if let Some(group) = self.groups.get_mut(parent) {
            // A child that is named again keeps its position, because listings show children in this order.
            group.children.entry(child.to_owned()).or_insert_with(|| Some(span.clone()));
        }
    }

    /// Sets a variable of a group or host. If a group and a host have this name, it means the group, as in Ansible.
    pub fn set_variable(&mut self, owner: &str, name: &str, value: Node) {
        let (vars, kind) = match (self.groups.get_mut(owner), self.hosts.get_mut(owner)) {
            // As in Ansible, this name sets the priority of the group and does not create a variable.
            (Some(group), _) if name == "ansible_group_priority" => {
                match priority(&value) {
                    Some(number) => group.group.priority = Some(number),
                    None => {
                        self.problems.push(Problem::hiding(&value.span, "`ansible_group_priority` must be an integer"))
                    }
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
        // Setting the same value twice is harmless and not reported. Lists and mappings have no text, so they are not
        // compared.
        let same = |before: &Node| !text.is_empty() && before.text == text;
        if let Some(before) = before.filter(|before| is_repetition(&before.span, &span) && !same(before)) {
            // A name that is not an identifier may be part of a password that contains `=`.
            let identifier = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            let name = if identifier { format!("`{name}`") } else { "this variable".to_owned() };
            let message =
                format!("{name} of {kind} `{owner}` is already set at {}; this later value wins", before.span);
            let problem = Problem::hiding(&span, message).hint("remove one of the two");
            self.report_once(code::DUPLICATE_VARIABLE, problem);
        }
    }

    /// Adds a finding, but only one for each place.
    fn report_once(&mut self, code: Code, problem: Problem) {
        let place = problem.place.as_ref().map(|place| (code, Arc::as_ptr(&place.span.source), place.span.start));
        // A problem without a place does not come from a host range, so it cannot be a repetition.
        if place.is_none_or(|place| self.reported.insert(place)) {
            self.findings.push(Finding::new(code, problem));
        }
    }

    /// The finished inventory, with its findings and problems in the order of the sources.
    pub fn finish(mut self) -> Assembled {
        // Orphans are adopted before the search for loops: a group that lists `all` as its child makes a loop only
        // after it has become a child of `all`.
        self.adopt_orphans();
        self.refuse_loops();
        self.refuse_control_characters();
        self.report_shared_names();
        self.fill_ungrouped();
        let order = self.order;
        let place = |problem: &Problem| {
            let span = &problem.place.as_ref()?.span;
            Some((order.get(&Arc::as_ptr(&span.source)).copied(), span.start))
        };
        // The sort is stable, so problems at the same place keep the order in which they were found.
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

    /// Makes every group without a parent a child of `all`.
    fn adopt_orphans(&mut self) {
        let children: HashSet<String> = self.groups.values().flat_map(|group| group.children.keys().cloned()).collect();
        let orphans: Vec<String> =
            self.groups.keys().filter(|name| *name != ALL && !children.contains(*name)).cloned().collect();
        if let Some(all) = self.groups.get_mut(ALL) {
            all.children.extend(orphans.into_iter().map(|name| (name, None)));
        }
    }

    /// Rejects control characters in names, because a line end in a name would look like another entry in every
    /// listing.
    fn refuse_control_characters(&mut self) {
        let hosts = self.hosts.iter().map(|(name, host)| (name, Some(&host.span), "host"));
        let groups = self.groups.iter().map(|(name, group)| (name, group.group.span.as_ref(), "group"));
        let wrong = hosts.chain(groups).filter(|(name, ..)| name.contains(char::is_control));
        let problems = wrong.filter_map(|(_, span, kind)| {
            Some(Problem::hiding(span?, format!("the name of a {kind} contains a control character")))
        });
        let problems: Vec<Problem> = problems.collect();
        self.problems.extend(problems);
    }

    /// Reports names that are both a group and a host. In Ansible, such a name means the group.
    fn report_shared_names(&mut self) {
        let namesakes = self.groups.iter().filter_map(|(name, group)| {
            let host = self.hosts.get(name)?;
            let message = format!("`{name}` is the name of a group and of the host at {}", host.span);
            let hint = "variables that are set for the host apply to the group; rename one of the two";
            let span = group.group.span.as_ref().unwrap_or(&host.span);
            Some(Finding::new(code::GROUP_AND_HOST, Problem::naming(span, name, message).hint(hint)))
        });
        let namesakes: Vec<Finding> = namesakes.collect();
        self.findings.extend(namesakes);
    }

    /// Sets the hosts of `ungrouped`: the hosts that are in no group except `all`.
    fn fill_ungrouped(&mut self) {
        let grouped: HashSet<&str> = self
            .groups
            .iter()
            .filter(|(name, _)| *name != ALL && *name != UNGROUPED)
            .flat_map(|(_, group)| group.hosts.keys().map(String::as_str))
            .collect();
        let remaining: Vec<(String, Span)> = self
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
        // If `ungrouped` has a parent other than `all`, Ansible removes these hosts from it. The user would lose hosts
        // without a message, so this is a problem.
        let dropped = remaining.iter().find(|(name, _)| ungrouped.hosts.contains_key(name));
        if let (Some((parent, Some(place))), Some((host, _))) = (adopted, dropped) {
            let message = format!("`ungrouped` is a child of `{parent}`: Ansible then drops host `{host}`");
            self.problems.push(Problem::naming(&place, UNGROUPED, message).hint("put its hosts into a separate group"));
        }
        let remaining_names: HashSet<&str> = remaining.iter().map(|(name, _)| name.as_str()).collect();
        ungrouped.hosts.retain(|name, _| remaining_names.contains(name.as_str()));
        // A host that a source lists in `ungrouped` keeps its position and its place.
        for (name, span) in remaining {
            ungrouped.hosts.entry(name).or_insert(span);
        }
    }

    /// Rejects loops, and reports a problem for each child that closes a loop. The depth-first search does not use
    /// recursion, because deeply nested groups could overflow the stack.
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
                // `next` is the index of the child to visit next.
                *next += 1;
                match state.get(child.as_str()) {
                    Some(Visit::Done) => {}
                    Some(Visit::Open) => problems.push(loop_problem(name, child, span.as_ref())),
                    None => {
                        state.insert(child, Visit::Open);
                        path.push((child, 0));
                        // With `>=`, each deeper level would report the same problem again.
                        if path.len() == MAX_DEPTH {
                            problems.push(Problem::new(format!(
                                "group `{child}` is nested too deeply: it is below {MAX_DEPTH} others"
                            )));
                        }
                    }
                }
            }
        }
        self.problems.extend(problems);
    }
}

/// The state of a group during the search for loops.
enum Visit {
    /// The group is on the current path.
    Open,
    /// All its descendants are searched.
    Done,
}

fn loop_problem(parent: &str, child: &str, span: Option<&Span>) -> Problem {
    let message = format!("group `{child}` is a child of `{parent}`, which makes a loop");
    span.map_or_else(|| Problem::new(message.clone()), |span| Problem::naming(span, child, message.clone()))
}

/// Whether `second` sets the value again in the same source. If both values come from the same text, such as a YAML
/// alias or a host range, this is not a repetition.
fn is_repetition(first: &Span, second: &Span) -> bool {
    Arc::ptr_eq(&first.source, &second.source) && first.start != second.start
}

/// Whether a template can use the group name after a dot. Ansible shows a warning for other names by the same rule.
fn is_identifier(name: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    name.chars().all(word) && !name.starts_with(char::is_numeric)
}

/// The priority, converted like Python's `int()` does.
fn priority(value: &Node) -> Option<i64> {
    match &value.value {
        Value::Int(number) => i64::try_from(*number).ok(),
        Value::Bool(value) => Some((*value).into()),
        // Python's `int()` truncates a float, and raises an error for infinity and NaN.
        Value::Float(number) if number.is_finite() => Some(*number as i64),
        Value::Str(text) => text.trim().parse().ok(),
        _ => None,
    }
}
