//! Says why a template failed and where, from what the engine tells and what the run noted. The engine's own messages
//! may quote values, so none of them is passed on.

use std::ops::Range;
use std::sync::Arc;

use minijinja::{Error, ErrorKind};

use super::context::{Frame, Run};
use super::fault::{Failure, carried, refused};
use super::lookups::FUNCTIONS;
use super::place;
use super::plan::Program;
use crate::inventory::model::Node;
use crate::inventory::problem::{Problem, nearest};
use crate::inventory::source::Span;

/// A template that failed, with all that helps to say why.
pub(super) struct Explained<'a> {
    pub frame: &'a Arc<Frame>,
    pub node: &'a Node,
    pub text: &'a str,
    pub program: &'a Program,
    pub run: &'a Run,
}

impl Explained<'_> {
    /// What an error of the engine means.
    pub fn failure(&self, error: &Error) -> Failure {
        if let Some(failure) = carried(error) {
            return failure.clone().at(&self.place(error));
        }
        let refusal = refused(error);
        let undefined = error.kind() == ErrorKind::UndefinedError
            || error.detail().is_some_and(|detail| detail.contains("undefined"))
            || refusal.is_some_and(|refusal| refusal.undefined);
        if let Some(refusal) = refusal.filter(|refusal| !refusal.undefined || self.missing().is_none()) {
            let told = refusal.told.as_ref().filter(|told| self.has_literal(&told.literal));
            let message = told.map_or(&refusal.message, |told| &told.message);
            let problem = Problem::hiding(&self.place(error), message.clone());
            let problem = refusal.hint.iter().fold(problem, |problem, hint| problem.hint(hint));
            let problem = refusal.code.into_iter().fold(problem, Problem::code);
            return if undefined { Failure::Undefined(problem) } else { Failure::Wrong(problem) };
        }
        if undefined {
            return Failure::Undefined(self.undefined(error));
        }
        let (message, hint) = own_words(error);
        let problem = Problem::hiding(&self.place(error), message);
        Failure::Wrong(hint.into_iter().fold(problem, Problem::hint))
    }

    /// What was missing last and is not taken care of.
    fn missing(&self) -> Option<(String, Option<Problem>)> {
        let root = |name: &str| name.split(['.', '[']).next().unwrap_or_default().to_owned();
        let guarded: Vec<String> = self.program.guarded.iter().map(|name| root(name)).collect();
        let known = |name: &String| !FUNCTIONS.contains(&name.as_str()) && name != "omit";
        self.run.note(|notes| {
            let missing: Vec<_> = notes.missing.iter().filter(|(name, _)| known(name)).collect();
            let open = missing.iter().rev().find(|(name, _)| !guarded.contains(name));
            open.or(missing.last()).map(|missing| (*missing).clone())
        })
    }

    fn undefined(&self, error: &Error) -> Problem {
        let unnamed = || Problem::hiding(&self.place(error), "something in this template is not defined");
        match self.missing() {
            Some((_, Some(problem))) => problem,
            Some((name, None)) => match name.strip_prefix('\0') {
                Some(what) if self.named(what.split('`').nth(1)).is_some() => {
                    Problem::hiding(&self.place(error), format!("{what} is not defined"))
                }
                Some(_) => unnamed(),
                None => self.named(Some(&name)).map_or_else(unnamed, |place| not_defined(&place, &name, self.frame)),
            },
            None => unnamed(),
        }
    }

    /// Where the template has this name. A name that is not in its text is a value, and may be a secret.
    fn named(&self, name: Option<&str>) -> Option<Span> {
        let name = name?;
        let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let alone = |at: &usize| {
            let (before, after) = (&self.text[..*at], &self.text[at + name.len()..]);
            !part(before.chars().next_back()) && !part(after.chars().next())
        };
        let at = self.text.match_indices(name).map(|(at, _)| at).find(alone)?;
        Some(place(self.node, self.text, at..at + name.len()))
    }

    /// Whether the text has this string between quotes: then it is no value of a variable.
    fn has_literal(&self, text: &str) -> bool {
        let quoted = |quote: &str| self.text.contains(&format!("{quote}{text}{quote}"));
        !text.is_empty() && !text.contains(['\'', '"']) && (quoted("'") || quoted("\""))
    }

    fn place(&self, error: &Error) -> Span {
        let range: Option<Range<usize>> = error.range().and_then(|range| self.program.original(range));
        place(self.node, self.text, range.unwrap_or(0..self.text.len()))
    }
}

/// A name that is no variable.
pub(super) fn not_defined(place: &Span, name: &str, frame: &Frame) -> Problem {
    let problem = Problem::naming(place, name, format!("variable `{name}` is not defined"));
    match nearest(name, frame.known_names()) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem,
    }
}

/// What to say of an error that carries neither: only what holds no value.
fn own_words(error: &Error) -> (String, Option<String>) {
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
        ErrorKind::WriteFailure => said("this becomes too large"),
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
