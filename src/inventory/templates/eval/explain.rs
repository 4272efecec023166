//! Explains why a template failed, and at which place, from the error of the engine and from the records of the
//! evaluation. Error texts of the engine may contain values, so they are not shown. Only the names of types and
//! operators in them are.

use std::ops::Range;
use std::sync::Arc;

use minijinja::{Error, ErrorKind};

use super::evaluation::{Evaluation, Missing};
use super::frame::Frame;
use super::magic::known_names;
use super::place::place;
use crate::inventory::model::Node;
use crate::inventory::problem::{Problem, nearest};
use crate::inventory::source::Span;
use crate::inventory::templates::compile::Program;
use crate::inventory::templates::stdlib::functions::FUNCTIONS;
use crate::inventory::templates::value::bounds::TOO_LARGE;
use crate::inventory::templates::value::errors::{ResolveError, function_error, variable_error};

/// A template that failed, with everything that helps to explain why.
pub(super) struct FailedTemplate<'a> {
    pub frame: &'a Arc<Frame>,
    pub node: &'a Node,
    pub text: &'a str,
    pub program: &'a Program,
    pub evaluation: &'a Evaluation,
}

impl FailedTemplate<'_> {
    /// Converts an error of the engine.
    pub fn resolve_error(&self, error: &Error) -> ResolveError {
        // The error of a variable has its own place and is the real cause, so it has priority over the error of the
        // function that used the variable.
        if let Some(resolve_error) = variable_error(error) {
            return resolve_error.clone().at(&self.place(error));
        }
        let function_error = function_error(error);
        let undefined = error.kind() == ErrorKind::UndefinedError
            // Some errors of the engine have another kind, and only its detail shows that a value was undefined.
            || error.detail().is_some_and(|detail| detail.contains("undefined"))
            || function_error.is_some_and(|error| error.undefined);
        // A function that receives an undefined value cannot report its name. If a name was recorded, the message uses
        // that.
        if let Some(reason) = function_error.filter(|reason| !reason.undefined || self.missing().is_none()) {
            let detailed = reason.detailed.as_ref().filter(|detailed| self.has_literal(&detailed.literal));
            let message = detailed.map_or(&reason.message, |detailed| &detailed.message);
            // The line of this place may contain a password, so its text is not shown, even if the message shows a
            // literal.
            let problem = Problem::hiding(&self.place(error), message.clone());
            let problem = reason.hint.iter().fold(problem, |problem, hint| problem.hint(hint));
            let problem = reason.code.into_iter().fold(problem, Problem::code);
            let problem = reason.undefined_name.iter().fold(problem, Problem::undefined);
            return if undefined { ResolveError::Undefined(problem) } else { ResolveError::Invalid(problem) };
        }
        if undefined {
            return ResolveError::Undefined(self.undefined_problem(error));
        }
        let (message, hint) = describe(error);
        let problem = Problem::hiding(&self.place(error), message);
        ResolveError::Invalid(hint.into_iter().fold(problem, Problem::hint))
    }

    /// The last undefined thing that the template does not check.
    fn missing(&self) -> Option<Missing> {
        let root = |name: &str| name.split(['.', '[']).next().unwrap_or_default().to_owned();
        let guarded: Vec<String> = self.program.guarded.iter().map(|name| root(name)).collect();
        // The engine also looks up the names of functions as variables.
        let is_real = |missing: &&Missing| match missing {
            Missing::Variable(name, _) => !FUNCTIONS.contains(&name.as_str()) && name != "omit",
            Missing::Member(_) | Missing::Environment(_) => true,
        };
        let is_guarded = |missing: &Missing| matches!(missing, Missing::Variable(name, _) if guarded.contains(name));
        self.evaluation.with_records(|records| {
            let missing: Vec<&Missing> = records.missing.iter().filter(is_real).collect();
            // The engine stops at the first failure, so the last name that it looked up is most likely the cause.
            let unguarded = missing.iter().rev().find(|missing| !is_guarded(missing));
            unguarded.or(missing.last()).map(|missing| (*missing).clone())
        })
    }

    fn undefined_problem(&self, error: &Error) -> Problem {
        let unnamed = || Problem::hiding(&self.place(error), "something in this template is undefined");
        let named = |name: &str, what: String| match self.place_of_name(name) {
            Some(_) => Problem::hiding(&self.place(error), format!("{what} is undefined")).undefined(name),
            None => unnamed(),
        };
        match self.missing() {
            Some(Missing::Variable(_, Some(problem))) => problem,
            Some(Missing::Variable(name, None)) => {
                self.place_of_name(&name).map_or_else(unnamed, |place| undefined_variable(&place, &name, self.frame))
            }
            Some(Missing::Member(Some(name))) => named(&name, format!("member `{name}`")),
            Some(Missing::Environment(name)) => named(&name, format!("the environment variable `{name}`")),
            Some(Missing::Member(None)) | None => unnamed(),
        }
    }

    /// The place of this name in the template. If the name is not in the text of the template, it was computed from
    /// values. It may then be a secret and must not be shown.
    fn place_of_name(&self, name: &str) -> Option<Span> {
        let is_name_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let is_complete = |at: &usize| {
            let (before, after) = (&self.text[..*at], &self.text[at + name.len()..]);
            !is_name_part(before.chars().next_back()) && !is_name_part(after.chars().next())
        };
        let at = self.text.match_indices(name).map(|(at, _)| at).find(is_complete)?;
        Some(place(self.node, self.text, at..at + name.len()))
    }

    /// Whether the template contains this string literal. If so, the text is not the value of a variable and may be
    /// shown.
    fn has_literal(&self, text: &str) -> bool {
        let has_quoted = |quote: &str| self.text.contains(&format!("{quote}{text}{quote}"));
        !text.is_empty() && !text.contains(['\'', '"']) && (has_quoted("'") || has_quoted("\""))
    }

    fn place(&self, error: &Error) -> Span {
        let range: Option<Range<usize>> = error.range().and_then(|range| self.program.original(range));
        place(self.node, self.text, range.unwrap_or(0..self.text.len()))
    }
}

