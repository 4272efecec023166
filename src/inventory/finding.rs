//! What is wrong or suspicious, each with a stable code. Finds nothing itself: readers, `desired` and the doctor do.

use std::fmt;

use super::code::Code;
use super::problem::Problem;

/// Something that is worth a look.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What kind of thing it is.
    pub code: Code,
    /// How much it matters.
    pub severity: Severity,
    /// What it is, where, and what to do.
    pub problem: Problem,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// A run refuses it.
    Error,
    /// A run takes it, but it is likely not what was meant, or is dangerous.
    Warning,
    /// It changes nothing for us, but may for others who read the inventory.
    Note,
}

impl Severity {
    /// The word for it, in text and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl Finding {
    /// A warning.
    pub fn new(code: Code, problem: Problem) -> Self {
        Self { code, severity: Severity::Warning, problem }
    }

    /// The same, of another severity.
    #[must_use]
    pub fn of(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }
}

/// One line: the place, then what it is.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem.place {
            Some(place) => write!(f, "{}: {}", place.span, self.problem.message),
            None => f.write_str(&self.problem.message),
        }
    }
}
