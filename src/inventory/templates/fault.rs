//! What goes wrong inside a template, on its way through the engine to a [`Problem`]. The engine's own
//! messages may quote values, so none of them is passed on.

use minijinja::{Error, ErrorKind};

use crate::inventory::finding::Code;
use crate::inventory::problem::Problem;

/// Why a value has no result.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// Something in it is not defined: `default` and `is defined` take care of that.
    Undefined(Problem),
    /// It is `omit`: what it stands in goes without it.
    Omitted(Problem),
    /// Anything else.
    Wrong(Problem),
}

impl Failure {
    /// The problem, for whoever has no use for the difference.
    pub fn problem(self) -> Problem {
        match self {
            Self::Undefined(problem) => problem.code(Code::UndefinedVariable),
            Self::Omitted(problem) | Self::Wrong(problem) => problem,
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

/// Something is not defined, and nobody knows its name.
pub(super) fn undefined() -> Error {
    undefined_as("something in it is not defined")
}

/// Something is not defined.
pub(super) fn undefined_as(message: impl Into<String>) -> Error {
    refusal(message.into(), None, true)
}

fn refusal(message: String, hint: Option<String>, undefined: bool) -> Error {
    Error::new(ErrorKind::InvalidOperation, "refused").with_source(Refusal { message, hint, undefined })
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

/// What to say of an error that carries neither: only what holds no value.
pub(super) fn own_words(error: &Error) -> (String, Option<String>) {
    let detail = error.detail().unwrap_or_default();
    let said = |text: &str| (text.to_owned(), None);
    match error.kind() {
        ErrorKind::SyntaxError | ErrorKind::BadEscape => said("this is no valid template"),
        ErrorKind::UnknownFilter => named(detail, "filter"),
        ErrorKind::UnknownTest => named(detail, "test"),
        ErrorKind::UnknownFunction => named(detail, "function"),
        ErrorKind::UnknownMethod => named(detail.rsplit(' ').next().unwrap_or_default(), "method"),
        ErrorKind::MissingArgument => said("an argument is missing"),
        ErrorKind::TooManyArguments => said("there are too many arguments"),
        ErrorKind::OutOfFuel => said("this template does not come to an end"),
        ErrorKind::CannotUnpack => said("there are not as many values as names"),
        ErrorKind::InvalidOperation => operation(detail),
        _ => said("this template has no result"),
    }
}

/// The engine names the kinds of values here, never the values.
fn operation(detail: &str) -> (String, Option<String>) {
    let kinds =
        detail.strip_prefix("tried to use ").and_then(|rest| rest.split_once(" operator on unsupported types "));
    match kinds {
        Some(("%", kinds)) if kinds.starts_with("string") => (
            "`%` with a text on its left is not supported".to_owned(),
            Some("write `'…' | format(…)`, or join the parts with `~`".to_owned()),
        ),
        Some((operator, kinds)) if kinds.split(" and ").all(is_kind) => {
            (format!("`{operator}` cannot be used with {kinds}"), None)
        }
        _ if detail.contains("too large") || detail.contains("too many") => {
            ("this would be too large".to_owned(), None)
        }
        _ if detail.starts_with("unable to calculate") => ("this cannot be calculated".to_owned(), None),
        _ => ("this template has no result: a value in it does not fit".to_owned(), None),
    }
}

fn is_kind(word: &str) -> bool {
    ["undefined", "none", "bool", "number", "string", "bytes", "sequence", "map", "iterator", "plain object"]
        .contains(&word)
}

fn named(detail: &str, kind: &str) -> (String, Option<String>) {
    let name: Option<&str> = detail.split_whitespace().find(|word| {
        let word = word.trim_matches('`');
        !word.is_empty() && !["filter", "test", "function", "method", "object", "has", "no"].contains(&word)
    });
    let name = name
        .map(|name| name.trim_matches('`'))
        .filter(|name| name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.')));
    match name {
        Some(name) => (format!("there is no {kind} `{name}`, or it is not supported"), None),
        None => (format!("there is no such {kind}, or it is not supported"), None),
    }
}
