//! Collects the problems of a run until its end, so that each is shown once, with all nodes that have it. Problems are
//! equal if their causes are equal; no text is parsed. Prints nothing.

use indexmap::{IndexMap, IndexSet};

use super::line::{Line, Tone};
use super::names;
use super::plural::plural;
use super::steps::object_name;
use crate::event::{HostOutcome, HostRow, RegistryRow, StepRow};
use crate::facts::{OtherServer, Verdict};
use crate::failure::Failure;
use crate::plan::Target;

/// How many problems of nodes the recap lists; the others are one line.
const MAX_CAUSES: usize = 10;

/// The problems so far, in the order in which each was first reported.
#[derive(Default)]
pub(super) struct Problems {
    groups: IndexMap<Cause, Group>,
}

/// What equal problems have in common.
#[derive(PartialEq, Eq, Hash)]
enum Cause {
    /// The credential has this verdict. The nodes that contacted the registry may differ.
    Credential {
        host: String,
        user: String,
        /// The image, if the verdict is about the image.
        image: Option<String>,
        verdict: Verdict,
        other_server: Option<OtherServer>,
        /// The causes, if a node contacted the registry: two nodes may fail to connect for different reasons.
        causes: Option<Vec<String>>,
    },
    /// An object, or a failure of a node that has no summary: the complete failure.
    Failure(Box<Failure>),
    /// A failure of a node, without what differs between the nodes.
    Summary(String),
}

/// Equal problems.
struct Group {
    /// The first one.
    failure: Failure,
    tone: Tone,
    subject: Subject,
    /// What has the problem: the names of nodes, or of images.
    names: IndexSet<String>,
}

/// What the names of a group are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    Node,
    /// The node that contacted the registry.
    VantagePoint,
    Image,
    Object,
}

impl Problems {
    /// Adds a credential whose verdict stops the run.
    pub(super) fn add_credential(&mut self, row: &RegistryRow) {
        let RegistryRow { host, user, image, verdict, from, other_server, .. } = row;
        let Some(failure) = &row.failure else { return };
        let about_image = matches!(verdict, Verdict::NoPermission | Verdict::NotFound);
        // The cause of a refused forwarding names the node, so it differs although the problem is the same.
        let has_common_causes = from.is_some() && *verdict != Verdict::Proxy;
        let cause = Cause::Credential {
            host: host.clone(),
            user: user.clone(),
            image: about_image.then(|| image.clone()),
            verdict: *verdict,
            other_server: other_server.clone(),
            causes: has_common_causes.then(|| failure.causes.clone()),
        };
        let (subject, name) = match from {
            Some(node) => (Subject::VantagePoint, node),
            None => (Subject::Image, image),
        };
        self.add(cause, subject, name, Tone::Failed, failure.clone());
    }

    /// Adds a node that could not be used.
    pub(super) fn add_host(&mut self, row: &HostRow) {
        let tone = if row.outcome == HostOutcome::Unreachable { Tone::Unreachable } else { Tone::Failed };
        if let Some(failure) = &row.failure {
            self.add(cause(failure), Subject::Node, &row.host, tone, failure.clone());
        }
    }

    /// Adds an object or a file that failed. `label` names the node in the message.
    pub(super) fn add_step(&mut self, row: &StepRow, label: &str) {
        let Some(failure) = &row.failure else { return };
        match &row.target {
            Target::Object(object) => {
                let cause = Cause::Failure(Box::new(failure.clone()));
                self.add(cause, Subject::Object, &object_name(object), Tone::Failed, failure.clone());
            }
            Target::File(file) => {
                let shown = Failure { message: format!("{label}{}", failure.message), ..failure.clone() };
                self.add(cause(failure), Subject::Node, &file.host, Tone::Failed, shown);
            }
        }
    }

    fn add(&mut self, cause: Cause, subject: Subject, name: &str, tone: Tone, failure: Failure) {
        let new = || Group { failure, tone, subject, names: IndexSet::new() };
        let group = self.groups.entry(cause).or_insert_with(new);
        if !group.names.contains(name) {
            group.names.insert(name.to_owned());
        }
    }

    /// One block for each problem: the first one completely, and the names of the others.
    pub(super) fn blocks(&self, width: Option<usize>) -> Vec<Line> {
        self.groups.values().map(|group| group.block(width)).collect()
    }

    /// One line for each problem of nodes: `9 nodes: connection refused: node047, node101, … (+7)`.
    pub(super) fn recap(&self, width: Option<usize>) -> Vec<Line> {
        let groups: Vec<(&Cause, &Group)> =
            self.groups.iter().filter(|(_, group)| group.subject == Subject::Node).collect();
        // One more line would not be shorter than the line that counts the rest.
        let shown = if groups.len() > MAX_CAUSES + 1 { MAX_CAUSES } else { groups.len() };
        let (shown, rest) = groups.split_at(shown);
        let line = |summary: &str, names: &IndexSet<&str>, tone| Line::result(tone, list(summary, names, width));
        let mut lines: Vec<Line> = shown
            .iter()
            .map(|(cause, group)| {
                let summary = match cause {
                    Cause::Summary(summary) => summary,
                    Cause::Failure(failure) => &failure.message,
                    Cause::Credential { .. } => &group.failure.message,
                };
                line(summary, &group.names.iter().map(String::as_str).collect(), group.tone)
            })
            .collect();
        if !rest.is_empty() {
            let summary = format!("{} more problems, which are listed above", rest.len());
            let names = rest.iter().flat_map(|(_, group)| &group.names).map(String::as_str).collect();
            lines.push(line(&summary, &names, Tone::Failed));
        }
        lines
    }
}

/// What a failure of a node has in common with equal failures of other nodes.
fn cause(failure: &Failure) -> Cause {
    match &failure.summary {
        Some(summary) => Cause::Summary(summary.to_string()),
        None => Cause::Failure(Box::new(failure.clone())),
    }
}

fn list(summary: &str, all: &IndexSet<&str>, width: Option<usize>) -> String {
    let start = format!("{}: {summary}: ", plural(all.len(), "node"));
    names::line(&start, all.iter().copied(), width)
}

impl Group {
    fn block(&self, width: Option<usize>) -> Line {
        let Failure { causes, hint, .. } = &self.failure;
        let causes: String = causes.iter().map(|cause| format!("\n  caused by: {cause}")).collect();
        let hint = hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
        Line::message(self.tone, format!("error: {}", self.failure.message))
            .then(Tone::Plain, format!("{causes}{}{hint}", self.others(width)))
    }

    /// The line with the names of everything else that has the problem.
    fn others(&self, width: Option<usize>) -> String {
        let others = self.names.len().saturating_sub(1);
        let start = match self.subject {
            _ if others == 0 => return String::new(),
            Subject::Node => format!("  the same on {}: ", plural(others, "more node")),
            Subject::VantagePoint => format!("  the same from {}: ", plural(others, "more node")),
            Subject::Image => format!("  the same for {}: ", plural(others, "more image")),
            Subject::Object => format!("  the same for {}: ", plural(others, "more object")),
        };
        let others: Vec<&str> = self.names.iter().skip(1).map(String::as_str).collect();
        format!("\n{}", names::line(&start, others.into_iter(), width))
    }
}
