//! A mistake or a suspicious setting in an inventory, with a stable code and a severity. This file contains only types;
//! the readers of inventories, `desired` and `doctor` report findings.

use std::fmt;

use super::code::Code;
use super::problem::Problem;

/// A part of the inventory that the user should check.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The kind of finding.
    pub code: Code,
    /// How serious it is.
    pub severity: Severity,
    /// The message, the place and the hint.
    pub problem: Problem,
}

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Every run fails because of it.
    Error,
    /// A run accepts it, but it is probably a mistake, or it is dangerous.
    Warning,
    /// It does not affect oregano, but may affect other programs that read the inventory.
    Note,
}

impl Severity {
    /// Its name in text and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl Finding {
    /// Creates a warning.
    pub fn new(code: Code, problem: Problem) -> Self {
        Self { code, severity: Severity::Warning, problem }
    }

    /// The same finding with another severity.
    #[must_use]
    pub fn with_severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }
}

/// One line: the place, then the message.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem.place {
            Some(place) => write!(f, "{}: {}", place.span, self.problem.message),
            None => f.write_str(&self.problem.message),
        }
    }
}