/// The problem of a variable that is not set.
pub(super) fn undefined_variable(place: &Span, name: &str, frame: &Frame) -> Problem {
    let problem = Problem::naming(place, name, format!("variable `{name}` is undefined")).undefined(name);
    match nearest(name, known_names(frame)) {
        Some(similar) => problem.hint(format!("did you mean `{similar}`?")),
        None => problem,
    }
}

/// A message and a hint for an error that comes from the engine itself.
fn describe(error: &Error) -> (String, Option<String>) {
    let detail = error.detail().unwrap_or_default();
    let message = |text: &str| (text.to_owned(), None);
    match error.kind() {
        ErrorKind::SyntaxError | ErrorKind::BadEscape => message("this is not a valid template"),
        ErrorKind::UnknownFilter => unknown(detail, "filter"),
        ErrorKind::UnknownTest => unknown(detail, "test"),
        ErrorKind::UnknownFunction => unknown(detail, "function"),
        ErrorKind::UnknownMethod => unknown(detail.rsplit(' ').next().unwrap_or_default(), "method"),
        ErrorKind::MissingArgument => message("an argument is missing"),
        ErrorKind::TooManyArguments => message("there are too many arguments"),
        ErrorKind::OutOfFuel => message("this template does not finish"),
        ErrorKind::WriteFailure => message(TOO_LARGE),
        ErrorKind::CannotUnpack => message("the number of values is not the number of names"),
        ErrorKind::InvalidOperation => describe_operation(detail),
        _ => message("this template has no result"),
    }
}

/// The engine names types of values in these details, never values.
fn describe_operation(detail: &str) -> (String, Option<String>) {
    let operands =
        detail.strip_prefix("tried to use ").and_then(|rest| rest.split_once(" operator on unsupported types "));
    match operands {
        // In Python, `%` formats a text. The engine supports `%` only as the remainder of a division.
        Some(("%", types)) if types.starts_with("string") => (
            "`%` with a text on its left is not supported".to_owned(),
            Some("use `'…' | format(…)`, or concatenate the parts with `~`".to_owned()),
        ),
        Some((operator, types)) if types.split(" and ").all(is_type) => {
            (format!("`{operator}` cannot be used with {types}"), None)
        }
        _ if detail.contains("too large") || detail.contains("too many") => (TOO_LARGE.to_owned(), None),
        _ if detail.starts_with("unable to calculate") => ("this cannot be calculated".to_owned(), None),
        _ => ("this template has no result: one of its values has the wrong type".to_owned(), None),
    }
}

fn is_type(word: &str) -> bool {
    ["undefined", "none", "bool", "number", "string", "bytes", "sequence", "map", "iterator", "plain object"]
        .contains(&word)
}

/// The message about a filter, test, function or method that the engine does not have. The error of the engine contains
/// its name.
fn unknown(detail: &str, what: &str) -> (String, Option<String>) {
    let name: Option<&str> = detail.split_whitespace().find(|word| {
        let word = word.trim_matches('`');
        !word.is_empty() && !["filter", "test", "function", "method", "object", "has", "no"].contains(&word)
    });
    // Anything else than a name could be a value, so it is not shown.
    let name = name
        .map(|name| name.trim_matches('`'))
        .filter(|name| name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.')));
    match name {
        Some(name) => (format!("the {what} `{name}` does not exist or is not supported"), None),
        None => (format!("this {what} does not exist or is not supported"), None),
    }
}
