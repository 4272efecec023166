//! What goes wrong inside a template, on its way through the engine. `explain` makes a problem of it.

use minijinja::{Error, ErrorKind};

use crate::inventory::code::{self, Code};
use crate::inventory::outside::{OutsideError, OutsideErrorKind};
use crate::inventory::problem::Problem;
use crate::inventory::source::Span;

/// Why a value has no result.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// Something in it is not defined: `default` and `is defined` take care of that.
    Undefined(Problem),
    /// It is `omit`: what it stands in goes without it.
    Omitted(Problem),
    /// Anything else.
    Wrong(Problem),
    /// The same, of whichever template asks: its place is not the right one yet.
    Unplaced(Problem),
}

impl Failure {
    /// The problem, for whoever has no use for the difference.
    pub fn problem(self) -> Problem {
        match self {
            Self::Undefined(problem) => problem.code(code::UNDEFINED_VARIABLE),
            Self::Omitted(problem) | Self::Wrong(problem) | Self::Unplaced(problem) => problem,
        }
    }

    /// The failure of a template at `span`, unless it has its place.
    pub fn at(self, span: &Span) -> Self {
        match self {
            Self::Unplaced(problem) => {
                Self::Wrong(Problem { place: Problem::hiding(span, String::new()).place, ..problem })
            }
            failure => failure,
        }
    }
}

/// A failure of a variable that the template asked for.
#[derive(Debug)]
struct Carried(Failure);

/// A reason without a place: of the template itself.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub message: String,
    pub hint: Option<String>,
    pub undefined: bool,
    /// The kind of reason, if it has a code.
    pub code: Option<Code>,
    /// What to say instead if the template itself shows it.
    pub told: Option<Told>,
}

/// A message about a text that may be a value, and then a secret.
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// The message holds no more than this.
    pub literal: String,
    pub message: String,
}

impl std::fmt::Display for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a variable has no value")
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Carried {}
impl std::error::Error for Refusal {}

/// The failure as an error of the engine.
pub(super) fn carry(failure: Failure) -> Error {
    Error::new(ErrorKind::InvalidOperation, "a variable has no value").with_source(Carried(failure))
}

/// A refusal. The message must hold no value.
pub(super) fn refuse(message: impl Into<String>) -> Error {
    refusal(message.into(), None, false)
}

/// A refusal with what to do now.
pub(super) fn refuse_with(message: impl Into<String>, hint: impl Into<String>) -> Error {
    refusal(message.into(), Some(hint.into()), false)
}

/// A refusal that says more if `literal` is a string in the text of the template.
pub(super) fn refuse_telling(message: impl Into<String>, literal: &str, told: impl Into<String>) -> Error {
    let told = Told { literal: literal.to_owned(), message: told.into() };
    error(Refusal { message: message.into(), hint: None, undefined: false, code: None, told: Some(told) })
}

/// A refusal because a lookup has no value.
pub(super) fn refuse_lookup(name: &str, reason: &OutsideError) -> Error {
    let message = format!("the lookup `{name}` failed: {reason}");
    let code = (reason.kind == OutsideErrorKind::NotRun).then_some(code::NOT_CHECKED);
    error(Refusal { message, hint: None, undefined: false, code, told: None })
}

/// Something is not defined, and nobody knows its name.
pub(super) fn undefined() -> Error {
    undefined_as("something in it is not defined")
}

/// Something is not defined.
pub(super) fn undefined_as(message: impl Into<String>) -> Error {
    refusal(message.into(), None, true)
}

fn refusal(message: String, hint: Option<String>, undefined: bool) -> Error {
    error(Refusal { message, hint, undefined, code: None, told: None })
}

fn error(refusal: Refusal) -> Error {
    Error::new(ErrorKind::InvalidOperation, "refused").with_source(refusal)
}

/// The failure that an error carries.
pub(super) fn carried(error: &Error) -> Option<&Failure> {
    sources(error).find_map(|source| source.downcast_ref::<Carried>()).map(|carried| &carried.0)
}

/// The refusal that an error carries.
pub(super) fn refused(error: &Error) -> Option<&Refusal> {
    sources(error).find_map(|source| source.downcast_ref::<Refusal>())
}

fn sources(error: &Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(std::error::Error::source(error), |source| source.source())
}
