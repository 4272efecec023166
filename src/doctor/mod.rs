//! `inventory --check`: reports everything that is wrong or suspicious in an inventory in one run, without contacting
//! any machine. Each file contains the rules for one subject. The settings that a run rejects or warns about are
//! reported by `desired`.

pub mod codes;
mod machines;
mod names;
mod templates;
mod values;

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::desired::{self, Request};
use crate::inventory::code;
use crate::inventory::{Code, Finding, Problem, Severity, Source, Variables};

pub use names::SCHEMA;

/// All findings, each once, in the order of the sources. `read` is the result of loading the inventory. If the
/// inventory cannot be read, only its problems are reported.
pub fn examine(read: &Result<Variables, Vec<Problem>>, request: &Request) -> Vec<Finding> {
    let mut findings = Vec::new();
    match read {
        Err(problems) => findings.extend(problems.iter().map(|problem| error(problem, codes::INVENTORY))),
        Ok(variables) => {
            // A check contacts nothing, and a command of the inventory could contact any machine, so none is executed.
            let (desired, problems) = desired::resolve_with_problems(&variables.without_commands(), request);
            findings.extend(variables.findings().iter().cloned());
            findings.extend(problems.iter().map(|problem| error(problem, codes::DESIRED)));
            findings.extend(desired.warnings.into_iter().chain(desired.notices));
            names::check(variables.inventory(), &mut findings);
            values::check(variables.inventory(), &mut findings);
            machines::check(variables, &mut findings);
            templates::check(variables, &mut findings);
        }
    }
    findings.iter_mut().for_each(add_default_hint);
    in_order(findings)
}

/// Adds a hint to the finding about an undefined variable, unless a similar name was already suggested.
fn add_default_hint(finding: &mut Finding) {
    if finding.code == code::UNDEFINED_VARIABLE && finding.problem.hint.is_none() {
        finding.problem.hint =
            Some("set the variable for this host, or add a `default` filter to the template".to_owned());
    }
}

fn error(problem: &Problem, kind: Code) -> Finding {
    // This is not an error, because the value may be correct: only a run executes the command.
    if problem.code == Some(code::NOT_CHECKED) {
        let problem = problem.clone().hint("`oregano validate` runs the command");
        return Finding::new(code::NOT_CHECKED, problem).with_severity(Severity::Note);
    }
    Finding::new(problem.code.unwrap_or(kind), problem.clone()).with_severity(Severity::Error)
}

/// Sorts the findings by source, in the order of the first finding of each source, and then by place. Of several findings
/// with the same code and place, the errors are kept, which have different messages, or else the most severe finding.
fn in_order(mut findings: Vec<Finding>) -> Vec<Finding> {
    let mut sources: HashMap<*const Source, usize> = HashMap::new();
    let mut place = |finding: &Finding| {
        let span = finding.problem.place.as_ref().map(|place| &place.span)?;
        let next = sources.len();
        Some((*sources.entry(Arc::as_ptr(&span.source)).or_insert(next), span.start))
    };
    findings.sort_by_cached_key(|finding| (place(finding), codes::rank(finding.code), Reverse(finding.severity)));
    // Errors are sorted first, so that `retain` keeps the most severe finding of each place.
    findings.sort_by_key(|finding| finding.severity);
    let (mut places, mut messages) = (HashSet::new(), HashSet::new());
    findings.retain(|finding| {
        let span = finding.problem.place.as_ref().map(|place| &place.span);
        let place = span.map(|span| (Arc::as_ptr(&span.source), span.start));
        let is_first = places.insert((finding.code, place));
        // An entry may lack two keys. Findings without a place are not about the same thing either.
        let is_distinct = finding.severity == Severity::Error || place.is_none();
        let is_new = messages.insert((finding.code, place, finding.problem.message.clone()));
        is_new && (is_first || is_distinct)
    });
    findings.sort_by_cached_key(|finding| (place(finding), codes::rank(finding.code)));
    findings
}
