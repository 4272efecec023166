//! The lines about objects and files: what changes in them. With many hosts, equal changes are collected and shown once,
//! with the hosts that have them. Prints nothing.

use indexmap::IndexMap;

use super::line::{Line, Tone};
use super::names;
use super::outcome;
use super::plural::plural;
use crate::dockerconfig::ChangeKind;
use crate::event::{Command, StepRow};
use crate::facts::ObjectName;
use crate::plan::{Change, LinkChange, MetadataChange, ModeChange, SubjectChange, Target, format_mode};

/// Collected lines that are equal apart from the host, in the order in which each was first reported.
#[derive(Default)]
pub(super) struct Collected {
    changes: IndexMap<(Tone, String), Vec<String>>,
    /// The notes of files and objects. The value names the file or object.
    notes: IndexMap<String, Vec<String>>,
}

impl Collected {
    /// Adds the change of a file, or returns the line of an object, which has no host.
    pub(super) fn add_change(&mut self, row: &StepRow, command: Option<Command>) -> Option<Line> {
        match &row.target {
            Target::Object(_) => Some(change_line(row, command)),
            Target::File(file) => {
                let (tone, text) = outcome(row.outcome, command);
                let line = format!("{}{}: {text}{}", file.path, aliases(row), change_list(&row.changes));
                self.changes.entry((tone, line)).or_default().push(file.host.clone());
                None
            }
        }
    }

    /// Adds the notes of a file or an object.
    pub(super) fn add_notes(&mut self, row: &StepRow, command: Option<Command>) {
        for note in &row.notes {
            self.notes.entry(note.clone()).or_default().push(label(row, command));
        }
    }

    /// All lines: the changes, then the notes.
    pub(super) fn lines(&self, width: Option<usize>) -> Vec<Line> {
        let changes = self.changes.iter().map(|((tone, text), hosts)| {
            let start = format!("{}: {text}: ", plural(hosts.len(), "node"));
            Line::result(*tone, list(&start, hosts, width))
        });
        let notes = self.notes.iter().map(|(note, labels)| {
            let others = match &labels[1..] {
                [] => String::new(),
                others => {
                    let start = format!("  the same for {} more: ", others.len());
                    format!("\n{}", list(&start, others, width))
                }
            };
            Line::message(Tone::Warning, format!("warning: {}: {note}", labels[0])).then(Tone::Plain, others)
        });
        changes.chain(notes).collect()
    }
}

fn list(start: &str, all: &[String], width: Option<usize>) -> String {
    names::line(start, all.iter().map(String::as_str), width)
}

/// The line of a step: its target, the outcome, and what changes.
pub(super) fn change_line(row: &StepRow, command: Option<Command>) -> Line {
    let (tone, text) = outcome(row.outcome, command);
    let label = label(row, command);
    Line::result(Tone::Plain, format!("{label}{}: ", aliases(row)))
        .then(tone, text)
        .then(Tone::Plain, change_list(&row.changes))
}

/// The entries of a step that are not declared and stay.
pub(super) fn left_lines(row: &StepRow, command: Option<Command>) -> Vec<Line> {
    let line = |keys: &[String], what: &str| {
        let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
        let text = format!("{}: also holds {}, {what}", label(row, command), keys.join(", "));
        (!keys.is_empty()).then(|| Line::result(Tone::Plain, text))
    };
    let retired = line(&row.retired, "retired; `--prune` removes it");
    let undeclared = line(&row.undeclared, "not in the inventory; left alone");
    retired.into_iter().chain(undeclared).collect()
}

/// The target of a step as messages name it.
fn label(row: &StepRow, command: Option<Command>) -> String {
    match &row.target {
        Target::Object(object) => object_name(object),
        Target::File(file) if command.is_some_and(Command::is_about_one_file) => file.path.clone(),
        Target::File(file) => format!("{}:{}", file.host, file.path),
    }
}

fn aliases(row: &StepRow) -> String {
    match &row.target {
        Target::File(file) if !file.aliases.is_empty() => format!(" (also {})", file.aliases.join(", ")),
        Target::File(_) | Target::Object(_) => String::new(),
    }
}

/// The object in lines of the output: `secret openshift/imagestreamsecret`.
pub(super) fn object_name(object: &ObjectName) -> String {
    format!("{} {}", object.kind.noun(), name_in_cluster(object))
}

/// The name of an object with its namespace, if it is in one: `openshift/imagestreamsecret`.
pub(super) fn name_in_cluster(ObjectName { namespace, name, .. }: &ObjectName) -> String {
    if namespace.is_empty() { name.clone() } else { format!("{namespace}/{name}") }
}

/// What changes, as ` (+added, ~updated, mode 0644 -> 0600)`; never values.
fn change_list(changes: &[Change]) -> String {
    let parts: Vec<String> = changes.iter().map(change).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

fn metadata_change(change: MetadataChange) -> String {
    match change {
        MetadataChange::LabelSet { name } => format!("label {name}"),
        MetadataChange::AnnotationSet { name } => format!("annotation {name}"),
        MetadataChange::AnnotationRemoved { name } => format!("without annotation {name}"),
    }
}

fn link_change(change: &LinkChange) -> String {
    match change {
        LinkChange::Linked { secret, link } => format!("+{secret} for {}", link.name()),
        LinkChange::Unlinked { secret, link } => format!("-{secret} for {}", link.name()),
        LinkChange::Collapsed { secret, link } => format!("{secret} only once for {}", link.name()),
    }
}

fn change(change: &Change) -> String {
    let key = match change {
        Change::Mode(ModeChange { from, to }) => return format!("mode {} -> {}", format_mode(*from), format_mode(*to)),
        Change::Metadata(change) => return metadata_change(*change),
        Change::Link(change) => return link_change(change),
        Change::Subject(SubjectChange::SubjectAdded { subject }) => return format!("+{subject}"),
        Change::Subject(SubjectChange::SubjectRemoved { subject }) => return format!("-{subject}"),
        Change::Key(key) => key,
    };
    let sign = match key.kind {
        ChangeKind::Added => '+',
        ChangeKind::Updated => '~',
        ChangeKind::Removed => '-',
    };
    let same = key.same_as.as_ref().map(|key| format!(" read as {key}"));
    let dropped: String = key.dropped.iter().map(|token| format!(" without {token}")).collect();
    format!("{sign}{}{}{dropped}", key.key, same.unwrap_or_default())
}
