//! `lookup` and `query`, and the lookups that need the variables of the host, the inventory, files, programs or the
//! environment. Everything outside of the inventory is reached through [`Outside`](crate::inventory::Outside). Lookups
//! that need nothing but their arguments are in `stdlib::functions`.

use std::sync::Arc;

use minijinja::value::{Kwargs, Rest};
use minijinja::{Environment, Error, State, Value};

use super::evaluation::{Evaluation, Missing};
use super::frame::Frame;
use super::magic::known_names;
use crate::inventory::patterns;
use crate::inventory::templates::compile::short_name;
use crate::inventory::templates::stdlib::call::{Call, NAME_ONLY};
use crate::inventory::templates::stdlib::functions::{lookup_dict, lookup_items, plain_term, unknown_lookup};
use crate::inventory::templates::stdlib::regex::{Anchor, Flags, compile, matches};
use crate::inventory::templates::value::convert::checked;
use crate::inventory::templates::value::errors::{
    ResolveError, error, from_variable, function_error, lookup_error, lookup_error_with_detail, undefined_error_of,
};
use crate::inventory::templates::value::python_str;

/// Adds `lookup`, `query` and `q` to an engine.
pub(super) fn add_to(environment: &mut Environment<'static>) {
    for (name, result) in [("lookup", LookupResult::Value), ("query", LookupResult::List), ("q", LookupResult::List)] {
        let function = move |state: &State<'_, '_>, arguments: Rest<Value>, named: Kwargs| -> Result<Value, Error> {
            lookup(state, Call::new(&arguments, &named)?, result)
        };
        environment.add_function(name, function);
    }
}

/// The form of the result of a lookup.
#[derive(Clone, Copy, PartialEq)]
enum LookupResult {
    /// One value; several texts are joined with commas.
    Value,
    /// A list of all values.
    List,
}

fn lookup(state: &State<'_, '_>, mut call: Call, result: LookupResult) -> Result<Value, Error> {
    let name = call.text()?;
    let name = short_name(&name);
    let result = if call.is(NAME_ONLY, "wantlist") { LookupResult::List } else { result };
    let ignores_errors = matches!(call.get_text(NAME_ONLY, "errors")?.as_deref(), Some("ignore" | "warn"));
    let terms = call.rest(1);
    // As for a filter, the result for an undefined argument is undefined.
    if let Some(undefined) = terms.iter().find(|term| term.is_undefined()) {
        return Ok(undefined.clone());
    }
    let frame = Evaluation::frame_of(state)?;
    let found = match run_lookup(state, &frame, name, &terms, &mut call) {
        // As in Ansible `errors='ignore'` does not apply to undefined variables.
        Err(failed) if ignores_errors && function_error(&failed).is_some_and(|reason| !reason.undefined) => {
            return Ok(if result == LookupResult::List { Value::from(Vec::<Value>::new()) } else { Value::from(()) });
        }
        found => found?,
    };
    // An argument that was not read would otherwise have no effect, without a message.
    if !call.rest_named().is_empty() {
        return Err(error(format!("the lookup `{name}` has an argument that is not supported")));
    }
    if result == LookupResult::List {
        return Ok(found.into());
    }
    // Ansible returns the result in this form if `wantlist` is not set.
    Ok(match found.as_slice() {
        [one] => one.clone(),
        [_, ..] if found.iter().all(|value| value.as_str().is_some()) => {
            found.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",").into()
        }
        _ => found.into(),
    })
}

fn run_lookup(
    state: &State<'_, '_>,
    frame: &Arc<Frame>,
    name: &str,
    terms: &[Value],
    call: &mut Call,
) -> Result<Vec<Value>, Error> {
    match name {
        "env" => environment_variables(state, frame, terms, call),
        "file" => files(frame, terms, call),
        "pipe" => for_each_text(terms, |command| Ok(Value::from(pipe(frame, name, command)?.trim_end()))),
        "lines" => {
            let mut lines = Vec::new();
            for command in terms {
                lines.extend(pipe(frame, name, &python_str::text(command)?)?.lines().map(Value::from));
            }
            Ok(lines)
        }
        "vars" => variables(state, frame, terms, call),
        "varnames" => variable_names(frame, terms),
        "inventory_hostnames" => hostnames(frame, terms),
        "dict" => lookup_dict(terms),
        "items" => lookup_items(terms),
        "list" => Ok(terms.to_vec()),
        _ => Err(unknown_lookup(name)),
    }
}

