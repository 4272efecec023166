//! `lookup`, `query` and the other functions of templates. What they ask of the world goes through
//! [`Outside`](crate::inventory::Outside).

use std::sync::Arc;

use minijinja::value::{Kwargs, Rest};
use minijinja::{Environment, Error, State, Value};

use super::call::{Call, NAMED, is_list, items, mapping, members};
use super::context::{Frame, Run};
use super::convert::valid;
use super::engine::frame;
use super::fault::{Failure, carry, refuse, refuse_lookup, refuse_telling, refuse_with, refused, undefined_as};
use super::filters::regex::{Anchor, Flags, compile, matches};
use super::render;
use super::rewrite::short_name;
use super::scan::may_be_template;
use crate::inventory::patterns;
use crate::inventory::problem::nearest;

/// The names of all functions.
pub(super) const FUNCTIONS: [&str; 9] =
    ["lookup", "query", "q", "range", "dict", "namespace", "undef", "now", "__member"];

/// The names of all lookups.
const LOOKUPS: [&str; 10] =
    ["dict", "env", "file", "inventory_hostnames", "items", "lines", "list", "pipe", "varnames", "vars"];

/// Adds all functions to an engine.
pub(super) fn add_to(environment: &mut Environment<'static>) {
    for (name, wanted) in [("lookup", Wanted::Value), ("query", Wanted::List), ("q", Wanted::List)] {
        let function = move |state: &State<'_, '_>, arguments: Rest<Value>, named: Kwargs| -> Result<Value, Error> {
            lookup(state, Call::new(&arguments, &named)?, wanted)
        };
        environment.add_function(name, function);
    }
    environment.add_function("range", minijinja::functions::range);
    environment.add_function("dict", dict);
    environment.add_function("namespace", minijinja::functions::namespace);
    environment.add_function("undef", |_: Rest<Value>, _: Kwargs| Value::UNDEFINED);
    environment.add_function("now", |_: Rest<Value>, _: Kwargs| -> Result<Value, Error> {
        Err(refuse("templates of an inventory have no clock"))
    });
}

/// Python's `dict`: of a mapping or of pairs, with what is given by name.
fn dict(arguments: Rest<Value>, named: Kwargs) -> Result<Value, Error> {
    let mut call = Call::new(&arguments, &named)?;
    let mut pairs = match call.get(0, "") {
        Some(value) if is_list(&value) => items(&value)?
            .iter()
            .map(|pair| match items(pair)?.as_slice() {
                [key, value] => Ok((key.clone(), value.clone())),
                _ => Err(refuse("`dict` needs pairs")),
            })
            .collect::<Result<Vec<_>, Error>>()?,
        Some(value) => members(&value)?,
        None => Vec::new(),
    };
    pairs.extend(call.rest_named().into_iter().map(|(name, value)| (Value::from(name), value)));
    Ok(mapping(pairs))
}

/// What a lookup is asked for.
#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    /// One value, or texts with commas between them.
    Value,
    List,
}

fn lookup(state: &State<'_, '_>, mut call: Call, wanted: Wanted) -> Result<Value, Error> {
    let name = call.text()?;
    let name = short_name(&name);
    let wanted = if call.is(NAMED, "wantlist") { Wanted::List } else { wanted };
    let forgiving = matches!(call.get_text(NAMED, "errors")?.as_deref(), Some("ignore" | "warn"));
    let terms = call.rest(1);
    if let Some(undefined) = terms.iter().find(|term| term.is_undefined()) {
        return Ok(undefined.clone());
    }
    let frame = frame(state)?;
    let found = match run(state, &frame, name, &terms, &mut call) {
        Err(error) if forgiving && refused(&error).is_some_and(|refusal| !refusal.undefined) => {
            return Ok(if wanted == Wanted::List { Value::from(Vec::<Value>::new()) } else { Value::from(()) });
        }
        found => found?,
    };
    if !call.rest_named().is_empty() {
        return Err(refuse(format!("the lookup `{name}` has an argument that it does not know")));
    }
    if wanted == Wanted::List {
        return Ok(found.into());
    }
    Ok(match found.as_slice() {
        [one] => one.clone(),
        [_, ..] if found.iter().all(|value| value.as_str().is_some()) => {
            found.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",").into()
        }
        _ => found.into(),
    })
}

