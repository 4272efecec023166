//! Prints the findings of `inventory --check`: as blocks with line and caret, like those of a compiler, or as JSON
//! lines (docs/json.md). Both are written to stdout, because they are the result of the command. This file only
//! formats.

use serde::Serialize;

use crate::inventory::{Finding, Severity};

use super::line::{Line, Tone};
use super::messages::put;
use super::plural::plural;
use super::{Detail, Format, Style, json, line, text};

/// Prints all findings; the text output ends with their number. With `-q`, no findings are no output.
pub fn findings(findings: &[Finding], style: Style) {
    match style.format {
        Format::Json => findings.iter().for_each(|finding| json::print_line(&FindingRow::from(finding))),
        Format::Text => {
            for finding in findings {
                let label = format!("{}[{}]", finding.severity.name(), finding.code.name());
                let hint = finding.problem.hint.as_deref();
                let block = format!("{}\n", text::block(&label, &finding.problem.render(), &[], hint));
                put(&Line::result(tone(finding.severity), block), style);
            }
            if style.detail > Detail::Quiet || !findings.is_empty() {
                line(&summary(findings));
            }
        }
    }
}

/// One finding, as docs/json.md describes it.
#[derive(Serialize)]
struct FindingRow<'a> {
    event: &'static str,
    code: &'static str,
    severity: &'static str,
    message: &'a str,
    place: Option<RowPlace<'a>>,
    hint: Option<&'a str>,
}

/// The position of a finding; line and column are counted from 1.
#[derive(Serialize)]
struct RowPlace<'a> {
    file: &'a str,
    line: usize,
    column: usize,
}

impl<'a> From<&'a Finding> for FindingRow<'a> {
    fn from(finding: &'a Finding) -> Self {
        let place = finding.problem.place.as_ref().map(|place| {
            let (line, column) = place.span.line_column();
            RowPlace { file: &place.span.source.name, line, column }
        });
        Self {
            event: "finding",
            code: finding.code.name(),
            severity: finding.severity.name(),
            message: &finding.problem.message,
            place,
            hint: finding.problem.hint.as_deref(),
        }
    }
}

fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Error => Tone::Failed,
        Severity::Warning => Tone::Warning,
        Severity::Note => Tone::Plain,
    }
}

fn summary(findings: &[Finding]) -> String {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let notes = count(Severity::Note);
    let mut parts = vec![plural(count(Severity::Error), "error"), plural(count(Severity::Warning), "warning")];
    if notes > 0 {
        parts.push(plural(notes, "note"));
    }
    if findings.is_empty() { "nothing suspicious was found".to_owned() } else { parts.join(", ") }
}