fn for_each_text(terms: &[Value], with: impl Fn(&str) -> Result<Value, Error>) -> Result<Vec<Value>, Error> {
    terms.iter().map(|term| with(&plain_term(term)?)).collect()
}

/// `lookup('file', …)`: the content of files, by default without white space at the end.
fn files(frame: &Frame, terms: &[Value], call: &mut Call) -> Result<Vec<Value>, Error> {
    let strip_start = call.is(NAME_ONLY, "lstrip");
    let strip_end = call.get(NAME_ONLY, "rstrip").is_none_or(|strip| strip.is_true());
    for_each_text(terms, |path| {
        let text = frame.scope().resources.outside().file(path).map_err(|reason| {
            let detailed = format!("the lookup `file` cannot read `{path}`: {reason}");
            lookup_error_with_detail("file", &reason, path, detailed)
        })?;
        let text = if strip_start { text.trim_start() } else { &text };
        Ok(Value::from(if strip_end { text.trim_end() } else { text }))
    })
}

/// The output of a command. The command may contain a password, so it is not shown.
fn pipe(frame: &Frame, lookup: &str, command: &str) -> Result<String, Error> {
    let output = frame.scope().resources.outside().pipe(command);
    output.map_err(|reason| lookup_error(lookup, &reason))
}

fn environment_variables(
    state: &State<'_, '_>,
    frame: &Frame,
    terms: &[Value],
    call: &mut Call,
) -> Result<Vec<Value>, Error> {
    let default = call.get(NAME_ONLY, "default").unwrap_or_else(|| Value::from(""));
    for_each_text(terms, |term| {
        // Ansible uses only the first word of the term.
        let name =
            term.split_whitespace().next().ok_or_else(|| error("the lookup `env` needs the name of a variable"))?;
        match frame.scope().resources.outside().env(name) {
            Some(value) => Ok(Value::from(value)),
            None if default.is_undefined() => {
                record_missing(state, Missing::Environment(name.to_owned()));
                Ok(Value::UNDEFINED)
            }
            None => Ok(default.clone()),
        }
    })
}

fn record_missing(state: &State<'_, '_>, missing: Missing) {
    if let Some(evaluation) = Evaluation::of(state) {
        evaluation.record_missing(missing);
    }
}

fn variables(state: &State<'_, '_>, frame: &Arc<Frame>, terms: &[Value], call: &mut Call) -> Result<Vec<Value>, Error> {
    let default = call.get(NAME_ONLY, "default").filter(|default| !default.is_none());
    terms
        .iter()
        .map(|term| {
            let name = term.as_str().ok_or_else(|| error("the lookup `vars` needs the name of a variable"))?;
            match frame.value(&plain_term(term)?) {
                Ok(Some(value)) => checked(value),
                Ok(None) => match &default {
                    Some(default) => Ok(default.clone()),
                    None => {
                        record_missing(state, Missing::Variable(name.to_owned(), None));
                        Ok(Value::UNDEFINED)
                    }
                },
                // The message names the variable that is undefined, which `default` around the lookup can handle.
                Err(ResolveError::Undefined(problem)) => Err(undefined_error_of(problem)),
                Err(failed) => Err(from_variable(failed)),
            }
        })
        .collect()
}

/// `lookup('varnames', …)`: the names of all variables that match one of the regular expressions.
fn variable_names(frame: &Frame, terms: &[Value]) -> Result<Vec<Value>, Error> {
    let mut names: Vec<&str> = known_names(frame).collect();
    names.sort_unstable();
    names.dedup();
    let mut found = Vec::new();
    for term in terms {
        let regex = compile(&plain_term(term)?, &Flags { ignorecase: false, multiline: false }, Anchor::Anywhere)?;
        for name in &names {
            if matches(&regex, name)? {
                found.push(Value::from(*name));
            }
        }
    }
    Ok(found)
}

fn hostnames(frame: &Frame, terms: &[Value]) -> Result<Vec<Value>, Error> {
    let mut found = Vec::new();
    for term in terms {
        let inventory = frame.scope().inventory();
        let hosts =
            patterns::select(inventory, &plain_term(term)?).map_err(|_| error("this host pattern is not valid"))?;
        found.extend(hosts.into_iter().map(Value::from));
    }
    Ok(found)
}
