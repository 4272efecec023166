//! `inventory --check`: everything in an inventory that is wrong or suspicious, at once, without contacting
//! anything. The rules of one kind stand in one file; what a run refuses or warns of comes from `desired`.

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

/// Everything that is wrong or suspicious, each once, in the order of the sources. `read` is what loading gave:
/// an inventory that cannot be read has no findings but its problems.
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
    findings.iter_mut().for_each(advise);
    in_order(findings)
}

/// A template that has no name near the one it wants still can be mended.
fn advise(finding: &mut Finding) {
    if finding.code == code::UNDEFINED_VARIABLE && finding.problem.hint.is_none() {
        finding.problem.hint = Some("set the variable for this host, or give the template a `default`".to_owned());
    }
}

fn error(problem: &Problem, kind: Code) -> Finding {
    if problem.code == Some(code::NOT_CHECKED) {
        let problem = problem.clone().hint("`oregano validate` runs the command");
        return Finding::new(code::NOT_CHECKED, problem).of(Severity::Note);
    }
    Finding::new(problem.code.unwrap_or(kind), problem.clone()).of(Severity::Error)
}

/// By source in the order of their first finding, then by place; of one code at one place the gravest.
fn in_order(mut findings: Vec<Finding>) -> Vec<Finding> {
    let mut sources: HashMap<*const Source, usize> = HashMap::new();
    let mut place = |finding: &Finding| {
        let span = finding.problem.place.as_ref().map(|place| &place.span)?;
        let next = sources.len();
        Some((*sources.entry(Arc::as_ptr(&span.source)).or_insert(next), span.start))
    };
    findings.sort_by_cached_key(|finding| (place(finding), codes::rank(finding.code), Reverse(finding.severity)));
    findings.sort_by_key(|finding| finding.severity);
    let mut seen = HashSet::new();
    findings.retain(|finding| match &finding.problem.place {
        Some(place) => seen.insert((finding.code, Arc::as_ptr(&place.span.source), place.span.start, String::new())),
        None => seen.insert((finding.code, std::ptr::null(), 0, finding.problem.message.clone())),
    });
    findings.sort_by_cached_key(|finding| (place(finding), codes::rank(finding.code)));
    findings
}