fn run(
    state: &State<'_, '_>,
    frame: &Arc<Frame>,
    name: &str,
    terms: &[Value],
    call: &mut Call,
) -> Result<Vec<Value>, Error> {
    let outside = frame.owner().variables.outside();
    let failed = |reason| refuse_lookup(name, &reason);
    match name {
        "env" => env(state, frame, terms, call),
        "file" => {
            let (left, right) =
                (call.is(NAMED, "lstrip"), call.get(NAMED, "rstrip").is_none_or(|strip| strip.is_true()));
            each(terms, |path| {
                let text = outside.file(path).map_err(|reason| {
                    let told = format!("the lookup `file` cannot read `{path}`: {reason}");
                    refuse_telling(format!("the lookup `file` failed: {reason}"), path, told)
                })?;
                let text = if left { text.trim_start() } else { &text };
                Ok(Value::from(if right { text.trim_end() } else { text }))
            })
        }
        "pipe" => each(terms, |command| Ok(Value::from(outside.pipe(command).map_err(failed)?.trim_end()))),
        "lines" => {
            let mut lines = Vec::new();
            for command in terms {
                let text = outside.pipe(&render::text(command)?).map_err(failed)?;
                lines.extend(text.lines().map(Value::from));
            }
            Ok(lines)
        }
        "vars" => vars(state, frame, terms, call),
        "varnames" => varnames(frame, terms),
        "dict" => {
            let item = |(key, value)| mapping([(Value::from("key"), key), (Value::from("value"), value)]);
            let found = terms.iter().map(|term| Ok(members(term)?.into_iter().map(item).collect::<Vec<_>>()));
            Ok(found.collect::<Result<Vec<_>, Error>>()?.concat())
        }
        "items" => {
            let found = terms.iter().map(|term| if is_list(term) { items(term) } else { Ok(vec![term.clone()]) });
            Ok(found.collect::<Result<Vec<_>, Error>>()?.concat())
        }
        "list" => Ok(terms.to_vec()),
        "inventory_hostnames" => hostnames(frame, terms),
        // The name may be a value: it is not shown.
        _ => Err(unknown(name)),
    }
}

fn unknown(name: &str) -> Error {
    let hint = match nearest(name, LOOKUPS) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", LOOKUPS.map(|name| format!("`{name}`")).join(", ")),
    };
    refuse_with("there is no such lookup, or it is not supported", hint)
}

fn each(terms: &[Value], with: impl Fn(&str) -> Result<Value, Error>) -> Result<Vec<Value>, Error> {
    terms.iter().map(|term| with(&plain(term)?)).collect()
}

/// A term that is no template: Ansible resolves such strings inside templates, and warns of it.
fn plain(term: &Value) -> Result<String, Error> {
    let term = render::text(term)?;
    if may_be_template(&term) {
        return Err(refuse_with(
            "a template inside the string of another template is not supported",
            "join the parts with `~`",
        ));
    }
    Ok(term)
}

fn env(state: &State<'_, '_>, frame: &Frame, terms: &[Value], call: &mut Call) -> Result<Vec<Value>, Error> {
    let default = call.get(NAMED, "default").unwrap_or_else(|| Value::from(""));
    each(terms, |term| {
        let name =
            term.split_whitespace().next().ok_or_else(|| refuse("the lookup `env` needs the name of a variable"))?;
        match frame.owner().variables.outside().env(name) {
            Some(value) => Ok(Value::from(value)),
            None if default.is_undefined() => {
                note(state, &format!("\0the environment variable `{name}`"));
                Ok(Value::UNDEFINED)
            }
            None => Ok(default.clone()),
        }
    })
}

fn note(state: &State<'_, '_>, what: &str) {
    if let Some(run) = Run::of(state) {
        run.note(|notes| notes.missing.push((what.to_owned(), None)));
    }
}

fn vars(state: &State<'_, '_>, frame: &Arc<Frame>, terms: &[Value], call: &mut Call) -> Result<Vec<Value>, Error> {
    let default = call.get(NAMED, "default").filter(|default| !default.is_none());
    terms
        .iter()
        .map(|term| {
            let name = term.as_str().ok_or_else(|| refuse("the lookup `vars` needs the name of a variable"))?;
            match frame.value(&plain(term)?) {
                Ok(Some(value)) => valid(value),
                Ok(None) => match &default {
                    Some(default) => Ok(default.clone()),
                    None => {
                        note(state, name);
                        Ok(Value::UNDEFINED)
                    }
                },
                Err(Failure::Undefined(problem)) => Err(undefined_as(problem.message)),
                Err(failure) => Err(carry(failure)),
            }
        })
        .collect()
}

/// The names of all variables that a pattern finds something in.
fn varnames(frame: &Frame, terms: &[Value]) -> Result<Vec<Value>, Error> {
    let mut names: Vec<&str> = frame.known_names().collect();
    names.sort_unstable();
    names.dedup();
    let mut found = Vec::new();
    for term in terms {
        let regex = compile(&plain(term)?, &Flags { ignorecase: false, multiline: false }, Anchor::Anywhere)?;
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
        let inventory = frame.owner().variables.inventory();
        let hosts = patterns::select(inventory, &plain(term)?).map_err(|_| refuse("this is no pattern of hosts"))?;
        found.extend(hosts.into_iter().map(Value::from));
    }
    Ok(found)
}
