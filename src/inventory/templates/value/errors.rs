//! Why a value cannot be resolved. There are two kinds of errors: a [`ResolveError`] belongs to a variable and usually
//! has a place; a [`FunctionError`] comes from a filter, test or function, where the place is not known. The engine
//! returns both as the source of its own error type, and the `eval` layer converts them to problems.

use minijinja::{Error, ErrorKind, Value};

use crate::inventory::code::{self, Code};
use crate::inventory::outside::{OutsideError, OutsideErrorKind};
use crate::inventory::problem::Problem;
use crate::inventory::source::Span;

/// Why a variable cannot be resolved.
#[derive(Debug, Clone)]
pub(in crate::inventory::templates) enum ResolveError {
    /// Something in it is undefined. `default` and `is defined` handle this error.
    Undefined(Problem),
    /// It is `omit`. A list or mapping leaves out the item.
    Omitted(Problem),
    /// Anything else.
    Invalid(Problem),
    /// Anything else that does not depend on where the value is used, so its place is not known yet.
    WithoutPlace(Problem),
}

impl ResolveError {
    /// The problem, for callers that do not distinguish the reasons.
    pub fn into_problem(self) -> Problem {
        match self {
            Self::Undefined(problem) => problem.code(code::UNDEFINED_VARIABLE),
            Self::Omitted(problem) | Self::Invalid(problem) | Self::WithoutPlace(problem) => problem,
        }
    }

    /// The same error with the place `span`, unless it has a place already.
    pub fn at(self, span: &Span) -> Self {
        match self {
            Self::WithoutPlace(problem) => {
                Self::Invalid(Problem { place: Problem::hiding(span, String::new()).place, ..problem })
            }
            error => error,
        }
    }
}

/// The error of a variable that a template uses, as the source of an error of the engine.
#[derive(Debug)]
struct VariableError(ResolveError);

/// Why a filter, test or function has no result.
#[derive(Debug, Clone)]
pub(in crate::inventory::templates) struct FunctionError {
    /// The reason. It must not contain a value, because a value may be a password.
    pub message: String,
    /// What to do now.
    pub hint: Option<String>,
    /// Whether the reason is that something is undefined.
    pub undefined: bool,
    /// The name of what is undefined, if it is known.
    pub undefined_name: Option<Box<str>>,
    /// The code of the reason, if it has one.
    pub code: Option<Code>,
    /// A more precise message, for one case.
    pub detailed: Option<DetailedMessage>,
}

/// A message that contains an argument. It may be shown only if the argument is a string literal in the text of the
/// template: otherwise the argument is the value of a variable, which may be a password.
#[derive(Debug, Clone)]
pub(in crate::inventory::templates) struct DetailedMessage {
    /// The argument.
    pub literal: String,
    /// The message, which contains no other values.
    pub message: String,
}

impl std::fmt::Display for VariableError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a variable cannot be resolved")
    }
}

impl std::fmt::Display for FunctionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for VariableError {}
impl std::error::Error for FunctionError {}

/// An error of the engine that contains the error of a variable.
pub(in crate::inventory::templates) fn from_variable(error: ResolveError) -> Error {
    Error::new(ErrorKind::InvalidOperation, "a variable cannot be resolved").with_source(VariableError(error))
}

/// The error of a filter, test or function. The message must not contain a value.
pub(in crate::inventory::templates) fn error(message: impl Into<String>) -> Error {
    wrap(FunctionError::new(message))
}

/// The same with a hint.
pub(in crate::inventory::templates) fn error_with_hint(message: impl Into<String>, hint: impl Into<String>) -> Error {
    wrap(FunctionError { hint: Some(hint.into()), ..FunctionError::new(message) })
}

/// The error of a lookup that needs something outside the inventory.
pub(in crate::inventory::templates) fn lookup_error(lookup: &str, reason: &OutsideError) -> Error {
    wrap(FunctionError::of_lookup(lookup, reason))
}

/// The same. If the argument `literal` is in the text of the template, the message is `detailed` instead, which may
/// contain the argument but no other values.
pub(in crate::inventory::templates) fn lookup_error_with_detail(
    lookup: &str,
    reason: &OutsideError,
    literal: &str,
    detailed: impl Into<String>,
) -> Error {
    let detailed = Some(DetailedMessage { literal: literal.to_owned(), message: detailed.into() });
    wrap(FunctionError { detailed, ..FunctionError::of_lookup(lookup, reason) })
}

/// The error of a filter, test or function. If the argument `literal` is in the text of the template, the message is
/// `detailed` instead, which may contain the argument but no other values.
pub(in crate::inventory::templates) fn error_with_detail(
    message: impl Into<String>,
    literal: &str,
    detailed: impl Into<String>,
) -> Error {
    let detailed = Some(DetailedMessage { literal: literal.to_owned(), message: detailed.into() });
    wrap(FunctionError { detailed, ..FunctionError::new(message) })
}

/// Something is undefined, and its name is not known here.
pub(in crate::inventory::templates) fn undefined_error() -> Error {
    undefined_error_with("something in this value is undefined")
}

/// Something is undefined, as the message says.
pub(in crate::inventory::templates) fn undefined_error_with(message: impl Into<String>) -> Error {
    wrap(FunctionError { undefined: true, ..FunctionError::new(message) })
}

/// A variable is undefined, for the reason in `problem`.
pub(in crate::inventory::templates) fn undefined_error_of(problem: Problem) -> Error {
    let name = problem.undefined_name;
    wrap(FunctionError { undefined: true, undefined_name: name, ..FunctionError::new(problem.message) })
}

impl FunctionError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, undefined: false, undefined_name: None, code: None, detailed: None }
    }

    fn of_lookup(lookup: &str, reason: &OutsideError) -> Self {
        let code = (reason.kind == OutsideErrorKind::NotRun).then_some(code::NOT_CHECKED);
        Self { code, ..Self::new(format!("the lookup `{lookup}` failed: {reason}")) }
    }
}

fn wrap(error: FunctionError) -> Error {
    Error::new(ErrorKind::InvalidOperation, "a function returned an error").with_source(error)
}

/// The error of a variable in an error of the engine.
pub(in crate::inventory::templates) fn variable_error(error: &Error) -> Option<&ResolveError> {
    sources(error).find_map(|source| source.downcast_ref::<VariableError>()).map(|error| &error.0)
}

/// The error of a filter, test or function in an error of the engine.
pub(in crate::inventory::templates) fn function_error(error: &Error) -> Option<&FunctionError> {
    sources(error).find_map(|source| source.downcast_ref::<FunctionError>())
}

fn sources(error: &Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(std::error::Error::source(error), |source| source.source())
}

/// The result of resolving a variable, as a lookup returns it to the engine. A lookup cannot return an error: an
/// undefined variable becomes an undefined value, and any other error becomes an invalid value, which fails when it is
/// used.
pub(in crate::inventory::templates) fn lookup_result(result: Result<Option<Value>, ResolveError>) -> Option<Value> {
    match result {
        Ok(value) => value,
        Err(ResolveError::Undefined(_)) => Some(Value::UNDEFINED),
        Err(error) => Some(Value::from(from_variable(error))),
    }
}
