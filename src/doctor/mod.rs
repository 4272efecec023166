//! `inventory --check`: reports everything that is wrong or suspicious in an inventory, all at once, without contacting any
//! machine. Each file has the rules for one subject; what a run refuses or warns about comes from `desired`.

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

/// All findings, each once, in the order of the sources. `read` is the result of loading. If the inventory cannot be read, its
/// problems are the only findings.
pub fn examine(read: &Result<Variables, Vec<Problem>>, request: &Request) -> Vec<Finding> {
    let mut findings = Vec::new();
    match read {
        Err(problems) => findings.extend(problems.iter().map(|problem| error(problem, codes::INVENTORY))),
        Ok(variables) => {
            let (desired, problems) = desired::judge(&variables.without_commands(), request);
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

/// Adds a hint to an undefined variable for which no similar name is known.
fn add_default_hint(finding: &mut Finding) {
    if finding.code == code::UNDEFINED_VARIABLE && finding.problem.hint.is_none() {
        finding.problem.hint =
            Some("set the variable for this host, or add a `default` filter to the template".to_owned());
    }
}

fn error(problem: &Problem, kind: Code) -> Finding {
    // The value may be correct: only a run executes the command.
    if problem.code == Some(code::NOT_CHECKED) {
        let problem = problem.clone().hint("`oregano validate` runs the command");
        return Finding::new(code::NOT_CHECKED, problem).with_severity(Severity::Note);
    }
    Finding::new(problem.code.unwrap_or(kind), problem.clone()).with_severity(Severity::Error)
}

/// Sorts the findings by source, in the order of the first finding of each source, and then by place. Of several findings
/// with the same code at the same place, only the most severe stays.
fn in_order(mut findings: Vec<Finding>) -> Vec<Finding> {
    let mut sources: HashMap<*const Source, usize> = HashMap::new();
    let mut place = |finding: &Finding| {
        let span = finding.problem.place.as_ref().map(|place| &place.span)?;
        let next = sources.len();
        Some((*sources.entry(Arc::as_ptr(&span.source)).or_insert(next), span.start))
    };
    findings.sort_by_cached_key(|finding| (place(finding), codes::rank(finding.code), Reverse(finding.severity)));
    // Errors come first now, so that `retain` keeps the most severe finding of a place.
    findings.sort_by_key(|finding| finding.severity);
    let mut kept = HashSet::new();
    findings.retain(|finding| match &finding.problem.place {
        Some(place) => kept.insert((finding.code, Arc::as_ptr(&place.span.source), place.span.start, String::new())),
        None => kept.insert((finding.code, std::ptr::null(), 0, finding.problem.message.clone())),
    });
    findings.sort_by_cached_key(|finding| (place(finding), codes::rank(finding.code)));
    findings
}
